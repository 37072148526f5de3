//! Times as Vietnamese systems write them: a wall clock reading in Việt Nam (always +07:00, 24 hours, whole seconds).
//! Never guesses a format: which one a field has is said by the adapter's profile.

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use jiff::civil::DateTime;
use lienthong_domain::invalid::{InvalidFields, Refusal, json_pointer};
use lienthong_domain::time::Timestamp;

/// A written form, by the name that profiles use. Parts of a second are not part of any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireTime {
    /// `yyyyMMddHHmmss`, for example `20261121153000`.
    Compact,
    /// `dd/MM/yyyy HH:mm:ss`.
    DayFirst,
    /// `yyyy-MM-dd HH:mm:ss`.
    YearFirst,
}

/// A time that does not have its declared form, or does not exist. The text itself is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time of the form {0}")]
pub struct NotThisForm(pub &'static str);

impl WireTime {
    pub const ALL: &'static [WireTime] = &[Self::Compact, Self::DayFirst, Self::YearFirst];

    /// The form's name in a profile. `y`, `M`, `d`, `H`, `m`, `s` stand for one digit each.
    pub const fn pattern(self) -> &'static str {
        match self {
            Self::Compact => "yyyyMMddHHmmss",
            Self::DayFirst => "dd/MM/yyyy HH:mm:ss",
            Self::YearFirst => "yyyy-MM-dd HH:mm:ss",
        }
    }

    /// The wall clock in Việt Nam at this instant; parts of a second are left out.
    pub fn write(self, instant: Timestamp) -> String {
        let t = instant.in_vietnam();
        let (year, month, day) = (t.year(), t.month(), t.day());
        let (hour, minute, second) = (t.hour(), t.minute(), t.second());
        match self {
            Self::Compact => format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}"),
            Self::DayFirst => format!("{day:02}/{month:02}/{year:04} {hour:02}:{minute:02}:{second:02}"),
            Self::YearFirst => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"),
        }
    }

    /// Reads exactly this form: no spaces around it, no missing zero, no 24:00, no leap second.
    pub fn read(self, text: &str) -> Result<Timestamp, NotThisForm> {
        self.civil(text).and_then(|civil| Timestamp::from_vietnam(civil).ok()).ok_or(NotThisForm(self.pattern()))
    }

    fn civil(self, text: &str) -> Option<DateTime> {
        let pattern = self.pattern().as_bytes();
        if text.len() != pattern.len() {
            return None;
        }
        let [mut year, mut month, mut day, mut hour, mut minute, mut second] = [0_i16; 6];
        for (&sign, &found) in pattern.iter().zip(text.as_bytes()) {
            let part = match sign {
                b'y' => &mut year,
                b'M' => &mut month,
                b'd' => &mut day,
                b'H' => &mut hour,
                b'm' => &mut minute,
                b's' => &mut second,
                separator if separator == found => continue,
                _ => return None,
            };
            *part = *part * 10 + i16::from(found.is_ascii_digit().then(|| found - b'0')?);
        }
        let small = |part: i16| i8::try_from(part).ok();
        DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?, 0).ok()
    }
}

impl Deserr<InvalidFields> for WireTime {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        let name = String::deserialize_from_value(value, location)?;
        Self::ALL.iter().copied().find(|form| form.pattern() == name).ok_or_else(|| {
            let known = Self::ALL.iter().map(|form| form.pattern()).collect::<Vec<_>>().join(", ");
            InvalidFields::one(
                json_pointer(location),
                Refusal::new(
                    "unknown_value",
                    format!("Giá trị không thuộc danh mục; dùng một trong: {known}."),
                    format!("Not one of the known values: {known}."),
                ),
            )
        })
    }
}
