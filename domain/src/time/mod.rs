//! Time: one instant type (UTC microseconds), Vietnam civil time, and the clock that everything is given.

mod working_calendar;

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};

pub use working_calendar::{
    CalendarDay, CalendarMistake, DayKind, Duration, DurationUnit, Pause, Session, WorkingCalendar,
};

use crate::invalid::Refusal;
use crate::scalar::{Scalar, ScalarSchema};

/// Asia/Ho_Chi_Minh as the other sides use it: always +07:00, no daylight saving, 24-hour clock.
pub const VIETNAM: Offset = Offset::constant(7);

/// An instant, in whole microseconds since 1970-01-01T00:00:00Z, between the years 1900 and 2999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    const EARLIEST: i64 = -2_208_988_800_000_000; // 1900-01-01T00:00:00Z
    const LATEST: i64 = 32_503_679_999_999_999; // 2999-12-31T23:59:59.999999Z

    /// From microseconds since the epoch; out-of-range values are brought to the nearest bound.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(Self::EARLIEST, Self::LATEST))
    }

    pub fn micros(self) -> i64 {
        self.0
    }

    pub fn plus_millis(self, millis: i64) -> Self {
        Self::from_micros(self.0.saturating_add(millis.saturating_mul(1000)))
    }

    /// Whole milliseconds from `earlier` to `self`, negative if `self` is before it.
    pub fn millis_since(self, earlier: Timestamp) -> i64 {
        (self.0 - earlier.0) / 1000
    }

    /// The wall clock in Việt Nam at this instant.
    pub fn in_vietnam(self) -> DateTime {
        VIETNAM.to_datetime(self.to_jiff())
    }

    /// The instant of a wall clock reading in Việt Nam.
    pub fn from_vietnam(civil: DateTime) -> Result<Self, Refusal> {
        let zoned = TimeZone::fixed(VIETNAM).to_timestamp(civil).map_err(|_| out_of_range())?;
        Self::from_jiff(zoned)
    }

    /// The calendar date in Việt Nam.
    pub fn date_in_vietnam(self) -> Date {
        self.in_vietnam().date()
    }

    fn to_jiff(self) -> jiff::Timestamp {
        // The bounds of this type lie inside those of jiff: the fallback is never taken.
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    fn from_jiff(instant: jiff::Timestamp) -> Result<Self, Refusal> {
        let micros = instant.as_microsecond();
        if (Self::EARLIEST..=Self::LATEST).contains(&micros) { Ok(Self(micros)) } else { Err(out_of_range()) }
    }
}

fn out_of_range() -> Refusal {
    Refusal::new(
        "timestamp",
        "Thời điểm phải nằm trong khoảng năm 1900 đến 2999.",
        "The time must lie between the years 1900 and 2999.",
    )
}

impl Scalar for Timestamp {
    const SCHEMA: ScalarSchema = ScalarSchema::new(
        "Thời điểm theo RFC 3339, mọi múi giờ khi nhận, UTC khi trả. / RFC 3339 time: any offset in, UTC out.",
        40,
        "2026-11-21T08:30:00+07:00",
    )
    .format("date-time");

    fn parse(text: &str) -> Result<Self, Refusal> {
        let refusal = || {
            Refusal::new(
                "timestamp",
                "Cần thời điểm RFC 3339 có múi giờ, ví dụ 2026-11-21T08:30:00+07:00.",
                "An RFC 3339 time with its offset is needed, for example 2026-11-21T08:30:00+07:00.",
            )
        };
        // jiff also reads forms that RFC 3339 does not have (no colon in the offset, "[Asia/…]"): the shape is checked first.
        if !is_rfc3339(text.as_bytes()) {
            return Err(refusal());
        }
        let instant: jiff::Timestamp = text.parse().map_err(|_| refusal())?;
        // jiff reads second 60 as 59 in any minute; a leap second can only be the last one of a UTC day.
        if &text[17..19] == "60" && instant.as_second().rem_euclid(86_400) != 86_399 {
            return Err(refusal());
        }
        Self::from_jiff(instant)
    }

    fn to_text(&self) -> String {
        self.to_jiff().to_string()
    }
}

/// `yyyy-mm-ddThh:mm:ss[.f…](Z|±hh:mm)`; ranges are left to the parser.
fn is_rfc3339(text: &[u8]) -> bool {
    const SHAPE: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let fits = |text: &[u8], shape: &[u8]| {
        text.len() == shape.len()
            && text.iter().zip(shape).all(|(c, s)| match s {
                b'd' => c.is_ascii_digit(),
                b'T' => matches!(c, b'T' | b't'),
                b'+' => matches!(c, b'+' | b'-'),
                other => c == other,
            })
    };
    if text.len() <= SHAPE.len() || !fits(&text[..SHAPE.len()], SHAPE) {
        return false;
    }
    let mut rest = &text[SHAPE.len()..];
    if rest[0] == b'.' {
        let digits = rest[1..].iter().take_while(|c| c.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return false;
        }
        rest = &rest[1 + digits..];
    }
    // jiff knows offsets beyond a day; RFC 3339 does not.
    matches!(rest, b"Z" | b"z") || (fits(rest, b"+dd:dd") && &rest[1..3] < b"24".as_slice())
}

crate::scalar!(Timestamp);

/// The clock that everything is given, so that tests set the time.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
    }
}
