//! Which dossiers were born on the portal, for whoever accepts their states.

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::dossier::DossierCode;
use lienthong_domain::inbox::NationalCode;
use lienthong_domain::port::{PortError, PortErrorKind, PortalOrigin};
use lienthong_domain::scalar::Scalar;

use super::store::InboxStore;

/// Answers from the messages that were taken.
pub struct Origins(pub Arc<dyn InboxStore>);

#[async_trait]
impl PortalOrigin for Origins {
    async fn national_code(&self, code: &DossierCode) -> Result<Option<NationalCode>, PortError> {
        let away = |note: String| PortError::new("inbox", PortErrorKind::Unavailable).with_note(note);
        let found = self.0.national_code(code.as_str().to_owned()).await.map_err(|error| away(error.to_string()))?;
        let read =
            |text: String| NationalCode::parse(&text).map_err(|_| away("a national code that cannot be".to_owned()));
        found.map(read).transpose()
    }
}
