//! The national catalogue of administrative procedures (danh mục thủ tục hành chính).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::PortError;
use crate::catalogue::ProcedureCode;

/// Something that may have been asked for a while ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aged<T> {
    pub value: T,
    pub age: Duration,
    /// Zero once it is being asked again.
    pub fresh_for: Duration,
    /// It may be given out so long, if nothing newer is to be had.
    pub kept_for: Duration,
    /// Nothing was kept: it was asked for now.
    pub is_new: bool,
}

/// What the catalogue says of a procedure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcedureEntry {
    pub name: Option<String>,
    /// The fields that it belongs to, each once.
    pub fields: Vec<ProcedureField>,
}

/// A field of procedures (lĩnh vực).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcedureField {
    pub code: String,
    pub name: Option<String>,
}

/// The catalogue, asked seldom: an implementation keeps what it was told.
#[async_trait]
pub trait ProcedureCatalogue: Send + Sync {
    /// What it says of this procedure; no value if it has none of this code.
    async fn procedure(&self, code: &ProcedureCode) -> Result<Aged<Option<Arc<ProcedureEntry>>>, PortError>;

    /// Forgets what is kept of this procedure.
    async fn forget(&self, code: &ProcedureCode);
}
