//! Has the newest checkpoint cosigned by witnesses: machines of another hand, which remember what they have seen. From then on
//! nobody here can show another history. Off the write path: a witness that is away or slow holds up nothing; it is told.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use lienthong_domain::time::Clock;
use metrics::gauge;
use reqwest::{StatusCode, Url};

use super::log::{AddCheckpoint, Checkpoint, Note, VerifierKey, read_cosignatures};
use super::store::{AuditStore, SignedHead};
use super::{Draft, Kind, Outcome, Recorder, read};
use crate::storage::StoreError;
use crate::telemetry::metrics::{AUDIT_EXPOSURE, AUDIT_WITNESS_UP};

/// One answer is waited for so long.
const TIMEOUT: Duration = Duration::from_secs(5);
/// An answer has some lines.
const MOST_BYTES: usize = 65_536;
/// A witness that has been away for so long is a mark in the log.
const GRACE: Duration = Duration::from_secs(60);
/// Cosignatures of several witnesses come at a time: each is added to what the others have left.
const MOST_TRIES: usize = 10;

/// Who cosigns.
#[derive(Debug, Clone)]
pub struct WitnessTerms {
    /// `add-checkpoint` stands below it.
    pub url: Url,
    pub key: VerifierKey,
}

/// The leader's duty.
pub struct Witnesses {
    store: Arc<dyn AuditStore>,
    recorder: Arc<Recorder>,
    clock: Arc<dyn Clock>,
    client: reqwest::Client,
    witnesses: Vec<Witness>,
}

struct Witness {
    terms: WitnessTerms,
    standing: Mutex<Standing>,
}

#[derive(Default)]
struct Standing {
    /// Records of the head of each log that it has cosigned last.
    known: HashMap<String, u64>,
    failing_since: Option<Instant>,
    is_told: bool,
}

/// Why a head was not cosigned.
#[derive(Debug, thiserror::Error)]
enum NotCosigned {
    #[error("no answer: {0}")]
    Call(String),
    #[error("it answers {0}: {1}")]
    Refused(StatusCode, String),
    #[error(
        "it has cosigned {0} records, and only {1} are signed here: an old backup was put in place, or another has its key"
    )]
    IsAhead(u64, u64),
    #[error("its answer is no cosignature of its key: {0}")]
    NoCosignature(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Witnesses {
    /// Fails only where the machine cannot do TLS at all.
    pub fn new(
        store: Arc<dyn AuditStore>,
        recorder: Arc<Recorder>,
        clock: Arc<dyn Clock>,
        terms: Vec<WitnessTerms>,
    ) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .user_agent(concat!("lienthong/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let witnesses = terms.into_iter().map(|terms| Witness { terms, standing: Mutex::default() }).collect();
        Ok(Self { store, recorder, clock, client, witnesses })
    }

    /// Asks each witness for its cosignature of what was signed last.
    pub async fn turn(&self) -> Result<(), StoreError> {
        if self.witnesses.is_empty() {
            return Ok(());
        }
        let mut heads = Vec::new();
        for shard in self.recorder.present_and_previous().map(|half_year| self.recorder.shard(&half_year)) {
            heads.extend(self.store.signed(&shard).await?.map(|signed| (shard, signed)));
        }
        let asked = self.witnesses.iter().map(|witness| async {
            let mut result = Ok(());
            for (shard, signed) in &heads {
                // What it has cosigned long ago does not tell that it is there: one that fails counts for all.
                result = result.and(self.ask(witness, shard, signed).await);
            }
            self.note(witness, result).await
        });
        join_all(asked).await.into_iter().collect::<Result<(), _>>()?;
        self.measure().await
    }

    async fn ask(&self, witness: &Witness, shard: &str, signed: &SignedHead) -> Result<(), NotCosigned> {
        let note = Note::parse(&signed.note).map_err(StoreError::failed)?;
        let key = &witness.terms.key;
        if note.signatures().iter().any(|line| line.name == key.name() && line.key_id == key.id()) {
            return Ok(());
        }
        let origin = Checkpoint::parse(note.text()).map_err(StoreError::failed)?.origin;
        let mut known = witness.standing().known.get(&origin).copied().unwrap_or(0);
        // Once more if it says that it knows another head than the one that we believe.
        for _ in 0..2 {
            let proof = match known {
                0 => Vec::new(),
                known => read::consistency(&*self.store, shard, known, signed.size).await?,
            };
            let request = AddCheckpoint { old: known, proof, checkpoint: note.clone() };
            let (status, body) = self.send(&witness.terms.url, request.to_string()).await?;
            match status {
                StatusCode::OK => {
                    let line = cosignature(&body, &note, key)?;
                    self.keep(shard, signed.size, line).await?;
                    witness.standing().known.insert(origin, signed.size);
                    return Ok(());
                }
                StatusCode::CONFLICT => {
                    let latest = std::str::from_utf8(&body).ok().and_then(|text| text.trim().parse().ok());
                    known = latest.ok_or_else(|| refused(status, &body))?;
                    if known > signed.size {
                        return Err(NotCosigned::IsAhead(known, signed.size));
                    }
                }
                _ => return Err(refused(status, &body)),
            }
        }
        Err(NotCosigned::Refused(StatusCode::CONFLICT, "twice".into()))
    }

    async fn send(&self, url: &Url, body: String) -> Result<(StatusCode, Vec<u8>), NotCosigned> {
        let failed = |error: reqwest::Error| {
            // The innermost words: the outer ones carry the address.
            let causes = std::iter::successors(error.source(), |cause| (*cause).source());
            NotCosigned::Call(causes.last().map_or_else(|| "it took too long".to_owned(), ToString::to_string))
        };
        let address = format!("{}/add-checkpoint", url.as_str().trim_end_matches('/'));
        let mut answer = self.client.post(address).body(body).send().await.map_err(failed)?;
        let mut read = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if read.len() + chunk.len() > MOST_BYTES {
                return Err(NotCosigned::NoCosignature(format!("longer than {MOST_BYTES} bytes")));
            }
            read.extend_from_slice(&chunk);
        }
        Ok((answer.status(), read))
    }

    /// Adds it to the checkpoint as it stands, which other witnesses may have signed meanwhile.
    async fn keep(&self, shard: &str, size: u64, line: super::log::SignatureLine) -> Result<(), StoreError> {
        for _ in 0..MOST_TRIES {
            let found = self.store.checkpoints(shard, size, 1).await?;
            let Some(before) = found.into_iter().next().filter(|found| found.size == size) else { return Ok(()) };
            let mut note = Note::parse(&before.note).map_err(StoreError::failed)?;
            note.add([line.clone()]);
            if self.store.witness(shard, &before, note.to_string().into_bytes()).await? {
                return Ok(());
            }
        }
        Err(StoreError::Conflict)
    }

    /// What came of it, for operators; and in the log, once it lasts.
    async fn note(&self, witness: &Witness, result: Result<(), NotCosigned>) -> Result<(), StoreError> {
        let name = witness.terms.key.name();
        gauge!(AUDIT_WITNESS_UP.name, "witness" => name.to_owned()).set(u8::from(result.is_ok()));
        let event = {
            let mut standing = witness.standing();
            match &result {
                Ok(()) => {
                    standing.failing_since = None;
                    std::mem::take(&mut standing.is_told).then_some(("audit.witness_back", None))
                }
                Err(why) => {
                    let since = *standing.failing_since.get_or_insert_with(|| {
                        tracing::warn!(witness = name, %why, "a witness does not cosign");
                        Instant::now()
                    });
                    let lasts = since.elapsed() >= GRACE && !standing.is_told;
                    standing.is_told |= lasts;
                    lasts.then(|| ("audit.witness_away", Some(why.word())))
                }
            }
        };
        let Some((op, why)) = event else { return Ok(()) };
        tracing::warn!(witness = name, op, "recorded");
        let outcome = Outcome { code: why.map(str::to_owned), ..Outcome::decided("done") };
        let mut draft = Draft::new(Kind::Degraded, op, outcome);
        draft.route = Some(name);
        self.store.append_always(self.recorder.seal(&draft)?).await
    }

    /// For how long the oldest record has been known to this machine alone.
    async fn measure(&self) -> Result<(), StoreError> {
        let [present, _] = self.recorder.present_and_previous();
        let shard = self.recorder.shard(&present);
        let witnessed = self.store.newest_witnessed(&shard).await?.map_or(0, |signed| signed.size);
        let first = self.store.records(&shard, witnessed, 1).await?;
        let millis = first.first().map_or(0, |record| self.clock.now().millis_since(record.at).max(0));
        gauge!(AUDIT_EXPOSURE.name).set(millis as f64 / 1000.0);
        Ok(())
    }
}

impl Witness {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NotCosigned {
    /// A fixed word for the log.
    fn word(&self) -> &'static str {
        match self {
            Self::Call(_) => "no_answer",
            Self::Refused(..) => "refused",
            Self::IsAhead(..) => "is_ahead",
            Self::NoCosignature(_) => "no_cosignature",
            Self::Store(_) => "storage",
        }
    }
}

fn refused(status: StatusCode, body: &[u8]) -> NotCosigned {
    let words = String::from_utf8_lossy(body);
    NotCosigned::Refused(status, words.trim().chars().take(160).collect())
}

/// The line of this key, verified.
fn cosignature(body: &[u8], note: &Note, key: &VerifierKey) -> Result<super::log::SignatureLine, NotCosigned> {
    let no = |why: String| NotCosigned::NoCosignature(why);
    let lines = read_cosignatures(body).map_err(|error| no(error.to_string()))?;
    let line = lines.into_iter().find(|line| line.name == key.name() && line.key_id == key.id());
    let line = line.ok_or_else(|| no("no line of this key".into()))?;
    let alone = Note::new(note.text().to_owned(), vec![line.clone()]);
    alone.verify(std::slice::from_ref(key)).map_err(|error| no(error.to_string()))?;
    Ok(line)
}
