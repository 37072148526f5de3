//! The dossier code (mã hồ sơ), given by the local system that received the dossier.

use crate::catalogue::AgencyCode;
use crate::invalid::Refusal;
use crate::scalar::{Scalar, ScalarSchema};

/// `<agency>-<date>-<sequence>`: the receiving agency in either id scheme, the date as `yyMMdd` or `yyyyMMdd`, and 4 to 7
/// digits. Examples: `H15.50.05.13-261008-0975`, `000.00.00.H26-231014-0001`, `G09.20-20260609-0092637`.
/// (Thông tư 01/2018/TT-VPCP is named as its basis; the form is as seen on the wire.)
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DossierCode {
    text: String,
    agency_length: usize,
}

impl DossierCode {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The agency that received the dossier, read from the code.
    pub fn agency(&self) -> AgencyCode {
        // `parse` has read this very text as an agency code.
        AgencyCode::parse(&self.text[..self.agency_length]).unwrap_or_else(|_| unreachable!("checked by parse"))
    }
}

impl Scalar for DossierCode {
    const SCHEMA: ScalarSchema = ScalarSchema::new(
        "Mã hồ sơ: mã cơ quan tiếp nhận, ngày yyMMdd hoặc yyyyMMdd, số thứ tự 4 đến 7 chữ số. / Dossier code.",
        52,
        "H15.50.05.13-261008-0975",
    )
    .pattern(
        r"^([A-Z]\d{2}(\.[0-9A-Z]{2,3})*|\d{3}\.\d{2}\.\d{2}\.[A-Z]\d{2})-(\d{2}|19\d{2}|2\d{3})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])-\d{4,7}$",
    );

    fn parse(text: &str) -> Result<Self, Refusal> {
        let refusal = || {
            Refusal::new(
                "dossier_code",
                "Mã hồ sơ có dạng <mã cơ quan>-<yyMMdd>-<4 đến 7 chữ số>, ví dụ H15.50.05.13-261008-0975.",
                "A dossier code is <agency>-<yyMMdd>-<4 to 7 digits>, for example H15.50.05.13-261008-0975.",
            )
        };
        let mut parts = text.splitn(3, '-');
        let (Some(agency), Some(date), Some(sequence)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refusal());
        };
        let digits = |part: &str| part.bytes().all(|c| c.is_ascii_digit());
        let sequence_is_sound = (4..=7).contains(&sequence.len()) && digits(sequence);
        if !sequence_is_sound || !is_date(date) || AgencyCode::parse(agency).is_err() {
            return Err(refusal());
        }
        Ok(Self { text: text.to_owned(), agency_length: agency.len() })
    }

    fn to_text(&self) -> String {
        self.text.clone()
    }
}

/// `yyMMdd` or `yyyyMMdd` with a month and a day that can exist.
fn is_date(text: &str) -> bool {
    if !matches!(text.len(), 6 | 8) || !text.bytes().all(|c| c.is_ascii_digit()) {
        return false;
    }
    let (year, month_day) = text.split_at(text.len() - 4);
    let number = |part: &str| part.parse::<i16>().unwrap_or(0);
    let year = if year.len() == 2 { 2000 + number(year) } else { number(year) };
    let month = i8::try_from(number(&month_day[..2])).unwrap_or(0);
    let day = i8::try_from(number(&month_day[2..])).unwrap_or(0);
    (1900..=2999).contains(&year) && jiff::civil::Date::new(year, month, day).is_ok()
}

crate::scalar!(DossierCode);
