//! Bounded lists: a list longer than its limit is refused where it stands.

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use utoipa::openapi::schema::{ArrayBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};

use crate::invalid::{InvalidFields, Refusal, json_pointer};

/// A list of at most `MAX` items.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> std::ops::Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Deserr<InvalidFields>, const MAX: usize> Deserr<InvalidFields> for List<T, MAX> {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        if let Value::Sequence(items) = &value {
            let length = deserr::Sequence::len(items);
            if length > MAX {
                return Err(InvalidFields::one(
                    json_pointer(location),
                    Refusal::new(
                        "too_many",
                        format!("Có {length} phần tử, tối đa {MAX}."),
                        format!("{length} items, at most {MAX} are allowed."),
                    ),
                ));
            }
        }
        Vec::<T>::deserialize_from_value(value, location).map(Self)
    }
}

crate::schema_of!([T: utoipa::ToSchema, const MAX: usize] List<T, MAX> => ArrayBuilder::new()
    .items(RefOr::Ref(Ref::from_schema_name(T::name())))
    .max_items(Some(MAX))
    .into());

impl<T: utoipa::ToSchema, const MAX: usize> utoipa::ToSchema for List<T, MAX> {
    fn name() -> std::borrow::Cow<'static, str> {
        format!("{}List{MAX}", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into(), T::schema()));
        T::schemas(schemas);
    }
}
