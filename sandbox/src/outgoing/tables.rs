//! The fields of what the portal sends, one row each (reference §8): name, kind, whether required.
//! It must never be shared with a reader of these messages: it is the other side's own list.

use crate::portal::check::Kind::{Batch, Day, List, Object, OpenObject, Text, Time};
use crate::portal::check::Need::{Optional, Required};
use crate::portal::check::{Field, Kind, Need};

const fn row(name: &'static str, kind: Kind, need: Need) -> Field {
    Field { name, kind, need }
}

/// The applicant's fields are not named in the reference: any member besides these is passed on as given.
pub(super) const DOSSIER: &[Field] = &[
    row("MaHoSoQG", Text, Required),
    row("MaTTHC", Text, Required),
    row("SoVanBan", Text, Optional),
    row("NgayNopHoSo", Time, Required),
    row("DiaChiDoanhNghiep", Object(ADDRESS), Optional),
    row("ThongTinDaNop", OpenObject, Optional),
    row("ThongTinSuaDoi", OpenObject, Optional),
    row("LyDoDieuChinh", Text, Optional),
    row("TenTepDangKy", Text, Optional),
    row("URLTepDangKy", Text, Optional),
];

const ADDRESS: &[Field] = &[
    row("MaTinh", Text, Optional),
    row("MaHuyen", Text, Optional),
    row("MaXa", Text, Optional),
    row("DiaChiChiTiet", Text, Optional),
];

pub(super) const TAX_VOUCHER: &[Field] = &[
    row("MaHoSo", Text, Required),
    row("HoTenNguoiNopTien", Text, Optional),
    row("MaSoThue", Text, Optional),
    row("SoCMTNguoiNopTien", Text, Optional),
    row("DiaChiNguoiNopTien", Text, Optional),
    row("HuyenNguoiNopTien", Text, Optional),
    row("TinhNguoiNopTien", Text, Optional),
    row("XaNguoiNopTien", Text, Optional),
    row("UrlFileChungTu", Text, Optional),
    row("ThongTinThanhToan", Object(PAYMENT), Required),
];

const PAYMENT: &[Field] = &[
    row("MaThongBaoThue", Text, Required),
    row("ThoiGianThanhToan", Time, Required),
    row("SoTien", Text, Required),
    row("NoiDungThanhToan", Text, Optional),
    row("TrangThaiThanhToan", Text, Required),
];

/// `data` as it goes out: the notice itself is inside.
pub(super) const TAX_NOTICE: &[Field] = &[row("FileThongBaoThue", Text, Required)];

pub(super) const TAX_ROWS: &[Field] = &[row("MA_HSO", Text, Required), row("LIST", Batch(TAX_ROW), Required)];

pub(super) const TAX_ROW: &[Field] = &[
    row("MA_SO_THUE", Text, Required),
    row("SO_QUYET_DINH", Text, Required),
    row("NGAY_QUYET_DINH", Day, Required),
    row("TEN_TIEUMUC", Text, Required),
    row("SO_TIEN", Text, Required),
];

/// The reference breaks off after the programme's name: any member besides these is passed on as given.
pub(super) const TRADE_PROMOTION: &[Field] = &[
    row("MaHoSo", Text, Required),
    row("MaTTHC", Text, Required),
    row("SoVanBan", Text, Optional),
    row("NgayNopHoSo", Time, Required),
    row("TenThuongNhan", Text, Required),
    row("DiaChiDoanhNghiep", Object(ADDRESS), Optional),
    row("DienThoai", Text, Optional),
    row("Email", Text, Optional),
    row("MaSoThue", Text, Optional),
    row("NguoiLienHe", Text, Optional),
    row("TenChuongTrinhKhuyenMai", Text, Optional),
    row("TepDonDangKy", Text, Optional),
    row("TaiLieuNop", List(PROMOTION_PAPER), Optional),
];

const PROMOTION_PAPER: &[Field] = &[row("TenTepDinhKem", Text, Required), row("Base64", Text, Required)];
