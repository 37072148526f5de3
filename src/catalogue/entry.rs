//! One entry of the copy of the national catalogue, and its versions. A version is never changed and never goes.

use lienthong_domain::catalogue::{Dictionary, DictionaryEntry, ProcedureDetail};
use lienthong_domain::invalid::Refusal;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Which list it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    Procedures,
    Dictionary(Dictionary),
}

impl List {
    const PROCEDURES: &'static str = "procedures";

    /// As in the API and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Procedures => Self::PROCEDURES,
            Self::Dictionary(dictionary) => dictionary.as_str(),
        }
    }

    pub fn parse(name: &str) -> Result<Self, Refusal> {
        if name == Self::PROCEDURES { Ok(Self::Procedures) } else { Dictionary::parse(name).map(Self::Dictionary) }
    }
}

lienthong_domain::code_enum! {
    /// How an entry stands on the portal.
    pub enum EntryStanding: "Tình trạng. / Standing." {
        InForce = "in_force" => "Đang công bố",
        NotPublic = "not_public" => "Không công khai",
        Withdrawn = "withdrawn" => "Không còn trong danh mục",
    }
}

lienthong_domain::code_enum! {
    /// What a version is beside the one before it.
    pub enum Change: "Thay đổi. / Change." {
        Added = "added" => "Mới",
        Changed = "changed" => "Đổi nội dung",
        Withdrawn = "withdrawn" => "Không còn trong danh mục",
        Restored = "restored" => "Có lại trong danh mục",
    }
}

/// A version without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Counts all versions of the catalogue, in the order in which they were found.
    pub number: i64,
    pub list: List,
    pub code: String,
    pub name: Option<String>,
    pub standing: EntryStanding,
    pub change: Change,
    /// When it was found; the portal does not say when it changed something.
    pub since: Timestamp,
    pub summary: Summary,
    /// SHA-256 of the content.
    pub digest: [u8; 32],
}

/// What lists show of an entry and searches look at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<NamedCode>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keywords: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector: Option<String>,
}

/// A code and its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedCode {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Keywords that searches look at, in characters.
const MOST_KEYWORDS: usize = 1_000;

impl Summary {
    pub fn of_procedure(detail: &ProcedureDetail) -> Self {
        let text =
            |text: &Option<lienthong_domain::catalogue::Published>| text.as_ref().map(|text| text.as_str().to_owned());
        let mut levels: Vec<_> = detail.levels.iter().map(|level| level.as_str().to_owned()).collect();
        levels.dedup();
        let mut fields = Vec::new();
        for field in &detail.fields {
            let field = NamedCode { code: text(&field.code), name: text(&field.name) };
            // The catalogue repeats a field once per level.
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        let keywords = text(&detail.keywords).map(|words| words.chars().take(MOST_KEYWORDS).collect());
        Self { fields, levels, issuer_code: text(&detail.issuer_code), keywords, sector: None }
    }

    pub fn of_line(entry: &DictionaryEntry) -> Self {
        let levels = entry.level.iter().map(|level| level.as_str().to_owned()).collect();
        Self { levels, sector: entry.sector.as_ref().map(|sector| sector.as_str().to_owned()), ..Self::default() }
    }
}
