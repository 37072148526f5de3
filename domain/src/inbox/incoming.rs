//! One message of the portal in the gateway's words. What has no name here is passed on as the portal wrote it: nothing is
//! dropped, and nothing is invented.

use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::catalogue::ProcedureCode;
use crate::dossier::IdentityNumber;
use crate::link::FileLink;
use crate::money::Dong;
use crate::personal::Personal;
use crate::text::Text;
use crate::time::Timestamp;

crate::code_enum! {
    /// What a message is.
    pub enum IncomingKind: "Loại thông điệp từ Cổng. / What a message of the portal is." {
        DossierSubmitted = "dossier.submitted" => "Hồ sơ nộp trên Cổng",
        DossierSupplemented = "dossier.supplemented" => "Bổ sung hồ sơ",
        TaxPaid = "tax.paid" => "Chứng từ nộp thuế đất",
        TaxNotice = "tax.notice" => "Thông báo thuế đất",
        PromotionNotified = "promotion.notified" => "Thông báo khuyến mại",
    }
}

impl IncomingKind {
    /// Whether a dossier begins with it: whatever else is about that dossier comes after.
    pub const fn begins_a_dossier(self) -> bool {
        matches!(self, Self::DossierSubmitted | Self::PromotionNotified)
    }
}

/// A dossier's code on the portal. Its form is the portal's affair.
pub type NationalCode = Text<1, 100>;

/// Decisions of one tax notice.
pub const MOST_TAX_DECISIONS: usize = 1000;

/// One message.
#[derive(Debug, Clone, PartialEq, serde::Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Incoming {
    pub kind: IncomingKind,
    /// Mã hồ sơ trên Cổng. / The dossier's code on the portal.
    pub national_code: NationalCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub procedure_code: Option<ProcedureCode>,
    /// Số văn bản. / Number of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_number: Option<Text<1, 200>>,
    /// Ngày nộp. / When it was submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submitted_at: Option<Timestamp>,
    /// Lý do điều chỉnh, của bổ sung. / Why it was changed, of a supplement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_reason: Option<Text<1, 2000>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_payment: Option<TaxPayment>,
    /// Các quyết định của thông báo thuế. / The decisions of a tax notice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)] // MOST_TAX_DECISIONS
    pub tax_decisions: Vec<TaxDecision>,
    /// Các trường khác, đúng như Cổng gửi. / Whatever else there is, as the portal wrote it.
    #[schema(value_type = Object)]
    pub details: Personal<Map<String, Value>>,
    /// Cổng báo đây là bản sửa của thông điệp trước. / The portal says that it takes the place of an earlier one.
    pub is_update: bool,
    /// What stands around the content, as the portal wrote it. It may differ each time that the same message is sent.
    #[serde(skip)]
    pub envelope: Personal<Map<String, Value>>,
    /// What the message is recognised by, beside its kind and its dossier.
    #[serde(skip)]
    pub reference: Vec<String>,
    /// Whom it is about, where the message says so.
    #[serde(skip)]
    pub person: Option<Personal<IdentityNumber>>,
    #[serde(skip)]
    pub files: Vec<IncomingFile>,
}

impl Incoming {
    /// A message that says nothing but this.
    pub fn new(kind: IncomingKind, national_code: NationalCode, details: Map<String, Value>) -> Self {
        Self {
            kind,
            national_code,
            procedure_code: None,
            document_number: None,
            submitted_at: None,
            change_reason: None,
            tax_payment: None,
            tax_decisions: Vec::new(),
            details: Personal::new(details),
            is_update: false,
            envelope: Personal::new(Map::new()),
            reference: Vec::new(),
            person: None,
            files: Vec::new(),
        }
    }
}

/// Chứng từ nộp thuế. / A payment of tax, as the portal tells it. It proves nothing to the payments of this gateway.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaxPayment {
    /// Mã thông báo thuế. / Code of the tax notice.
    pub notice_code: Text<1, 200>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
    /// Số tiền, đồng. / In đồng.
    pub amount: Dong,
    /// Cổng cho biết đã thanh toán. / Whether the portal says that it was paid.
    pub is_paid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Text<1, 2000>>,
}

/// Một quyết định của thông báo thuế. / One decision of a tax notice.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaxDecision {
    /// Mã số thuế. / Tax code of whoever owes it.
    #[schema(value_type = String, max_length = 20)]
    pub tax_code: Personal<Text<1, 20>>,
    pub decision_number: Text<1, 200>,
    /// Ngày quyết định. / Date of the decision.
    #[schema(value_type = String, format = Date, max_length = 10)]
    pub decided_on: jiff::civil::Date,
    /// Tên tiểu mục. / What the tax is.
    pub item: Text<1, 500>,
    /// Số tiền, đồng. / In đồng.
    pub amount: Dong,
}

/// A file of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingFile {
    pub name: Option<Personal<Text<1, 500>>>,
    pub source: Source,
    /// Its media type, where whoever read the message has read the file, too; else it is found by its first bytes.
    pub known_type: Option<&'static str>,
}

/// Where a file of a message is.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// In the message, as base64.
    Written(String),
    /// In the message, and so long that it was set aside while that was read: which one.
    SetAside(usize),
    /// At an address of the portal.
    Link(FileLink),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Written(_) => "Written",
            Self::SetAside(_) => "SetAside",
            Self::Link(_) => "Link",
        })
    }
}

/// How texts that were set aside are found in a message: each has this mark in its place, and its number. Nobody outside can
/// know the mark.
#[derive(Debug, Clone)]
pub struct SetAside {
    mark: String,
}

impl SetAside {
    /// `mark` must not be known outside before the message is read.
    pub fn new(mark: impl Into<String>) -> Self {
        Self { mark: mark.into() }
    }

    /// What stands in the place of a text.
    pub fn placeholder(&self, number: usize) -> String {
        format!("{}/{number}", self.mark)
    }

    /// Where the file of this text is.
    pub fn source(&self, text: &str) -> Source {
        let number = text.strip_prefix(&self.mark).and_then(|rest| rest.strip_prefix('/'));
        match number.and_then(|number| number.parse().ok()) {
            Some(number) => Source::SetAside(number),
            None => Source::Written(text.to_owned()),
        }
    }
}
