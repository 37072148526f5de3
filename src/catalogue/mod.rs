//! What the nation publishes and local systems look up: procedures, agencies, fields, dictionaries. The same for everyone, never
//! personal. `live` asks the portal about one procedure; everything else is answered from the copy that the leader keeps.

mod compare;
mod copy;
pub mod entry;
mod facts;
pub mod http;
mod live;
mod representation;
mod run;
pub mod store;
mod sync;

use std::sync::Arc;

use lienthong_domain::port::ProcedureCatalogue;

pub use copy::Copy;
pub use facts::Facts;
pub use run::{Report, Run, Stopped};
pub use sync::{Pace, Sync};

use crate::storage::keys::Keys;

/// What this topic stands on.
pub struct Catalogue {
    /// `None` if no adapter offers one.
    pub procedures: Option<Arc<dyn ProcedureCatalogue>>,
    pub copy: Arc<Copy>,
    pub store: Arc<dyn store::CatalogueStore>,
    /// For cursors.
    pub keys: Arc<Keys>,
    pub page_items: usize,
}
