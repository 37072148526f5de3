//! The agencies of a deployment and who stands under whom, with dates. A sub-tree follows these links, never a prefix
//! of the code: after the 2025 reorganisation codes were renumbered and parents changed.

use std::collections::{BTreeSet, HashMap};

use jiff::civil::Date;

use super::AgencyCode;

/// One agency for one period. `valid_to` is the first day on which the entry no longer holds.
#[derive(Debug, Clone)]
pub struct Agency {
    pub code: AgencyCode,
    pub name: String,
    pub parent: Option<AgencyCode>,
    pub valid_from: Option<Date>,
    pub valid_to: Option<Date>,
}

impl Agency {
    fn holds_on(&self, day: Date) -> bool {
        self.valid_from.is_none_or(|from| from <= day) && self.valid_to.is_none_or(|to| day < to)
    }
}

/// All known agencies. A code may have several entries, one a period.
#[derive(Debug, Clone, Default)]
pub struct AgencyRegister {
    entries: HashMap<AgencyCode, Vec<Agency>>,
}

/// Deeper trees than this are a mistake in the data (a loop of parents).
const DEEPEST: usize = 16;

impl AgencyRegister {
    pub fn new(agencies: impl IntoIterator<Item = Agency>) -> Self {
        let mut entries: HashMap<AgencyCode, Vec<Agency>> = HashMap::new();
        for agency in agencies {
            entries.entry(agency.code.clone()).or_default().push(agency);
        }
        Self { entries }
    }

    pub fn find(&self, code: &AgencyCode, day: Date) -> Option<&Agency> {
        self.entries.get(code)?.iter().find(|entry| entry.holds_on(day))
    }

    /// Codes (normalised) of these agencies and of all that stand under one of them on that day.
    pub fn within(&self, roots: &[AgencyCode], day: Date) -> Vec<String> {
        let known = self.entries.keys().filter(|code| roots.iter().any(|root| self.is_within(code, root, day)));
        let mut codes: Vec<_> = known.chain(roots).map(AgencyCode::normalised).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    /// The same, on any day from the first to the last: units that were abolished or made between them are among them.
    pub fn within_days(&self, roots: &[AgencyCode], first: Date, last: Date) -> Vec<String> {
        let changes = self.entries.values().flatten().flat_map(|agency| [agency.valid_from, agency.valid_to]).flatten();
        let days: BTreeSet<Date> = changes.filter(|day| (first..=last).contains(day)).chain([first, last]).collect();
        let codes: BTreeSet<String> = days.into_iter().flat_map(|day| self.within(roots, day)).collect();
        codes.into_iter().collect()
    }

    /// Whether `code` is `root` or stands under it on that day. An agency that the register does not know stands
    /// under nothing but itself.
    pub fn is_within(&self, code: &AgencyCode, root: &AgencyCode, day: Date) -> bool {
        let mut current = code.clone();
        for _ in 0..DEEPEST {
            if current == *root {
                return true;
            }
            match self.find(&current, day).and_then(|agency| agency.parent.clone()) {
                Some(parent) => current = parent,
                None => return false,
            }
        }
        false
    }
}
