//! What the indicators need to know of procedures: one topic keeps the catalogue, another one counts.

use async_trait::async_trait;

use super::PortError;
use crate::catalogue::ProcedureCode;
use crate::indicators::ProcedureFacts;

/// Knows procedures.
#[async_trait]
pub trait ProcedureFactsSource: Send + Sync {
    /// What is known of this procedure; no fact of one that is not known.
    async fn facts(&self, procedure: &ProcedureCode) -> Result<ProcedureFacts, PortError>;
}
