//! Whether province and nation agree (đối soát hồ sơ): what local systems gave, what was delivered, and what the nation tells when
//! it is asked. Every difference is a case with what would make it right; nothing is taken for equal that nobody has seen.

mod case;
mod check;
mod decide;
mod examine;
pub mod http;
pub mod qd766;
mod representation;
mod run;
pub mod store;

pub use case::{Case, CaseStatus, Found};
pub use check::{Check, Pace};
pub use decide::{Decisions, NotDecided};
pub use run::{Counts, Listed, Origin, Phase, Place, Run, Side};
