//! The reply of `LayThuTuc` (reference §4.2): every key of the shape, with plausible content.
//! It must never be read as the law: only code, name and field are those of the catalogue.

use serde_json::{Value, json};

use super::catalogue::CatalogueProcedure;

pub(crate) fn detail(known: &CatalogueProcedure) -> Value {
    let mut detail = scalars(known);
    let lists = lists(known);
    if let (Value::Object(detail), Value::Object(lists)) = (&mut detail, lists) {
        detail.extend(lists);
        detail.extend(known.detail.clone());
    }
    detail
}

fn issuer(known: &CatalogueProcedure) -> &str {
    known.field_code.split('-').next().unwrap_or_default()
}

fn scalars(known: &CatalogueProcedure) -> Value {
    json!({
        "ID": known.code.replace('.', ""),
        "MATTHC": known.code,
        "TENTTHC": known.name,
        "MACOQUANCONGBO": format!("000.00.00.{}", issuer(known)),
        "LOAITTHC": "TTHC được luật giao quy định chi tiết",
        "MOTADOITUONGTHUCHIEN": "Công dân Việt Nam",
        "DIACHITIEPNHAN": "Trung tâm Phục vụ hành chính công",
        "QUYETDINH": "01/QĐ-SANDBOX",
        "YEUCAU": "",
        "TUKHOA": "",
        "IDQUYETDINHCONGBO": "1",
        "TRANGTHAI": if known.is_public { "1" } else { "0" },
        "MOTACOQUANTHUCHIEN": "Ủy ban nhân dân cấp xã",
        "MOTACOQUANTHAMQUYEN": "Ủy ban nhân dân cấp xã",
        "MOTA": "",
    })
}

fn lists(known: &CatalogueProcedure) -> Value {
    let channels = Value::from(["1", "2", "3"].map(channel).to_vec());
    let commune = json!([{ "MADONVI": "", "TENDONVI": "Ủy ban nhân dân cấp xã" }]);
    json!({
        "TRINHTUTHUCHIEN": [{
            "TRUONGHOP": "",
            "TRINHTU": [
                { "TENTRINHTU": "Bước 1: Nộp hồ sơ" },
                { "TENTRINHTU": "Bước 2: Giải quyết và trả kết quả" },
            ],
        }],
        "CAPTHUCHIEN": [{ "CAPTHUCHIEN": "3", "TENCAP": "Cấp xã" }],
        "LINHVUCTHUCHIEN": [{ "MALINHVUC": known.field_code, "TENLINHVUC": known.field_name }],
        "CACHTHUCTHUCHIEN": channels,
        "DOITUONGTHUCHIEN": [{ "MADOITUONG": "1", "TENDOITUONG": "Công dân Việt Nam" }],
        "THANHPHANHOSO": [{
            "TRUONGHOP": "",
            "GIAYTO": [{
                "MAGIAYTO": format!("000.00.00.{}-TP000001", issuer(known)),
                "TENGIAYTO": "Tờ khai theo mẫu",
                "SOBANCHINH": "1",
                "SOBANSAO": "0",
                "TENMAUDON": "",
                "URL": "",
                "MA_KQ_THAYTHE": "",
            }],
        }],
        "KETQUATHUCHIEN": [{
            "MAKETQUA": format!("KQ.{}.000001", issuer(known)),
            "TENKETQUA": "Kết quả giải quyết",
            "TENTEP": "",
            "URL": "",
        }],
        "CANCUPHAPLY": [{
            "SOVANBAN": "118/2025/NĐ-CP",
            "TENVANBAN": "Thực hiện thủ tục hành chính theo cơ chế một cửa, một cửa liên thông",
            "NGAYBANHANH": "20250609000000",
            "NGAYHIEULUC": "20250701000000",
            "COQUANBANHANH": "Chính phủ",
            "DIACHITRUYCAP": "",
        }],
        "TTHCLIENQUAN": [],
        "TTHCLIENTHONG": [],
        "COQUANTHUCHIEN": commune.clone(),
        "COQUANCOTHAMQUYEN": commune,
        "COQUANDUOCUYQUYEN": [],
        "COQUANPHOIHOP": [],
    })
}

fn channel(code: &str) -> Value {
    json!({
        "KENH": code,
        "THOIGIAN": [{
            "THOIGIANGIAIQUYET": "5",
            "DONVITINH": "Ngày làm việc",
            "MOTA": "",
            "PHILEPHI": [{
                "MAPHILEPHI": "", "SOTIEN": "0", "DONVI": "VNĐ", "MOTA": "", "TENTEP": "", "URL": "",
            }],
        }],
    })
}
