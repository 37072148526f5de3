//! The questions: is this dossier there, which technical id has this number, what is in the catalogue.
//! By default a look-up must never tell more than presence: what the real portal tells beyond it is not known.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Portal;
use super::check::text_of;
use super::reply::Reply;
use super::{dictionaries, procedure};
use crate::digest::hash64;
use crate::locks::read;

impl Portal {
    pub(crate) fn look_up(&self, body: &Map<String, Value>) -> Reply {
        let code = text_of(body, "mahoso").unwrap_or_default();
        let result = if self.settings.rich_lookup {
            self.dossiers.get(code).map(|held| json!([upper_case(&Value::Object(held.fields))]))
        } else {
            self.dossiers.has(code).then(|| json!([{ "MAHOSO": code }]))
        };
        Reply::with_result(result.unwrap_or_else(|| json!([])))
    }

    pub(crate) fn list(&self, service: &str, body: &Map<String, Value>) -> Reply {
        Reply::with_result(match service {
            "LayDanhSachTTHC" => read(&self.catalogue).list(),
            "LayThuTuc" => match read(&self.catalogue).find(text_of(body, "maTTHC").unwrap_or_default()) {
                Some(found) if found.has_detail => json!([procedure::detail(found)]),
                Some(_) | None => json!([]),
            },
            "LayDanhMucLinhVuc" => read(&self.catalogue).fields(),
            "LayDanhMucCoQuan" => dictionaries::agencies(&self.level_one),
            _ => dictionaries::named(service),
        })
    }
}

/// The same number always has the same id; numbers that end in `0000`, or look like none, have no account.
pub(crate) fn tech_id(body: &Map<String, Value>) -> Reply {
    let number = text_of(body, "mstorcmnd").unwrap_or_default();
    let is_number = matches!(number.len(), 9 | 10 | 12 | 13) && number.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || number.ends_with("0000") {
        return Reply::with_result(json!([]));
    }
    let half = |name: &str| hash64(&[name.as_bytes(), number.as_bytes()]);
    let id = Uuid::from_u64_pair(half("technical id, first half"), half("technical id, second half"));
    Reply::with_result(json!([{ "TECHNICALID": id.to_string() }]))
}

fn upper_case(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.to_uppercase(), upper_case(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(upper_case).collect(),
        scalar => scalar.clone(),
    }
}
