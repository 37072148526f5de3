//! What the State publishes: agencies and procedures, each valid from one date to another.

mod agency_code;
mod agency_register;
mod procedure_code;
mod procedure_register;

pub use agency_code::AgencyCode;
pub use agency_register::{Agency, AgencyRegister};
pub use procedure_code::ProcedureCode;
pub use procedure_register::{Procedure, ProcedureRegister, Standing};
