//! Agency identifiers (mã định danh điện tử của cơ quan, tổ chức) in both schemes that are in use side by side.

use crate::invalid::Refusal;
use crate::scalar::{Scalar, ScalarSchema};

/// An agency id: `H15.50.05` (Quyết định 20/2020/QĐ-TTg) or `000.05.50.H15` (QCVN 102:2016/BTTTT).
///
/// Two codes are equal if they name the same agency, whatever the scheme; the text as received is kept for the wire.
/// QCVN 102 is read right to left (level 1 last); groups of zeros mean "no such level". That order is widely seen but
/// was not read in the regulation.
#[derive(Debug, Clone)]
pub struct AgencyCode {
    original: String,
    level_one: String,
    path: Vec<String>,
}

impl AgencyCode {
    /// The text as received.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// Ministry or province: one letter and two digits.
    pub fn level_one(&self) -> &str {
        &self.level_one
    }

    /// The one form used in storage, in comparisons and in configuration: Quyết định 20/2020, level 1 first.
    pub fn normalised(&self) -> String {
        let mut text = self.level_one.clone();
        for part in &self.path {
            text.push('.');
            text.push_str(part);
        }
        text
    }

    fn from_decision_20(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let level_one = parts.next().filter(|first| is_level_one(first))?.to_owned();
        let path: Vec<String> = parts.map(str::to_owned).collect();
        let sound = |part: &String| {
            (2..=3).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
        };
        (text.len() <= 35 && path.iter().all(sound)).then(|| Self { original: text.to_owned(), level_one, path })
    }

    fn from_qcvn_102(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let [fourth, third, second, level_one] = parts.as_slice() else { return None };
        let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|c| c.is_ascii_digit());
        if !(digits(fourth, 3) && digits(third, 2) && digits(second, 2) && is_level_one(level_one)) {
            return None;
        }
        let mut path: Vec<String> = [second, third, fourth].iter().map(|part| (**part).to_owned()).collect();
        while path.last().is_some_and(|part| part.bytes().all(|c| c == b'0')) {
            path.pop();
        }
        Some(Self { original: text.to_owned(), level_one: (*level_one).to_owned(), path })
    }
}

fn is_level_one(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, tens, ones]
        if letter.is_ascii_uppercase() && tens.is_ascii_digit() && ones.is_ascii_digit())
}

impl PartialEq for AgencyCode {
    fn eq(&self, other: &Self) -> bool {
        self.level_one == other.level_one && self.path == other.path
    }
}

impl Eq for AgencyCode {}

impl std::hash::Hash for AgencyCode {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.level_one.hash(state);
        self.path.hash(state);
    }
}

impl Scalar for AgencyCode {
    const SCHEMA: ScalarSchema = ScalarSchema::new(
        "Mã định danh cơ quan, theo QĐ 20/2020/QĐ-TTg hoặc QCVN 102:2016. / Agency id in either scheme.",
        35,
        "H15.50.05",
    )
    .pattern(r"^([A-Z]\d{2}(\.[0-9A-Z]{2,3})*|\d{3}\.\d{2}\.\d{2}\.[A-Z]\d{2})$");

    fn parse(text: &str) -> Result<Self, Refusal> {
        Self::from_qcvn_102(text).or_else(|| Self::from_decision_20(text)).ok_or_else(|| {
            Refusal::new(
                "agency_code",
                "Mã cơ quan phải có dạng H15.50.05 (QĐ 20/2020) hoặc 000.05.50.H15 (QCVN 102:2016), tối đa 35 ký tự.",
                "An agency id looks like H15.50.05 (Decision 20/2020) or 000.05.50.H15 (QCVN 102:2016), 35 characters at most.",
            )
        })
    }

    fn to_text(&self) -> String {
        self.original.clone()
    }
}

crate::scalar!(AgencyCode);
