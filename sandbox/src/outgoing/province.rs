//! Where the province is reached and how patiently: the settings of the portal as a sender.
//! They must never name a real host: the sandbox calls nobody but the gateway under test.

use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};

const MOST_ATTEMPTS: u32 = 100;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProvinceSettings {
    /// `http://host:port` of the gateway's address for the portal; without TLS, which is the security servers' affair.
    pub url: String,
    pub prefix: Prefix,
    /// Sent as `SecurityKey` at the top of each body.
    pub security_key: Option<String>,
    /// For one attempt, from the connection to the last byte of the answer.
    pub timeout_ms: u64,
    /// Most attempts of one delivery, at least 1.
    pub attempts: u32,
    /// Between two attempts.
    pub pause_ms: u64,
    /// Most messages kept; beyond it, none is taken.
    pub limit: usize,
    /// What the address of a registered file begins with; none is the sandbox's own address.
    pub files_url: Option<String>,
    /// `service` of a new dossier and of a supplement; its true name is not public.
    pub dossier_service: String,
    /// `service` of a trade-promotion notice; its true name is not public.
    pub trade_promotion_service: String,
}

impl Default for ProvinceSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            prefix: Prefix::Bare,
            security_key: None,
            timeout_ms: 6_000,
            attempts: 5,
            pause_ms: 1_000,
            limit: 10_000,
            files_url: None,
            dossier_service: "NhanHoSoDVCQG".into(),
            trade_promotion_service: "NhanThongBaoKhuyenMai".into(),
        }
    }
}

/// The adapter in front of the local side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prefix {
    #[default]
    #[serde(rename = "")]
    Bare,
    #[serde(rename = "XrdAdapter/RestService/forward")]
    Xrd,
    #[serde(rename = "VXPAdapter/RestService/forward")]
    Vxp,
}

impl Prefix {
    fn path(self) -> &'static str {
        match self {
            Prefix::Bare => "",
            Prefix::Xrd => "/XrdAdapter/RestService/forward",
            Prefix::Vxp => "/VXPAdapter/RestService/forward",
        }
    }
}

impl ProvinceSettings {
    /// The defaults with this address.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(super) fn pause(&self) -> Duration {
        Duration::from_millis(self.pause_ms)
    }

    /// Where a message of this path goes; none if the settings were never checked.
    pub(super) fn address(&self, path: &str) -> Option<Url> {
        Url::parse(&format!("{}{}{path}", self.url.trim_end_matches('/'), self.prefix.path())).ok()
    }

    /// All that is wrong, each with its key.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let urls = [("url", Some(&self.url)), ("files_url", self.files_url.as_ref())];
        for (key, url) in urls.into_iter().filter_map(|(key, url)| Some((key, url?))) {
            if let Err(reason) = check_url(url) {
                mistakes.push(format!("province.{key}: `{url}` {reason}"));
            }
        }
        if !(1..=MOST_ATTEMPTS).contains(&self.attempts) {
            mistakes.push(format!("province.attempts: between 1 and {MOST_ATTEMPTS}"));
        }
        if self.timeout_ms == 0 {
            mistakes.push("province.timeout_ms: above 0".into());
        }
        mistakes
    }
}

fn check_url(url: &str) -> Result<(), &'static str> {
    let parsed = Url::parse(url).map_err(|_| "is no address")?;
    let host = parsed.host_str().filter(|_| parsed.scheme() == "http").ok_or("must begin with http://")?;
    if host.ends_with(".gov.vn") {
        return Err("is a real host, which a sandbox must not call");
    }
    if parsed.path() != "/" || parsed.query().is_some() {
        return Err("must be host and port alone");
    }
    Ok(())
}
