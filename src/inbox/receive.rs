//! A message of the portal: read, its files on the disk, then one transaction; only then is it answered. What is refused leaves
//! a record and nothing else.

use axum::body::Body;
use lienthong_domain::inbox::{Incoming, IncomingKind};
use lienthong_domain::invalid::InvalidFields;
use lienthong_domain::port::{NotRead, Taken};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::keep_files::{self, BadFile, FileEntry};
use super::set_aside::{NotReceived, receive};
use super::store::{InboxItem, Receive, Stored};
use super::{Inbox, InboxStatus, MessageLimits, Portal};
use crate::audit::{Draft, Kind, Outcome};
use crate::http::json;
use crate::storage::files::KeptFile;
use crate::storage::{StoreError, hex};

/// Of the audit log.
const RECEIVE: &str = "inbox.receive";
const CONFLICT: &str = "Mã này đã được tiếp nhận với nội dung khác; được giữ lại để xem xét.";
/// Fields that a refusal names to the portal.
const MOST_FIELDS: usize = 5;

/// Why a message was not taken.
enum NotTaken {
    /// A fixed word for the log, and what the portal reads.
    Refused(&'static str, String),
    /// Ours: the portal may send it again.
    Store(StoreError),
}

impl From<StoreError> for NotTaken {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What is answered, and whether it is ours that it failed.
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    pub(super) failed: bool,
}

impl Inbox {
    pub(super) async fn receive(&self, portal: &Portal, endpoint: &str, limits: MessageLimits, body: Body) -> Answer {
        let mut read = None;
        let result = self.try_receive(portal, endpoint, limits, body, &mut read).await;
        let (taken, failed) = match result {
            Ok(taken) => (taken, false),
            Err(NotTaken::Refused(word, reason)) => match self.record_refusal(portal, read.as_ref(), word).await {
                Ok(()) => (Taken::Refused(reason), false),
                Err(error) => not_now(&error),
            },
            Err(NotTaken::Store(error)) => not_now(&error),
        };
        Answer { body: portal.inbound.answer(read.as_ref(), &taken), failed }
    }

    async fn try_receive(
        &self,
        portal: &Portal,
        endpoint: &str,
        limits: MessageLimits,
        body: Body,
        read: &mut Option<Incoming>,
    ) -> Result<Taken, NotTaken> {
        let received = receive(body, &self.files, limits).await.map_err(not_received)?;
        let message = json::parse(&received.message).map_err(|problem| {
            let detail = problem.detail.map(|detail| detail.vi).unwrap_or_default();
            NotTaken::Refused("malformed", format!("Không đọc được JSON. {detail}"))
        })?;
        let incoming = portal.inbound.read(endpoint, &message, &received.aside).map_err(|error| match error {
            NotRead::WrongKey => NotTaken::Refused("wrong_key", "Sai hoặc thiếu khóa bảo mật.".into()),
            NotRead::Invalid(wrong) => NotTaken::Refused("invalid", words(&wrong)),
        })?;
        drop(message);
        let incoming = read.insert(incoming);
        let types = &self.limits.file_types;
        let files =
            keep_files::keep(&self.files, &incoming.files, received.files, limits, types, self.limits.fetches).await;
        let (files, kept) = files.map_err(|error| match error {
            BadFile::Store(error) => NotTaken::Store(error),
            bad => NotTaken::Refused("bad_file", format!("{bad}.")),
        })?;
        let write = self.write_of(portal, incoming, &files).await?;
        let ids = write.files.clone();
        // Before it may be stored: nobody may be left to say that it was.
        kept.into_iter().for_each(KeptFile::settle);
        match self.store.receive(write).await {
            Ok(Stored::New) => Ok(Taken::Now),
            Ok(Stored::Conflict) => Ok(Taken::Refused(CONFLICT.into())),
            Ok(Stored::Repeat { was_conflict }) => {
                self.remove(ids).await?;
                Ok(if was_conflict { Taken::Refused(CONFLICT.into()) } else { Taken::Before })
            }
            // It was certainly not stored. Of any other failure that is not certain: then the files stay.
            Err(error @ (StoreError::Busy | StoreError::DiskFull)) => {
                self.remove(ids).await?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn remove(&self, files: Vec<Uuid>) -> Result<(), StoreError> {
        for file in files {
            self.files.remove(file).await?;
        }
        Ok(())
    }

    async fn write_of(&self, portal: &Portal, incoming: &Incoming, files: &[FileEntry]) -> Result<Receive, StoreError> {
        let now = self.clock.now();
        let content = serde_json::to_vec(incoming).map_err(StoreError::failed)?;
        // By what a file is, not by the key under which it happens to be stored.
        let told: Vec<_> =
            files.iter().map(|file| (&file.name, file.kept.as_ref().map(|kept| &kept.sha256), &file.link)).collect();
        let told = serde_json::to_vec(&told).map_err(StoreError::failed)?;
        let digest = self.keys.digest(&[b"inbox", &content, &told]);
        let files_text = serde_json::to_vec(files).map_err(StoreError::failed)?;
        let envelope = serde_json::to_vec(&incoming.envelope).map_err(StoreError::failed)?;
        let parts: [&[u8]; 7] =
            [b"{\"message\":", &content, b",\"envelope\":", &envelope, b",\"files\":", &files_text, b"}"];
        let stored = Zeroizing::new(parts.concat());
        let body = self.bodies.seal(&stored)?;
        let competent = self.competence.agency_of(incoming, &self.agencies, now.date_in_vietnam());
        let competent = competent.ok_or_else(|| StoreError::Failed("inbox.agency is not set".into()))?;
        let agency_is_guess = competent.is_guess;
        let own =
            (competent.agency.normalised(), incoming.procedure_code.as_ref().map(|code| code.original().to_owned()));
        let begun = match agency_is_guess {
            true => self.store.beginning(incoming.national_code.as_str().to_owned()).await?,
            false => None,
        };
        let (agency_id, procedure_code) = match begun {
            Some(begun) => (begun.agency_id, own.1.or(begun.procedure_code)),
            None => own,
        };
        let item = InboxItem {
            id: Uuid::now_v7(),
            portal: portal.name.clone(),
            kind: incoming.kind,
            national_code: incoming.national_code.as_str().to_owned(),
            reference: self.reference(incoming, &digest),
            digest,
            agency_id,
            procedure_code,
            body_id: body.id,
            files: files.len().cast_signed() as i64,
            status: InboxStatus::Waiting,
            is_head: false,
            received_at: now,
            ready_at: now,
            local_code: None,
            decided_at: None,
            decided_by: None,
            operation_id: None,
        };
        let record = |decision: &'static str| {
            let outcome = Outcome { status: Some(200), ..Outcome::decided(decision) };
            let mut draft = Draft::new(Kind::Accept, RECEIVE, outcome).subject(&item.national_code);
            draft.agency = Some(&item.agency_id);
            draft.procedure = item.procedure_code.as_deref();
            draft.person = incoming.person.as_ref().map(|number| number.expose().as_str());
            draft.route = Some(&portal.name);
            draft.dir = Some("in");
            // What is not stored again has no body of its own.
            let draft = if decision == "repeated" { draft } else { draft.body(&body) };
            self.recorder.seal(&draft)
        };
        let records = [record("accepted")?, record("conflict")?, record("repeated")?];
        let kept = files.iter().filter_map(|file| file.kept.as_ref()).map(|kept| kept.id).collect();
        let links = (1..).zip(files).filter(|(_, file)| file.secret.is_some()).map(|(n, _)| n).collect();
        Ok(Receive { item, body, agency_is_guess, files: kept, links, records, hold_ms: self.limits.hold_ms })
    }

    /// What a repeat is recognised by. It may be a person's: only whether two are the same can be seen.
    fn reference(&self, incoming: &Incoming, digest: &[u8; 32]) -> String {
        let parts = incoming.reference.iter().map(|part| part.as_bytes());
        // What takes the place of an earlier one contradicts nothing; only the same once more is a repeat.
        let is_correction = incoming.is_update && incoming.kind != IncomingKind::DossierSupplemented;
        let own = is_correction.then_some(digest.as_slice());
        let parts: Vec<_> = std::iter::once(b"inbox/reference".as_slice()).chain(parts).chain(own).collect();
        hex::write(&self.keys.digest(&parts))
    }

    /// A refused message leaves a record too.
    async fn record_refusal(
        &self,
        portal: &Portal,
        incoming: Option<&Incoming>,
        word: &'static str,
    ) -> Result<(), StoreError> {
        let outcome = Outcome { code: Some(word.to_owned()), decision: "refused", status: Some(200) };
        let mut draft = Draft::new(Kind::Refuse, RECEIVE, outcome);
        draft.route = Some(&portal.name);
        draft.dir = Some("in");
        if let Some(incoming) = incoming {
            draft = draft.subject(incoming.national_code.as_str());
        }
        self.audit.append(self.recorder.seal(&draft)?).await
    }
}

fn not_received(error: NotReceived) -> NotTaken {
    let reason = match error {
        NotReceived::Store(error) => return NotTaken::Store(error),
        NotReceived::MessageTooLong(bytes) => format!("Thông điệp (không kể tệp) dài hơn {bytes} byte."),
        NotReceived::FileTooLong(bytes) => format!("Một tệp dài hơn {bytes} byte."),
        NotReceived::TooManyFiles(files) => format!("Nhiều hơn {files} tệp."),
        NotReceived::TooManyValues(values) => format!("Thông điệp có hơn {values} giá trị."),
        NotReceived::TooSlow => "Thông điệp đến quá chậm.".to_owned(),
        NotReceived::BrokenOff => "Thông điệp bị ngắt giữa chừng.".to_owned(),
    };
    NotTaken::Refused("too_large", reason)
}

fn not_now(error: &StoreError) -> (Taken, bool) {
    tracing::error!(%error, "a message of the portal could not be stored");
    (Taken::Refused("Hệ thống tạm thời không tiếp nhận được; xin gửi lại.".into()), true)
}

/// The wrong fields, each with its place.
fn words(wrong: &InvalidFields) -> String {
    let named: Vec<_> = wrong
        .fields()
        .iter()
        .take(MOST_FIELDS)
        .map(|field| format!("{}: {}", field.pointer.trim_start_matches('/'), field.message.vi))
        .collect();
    let more = (wrong.fields().len() + wrong.omitted()).saturating_sub(MOST_FIELDS);
    let more = if more > 0 { format!(" (và {more} trường khác)") } else { String::new() };
    format!("{}{more}", named.join("; "))
}
