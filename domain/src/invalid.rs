//! What is wrong with an input: one [`Refusal`] a value, all of them collected in [`InvalidFields`] with their places.
//! Never carries the refused value itself: it may be a person's.

use std::fmt;
use std::ops::ControlFlow;

use deserr::{DeserializeError, ErrorKind, IntoValue, MergeWithError, ValueKind, ValuePointerRef};

/// Cùng một câu bằng hai thứ tiếng. / The same sentence for people in both languages, Vietnamese first.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Message {
    #[schema(max_length = 1000)]
    pub vi: String,
    #[schema(max_length = 1000)]
    pub en: String,
}

impl Message {
    pub fn new(vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { vi: vi.into(), en: en.into() }
    }
}

/// Why one value was refused. `code` is stable and listed in `docs/errors.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    pub message: Message,
}

impl Refusal {
    pub fn new(code: &'static str, vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code, message: Message::new(vi, en) }
    }
}

/// One wrong field: where (JSON Pointer, RFC 6901), what kind of mistake, and a sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidField {
    pub pointer: String,
    pub code: &'static str,
    pub message: Message,
}

/// Every wrong field of one input, in reading order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InvalidFields {
    fields: Vec<InvalidField>,
    omitted: usize,
}

/// More than this many wrong fields are only counted: an answer must not grow with the attacker's patience.
pub const MOST_FIELDS_REPORTED: usize = 500;

impl InvalidFields {
    pub fn one(pointer: impl Into<String>, refusal: Refusal) -> Self {
        let mut all = Self::default();
        all.push(pointer, refusal);
        all
    }

    pub fn push(&mut self, pointer: impl Into<String>, refusal: Refusal) {
        if self.fields.len() < MOST_FIELDS_REPORTED {
            let Refusal { code, message } = refusal;
            self.fields.push(InvalidField { pointer: pointer.into(), code, message });
        } else {
            self.omitted += 1;
        }
    }

    pub fn append(&mut self, other: InvalidFields) {
        self.omitted += other.omitted;
        for field in other.fields {
            let InvalidField { pointer, code, message } = field;
            self.push(pointer, Refusal { code, message });
        }
    }

    pub fn fields(&self) -> &[InvalidField] {
        &self.fields
    }

    /// How many wrong fields there are beyond [`MOST_FIELDS_REPORTED`].
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// At most `most` of them; the others are only counted.
    pub fn shortened(mut self, most: usize) -> Self {
        self.omitted += self.fields.len().saturating_sub(most);
        self.fields.truncate(most);
        self
    }

    /// `Ok` if nothing was wrong.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for InvalidFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, field) in self.fields.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", field.pointer, field.message.en)?;
        }
        if self.omitted > 0 {
            write!(f, "; and {} more", self.omitted)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidFields {}

/// The JSON Pointer (RFC 6901) of a place, `""` for the whole document.
pub fn json_pointer(location: ValuePointerRef<'_>) -> String {
    match location {
        ValuePointerRef::Origin => String::new(),
        ValuePointerRef::Index { index, prev } => format!("{}/{index}", json_pointer(*prev)),
        ValuePointerRef::Key { key, prev } => {
            format!("{}/{}", json_pointer(*prev), key.replace('~', "~0").replace('/', "~1"))
        }
    }
}

impl DeserializeError for InvalidFields {
    fn error<V: IntoValue>(
        already: Option<Self>,
        error: ErrorKind<'_, V>,
        location: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let mut all = already.unwrap_or_default();
        let place = json_pointer(location);
        match error {
            ErrorKind::IncorrectValueKind { actual, accepted } => {
                let (found_vi, found_en) = kind_name(actual.kind());
                let wanted: Vec<_> = accepted.iter().map(|kind| kind_name(*kind)).collect();
                let vi = wanted.iter().map(|w| w.0).collect::<Vec<_>>().join(" hoặc ");
                let en = wanted.iter().map(|w| w.1).collect::<Vec<_>>().join(" or ");
                all.push(
                    place,
                    Refusal::new(
                        "type",
                        format!("Cần {vi}, nhưng nhận được {found_vi}."),
                        format!("Expected {en}, got {found_en}."),
                    ),
                );
            }
            ErrorKind::MissingField { field } => all.push(
                format!("{place}/{field}"),
                Refusal::new("required", "Thiếu trường bắt buộc này.", "This member is required."),
            ),
            // The unknown name is the sender's own text and could be a person's: it is given back only as the place,
            // shortened, so that the sender finds it; nothing else of it is repeated.
            ErrorKind::UnknownKey { key, accepted } => {
                let shown: String = key.chars().take(64).collect();
                let nearest = accepted.iter().find(|name| looks_like(&shown, name));
                let (vi, en) = nearest.map_or((String::new(), String::new()), |name| {
                    (format!(" Có phải là {name}?"), format!(" Did you mean {name}?"))
                });
                all.push(
                    format!("{place}/{}", shown.replace('~', "~0").replace('/', "~1")),
                    Refusal::new(
                        "unknown_member",
                        format!("Không có trường này.{vi}"),
                        format!("There is no such member.{en}"),
                    ),
                );
            }
            ErrorKind::UnknownValue { accepted, .. } => {
                let known = accepted.join(", ");
                all.push(
                    place,
                    Refusal::new(
                        "unknown_value",
                        format!("Giá trị không thuộc danh mục; dùng một trong: {known}."),
                        format!("Not one of the known values: {known}."),
                    ),
                );
            }
            ErrorKind::BadSequenceLen { expected, .. } => all.push(
                place,
                Refusal::new("length", format!("Cần đúng {expected} phần tử."), format!("Expected {expected} items.")),
            ),
            ErrorKind::Unexpected { .. } => all.push(
                place,
                Refusal::new("value", "Giá trị nằm ngoài phạm vi cho phép.", "The value is out of range."),
            ),
        }
        ControlFlow::Continue(all)
    }
}

/// Whether an unknown name is a slip of a known one: another case or separator, or one or two letters off at the end.
fn looks_like(unknown: &str, known: &str) -> bool {
    let bare = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let (unknown, known) = (bare(unknown), bare(known));
    let common = unknown.bytes().zip(known.bytes()).take_while(|(a, b)| a == b).count();
    common >= 3 && unknown.len().abs_diff(known.len()) <= 2 && common + 2 >= unknown.len().max(known.len())
}

fn kind_name(kind: ValueKind) -> (&'static str, &'static str) {
    match kind {
        ValueKind::Null => ("null", "null"),
        ValueKind::Boolean => ("true hoặc false", "true or false"),
        ValueKind::Integer => ("số nguyên không âm", "a non-negative integer"),
        ValueKind::NegativeInteger => ("số nguyên", "an integer"),
        ValueKind::Float => ("số", "a number"),
        ValueKind::String => ("chuỗi ký tự", "a string"),
        ValueKind::Sequence => ("danh sách", "an array"),
        ValueKind::Map => ("đối tượng", "an object"),
    }
}

impl MergeWithError<InvalidFields> for InvalidFields {
    fn merge(already: Option<Self>, other: InvalidFields, _: ValuePointerRef<'_>) -> ControlFlow<Self, Self> {
        let mut all = already.unwrap_or_default();
        all.append(other);
        ControlFlow::Continue(all)
    }
}

impl MergeWithError<Refusal> for InvalidFields {
    fn merge(already: Option<Self>, other: Refusal, location: ValuePointerRef<'_>) -> ControlFlow<Self, Self> {
        let mut all = already.unwrap_or_default();
        all.push(json_pointer(location), other);
        ControlFlow::Continue(all)
    }
}
