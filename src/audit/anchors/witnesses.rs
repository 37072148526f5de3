//! Has the newest checkpoint cosigned by witnesses: machines of another hand, which remember what they have seen. From then on
//! nobody here can show another history.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::{StatusCode, Url};

use super::{Means, Standing};
use crate::audit::log::{AddCheckpoint, Checkpoint, Note, SignatureLine, VerifierKey, read_cosignatures};
use crate::audit::read;
use crate::audit::store::SignedHead;
use crate::storage::StoreError;

/// Cosignatures of several witnesses come at a time: each is added to what the others have left.
const MOST_TRIES: usize = 10;

/// Who cosigns.
#[derive(Debug, Clone)]
pub struct WitnessTerms {
    /// `add-checkpoint` stands below it.
    pub url: Url,
    pub key: VerifierKey,
}

/// The leader's duty, for one witness.
pub struct Witness {
    means: Means,
    terms: WitnessTerms,
    standing: Standing,
    /// Records of the head of each log that it has cosigned last.
    known: Mutex<HashMap<String, u64>>,
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
    #[error("it has cosigned another log of {0} records: this one is a fork, or another has its key")]
    OtherLog(u64),
    #[error("its answer is no cosignature of its key: {0}")]
    NoCosignature(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Witness {
    pub fn new(means: Means, terms: WitnessTerms) -> Self {
        let standing = Standing::new("witness", terms.key.name(), ["audit.witness_away", "audit.witness_back"]);
        Self { means, terms, standing, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for its cosignature of what was signed last.
    pub async fn turn(&self) -> Result<(), StoreError> {
        let mut result = Ok(());
        for shard in self.means.shards() {
            if let Some(signed) = self.means.store.signed(&shard).await? {
                // What it has cosigned long ago does not tell that it is there: one that fails counts for all.
                result = result.and(self.ask(&shard, &signed).await);
            }
        }
        self.standing.note(&self.means, result.map_err(|missed| (missed.word(), missed.to_string()))).await
    }

    async fn ask(&self, shard: &str, signed: &SignedHead) -> Result<(), NotCosigned> {
        let note = Note::parse(&signed.note).map_err(StoreError::failed)?;
        let key = &self.terms.key;
        if note.signatures().iter().any(|line| line.name == key.name() && line.key_id == key.id()) {
            return Ok(());
        }
        let origin = Checkpoint::parse(note.text()).map_err(StoreError::failed)?.origin;
        let mut known = self.known().get(&origin).copied().unwrap_or(0);
        // Once more if it says that it knows another head than the one that we believe.
        for _ in 0..2 {
            let proof = match known {
                0 => Vec::new(),
                known => read::consistency(&*self.means.store, shard, known, signed.size).await?,
            };
            let request = AddCheckpoint { old: known, proof, checkpoint: note.clone() };
            let (status, body) = self.send(request.to_string()).await?;
            match status {
                StatusCode::OK => {
                    let line = cosignature(&body, &note, key)?;
                    self.keep(shard, signed.size, line).await?;
                    self.known().insert(origin, signed.size);
                    return Ok(());
                }
                StatusCode::CONFLICT => {
                    let latest = std::str::from_utf8(&body).ok().and_then(|text| text.trim().parse().ok());
                    known = latest.ok_or_else(|| refused(status, &body))?;
                    if known > signed.size {
                        return Err(NotCosigned::IsAhead(known, signed.size));
                    }
                    if request.old == signed.size && known == signed.size {
                        return Err(NotCosigned::OtherLog(signed.size));
                    }
                }
                _ => return Err(refused(status, &body)),
            }
        }
        Err(NotCosigned::Refused(StatusCode::CONFLICT, "twice".into()))
    }

    async fn send(&self, body: String) -> Result<(StatusCode, Vec<u8>), NotCosigned> {
        let address = format!("{}/add-checkpoint", self.terms.url.as_str().trim_end_matches('/'));
        let url = Url::parse(&address).map_err(|error| NotCosigned::Call(error.to_string()))?;
        self.means.post(url, "text/plain", body.into_bytes()).await.map_err(NotCosigned::Call)
    }

    /// Adds it to the checkpoint as it stands, which other witnesses may have signed meanwhile.
    async fn keep(&self, shard: &str, size: u64, line: SignatureLine) -> Result<(), StoreError> {
        for _ in 0..MOST_TRIES {
            let found = self.means.store.checkpoints(shard, size, 1).await?;
            let Some(before) = found.into_iter().next().filter(|found| found.size == size) else { return Ok(()) };
            let mut note = Note::parse(&before.note).map_err(StoreError::failed)?;
            note.add([line.clone()]);
            if self.means.store.witness(shard, &before, note.to_string().into_bytes()).await? {
                return Ok(());
            }
        }
        Err(StoreError::Conflict)
    }
}

impl NotCosigned {
    /// A fixed word for the log.
    fn word(&self) -> &'static str {
        match self {
            Self::Call(_) => "no_answer",
            Self::Refused(..) => "refused",
            Self::IsAhead(..) => "is_ahead",
            Self::OtherLog(_) => "other_log",
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
fn cosignature(body: &[u8], note: &Note, key: &VerifierKey) -> Result<SignatureLine, NotCosigned> {
    let no = |why: String| NotCosigned::NoCosignature(why);
    let lines = read_cosignatures(body).map_err(|error| no(error.to_string()))?;
    let line = lines.into_iter().find(|line| line.name == key.name() && line.key_id == key.id());
    let line = line.ok_or_else(|| no("no line of this key".into()))?;
    let alone = Note::new(note.text().to_owned(), vec![line.clone()]);
    alone.verify(std::slice::from_ref(key)).map_err(|error| no(error.to_string()))?;
    Ok(line)
}
