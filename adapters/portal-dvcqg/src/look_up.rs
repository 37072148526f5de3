//! What a look-up tells of a dossier beside that it is there. Which members an answer has is the profile's guess: what is absent is
//! told as nothing, and what cannot be read as unreadable.

use deserr::Deserr;
use lienthong_adapter_kit::wire_time::WireTime;
use lienthong_domain::agreement::{NationalDossier, Told};
use lienthong_domain::dossier::DossierCode;
use lienthong_domain::invalid::InvalidFields;
use serde_json::Value;

use crate::mapping::state_of;
use crate::reply::{is_absent, member, text};

/// Names of members; one that is empty is not read.
#[derive(Debug, Clone, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
pub(crate) struct LookUpSettings {
    code: String,
    state: String,
    due_at: String,
    results: String,
    result_link: String,
}

/// What these items tell of the dossier.
pub(crate) fn told(
    items: &[Value],
    dossier: &DossierCode,
    names: &LookUpSettings,
    time_format: WireTime,
) -> NationalDossier {
    let is_its_own = |item: &&Value| {
        let code = named(item, &names.code).and_then(text);
        code.is_some_and(|code| code.eq_ignore_ascii_case(dossier.as_str()))
    };
    // Of an item that does not say whose it is nothing is believed but that it is there.
    let Some(item) = items.iter().find(is_its_own) else { return NationalDossier::PRESENT };
    NationalDossier {
        state: read(named(item, &names.state), |value| state_of(&text(value)?)),
        due_at: match named(item, &names.due_at) {
            Some(value) if is_absent(value) => Told::Value(None),
            value => read(value, |value| time_format.read(&text(value)?).ok().map(Some)),
        },
        results: read(named(item, &names.results), |value| count(value, &names.result_link)),
    }
}

fn named<'a>(item: &'a Value, name: &str) -> Option<&'a Value> {
    if name.is_empty() { None } else { member(item, &[name]) }
}

fn read<T>(value: Option<&Value>, read: impl FnOnce(&Value) -> Option<T>) -> Told<T> {
    match value {
        None => Told::Nothing,
        Some(value) => read(value).map_or(Told::Unreadable, Told::Value),
    }
}

/// Results with a link. A bridge between XML and JSON makes one object of a list of one.
fn count(value: &Value, link: &str) -> Option<usize> {
    let has_link = |item: &&Value| named(item, link).is_some_and(|link| !is_absent(link));
    match value {
        Value::Array(items) if items.iter().all(Value::is_object) => Some(items.iter().filter(has_link).count()),
        Value::Object(_) => Some(usize::from(has_link(&value))),
        other => is_absent(other).then_some(0),
    }
}
