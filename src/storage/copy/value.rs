//! One value of a row, of the few kinds that the schema has, as both engines give and take it. Never changes a value: what
//! is read is what is written and compared.

use rusqlite::ToSql;
use rusqlite::types::{Null, ToSqlOutput};
use tokio_postgres::types::{self, Type};
use uuid::Uuid;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Integer,
    Text,
    Bytes,
    Uuid,
    Boolean,
}

/// A value, or the absence of one. The order is that of both engines' keys: numbers by size, everything else by its bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Integer(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Uuid(Option<Uuid>),
    Boolean(Option<bool>),
}

/// The values of a row, in the order of its table's columns; or of a key, in the order of its table's key.
pub(super) type Row = Vec<Value>;

impl Kind {
    /// What PostgreSQL calls it, in its catalogue.
    pub fn postgres(self) -> Type {
        match self {
            Self::Integer => Type::INT8,
            Self::Text => Type::TEXT,
            Self::Bytes => Type::BYTEA,
            Self::Uuid => Type::UUID,
            Self::Boolean => Type::BOOL,
        }
    }

    /// What SQLite calls it, which has fewer kinds.
    pub fn sqlite(self) -> &'static str {
        match self {
            Self::Integer | Self::Boolean => "INTEGER",
            Self::Text => "TEXT",
            Self::Bytes | Self::Uuid => "BLOB",
        }
    }

    pub(super) fn of_sqlite(self, row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Value> {
        Ok(match self {
            Self::Integer => Value::Integer(row.get(at)?),
            Self::Text => Value::Text(row.get(at)?),
            Self::Bytes => Value::Bytes(row.get(at)?),
            Self::Uuid => Value::Uuid(row.get::<_, Option<[u8; 16]>>(at)?.map(Uuid::from_bytes)),
            Self::Boolean => Value::Boolean(row.get(at)?),
        })
    }

    pub(super) fn of_postgres(self, row: &tokio_postgres::Row, at: usize) -> Result<Value, tokio_postgres::Error> {
        Ok(match self {
            Self::Integer => Value::Integer(row.try_get(at)?),
            Self::Text => Value::Text(row.try_get(at)?),
            Self::Bytes => Value::Bytes(row.try_get(at)?),
            Self::Uuid => Value::Uuid(row.try_get(at)?),
            Self::Boolean => Value::Boolean(row.try_get(at)?),
        })
    }

    /// Reads what [`Value::to_text`] wrote; only numbers, texts and ids are ever keys.
    pub(super) fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::Integer => Some(Value::Integer(Some(text.parse().ok()?))),
            Self::Text => Some(Value::Text(Some(text.to_owned()))),
            Self::Uuid => Some(Value::Uuid(Some(text.parse().ok()?))),
            Self::Bytes | Self::Boolean => None,
        }
    }
}

impl Value {
    pub(super) fn as_parameter(&self) -> &(dyn types::ToSql + Sync) {
        match self {
            Self::Integer(value) => value,
            Self::Text(value) => value,
            Self::Bytes(value) => value,
            Self::Uuid(value) => value,
            Self::Boolean(value) => value,
        }
    }

    /// For people, and for the place where a copy goes on. Of bytes only how many.
    pub(super) fn to_text(&self) -> String {
        let text = match self {
            Self::Integer(value) => value.map(|value| value.to_string()),
            Self::Text(value) => value.clone(),
            Self::Bytes(value) => value.as_ref().map(|bytes| format!("{} B", bytes.len())),
            Self::Uuid(value) => value.map(|value| value.to_string()),
            Self::Boolean(value) => value.map(|value| value.to_string()),
        };
        text.unwrap_or_default()
    }

    /// About how much room it takes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(Some(text)) => text.len() + 8,
            Self::Bytes(Some(bytes)) => bytes.len() + 8,
            _ => 16,
        }
    }

    /// The canonical encoding: kind, presence, and the value with its length. Two rows of one table have the same bytes only
    /// if they have the same values.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut put = |kind: u8, value: Option<&[u8]>| match value {
            None => out.extend_from_slice(&[kind, 0]),
            Some(bytes) => {
                out.extend_from_slice(&[kind, 1]);
                out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
                out.extend_from_slice(bytes);
            }
        };
        match self {
            Self::Integer(value) => put(b'i', value.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice)),
            Self::Text(value) => put(b't', value.as_ref().map(String::as_bytes)),
            Self::Bytes(value) => put(b'b', value.as_deref()),
            Self::Uuid(value) => put(b'u', value.as_ref().map(|value| value.as_bytes().as_slice())),
            Self::Boolean(value) => put(b'?', value.map(|value| [u8::from(value)]).as_ref().map(<[u8; 1]>::as_slice)),
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Integer(value) => value.to_sql(),
            Self::Text(value) => value.to_sql(),
            Self::Bytes(value) => value.to_sql(),
            Self::Uuid(value) => Ok(value.map_or(Null.into(), |id| id.as_bytes().to_vec().into())),
            Self::Boolean(value) => value.to_sql(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(row: &[Value]) -> Vec<u8> {
        let mut out = Vec::new();
        row.iter().for_each(|value| value.encode(&mut out));
        out
    }

    #[test]
    fn rows_that_differ_anywhere_differ_in_their_encoding() {
        let text = |text: &str| Value::Text(Some(text.to_owned()));
        let rows = [
            vec![text("ab"), text("c")],
            vec![text("a"), text("bc")],
            vec![text(""), text("abc")],
            vec![Value::Text(None), text("abc")],
            vec![Value::Bytes(Some(b"ab".to_vec())), text("c")],
            vec![Value::Integer(Some(0))],
            vec![Value::Integer(None)],
            vec![Value::Boolean(Some(false))],
            vec![Value::Uuid(Some(Uuid::nil()))],
            vec![Value::Bytes(Some(vec![0; 16]))],
        ];
        for (n, row) in rows.iter().enumerate() {
            for other in &rows[n + 1..] {
                assert_ne!(encoded(row), encoded(other), "{row:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_key_survives_the_progress_table() {
        for (kind, value) in [
            (Kind::Integer, Value::Integer(Some(i64::MIN))),
            (Kind::Text, Value::Text(Some("H15.50-261121-0001 {\"a\"} ế".into()))),
            (Kind::Uuid, Value::Uuid(Some(Uuid::now_v7()))),
        ] {
            assert_eq!(kind.read(&value.to_text()), Some(value));
        }
    }
}
