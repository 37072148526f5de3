//! Keys of which there may be more than one after the other: those that wrap contents, and those that sign the audit log. Which of
//! them are in use is the database's word, the same for all replicas; the keys themselves are files (`keys.rs`).

use std::fmt;

use lienthong_domain::time::Timestamp;
use rusqlite::Row;

use super::{Database, StoreError};

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Wraps the keys of contents.
    Contents,
    /// Signs the heads of the audit log.
    Log,
}

impl Purpose {
    pub const ALL: [Self; 2] = [Self::Contents, Self::Log];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Contents => "bodies",
            Self::Log => "audit",
        }
    }
}

/// One of them, such as `audit-2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName {
    pub purpose: Purpose,
    pub number: u32,
}

impl KeyName {
    pub const fn first(purpose: Purpose) -> Self {
        Self { purpose, number: 1 }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, digits) = text.split_once('-')?;
        let purpose = Purpose::ALL.into_iter().find(|purpose| purpose.prefix() == prefix)?;
        let number = digits.parse().ok().filter(|number| *number > 0)?;
        let name = Self { purpose, number };
        (name.to_string() == text).then_some(name)
    }

    /// Of a name in the key folder.
    pub fn of_file(file: &str) -> Option<Self> {
        Self::parse(file.strip_suffix(".key")?)
    }

    pub fn file(self) -> String {
        format!("{self}.key")
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.purpose.prefix(), self.number)
    }
}

/// What is known of one that was taken into use. The first ones are in use from the beginning, and unknown until they are retired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    pub key: KeyName,
    pub used_from: Timestamp,
    pub retired_at: Option<Timestamp>,
    /// Of one that signs: what others verify by, also when the key itself is gone.
    pub public: Option<[u8; 32]>,
}

/// The keys in use for this purpose, the newest last.
pub fn in_use(generations: &[Generation], purpose: Purpose) -> Vec<KeyName> {
    let of_purpose = || generations.iter().filter(|generation| generation.key.purpose == purpose);
    let first = KeyName::first(purpose);
    let mut keys: Vec<KeyName> =
        of_purpose().filter(|generation| generation.retired_at.is_none()).map(|generation| generation.key).collect();
    if !of_purpose().any(|generation| generation.key == first) {
        keys.push(first);
    }
    keys.sort();
    keys
}

const ALL: &str = "SELECT name, used_from, retired_at, public_key FROM key_generation ORDER BY name";

impl Database {
    /// All that were taken into use.
    pub async fn generations(&self) -> Result<Vec<Generation>, StoreError> {
        match self {
            Self::Sqlite(database) => {
                let read = |connection: &rusqlite::Connection| {
                    let mut statement = connection.prepare_cached(ALL)?;
                    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
                    let rows = statement.query_map([], row)?.collect::<Result<Vec<_>, _>>()?;
                    rows.into_iter().map(generation).collect()
                };
                database.readers.read(read).await
            }
            Self::Postgres(database) => {
                let rows = database.query(ALL, &[]).await?;
                rows.iter().map(|row| generation((row.get(0), row.get(1), row.get(2), row.get(3)))).collect()
            }
        }
    }
}

fn generation(row: (String, i64, Option<i64>, Option<Vec<u8>>)) -> Result<Generation, StoreError> {
    let (name, used_from, retired_at, public) = row;
    let key = KeyName::parse(&name).ok_or_else(|| StoreError::Failed(format!("no key is called {name}")))?;
    let public = public.map(|public| public.try_into().map_err(|_| StoreError::Failed(format!("{name} is damaged"))));
    Ok(Generation {
        key,
        used_from: Timestamp::from_micros(used_from),
        retired_at: retired_at.map(Timestamp::from_micros),
        public: public.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_called_as_its_file_is() {
        for text in ["audit-1", "bodies-2", "audit-17"] {
            assert_eq!(KeyName::parse(text).unwrap().to_string(), text);
            assert_eq!(KeyName::of_file(&format!("{text}.key")), KeyName::parse(text));
        }
        for other in ["audit-0", "audit-01", "audit-", "digest", "audit-+2", "shard-2026h2", "bodies-2.key"] {
            assert_eq!(KeyName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_first_is_in_use_until_it_is_retired() {
        let key = |number| KeyName { purpose: Purpose::Log, number };
        let at = Timestamp::from_micros;
        let generation = |number, retired: Option<i64>| Generation {
            key: key(number),
            used_from: at(1),
            retired_at: retired.map(at),
            public: None,
        };
        assert_eq!(in_use(&[], Purpose::Log), [key(1)]);
        assert_eq!(in_use(&[generation(2, None)], Purpose::Log), [key(1), key(2)]);
        assert_eq!(in_use(&[generation(1, Some(5)), generation(2, None)], Purpose::Log), [key(2)]);
        assert_eq!(in_use(&[generation(2, None)], Purpose::Contents), [KeyName::first(Purpose::Contents)]);
    }
}
