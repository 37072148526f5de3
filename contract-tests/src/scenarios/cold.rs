//! Many readers of one procedure that nobody has asked for yet: the portal is asked once, and everyone gets its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lienthong_sandbox::{FaultPlan, Operation, OperationFaults, Sandbox, Settings};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::gateway::{Deployment, PROVINCE};

#[derive(Debug)]
pub struct Report {
    pub readers: usize,
    /// Answers with the procedure.
    pub answered: usize,
    /// Readers whose request was on its way before the first answer came.
    pub waited_together: usize,
    pub upstream_calls: u64,
    pub took: Duration,
}

/// `readers` connections, each open before the first request is sent; the portal takes `patience` to answer.
pub async fn run(readers: usize, patience: Duration) -> Result<Report> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    let sandbox = Sandbox::start(Settings::default()).await?;
    let patience_ms = u64::try_from(patience.as_millis())?;
    let slow = OperationFaults { delay_ms: (patience_ms, patience_ms), ..OperationFaults::default() };
    sandbox.set_faults(FaultPlan::none().with(Operation::Catalogue, slow));
    let deployment = Deployment::new(
        &sandbox.url(),
        "server = { most_connections = 100000, most_connections_of_one_address = 100000 }\n\
         http = { concurrent_requests = 100000, header_read_timeout_ms = 60000, request_timeout_ms = 60000 }\n\
         adapters.portal-dvcqg.http = { connect_timeout_ms = 500, total_timeout_ms = 60000 }",
    )?;
    let (program, _) = deployment.spawn().await?;
    let token = deployment.token(PROVINCE).await?;
    let address = deployment.address;
    let request: Arc<str> = format!(
        "GET /v1/procedures/1.001612 HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    )
    .into();
    let (all_are_there, sent, first) = (Arc::new(Barrier::new(readers)), Arc::new(AtomicUsize::new(0)), Arc::default());
    let started = Instant::now();
    let mut asked = JoinSet::new();
    for _ in 0..readers {
        let mut connection = TcpStream::connect(address).await.context("a connection")?;
        let (request, all_are_there) = (Arc::clone(&request), Arc::clone(&all_are_there));
        let (sent, first): (_, Arc<AtomicUsize>) = (Arc::clone(&sent), Arc::clone(&first));
        asked.spawn(async move {
            all_are_there.wait().await;
            connection.write_all(request.as_bytes()).await?;
            sent.fetch_add(1, Ordering::SeqCst);
            let mut answer = Vec::new();
            connection.read_to_end(&mut answer).await?;
            // How many were waiting when the first answer came.
            let _ = first.compare_exchange(0, sent.load(Ordering::SeqCst), Ordering::SeqCst, Ordering::SeqCst);
            let answer = String::from_utf8_lossy(&answer).into_owned();
            ensure!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"code\":\"1.001612\""), "{answer}");
            Ok(())
        });
    }
    let mut answered = 0;
    while let Some(done) = asked.join_next().await {
        done??;
        answered += 1;
    }
    let upstream_calls = sandbox.counters().operations.get("catalogue").map_or(0, |catalogue| catalogue.calls);
    program.kill()?;
    sandbox.stop().await;
    let waited_together = first.load(Ordering::SeqCst);
    Ok(Report { readers, answered, waited_together, upstream_calls, took: started.elapsed() })
}

impl Report {
    /// An error that says what was not as it must be.
    pub fn check(&self) -> Result<()> {
        ensure!(self.answered == self.readers && self.upstream_calls == 1, "{self:?}");
        ensure!(self.waited_together == self.readers, "not all were waiting at once: {self:?}");
        Ok(())
    }
}
