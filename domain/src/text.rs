//! Bounded texts. A text is kept in Unicode NFC, so that a limit means the same for every keyboard; nothing is cut.

use unicode_normalization::UnicodeNormalization;

use crate::invalid::Refusal;
use crate::scalar::{Scalar, ScalarSchema};

/// A text of `MIN` to `MAX` characters (Unicode scalar values after NFC), without control characters other than
/// tab and line breaks, and not blank when `MIN` > 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Text<const MIN: usize, const MAX: usize>(String);

impl<const MIN: usize, const MAX: usize> Text<MIN, MAX> {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> Scalar for Text<MIN, MAX> {
    const SCHEMA: ScalarSchema = {
        let mut schema = ScalarSchema::new("Văn bản (Unicode NFC). / Text (Unicode NFC).", MAX, "Văn bản")
            .pattern(r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F\uFFFE\uFFFF]*$");
        schema.min_length = MIN;
        schema
    };

    fn parse(text: &str) -> Result<Self, Refusal> {
        let text: String = text.nfc().collect();
        let length = text.chars().count();
        if length > MAX {
            return Err(Refusal::new(
                "too_long",
                format!("Dài {length} ký tự, tối đa {MAX}."),
                format!("{length} characters long, at most {MAX} are allowed."),
            ));
        }
        if length < MIN || (MIN > 0 && text.trim().is_empty()) {
            return Err(Refusal::new(
                "too_short",
                format!("Cần ít nhất {MIN} ký tự không phải khoảng trắng."),
                format!("At least {MIN} characters that are not blank are needed."),
            ));
        }
        if text
            .chars()
            .any(|c| (c.is_control() && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{FFFE}' | '\u{FFFF}'))
        {
            return Err(Refusal::new(
                "control_character",
                "Có ký tự điều khiển không được phép.",
                "Contains a control character that is not allowed.",
            ));
        }
        Ok(Self(text))
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}

impl<const MIN: usize, const MAX: usize> serde::Serialize for Text<MIN, MAX> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<const MIN: usize, const MAX: usize> deserr::Deserr<crate::invalid::InvalidFields> for Text<MIN, MAX> {
    fn deserialize_from_value<V: deserr::IntoValue>(
        value: deserr::Value<V>,
        location: deserr::ValuePointerRef<'_>,
    ) -> Result<Self, crate::invalid::InvalidFields> {
        let text = <String as deserr::Deserr<crate::invalid::InvalidFields>>::deserialize_from_value(value, location)?;
        Self::parse(&text)
            .map_err(|refusal| crate::invalid::InvalidFields::one(crate::invalid::json_pointer(location), refusal))
    }
}

crate::schema_of!([const MIN: usize, const MAX: usize] Text<MIN, MAX> => <Self as Scalar>::SCHEMA.to_openapi());

impl<const MIN: usize, const MAX: usize> utoipa::ToSchema for Text<MIN, MAX> {
    fn name() -> std::borrow::Cow<'static, str> {
        format!("Text{MIN}To{MAX}").into()
    }
}
