//! `lienthong witness …`: a witness of others' logs, without a gateway, a database or a configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::http::StatusCode;
use clap::{Args, Subcommand};
use lienthong_domain::time::SystemClock;
use tower_http::timeout::TimeoutLayer;

use super::Failure;
use crate::audit::log::VerifierKey;
use crate::witness::{Witness, routes};

/// Whoever sends slower than that is not waited for.
const MOST_TIME: Duration = Duration::from_secs(10);

#[derive(Subcommand)]
pub(super) enum Command {
    /// In khóa công khai của nhân chứng / Print the witness's public key
    Key(Place),
    /// Đối chứng và ký thêm đỉnh nhật ký của nơi khác / Cosign the heads of others' logs
    ///
    /// Nghe HTTP không mã hóa: đặt sau một máy chủ TLS. / Listens in plain HTTP: put a TLS server in front of it.
    Serve {
        #[command(flatten)]
        place: Place,
        /// Địa chỉ nghe / Where to listen
        #[arg(long, default_value = "127.0.0.1:8090")]
        listen: SocketAddr,
        /// Khóa của một nhật ký được đối chứng, như `lienthong audit key` in ra; có thể lặp lại / The key of a log that is witnessed
        #[arg(long = "log", required = true)]
        logs: Vec<String>,
    },
}

#[derive(Args)]
pub(super) struct Place {
    /// Thư mục giữ khóa và đỉnh đã ký / The folder of its key and of what it has cosigned
    #[arg(long)]
    folder: PathBuf,
    /// Tên nhân chứng, ví dụ h31.example/witness / The witness's name
    #[arg(long)]
    name: String,
}

pub(super) async fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Key(place) => {
            println!("{}", open(place, Vec::new())?.verifier()?);
            Ok(())
        }
        Command::Serve { place, listen, logs } => {
            let logs: Vec<VerifierKey> =
                logs.iter().map(|key| VerifierKey::parse(key)).collect::<Result<_, _>>().context("--log")?;
            let witness = Arc::new(open(place, logs)?);
            let listener = tokio::net::TcpListener::bind(listen).await.with_context(|| listen.to_string())?;
            println!("Nhân chứng / Witness: http://{}  {}", listener.local_addr()?, witness.verifier()?);
            let app = routes(witness).layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, MOST_TIME));
            let stop = async { drop(tokio::signal::ctrl_c().await) };
            axum::serve(listener, app).with_graceful_shutdown(stop).await?;
            Ok(())
        }
    }
}

fn open(place: &Place, logs: Vec<VerifierKey>) -> Result<Witness, Failure> {
    Ok(Witness::open(&place.folder, &place.name, logs, Arc::new(SystemClock))?)
}
