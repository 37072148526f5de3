//! The way in, from its opening to its end: nobody who was let in goes without an answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::ServiceExt;
use axum::extract::Request;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Settings;
use crate::http::door::{At, Door};
use crate::http::front::Front;
use crate::http::listener::{Acceptor, ConnectionLimits};
use crate::http::tls::Tls;

/// After the door was closed, a connection that says nothing for so long is closed too. Closed at once, it might have a
/// request under way to us.
const LAST_WORD: Duration = Duration::from_secs(1);

/// The server of the API.
pub(super) struct Serving {
    pub(super) address: SocketAddr,
    server: axum_server::Handle<At>,
    front: Front,
    closed: watch::Sender<bool>,
}

impl Serving {
    /// Serves until [`Serving::finish`]; the task ends with the last connection.
    pub(super) async fn start(
        settings: &Settings,
        front: &Front,
        tls: Option<Arc<Tls>>,
    ) -> anyhow::Result<(Self, JoinHandle<()>)> {
        let listener = TcpListener::bind(&settings.server.listen)
            .await
            .with_context(|| format!("cannot listen on {}", settings.server.listen))?;
        let address = listener.local_addr()?;
        let (closed, is_closed) = watch::channel(false);
        let handle = axum_server::Handle::new();
        let connections = ConnectionLimits {
            all: settings.server.most_connections,
            of_one_address: settings.server.most_connections_of_one_address,
            handshake_timeout: Duration::from_millis(settings.server.tls.handshake_timeout_ms),
            write_timeout: Duration::from_millis(settings.http.write_timeout_ms),
        };
        let acceptor = Acceptor::new(connections, tls);
        // HTTP/1.1 only: the other protocol has limits of its own that nobody has set, and whoever says nothing from which
        // it could be told which one it speaks would be waited for without end.
        let mut server = axum_server::Server::from_listener(Door::open(listener, is_closed)?)
            .acceptor(acceptor)
            .http1_only()
            .handle(handle.clone());
        server
            .http_builder()
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(settings.http.header_read_timeout_ms));
        let routes = ServiceExt::<Request>::into_make_service(front.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = server.serve(routes).await {
                tracing::error!(%error, "the server ended");
            }
        });
        Ok((Self { address, server: handle, front: front.clone(), closed }, task))
    }

    /// Lets nobody in any more; every answer is the last on its connection. What is still under way after `drain` is cut
    /// off.
    pub(super) async fn finish(&self, drain: Duration) {
        self.front.close();
        self.closed.send_replace(true);
        let last_word = LAST_WORD.min(drain);
        let closed_at = Instant::now();
        while self.server.connection_count() > 0 && closed_at.elapsed() < last_word {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Closes at once what is idle.
        self.server.graceful_shutdown(Some(drain - last_word));
    }
}
