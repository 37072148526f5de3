//! `lienthong catalogue …`: how the copy of the national catalogue stands, and a copying now. Works beside a running gateway, which
//! does what is asked here.

use std::sync::Arc;

use clap::Subcommand;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, SystemClock, Timestamp};

use super::Failure;
use crate::audit::{Draft, Kind, Outcome};
use crate::catalogue::store::CatalogueStore;
use crate::catalogue::{Run, Stopped};
use crate::config::Loaded;
use crate::wiring::Stores;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Bản sao danh mục quốc gia đang đến đâu / How the copy of the national catalogue stands
    Status,
    /// Nhờ cổng đang chạy sao danh mục ngay / Have the running gateway copy the catalogue now
    Sync {
        /// Tin danh sách dù nó ngắn đi nhiều / Believe the list although it has become much shorter
        #[arg(long)]
        accept_shrink: bool,
    },
}

pub(super) async fn run(loaded: &Loaded, command: &Command) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stores = Stores::open_existing(&loaded.settings, &clock).await?;
    let catalogue = stores.catalogue();
    match command {
        Command::Status => status(&*catalogue).await,
        Command::Sync { accept_shrink } => {
            let draft = Draft::new(Kind::Operator, "catalogue.run", Outcome::decided("done"));
            let record = stores.recorder.seal(&draft)?;
            catalogue.ask_for_run(clock.now(), *accept_shrink, record).await?;
            println!("Cổng đang chạy sẽ sao danh mục trong vòng một phút; xem: lienthong catalogue status");
            println!("The running gateway will copy the catalogue within a minute; see: lienthong catalogue status");
            Ok(())
        }
    }
}

async fn status(catalogue: &dyn CatalogueStore) -> Result<(), Failure> {
    let Some(run) = catalogue.run().await? else {
        println!("Chưa sao lần nào. / Nothing was ever copied.");
        return Ok(());
    };
    let text = |at: Option<Timestamp>| at.map_or_else(|| "–".to_owned(), |at| at.to_text());
    let report = &run.report;
    println!("phiên bản / version       {}", catalogue.last().await?);
    println!("sao đủ lúc / copied at    {}", text(run.completed_at));
    println!("lần gần nhất / last run   {} → {}", text(run.began_at), text(run.ended_at));
    println!(
        "lần tới / next            {}",
        if run.asked_at.is_some() { "ngay / now".into() } else { text(Some(run.next_at)) }
    );
    println!("trong danh sách / listed  {} (còn / left {})", report.listed, run.remaining.len());
    println!(
        "thay đổi / changes        +{} ~{} −{} ↺{}",
        report.added, report.changed, report.withdrawn, report.restored
    );
    println!("không sao được / failures {}", report.failures);
    for failed in &report.failed {
        println!("  {} {}: {}", failed.list, failed.code.as_deref().unwrap_or("–"), failed.reason);
    }
    tell_stopped(&run);
    Ok(())
}

fn tell_stopped(run: &Run) {
    match &run.report.stopped {
        None => {}
        Some(Stopped::NoList { reason }) => {
            println!("\nDừng vì không lấy được danh sách. / It ended without the list: {reason}");
        }
        Some(Stopped::Shrunk { known, missing }) => {
            println!("\nDừng: danh sách thiếu {missing} trong {known} thủ tục đã biết; không thủ tục nào bị đổi.");
            println!("It ended: {missing} of {known} known procedures are missing on the list; nothing was changed.");
            println!("Nếu đúng như vậy / if that is right:  lienthong catalogue sync --accept-shrink");
        }
    }
}
