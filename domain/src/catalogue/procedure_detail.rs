//! What the nation publishes of one procedure. Public, never personal. It says what the portal says and nothing else: no amount
//! and no time limit is worked out here.

use serde::Serialize;
use utoipa::ToSchema;

use crate::dossier::Channel;
use crate::text::Text;

/// A text of the portal.
pub type Published = Text<1, 100_000>;
/// The most items of any list.
pub const MOST_ITEMS: usize = 1_000;

crate::code_enum! {
    /// Who carries a procedure out (cấp thực hiện). Districts went in 2025; what was published before still names them.
    pub enum Level: "Cấp thực hiện. / Level." {
        Ministry = "ministry" => "Cấp bộ",
        Province = "province" => "Cấp tỉnh",
        District = "district" => "Cấp huyện",
        Commune = "commune" => "Cấp xã",
    }
}

crate::code_enum! {
    /// What a time limit is counted in (đơn vị tính).
    pub enum TimeUnit: "Đơn vị tính thời gian. / Unit of time." {
        Hour = "hour" => "Giờ",
        Day = "day" => "Ngày",
        WorkingDay = "working_day" => "Ngày làm việc",
        Month = "month" => "Tháng",
    }
}

/// Nội dung một thủ tục hành chính như Cổng quốc gia công bố. / What the portal publishes of a procedure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcedureDetail {
    /// Cổng có đang công khai thủ tục này. / Whether the portal shows it to everyone.
    pub is_public: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Published>,
    /// Số quyết định công bố. / The decision that published it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<Published>,
    /// Mã cơ quan công bố. / Code of the agency that published it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer_code: Option<Published>,
    /// Loại thủ tục. / Kind of procedure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Published>,
    /// Yêu cầu, điều kiện. / What must be given for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirements: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keywords: Option<Published>,
    /// Địa chỉ tiếp nhận. / Where it is received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reception_address: Option<Published>,
    /// Lĩnh vực. / Fields.
    #[schema(max_items = 1000)]
    pub fields: Vec<CodedName>,
    /// Cấp thực hiện. / Levels.
    #[schema(max_items = 1000)]
    pub levels: Vec<Level>,
    /// Đối tượng thực hiện. / Who may ask for it.
    #[schema(max_items = 1000)]
    pub subjects: Vec<CodedName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subjects_text: Option<Published>,
    /// Trình tự thực hiện. / What is done, one after the other.
    #[schema(max_items = 1000)]
    pub sequences: Vec<Sequence>,
    /// Cách thức thực hiện. / Ways to ask for it, with times and fees.
    #[schema(max_items = 1000)]
    pub methods: Vec<Method>,
    /// Thành phần hồ sơ, theo trường hợp. / Papers of a dossier, by case.
    #[schema(max_items = 1000)]
    pub components: Vec<ComponentGroup>,
    /// Kết quả thực hiện. / What comes of it.
    #[schema(max_items = 1000)]
    pub results: Vec<ResultPaper>,
    /// Căn cứ pháp lý. / Legal bases.
    #[schema(max_items = 1000)]
    pub legal_bases: Vec<LegalBasis>,
    /// Cơ quan. / Agencies.
    pub agencies: Agencies,
    /// Thủ tục liên quan. / Related procedures.
    #[schema(max_items = 1000)]
    pub related: Vec<CodedName>,
    /// Thủ tục liên thông. / Linked procedures.
    #[schema(max_items = 1000)]
    pub linked: Vec<CodedName>,
}

/// Mã và tên. / A code and its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CodedName {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Published>,
}

/// Trình tự của một trường hợp. / What is done in one case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sequence {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<Published>,
    #[schema(max_items = 1000)]
    pub steps: Vec<Published>,
}

/// Một cách nộp hồ sơ. / A way to hand a dossier in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Method {
    pub channel: Channel,
    /// Thời hạn giải quyết. / Time limits.
    #[schema(max_items = 1000)]
    pub times: Vec<ProcessingTime>,
}

/// Một thời hạn, với phí, lệ phí đi cùng. / A time limit, with the fees that go with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessingTime {
    /// Số, như Cổng ghi. / The number, as the portal writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<TimeUnit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Published>,
    #[schema(max_items = 1000)]
    pub fees: Vec<PublishedFee>,
}

/// Phí, lệ phí được công bố; để xem, không phải để thu. / A published fee: to be shown, not to be collected by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishedFee {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Published>,
    /// Số tiền, như Cổng ghi. / The amount, as the portal writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PublishedFile>,
}

/// Tệp được công bố. / A file that the portal publishes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishedFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Published>,
}

/// Giấy tờ của một trường hợp. / The papers of one case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentGroup {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<Published>,
    #[schema(max_items = 1000)]
    pub papers: Vec<Component>,
}

/// Một giấy tờ. / A paper.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Published>,
    /// Số bản chính, như Cổng ghi. / Originals, as the portal writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub originals: Option<Published>,
    /// Số bản sao, như Cổng ghi. / Copies, as the portal writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<Published>,
    /// Mẫu đơn. / Its form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<PublishedFile>,
    /// Mã kết quả dùng thay giấy tờ này. / Code of the result that may stand for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_by_result: Option<Published>,
}

/// Một kết quả. / A result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResultPaper {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PublishedFile>,
}

/// Một căn cứ pháp lý. / A legal basis.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegalBasis {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Published>,
    /// Ngày ban hành, như Cổng ghi. / Day of issue, as the portal writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued: Option<Published>,
    /// Ngày hiệu lực, như Cổng ghi. / Day from which it holds, as the portal writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Published>,
}

/// Các cơ quan của một thủ tục. / The agencies of a procedure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agencies {
    /// Cơ quan thực hiện. / They carry it out.
    #[schema(max_items = 1000)]
    pub implementing: Vec<CodedName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub implementing_text: Option<Published>,
    /// Cơ quan có thẩm quyền. / They decide.
    #[schema(max_items = 1000)]
    pub competent: Vec<CodedName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub competent_text: Option<Published>,
    /// Cơ quan được ủy quyền. / They decide for others.
    #[schema(max_items = 1000)]
    pub delegated: Vec<CodedName>,
    /// Cơ quan phối hợp. / They take part.
    #[schema(max_items = 1000)]
    pub coordinating: Vec<CodedName>,
}
