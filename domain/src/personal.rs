//! Personal data that does not show itself: `Debug` and `Display` print a fixed mark, never the value.
//! Serialising is the one way out, and is done only towards a system that is entitled to the value.

use std::fmt;

/// A value about a person. Reading it takes an explicit [`Personal::expose`], which a reviewer can search for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }

    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

impl<T> fmt::Display for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

impl<T: serde::Serialize> serde::Serialize for Personal<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<T, E> deserr::Deserr<E> for Personal<T>
where
    T: deserr::Deserr<E>,
    E: deserr::DeserializeError,
{
    fn deserialize_from_value<V: deserr::IntoValue>(
        value: deserr::Value<V>,
        location: deserr::ValuePointerRef<'_>,
    ) -> Result<Self, E> {
        T::deserialize_from_value(value, location).map(Self)
    }
}

crate::schema_of!([T: utoipa::PartialSchema] Personal<T> => T::schema());

impl<T: utoipa::ToSchema> utoipa::ToSchema for Personal<T> {
    fn name() -> std::borrow::Cow<'static, str> {
        T::name()
    }

    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>) {
        T::schemas(schemas);
    }
}
