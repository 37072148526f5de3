//! Walks a request along its field table; the first field that does not fit refuses the whole call.
//! It must never repair a value: a number where a string belongs is an error, not a string.

use serde_json::{Map, Value};

use super::reply::Refusal;
use crate::counters::Reason;

/// One row of a field table.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) need: Need,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Text,
    /// Most characters (Unicode scalar values as received, so decomposed text counts its marks).
    TextUpTo(usize),
    /// `yyyyMMddHHmmss`, a moment that exists.
    Time,
    OneOf(&'static [&'static str]),
    /// Digits, as many as the value of the named sibling asks for.
    DigitsBy(&'static str, &'static [(&'static str, usize)]),
    List(&'static [Field]),
    /// A list that may not be empty.
    Batch(&'static [Field]),
    Object(&'static [Field]),
    /// An object whose members are not known.
    OpenObject,
    /// `dd-MM-yyyy`, a day that exists.
    Day,
}

#[derive(Debug)]
pub(crate) enum Need {
    Required,
    Optional,
    /// Required unless the named sibling has one of the values.
    Unless(&'static str, &'static [&'static str]),
    /// Required if the named sibling has one of the values.
    If(&'static str, &'static [&'static str]),
}

/// Where, and why not.
struct Misfit {
    path: String,
    reason: String,
}

impl Misfit {
    fn at(name: &str, reason: impl Into<String>) -> Self {
        Self { path: name.to_owned(), reason: reason.into() }
    }

    fn under(self, list: &str, position: usize) -> Self {
        self.inside(&format!("{list}[{position}]"))
    }

    fn inside(self, outer: &str) -> Self {
        Self { path: format!("{outer}.{}", self.path), ..self }
    }

    fn tell(self) -> String {
        format!("Trường {}: {}", self.path, self.reason)
    }
}

/// A string field that says something; an empty string means absent.
pub(crate) fn text_of<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

pub(crate) fn object(object: &Map<String, Value>, tables: &[&[Field]]) -> Result<(), Refusal> {
    walk(object, tables).map_err(|misfit| Refusal::new(Reason::Field, misfit.tell()))
}

/// The rows of the table, and any member besides: for objects of which the reference names only some members.
pub(crate) fn open_object(object: &Map<String, Value>, table: &[Field]) -> Result<(), String> {
    walk_known(object, &[table]).map(|_| ()).map_err(Misfit::tell)
}

/// The rows of the table and nothing else.
pub(crate) fn closed_object(object: &Map<String, Value>, table: &[Field]) -> Result<(), String> {
    walk(object, &[table]).map_err(Misfit::tell)
}

fn walk(object: &Map<String, Value>, tables: &[&[Field]]) -> Result<(), Misfit> {
    if walk_known(object, tables)? < object.len() {
        let is_known = |name: &&String| tables.iter().copied().flatten().any(|field| field.name == **name);
        let unknown = object.keys().find(|name| !is_known(name)).map_or("", String::as_str);
        return Err(Misfit::at(unknown, "không có trong đặc tả"));
    }
    Ok(())
}

/// How many members the tables know.
fn walk_known(object: &Map<String, Value>, tables: &[&[Field]]) -> Result<usize, Misfit> {
    let mut known = 0;
    for field in tables.iter().copied().flatten() {
        let value = object.get(field.name);
        if let Some(value) = value {
            known += 1;
            check_kind(object, field, value)?;
        }
        if value.is_none_or(|value| value.as_str() == Some("")) && is_needed(object, &field.need) {
            return Err(Misfit::at(field.name, "bắt buộc phải có giá trị"));
        }
    }
    Ok(known)
}

fn is_needed(object: &Map<String, Value>, need: &Need) -> bool {
    let has = |sibling: &str, values: &[&str]| text_of(object, sibling).is_some_and(|value| values.contains(&value));
    match need {
        Need::Required => true,
        Need::Optional => false,
        Need::Unless(sibling, values) => !has(sibling, values),
        Need::If(sibling, values) => has(sibling, values),
    }
}

fn check_kind(object: &Map<String, Value>, field: &Field, value: &Value) -> Result<(), Misfit> {
    match (&field.kind, value) {
        (Kind::List(members), Value::Array(items)) => check_items(field.name, members, items),
        (Kind::Batch(_), Value::Array(items)) if items.is_empty() => {
            Err(Misfit::at(field.name, "phải có ít nhất một phần tử"))
        }
        (Kind::Batch(members), Value::Array(items)) => check_items(field.name, members, items),
        (Kind::List(_) | Kind::Batch(_), other) => {
            Err(Misfit::at(field.name, format!("phải là mảng, nhận được {}", kind_name(other))))
        }
        (Kind::Object(members), Value::Object(inner)) => {
            walk(inner, &[members]).map_err(|misfit| misfit.inside(field.name))
        }
        (Kind::OpenObject, Value::Object(_)) => Ok(()),
        (Kind::Object(_) | Kind::OpenObject, other) => {
            Err(Misfit::at(field.name, format!("phải là đối tượng, nhận được {}", kind_name(other))))
        }
        (_, Value::String(text)) if text.is_empty() => Ok(()),
        (kind, Value::String(text)) => check_text(object, kind, text).map_err(|reason| Misfit::at(field.name, reason)),
        (_, other) => Err(Misfit::at(field.name, format!("phải là chuỗi, nhận được {}", kind_name(other)))),
    }
}

fn check_items(name: &str, members: &'static [Field], items: &[Value]) -> Result<(), Misfit> {
    for (position, item) in items.iter().enumerate() {
        let Value::Object(item) = item else {
            let reason = format!("phải là đối tượng, nhận được {}", kind_name(item));
            return Err(Misfit::at(&format!("{name}[{position}]"), reason));
        };
        walk(item, &[members]).map_err(|misfit| misfit.under(name, position))?;
    }
    Ok(())
}

fn check_text(object: &Map<String, Value>, kind: &Kind, text: &str) -> Result<(), String> {
    match kind {
        // A text of so few bytes cannot have more characters.
        Kind::TextUpTo(limit) if text.len() > *limit && text.chars().count() > *limit => {
            Err(format!("vượt quá {limit} ký tự"))
        }
        Kind::Time if !is_time(text) => Err("không đúng định dạng yyyyMMddHHmmss".into()),
        Kind::Day if !is_day(text) => Err("không đúng định dạng dd-MM-yyyy".into()),
        Kind::OneOf(values) if !values.contains(&text) => {
            Err(format!("giá trị ngoài danh mục ({})", values.join(", ")))
        }
        Kind::DigitsBy(sibling, lengths) => {
            let wanted = lengths.iter().find(|(value, _)| text_of(object, sibling) == Some(*value));
            match wanted {
                Some((_, length)) if text.len() != *length || !text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    Err(format!("phải gồm {length} chữ số"))
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn is_time(text: &str) -> bool {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let part = |from: usize, to: usize| text[from..to].parse::<i16>().unwrap_or(-1);
    let small = |from: usize| part(from, from + 2) as i8;
    jiff::civil::DateTime::new(part(0, 4), small(4), small(6), small(8), small(10), small(12), 0).is_ok()
}

fn is_day(text: &str) -> bool {
    text.len() == 10 && jiff::civil::Date::strptime("%d-%m-%Y", text).is_ok()
}

fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "giá trị logic",
        Value::Number(_) => "số",
        Value::String(_) => "chuỗi",
        Value::Array(_) => "mảng",
        Value::Object(_) => "đối tượng",
    }
}
