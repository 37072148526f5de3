//! The strict reader: kinds, limits, code lists, what is required and when.

use serde_json::{Value, json};

use crate::caller::{CODE, assert_accepted, assert_refused, dossier, open_default, step, with, without};

fn full() -> Value {
    let mut full = dossier(CODE);
    let more = json!({
        "SoBienNhan": "BN-1", "MaDoiTuong": "id", "ThongTinKhac": "", "Email": "a@example.vn", "Fax": "",
        "SoDienThoai": "", "NgayHenTra": "20261130170000", "NgayTuChoi": "", "NgayTra": "20261129000000",
        "ThongTinTra": "Đã trả", "NgayKetThucXuLy": "20261129003000", "GhiChu": "Không",
        "DinhDanhCHS": [
            { "LoaiDinhDanh": "1", "SoDinhDanh": "012345678901" },
            { "LoaiDinhDanh": "2", "SoDinhDanh": "012345678" },
        ],
        "DSKetNoiCSDL": [{ "MaCSDL": "1" }],
        "TaiLieuNop": [{
            "TepDinhKemId": "1", "TenTepDinhKem": "Tờ khai.pdf", "IsDeleted": "False", "MaThanhPhanHoSo": "KQ.G15.000031",
            "DuongDanTaiTepTin": "https://files.example/1", "DuocSoHoa": "1", "DuocTaiSuDung": "2",
            "DuocLayTuKhoDMQG": "0", "MaKetQuaThayThe": "",
        }],
        "DanhSachLePhi": [{
            "TenPhiLePhi": "Lệ phí", "MaPhiLePhi": "LP", "HinhThucThu": "1", "Gia": "0", "LoaiPhiLePhi": "2",
        }],
        "DanhSachTepDinhKemKhac": [{ "TenGiayTo": "Khác", "SoLuong": "1", "LoaiGiayTo": "0" }],
        "DanhSachHoSoBoSung": [{
            "HoSoBoSungId": "1", "NguoiYeuCauBoSung": "A", "NoiDungBoSung": "B", "NgayBoSung": "20261122080000",
            "NguoiTiepNhanBoSung": "C", "ThongTinTiepNhan": "D", "NgayTiepNhanBoSung": "20261123080000",
            "TrangThaiBoSung": "1", "DanhSachGiayToBoSung": [], "DanhSachLePhiBoSung": [],
            "NgayHenTraTruoc": "20261130170000", "NgayHenTraMoi": "20261201170000",
        }],
        "DanhSachGiayToKetQua": [{
            "TenGiayTo": "Giấy khai sinh", "MaThanhPhanHoSo": "", "GiayToId": "9",
            "DuongDanTepTinKetQua": "https://files.example/9", "MaGiayToKetQua": "KQ.G15.000031",
        }],
    });
    full.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    full
}

#[tokio::test]
async fn a_dossier_with_every_field_of_the_reference_is_taken_as_it_is() {
    let (sandbox, caller) = open_default().await;
    assert_accepted(&caller.insert(full()).await);
    assert_eq!(Value::Object(sandbox.dossier(CODE).unwrap().fields), full());
}

#[tokio::test]
async fn a_number_boolean_or_null_in_place_of_a_string_is_refused_naming_the_field() {
    let (sandbox, caller) = open_default().await;
    for (value, kind) in [(json!(1), "số"), (json!(true), "giá trị logic"), (Value::Null, "null")] {
        let reply = caller.insert(with(dossier(CODE), "KenhThucHien", value)).await;
        assert_refused(&reply, &["data[0].KenhThucHien", "phải là chuỗi", kind]);
    }
    let nested = with(dossier(CODE), "DanhSachLePhi", json!([{ "Gia": "0" }, { "Gia": 5000 }]));
    assert_refused(&caller.insert(nested).await, &["data[0].DanhSachLePhi[1].Gia", "số"]);
    let flag = caller.body("DongBoHoSoMC", json!({ "isUpdating": false, "data": [dossier(CODE)] }));
    assert_refused(&caller.read("/mapi/integration", &flag).await, &["isUpdating", "phải là chuỗi"]);
    assert!(sandbox.ledger().is_empty());
}

#[tokio::test]
async fn each_limit_holds_at_n_and_refuses_at_n_plus_1() {
    let (_sandbox, caller) = open_default().await;
    assert_accepted(&caller.insert(dossier(CODE)).await);
    // A letter of three bytes: characters count, not bytes.
    let text = |length: usize| "ộ".repeat(length);
    type Place = fn(String) -> Value;
    let places: [(&str, usize, Place); 4] = [
        ("data[0].GhiChu", 2000, |text| with(dossier(CODE), "GhiChu", text)),
        ("data[0].TrichYeuHoSo", 1000, |text| with(dossier(CODE), "TrichYeuHoSo", text)),
        ("data[0].TaiLieuNop[0].TenTepDinhKem", 4000, |text| {
            with(dossier(CODE), "TaiLieuNop", json!([{ "TenTepDinhKem": text }]))
        }),
        ("data[0].DanhSachGiayToKetQua[0].TenGiayTo", 2000, |text| {
            with(dossier(CODE), "DanhSachGiayToKetQua", json!([{ "TenGiayTo": text }]))
        }),
    ];
    for (path, limit, place) in places {
        assert_accepted(&caller.update(place(text(limit))).await);
        let over = caller.update(place(text(limit + 1))).await;
        assert_refused(&over, &[path, &format!("vượt quá {limit} ký tự")]);
    }
    let officer = |length| json!([with(step(CODE, "Xử lý"), "NguoiXuLy", text(length))]);
    assert_accepted(&caller.append(officer(50)).await);
    assert_refused(&caller.append(officer(51)).await, &["data[0].NguoiXuLy", "vượt quá 50 ký tự"]);
}

#[tokio::test]
async fn decomposed_letters_count_their_marks() {
    let (_sandbox, caller) = open_default().await;
    let decomposed = "o\u{323}\u{302}".repeat(334);
    assert_refused(&caller.insert(with(dossier(CODE), "TrichYeuHoSo", decomposed)).await, &["TrichYeuHoSo"]);
}

#[tokio::test]
async fn every_required_field_is_missed_also_when_it_is_empty() {
    let (_sandbox, caller) = open_default().await;
    for name in dossier(CODE).as_object().unwrap().keys() {
        let place = format!("data[0].{name}");
        assert_refused(&caller.insert(without(dossier(CODE), name)).await, &[&place, "bắt buộc"]);
        if name != "DinhDanhCHS" {
            assert_refused(&caller.insert(with(dossier(CODE), name, "")).await, &[&place, "bắt buộc"]);
        }
    }
}

#[tokio::test]
async fn the_day_of_reception_is_required_once_the_dossier_is_received() {
    let (_sandbox, caller) = open_default().await;
    for status in ["1", "3", "7"] {
        let code = format!("H15.50-261121-000{status}");
        let not_received = without(with(dossier(&code), "TrangThaiHoSo", status), "NgayTiepNhan");
        assert_accepted(&caller.insert(not_received).await);
    }
    for status in ["2", "4", "5", "6", "8", "9", "10"] {
        let received = without(with(dossier(CODE), "TrangThaiHoSo", status), "NgayTiepNhan");
        assert_refused(&caller.insert(received).await, &["NgayTiepNhan", "bắt buộc"]);
    }
}

#[tokio::test]
async fn an_online_dossier_needs_the_technical_id_of_its_owner() {
    let (_sandbox, caller) = open_default().await;
    let online = with(dossier(CODE), "KenhThucHien", "2");
    assert_refused(&caller.insert(online.clone()).await, &["MaDoiTuong", "bắt buộc"]);
    assert_accepted(&caller.insert(with(online, "MaDoiTuong", "id")).await);
}

#[tokio::test]
async fn values_outside_the_code_lists_and_unknown_fields_are_refused() {
    let (_sandbox, caller) = open_default().await;
    for (name, value) in [
        ("TrangThaiHoSo", "11"),
        ("TrangThaiHoSo", "02"),
        ("LoaiDoiTuong", "0"),
        ("HinhThuc", "2"),
        ("DuocThanhToanTrucTuyen", "4"),
        ("TaiKhoanDuocXacThucVoiVNeID", "True"),
    ] {
        assert_refused(&caller.insert(with(dossier(CODE), name, value)).await, &[name, "ngoài danh mục"]);
    }
    assert_refused(&caller.insert(with(dossier(CODE), "maHoSo", "x")).await, &["data[0].maHoSo", "đặc tả"]);
    let paper = with(dossier(CODE), "TaiLieuNop", json!([{ "Ten": "x" }]));
    assert_refused(&caller.insert(paper).await, &["data[0].TaiLieuNop[0].Ten", "đặc tả"]);
    let top = caller.body("TraCuuHoSo", json!({ "mahoso": CODE, "maHoSo": CODE }));
    assert_refused(&caller.read("/mapi/integration", &top).await, &["maHoSo", "đặc tả"]);
}

#[tokio::test]
async fn times_are_fourteen_digits_of_a_moment_that_exists() {
    let (_sandbox, caller) = open_default().await;
    for time in
        ["20261121", "2026-11-21T08:30", "20261121240000", "20260229000000", "20261121086000", "２０261121083000"]
    {
        assert_refused(
            &caller.insert(with(dossier(CODE), "NgayNopHoSo", time)).await,
            &["NgayNopHoSo", "yyyyMMddHHmmss"],
        );
    }
    assert_accepted(&caller.insert(with(dossier(CODE), "NgayNopHoSo", "20240229000000")).await);
}

#[tokio::test]
async fn an_identity_number_has_the_digits_of_its_kind() {
    let (_sandbox, caller) = open_default().await;
    let identity = |kind: &str, number: &str| {
        with(dossier(CODE), "DinhDanhCHS", json!([{ "LoaiDinhDanh": kind, "SoDinhDanh": number }]))
    };
    assert_refused(&caller.insert(identity("1", "012345678")).await, &["DinhDanhCHS[0].SoDinhDanh", "12 chữ số"]);
    assert_refused(&caller.insert(identity("2", "01234567x")).await, &["DinhDanhCHS[0].SoDinhDanh", "9 chữ số"]);
    assert_refused(&caller.insert(identity("3", "012345678")).await, &["DinhDanhCHS[0].LoaiDinhDanh"]);
    assert_accepted(&caller.insert(identity("1", "012345678901")).await);
}

#[tokio::test]
async fn data_is_a_list_of_objects_and_not_empty() {
    let (_sandbox, caller) = open_default().await;
    for (data, words) in [
        (json!([]), "ít nhất một"),
        (json!({}), "phải là mảng"),
        (json!(["x"]), "phải là đối tượng"),
        (json!("[]"), "phải là mảng"),
    ] {
        let reply = caller.read("/mapi/integration", &caller.upsert("False", data)).await;
        assert_refused(&reply, &["data", words]);
    }
}
