//! Which dossiers were born on the portal: one topic knows it, another one needs it.

use async_trait::async_trait;

use super::PortError;
use crate::dossier::DossierCode;
use crate::inbox::NationalCode;

/// Knows the codes of dossiers on the portal.
#[async_trait]
pub trait PortalOrigin: Send + Sync {
    /// The code on the portal of a dossier that was born there and taken under this code here; `None` of any other.
    async fn national_code(&self, code: &DossierCode) -> Result<Option<NationalCode>, PortError>;
}
