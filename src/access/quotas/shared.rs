//! Counting together in Redis or Valkey: one script, by that server's own clock. A server that is away, or slow, delays no
//! request beyond `timeout` and refuses none: each replica counts by itself until it is asked again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::gauge;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Script};
use tokio::sync::OnceCell;

use super::{Charge, Left, Verdict};
use crate::telemetry::metrics::QUOTAS_SHARED;

/// GCRA over several keys: charged to all, or to none.
///
/// `ARGV` holds for each key the microseconds of one request and of the whole quota. Answers `{0, left, µs until whole, …}`,
/// or `{number of the key, µs to wait}`.
const SCRIPT: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local arrivals, answer = {}, {0}
for n = 1, #KEYS do
    local one, whole = tonumber(ARGV[2 * n - 1]), tonumber(ARGV[2 * n])
    local arrival = math.max(tonumber(redis.call('GET', KEYS[n]) or now), now) + one
    if arrival - now > whole then
        return {n, arrival - now - whole}
    end
    arrivals[n] = arrival
    answer[#answer + 1] = math.floor((whole - (arrival - now)) / one)
    answer[#answer + 1] = arrival - now
end
for n = 1, #KEYS do
    redis.call('SET', KEYS[n], string.format('%.0f', arrivals[n]), 'PX', math.ceil((arrivals[n] - now) / 1000) + 1)
end
return answer
";

/// Where to count together.
#[derive(Debug, Clone)]
pub struct SharedSettings {
    /// `redis://` or `rediss://`.
    pub url: String,
    /// A request waits no longer for an answer.
    pub timeout: Duration,
    /// After a failure it is asked again no earlier.
    pub pause: Duration,
    /// Share of each quota that this replica gives by itself meanwhile, in percent.
    pub share_while_away: u32,
    /// Before each key: the deployment.
    pub prefix: String,
}

/// The shared count.
pub struct Shared {
    server: Arc<Server>,
    script: Script,
}

struct Server {
    settings: SharedSettings,
    client: Client,
    connection: OnceCell<ConnectionManager>,
    /// Whether it is not asked at present.
    is_away: AtomicBool,
}

impl Server {
    async fn connection(&self) -> Result<ConnectionManager, redis::RedisError> {
        let connect = || {
            let config = ConnectionManagerConfig::new()
                .set_response_timeout(Some(self.settings.timeout))
                .set_connection_timeout(Some(self.settings.timeout))
                .set_number_of_retries(1);
            ConnectionManager::new_with_config(self.client.clone(), config)
        };
        self.connection.get_or_try_init(connect).await.cloned()
    }

    async fn is_there(&self) -> bool {
        let ping = async { redis::cmd("PING").query_async::<()>(&mut self.connection().await?).await };
        matches!(tokio::time::timeout(self.settings.timeout, ping).await, Ok(Ok(())))
    }

    /// Leaves it alone until it answers again; nobody's request waits for that.
    fn leave_alone(self: &Arc<Self>, reason: &str) {
        if self.is_away.swap(true, Ordering::Relaxed) {
            return;
        }
        gauge!(QUOTAS_SHARED.name).set(0);
        tracing::warn!(reason, "quotas are not counted together with other replicas: each gives its share");
        let server = Arc::downgrade(self);
        let pause = self.settings.pause;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(server) = server.upgrade() else { return };
                if server.is_there().await {
                    server.is_away.store(false, Ordering::Relaxed);
                    tracing::info!("quotas are counted together again");
                    return;
                }
            }
        });
    }
}

impl Shared {
    /// Connects when the first request is judged.
    pub fn new(settings: SharedSettings) -> Result<Self, redis::RedisError> {
        let client = Client::open(settings.url.as_str())?;
        gauge!(QUOTAS_SHARED.name).set(1);
        let server = Server { settings, client, connection: OnceCell::new(), is_away: AtomicBool::new(false) };
        Ok(Self { server: Arc::new(server), script: Script::new(SCRIPT) })
    }

    pub(super) fn share_while_away(&self) -> u32 {
        self.server.settings.share_while_away
    }

    /// `None` while the server is away.
    pub(super) async fn judge(&self, charges: &[Charge]) -> Option<Verdict> {
        if charges.is_empty() {
            return Some(Verdict::Allowed(Vec::new()));
        }
        if self.server.is_away.load(Ordering::Relaxed) {
            return None;
        }
        match tokio::time::timeout(self.server.settings.timeout, self.ask(charges)).await {
            Ok(Ok(verdict)) => {
                gauge!(QUOTAS_SHARED.name).set(1);
                return Some(verdict);
            }
            Ok(Err(error)) => self.server.leave_alone(&error.to_string()),
            Err(_) => self.server.leave_alone("no answer in time"),
        }
        None
    }

    async fn ask(&self, charges: &[Charge]) -> Result<Verdict, redis::RedisError> {
        let mut connection = self.server.connection().await?;
        let mut call = self.script.prepare_invoke();
        for charge in charges {
            let whole = u64::try_from(charge.quota.window.as_micros()).unwrap_or(u64::MAX);
            let one = whole / u64::from(charge.quota.requests.max(1));
            call.key(format!("{}:quota:{}", self.server.settings.prefix, charge.key));
            call.arg(one).arg(one * u64::from(charge.quota.requests));
        }
        let answer: Vec<u64> = call.invoke_async(&mut connection).await?;
        Ok(match answer.split_first() {
            Some((0, left)) => Verdict::Allowed(left.chunks_exact(2).map(left_of).collect()),
            Some((number, wait)) => Verdict::Denied {
                at: usize::try_from(*number).unwrap_or(1).clamp(1, charges.len()) - 1,
                retry_after: Duration::from_micros(wait.first().copied().unwrap_or(0).max(1000)),
            },
            None => Verdict::Allowed(Vec::new()),
        })
    }
}

fn left_of(pair: &[u64]) -> Left {
    Left { requests: u32::try_from(pair[0]).unwrap_or(u32::MAX), until_whole: Duration::from_micros(pair[1]) }
}
