//! One audit record: canonical JSON (RFC 8785) of at most [`MOST_BYTES`] bytes. Its members are declared in the sorted
//! order in which they are written; identifiers enter only as keyed pseudonyms.

use serde::Serialize;

use super::Hash;
use crate::storage::bodies::SealedBody;

/// So that record, tile and index together stay under 1,000 bytes.
pub const MOST_BYTES: usize = 900;
/// Of these, for names of settings.
const MOST_NAME_BYTES: usize = 350;

/// What kind of event a record tells. Closed list; the events of the specification are (kind, op) pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A request was accepted.
    Accept,
    /// A request was refused.
    Refuse,
    /// A call to another system is about to start: its intent is durable.
    Send,
    /// What came of a call.
    Outcome,
    /// An unknown outcome was looked into.
    Lookup,
    /// A stored body was shown.
    BodyRead,
    /// A local system decided about what was sent to it.
    Decide,
    /// An operator decided something.
    Operator,
    /// The configuration in force.
    Config,
    /// A stored body was erased.
    Erased,
    /// Records of this log were shown.
    LogRead,
    /// The log goes on under another name.
    Epoch,
    /// Something that makes the log provable does not work, or works again.
    Degraded,
    /// Somebody else has vouched for a head of the log.
    Anchor,
    /// A log was closed, or its records were dropped.
    Shard,
    /// A key of the deployment was taken into use, or retired.
    Key,
}

impl Kind {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Refuse => "refuse",
            Self::Send => "send",
            Self::Outcome => "outcome",
            Self::Lookup => "lookup",
            Self::BodyRead => "body_read",
            Self::Decide => "decide",
            Self::Operator => "operator",
            Self::Config => "config",
            Self::Erased => "erased",
            Self::LogRead => "log_read",
            Self::Epoch => "epoch",
            Self::Degraded => "degraded",
            Self::Anchor => "anchor",
            Self::Key => "key",
            Self::Shard => "shard",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Why a body is erased (Luật Bảo vệ dữ liệu cá nhân 91/2025/QH15, Điều 14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LegalGround {
    /// The person concerned has asked for it.
    OnRequest,
    /// What it was kept for is done.
    PurposeFulfilled,
    /// The time for which it may be kept is over.
    RetentionOver,
    /// An authority has ordered it.
    Ordered,
}

/// How an event ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The other side's code, as received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    pub decision: &'static str,
    /// HTTP status given or received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl Outcome {
    pub fn decided(decision: &'static str) -> Self {
        Self { decision, ..Self::default() }
    }
}

/// The salted commitment to a body: proves the body to whoever has it and its salt, and tells nothing to anyone else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BodyCommitment {
    #[serde(serialize_with = "as_text")]
    pub commit: Hash,
    /// Length of the body in bytes.
    pub len: u64,
}

/// A configuration that comes into force. Its values stay out of the log: keyed digests of all of it tell whether two are
/// the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewConfiguration {
    #[serde(serialize_with = "as_text")]
    after: Hash,
    #[serde(serialize_with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    before: Option<Hash>,
    /// Names of changed settings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<String>,
    /// How many more were changed, for whose names there is no room.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<usize>,
}

impl NewConfiguration {
    /// What a process starts with.
    pub fn at_start(after: Hash) -> Self {
        Self { after, before: None, changed: Vec::new(), more: None }
    }

    /// What takes the place of another one.
    pub fn instead(before: Hash, after: Hash, changed: &[String]) -> Self {
        let mut room = MOST_NAME_BYTES;
        let fits = |name: &&String| match room.checked_sub(name.len() + 3) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        };
        let named: Vec<String> = changed.iter().filter(fits).cloned().collect();
        let more = Some(changed.len() - named.len()).filter(|more| *more > 0);
        Self { after, before: Some(before), changed: named, more }
    }
}

/// Why a log goes on under another name: more was signed than is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewEpoch {
    /// Records that are there.
    pub kept: u64,
    /// The number of the name from now on.
    pub number: u32,
    /// Records of the newest checkpoint that is known under the name before, and their root.
    pub signed: u64,
    #[serde(serialize_with = "as_text")]
    pub signed_root: Hash,
}

/// What was said of a head of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewAnchor {
    /// SHA-256 of the token or signature, as it is kept.
    #[serde(serialize_with = "as_text")]
    digest: Hash,
    /// Records of the head.
    size: u64,
}

impl NewAnchor {
    pub fn new(size: u64, token: &[u8]) -> Self {
        let mut digest = Hash::default();
        digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token).as_ref());
        Self { digest, size }
    }
}

/// What was signed last of a log that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewClosing {
    pub log: String,
    #[serde(serialize_with = "as_text")]
    pub root: Hash,
    /// Its records.
    pub size: u64,
}

/// What was taken over from the national catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewVersions {
    /// SHA-256 over the SHA-256 of their contents, one after the other.
    #[serde(serialize_with = "as_text")]
    pub digest: Hash,
    /// Number of the first version.
    pub first: i64,
    /// Number of the last one.
    pub last: i64,
}

/// What came of asking the nation for a page of dossiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NewComparison {
    /// Differences.
    pub different: u64,
    /// Dossiers for which it has answered.
    pub looked_up: u64,
}

impl NewVersions {
    /// Numbered from the one after `after`.
    pub fn of(after: i64, digests: impl ExactSizeIterator<Item = [u8; 32]>) -> Self {
        let last = after + digests.len() as i64;
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        digests.for_each(|digest| context.update(&digest));
        let mut digest = Hash::default();
        digest.copy_from_slice(context.finish().as_ref());
        Self { digest, first: after + 1, last }
    }
}

/// A key of which there are several after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewGeneration {
    pub name: String,
    /// By which others verify, of one that signs.
    #[serde(serialize_with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    pub public: Option<Hash>,
}

/// What the caller says of an event. Identifiers are given in the clear and leave this process only as pseudonyms.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    /// That of the body that it tells of; a new one if it tells of none.
    id: Option<uuid::Uuid>,
    pub kind: Kind,
    pub op: &'static str,
    pub client: Option<&'a str>,
    pub agency: Option<&'a str>,
    pub procedure: Option<&'a str>,
    /// The dossier (or other subject) the event is about.
    pub subject: Option<&'a str>,
    /// The identity key of a delivery: the same at every attempt.
    pub key: Option<&'a str>,
    pub officer: Option<&'a str>,
    /// The identity number of the person whom the event is about.
    pub person: Option<&'a str>,
    /// Why, for operator actions and unusual transitions; texts that people write stay out of the log: a fixed word.
    pub purpose: Option<&'static str>,
    pub route: Option<&'a str>,
    pub dir: Option<&'static str>,
    body: Option<BodyCommitment>,
    pub config: Option<NewConfiguration>,
    pub epoch: Option<NewEpoch>,
    pub anchor: Option<NewAnchor>,
    pub generation: Option<NewGeneration>,
    pub closing: Option<NewClosing>,
    pub versions: Option<NewVersions>,
    pub comparison: Option<NewComparison>,
    /// Of an erasure.
    pub ground: Option<LegalGround>,
    /// Number of the document by which it was ordered.
    pub document: Option<&'a str>,
    pub outcome: Outcome,
    /// Id of the record that this one continues.
    pub continues: Option<uuid::Uuid>,
}

impl<'a> Draft<'a> {
    pub fn new(kind: Kind, op: &'static str, outcome: Outcome) -> Self {
        Self {
            id: None,
            kind,
            op,
            client: None,
            agency: None,
            procedure: None,
            subject: None,
            key: None,
            officer: None,
            person: None,
            purpose: None,
            route: None,
            dir: None,
            body: None,
            config: None,
            epoch: None,
            anchor: None,
            generation: None,
            closing: None,
            versions: None,
            comparison: None,
            ground: None,
            document: None,
            outcome,
            continues: None,
        }
    }

    pub fn client(mut self, client: &'a str, agency: &'a str) -> Self {
        self.client = Some(client);
        self.agency = Some(agency);
        self
    }

    /// Who did it, on behalf of no agency in particular.
    pub fn by(mut self, client: &'a str) -> Self {
        self.client = Some(client);
        self
    }

    pub fn subject(mut self, subject: &'a str) -> Self {
        self.subject = Some(subject);
        self
    }

    /// The record is about the coming of this body: both have one id.
    pub fn body(mut self, body: &SealedBody) -> Self {
        self.id = Some(body.id);
        self.body = Some(body.commitment.clone());
        self
    }

    pub(super) fn id(&self) -> uuid::Uuid {
        self.id.unwrap_or_else(uuid::Uuid::now_v7)
    }

    pub(super) fn commitment(&self) -> Option<&BodyCommitment> {
        self.body.as_ref()
    }
}

/// A record as it is written. Members in sorted order: that is what makes the JSON canonical.
#[derive(Serialize)]
pub(super) struct Record<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agency: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) anchor: Option<&'a NewAnchor>,
    pub(super) at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<&'a BodyCommitment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) catalogue: Option<&'a NewVersions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) closing: Option<&'a NewClosing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comparison: Option<NewComparison>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) config: Option<&'a NewConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dir: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) document: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) epoch: Option<&'a NewEpoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generation: Option<&'a NewGeneration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ground: Option<LegalGround>,
    pub(super) id: uuid::Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    pub(super) kind: Kind,
    /// Microseconds on this process's monotonic clock.
    pub(super) mono: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) officer: Option<String>,
    pub(super) op: &'a str,
    pub(super) outcome: &'a Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) person: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) procedure: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purpose: Option<&'a str>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<uuid::Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) route: Option<&'a str>,
    pub(super) shard: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    pub(super) v: u8,
}

fn as_optional_text<S: serde::Serializer>(hash: &Option<Hash>, serializer: S) -> Result<S::Ok, S::Error> {
    hash.as_ref().map(|hash| super::recorder::text_of(hash)).serialize(serializer)
}

fn as_text<S: serde::Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&super::recorder::text_of(hash))
}
