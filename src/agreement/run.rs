//! One check: what it is about, how far it has come, and what it has counted. Kept after every page, so that whoever leads next goes
//! on where it was.

use std::collections::BTreeMap;

use lienthong_domain::agreement::{Aspect, Class};
use lienthong_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

lienthong_domain::code_enum! {
    /// Who wanted a check.
    pub enum Origin: "Ai yêu cầu. / Who wanted it." {
        Schedule = "schedule" => "Theo lịch",
        Operator = "operator" => "Người vận hành",
    }
}

lienthong_domain::code_enum! {
    /// What a check is at.
    pub enum Phase: "Giai đoạn. / Phase." {
        /// Dossiers that changed in the time that is checked.
        Dossiers = "dossiers" => "Hồ sơ đã nhận",
        /// Codes of lists that an operator gave.
        Listed = "listed" => "Mã trong danh sách",
        /// Dossiers born on the portal that a local system has taken.
        Taken = "taken" => "Hồ sơ từ Cổng đã nhận",
        /// What may be repaired by itself.
        Repair = "repair" => "Tự gửi lại",
        Done = "done" => "Xong",
    }
}

lienthong_domain::code_enum! {
    /// Whose list a code is in.
    pub enum Side: "Danh sách của bên nào. / Whose list." {
        National = "national" => "Cổng quốc gia",
        Local = "local" => "Hệ thống địa phương",
    }
}

/// A code of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub code: String,
    pub side: Side,
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub id: Uuid,
    #[serde(with = "as_text")]
    pub origin: Origin,
    /// Dossiers that changed from then on …
    #[serde(with = "as_micros")]
    pub from: Timestamp,
    /// … and before then.
    #[serde(with = "as_micros")]
    pub until: Timestamp,
    /// Share of them that is looked up; 100: all.
    pub sample_percent: u8,
    #[serde(with = "as_micros")]
    pub asked_at: Timestamp,
    /// Not before then it goes on.
    #[serde(with = "as_micros")]
    pub next_at: Timestamp,
    #[serde(with = "as_text")]
    pub phase: Phase,
    /// The last one of the phase that is done.
    pub after: Place,
    pub counts: Counts,
    /// How often the portal was away.
    pub pauses: u32,
    /// Grows with every page; whoever writes a page says which one it comes after.
    pub pages: i64,
    /// Why it ended early, or why nothing was repaired by itself: a fixed word.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stopped: Option<String>,
}

/// A place in the order of a phase.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// UTC microseconds.
    pub at: i64,
    pub code: String,
}

/// What a check has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Dossiers that changed in the time that is checked, and codes of lists, when it began.
    pub total: u64,
    /// Of these, how many are done.
    pub done: u64,
    /// Not in the sample.
    pub left_out: u64,
    /// On their way: they will be checked when they have arrived.
    pub in_delivery: u64,
    /// Dossiers and codes that the portal was asked for and has answered.
    pub looked_up: u64,
    /// Dossiers in which nothing differs of what the nation tells.
    pub equal: u64,
    /// The portal did not answer for them, also when asked again.
    pub unanswered: u64,
    /// Codes of the nation's list that it does not know when asked.
    pub listed_nowhere: u64,
    /// What the nation does not tell, by what it is.
    #[serde(with = "by_name")]
    pub not_observable: BTreeMap<Aspect, u64>,
    /// What it tells in a way that cannot be read.
    #[serde(with = "by_name")]
    pub unreadable: BTreeMap<Aspect, u64>,
    /// Differences by class.
    #[serde(with = "by_name")]
    pub different: BTreeMap<Class, u64>,
    /// Cases that were repaired by themselves.
    pub repaired: u64,
}

impl Counts {
    pub fn differences(&self) -> u64 {
        self.different.values().sum()
    }

    pub(super) fn differs(&mut self, class: Class) {
        *self.different.entry(class).or_default() += 1;
    }

    pub(super) fn not_seen(&mut self, not_observable: &[Aspect], unreadable: &[Aspect]) {
        for (counts, aspects) in [(&mut self.not_observable, not_observable), (&mut self.unreadable, unreadable)] {
            for aspect in aspects {
                *counts.entry(*aspect).or_default() += 1;
            }
        }
    }
}

impl Run {
    /// A check of what changed in this time.
    pub fn new(origin: Origin, (from, until): (Timestamp, Timestamp), sample_percent: u8, now: Timestamp) -> Self {
        Self {
            id: Uuid::now_v7(),
            origin,
            from,
            until,
            sample_percent,
            asked_at: now,
            next_at: now,
            phase: Phase::Dossiers,
            after: Place::default(),
            counts: Counts::default(),
            pauses: 0,
            pages: 0,
            stopped: None,
        }
    }

    pub fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.after = Place::default();
    }
}

mod as_micros {
    use lienthong_domain::time::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.micros())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_micros)
    }
}

mod as_text {
    use lienthong_domain::scalar::Scalar;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Scalar, S: Serializer>(member: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&member.to_text())
    }

    pub(super) fn deserialize<'de, T: Scalar, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::parse(&text).map_err(|refusal| D::Error::custom(refusal.message.en))
    }
}

mod by_name {
    use std::collections::BTreeMap;

    use lienthong_domain::scalar::Scalar;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Scalar, S: Serializer>(
        counts: &BTreeMap<T, u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(counts.iter().map(|(member, count)| (member.to_text(), count)))
    }

    pub(super) fn deserialize<'de, T: Scalar + Ord, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<T, u64>, D::Error> {
        let counts = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let read = |(name, count): (String, u64)| {
            T::parse(&name).map(|member| (member, count)).map_err(|refusal| D::Error::custom(refusal.message.en))
        };
        counts.into_iter().map(read).collect()
    }
}
