//! The dossier itself, as a full state: what the local system sends replaces what it sent before.

use deserr::Deserr;
use utoipa::ToSchema;

use super::{
    DossierCode, DossierState, Fee, LocalStatus, OtherPaper, Owner, ResultPaper, SubmittedPaper, Summary, Supplement,
};
use crate::catalogue::ProcedureCode;
use crate::invalid::{InvalidFields, Refusal};
use crate::list::List;
use crate::text::Text;
use crate::time::Timestamp;

crate::code_enum! {
    /// How the dossier came in. A missing channel would be counted as direct, so it is mandatory.
    pub enum Channel: "Kênh thực hiện. / How the dossier came in." {
        Direct = "direct" => "Trực tiếp",
        Online = "online" => "Trực tuyến",
        Postal = "postal" => "Bưu chính công ích",
    }
}

crate::code_enum! {
    /// How the result goes back.
    pub enum ReturnMethod: "Hình thức trả kết quả. / How the result is returned." {
        Counter = "counter" => "Tại bộ phận một cửa",
        Postal = "postal" => "Qua bưu chính công ích",
    }
}

crate::code_enum! {
    /// Where it was submitted.
    pub enum SubmissionPlace: "Nơi nộp hồ sơ. / Where the dossier was submitted." {
        NationalPortal = "national_portal" => "Cổng Dịch vụ công quốc gia",
        LocalSystem = "local_system" => "Hệ thống của địa phương",
    }
}

crate::code_enum! {
    /// Whether and where the fees were paid online (chỉ số 3.6, Quyết định 766/QĐ-TTg).
    pub enum OnlinePayment: "Thanh toán trực tuyến. / Online payment." {
        None = "none" => "Không thanh toán trực tuyến",
        NationalPortal = "national_portal" => "Qua Cổng Dịch vụ công quốc gia",
        LocalGateway = "local_gateway" => "Qua cổng của bộ, tỉnh",
    }
}

/// Code of a national database that was consulted for the dossier. The portal's dictionary is not public.
pub type Database = Text<1, 20>;

/// The full state of one dossier. Its code is in the request path.
#[derive(Debug, Clone, PartialEq, Eq, Deserr, serde::Serialize, ToSchema)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields, validate = rules_hold -> InvalidFields)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dossier {
    /// Mã hồ sơ; trong thân yêu cầu phải trùng với đường dẫn nếu có. / Must equal the path if present in the body.
    pub code: DossierCode,
    pub procedure_code: ProcedureCode,
    /// Tên thủ tục, chỉ khi danh mục quốc gia không có. / Only where the national catalogue has none.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub procedure_name: Option<Text<1, 1000>>,
    /// Mã lĩnh vực, chỉ khi thủ tục có nhiều lĩnh vực. / Only where a procedure belongs to several fields.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_code: Option<Text<1, 50>>,
    /// Tên lĩnh vực, chỉ khi danh mục quốc gia không có. / Only where the national catalogue has none.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_name: Option<Text<1, 500>>,
    pub channel: Channel,
    /// Số biên nhận. / Receipt slip number.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt_number: Option<Text<1, 100>>,
    pub owner: Owner,
    /// Thông tin khác. / Other information.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_information: Option<Text<1, 2000>>,
    /// Trích yếu hồ sơ, tối đa 1000 ký tự. / Summary, at most 1,000 characters.
    pub summary: Summary,
    /// Ngày nộp hồ sơ. / When it was submitted.
    pub submitted_at: Timestamp,
    /// Ngày tiếp nhận; bắt buộc khi trạng thái cho thấy đã tiếp nhận. / Required once the state implies receipt.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
    /// Ngày hẹn trả. / When it is due.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// Ngày từ chối. / When it was refused.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_at: Option<Timestamp>,
    /// Ngày kết thúc xử lý; quyết định đúng hạn hay trễ hạn. / Decides whether it was on time.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Ngày trả kết quả. / When the result was handed over.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returned_at: Option<Timestamp>,
    /// Thông tin trả kết quả. / How it was handed over.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_note: Option<Text<1, 2000>>,
    /// Trạng thái; gửi trường này hoặc localStatus. / Send this or localStatus.
    pub state: DossierState,
    /// Trạng thái theo cách gọi của hệ thống địa phương, đổi qua bảng của cơ quan. / Mapped by the agency's table.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_status: Option<LocalStatus>,
    /// Lý do, khi chuyển trạng thái khác thường; không gửi lên Cổng. / Reason for an unusual transition; not sent on.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transition_reason: Option<Text<1, 500>>,
    pub return_method: ReturnMethod,
    /// Tên đơn vị xử lý. / Name of the unit that handles it.
    pub handling_unit: Text<1, 500>,
    /// Ghi chú, tối đa 2000 ký tự. / Note, at most 2,000 characters.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Text<1, 2000>>,
    pub submitted_through: SubmissionPlace,
    /// Có thành phần số hóa. / Has digitised components.
    pub has_digitised_components: bool,
    /// Tài khoản được xác thực với VNeID. / The account was verified with VNeID.
    pub is_verified_by_vneid: bool,
    pub online_payment: OnlinePayment,
    /// Các cơ sở dữ liệu đã kết nối. / National databases that were consulted.
    #[deserr(default)]
    #[serde(skip_serializing_if = "List::is_empty")]
    pub connected_databases: List<Database, 20>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "List::is_empty")]
    pub papers: List<SubmittedPaper, 200>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "List::is_empty")]
    pub fees: List<Fee, 50>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "List::is_empty")]
    pub other_papers: List<OtherPaper, 100>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "List::is_empty")]
    pub supplements: List<Supplement, 50>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "List::is_empty")]
    pub results: List<ResultPaper, 100>,
}

/// The rules that need several fields.
fn rules_hold(dossier: Dossier, location: deserr::ValuePointerRef<'_>) -> Result<Dossier, InvalidFields> {
    let place = crate::invalid::json_pointer(location);
    let mut wrong = InvalidFields::default();
    if dossier.state.implies_receipt() && dossier.received_at.is_none() {
        wrong.push(
            format!("{place}/receivedAt"),
            Refusal::new(
                "required",
                format!(
                    "Trạng thái “{}” cần ngày tiếp nhận; thiếu nó hồ sơ không được tính.",
                    dossier.state.vietnamese()
                ),
                format!("State `{}` needs the time of receipt; without it the dossier is not counted.", dossier.state),
            ),
        );
    }
    let owner = &dossier.owner;
    if dossier.channel == Channel::Online
        && owner.portal_account_id.is_none()
        && owner.account_search_number().is_none()
    {
        wrong.push(
            format!("{place}/owner/portalAccountId"),
            Refusal::new(
                "required",
                "Hồ sơ trực tuyến cần TechID của chủ hồ sơ, hoặc số định danh hay mã số thuế để tra cứu.",
                "An online dossier needs the owner's portal account id, or a number by which it can be looked up.",
            ),
        );
    }
    wrong.into_result(dossier)
}
