//! The agency's own signature (chữ ký số chuyên dùng công vụ) over the last checkpoint of each day, as a detached CMS signature.
//! Its key is in a token or a security module behind PKCS#11. The driver of such a device is the maker's code: it runs in a
//! process of its own, which is ended if it stalls, and whose end is nobody else's.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lienthong_adapter_kit::secret::Secret;
use lienthong_domain::time::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::token::{Order, TokenKey, WRONG_PIN};
use super::{Means, Standing, own_note};
use crate::audit::cms::{Certificate, Malformed, NotSigned, Roots, SignedData, ToSign};
use crate::audit::store::{Anchor, AnchorKind, SignedHead};
use crate::storage::StoreError;

/// A device that needs longer is given up.
const TIMEOUT: Duration = Duration::from_secs(30);
/// After it failed it is asked again so much later.
const PAUSE: Duration = Duration::from_secs(60);
/// As it is called in records and files.
const NAME: &str = "agency";

/// With what is signed.
#[derive(Clone)]
pub struct SignatureTerms {
    pub key: TokenKey,
    pub pin: Secret,
    /// The signer's certificate first.
    pub certificates: Vec<Certificate>,
    /// To whom it must lead.
    pub roots: Roots,
}

/// The leader's duty.
pub struct AgencySignature {
    means: Means,
    /// This program, which signs.
    program: PathBuf,
    terms: SignatureTerms,
    standing: Standing,
    /// The PIN is not the right one: tried a few times more it would lock the device.
    is_locked_out: AtomicBool,
}

/// Why a head was not signed.
#[derive(Debug, thiserror::Error)]
enum Missed {
    #[error("the device does not answer: its driver was ended after {} s", TIMEOUT.as_secs())]
    Stalled,
    #[error("the device does not sign: {0}")]
    Refused(String),
    #[error("the PIN is wrong, and is not tried again before the next start: that would lock the device")]
    LockedOut,
    #[error("the certificate cannot be used: {0}")]
    Certificate(#[from] Malformed),
    #[error("what it has signed is not accepted: {0}")]
    Bad(#[from] NotSigned),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Missed {
    /// A fixed word for the log.
    fn word(&self) -> &'static str {
        match self {
            Self::Stalled => "no_answer",
            Self::Refused(_) | Self::LockedOut => "refused",
            Self::Certificate(_) | Self::Bad(_) => "bad_signature",
            Self::Store(_) => "storage",
        }
    }
}

impl AgencySignature {
    pub fn new(means: Means, program: PathBuf, terms: SignatureTerms) -> Self {
        let standing = Standing::new("signature", NAME, ["audit.signature_away", "audit.signature_back"]);
        Self { means, program, terms, standing, is_locked_out: AtomicBool::new(false) }
    }

    /// Signs the last head of the day before, of each log that has grown since the one that was signed last.
    pub async fn turn(&self) -> Result<(), StoreError> {
        if self.standing.is_resting(PAUSE) {
            return Ok(());
        }
        let mut result: Result<bool, Missed> = Ok(false);
        for shard in self.means.shards() {
            let signed = self.close_day(&shard).await;
            result = result.and_then(|before| Ok(signed? || before));
        }
        self.standing.note_asked(&self.means, result.map_err(|missed| (missed.word(), missed.to_string()))).await
    }

    async fn close_day(&self, shard: &str) -> Result<bool, Missed> {
        if self.is_locked_out.load(Ordering::Relaxed) {
            return Err(Missed::LockedOut);
        }
        let store = &self.means.store;
        let midnight = last_midnight(self.means.clock.now());
        let Some(signed) = store.signed_before(shard, midnight).await? else { return Ok(false) };
        let before = store.newest_anchor(shard, AnchorKind::Signature, NAME).await?.map_or(0, |before| before.size);
        if before >= signed.size || !self.means.has_news(shard, before, signed.size).await? {
            return Ok(false);
        }
        let anchor = self.sign(&signed).await?;
        self.means.keep(shard, anchor).await?;
        Ok(true)
    }

    async fn sign(&self, signed: &SignedHead) -> Result<Anchor, Missed> {
        let (note, now) = (own_note(signed)?, self.means.clock.now());
        let to_sign = ToSign::new(&note, &self.terms.certificates, now)?;
        let order = Order { key: self.terms.key.clone(), kind: to_sign.kind().into(), bytes: to_sign.bytes() };
        let signature = self.ask(&order).await?;
        let token = to_sign.signed(&signature);
        // What others would refuse is not kept; a key that is not the certificate's is found here.
        SignedData::parse(&token)?.verify(&note, now, &self.terms.roots)?;
        Ok(Anchor { kind: AnchorKind::Signature, name: NAME.to_owned(), size: signed.size, at: now, note, token })
    }

    async fn ask(&self, order: &Order) -> Result<Vec<u8>, Missed> {
        let refused = |error: &dyn std::fmt::Display| Missed::Refused(error.to_string());
        let mut command = tokio::process::Command::new(&self.program);
        // Settings, and secrets among them, are nothing for the maker's driver.
        let settings = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LIENTHONG_"));
        for (name, _) in settings {
            command.env_remove(name);
        }
        let mut child = command
            .arg("sign-with-token")
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| refused(&error))?;
        let said = order.to_json(&self.terms.pin).map_err(|error| refused(&error))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(Missed::Refused("no pipes".into()));
        };
        let talk = async {
            stdin.write_all(&said).await?;
            drop(stdin);
            let (mut signature, mut words) = (Vec::new(), Vec::new());
            let (mut stdout, mut stderr) = (stdout.take(super::MOST_BYTES as u64), stderr.take(4096));
            let said = async {
                stderr.read_to_end(&mut words).await?;
                // A driver may say more than anybody reads.
                tokio::io::copy(&mut stderr.into_inner(), &mut tokio::io::sink()).await
            };
            tokio::try_join!(stdout.read_to_end(&mut signature), said)?;
            Ok::<_, std::io::Error>((child.wait().await?, signature, words))
        };
        let done = tokio::time::timeout(TIMEOUT, talk).await.map_err(|_| Missed::Stalled)?;
        let (status, signature, words) = done.map_err(|error| refused(&error))?;
        match status.success() {
            true => Ok(signature),
            false => {
                if status.code() == Some(WRONG_PIN.into()) {
                    self.is_locked_out.store(true, Ordering::Relaxed);
                }
                let words = String::from_utf8_lossy(&words);
                Err(Missed::Refused(format!("{status}: {}", words.trim())))
            }
        }
    }
}

/// The beginning of this day in Viet Nam.
fn last_midnight(now: Timestamp) -> Timestamp {
    Timestamp::from_vietnam(now.date_in_vietnam().at(0, 0, 0, 0)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_ends_at_midnight_in_viet_nam() {
        let at = |text: &str| Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
        assert_eq!(last_midnight(at("2026-11-22T16:59:59.999999Z")), at("2026-11-21T17:00:00Z"));
        assert_eq!(last_midnight(at("2026-11-22T17:00:00Z")), at("2026-11-22T17:00:00Z"));
        assert_eq!(last_midnight(at("2026-11-22T23:00:00Z")), at("2026-11-22T17:00:00Z"));
    }
}
