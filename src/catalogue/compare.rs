//! What has changed: the copy beside what the portal publishes now. Pure; whoever calls it writes.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest::{SHA256, digest};
use lienthong_domain::catalogue::{DictionaryEntry, ProcedureDetail};
use lienthong_domain::time::Timestamp;

use super::entry::{Change, EntryStanding, List, Summary, Version};
use super::store::NewVersion;

/// An entry as it is published now.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub code: String,
    pub name: Option<String>,
    pub standing: EntryStanding,
    pub summary: Summary,
    /// JSON.
    pub content: String,
}

impl Published {
    /// `listed_name`: what the list calls it, where its detail has no name.
    pub(super) fn procedure(
        code: &str,
        listed_name: Option<&str>,
        detail: &ProcedureDetail,
    ) -> Result<Self, serde_json::Error> {
        let name = detail.name.as_ref().map(|name| name.as_str()).or(listed_name);
        Ok(Self {
            code: code.to_owned(),
            name: name.map(str::to_owned),
            standing: if detail.is_public { EntryStanding::InForce } else { EntryStanding::NotPublic },
            summary: Summary::of_procedure(detail),
            content: serde_json::to_string(detail)?,
        })
    }

    pub(super) fn line(entry: &DictionaryEntry) -> Result<Self, serde_json::Error> {
        Ok(Self {
            code: entry.code.as_str().to_owned(),
            name: entry.name.as_ref().map(|name| name.as_str().to_owned()),
            standing: EntryStanding::InForce,
            summary: Summary::of_line(entry),
            content: serde_json::to_string(entry)?,
        })
    }
}

/// The newest versions of one list, by code.
pub(super) type Known = HashMap<String, Version>;

/// The version that this makes, unless the newest one says the same. Numbered later.
pub(super) fn changed(list: List, known: &Known, published: Published, now: Timestamp) -> Option<NewVersion> {
    let Published { code, name, standing, summary, content } = published;
    let digest = sha256(content.as_bytes());
    let change = match known.get(&code) {
        None => Change::Added,
        Some(old) if old.standing == EntryStanding::Withdrawn => Change::Restored,
        Some(old) if (old.digest, old.standing, &old.name) == (digest, standing, &name) => return None,
        Some(_) => Change::Changed,
    };
    let version = Version { number: 0, list, code, name, standing, change, since: now, summary, digest };
    Some(NewVersion { version, content })
}

/// Entries that are not listed any more and not known as withdrawn.
pub(super) fn missing<'a>(known: &'a Known, listed: &HashSet<&str>) -> Vec<&'a Version> {
    let is_missing =
        |version: &&Version| version.standing != EntryStanding::Withdrawn && !listed.contains(version.code.as_str());
    let mut missing: Vec<_> = known.values().filter(is_missing).collect();
    missing.sort_unstable_by(|one, other| one.code.cmp(&other.code));
    missing
}

/// The version by which an entry is withdrawn: as it was last, and flagged.
pub(super) fn withdrawn(old: &Version, content: String, now: Timestamp) -> NewVersion {
    let (standing, change) = (EntryStanding::Withdrawn, Change::Withdrawn);
    NewVersion { version: Version { standing, change, since: now, ..old.clone() }, content }
}

/// A few may always go: of a list of ten, one is a tenth.
const FEW: usize = 5;

/// Whether so much is missing that it may be the list that is wrong (NP-22).
pub(super) fn has_shrunk(known: &Known, missing: usize, most_percent: u8) -> bool {
    let in_force = known.values().filter(|version| version.standing != EntryStanding::Withdrawn).count();
    missing > FEW && missing * 100 > in_force * usize::from(most_percent)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_micros(1)
    }

    fn published(code: &str, content: &str, standing: EntryStanding) -> Published {
        let (summary, name) = (Summary::default(), Some(format!("Tên {code}")));
        Published { code: code.to_owned(), name, standing, summary, content: content.to_owned() }
    }

    fn one(known: &Known, code: &str, content: &str, standing: EntryStanding) -> Option<NewVersion> {
        changed(List::Procedures, known, published(code, content, standing), now())
    }

    fn known_with(versions: impl IntoIterator<Item = NewVersion>) -> Known {
        versions.into_iter().map(|new| (new.version.code.clone(), new.version)).collect()
    }

    #[test]
    fn what_is_new_changed_hidden_and_restored_makes_a_version_and_what_is_the_same_makes_none() {
        let mut known = Known::default();
        for (content, standing, expected) in [
            ("a", EntryStanding::InForce, Some(Change::Added)),
            ("a", EntryStanding::InForce, None),
            ("b", EntryStanding::InForce, Some(Change::Changed)),
            ("b", EntryStanding::NotPublic, Some(Change::Changed)),
            ("b", EntryStanding::NotPublic, None),
        ] {
            let new = one(&known, "1.000001", content, standing);
            assert_eq!(new.as_ref().map(|new| new.version.change), expected, "{content} {standing:?}");
            known.extend(known_with(new));
        }
        let gone = withdrawn(&known["1.000001"], "b".to_owned(), now());
        assert_eq!((gone.version.standing, &gone.version.name), (EntryStanding::Withdrawn, &known["1.000001"].name));
        known.extend(known_with([gone]));
        assert_eq!(missing(&known, &HashSet::new()).len(), 0, "it is withdrawn once");
        let back = one(&known, "1.000001", "b", EntryStanding::InForce).unwrap();
        assert_eq!((back.version.change, back.version.standing), (Change::Restored, EntryStanding::InForce));
    }

    #[test]
    fn a_name_that_only_the_list_has_counts_as_content() {
        let known = known_with(one(&Known::default(), "1.000001", "a", EntryStanding::InForce));
        let renamed =
            Published { name: Some("Khác".to_owned()), ..published("1.000001", "a", EntryStanding::InForce) };
        assert_eq!(changed(List::Procedures, &known, renamed, now()).unwrap().version.change, Change::Changed);
    }

    #[test]
    fn a_list_that_lost_more_than_its_share_has_shrunk_and_a_few_may_always_go() {
        let of = |n: usize| {
            known_with((0..n).filter_map(|n| one(&Known::default(), &format!("1.{n:06}"), "a", EntryStanding::InForce)))
        };
        for (known, missing, expected) in [
            (10, 5, false),
            (10, 6, true),
            (100, 10, false),
            (100, 11, true),
            (6413, 641, false),
            (6413, 642, true),
            (0, 0, false),
        ] {
            assert_eq!(has_shrunk(&of(known), missing, 10), expected, "{missing} of {known}");
        }
    }

    proptest! {
        /// Taking a catalogue over twice changes nothing the second time, and what was there before and is not now is flagged once.
        #[test]
        fn a_second_time_changes_nothing(first in entries(), second in entries()) {
            let mut known = Known::default();
            for catalogue in [&first, &second, &second] {
                let before = known.clone();
                let listed: HashSet<&str> = catalogue.keys().map(String::as_str).collect();
                let gone: Vec<_> = missing(&known, &listed).into_iter().map(|old| withdrawn(old, String::new(), now())).collect();
                let new: Vec<_> = catalogue.iter().filter_map(|(code, content)| one(&known, code, content, EntryStanding::InForce)).collect();
                known.extend(known_with(gone));
                known.extend(known_with(new));
                for (code, content) in catalogue {
                    prop_assert_eq!(known[code].digest, sha256(content.as_bytes()));
                    prop_assert_eq!(known[code].standing, EntryStanding::InForce);
                }
                for code in before.keys() {
                    prop_assert_eq!(known[code].standing == EntryStanding::Withdrawn, !listed.contains(code.as_str()));
                }
            }
            let settled = known.clone();
            let listed: HashSet<&str> = second.keys().map(String::as_str).collect();
            prop_assert!(missing(&settled, &listed).is_empty());
            for (code, content) in &second {
                prop_assert!(one(&settled, code, content, EntryStanding::InForce).is_none());
            }
        }
    }

    fn entries() -> impl Strategy<Value = std::collections::BTreeMap<String, String>> {
        prop::collection::btree_map("1\\.00000[0-9]", "[ab]", 0..10)
    }
}
