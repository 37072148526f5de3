//! What the portal holds, in plain words: each held field under the name that the gateway's public API gives it, so that
//! what was accepted and what is held can be laid side by side. Written from the reference alone, like the rest here:
//! a mistake in the gateway's own translation shows as a difference.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Map, Value, json};

use crate::dossiers::HeldDossier;

/// How a held text becomes a plain value.
#[derive(Clone, Copy)]
enum As {
    Text,
    Time,
    Amount,
    Flag,
    /// `(held, plain)` pairs.
    Code(&'static [(&'static str, &'static str)]),
    List(&'static [Row]),
}

/// Held name, plain name, form.
type Row = (&'static str, &'static str, As);

const STATES: As = As::Code(&[
    ("1", "registered"),
    ("2", "received"),
    ("3", "not_accepted"),
    ("4", "processing"),
    ("5", "supplement_requested"),
    ("6", "financial_duty_requested"),
    ("7", "withdrawn_by_citizen"),
    ("8", "stopped"),
    ("9", "finished"),
    ("10", "result_returned"),
]);

const DOSSIER: &[Row] = &[
    ("MaHoSo", "code", As::Text),
    ("MaTTHC", "procedureCode", As::Text),
    ("TenTTHC", "procedureName", As::Text),
    ("MaLinhVuc", "fieldCode", As::Text),
    ("TenLinhVuc", "fieldName", As::Text),
    ("KenhThucHien", "channel", As::Code(&[("1", "direct"), ("2", "online"), ("3", "postal")])),
    ("SoBienNhan", "receiptNumber", As::Text),
    ("ChuHoSo", "owner.name", As::Text),
    (
        "LoaiDoiTuong",
        "owner.kind",
        As::Code(&[("1", "citizen"), ("2", "enterprise"), ("3", "state_agency"), ("4", "organisation")]),
    ),
    ("MaDoiTuong", "owner.portalAccountId", As::Text),
    ("DinhDanhCHS", "owner.identityDocuments", As::List(IDENTITY)),
    ("ThongTinKhac", "otherInformation", As::Text),
    ("Email", "owner.email", As::Text),
    ("Fax", "owner.fax", As::Text),
    ("SoDienThoai", "owner.phone", As::Text),
    ("TrichYeuHoSo", "summary", As::Text),
    ("NgayNopHoSo", "submittedAt", As::Time),
    ("NgayTiepNhan", "receivedAt", As::Time),
    ("NgayHenTra", "dueAt", As::Time),
    ("NgayTuChoi", "refusedAt", As::Time),
    ("TrangThaiHoSo", "state", STATES),
    ("NgayTra", "returnedAt", As::Time),
    ("ThongTinTra", "returnNote", As::Text),
    ("HinhThuc", "returnMethod", As::Code(&[("0", "counter"), ("1", "postal")])),
    ("NgayKetThucXuLy", "finishedAt", As::Time),
    ("DonViXuLy", "handlingUnit", As::Text),
    ("GhiChu", "note", As::Text),
    ("NoiNopHoSo", "submittedThrough", As::Code(&[("1", "national_portal"), ("2", "local_system")])),
    ("HoSoCoThanhPhanSoHoa", "hasDigitisedComponents", As::Flag),
    ("TaiKhoanDuocXacThucVoiVNeID", "isVerifiedByVneid", As::Flag),
    (
        "DuocThanhToanTrucTuyen",
        "onlinePayment",
        As::Code(&[("0", "none"), ("1", "national_portal"), ("2", "local_gateway")]),
    ),
    ("DSKetNoiCSDL", "connectedDatabases", As::List(&[("MaCSDL", "", As::Text)])),
    ("TaiLieuNop", "papers", As::List(PAPER)),
    ("DanhSachLePhi", "fees", As::List(FEE)),
    ("DanhSachTepDinhKemKhac", "otherPapers", As::List(OTHER_PAPER)),
    ("DanhSachHoSoBoSung", "supplements", As::List(SUPPLEMENT)),
    ("DanhSachGiayToKetQua", "results", As::List(RESULT)),
];

const IDENTITY: &[Row] = &[
    ("LoaiDinhDanh", "kind", As::Code(&[("1", "personal_number"), ("2", "old_number")])),
    ("SoDinhDanh", "number", As::Text),
];

const PAPER: &[Row] = &[
    ("TepDinhKemId", "id", As::Text),
    ("TenTepDinhKem", "name", As::Text),
    ("IsDeleted", "isDeleted", As::Flag),
    ("MaThanhPhanHoSo", "componentCode", As::Text),
    ("DuongDanTaiTepTin", "link", As::Text),
    ("DuocSoHoa", "isDigitised", As::Flag),
    ("DuocTaiSuDung", "isReused", As::Flag),
    ("DuocLayTuKhoDMQG", "isFromNationalRepository", As::Flag),
    ("MaKetQuaThayThe", "replacingResultCode", As::Text),
];

// The codes of these three are not public; the gateway's profile has the same guesses.
const FEE: &[Row] = &[
    ("TenPhiLePhi", "name", As::Text),
    ("MaPhiLePhi", "code", As::Text),
    ("HinhThucThu", "collection", As::Code(&[("1", "at_reception"), ("2", "on_supplement"), ("4", "with_result")])),
    ("Gia", "amount", As::Amount),
    ("LoaiPhiLePhi", "kind", As::Code(&[("1", "fee"), ("2", "charge")])),
];

const PAPER_FORMS: As = As::Code(&[("0", "original"), ("1", "copy"), ("2", "electronic")]);
const OTHER_PAPER: &[Row] =
    &[("TenGiayTo", "name", As::Text), ("SoLuong", "count", As::Amount), ("LoaiGiayTo", "form", PAPER_FORMS)];

const SUPPLEMENT: &[Row] = &[
    ("HoSoBoSungId", "id", As::Text),
    ("NguoiYeuCauBoSung", "requestedBy", As::Text),
    ("NoiDungBoSung", "content", As::Text),
    ("NgayBoSung", "requestedAt", As::Time),
    ("NguoiTiepNhanBoSung", "receivedBy", As::Text),
    ("ThongTinTiepNhan", "receiptNote", As::Text),
    ("NgayTiepNhanBoSung", "receivedAt", As::Time),
    ("DanhSachGiayToBoSung", "papers", As::List(OTHER_PAPER)),
    ("DanhSachLePhiBoSung", "fees", As::List(FEE)),
    ("NgayHenTraTruoc", "previousDueAt", As::Time),
    ("NgayHenTraMoi", "newDueAt", As::Time),
];

const RESULT: &[Row] = &[
    ("TenGiayTo", "name", As::Text),
    ("MaThanhPhanHoSo", "componentCode", As::Text),
    ("GiayToId", "id", As::Text),
    ("DuongDanTepTinKetQua", "link", As::Text),
    ("MaGiayToKetQua", "resultCode", As::Text),
];

const STEP: &[Row] = &[
    ("NguoiXuLy", "handledBy", As::Text),
    ("ChucDanh", "title", As::Text),
    ("ThoiDiemXuLy", "handledAt", As::Time),
    ("PhongBanXuLy", "department", As::Text),
    ("NoiDungXuLy", "content", As::Text),
    ("TrangThai", "state", STATES),
    ("NgayBatDau", "startedAt", As::Time),
    ("NgayKetThucTheoQuyDinh", "dueAt", As::Time),
];

/// `{"dossier": {…}, "steps": […]}`: what is held, under plain names. An empty text is absent; a value that no table
/// knows is shown as it is held, marked.
pub fn plain(held: &HeldDossier) -> Value {
    let steps: Vec<Value> = held.steps.iter().map(|step| object(step, STEP)).collect();
    json!({ "dossier": object(&held.fields, DOSSIER), "steps": steps })
}

fn object(held: &Map<String, Value>, rows: &[Row]) -> Value {
    let mut told = Value::Object(Map::new());
    for (held_name, name, form) in rows {
        let Some(value) = held.get(*held_name).and_then(|value| plain_value(value, *form)) else { continue };
        match name.split_once('.') {
            Some((outer, inner)) => told[outer][inner] = value,
            None => told[*name] = value,
        }
    }
    told
}

fn plain_value(held: &Value, form: As) -> Option<Value> {
    if let As::List(rows) = form {
        let items = held.as_array()?.iter().filter_map(Value::as_object);
        let told: Vec<Value> = items
            .map(|item| match rows {
                [(held_name, "", _)] => item.get(*held_name).cloned().unwrap_or_default(),
                rows => object(item, rows),
            })
            .collect();
        return (!told.is_empty()).then_some(Value::Array(told));
    }
    let text = held.as_str().filter(|text| !text.is_empty())?;
    let unknown = || json!({ "held": text });
    Some(match form {
        As::Time => time(text).unwrap_or_else(unknown),
        As::Amount => text.parse::<i64>().map_or_else(|_| unknown(), Value::from),
        As::Flag => match text {
            "1" | "True" => Value::Bool(true),
            "0" | "False" => Value::Bool(false),
            _ => unknown(),
        },
        As::Code(pairs) => pairs.iter().find(|(code, _)| *code == text).map_or_else(unknown, |(_, name)| json!(name)),
        As::Text | As::List(_) => Value::from(text),
    })
}

/// The wire's wall clock in Việt Nam as RFC 3339 in UTC, whole seconds.
fn time(text: &str) -> Option<Value> {
    let civil = DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
    let instant = TimeZone::fixed(Offset::constant(7)).to_timestamp(civil).ok()?;
    Some(Value::from(instant.to_string()))
}
