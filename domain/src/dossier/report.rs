//! What the portal is told of a dossier that was born there.

use deserr::Deserr;

use super::{DossierCode, DossierState, ResultPaper};
use crate::inbox::NationalCode;
use crate::invalid::InvalidFields;
use crate::text::Text;
use crate::time::Timestamp;

/// Where a dossier of the portal stands here.
#[derive(Debug, Clone, PartialEq, Eq, Deserr, serde::Serialize)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    /// Its code on the portal.
    pub national_code: NationalCode,
    /// Its code here; none if it was not taken.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_code: Option<DossierCode>,
    pub state: DossierState,
    /// For whoever submitted it.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Text<1, 2000>>,
    /// What has come of it.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<ResultPaper>,
    pub at: Timestamp,
}
