//! The report on the service indicators of Quyết định 766/QĐ-TTg: what the nation holds of the province's dossiers, counted. The
//! formulas are `domain::indicators`; here is what they are fed with. Nothing is kept: each report is counted anew.

mod compile;
mod desk;
pub mod http;
mod representation;
pub mod store;
mod table;

pub use compile::{Compile, Compiled, LISTED, NoPeriod, Progress, Standing, Wanted};
pub use desk::{Desk, Reply};
pub use table::{Sheet, csv_of, sheets_of, xlsx_of};
