//! The dictionaries of the catalogue. Which service lists one, and where a line says its code and name, is the profile's: most
//! of it is not public.

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use lienthong_domain::catalogue::{Dictionary, DictionaryEntry};
use lienthong_domain::invalid::{InvalidFields, json_pointer};
use lienthong_domain::scalar::Scalar;

use crate::codes::Codes;
use crate::config::{CatalogueSettings, read_texts};
use crate::fields::Fields;
use crate::wire::catalogue as wire;

/// The service of each dictionary that is copied.
#[derive(Debug, Clone)]
pub(crate) struct DictionaryServices(Vec<(Dictionary, String)>);

impl DictionaryServices {
    pub(crate) fn all(&self) -> impl Iterator<Item = Dictionary> {
        self.0.iter().map(|(dictionary, _)| *dictionary)
    }

    pub(crate) fn of(&self, dictionary: Dictionary) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == dictionary).map(|(_, service)| service.as_str())
    }
}

impl Deserr<InvalidFields> for DictionaryServices {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        let mut wrong = InvalidFields::default();
        let mut services = Vec::new();
        for (name, service) in read_texts(value, location)? {
            match Dictionary::parse(&name) {
                Ok(_) if service.is_empty() => {}
                Ok(dictionary) => services.push((dictionary, service)),
                Err(refusal) => wrong.push(format!("{}/{name}", json_pointer(location)), refusal),
            }
        }
        wrong.into_result(Self(services))
    }
}

/// A line. `None` for one without a code: nothing can name it.
pub(crate) fn entry(line: &Fields<'_>, settings: &CatalogueSettings, codes: &Codes) -> Option<DictionaryEntry> {
    let names = |names: &[String]| line.published(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let level = line.text(wire::AGENCY_LEVEL);
    Some(DictionaryEntry {
        code: names(&settings.dictionary_code)?,
        name: names(&settings.dictionary_name),
        sector: line.published(wire::SECTOR),
        level: level.and_then(|code| line.read(wire::AGENCY_LEVEL, codes.level.member(&code))),
    })
}
