//! Whether the province and the nation hold the same of a dossier: what a look-up tells, what it is compared with, and what is
//! different. What the nation does not tell is never taken for equal.

mod compare;
mod told;

pub use compare::{Aspect, Class, Difference, Findings, LocalContents, LocalDossier, Repair, compare};
pub use told::{NationalDossier, Told};
