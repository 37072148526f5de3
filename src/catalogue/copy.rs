//! The copy of the catalogue as readers see it: what stands now, in memory and ready to be searched. Contents stay in the store.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use lienthong_domain::catalogue::ProcedureCode;
use lienthong_domain::catalogue::search::{Index, Searchable};
use lienthong_domain::scalar::Scalar;

use super::entry::{List, Version};
use super::run::Run;
use super::store::CatalogueStore;
use crate::storage::StoreError;

/// What stands now.
#[derive(Default)]
pub struct Held {
    /// Number of the last version.
    pub last: i64,
    lists: HashMap<List, HeldList>,
}

/// The entries of one list.
pub struct HeldList {
    /// By code.
    pub entries: Vec<Version>,
    pub index: Index<usize>,
}

impl Held {
    fn of(versions: Vec<Version>) -> Self {
        let last = versions.iter().map(|version| version.number).max().unwrap_or_default();
        let mut by_list: HashMap<List, Vec<Version>> = HashMap::new();
        for version in versions {
            by_list.entry(version.list).or_default().push(version);
        }
        Self { last, lists: by_list.into_iter().map(|(list, entries)| (list, HeldList::of(entries))).collect() }
    }

    /// `None` if nothing of this list was ever copied.
    pub fn list(&self, list: List) -> Option<&HeldList> {
        self.lists.get(&list)
    }

    pub fn lists(&self) -> impl Iterator<Item = (List, &HeldList)> {
        self.lists.iter().map(|(list, held)| (*list, held))
    }
}

impl HeldList {
    fn of(mut entries: Vec<Version>) -> Self {
        entries.sort_unstable_by(|one, other| one.code.cmp(&other.code));
        let index = Index::new(entries.iter().enumerate().map(|(key, version)| Searchable {
            key,
            code: &version.code,
            name: version.name.as_deref().unwrap_or_default(),
            others: others(version),
        }));
        Self { entries, index }
    }

    /// By its code; a national code is the same procedure whoever is written behind it.
    pub fn find(&self, code: &str) -> Option<&Version> {
        let exactly = |code: &str| {
            let at = self.entries.binary_search_by(|entry| entry.code.as_str().cmp(code)).ok()?;
            self.entries.get(at)
        };
        exactly(code).or_else(|| exactly(ProcedureCode::parse(code).ok()?.national()?))
    }
}

/// What an entry is found by, beside its name.
fn others(version: &Version) -> Vec<&str> {
    let summary = &version.summary;
    let fields = summary.fields.iter().flat_map(|field| [field.name.as_deref(), field.code.as_deref()]);
    fields.chain([summary.keywords.as_deref()]).flatten().collect()
}

/// Keeps what stands, and when it was copied.
pub struct Copy {
    store: Arc<dyn CatalogueStore>,
    held: RwLock<(Arc<Held>, Option<Arc<Run>>)>,
}

impl Copy {
    pub async fn open(store: Arc<dyn CatalogueStore>) -> Result<Self, StoreError> {
        let copy = Self { store, held: RwLock::default() };
        copy.refresh().await?;
        Ok(copy)
    }

    pub fn held(&self) -> (Arc<Held>, Option<Arc<Run>>) {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads again what has changed.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let (held, _) = self.held();
        let run = self.store.run().await?.map(Arc::new);
        let held = match self.store.last().await? == held.last {
            true => held,
            false => {
                let versions = self.store.newest().await?;
                let make = move || Arc::new(Held::of(versions));
                tokio::task::spawn_blocking(make).await.map_err(StoreError::failed)?
            }
        };
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = (held, run);
        Ok(())
    }
}
