//! `lienthong inbox …`: files that messages name by an address, and could not be fetched. Works beside a running gateway, which does the
//! fetching.

use std::sync::Arc;

use clap::Subcommand;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, SystemClock};
use uuid::Uuid;

use super::Failure;
use super::progress::grouped;
use crate::audit::{Draft, Kind, Outcome};
use crate::config::Loaded;
use crate::inbox::links::store::LinkStore;
use crate::inbox::links::{LinkStatus, LinkedFile};
use crate::wiring::Stores;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Những tệp theo địa chỉ mà chưa tải được, và vì sao / Files at addresses that were not fetched, and why
    Files {
        /// Số dòng nhiều nhất / Lines at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Nhờ cổng đang chạy tải lại những tệp đã bỏ / Have the running gateway fetch again what was given up
    Fetch {
        /// Chỉ của thông điệp này; không nêu thì tất cả / Of this message alone; of all if not given
        #[arg(long)]
        item: Option<Uuid>,
    },
}

pub(super) async fn run(loaded: &Loaded, command: &Command) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stores = Stores::open_existing(&loaded.settings, &clock).await?;
    let links = stores.links();
    match command {
        Command::Files { limit } => files(&*links, *limit).await,
        Command::Fetch { item } => {
            let draft = Draft::new(Kind::Operator, "inbox.fetch_again", Outcome::decided("done"));
            let opened = links.open_again(*item, clock.now(), stores.recorder.seal(&draft)?).await?;
            println!("tải lại / to be fetched again: {opened}");
            Ok(())
        }
    }
}

async fn files(links: &dyn LinkStore, limit: usize) -> Result<(), Failure> {
    for status in [LinkStatus::Kept, LinkStatus::Waiting, LinkStatus::Refused] {
        println!("{:<8} {:>9}  {}", status.as_str(), grouped(links.count(status).await?), status.vietnamese());
    }
    for status in [LinkStatus::Refused, LinkStatus::Waiting] {
        let first = (Uuid::nil(), 0);
        for LinkedFile { item, n, attempts, next_at, reason, .. } in links.list(status, first, limit).await? {
            let next = if status == LinkStatus::Waiting { format!("→ {}", next_at.to_text()) } else { String::new() };
            println!("\n{} {item} / {n}  ({attempts} ×) {next}", status.as_str());
            if let Some(reason) = reason {
                println!("  {}: {} / {}", reason.as_str(), reason.vietnamese(), reason.english());
            }
        }
    }
    Ok(())
}
