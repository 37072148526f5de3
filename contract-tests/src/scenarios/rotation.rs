//! The keys that sign tokens and the gateway's certificate change again and again, while clients get tokens and call, on
//! lasting connections and on new ones: none of them notices.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lienthong::access::tokens::keys::Rotation;
use lienthong::access::tokens::rotate::Rotate;
use lienthong::audit::Recorder;
use lienthong::storage::bodies::Bodies;
use lienthong::storage::keys::Keys;
use lienthong::wiring::Stores;
use lienthong_domain::time::{Clock, SystemClock};
use reqwest::tls::TlsInfo;
use reqwest::{Certificate, Client};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::authority::Authority;
use crate::gateway::{Deployment, PROVINCE};
use crate::load::dossier;

/// A key signs for so long, is published so long before, and is removed so long after.
const ROTATION: Rotation = Rotation { period_ms: 1000, lead_ms: 500, token_ms: 5000 };
/// Clients get new tokens before the key of the one they have goes.
const TOKEN_LASTS: Duration = Duration::from_secs(2);
const CERTIFICATE_EVERY: Duration = Duration::from_millis(700);

#[derive(Debug, Default)]
pub struct Report {
    pub requests: usize,
    /// What was not answered as it should be, with the reason of the first ones.
    pub failed: usize,
    pub reasons: Vec<String>,
    pub tokens: usize,
    /// Different ones that signed a token, that were published at the end, and that the gateway showed.
    pub keys: BTreeSet<String>,
    pub published: usize,
    pub certificates: BTreeSet<Vec<u8>>,
}

impl Report {
    fn note(&mut self, outcome: Result<()>) {
        self.requests += 1;
        if let Err(error) = outcome {
            self.failed += 1;
            if self.reasons.len() < 5 {
                self.reasons.push(format!("{error:#}"));
            }
        }
    }

    fn join(&mut self, other: Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.reasons.extend(other.reasons);
        self.tokens += other.tokens;
        self.keys.extend(other.keys);
        self.certificates.extend(other.certificates);
    }

    /// An error that says what was not as it must be.
    pub fn check(&self, lasting: Duration) -> Result<()> {
        ensure!(self.failed == 0, "{} of {} requests failed: {:?}", self.failed, self.requests, self.reasons);
        let seconds = usize::try_from(lasting.as_secs())?;
        ensure!(self.keys.len() >= seconds / 2, "only {} keys signed in {seconds} s", self.keys.len());
        ensure!(self.certificates.len() >= seconds / 2, "only {} certificates were shown", self.certificates.len());
        ensure!(self.published <= 12, "{} keys are published: the old ones are not removed", self.published);
        Ok(())
    }
}

/// One client of the gateway.
struct Caller {
    url: String,
    authority: Certificate,
    secret: String,
    /// Whether it opens a connection for each round.
    is_fleeting: bool,
    number: usize,
}

impl Caller {
    fn connect(&self) -> Result<Client> {
        let builder = Client::builder().no_proxy().timeout(Duration::from_secs(30)).tls_info(true);
        Ok(builder.tls_certs_only([self.authority.clone()]).build()?)
    }

    async fn call(self, until: Instant) -> Result<Report> {
        let (mut report, mut client) = (Report::default(), self.connect()?);
        let mut token: Option<(String, Instant)> = None;
        for n in 0.. {
            if Instant::now() >= until {
                break;
            }
            if self.is_fleeting {
                client = self.connect()?;
            }
            if token.as_ref().is_none_or(|(_, since)| since.elapsed() > TOKEN_LASTS) || n % 10 == 0 {
                let got = self.token(&client, &mut report).await;
                token = got.as_ref().ok().map(|token| (token.clone(), Instant::now()));
                report.note(got.map(drop));
            }
            if let Some((token, _)) = &token {
                report.note(self.work(&client, token, n).await);
            }
        }
        Ok(report)
    }

    /// A token whose key everyone can know already.
    async fn token(&self, client: &Client, report: &mut Report) -> Result<String> {
        let request = client.post(format!("{}/oauth/token", self.url)).basic_auth(PROVINCE, Some(&self.secret));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body("grant_type=client_credentials").send().await?.error_for_status()?;
        let shown = answer.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        report.certificates.extend(shown.map(<[u8]>::to_vec));
        let answer: Value = answer.json().await?;
        let token = answer["access_token"].as_str().context("no access_token")?.to_owned();
        let kid = jsonwebtoken::decode_header(&token)?.kid.context("no kid")?;
        let published = published(client, &self.url).await?;
        ensure!(published.contains(&kid), "the key {kid} signs and is not published");
        report.tokens += 1;
        report.keys.insert(kid);
        Ok(token)
    }

    async fn work(&self, client: &Client, token: &str, n: usize) -> Result<()> {
        let code = format!("H15.50-2611{:02}-{n:07}", self.number + 1);
        let put = client.put(format!("{}/v1/dossiers/{code}", self.url)).bearer_auth(token);
        let status = put.json(&dossier("received", "xoay khóa")).send().await?.status();
        ensure!(status == 202, "{status}");
        Ok(())
    }
}

async fn published(client: &Client, url: &str) -> Result<BTreeSet<String>> {
    let set: Value = client.get(format!("{url}/.well-known/jwks.json")).send().await?.json().await?;
    let keys = set["keys"].as_array().context("no keys")?;
    Ok(keys.iter().filter_map(|key| key["kid"].as_str().map(str::to_owned)).collect())
}

/// `callers` clients, half of them with a new connection for each round.
pub async fn run(callers: usize, lasting: Duration) -> Result<Report> {
    let resting = "outbox.breaker = { failures_in_a_row = 5, first_pause_ms = 3600000, longest_pause_ms = 3600000 }";
    let deployment = Deployment::new("http://127.0.0.1:9", resting)?;
    let authority = Authority::new()?;
    authority.equip(&deployment, "reload_ms = 50")?;
    let gateway = deployment.start().await?;
    let rotate = rotate(&deployment).await?;
    let (url, until) = (format!("https://{}", deployment.address), Instant::now() + lasting);
    let mut calling = JoinSet::new();
    for number in 0..callers {
        let caller = Caller {
            url: url.clone(),
            authority: Certificate::from_pem(authority.pem.as_bytes())?,
            secret: deployment.secret(PROVINCE).await?.to_owned(),
            is_fleeting: number % 2 == 0,
            number,
        };
        calling.spawn(caller.call(until));
    }
    let keys = async {
        while Instant::now() < until {
            while rotate.turn().await? {}
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::Ok(())
    };
    let certificates = async {
        while Instant::now() < until {
            authority.renew(&deployment, CERTIFICATE_EVERY / 4).await?;
            tokio::time::sleep(CERTIFICATE_EVERY).await;
        }
        Ok(())
    };
    tokio::try_join!(keys, certificates)?;
    let mut report = Report::default();
    while let Some(called) = calling.join_next().await {
        report.join(called??);
    }
    let authority = Certificate::from_pem(authority.pem.as_bytes())?;
    let client = Client::builder().no_proxy().tls_certs_only([authority]).build()?;
    report.published = published(&client, &url).await?.len();
    gateway.stop().await;
    Ok(report)
}

/// What changes the keys, beside the gateway: as the leader of other replicas would.
async fn rotate(deployment: &Deployment) -> Result<Rotate> {
    let (settings, clock): (_, Arc<dyn Clock>) = (deployment.load()?.settings, Arc::new(SystemClock));
    let store = Stores::open_existing(&settings, &clock).await?.access;
    let keys = Arc::new(Keys::open(Path::new(&settings.storage.keys_folder), false, &[])?);
    let bodies = Arc::new(Bodies::new(Arc::clone(&keys)));
    let recorder = Arc::new(Recorder::new(settings.deployment.name, keys, Arc::clone(&clock)));
    Ok(Rotate { store, bodies, recorder, clock, rotation: ROTATION })
}
