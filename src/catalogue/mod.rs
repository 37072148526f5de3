//! What the nation publishes and local systems look up: procedures and their fields. The same for everyone, never personal,
//! and answered from memory.

pub mod http;

use std::sync::Arc;

use lienthong_domain::port::ProcedureCatalogue;

/// What this topic stands on.
pub struct Catalogue {
    /// `None` if no adapter offers one.
    pub procedures: Option<Arc<dyn ProcedureCatalogue>>,
}
