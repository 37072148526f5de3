//! The service indicators of Quyết định 766/QĐ-TTg, computed from what the nation holds of a province's dossiers: one dossier
//! is judged at a time ([`Formula::judge`]) and counted ([`Tally`]). Never counts what is not known as zero or as full.
//!
//! The formulas are those of a working document whose legal status is not confirmed; see `docs/indicators.md`.

mod formula;
mod held_dossier;
mod indicator;
mod on_time;
mod percent;
mod period;
mod reason;
mod report;
mod shares;
mod tally;
mod terms;

pub use formula::{Cost, Counting, Formula, Judgement, Verdict};
pub use held_dossier::{HeldDossier, HeldPaper, HeldResult, ProcedureFacts, StateAt, SupplementRound};
pub use indicator::Indicator;
pub use on_time::{End, EndedBy, Punctuality};
pub use percent::Percent;
pub use period::Period;
pub use reason::Reason;
pub use report::{IndicatorResult, NotObservable, Report, SyncBasis, Value};
pub use tally::{Listed, Tally, TallyMismatch};
pub use terms::FormulaTerms;
