//! A setting that must not show itself: a password, a key. It is wiped from memory when dropped, and has no way out
//! but [`Secret::expose`], which a reviewer can search for.

use std::fmt;

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use lienthong_domain::invalid::InvalidFields;
use secrecy::{ExposeSecret, SecretString};

/// A secret text. It is never serialised, and `Debug` prints a fixed mark.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Deserr<InvalidFields> for Secret {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        String::deserialize_from_value(value, location).map(Self::new)
    }
}
