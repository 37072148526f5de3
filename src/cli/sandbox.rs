//! `lienthong sandbox`

use std::net::SocketAddr;

use clap::Args;
use lienthong_sandbox::{FaultPlan, Sandbox, Settings};

use super::Failure;

#[derive(Args)]
pub(super) struct Options {
    /// Địa chỉ nghe / Where to listen
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// Tỷ lệ lỗi được gây ra, từ 0 đến 0.5 / Share of calls that meet a fault
    #[arg(long, default_value_t = 0.0, value_parser = super::share_of_faults)]
    faults: f64,
    /// Hạt giống của lỗi / Seed of the faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Dễ dãi hơn thực tế: bỏ bước trùng / Kinder than known: repeated steps are dropped
    #[arg(long)]
    dedup_steps: bool,
    /// Dễ dãi hơn thực tế: tra cứu trả về nội dung / Kinder than known: look-ups return the content
    #[arg(long)]
    rich_lookup: bool,
}

pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let mut settings = Settings { listen: options.listen, ..Settings::default() };
    settings.portal.dedup_steps = options.dedup_steps;
    settings.portal.rich_lookup = options.rich_lookup;
    if options.faults > 0.0 {
        settings.faults = FaultPlan::realistic(options.seed, options.faults);
    }
    let account = (settings.portal.username.clone(), settings.portal.password.clone());
    let sandbox = Sandbox::start(settings).await?;
    println!("Cổng mô phỏng / Simulated portal: {}", sandbox.url());
    println!("Tài khoản / Account: {} / {}", account.0, account.1);
    println!("Sổ hiệu lực / Ledger:  curl {}/_sandbox/ledger", sandbox.url());
    for kindness in sandbox.kindnesses() {
        println!("Dễ dãi hơn thực tế / Kinder than known: {kindness}");
    }
    tokio::signal::ctrl_c().await?;
    sandbox.stop().await;
    Ok(())
}
