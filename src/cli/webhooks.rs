//! `lienthong webhooks …`: the endpoints of local systems, and what they were told. Works beside a running gateway, which does the
//! calling; only the test call is made from here.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::anyhow;
use clap::Subcommand;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, SystemClock, Timestamp};
use uuid::Uuid;

use super::Failure;
use super::progress::grouped;
use crate::audit::{Draft, Kind, Outcome};
use crate::config::Loaded;
use crate::webhooks::store::{Again, WebhookStore};
use crate::webhooks::{Endpoint, Notice, NoticeStatus, SigningKey, test_call};
use crate::wiring::Stores;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Những nơi được gọi, và số thông báo theo tình trạng / Endpoints, with their notices
    List,
    /// Tạo một bí mật cho webhooks.endpoints / Make a secret for webhooks.endpoints
    Secret {
        /// Khóa riêng Ed25519: bên nhận chỉ cần khóa công khai / An Ed25519 key: receivers only have its public half
        #[arg(long)]
        ed25519: bool,
    },
    /// Gọi thử một nơi ngay bây giờ / Call an endpoint now, with a test event
    Test { endpoint: String },
    /// Các thông báo mới nhất và vì sao chưa được nhận / The latest notices, and why they were not taken
    Notices {
        #[arg(long)]
        endpoint: Option<String>,
        /// waiting, delivered, dead
        #[arg(long, default_value = "dead")]
        status: String,
        /// Số dòng nhiều nhất / Lines at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Nhờ cổng đang chạy gọi lại những thông báo đã bỏ / Have the running gateway call again for what was given up
    Again {
        #[arg(long)]
        endpoint: Option<String>,
        /// Chỉ sự kiện này / Of this event alone
        #[arg(long)]
        event: Option<Uuid>,
        /// Cả những thông báo đã được nhận từ lúc này, ví dụ 2026-11-20T08:00:00+07:00 / Also those taken since then
        #[arg(long)]
        delivered_since: Option<String>,
    },
    /// Gọi lại một nơi đã trả lời 410 / Call an endpoint again that has answered 410
    Enable { endpoint: String },
}

/// `load`: only where it is needed. A configuration that lacks a secret is none yet.
pub(super) async fn run(load: impl Fn() -> Result<Loaded, Failure>, command: &Command) -> Result<(), Failure> {
    if let Command::Secret { ed25519 } = command {
        return secret(*ed25519);
    }
    let loaded = load()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = &loaded.settings;
    let endpoints = settings.webhooks.endpoints(&settings.outbox.breaker).map_err(anyhow::Error::from)?;
    if let Command::Test { endpoint } = command {
        return test(named(&endpoints, endpoint)?, clock.now()).await;
    }
    let stores = Stores::open_existing(settings, &clock).await?;
    let webhooks = stores.webhooks();
    match command {
        Command::List => list(&*webhooks, &endpoints).await,
        Command::Notices { endpoint, status, limit } => {
            let status = NoticeStatus::parse(status)
                .map_err(|why| anyhow!("--status {status}: {} / {}", why.message.vi, why.message.en))?;
            for notice in webhooks.list(endpoint.clone(), status, *limit).await? {
                print_notice(&notice);
            }
            Ok(())
        }
        Command::Again { endpoint, event, delivered_since } => {
            let since = delivered_since.as_deref().map(time).transpose()?;
            let again = Again { endpoint: endpoint.clone(), event: *event, delivered_since: since };
            let draft = Draft::new(Kind::Operator, "webhook.call_again", Outcome::decided("done"));
            let opened = webhooks.open_again(again, clock.now(), stores.recorder.seal(&draft)?).await?;
            println!("gọi lại / to be called again: {}", grouped(opened as u64));
            Ok(())
        }
        Command::Enable { endpoint } => {
            let mut draft = Draft::new(Kind::Operator, "webhook.enable", Outcome::decided("done"));
            draft.key = Some(endpoint);
            match webhooks.enable(endpoint.clone(), stores.recorder.seal(&draft)?).await? {
                true => println!("{endpoint}: gọi lại / is called again"),
                false => return Err(anyhow!("{endpoint}: không bị ngừng gọi / was not disabled").into()),
            }
            Ok(())
        }
        Command::Secret { .. } | Command::Test { .. } => Ok(()),
    }
}

fn named<'a>(endpoints: &'a [Endpoint], name: &str) -> anyhow::Result<&'a Endpoint> {
    endpoints.iter().find(|endpoint| endpoint.terms.name == name).ok_or_else(|| {
        let names: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.terms.name.as_str()).collect();
        anyhow!("{name}: không có trong webhooks.endpoints / is not there; {}", names.join(", "))
    })
}

fn time(text: &str) -> anyhow::Result<Timestamp> {
    Timestamp::parse(text).map_err(|why| anyhow!("{text}: {} / {}", why.message.vi, why.message.en))
}

fn secret(ed25519: bool) -> Result<(), Failure> {
    let secret = SigningKey::make(ed25519).map_err(|_| anyhow!("the system gives no randomness"))?;
    println!("{}", secret.expose());
    if let Some(public) = SigningKey::parse(&secret).ok().and_then(|key| key.public_key()) {
        eprintln!("khóa công khai cho bên nhận / public key for the receiver: {public}");
    }
    Ok(())
}

async fn test(endpoint: &Endpoint, now: Timestamp) -> Result<(), Failure> {
    let (id, answer) = test_call(endpoint, now).await;
    println!("webhook-id {id}");
    match (answer.reason, answer.http_status) {
        (None, status) => {
            println!("đã nhận / taken: {}", status.unwrap_or_default());
            Ok(())
        }
        (Some(reason), status) => {
            let status = status.map(|status| format!(" ({status})")).unwrap_or_default();
            Err(anyhow!("{}{status}: {} / {}", reason.as_str(), reason.vietnamese(), reason.english()).into())
        }
    }
}

async fn list(webhooks: &dyn WebhookStore, endpoints: &[Endpoint]) -> Result<(), Failure> {
    let (mut counts, disabled) = (BTreeMap::new(), webhooks.disabled().await?);
    for status in [NoticeStatus::Waiting, NoticeStatus::Dead, NoticeStatus::Delivered] {
        for (endpoint, notices) in webhooks.counts(status).await? {
            counts.entry(endpoint).or_insert_with(Vec::new).push((status, notices));
        }
    }
    if endpoints.is_empty() {
        println!(
            "Chưa có nơi nào: thêm [[webhooks.endpoints]] vào tệp cấu hình. / There is none: add [[webhooks.endpoints]]."
        );
    }
    for Endpoint { terms, .. } in endpoints {
        let kinds: Vec<&str> = terms.events.iter().map(|kind| kind.as_str()).collect();
        println!("\n{}  →  {}", terms.name, terms.url);
        println!("  client   {}", terms.client);
        println!("  events   {}", kinds.join(", "));
        for public in terms.keys.iter().filter_map(SigningKey::public_key) {
            println!("  key      {public}");
        }
        if let Some((_, since)) = disabled.iter().find(|(name, _)| *name == terms.name) {
            println!("  ngừng gọi từ / disabled since {}: lienthong webhooks enable {}", since.to_text(), terms.name);
        }
        print_counts(counts.remove(&terms.name).unwrap_or_default());
    }
    for (name, counts) in counts {
        println!("\n{name} (không còn trong cấu hình / not configured)");
        print_counts(counts);
    }
    Ok(())
}

fn print_counts(counts: Vec<(NoticeStatus, u64)>) {
    for (status, notices) in counts {
        println!("  {:<9} {:>9}  {}", status.as_str(), grouped(notices), status.vietnamese());
    }
}

fn print_notice(notice: &Notice) {
    let status = notice.http_status.map(|status| format!("  HTTP {status}")).unwrap_or_default();
    println!("\n{} {}  {} → {}", notice.status.as_str(), notice.event, notice.kind.as_str(), notice.endpoint);
    println!("  {}  ({} ×){status}", notice.lane, notice.attempts);
    if let Some(reason) = notice.reason {
        println!("  {}: {} / {}", reason.as_str(), reason.vietnamese(), reason.english());
    }
    if let Some(next) = notice.next_at {
        println!("  → {}", next.to_text());
    }
}
