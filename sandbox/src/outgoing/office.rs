//! The sending office of the portal: takes messages, holds them back, delivers them and tries again.
//! It must never try without a limit, and never again what the province has refused.

use std::sync::{Arc, OnceLock, RwLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use super::answer::{Answer, AnswerKind};
use super::letter::Letter;
use super::message::{Hold, Outgoing, OutgoingKind};
use super::post;
use super::province::ProvinceSettings;
use super::record::{Attempt, Record, SendingState, SentMessage};
use crate::files::Files;
use crate::locks::{read, write};
use crate::portal::Portal;

/// Most attempts under way at once.
const AT_ONCE: usize = 64;

#[derive(Debug)]
pub(crate) struct Office {
    pub(crate) files: Files,
    portal: Arc<Portal>,
    record: Record,
    province: RwLock<Option<ProvinceSettings>>,
    /// Made at the first attempt: most sandboxes send nothing.
    client: OnceLock<reqwest::Client>,
    attempts: Semaphore,
    url: String,
    stopping: watch::Receiver<bool>,
}

impl Office {
    pub(crate) fn new(
        portal: Arc<Portal>,
        province: Option<ProvinceSettings>,
        url: String,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            files: Files::default(),
            portal,
            record: Record::new(),
            province: RwLock::new(province),
            client: OnceLock::new(),
            attempts: Semaphore::new(AT_ONCE),
            url,
            stopping,
        }
    }

    /// For all attempts from now on, also of messages that are under way.
    pub(crate) fn set_province(&self, province: Option<ProvinceSettings>) {
        *write(&self.province) = province;
    }

    /// Takes all of the messages or none; told are all mistakes. Several begin their first attempt at the same moment.
    pub(crate) fn send(self: &Arc<Self>, messages: Vec<Outgoing>) -> Result<Vec<u64>, String> {
        let letters = self.letters(messages)?;
        let together = letters.len() > 1;
        for letter in &letters {
            match letter.kind {
                OutgoingKind::Dossier | OutgoingKind::TradePromotion if !letter.code.is_empty() => {
                    self.portal.born.bear(&letter.code, letter.given.clone());
                }
                OutgoingKind::Supplement => _ = self.portal.born.supplement(&letter.code, letter.given.clone()),
                _ => {}
            }
        }
        let mut ids = Vec::new();
        let mut let_go = Vec::new();
        for letter in letters {
            let id = self.record.open(&letter, together);
            ids.push(id);
            if letter.faults.hold != Hold::UntilReleased {
                let_go.push(id);
            }
            tokio::spawn(Arc::clone(self).look_after(id, letter));
        }
        self.record.release(&let_go);
        Ok(ids)
    }

    fn letters(&self, messages: Vec<Outgoing>) -> Result<Vec<Letter>, String> {
        let province = read(&self.province).clone().ok_or("province: it is not set where the messages go")?;
        if messages.is_empty() {
            return Err("at least one message is needed".into());
        }
        if self.record.count() + messages.len() > province.limit {
            return Err(format!("province.limit: no more than {} messages are kept", province.limit));
        }
        let files_url = province.files_url.as_deref().unwrap_or(&self.url);
        let mut mistakes = Vec::new();
        let mut letters: Vec<Letter> = Vec::new();
        for (position, message) in messages.into_iter().enumerate() {
            let written = Letter::write(message, &province, files_url);
            match written.and_then(|letter| self.require_dossier(letter, &letters)) {
                Ok(letter) => letters.push(letter),
                Err(mistake) => mistakes.push(format!("message {}: {mistake}", position + 1)),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes.join("; "));
        }
        let files: Vec<_> = letters.iter().flat_map(|letter| letter.files.iter().cloned()).collect();
        self.files.keep(&files)?;
        Ok(letters)
    }

    /// A citizen can only add to a dossier that is there, or made with the same call.
    fn require_dossier(&self, letter: Letter, earlier: &[Letter]) -> Result<Letter, String> {
        let is_made = |earlier: &Letter| earlier.kind == OutgoingKind::Dossier && earlier.code == letter.code;
        let is_needed = letter.kind == OutgoingKind::Supplement && !letter.faults.as_given;
        if is_needed && !self.portal.born.has(&letter.code) && !earlier.iter().any(is_made) {
            return Err(format!("data.MaHoSoQG: the portal holds no dossier {}", letter.code));
        }
        Ok(letter)
    }

    async fn look_after(self: Arc<Self>, id: u64, letter: Letter) {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = self.carry(id, &letter) => {}
            () = self.record.until(id, |message| message.is_none()) => {}
            // The end of the sandbox, or its being dropped.
            _ = stopping.wait_for(|is_stopping| *is_stopping) => {}
        }
    }

    async fn carry(&self, id: u64, letter: &Letter) {
        self.record.until(id, |message| message.is_none_or(|message| message.state != SendingState::Held)).await;
        if let Hold::ForMs(time) = letter.faults.hold {
            sleep(Duration::from_millis(time)).await;
        }
        let deliveries = (1..=letter.faults.times).map(|delivery| self.deliver(id, letter, delivery));
        let mut ends = Vec::new();
        if letter.faults.at_once {
            ends = futures::future::join_all(deliveries).await;
        } else {
            for delivery in deliveries {
                ends.push(delivery.await);
            }
        }
        let best = [SendingState::Delivered, SendingState::Refused].into_iter().find(|end| ends.contains(end));
        self.record.set_state(id, best.unwrap_or(SendingState::GivenUp));
    }

    /// Attempts until one is acknowledged or refused, or none is left.
    async fn deliver(&self, id: u64, letter: &Letter, delivery: u32) -> SendingState {
        let mut nth = 1;
        loop {
            let Some(province) = read(&self.province).clone() else { return SendingState::GivenUp };
            let answer = self.attempt(id, letter, delivery, &province).await;
            if answer.is_delivered() {
                return SendingState::Delivered;
            }
            if answer.kind == AnswerKind::Refused {
                return SendingState::Refused;
            }
            if nth >= province.attempts {
                return SendingState::GivenUp;
            }
            nth += 1;
            sleep(province.pause()).await;
        }
    }

    async fn attempt(&self, id: u64, letter: &Letter, delivery: u32, province: &ProvinceSettings) -> Answer {
        // It is never closed.
        let _permit = self.attempts.acquire().await;
        let number = self.record.begin_attempt(id);
        let cut = letter.faults.cut.filter(|_| number <= letter.faults.cut_attempts);
        let (began_at, start) = (Timestamp::now(), Instant::now());
        let body = bytes(&letter.body, province.security_key.as_deref());
        let answer = match (province.address(letter.path), cut) {
            (None, _) => Answer::none("the province's address is none"),
            (Some(url), Some(cut)) => post::post_and_cut(&url, &body, province.timeout(), cut).await,
            (Some(url), None) => match self.client() {
                Some(client) => post::post(client, url, body, province.timeout()).await,
                None => Answer::none("no client could be made"),
            },
        };
        let took_ms = start.elapsed().as_millis() as u64;
        let attempt = Attempt { number, delivery, began_at, took_ms, was_cut: cut.is_some(), answer: answer.clone() };
        self.record.end_attempt(id, attempt);
        answer
    }

    fn client(&self) -> Option<&reqwest::Client> {
        if self.client.get().is_none() {
            match post::client() {
                Ok(client) => _ = self.client.set(client),
                Err(error) => tracing::error!(%error, "the portal cannot send"),
            }
        }
        self.client.get()
    }

    pub(crate) fn release(&self, ids: &[u64]) -> bool {
        self.record.release(ids)
    }

    pub(crate) fn get(&self, id: u64) -> Option<SentMessage> {
        self.record.get(id)
    }

    pub(crate) fn page(&self, after: u64, limit: usize) -> Vec<SentMessage> {
        self.record.page(after, limit)
    }

    /// The message when nothing more will happen to it; none if it is not known, or forgotten meanwhile.
    pub(crate) async fn settled(&self, id: u64) -> Option<SentMessage> {
        self.record.until(id, |message| message.is_none_or(SentMessage::is_settled)).await;
        self.record.get(id)
    }

    /// Ends what is under way, too.
    pub(crate) fn clear(&self) {
        self.record.clear();
        self.files.clear();
    }
}

fn bytes(body: &Map<String, Value>, security_key: Option<&str>) -> Vec<u8> {
    let mut body = body.clone();
    if let Some(key) = security_key {
        body.insert("SecurityKey".into(), key.into());
    }
    Value::Object(body).to_string().into_bytes()
}
