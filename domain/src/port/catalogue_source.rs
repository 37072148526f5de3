//! The national catalogue as a whole, for whoever keeps a copy of it (NP-22). Beside [`ProcedureCatalogue`](super::ProcedureCatalogue),
//! which answers for one procedure while somebody waits.

use async_trait::async_trait;

use super::PortError;
use crate::catalogue::{Dictionary, DictionaryEntry, ProcedureDetail, Published};

/// A line of the list of procedures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedProcedure {
    /// As the list writes it: it may carry an owner's suffix, and need not be a national code.
    pub code: String,
    pub name: Option<Published>,
}

/// Where the catalogue comes from. It publishes neither what has changed nor when (NP-22): a copy is kept by asking for
/// everything. Nothing is kept here.
#[async_trait]
pub trait CatalogueSource: Send + Sync {
    /// All procedures, in the order of the list; the same code may be there twice.
    async fn procedures(&self) -> Result<Vec<ListedProcedure>, PortError>;

    /// What is published of a procedure, by a code of the list; `None` if there is none of this code.
    ///
    /// `Unreadable` if what came cannot be kept as it is; the note names the places.
    async fn detail(&self, code: &str) -> Result<Option<ProcedureDetail>, PortError>;

    /// The dictionaries that it has.
    fn dictionaries(&self) -> Vec<Dictionary>;

    /// All lines of a dictionary.
    async fn dictionary(&self, dictionary: Dictionary) -> Result<Vec<DictionaryEntry>, PortError>;
}
