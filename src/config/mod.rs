//! Configuration: compiled-in defaults, then a file, then the environment, then secret files; every mistake at once,
//! each with its key and where the value came from. Nothing is bound before all of it is sound.

mod files;
mod layers;
mod live;
mod settings;

use std::collections::BTreeMap;
use std::path::Path;

use lienthong_adapter_kit::card::Card;
use lienthong_domain::invalid::InvalidFields;
use serde_json::Value;

pub use files::Files;
pub use layers::{Source, SourcedValue};
pub use live::is_live;
pub use settings::{
    AccessSettings, AgencySettings, DossierSettings, Engine, HttpSettings, LONGEST_TOKEN_S, LogSettings,
    MOST_CLOCK_SKEW_S, OutboxSettings, ProcedureSettings, Settings, StatusMapSettings, StorageSettings,
};

/// What is in force, and where each value came from.
#[derive(Clone)]
pub struct Loaded {
    pub settings: Settings,
    /// Settings of each adapter, defaults included, as its card reads them.
    pub adapters: BTreeMap<&'static str, Value>,
    pub values: Vec<SourcedValue>,
    /// The file of the configuration, and those of its secrets.
    pub files: Files,
    /// Of each value, by its key.
    digests: BTreeMap<String, [u8; 32]>,
}

/// One mistake, for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The dotted key, or the file or variable that could not be read.
    pub key: String,
    pub source: String,
    pub vi: String,
    pub en: String,
}

/// Reads everything. `environment` is given, so that tests choose it.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    cards: &[Card],
) -> Result<Loaded, Vec<Mistake>> {
    let layered = layers::read(file, environment, cards)?;
    let mut mistakes = Vec::new();
    let mut note = |prefix: &str, wrong: &InvalidFields| {
        for field in wrong.fields() {
            let key = layers::dotted(prefix, &field.pointer);
            let source = layered.source_of(&key);
            mistakes.push(Mistake { key, source, vi: field.message.vi.clone(), en: field.message.en.clone() });
        }
    };
    let settings = crate::http::json::read::<Settings>(layered.core());
    if let Err(wrong) = &settings {
        note("", wrong);
    }
    let mut adapters = BTreeMap::new();
    for card in cards {
        let value = layered.adapter(card.name);
        if let Err(wrong) = (card.check)(&value) {
            note(&format!("adapters.{}", card.name), &wrong);
        }
        adapters.insert(card.name, value);
    }
    if let Ok(settings) = &settings
        && let Err(wrong) = settings.check(cards)
    {
        note("", &wrong);
    }
    match settings {
        Ok(settings) if mistakes.is_empty() => Ok(Loaded {
            settings,
            adapters,
            values: layered.values(),
            digests: layered.digests(),
            files: layered.files,
        }),
        _ => Err(mistakes),
    }
}
