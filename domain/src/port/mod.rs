//! One small trait a file: what the gateway needs of another system, said without that system's words.

mod catalogue_source;
mod dossier_portal;
mod error;
mod portal_inbound;
mod portal_origin;
mod procedure_catalogue;
mod procedure_facts;

pub use catalogue_source::{CatalogueSource, ListedProcedure};
pub use dossier_portal::{AfterAmbiguity, DossierPortal, PortalOperation, Presence};
pub use error::{PortError, PortErrorKind};
pub use portal_inbound::{InboundPath, NotRead, PortalInbound, Taken};
pub use portal_origin::PortalOrigin;
pub use procedure_catalogue::{Aged, ProcedureCatalogue, ProcedureEntry, ProcedureField};
pub use procedure_facts::ProcedureFactsSource;
