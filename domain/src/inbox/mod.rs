//! What the nation sends to the province (hộp thư đến): dossiers born on the national portal and what follows them.

mod incoming;

pub use incoming::{
    Incoming, IncomingFile, IncomingKind, MOST_TAX_DECISIONS, NationalCode, SetAside, Source, TaxDecision, TaxPayment,
};
