//! Fees and charges of a dossier. Phí pays for a service, lệ phí is a levy: two different things in law.

use deserr::Deserr;
use utoipa::ToSchema;

use crate::invalid::InvalidFields;
use crate::money::Dong;
use crate::text::Text;

crate::code_enum! {
    /// Fee or charge (Luật Phí và lệ phí 97/2015/QH13, Điều 3).
    pub enum FeeKind: "Loại phí, lệ phí. / Fee or charge." {
        Fee = "fee" => "Phí",
        Charge = "charge" => "Lệ phí",
    }
}

crate::code_enum! {
    /// When it is collected.
    pub enum FeeCollection: "Hình thức thu. / When it is collected." {
        AtReception = "at_reception" => "Thu khi tiếp nhận",
        OnSupplement = "on_supplement" => "Thu khi bổ sung",
        WithResult = "with_result" => "Thu khi trả kết quả",
    }
}

/// One fee line.
#[derive(Debug, Clone, PartialEq, Eq, Deserr, serde::Serialize, ToSchema)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fee {
    /// Tên phí, lệ phí. / Its legal name.
    pub name: Text<1, 500>,
    /// Mã phí, lệ phí. / Its code.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Text<1, 50>>,
    pub kind: FeeKind,
    pub collection: FeeCollection,
    pub amount: Dong,
}
