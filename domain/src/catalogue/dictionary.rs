//! The short lists of codes and names (danh mục dùng chung) that the portal publishes beside its procedures.

use serde::Serialize;

use super::{Level, Published};

crate::code_enum! {
    /// A list of codes and names.
    pub enum Dictionary: "Danh mục dùng chung. / Dictionary." {
        Fields = "fields" => "Lĩnh vực",
        Agencies = "agencies" => "Cơ quan",
        ProcedureGroups = "procedure_groups" => "Nhóm thủ tục",
        ProcedureKinds = "procedure_kinds" => "Loại thủ tục",
        Levels = "levels" => "Cấp thực hiện",
        Subjects = "subjects" => "Đối tượng thực hiện",
        Fees = "fees" => "Phí, lệ phí",
        LegalBases = "legal_bases" => "Căn cứ pháp lý",
        Genders = "genders" => "Giới tính",
        MaritalStatuses = "marital_statuses" => "Tình trạng hôn nhân",
        Ethnicities = "ethnicities" => "Dân tộc",
        Religions = "religions" => "Tôn giáo",
        Countries = "countries" => "Quốc gia",
        Provinces = "provinces" => "Tỉnh, thành phố",
        Districts = "districts" => "Quận, huyện",
        Communes = "communes" => "Phường, xã",
    }
}

/// One line of a dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DictionaryEntry {
    pub code: Published,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Published>,
    /// Of a field: the sector (ngành) that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector: Option<Published>,
    /// Of an agency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
}
