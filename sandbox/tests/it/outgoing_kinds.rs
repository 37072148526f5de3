//! Every kind of message in the form of the reference, and the mistakes that are not sent.

use lienthong_sandbox::{FileContent, FileHabit, Outgoing, OutgoingFile, OutgoingKind, SendingFaults, SendingState};
use serde_json::{Value, json};

use crate::province::{NATIONAL, new_dossier, portal_and_province};

fn tax_voucher() -> Outgoing {
    Outgoing::new(OutgoingKind::TaxVoucher)
        .with("MaHoSo", "H15-261121-0001")
        .with("HoTenNguoiNopTien", "Người Thử Nghiệm")
        .with(
            "ThongTinThanhToan",
            json!({
                "MaThongBaoThue": "TB-1",
                "ThoiGianThanhToan": "20261121083000",
                "SoTien": "1500000",
                "NoiDungThanhToan": "Nộp thuế đất",
                "TrangThaiThanhToan": "1",
            }),
        )
}

fn tax_notice() -> Outgoing {
    let row = json!({
        "MA_SO_THUE": "0100000000",
        "SO_QUYET_DINH": "12/QĐ",
        "NGAY_QUYET_DINH": "21-11-2026",
        "TEN_TIEUMUC": "Thuế đất <ở>",
        "SO_TIEN": "1500000",
    });
    Outgoing::new(OutgoingKind::TaxNotice).with("MA_HSO", "H15-261121-0001").with("LIST", json!([row]))
}

fn trade_promotion() -> Outgoing {
    Outgoing::new(OutgoingKind::TradePromotion)
        .with("MaHoSo", NATIONAL)
        .with("MaTTHC", "2.000033")
        .with("NgayNopHoSo", "20261121083000")
        .with("TenThuongNhan", "Thương nhân thử nghiệm")
        .with("TenChuongTrinhKhuyenMai", "Khuyến mại thử")
}

fn text_file(name: &str, text: &str) -> OutgoingFile {
    OutgoingFile {
        name: name.into(),
        content_type: "text/plain".into(),
        content: FileContent::Text(text.into()),
        habit: FileHabit::Honest,
    }
}

async fn body_of(message: Outgoing) -> (String, Value) {
    let (sandbox, province) = portal_and_province([]).await;
    let id = sandbox.send(message).unwrap();
    assert_eq!(sandbox.settled(id).await.unwrap().state, SendingState::Delivered);
    let received = province.received().pop().unwrap();
    (received.path, received.body)
}

#[tokio::test]
async fn a_tax_voucher_has_its_own_service_on_the_path_of_dossiers() {
    let (path, body) = body_of(tax_voucher().with_file(text_file("ct.txt", "chứng từ"))).await;
    assert_eq!(path, "/nhanhsdvcqg");
    assert_eq!((&body["service"], &body["isUpdating"]), (&json!("NhanChungTuThueDat"), &json!(false)));
    assert_eq!(body["data"]["ThongTinThanhToan"]["TrangThaiThanhToan"], "1");
    assert!(body["data"]["UrlFileChungTu"].as_str().unwrap().contains("/_files/"));
}

#[tokio::test]
async fn a_tax_notice_is_xml_in_base64() {
    let (path, body) = body_of(tax_notice()).await;
    assert_eq!(path, "/nhantbthuedvcqg");
    assert_eq!((&body["service"], &body["isUpdating"]), (&json!("NhanThongBaoThueDat"), &json!(false)));
    let text = String::from_utf8(decoded(body["data"]["FileThongBaoThue"].as_str().unwrap())).unwrap();
    let rows = "<DATA><BODY><ROW_LIST><MA_HSO>H15-261121-0001</MA_HSO><LIST><MA_SO_THUE>0100000000</MA_SO_THUE>";
    assert!(text.contains(rows), "{text}");
    assert!(text.contains("<NGAY_QUYET_DINH>21-11-2026</NGAY_QUYET_DINH><TEN_TIEUMUC>Thuế đất &lt;ở&gt;"), "{text}");
}

#[tokio::test]
async fn a_tax_notice_can_be_any_file_in_place_of_the_xml() {
    let (_, body) = body_of(Outgoing::new(OutgoingKind::TaxNotice).with_file(text_file("x.xml", "<DATA>"))).await;
    assert_eq!(decoded(body["data"]["FileThongBaoThue"].as_str().unwrap()), b"<DATA>");
}

#[tokio::test]
async fn a_trade_promotion_brings_its_files_and_is_born_on_the_portal() {
    let (sandbox, province) = portal_and_province([]).await;
    let files = [text_file("don.txt", "đơn"), text_file("a.txt", "một"), text_file("b.txt", "hai")];
    let message = files.into_iter().fold(trade_promotion(), Outgoing::with_file);
    let id = sandbox.send(message).unwrap();
    let sent = sandbox.settled(id).await.unwrap();
    assert!(sent.files.is_empty(), "none of them is fetched by address");
    let received = province.received().pop().unwrap();
    assert_eq!(received.path, "/addtthcKhuyenMai");
    let data = &received.body["data"];
    assert_eq!(decoded(data["TepDonDangKy"].as_str().unwrap()), "đơn".as_bytes());
    assert_eq!(data["TaiLieuNop"][1]["TenTepDinhKem"], "b.txt");
    assert_eq!(decoded(data["TaiLieuNop"][1]["Base64"].as_str().unwrap()), b"hai");
    assert_eq!(sandbox.portal_born(NATIONAL).unwrap().given, trade_promotion().data);
}

#[tokio::test]
async fn a_message_outside_the_reference_is_not_sent_unless_it_is_meant() {
    let (sandbox, province) = portal_and_province([]).await;
    for (wrong, word) in [
        (new_dossier(NATIONAL).with("NgayNopHoSo", "21/11/2026"), "NgayNopHoSo"),
        (new_dossier(NATIONAL).with("MaTTHC", 5), "MaTTHC"),
        (new_dossier(""), "MaHoSoQG"),
        (new_dossier(NATIONAL).with("DiaChiDoanhNghiep", json!({ "MaQuan": "1" })), "DiaChiDoanhNghiep.MaQuan"),
        (new_dossier(NATIONAL).with("ThongTinDaNop", "x"), "ThongTinDaNop"),
        (tax_voucher().with("SoTien", "1"), "SoTien"),
        (tax_notice().with("LIST", json!([])), "LIST"),
        (tax_notice().with("LIST", json!([{ "NGAY_QUYET_DINH": "20261121" }])), "LIST[0].MA_SO_THUE"),
        (trade_promotion().with("TenThuongNhan", ""), "TenThuongNhan"),
    ] {
        let mistake = sandbox.send(wrong.clone()).unwrap_err();
        assert!(mistake.contains(word), "{word} is not in {mistake}");
        let meant = wrong.with_faults(SendingFaults { as_given: true, ..SendingFaults::default() });
        let id = sandbox.send(meant).unwrap();
        assert_eq!(sandbox.settled(id).await.unwrap().state, SendingState::Delivered);
    }
    assert_eq!(province.bodies()[1]["data"]["MaTTHC"], 5);
}

#[tokio::test]
async fn files_that_do_not_fit_the_kind_are_not_taken() {
    let (sandbox, _province) = portal_and_province([]).await;
    let two = new_dossier(NATIONAL).with_file(text_file("a", "a")).with_file(text_file("b", "b"));
    assert!(sandbox.send(two).unwrap_err().contains("one at most"));
    let twice = new_dossier(NATIONAL).with("URLTepDangKy", "http://a.example").with_file(text_file("a", "a"));
    assert!(sandbox.send(twice).unwrap_err().contains("URLTepDangKy"));
    let many = new_dossier(NATIONAL).with_faults(SendingFaults { times: 101, ..SendingFaults::default() });
    assert!(sandbox.send(many).unwrap_err().contains("times"));
    assert!(sandbox.outgoing().is_empty() && sandbox.portal_born(NATIONAL).is_none());
}

fn decoded(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four.iter().fold(0_u32, |bits, letter| bits << 6 | u32::from(value(*letter)));
        let bits = bits << (6 * (4 - four.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}
