//! Names and fields of procedures, from the national catalogue. Asked once per procedure and kept for a while, never
//! asked per dossier (NP-23). What the dossier says of its own goes first; nothing is guessed.

use std::sync::Arc;
use std::time::Duration;

use lienthong_adapter_kit::cache::{Cache, CacheSettings};
use lienthong_adapter_kit::time_budget;
use lienthong_domain::dossier::Dossier;
use lienthong_domain::invalid::Message;
use lienthong_domain::port::{Aged, PortError, PortErrorKind, ProcedureEntry, ProcedureField};
use serde_json::Value;

use crate::client::{Client, Service};
use crate::config::CatalogueSettings;
use crate::error::{CallFailure, refused_here};
use crate::reason::PersonalTexts;
use crate::reply::{member, text};
use crate::wire;

/// How the wire names a dossier's procedure and field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcedureNames {
    pub(crate) name: String,
    pub(crate) field_code: String,
    pub(crate) field_name: String,
}

pub(crate) struct Catalogue {
    kept: Cache<String, ProcedureEntry>,
}

type Found = Aged<Option<Arc<ProcedureEntry>>>;

impl Catalogue {
    pub(crate) fn new(settings: &CatalogueSettings) -> Self {
        let settings = CacheSettings {
            fresh: Duration::from_millis(settings.fresh_ms),
            keep: Duration::from_millis(settings.keep_ms),
            keep_absent: Duration::from_millis(settings.keep_absent_ms),
            pause: Duration::from_millis(settings.pause_ms),
            most_weight: settings.most_procedures,
        };
        Self { kept: Cache::new("procedures", settings, |_| 1) }
    }

    pub(crate) async fn names(&self, client: &Arc<Client>, dossier: &Dossier) -> Result<ProcedureNames, PortError> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let name = own(dossier.procedure_name.as_ref().map(|name| name.as_str()));
        let field_code = own(dossier.field_code.as_ref().map(|code| code.as_str()));
        let field_name = own(dossier.field_name.as_ref().map(|name| name.as_str()));
        if let (Some(name), Some(field_code), Some(field_name)) = (&name, &field_code, &field_name) {
            return Ok(ProcedureNames {
                name: name.clone(),
                field_code: field_code.clone(),
                field_name: field_name.clone(),
            });
        }
        let code = dossier.procedure_code.original();
        // Not held up by what readers have met: a delivery has a breaker of its own, which learns from this call too.
        let found = self.kept.get(code.to_owned(), || ask(Arc::clone(client), code.to_owned())).await?;
        let entry = found.value.unwrap_or_default();
        let name = name.or_else(|| entry.name.clone()).ok_or_else(|| unknown_procedure(code))?;
        let field = field(&entry, field_code, field_name).map_err(|lacking| lacking.refusal(code))?;
        Ok(ProcedureNames { name, field_code: field.0, field_name: field.1 })
    }

    /// For somebody who waits: at once that there is none while the portal fails, and no longer than there is time.
    pub(crate) async fn find(&self, client: &Arc<Client>, code: &str) -> Result<Found, PortError> {
        let asking = Arc::clone(client);
        let ask = |code| async move { asking.reads.guard(crate::NAME, ask(Arc::clone(&asking), code)).await };
        let found = self.kept.get(code.to_owned(), || ask(code.to_owned()));
        let Some(left) = time_budget::left() else { return found.await };
        let too_late = PortError::new(crate::NAME, PortErrorKind::Unavailable).with_note("no answer in time");
        tokio::time::timeout(left, found).await.unwrap_or(Err(too_late))
    }

    pub(crate) async fn forget(&self, code: &str) {
        self.kept.forget(&code.to_owned()).await;
    }
}

async fn ask(client: Arc<Client>, code: String) -> Result<Option<ProcedureEntry>, PortError> {
    let service = Service { endpoint: client.profile.services.procedure_at, name: wire::READ_PROCEDURE, is_read: true };
    let query = wire::ProcedureQuery { procedure: code };
    let personal = PersonalTexts::default();
    let found = client.ask(service, &query, &personal).await.map_err(CallFailure::of_read)?;
    Ok(found.first().map(entry))
}

fn entry(item: &Value) -> ProcedureEntry {
    let part = |value: &Value, names| member(value, names).and_then(text);
    let fields = member(item, wire::reply::FIELDS).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut known: Vec<ProcedureField> = Vec::new();
    for field in fields {
        // The catalogue repeats a field once per level of implementation.
        if let Some(code) = part(field, wire::reply::FIELD_CODE)
            && known.iter().all(|other| other.code != code)
        {
            known.push(ProcedureField { code, name: part(field, wire::reply::FIELD_NAME) });
        }
    }
    ProcedureEntry { name: part(item, wire::reply::PROCEDURE_NAME), fields: known }
}

enum Lacking {
    Field,
    /// The procedure belongs to several fields and the dossier does not say to which.
    Choice,
    FieldName,
}

/// The dossier's field: its own words first, then the catalogue's, and the catalogue chooses only where it has one.
fn field(entry: &ProcedureEntry, code: Option<String>, name: Option<String>) -> Result<(String, String), Lacking> {
    let chosen = match (&code, entry.fields.as_slice()) {
        (Some(code), fields) => fields.iter().find(|field| field.code == *code),
        (None, []) => return Err(Lacking::Field),
        (None, [only]) => Some(only),
        (None, _) => return Err(Lacking::Choice),
    };
    let name = name.or_else(|| chosen.and_then(|field| field.name.clone())).ok_or(Lacking::FieldName)?;
    let code = code.or_else(|| chosen.map(|field| field.code.clone())).ok_or(Lacking::Field)?;
    Ok((code, name))
}

fn unknown_procedure(code: &str) -> PortError {
    refused_here(Message::new(
        format!("Danh mục quốc gia không có thủ tục {code}; gửi kèm procedureName, fieldCode và fieldName."),
        format!("The national catalogue has no procedure {code}; send procedureName, fieldCode and fieldName with it."),
    ))
}

impl Lacking {
    fn refusal(self, code: &str) -> PortError {
        let (vi, en) = match self {
            Self::Field => (
                format!("Danh mục quốc gia không nêu lĩnh vực của thủ tục {code}; gửi kèm fieldCode và fieldName."),
                format!(
                    "The national catalogue gives no field of procedure {code}; send fieldCode and fieldName with it."
                ),
            ),
            Self::Choice => (
                format!("Thủ tục {code} thuộc nhiều lĩnh vực; gửi kèm fieldCode."),
                format!("Procedure {code} belongs to several fields; send fieldCode with it."),
            ),
            Self::FieldName => (
                format!("Danh mục quốc gia không có tên của lĩnh vực này ở thủ tục {code}; gửi kèm fieldName."),
                format!(
                    "The national catalogue has no name of this field of procedure {code}; send fieldName with it."
                ),
            ),
        };
        refused_here(Message::new(vi, en))
    }
}
