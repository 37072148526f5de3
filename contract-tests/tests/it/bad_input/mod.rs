//! What a local system may get wrong, over HTTP: each mistake is named where it stands, in the reader's language, and
//! after it nothing is stored and nothing reaches the portal.

mod addresses;
mod batches;
mod bodies;
mod callers;
mod codes;
mod fields;
mod repeats;
mod steps;

const CODE: &str = "H15.50-261121-0001";
const WARD_CODE: &str = "H15.61-261121-0001";
