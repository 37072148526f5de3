//! Papers (giấy tờ): submitted with the dossier, listed beside it, or returned as its result. Files are never uploaded
//! to the portal: it is given a link and fetches the file.

use deserr::Deserr;
use utoipa::ToSchema;

use crate::invalid::InvalidFields;
use crate::link::FileLink;
use crate::text::Text;

/// A paper that was submitted (thành phần hồ sơ).
#[derive(Debug, Clone, PartialEq, Eq, Deserr, serde::Serialize, ToSchema)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmittedPaper {
    /// Mã tệp trong hệ thống địa phương. / The file's id in the local system.
    pub id: Text<1, 100>,
    /// Tên tệp. / The file's name.
    pub name: Text<1, 4000>,
    /// Mã thành phần hồ sơ. / Code of the dossier component it answers.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component_code: Option<Text<1, 100>>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<FileLink>,
    /// Đã xóa. / The paper was taken out of the dossier.
    #[deserr(default)]
    pub is_deleted: bool,
    /// Được số hóa. / Digitised.
    #[deserr(default)]
    pub is_digitised: bool,
    /// Được tái sử dụng. / Re-used from an earlier dossier.
    #[deserr(default)]
    pub is_reused: bool,
    /// Được lấy từ kho dữ liệu quốc gia. / Taken from the national repository.
    #[deserr(default)]
    pub is_from_national_repository: bool,
    /// Mã kết quả thay thế. / Code of the result that replaces this paper.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacing_result_code: Option<Text<1, 100>>,
}

crate::code_enum! {
    /// In which form a paper was handed in.
    pub enum PaperForm: "Loại bản. / Form of the paper." {
        Original = "original" => "Bản chính",
        Copy = "copy" => "Bản sao",
        Electronic = "electronic" => "Bản điện tử",
    }
}

/// Another paper that is only listed (giấy tờ khác).
#[derive(Debug, Clone, PartialEq, Eq, Deserr, serde::Serialize, ToSchema)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OtherPaper {
    pub name: Text<1, 2000>,
    /// Số lượng. / How many.
    #[schema(value_type = u16, minimum = 1, maximum = 65535)]
    pub count: std::num::NonZeroU16,
    pub form: PaperForm,
}

/// A paper that is the dossier's result (kết quả giải quyết).
#[derive(Debug, Clone, PartialEq, Eq, Deserr, serde::Serialize, ToSchema)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResultPaper {
    pub name: Text<1, 2000>,
    /// Mã giấy tờ trong hệ thống địa phương. / The paper's id in the local system.
    pub id: Text<1, 100>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component_code: Option<Text<1, 100>>,
    /// Mã kết quả, ví dụ KQ.G15.000031. / Result code.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_code: Option<Text<1, 100>>,
    /// Đường dẫn tệp kết quả điện tử. / Link to the electronic result.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<FileLink>,
}
