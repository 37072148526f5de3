//! The layers of the configuration laid over each other, remembering for each value where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use lienthong_adapter_kit::card::Card;
use serde_json::{Map, Value};

use super::Mistake;
use super::files::{Files, sha256};

const DEFAULTS: &str = include_str!("../../config/gateway.toml");
const VARIABLE_PREFIX: &str = "LIENTHONG__";
/// Where systemd puts the credentials of a service; a secret's file may be named by it.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Secrets of the core, by their key or its last part.
const CORE_SECRETS: &[&str] = &["password", "pin", "secret", "previous_secret", "quotas.shared.url"];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Default,
    File(String),
    Variable(String),
    SecretFile(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => f.write_str(path),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::SecretFile(path) => write!(f, "secret file {path}"),
        }
    }
}

/// One value as `check-config` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcedValue {
    pub key: String,
    /// `[secret]` for a secret.
    pub value: String,
    pub source: Source,
}

/// All layers, joined.
pub(super) struct Layered {
    root: Value,
    sources: BTreeMap<String, Source>,
    secrets: Vec<String>,
    pub(super) files: Files,
}

pub(super) fn read(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    cards: &[Card],
) -> Result<Layered, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut layered = Layered {
        root: Value::Object(Map::new()),
        sources: BTreeMap::new(),
        secrets: Vec::new(),
        files: Files::default(),
    };
    layered.lay_text(DEFAULTS, &Source::Default, "", &mut mistakes);
    for card in cards {
        let prefix = format!("adapters.{}", card.name);
        layered.lay_text(card.defaults, &Source::Default, &prefix, &mut mistakes);
        layered.secrets.extend(card.secrets.iter().map(|secret| format!("{prefix}.{secret}")));
    }
    if let Some(path) = file {
        let shown = path.display().to_string();
        match layered.files.read(path) {
            Ok(text) => layered.lay_text(&text, &Source::File(shown), "", &mut mistakes),
            Err(error) => mistakes.push(Mistake {
                key: shown.clone(),
                source: shown,
                vi: format!("Không đọc được tệp cấu hình: {error}."),
                en: format!("The configuration file cannot be read: {error}."),
            }),
        }
    }
    let mut credentials = None;
    for (name, value) in environment {
        if name == CREDENTIALS {
            credentials = Some(value);
        } else if let Some(key) = name.strip_prefix(VARIABLE_PREFIX) {
            layered.lay_variable(&name, key, &value, &mut mistakes);
        }
    }
    layered.read_secret_files(credentials.as_deref(), &mut mistakes);
    if mistakes.is_empty() { Ok(layered) } else { Err(mistakes) }
}

/// `adapters.x` and `/a/0/b` → `adapters.x.a.0.b`.
pub(super) fn dotted(prefix: &str, pointer: &str) -> String {
    let path = pointer.trim_start_matches('/').replace('/', ".");
    match (prefix.is_empty(), path.is_empty()) {
        (true, _) => path,
        (false, true) => prefix.to_owned(),
        (false, false) => format!("{prefix}.{path}"),
    }
}

impl Layered {
    /// The core's part: everything but the adapters' sections.
    pub(super) fn core(&self) -> Value {
        let mut core = self.root.clone();
        if let Some(members) = core.as_object_mut() {
            members.remove("adapters");
        }
        core
    }

    pub(super) fn adapter(&self, name: &str) -> Value {
        self.root.get("adapters").and_then(|adapters| adapters.get(name)).cloned().unwrap_or_default()
    }

    /// Where a key, or the nearest key above it, came from.
    pub(super) fn source_of(&self, key: &str) -> String {
        let mut key = key;
        loop {
            let below = format!("{key}.");
            let found = self.sources.get(key).or_else(|| {
                let (_, source) = self.sources.range(below.clone()..).next().filter(|(k, _)| k.starts_with(&below))?;
                Some(source)
            });
            if let Some(source) = found {
                return source.to_string();
            }
            match key.rsplit_once('.') {
                Some((above, _)) => key = above,
                None => return Source::Default.to_string(),
            }
        }
    }

    pub(super) fn values(&self) -> Vec<SourcedValue> {
        let show = |(key, source): (&String, &Source)| {
            let value = find(&self.root, key);
            // An empty one is no secret: that it was not given is what an operator looks for.
            let value = if self.is_secret(key) && value.is_none_or(|value| value != "") {
                "[secret]".to_owned()
            } else {
                value.map(ToString::to_string).unwrap_or_default()
            };
            SourcedValue { key: key.clone(), value, source: source.clone() }
        };
        self.sources.iter().map(show).collect()
    }

    /// A digest of each value, by which another one is known.
    pub(super) fn digests(&self) -> BTreeMap<String, [u8; 32]> {
        let of = |key: &String| sha256(find(&self.root, key).unwrap_or(&Value::Null).to_string().as_bytes());
        self.sources.keys().map(|key| (key.clone(), of(key))).collect()
    }

    fn is_secret(&self, key: &str) -> bool {
        let last = key.rsplit('.').next().unwrap_or_default();
        self.secrets.iter().any(|secret| secret == key)
            || (!key.starts_with("adapters.") && (CORE_SECRETS.contains(&last) || CORE_SECRETS.contains(&key)))
    }

    fn lay_text(&mut self, text: &str, source: &Source, prefix: &str, mistakes: &mut Vec<Mistake>) {
        match text.parse::<toml::Table>() {
            Ok(table) => {
                let value = json_of(toml::Value::Table(table));
                self.lay(prefix, value, source);
            }
            Err(error) => {
                // The parser's message quotes the line, which may hold a secret: only the place is told.
                let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
                mistakes.push(Mistake {
                    key: source.to_string(),
                    source: source.to_string(),
                    vi: format!("Dòng {line}: không phải TOML hợp lệ ({}).", error.message()),
                    en: format!("Line {line}: not valid TOML ({}).", error.message()),
                });
            }
        }
    }

    /// Tables are joined; anything else, lists too, is replaced whole.
    fn lay(&mut self, key: &str, value: Value, source: &Source) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let below = if key.is_empty() { name } else { format!("{key}.{name}") };
                    self.lay(&below, value, source);
                }
            }
            value => {
                let inside = format!("{key}.");
                self.sources.retain(|known, _| !known.starts_with(&inside));
                note_sources(&mut self.sources, key, &value, source);
                if let Some(place) = place(&mut self.root, key) {
                    *place = value;
                }
            }
        }
    }

    fn lay_variable(&mut self, name: &str, key: &str, text: &str, mistakes: &mut Vec<Mistake>) {
        let parts: Vec<String> = key.split("__").map(str::to_ascii_lowercase).collect();
        let Some(key) = self.spelled(&parts) else {
            mistakes.push(Mistake {
                key: parts.join("."),
                source: format!("environment {name}"),
                vi: "Không có thiết lập này.".into(),
                en: "There is no such setting.".into(),
            });
            return;
        };
        // A number, a boolean or a list as in the file; anything else is a text.
        let value = format!("v = {text}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("v"));
        let wants_text = matches!(find(&self.root, &key), Some(Value::String(_)));
        let value = match value.map(json_of) {
            Some(value) if !wants_text || value.is_string() => value,
            _ => Value::from(text),
        };
        self.lay(&key, value, &Source::Variable(name.to_owned()));
    }

    /// The key as it is written in the files: a variable has `_` where a key may have `-`.
    fn spelled(&self, parts: &[String]) -> Option<String> {
        let mut at = &self.root;
        let mut key = Vec::new();
        for (n, part) in parts.iter().enumerate() {
            let members = at.as_object()?;
            let found = members.keys().find(|known| known.replace('-', "_") == *part);
            let is_last = n + 1 == parts.len();
            match found {
                Some(known) => {
                    key.push(known.clone());
                    at = &members[known];
                }
                // A setting without a default, such as a secret.
                None if is_last && n > 0 => key.push(part.clone()),
                None => return None,
            }
        }
        Some(key.join("."))
    }

    /// `x_file = "path"` beside where the secret `x` belongs; a path may begin with `$CREDENTIALS_DIRECTORY/`.
    fn read_secret_files(&mut self, credentials: Option<&str>, mistakes: &mut Vec<Mistake>) {
        let keys: Vec<String> = self.sources.keys().filter(|key| key.ends_with("_file")).cloned().collect();
        for key in keys {
            let secret = key.trim_end_matches("_file").to_owned();
            if !self.is_secret(&secret) {
                continue;
            }
            let path = find(&self.root, &key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let path = match (path.strip_prefix('$').and_then(|path| path.strip_prefix(CREDENTIALS)), credentials) {
                (Some(inside), Some(folder)) => format!("{folder}{inside}"),
                _ => path,
            };
            match self.files.read(Path::new(&path)) {
                Ok(text) => {
                    take(&mut self.root, &key);
                    self.sources.remove(&key);
                    let text = text.trim_end_matches(['\r', '\n']);
                    self.sources.insert(secret.clone(), Source::SecretFile(path));
                    if let Some(place) = place(&mut self.root, &secret) {
                        *place = Value::from(text);
                    }
                }
                Err(error) => mistakes.push(Mistake {
                    source: self.source_of(&key),
                    key,
                    vi: format!("Không đọc được tệp bí mật {path}: {error}."),
                    en: format!("The secret file {path} cannot be read: {error}."),
                }),
            }
        }
    }
}

fn note_sources(sources: &mut BTreeMap<String, Source>, key: &str, value: &Value, source: &Source) {
    let is_list_of_tables = |items: &Vec<Value>| items.iter().any(Value::is_object);
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                note_sources(sources, &format!("{key}.{name}"), value, source);
            }
        }
        Value::Array(items) if is_list_of_tables(items) => {
            for (n, value) in items.iter().enumerate() {
                note_sources(sources, &format!("{key}.{n}"), value, source);
            }
        }
        _ => {
            sources.insert(key.to_owned(), source.clone());
        }
    }
}

fn json_of(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(n) => Value::from(n),
        toml::Value::Float(n) => Value::from(n),
        toml::Value::Boolean(b) => Value::Bool(b),
        toml::Value::Datetime(at) => Value::String(at.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(json_of).collect()),
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(k, v)| (k, json_of(v))).collect()),
    }
}

fn step<'a>(value: &'a Value, part: &str) -> Option<&'a Value> {
    match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        other => other.get(part),
    }
}

fn find<'a>(root: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(root, step)
}

/// Where the value of a key goes; tables on the way are made.
fn place<'a>(root: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    let mut at = root;
    for part in key.split('.') {
        if let Value::Array(items) = at {
            at = items.get_mut(part.parse::<usize>().ok()?)?;
            continue;
        }
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = at.as_object_mut()?.entry(part).or_insert(Value::Null);
    }
    Some(at)
}

fn take(root: &mut Value, key: &str) {
    let (above, last) = key.rsplit_once('.').unwrap_or(("", key));
    let parent = if above.is_empty() { Some(root) } else { place(root, above) };
    if let Some(Value::Object(members)) = parent {
        members.remove(last);
    }
}
