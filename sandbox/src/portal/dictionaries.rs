//! Small dictionaries of codes and names. The keys of most are not in the reference, so all use `MA` and `TEN`.
//! They must never be taken for complete: a few rows show the shape.

use serde_json::{Value, json};

type Rows = &'static [(&'static str, &'static str)];

const DICTIONARIES: &[(&str, Rows)] = &[
    ("LayDanhMucGioiTinh", &[("0", "Chưa có thông tin"), ("1", "Nam"), ("2", "Nữ")]),
    (
        "LayDanhMucDoiTuong",
        &[("1", "Công dân"), ("2", "Doanh nghiệp"), ("3", "Cơ quan nhà nước"), ("4", "Tổ chức khác")],
    ),
    ("LayDanhMucCapThucHien", &[("0", "Cấp bộ"), ("1", "Cấp tỉnh"), ("2", "Cấp huyện"), ("3", "Cấp xã")]),
    ("LayDanhMucQuocGia", &[("VN", "Việt Nam"), ("LA", "Lào"), ("KH", "Campuchia")]),
    ("LayDanhMucDanToc", &[("01", "Kinh"), ("02", "Tày"), ("03", "Thái")]),
    ("LayDanhMucTonGiao", &[("00", "Không"), ("01", "Phật giáo"), ("02", "Công giáo")]),
    ("LayDanhMucTinhThanh", &[("01", "Thành phố Hà Nội"), ("27", "Tỉnh thử nghiệm")]),
    ("LayDanhMucQuanHuyen", &[]),
    ("LayDanhMucPhuongXa", &[("00097", "Phường Hồng Hà"), ("00004", "Phường Ba Đình")]),
    (
        "LayDanhMucCanCuPhapLy",
        &[("118/2025/NĐ-CP", "Thực hiện thủ tục hành chính theo cơ chế một cửa, một cửa liên thông")],
    ),
    ("LayDanhMucLePhi", &[]),
    ("LayDanhMucNhomThuTuc", &[]),
    ("LayDanhMucThuTucThuocLoai", &[]),
    ("LayDanhMucTinhTrangHonNhan", &[("1", "Chưa kết hôn"), ("2", "Đang có vợ/chồng"), ("3", "Đã ly hôn")]),
];

pub(crate) fn named(service: &str) -> Value {
    let rows = DICTIONARIES.iter().find(|(name, _)| *name == service).map_or(&[] as Rows, |(_, rows)| rows);
    rows.iter().map(|(code, name)| json!({ "MA": code, "TEN": name })).collect()
}

pub(crate) fn agencies(level_one: &str) -> Value {
    json!([
        { "MADONVI": "000.00.00.G22", "TENDONVI": "Văn phòng Chính phủ", "CAPDONVI": "0" },
        { "MADONVI": format!("000.00.00.{level_one}"), "TENDONVI": "Tỉnh thử nghiệm", "CAPDONVI": "1" },
        { "MADONVI": format!("000.00.50.{level_one}"), "TENDONVI": "Sở thử nghiệm", "CAPDONVI": "1" },
        { "MADONVI": format!("000.05.50.{level_one}"), "TENDONVI": "Xã thử nghiệm", "CAPDONVI": "3" },
    ])
}
