//! Records by what they are found by, newest first. Zones tell which records need not be read; what a question may cost is
//! bounded: a page may be short, or empty, and lead on.

use std::collections::BTreeMap;

use lienthong_domain::personal::Personal;
use lienthong_domain::time::Timestamp;
use serde::Deserialize;

use super::Recorder;
use super::store::{LogReader, PlacedRecord};
use super::zone::{Term, ZONE_RECORDS, Zone};
use crate::storage::StoreError;

/// Zones that are looked at for one page, and those whose records are read.
const MOST_ZONES: u64 = 4000;
const MOST_READ: u64 = 64;
/// Zones that are read at a time.
const ZONES: u64 = 100;
/// Records of one place in the tree were made within this time: replicas, and their clocks.
const SLACK_MS: i64 = 3_600_000;

/// What is asked. What is not said may be anything.
#[derive(Debug, Clone, Default)]
pub struct Question {
    pub from: Option<Timestamp>,
    /// Not included.
    pub until: Option<Timestamp>,
    pub kind: Option<String>,
    pub operation: Option<String>,
    pub decision: Option<String>,
    pub client: Option<String>,
    /// A dossier's code.
    pub dossier: Option<String>,
    /// An identity number.
    pub person: Option<Personal<String>>,
}

/// A record, and the log it stands in.
#[derive(Debug, Clone)]
pub struct Found {
    pub shard: String,
    pub record: PlacedRecord,
}

/// Where a page ended: below this place of this log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub shard: String,
    pub below: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Page {
    pub found: Vec<Found>,
    pub next: Option<Position>,
    /// Logs whose key was destroyed: nobody can tell any more which dossier or person a record of them is about.
    pub without_key: Vec<String>,
}

/// The members of a record that are asked for.
#[derive(Debug, Deserialize)]
pub struct Members<'a> {
    pub kind: &'a str,
    pub op: &'a str,
    pub outcome: Decision<'a>,
    #[serde(default)]
    pub agency: Option<&'a str>,
    #[serde(default)]
    pub client: Option<&'a str>,
    #[serde(default)]
    pub subject: Option<&'a str>,
    #[serde(default)]
    pub person: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
pub struct Decision<'a> {
    pub decision: &'a str,
}

/// What the question means in one log.
struct Wanted<'a> {
    question: &'a Question,
    subject: Option<String>,
    person: Option<String>,
}

impl Wanted<'_> {
    fn may_be_in(&self, zone: &Zone) -> bool {
        let terms = [
            self.question.client.as_deref().map(Term::Client),
            self.subject.as_deref().map(Term::Subject),
            self.person.as_deref().map(Term::Person),
        ];
        let starts_too_late = self.question.until.is_some_and(|until| zone.first_at >= until);
        let ends_too_early = self.question.from.is_some_and(|from| zone.last_at < from);
        !starts_too_late && !ends_too_early && terms.into_iter().flatten().all(|term| zone.may_have(term))
    }

    fn is_in(&self, record: &PlacedRecord, members: &Members<'_>) -> bool {
        let Question { from, until, kind, operation, decision, client, .. } = self.question;
        let same =
            |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
        from.is_none_or(|from| record.at >= from)
            && until.is_none_or(|until| record.at < until)
            && same(kind, Some(members.kind))
            && same(operation, Some(members.op))
            && same(decision, Some(members.outcome.decision))
            && same(client, members.client)
            && same(&self.subject, members.subject)
            && same(&self.person, members.person)
    }
}

/// Up to `limit` records that answer the question and that its asker may see, from a position on.
pub async fn search(
    log: &dyn LogReader,
    recorder: &Recorder,
    question: &Question,
    after: Option<&Position>,
    limit: usize,
    may_see: impl Fn(&Members<'_>) -> bool,
) -> Result<Page, StoreError> {
    let mut page = Page::default();
    let mut budget = Budget { zones: MOST_ZONES, reads: MOST_READ };
    let mut shards = log.shards().await?;
    shards.reverse();
    for shard in shards {
        let start = match after {
            Some(after) if shard > after.shard => continue,
            Some(after) if shard == after.shard => Some(after.below),
            _ => None,
        };
        let pseudonym = |text: Option<&str>| text.map(|text| recorder.pseudonym(&shard, text)).transpose();
        let person = question.person.as_ref().map(|person| person.expose().as_str());
        let (subject, person) = match (pseudonym(question.dossier.as_deref())?, pseudonym(person)?) {
            (Some(None), _) | (_, Some(None)) => {
                page.without_key.push(shard);
                continue;
            }
            (subject, person) => (subject.flatten(), person.flatten()),
        };
        let wanted = Wanted { question, subject, person };
        let size = log.head(&shard).await?.map_or(0, |head| head.size());
        let below = start.unwrap_or(size).min(size);
        let mut walk = Walk { log, shard: &shard, zones: BTreeMap::new(), below };
        while walk.below > 0 {
            if !budget.is_left() {
                page.next = Some(Position { below: walk.below, shard });
                return Ok(page);
            }
            let number = (walk.below - 1) / ZONE_RECORDS;
            let zone = walk.zone(number).await?;
            budget.zones -= 1;
            if zone.as_ref().zip(question.from).is_some_and(|(zone, from)| is_long_before(zone, from)) {
                break;
            }
            // One that is not there, or not yet, tells nothing.
            if zone.is_none_or(|zone| wanted.may_be_in(&zone)) {
                budget.reads -= 1;
                for record in walk.records(number).await?.into_iter().rev() {
                    let members: Members<'_> = match serde_json::from_slice(&record.bytes) {
                        Ok(members) => members,
                        Err(_) => continue,
                    };
                    if !wanted.is_in(&record, &members) || !may_see(&members) {
                        continue;
                    }
                    if page.found.len() == limit {
                        page.next = Some(Position { below: record.index + 1, shard });
                        return Ok(page);
                    }
                    page.found.push(Found { shard: shard.clone(), record });
                }
            }
            walk.below = number * ZONE_RECORDS;
        }
    }
    Ok(page)
}

/// All that stands before it is older, too.
fn is_long_before(zone: &Zone, from: Timestamp) -> bool {
    zone.last_at.plus_millis(SLACK_MS) < from
}

struct Budget {
    zones: u64,
    reads: u64,
}

impl Budget {
    fn is_left(&self) -> bool {
        self.zones > 0 && self.reads > 0
    }
}

/// A way through one log, from its end to its beginning.
struct Walk<'a> {
    log: &'a dyn LogReader,
    shard: &'a str,
    /// Those that were read ahead.
    zones: BTreeMap<u64, Zone>,
    below: u64,
}

impl Walk<'_> {
    async fn zone(&mut self, number: u64) -> Result<Option<Zone>, StoreError> {
        let is_read = self.zones.keys().next().is_some_and(|first| *first <= number);
        if !is_read {
            let from = (number + 1).saturating_sub(ZONES);
            let read = self.log.zones(self.shard, from, usize::try_from(number + 1 - from).unwrap_or(1)).await?;
            self.zones = read.into_iter().map(|zone| (zone.number, zone)).collect();
        }
        Ok(self.zones.remove(&number))
    }

    /// Of one zone, as far as they are below.
    async fn records(&self, number: u64) -> Result<Vec<PlacedRecord>, StoreError> {
        let from = number * ZONE_RECORDS;
        let most = usize::try_from(self.below - from).unwrap_or(usize::MAX).min(ZONE_RECORDS as usize);
        let mut records = self.log.records(self.shard, from, most).await?;
        records.retain(|record| record.index < self.below);
        Ok(records)
    }
}
