//! A value that is written as one JSON string, and the two macros that give such a type its reading, writing and
//! description. What a value accepts is said once, in `parse` and in `SCHEMA`.

use crate::invalid::Refusal;

/// How a scalar is described in the API document.
#[derive(Debug, Clone, Copy)]
pub struct ScalarSchema {
    /// Vietnamese first, then English.
    pub description: &'static str,
    pub max_length: usize,
    pub min_length: usize,
    pub pattern: Option<&'static str>,
    pub format: Option<&'static str>,
    pub example: &'static str,
    /// Every value, where there is a closed list.
    pub values: &'static [&'static str],
}

impl ScalarSchema {
    pub const fn new(description: &'static str, max_length: usize, example: &'static str) -> Self {
        Self { description, max_length, min_length: 1, pattern: None, format: None, example, values: &[] }
    }

    pub const fn pattern(mut self, pattern: &'static str) -> Self {
        self.pattern = Some(pattern);
        self
    }

    pub const fn format(mut self, format: &'static str) -> Self {
        self.format = Some(format);
        self
    }

    pub const fn values(mut self, values: &'static [&'static str]) -> Self {
        self.values = values;
        self
    }

    pub fn to_openapi(self) -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, SchemaType, Type};
        let mut object = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .description(Some(self.description))
            .examples([serde_json::Value::from(self.example)]);
        if self.values.is_empty() {
            object = object
                .min_length(Some(self.min_length))
                .max_length(Some(self.max_length))
                .pattern(self.pattern)
                .format(self.format.map(|name| SchemaFormat::Custom(name.to_owned())));
        } else {
            object = object.enum_values(Some(self.values.iter().copied()));
        }
        object.into()
    }
}

/// A value with one written form. `parse` is the only way in and refuses what the type cannot mean.
pub trait Scalar: Sized {
    const SCHEMA: ScalarSchema;
    fn parse(text: &str) -> Result<Self, Refusal>;
    fn to_text(&self) -> String;
}

/// Tells utoipa what a hand-written type looks like. Its derive macro asks nested types for `ComposeSchema`, which
/// lives in a module that its documentation hides: the one place that names it is here.
#[macro_export]
macro_rules! schema_of {
    ([$($generics:tt)*] $type:ty => $schema:expr) => {
        impl<$($generics)*> ::utoipa::__dev::ComposeSchema for $type {
            fn compose(
                _: Vec<::utoipa::openapi::RefOr<::utoipa::openapi::schema::Schema>>,
            ) -> ::utoipa::openapi::RefOr<::utoipa::openapi::schema::Schema> {
                $schema
            }
        }
    };
}

/// Gives a [`Scalar`](crate::scalar::Scalar) type its JSON reading (all mistakes collected), writing, `Display`,
/// `FromStr` and OpenAPI schema.
#[macro_export]
macro_rules! scalar {
    ($type:ty) => {
        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&$crate::scalar::Scalar::to_text(self))
            }
        }
        impl ::std::str::FromStr for $type {
            type Err = $crate::invalid::Refusal;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                <$type as $crate::scalar::Scalar>::parse(text)
            }
        }
        impl ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&$crate::scalar::Scalar::to_text(self))
            }
        }
        impl ::deserr::Deserr<$crate::invalid::InvalidFields> for $type {
            fn deserialize_from_value<V: ::deserr::IntoValue>(
                value: ::deserr::Value<V>,
                location: ::deserr::ValuePointerRef<'_>,
            ) -> Result<Self, $crate::invalid::InvalidFields> {
                let text = <String as ::deserr::Deserr<$crate::invalid::InvalidFields>>::deserialize_from_value(
                    value, location,
                )?;
                <$type as $crate::scalar::Scalar>::parse(&text).map_err(|refusal| {
                    $crate::invalid::InvalidFields::one($crate::invalid::json_pointer(location), refusal)
                })
            }
        }
        $crate::schema_of!([] $type => <$type as $crate::scalar::Scalar>::SCHEMA.to_openapi());
        impl ::utoipa::ToSchema for $type {}
    };
}

/// A closed list of named values: the enum, its written names, its Vietnamese terms, and all that [`scalar!`] gives.
#[macro_export]
macro_rules! code_enum {
    ($(#[$meta:meta])* pub enum $name:ident : $description:literal {
        $($(#[$variant_meta:meta])* $variant:ident = $text:literal => $vi:literal),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_meta])* $variant),+
        }
        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The written name, as in the API and in storage.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// The law's term, for people.
            pub const fn vietnamese(self) -> &'static str {
                match self { $($name::$variant => $vi),+ }
            }
        }
        impl $crate::scalar::Scalar for $name {
            const SCHEMA: $crate::scalar::ScalarSchema = $crate::scalar::ScalarSchema::new(
                concat!($description, $(" `", $text, "` ", $vi, ";"),+),
                64,
                $crate::code_enum!(@first $($text),+),
            )
            .values(&[$($text),+]);

            fn parse(text: &str) -> Result<Self, $crate::invalid::Refusal> {
                match text {
                    $($text => Ok($name::$variant),)+
                    _ => Err($crate::invalid::Refusal::new(
                        "unknown_value",
                        format!("Giá trị không thuộc danh mục; dùng một trong: {}.", [$($text),+].join(", ")),
                        format!("Not one of the known values: {}.", [$($text),+].join(", ")),
                    )),
                }
            }

            fn to_text(&self) -> String {
                self.as_str().to_owned()
            }
        }
        $crate::scalar!($name);
    };
    (@first $first:literal $(, $rest:literal)*) => { $first };
}
