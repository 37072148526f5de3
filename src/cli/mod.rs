//! The commands. Each prints for people; logs go to standard error.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "commands speak to people on the terminal")]

mod audit;
mod catalogue;
mod check_config;
mod client;
mod demo;
mod erase;
mod healthcheck;
mod inbox;
mod keys;
mod migrate;
mod openapi;
mod outbox;
mod portal;
mod progress;
mod report;
mod sandbox;
mod serve;
mod storage;
mod webhooks;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::adapters::CARDS;
use crate::config::{self, Loaded, Mistake};

/// Liên Thông: cổng kết nối hệ thống một cửa của tỉnh với các hệ thống quốc gia.
/// The gateway between a province's one-stop systems and the national systems.
#[derive(Parser)]
#[command(name = "lienthong", version, max_term_width = 110)]
struct Arguments {
    /// Configuration file (TOML); without it the built-in defaults and the environment are used
    #[arg(long, short, global = true, env = "LIENTHONG_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Diễn một ngày của một trung tâm hành chính công trên máy này / Play a provincial centre's day on this machine
    Demo(demo::Options),
    /// Chạy cổng / Run the gateway
    Serve,
    /// Chạy Cổng quốc gia mô phỏng trên máy này / Run the simulated national portal on this machine
    Sandbox(sandbox::Options),
    /// In mọi thiết lập và nguồn của nó, hoặc mọi lỗi cùng một lúc / Print every setting and its source, or all mistakes
    CheckConfig,
    /// Đưa cơ sở dữ liệu lên lược đồ của bản này / Bring the database to this version's schema
    Migrate,
    /// Các hệ thống địa phương được gọi cổng / The local systems that may call
    #[command(subcommand)]
    Client(client::Command),
    /// Xem và quyết định những gì đang chờ gửi / Look at what waits to be sent, and decide
    #[command(subcommand)]
    Outbox(outbox::Command),
    /// Tệp của thông điệp đến, tải theo địa chỉ / Files of the portal's messages, fetched by address
    #[command(subcommand)]
    Inbox(inbox::Command),
    /// Hệ thống địa phương được gọi khi có sự kiện / Local systems that are called when something has happened
    #[command(subcommand)]
    Webhooks(webhooks::Command),
    /// Bản sao danh mục quốc gia / The copy of the national catalogue
    #[command(subcommand)]
    Catalogue(catalogue::Command),
    /// Đối soát với Cổng quốc gia / Whether province and nation agree
    #[command(subcommand)]
    Portal(portal::Command),
    /// Báo cáo / Reports
    #[command(subcommand)]
    Report(report::Command),
    /// Xóa hẳn nội dung theo yêu cầu hợp pháp / Erase contents for ever, on a legal ground
    #[command(subcommand)]
    Erase(erase::Command),
    /// Chứng minh những gì đã trao đổi / Prove what was exchanged
    #[command(subcommand)]
    Audit(audit::Command),
    /// Xem và thay khóa của cổng / Look at the gateway's keys, and change them
    #[command(subcommand)]
    Keys(keys::Command),
    /// Làm nhân chứng cho nhật ký của nơi khác / Be a witness of others' logs
    #[command(subcommand)]
    Witness(witness::Command),
    /// Chuyển từ SQLite sang PostgreSQL / Move from SQLite to PostgreSQL
    #[command(subcommand)]
    Storage(storage::Command),
    /// In tài liệu OpenAPI / Print the OpenAPI document
    Openapi,
    /// Signs with a key in a token, for a running gateway: told how on standard input
    #[command(hide = true)]
    SignWithToken,
    /// Hỏi một cổng đang chạy xem có sẵn sàng không / Ask a running gateway whether it is ready
    Healthcheck,
}

/// What blocks its thread has so long to finish when everything else has.
const LAST_WORD: Duration = Duration::from_secs(5);

/// Runs the command that was asked for.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    // One provider for every TLS connection, before the first client is made.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        match &arguments.command {
            Command::Demo(options) => demo::run(options).await,
            Command::Serve => {
                let file = arguments.config.clone();
                serve::run(Box::new(move || config::load(file.as_deref(), std::env::vars(), CARDS))).await
            }
            Command::Sandbox(options) => sandbox::run(options).await,
            Command::CheckConfig => check_config::run(&load(&arguments)?).await,
            Command::Migrate => migrate::run(&load(&arguments)?).await,
            Command::Client(command) => client::run(&load(&arguments)?, command).await,
            Command::Outbox(command) => outbox::run(&load(&arguments)?, command).await,
            Command::Inbox(command) => inbox::run(&load(&arguments)?, command).await,
            Command::Webhooks(command) => webhooks::run(|| load(&arguments), command).await,
            Command::Catalogue(command) => catalogue::run(&load(&arguments)?, command).await,
            Command::Portal(command) => portal::run(&load(&arguments)?, command).await,
            Command::Report(command) => report::run(&load(&arguments)?, command).await,
            Command::Erase(command) => erase::run(&load(&arguments)?, command).await,
            Command::Audit(command) => Box::pin(audit::run(|| load(&arguments), command)).await,
            Command::Keys(command) => keys::run(&load(&arguments)?, command).await,
            Command::Witness(command) => witness::run(command).await,
            Command::Storage(command) => storage::run(&load(&arguments)?, command).await,
            Command::SignWithToken => sign_with_token(),
            Command::Openapi => openapi::run().await,
            Command::Healthcheck => healthcheck::run(&load(&arguments)?).await,
        }
    });
    // A read that hangs on its disk must not keep a process that has ended.
    runtime.shutdown_timeout(LAST_WORD);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration(mistakes)) => {
            check_config::print_mistakes(&mistakes);
            ExitCode::from(2)
        }
        Err(Failure::NotVerified(why)) => {
            eprintln!("SAI / NOT VERIFIED: {why}");
            ExitCode::FAILURE
        }
        Err(Failure::Differs) => ExitCode::from(3),
        Err(Failure::Unreadable(why)) => {
            eprintln!("lienthong: {why}");
            ExitCode::from(2)
        }
        Err(Failure::WrongPin(why)) => {
            eprintln!("lienthong: {why}");
            ExitCode::from(crate::audit::anchors::token::WRONG_PIN)
        }
        Err(Failure::Other(error)) => {
            eprintln!("lienthong: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Why a command failed.
enum Failure {
    Configuration(Vec<Mistake>),
    /// Something of the audit log is not what it should be.
    NotVerified(String),
    /// Province and nation do not agree, or not everything could be compared.
    Differs,
    /// What was to be verified cannot be read.
    Unreadable(String),
    /// A device does not take the PIN that it was given.
    WrongPin(String),
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// In a process of its own: what a maker's driver does to it, it does to nobody else.
fn sign_with_token() -> Result<(), Failure> {
    use std::io::{Read, Write};

    use crate::audit::anchors::token;
    let mut told = zeroize::Zeroizing::new(Vec::new());
    std::io::stdin().take(1 << 20).read_to_end(&mut told)?;
    match token::sign(&told) {
        Ok(signature) => Ok(std::io::stdout().write_all(&signature)?),
        Err(error) if error.is::<token::WrongPin>() => Err(Failure::WrongPin(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// Beyond half, the simulated portal would be no portal.
fn share_of_faults(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=0.5).contains(share));
    share.ok_or_else(|| "cần số từ 0 đến 0.5 / a number from 0 to 0.5 is needed".to_owned())
}

fn load(arguments: &Arguments) -> Result<Loaded, Failure> {
    config::load(arguments.config.as_deref(), std::env::vars(), CARDS).map_err(Failure::Configuration)
}
