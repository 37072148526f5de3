//! What the State publishes: agencies and procedures, each valid from one date to another.

mod agency_code;
mod agency_register;
mod dictionary;
mod procedure_code;
mod procedure_detail;
mod procedure_register;
pub mod search;

pub use agency_code::AgencyCode;
pub use agency_register::{Agency, AgencyRegister};
pub use dictionary::{Dictionary, DictionaryEntry};
pub use procedure_code::ProcedureCode;
pub use procedure_detail::{
    Agencies, CodedName, Component, ComponentGroup, LegalBasis, Level, MOST_ITEMS, Method, ProcedureDetail,
    ProcessingTime, Published, PublishedFee, PublishedFile, ResultPaper, Sequence, TimeUnit,
};
pub use procedure_register::{Procedure, ProcedureRegister, Standing};
