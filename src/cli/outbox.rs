//! `lienthong outbox …`: what waits, why, and the operator's decisions. Works beside a running gateway.

use std::sync::Arc;

use clap::Subcommand;
use lienthong_domain::invalid::Message;
use lienthong_domain::time::{Clock, SystemClock};
use uuid::Uuid;

use super::Failure;
use crate::config::Loaded;
use crate::outbox::store::Decision;
use crate::outbox::{Item, Status};
use crate::storage::StoreError;
use crate::wiring::Stores;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Những mục chờ người vận hành, và số mục theo tình trạng / Items that wait for an operator, and counts
    List {
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Một mục / One item
    Show { id: Uuid },
    /// Gửi lại một mục chưa rõ kết quả hoặc bị từ chối / Send again an item of unknown outcome or refused
    Retry { id: Uuid },
    /// Cho hồ sơ đi tiếp không có mục này; cần lý do / Let the dossier go on without it; needs a reason
    Skip {
        id: Uuid,
        #[arg(long)]
        reason: String,
    },
    /// Hủy một mục / Cancel an item
    Cancel {
        id: Uuid,
        #[arg(long)]
        reason: String,
    },
}

pub(super) async fn run(loaded: &Loaded, command: &Command) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stores = Stores::open_existing(&loaded.settings, &clock).await?;
    match command {
        Command::List { limit } => list(&stores, *limit).await,
        Command::Show { id } => {
            let item = stores.outbox.item(*id).await?.ok_or_else(|| anyhow::anyhow!("no item {id}"))?;
            print_item(&item);
            Ok(())
        }
        Command::Retry { id } => decide(&stores, *id, Status::Retry, None, &clock).await,
        Command::Skip { id, reason } => decide(&stores, *id, Status::Skipped, Some(reason), &clock).await,
        Command::Cancel { id, reason } => decide(&stores, *id, Status::Cancelled, Some(reason), &clock).await,
    }
}

async fn list(stores: &Stores, limit: usize) -> Result<(), Failure> {
    for (status, count) in stores.outbox.counts().await?.by_status {
        println!("{:10} {count:>10}  {}", status.as_str(), status.vietnamese());
    }
    let waiting = stores.outbox.waiting(limit).await?;
    if waiting.is_empty() {
        println!("\nKhông có mục nào chờ người vận hành. / Nothing waits for an operator.");
        return Ok(());
    }
    println!("\nChờ người vận hành / Waiting for an operator:");
    for item in waiting {
        println!("\n{}", item.id);
        print_item(&item);
    }
    println!("\n  lienthong outbox retry ID | skip ID --reason … | cancel ID --reason …");
    Ok(())
}

fn print_item(item: &Item) {
    println!("  hồ sơ / dossier   {}", item.lane);
    println!("  việc / what       {} #{} → {}", item.kind, item.ordinal, item.route);
    println!("  tình trạng        {} ({})", item.status.vietnamese(), item.status.as_str());
    println!("  số lần / attempts {}   nhận lúc / accepted {}   {}", item.attempts, item.accepted_at, item.client_id);
    if let Some(problem) = &item.problem {
        let code = problem.upstream_code.as_deref().map(|code| format!(" [{code}]")).unwrap_or_default();
        let note = problem.note.as_deref().map(|note| format!(" — {note}")).unwrap_or_default();
        println!("  vì / because      {}{code}{note}", problem.kind);
        if let Some(Message { vi, en }) = &problem.reason {
            println!("                    {vi}\n                    {en}");
        }
    }
}

async fn decide(
    stores: &Stores,
    id: Uuid,
    to: Status,
    reason: Option<&String>,
    clock: &Arc<dyn Clock>,
) -> Result<(), Failure> {
    if reason.is_some_and(|reason| reason.trim().is_empty()) {
        return Err(anyhow::anyhow!("cần lý do / a reason is needed").into());
    }
    let words = reason.map(|reason| reason.chars().take(500).collect());
    match stores.outbox.decide(Decision { id, to, words, now: clock.now() }).await {
        Ok(item) => {
            println!("{id}: {} ({})", item.status.vietnamese(), item.status.as_str());
            Ok(())
        }
        Err(StoreError::NotApplicable) => {
            let now = stores.outbox.item(id).await?.map_or("không có / unknown id", |item| item.status.as_str());
            Err(anyhow::anyhow!("{id} is `{now}`: it cannot become `{}`", to.as_str()).into())
        }
        Err(error) => Err(error.into()),
    }
}
