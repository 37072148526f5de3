//! The dossier's owner (chủ hồ sơ): whose request it is.

use deserr::Deserr;
use utoipa::ToSchema;

use crate::invalid::{InvalidFields, Refusal};
use crate::list::List;
use crate::personal::Personal;
use crate::scalar::{Scalar, ScalarSchema};
use crate::text::Text;

crate::code_enum! {
    /// What kind of owner it is.
    pub enum OwnerKind: "Loại đối tượng. / Kind of owner." {
        Citizen = "citizen" => "Công dân",
        Enterprise = "enterprise" => "Doanh nghiệp",
        StateAgency = "state_agency" => "Cơ quan nhà nước",
        Organisation = "organisation" => "Tổ chức khác",
    }
}

crate::code_enum! {
    /// Which of the two identity numbers it is.
    pub enum IdentityKind: "Loại định danh. / Kind of identity number." {
        PersonalNumber = "personal_number" => "Số định danh cá nhân (12 số)",
        OldNumber = "old_number" => "Số chứng minh nhân dân (9 số)",
    }
}

/// A personal number of 12 digits or an old number of 9. There is no check digit. Numbers that some systems invent to
/// get past a check are refused by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdentityNumber(String);

impl IdentityNumber {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for IdentityNumber {
    const SCHEMA: ScalarSchema =
        ScalarSchema::new("Số định danh cá nhân 12 số hoặc CMND 9 số. / Identity number.", 12, "001099012345")
            .pattern(r"^(\d{9}|\d{12})$");

    fn parse(text: &str) -> Result<Self, Refusal> {
        if !text.bytes().all(|c| c.is_ascii_digit()) || !matches!(text.len(), 9 | 12) {
            let (vi, en) = if matches!(text.len(), 8 | 11) && text.bytes().all(|c| c.is_ascii_digit()) {
                (" Có thể đã mất số 0 ở đầu.", " A leading zero may have been lost.")
            } else {
                ("", "")
            };
            return Err(Refusal::new(
                "identity_number",
                format!("Cần 12 chữ số (số định danh cá nhân) hoặc 9 chữ số (CMND).{vi}"),
                format!("12 digits (personal number) or 9 digits (old number) are needed.{en}"),
            ));
        }
        let significant = text.trim_start_matches('0');
        let one_digit_repeated = text.bytes().all(|c| c == text.as_bytes()[0]);
        if significant.len() <= 1 || one_digit_repeated || matches!(text, "123456789" | "012345678" | "123456789012") {
            return Err(Refusal::new(
                "placeholder",
                "Đây là số giả định, không phải số của một người; bỏ trống nếu không có.",
                "This is a placeholder, not a person's number; leave it out if there is none.",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}

crate::scalar!(IdentityNumber);

/// A tax code (mã số thuế): 10 digits, 13 with or without a hyphen, or a person's 12-digit number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TaxCode(String);

impl TaxCode {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for TaxCode {
    const SCHEMA: ScalarSchema =
        ScalarSchema::new("Mã số thuế. / Tax code.", 14, "0301234567").pattern(r"^(\d{10}(-?\d{3})?|\d{12})$");

    fn parse(text: &str) -> Result<Self, Refusal> {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let sound = match text.len() {
            10 | 12 | 13 => digits == text.len(),
            14 => digits == 13 && text.as_bytes()[10] == b'-',
            _ => false,
        };
        if sound {
            return Ok(Self(text.to_owned()));
        }
        Err(Refusal::new(
            "tax_code",
            "Mã số thuế gồm 10 hoặc 13 chữ số, hoặc 12 chữ số của cá nhân.",
            "A tax code has 10 or 13 digits, or a person's 12.",
        ))
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}

crate::scalar!(TaxCode);

/// One identity number with its kind. The kind must agree with the number's length.
#[derive(Debug, Clone, PartialEq, Eq, Deserr, serde::Serialize, ToSchema)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields, validate = identity_kind_agrees -> InvalidFields)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdentityDocument {
    pub kind: IdentityKind,
    pub number: Personal<IdentityNumber>,
}

fn identity_kind_agrees(
    document: IdentityDocument,
    location: deserr::ValuePointerRef<'_>,
) -> Result<IdentityDocument, InvalidFields> {
    let expected = match document.kind {
        IdentityKind::PersonalNumber => 12,
        IdentityKind::OldNumber => 9,
    };
    if document.number.expose().as_str().len() == expected {
        return Ok(document);
    }
    Err(InvalidFields::one(
        format!("{}/number", crate::invalid::json_pointer(location)),
        Refusal::new(
            "identity_number",
            format!("Loại {} cần {expected} chữ số.", document.kind.vietnamese()),
            format!("`{}` needs {expected} digits.", document.kind),
        ),
    ))
}

/// Whose dossier it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserr, serde::Serialize, ToSchema)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Owner {
    pub kind: OwnerKind,
    /// Tên chủ hồ sơ. / The owner's name.
    pub name: Personal<Text<1, 300>>,
    /// Giấy tờ định danh; bỏ trống nếu không có, không điền số giả. / Identity numbers; leave empty if there is none.
    #[deserr(default)]
    #[serde(skip_serializing_if = "List::is_empty")]
    pub identity_documents: List<IdentityDocument, 5>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_code: Option<Personal<TaxCode>>,
    /// Mã định danh kỹ thuật (TechID) của tài khoản trên Cổng; nếu không có và hồ sơ nộp trực tuyến thì được tra cứu.
    /// / The account's technical id on the portal; looked up for online dossiers if absent.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portal_account_id: Option<Personal<Text<1, 100>>>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<Personal<Text<1, 50>>>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Personal<Text<1, 255>>>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fax: Option<Personal<Text<1, 50>>>,
}

impl Owner {
    /// The number of the person whose dossier it is: the personal number if there is one, else an old one.
    pub fn person(&self) -> Option<&IdentityNumber> {
        let of = |kind| self.identity_documents.iter().find(move |document| document.kind == kind);
        let document = of(IdentityKind::PersonalNumber).or_else(|| of(IdentityKind::OldNumber));
        document.map(|document| document.number.expose())
    }

    /// The number by which the portal finds the owner's account: an enterprise's tax code, a person's number.
    pub fn account_search_number(&self) -> Option<Personal<String>> {
        let document = self.identity_documents.first().map(|document| document.number.expose().as_str());
        let tax_code = self.tax_code.as_ref().map(|code| code.expose().as_str());
        let number = if self.kind == OwnerKind::Citizen { document.or(tax_code) } else { tax_code.or(document) };
        number.map(|number| Personal::new(number.to_owned()))
    }
}
