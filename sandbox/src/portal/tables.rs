//! The request fields of the portal, one row each: name, kind, limit, whether required (reference §3, §5, §6, §7).
//! It must never be shared with an adapter: it is the other side's own list.

use super::check::Kind::{Batch, DigitsBy, List, Object, OneOf, Text, TextUpTo, Time};
use super::check::Need::{If, Optional, Required, Unless};
use super::check::{Field, Kind, Need};

const fn row(name: &'static str, kind: Kind, need: Need) -> Field {
    Field { name, kind, need }
}

const NO_YES: &[&str] = &["0", "1"];
const FALSE_TRUE: &[&str] = &["True", "False"];
/// Dossier status codes, reference §13.
const STATUSES: &[&str] = &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
/// Not received: newly registered, not accepted, withdrawn.
const NOT_RECEIVED: &[&str] = &["1", "3", "7"];

pub(crate) const LOGIN: &[Field] = &[row("username", Text, Required), row("password", Text, Required)];

pub(crate) const ENVELOPE: &[Field] =
    &[row("session", Text, Required), row("madonvi", Text, Required), row("service", Text, Required)];

pub(crate) const NO_FIELDS: &[Field] = &[];
pub(crate) const UPSERT: &[Field] =
    &[row("isUpdating", OneOf(FALSE_TRUE), Required), row("data", Batch(DOSSIER), Required)];
pub(crate) const STEPS: &[Field] = &[row("data", Batch(STEP), Required)];
pub(crate) const STATUS_REPORT: &[Field] =
    &[row("type", OneOf(&["2"]), Required), row("data", Object(STATUS), Required)];
pub(crate) const LOOK_UP: &[Field] = &[row("mahoso", Text, Required)];
pub(crate) const PROCEDURE: &[Field] = &[row("maTTHC", Text, Required)];
pub(crate) const TECH_ID: &[Field] = &[row("provider", OneOf(&["wso2is"]), Required), row("mstorcmnd", Text, Required)];

const DOSSIER: &[Field] = &[
    row("MaHoSo", Text, Required),
    row("MaTTHC", Text, Required),
    row("TenTTHC", Text, Required),
    row("MaLinhVuc", Text, Required),
    row("TenLinhVuc", Text, Required),
    row("KenhThucHien", OneOf(&["1", "2", "3"]), Required),
    row("SoBienNhan", Text, Optional),
    row("ChuHoSo", Text, Required),
    row("LoaiDoiTuong", OneOf(&["1", "2", "3", "4"]), Required),
    row("MaDoiTuong", Text, If("KenhThucHien", &["2"])),
    row("DinhDanhCHS", List(IDENTITY), Required),
    row("ThongTinKhac", Text, Optional),
    row("Email", Text, Optional),
    row("Fax", Text, Optional),
    row("SoDienThoai", Text, Optional),
    row("TrichYeuHoSo", TextUpTo(1000), Required),
    row("NgayNopHoSo", Time, Required),
    row("NgayTiepNhan", Time, Unless("TrangThaiHoSo", NOT_RECEIVED)),
    row("NgayHenTra", Time, Optional),
    row("NgayTuChoi", Time, Optional),
    row("TrangThaiHoSo", OneOf(STATUSES), Required),
    row("NgayTra", Time, Optional),
    row("ThongTinTra", Text, Optional),
    row("HinhThuc", OneOf(NO_YES), Required),
    row("NgayKetThucXuLy", Time, Optional),
    row("DonViXuLy", Text, Required),
    row("GhiChu", TextUpTo(2000), Optional),
    row("NoiNopHoSo", OneOf(&["1", "2"]), Required),
    row("HoSoCoThanhPhanSoHoa", OneOf(NO_YES), Required),
    row("TaiKhoanDuocXacThucVoiVNeID", OneOf(NO_YES), Required),
    row("DuocThanhToanTrucTuyen", OneOf(&["0", "1", "2", "3"]), Required),
    row("DSKetNoiCSDL", List(DATABASE), Optional),
    row("TaiLieuNop", List(PAPER), Optional),
    row("DanhSachLePhi", List(FEE), Optional),
    row("DanhSachTepDinhKemKhac", List(OTHER_PAPER), Optional),
    row("DanhSachHoSoBoSung", List(SUPPLEMENT), Optional),
    row("DanhSachGiayToKetQua", List(RESULT), Optional),
];

const IDENTITY: &[Field] = &[
    row("LoaiDinhDanh", OneOf(&["1", "2"]), Required),
    row("SoDinhDanh", DigitsBy("LoaiDinhDanh", &[("1", 12), ("2", 9)]), Required),
];

const DATABASE: &[Field] = &[row("MaCSDL", Text, Required)];

const PAPER: &[Field] = &[
    row("TepDinhKemId", Text, Optional),
    row("TenTepDinhKem", TextUpTo(4000), Optional),
    row("IsDeleted", OneOf(FALSE_TRUE), Optional),
    row("MaThanhPhanHoSo", Text, Optional),
    row("DuongDanTaiTepTin", Text, Optional),
    row("DuocSoHoa", OneOf(NO_YES), Optional),
    row("DuocTaiSuDung", OneOf(&["0", "1", "2"]), Optional),
    row("DuocLayTuKhoDMQG", OneOf(NO_YES), Optional),
    row("MaKetQuaThayThe", Text, Optional),
];

const FEE: &[Field] = &[
    row("TenPhiLePhi", Text, Optional),
    row("MaPhiLePhi", Text, Optional),
    row("HinhThucThu", Text, Optional),
    row("Gia", Text, Optional),
    row("LoaiPhiLePhi", Text, Optional),
];

const OTHER_PAPER: &[Field] =
    &[row("TenGiayTo", Text, Optional), row("SoLuong", Text, Optional), row("LoaiGiayTo", Text, Optional)];

// The members of the two inner lists are not in the reference; the listed papers and the fees of the dossier itself are
// the likeliest.
const SUPPLEMENT: &[Field] = &[
    row("HoSoBoSungId", Text, Optional),
    row("NguoiYeuCauBoSung", Text, Optional),
    row("NoiDungBoSung", Text, Optional),
    row("NgayBoSung", Time, Optional),
    row("NguoiTiepNhanBoSung", Text, Optional),
    row("ThongTinTiepNhan", Text, Optional),
    row("NgayTiepNhanBoSung", Time, Optional),
    row("TrangThaiBoSung", Text, Optional),
    row("DanhSachGiayToBoSung", List(OTHER_PAPER), Optional),
    row("DanhSachLePhiBoSung", List(FEE), Optional),
    row("NgayHenTraTruoc", Time, Optional),
    row("NgayHenTraMoi", Time, Optional),
];

const RESULT: &[Field] = &[
    row("TenGiayTo", TextUpTo(2000), Optional),
    row("MaThanhPhanHoSo", Text, Optional),
    row("GiayToId", Text, Optional),
    row("DuongDanTepTinKetQua", Text, Optional),
    row("MaGiayToKetQua", Text, Optional),
];

const STEP: &[Field] = &[
    row("MaHoSo", Text, Required),
    row("NguoiXuLy", TextUpTo(50), Required),
    row("ChucDanh", Text, Optional),
    row("ThoiDiemXuLy", Time, Required),
    row("PhongBanXuLy", Text, Optional),
    row("NoiDungXuLy", Text, Required),
    row("TrangThai", OneOf(STATUSES), Required),
    row("NgayBatDau", Time, Optional),
    row("NgayKetThucTheoQuyDinh", Time, Optional),
];

/// Of a dossier that was born on the portal. Code 11 is known only here: the answer to a rejected trade-promotion notice.
const STATUS: &[Field] = &[
    row("MaHoSo", Text, Required),
    row("MaHoSoDonVi", Text, Required),
    row("MaDoiTuong", Text, Optional),
    row("NoiDung", Text, Optional),
    row("NgayXuLy", Time, Required),
    row("TrangThai", OneOf(&["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]), Required),
    row("TaiLieuXuLy", List(HANDLING_PAPER), Optional),
];

const HANDLING_PAPER: &[Field] = &[
    row("TepDinhKemId", Text, Optional),
    row("TenTepDinhKem", TextUpTo(4000), Optional),
    row("IsDeleted", OneOf(FALSE_TRUE), Optional),
    row("MaThanhPhanHoSo", Text, Optional),
    row("DuongDanTaiTepTin", Text, Optional),
];
