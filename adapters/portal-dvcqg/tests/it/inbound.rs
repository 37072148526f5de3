//! What the portal sends by itself, as the adapter reads it: each kind of message, and what strangers might send instead.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lienthong_adapter_kit::Tools;
use lienthong_domain::inbox::{Incoming, IncomingKind, SetAside, Source};
use lienthong_domain::port::{NotRead, PortalInbound, Taken};
use lienthong_domain::scalar::Scalar;
use lienthong_portal_dvcqg::CARD;
use serde_json::{Value, json};

use crate::support::{HandClock, settings};

const MARK: &str = "a-mark-that-nobody-knows";

fn inbound(more: Value) -> Arc<dyn PortalInbound> {
    let tools = Tools::of_one_process(Arc::new(HandClock::default()));
    (CARD.build)(&settings("http://127.0.0.1:1", more), &tools).unwrap().portal_inbound.unwrap()
}

/// Reads a message at the address with this last part.
fn read_by(inbound: &dyn PortalInbound, end: &str, message: &Value) -> Result<Incoming, NotRead> {
    let paths = inbound.paths();
    let path = paths.iter().find(|path| path.path == format!("/{end}")).unwrap();
    inbound.read(path.endpoint, message, &SetAside::new(MARK))
}

fn read(end: &str, message: &Value) -> Result<Incoming, NotRead> {
    read_by(&*inbound(json!({})), end, message)
}

/// Places of the wrong fields.
#[track_caller]
fn wrong(end: &str, message: &Value) -> Vec<String> {
    match read(end, message) {
        Err(NotRead::Invalid(wrong)) => {
            wrong.fields().iter().map(|field| format!("{} {}", field.pointer, field.code)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn dossier() -> Value {
    json!({
        "service": "NhanHoSo", "isUpdating": false, "data": {
            "MaHoSoQG": "000.00.00.G22-261121-0001", "MaTTHC": "1.013225", "SoVanBan": "12/ĐK",
            "NgayNopHoSo": "20261121083000", "TenNguoiNop": "Nguyễn Văn Ví Dụ",
            "DiaChiDoanhNghiep": { "MaTinh": "01", "DiaChiChiTiet": "Số 1" },
            "TenTepDangKy": "don.pdf", "URLTepDangKy": "https://dichvucong.example/tep/1"
        }
    })
}

#[test]
fn every_address_is_served_under_both_prefixes_and_bare() {
    let paths: Vec<String> = inbound(json!({})).paths().into_iter().map(|path| path.path).collect();
    assert_eq!(paths.len(), 9);
    for end in ["nhanhsdvcqg", "nhantbthuedvcqg", "addtthcKhuyenMai"] {
        for prefix in ["", "/XrdAdapter/RestService/forward", "/VXPAdapter/RestService/forward"] {
            assert!(paths.contains(&format!("{prefix}/{end}")), "{prefix}/{end}");
        }
    }
    let without = inbound(json!({ "inbound": { "promotions_path": "", "prefixes": ["x"] } })).paths();
    assert_eq!(without.len(), 2);
}

#[test]
fn a_new_dossier_is_read_and_what_has_no_name_here_is_passed_on() {
    let incoming = read("nhanhsdvcqg", &dossier()).unwrap();
    assert_eq!(incoming.kind, IncomingKind::DossierSubmitted);
    assert_eq!(incoming.national_code.as_str(), "000.00.00.G22-261121-0001");
    assert_eq!(incoming.submitted_at.unwrap().to_text(), "2026-11-21T01:30:00Z");
    assert_eq!(incoming.files.len(), 1);
    assert!(matches!(&incoming.files[0].source, Source::Link(link) if link.as_str().ends_with("/tep/1")));
    assert_eq!(
        Value::Object(incoming.details.expose().clone()),
        json!({ "TenNguoiNop": "Nguyễn Văn Ví Dụ", "DiaChiDoanhNghiep": { "MaTinh": "01", "DiaChiChiTiet": "Số 1" } })
    );
    assert!(!format!("{incoming:?}").contains("Ví Dụ"), "a person's name shows itself");
}

#[test]
fn supplements_are_told_apart_by_when_they_were_submitted() {
    let mut message = dossier();
    message["isUpdating"] = json!("True");
    let first = read("nhanhsdvcqg", &message).unwrap();
    message["data"]["NgayNopHoSo"] = json!("20261122083000");
    let second = read("nhanhsdvcqg", &message).unwrap();
    assert_eq!(first.kind, IncomingKind::DossierSupplemented);
    assert_ne!(first.reference, second.reference);
}

#[test]
fn a_payment_of_tax_is_read_with_its_amount() {
    let message = json!({ "service": "NhanChungTuThueDat", "isUpdating": false, "data": {
        "MaHoSo": "H15.50-261121-0007", "HoTenNguoiNopTien": "Trần Thị Ví Dụ", "SoCMTNguoiNopTien": "001099012345",
        "UrlFileChungTu": "https://dichvucong.example/ct.pdf",
        "ThongTinThanhToan": { "MaThongBaoThue": "TB-1", "ThoiGianThanhToan": "20261121090000", "SoTien": 1_500_000,
                               "NoiDungThanhToan": "Nộp thuế", "TrangThaiThanhToan": "1" } } });
    let incoming = read("nhanhsdvcqg", &message).unwrap();
    let payment = incoming.tax_payment.unwrap();
    assert_eq!((incoming.kind, payment.amount.amount(), payment.is_paid), (IncomingKind::TaxPaid, 1_500_000, true));
    assert_eq!(incoming.person.unwrap().expose().as_str(), "001099012345");
    let mut failed = message.clone();
    failed["data"]["ThongTinThanhToan"]["TrangThaiThanhToan"] = json!("0");
    let failed = read("nhanhsdvcqg", &failed).unwrap();
    assert_ne!(failed.reference, incoming.reference, "a payment that failed first is no contradiction");
    assert_eq!(failed.details.expose()["ThongTinThanhToan"], json!({ "TrangThaiThanhToan": "0" }));
    let mut second = message.clone();
    second["data"]["ThongTinThanhToan"]["ThoiGianThanhToan"] = json!("20261122090000");
    assert_ne!(read("nhanhsdvcqg", &second).unwrap().reference, incoming.reference, "nor is a second payment");
    let mut negative = message.clone();
    negative["data"]["ThongTinThanhToan"]["SoTien"] = json!("-5");
    assert_eq!(wrong("nhanhsdvcqg", &negative), ["/data/ThongTinThanhToan/SoTien amount"]);
}

fn notice(xml: &str) -> Value {
    json!({ "service": "NhanThongBaoThueDat", "isUpdating": false,
            "data": { "FileThongBaoThue": STANDARD.encode(xml) } })
}

const LIST: &str = "<LIST><MA_SO_THUE>0301234567</MA_SO_THUE><SO_QUYET_DINH>QĐ-1</SO_QUYET_DINH>\
                    <NGAY_QUYET_DINH>05-11-2026</NGAY_QUYET_DINH><TEN_TIEUMUC>Lệ phí &amp; thuế</TEN_TIEUMUC>\
                    <SO_TIEN>250000</SO_TIEN></LIST>";

#[test]
fn a_notice_of_tax_is_read_out_of_its_file() {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><DATA><BODY><ROW_LIST><ROW><MA_HSO>H15-1</MA_HSO>{LIST}{LIST}</ROW></ROW_LIST></BODY></DATA>"
    );
    let flat = format!("<DATA><BODY><ROW_LIST><MA_HSO>H15-1</MA_HSO>{LIST}</ROW_LIST></BODY></DATA>");
    for (xml, decisions) in [(xml, 2), (flat, 1)] {
        let incoming = read("nhantbthuedvcqg", &notice(&xml)).unwrap();
        assert_eq!((incoming.kind, incoming.national_code.as_str()), (IncomingKind::TaxNotice, "H15-1"));
        assert_eq!(incoming.tax_decisions.len(), decisions);
        let first = &incoming.tax_decisions[0];
        assert_eq!((first.item.as_str(), first.amount.amount()), ("Lệ phí & thuế", 250_000));
        assert_eq!(first.decided_on.to_string(), "2026-11-05");
        assert!(matches!(incoming.files[0].source, Source::Written(_)), "the file itself is kept, too");
    }
}

#[test]
fn xml_that_is_more_than_it_looks_is_refused_at_once() {
    let deep = format!("{}{}", "<a>".repeat(200), "</a>".repeat(200));
    let wide = format!("<a>{}</a>", "<b/>".repeat(30_000));
    let billion = "<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><DATA>&b;</DATA>".to_owned();
    let outside = "<!DOCTYPE d SYSTEM \"file:///etc/passwd\"><DATA/>".to_owned();
    let entity = "<DATA>&xxe;</DATA>".to_owned();
    let null = "<DATA>&#0;</DATA>".to_owned();
    let instruction = "<?xml-stylesheet href=\"http://169.254.169.254/\"?><DATA/>".to_owned();
    let open = "<DATA><BODY>".to_owned();
    let crossed = "<DATA><BODY></DATA></BODY>".to_owned();
    let two = "<DATA/><DATA/>".to_owned();
    let long = format!("<DATA>{}</DATA>", "x".repeat(300_000));
    for xml in [deep, wide, billion, outside, entity, null, instruction, open, crossed, two, long, String::new()] {
        let started = std::time::Instant::now();
        let wrong = wrong("nhantbthuedvcqg", &notice(&xml));
        assert!(wrong.len() == 1 && wrong[0].starts_with("/data/FileThongBaoThue "), "{wrong:?} for {:.60}", xml);
        assert!(started.elapsed().as_millis() < 1000, "{:.60}", xml);
    }
    let not_utf8 = json!({ "data": { "FileThongBaoThue": STANDARD.encode([0xff, 0xfe, b'<']) } });
    let not_base64 = json!({ "data": { "FileThongBaoThue": "<DATA/>" } });
    let set_aside = json!({ "data": { "FileThongBaoThue": format!("{MARK}/0") } });
    for message in [not_utf8, not_base64, set_aside] {
        assert_eq!(wrong("nhantbthuedvcqg", &message).len(), 1);
    }
}

#[test]
fn a_promotion_has_its_files_in_it_and_long_ones_were_set_aside() {
    let message = json!({ "data": {
        "MaHoSo": "KM-1", "MaTTHC": "2.000033", "NgayNopHoSo": "20261121083000", "TenThuongNhan": "Công ty Ví Dụ",
        "TepDonDangKy": format!("{MARK}/1"),
        "TaiLieuNop": [{ "TenTepDinhKem": "a.pdf", "Base64": "JVBERi0=" }, { "TenTepDinhKem": "b.pdf", "Base64": format!("{MARK}/0") }] } });
    let incoming = read("addtthcKhuyenMai", &message).unwrap();
    let sources: Vec<_> = incoming.files.iter().map(|file| file.source.clone()).collect();
    assert_eq!(sources, [Source::SetAside(1), Source::Written("JVBERi0=".into()), Source::SetAside(0)]);
    assert_eq!(Value::Object(incoming.details.expose().clone()), json!({ "TenThuongNhan": "Công ty Ví Dụ" }));
}

#[test]
fn nothing_that_the_portal_says_is_dropped_in_silence() {
    // A list of one as a bridge between XML and JSON writes it; what stands beside a paper's name and content.
    let promotion = json!({ "service": "NhanTB", "isSync": "True", "maGiaoDich": "7", "SecurityKey": "x", "data": {
        "MaHoSo": "KM-1", "TaiLieuNop": { "TenTepDinhKem": "a.pdf", "Base64": "JVBERi0=", "GhiChu": "bản 1" } } });
    let incoming = read("addtthcKhuyenMai", &promotion).unwrap();
    assert_eq!(incoming.files.len(), 1);
    assert_eq!(incoming.details.expose()["TaiLieuNop"], json!([{ "GhiChu": "bản 1" }]));
    let envelope = Value::Object(incoming.envelope.expose().clone());
    assert_eq!(envelope, json!({ "service": "NhanTB", "isSync": "True", "maGiaoDich": "7" }), "all but the key");
    // Both names of a code: the first that says something is taken, the other one is passed on.
    let mut both = dossier();
    both["data"]["MaHoSo"] = json!("H15-1");
    let incoming = read("nhanhsdvcqg", &both).unwrap();
    assert_eq!(incoming.national_code.as_str(), "000.00.00.G22-261121-0001");
    assert_eq!(incoming.details.expose()["MaHoSo"], "H15-1");
    both["data"]["MaHoSoQG"] = json!("");
    assert_eq!(read("nhanhsdvcqg", &both).unwrap().national_code.as_str(), "H15-1");
    // What another service is called makes another message of the same content.
    let mut other = dossier();
    other["service"] = json!("HuyHoSo");
    assert_ne!(read("nhanhsdvcqg", &other).unwrap().reference, read("nhanhsdvcqg", &dossier()).unwrap().reference);
}

#[test]
fn a_member_of_another_shape_is_refused_with_its_place() {
    let with = |member: &str, value: Value| {
        let mut message = dossier();
        message["data"][member] = value;
        message
    };
    for (member, value) in [
        ("URLTepDangKy", json!(["https://a.example/1", "https://a.example/2"])),
        ("MaTTHC", json!({ "ma": "1.013225" })),
        ("LyDoDieuChinh", json!([1])),
    ] {
        assert_eq!(wrong("nhanhsdvcqg", &with(member, value)), [format!("/data/{member} type")]);
    }
    // One mistake is told once.
    assert_eq!(wrong("nhanhsdvcqg", &with("MaHoSoQG", json!({ "ma": "1" }))), ["/data/MaHoSoQG type"]);
    let mut supplement = with("NgayNopHoSo", json!(["20261121083000"]));
    supplement["isUpdating"] = json!("True");
    assert!(wrong("nhanhsdvcqg", &supplement).contains(&"/data/NgayNopHoSo type".to_owned()));
    let promotion = |papers: Value| json!({ "data": { "MaHoSo": "KM-1", "TaiLieuNop": papers } });
    assert_eq!(wrong("addtthcKhuyenMai", &promotion(json!("a.pdf"))), ["/data/TaiLieuNop type"]);
    assert_eq!(wrong("addtthcKhuyenMai", &promotion(json!(["a.pdf"])))[0], "/data/TaiLieuNop/0 type");
    let many: Vec<Value> = (0..201).map(|_| json!({ "Base64": "JVBERi0=" })).collect();
    assert_eq!(wrong("addtthcKhuyenMai", &promotion(many.into()))[0], "/data/TaiLieuNop too_many");
    let huge: Vec<Value> = (0..100_000).map(|_| json!(0)).collect();
    assert_eq!(wrong("addtthcKhuyenMai", &promotion(huge.into()))[0], "/data/TaiLieuNop too_many");
    let payment = json!({ "service": "NhanChungTuThueDat", "data": { "MaHoSo": "A", "ThongTinThanhToan": "đã nộp" } });
    assert!(wrong("nhanhsdvcqg", &payment).contains(&"/data/ThongTinThanhToan type".to_owned()));
    // What is only looked at must be a text, too: a list of one is neither "paid" nor "not paid".
    let paid = json!({ "MaThongBaoThue": "TB-1", "SoTien": 1, "TrangThaiThanhToan": ["1"] });
    let payment = json!({ "service": "NhanChungTuThueDat", "data": {
        "MaHoSo": "A", "SoCMTNguoiNopTien": { "so": "001099012345" }, "ThongTinThanhToan": paid } });
    assert_eq!(
        wrong("nhanhsdvcqg", &payment),
        ["/data/ThongTinThanhToan/TrangThaiThanhToan type", "/data/SoCMTNguoiNopTien type"]
    );
}

#[test]
fn an_update_is_one_in_all_its_spellings_and_nothing_else_is() {
    let read_with = |said: Value| {
        let mut message = dossier();
        message["isUpdating"] = said;
        read("nhanhsdvcqg", &message).map(|incoming| incoming.kind)
    };
    for yes in [json!(true), json!("True"), json!("true"), json!("1"), json!(1)] {
        assert_eq!(read_with(yes.clone()), Ok(IncomingKind::DossierSupplemented), "{yes}");
    }
    for no in [json!(false), json!("False"), json!("0"), json!(0), json!(""), json!(null)] {
        assert_eq!(read_with(no.clone()), Ok(IncomingKind::DossierSubmitted), "{no}");
    }
    for word in [json!("yes"), json!("có"), json!(2), json!([true])] {
        assert!(matches!(read_with(word.clone()), Err(NotRead::Invalid(_))), "{word}");
    }
    let mut correction =
        notice(&format!("<DATA><BODY><ROW_LIST><MA_HSO>H15-1</MA_HSO>{LIST}</ROW_LIST></BODY></DATA>"));
    correction["isUpdating"] = json!("True");
    assert!(read("nhantbthuedvcqg", &correction).unwrap().is_update);
}

#[test]
fn a_province_may_name_the_services_that_are_dossiers() {
    let inbound = inbound(json!({ "inbound": { "dossier_services": ["NhanHoSo"] } }));
    assert!(read_by(&*inbound, "nhanhsdvcqg", &dossier()).is_ok());
    let mut other = dossier();
    other["service"] = json!("HuyHoSo");
    let Err(NotRead::Invalid(wrong)) = read_by(&*inbound, "nhanhsdvcqg", &other) else { panic!("it was read") };
    assert_eq!((wrong.fields()[0].pointer.as_str(), wrong.fields()[0].code), ("/service", "unknown_value"));
}

#[test]
fn names_that_differ_only_in_case_are_two_members() {
    let mut message = dossier();
    message["data"]["mahosoqg"] = json!("H15-1");
    message["data"]["tentepdangky"] = json!("khac.pdf");
    message["DATA"] = json!({ "GhiChu": "của cầu nối" });
    message["securitykey"] = json!("khóa");
    let incoming = read("nhanhsdvcqg", &message).unwrap();
    assert_eq!(incoming.national_code.as_str(), "000.00.00.G22-261121-0001", "the reference's own spelling is read");
    assert_eq!(incoming.details.expose()["mahosoqg"], "H15-1", "and the other one is passed on");
    assert_eq!(incoming.details.expose()["tentepdangky"], "khac.pdf");
    assert_eq!(incoming.envelope.expose()["DATA"], json!({ "GhiChu": "của cầu nối" }));
    assert!(!incoming.envelope.expose().contains_key("securitykey"), "a key is passed on in no spelling");
    // Written in another case alone, it is that member; an empty one is none.
    message["data"]["MaHoSoQG"] = json!("");
    assert_eq!(read("nhanhsdvcqg", &message).unwrap().national_code.as_str(), "H15-1");
    message["data"]["mahosoqg"] = json!(["H15-1"]);
    assert_eq!(wrong("nhanhsdvcqg", &message), ["/data/mahosoqg type"], "a place is spelt as it was written");
}

#[test]
fn what_another_service_is_called_makes_another_message() {
    let one_list = format!("<DATA><BODY><ROW_LIST><MA_HSO>H15-1</MA_HSO>{LIST}</ROW_LIST></BODY></DATA>");
    let payment = json!({ "MaThongBaoThue": "TB-1", "SoTien": 1 });
    for (end, message) in [
        ("nhanhsdvcqg", json!({ "service": "A", "data": { "MaHoSo": "KM-1" } })),
        ("nhantbthuedvcqg", notice(&one_list)),
        ("addtthcKhuyenMai", json!({ "service": "NhanTB", "data": { "MaHoSo": "KM-1" } })),
    ] {
        let mut other = message.clone();
        other["service"] = json!("Huy");
        let (one, other) = (read(end, &message).unwrap(), read(end, &other).unwrap());
        assert_ne!(one.reference, other.reference, "{end}");
    }
    let paid = json!({ "service": "NhanChungTuThueDat", "data": { "MaHoSo": "A", "ThongTinThanhToan": payment } });
    assert!(read("nhanhsdvcqg", &paid).unwrap().reference.contains(&"NhanChungTuThueDat".to_owned()));
}

#[test]
fn every_decision_of_a_notice_is_read_wherever_it_stands_and_all_are_of_one_dossier() {
    let of = |rows: &str| notice(&format!("<DATA><BODY><ROW_LIST>{rows}</ROW_LIST></BODY></DATA>"));
    let code = "<MA_HSO>H15-1</MA_HSO>";
    for (rows, decisions) in [
        (format!("<ROW>{code}{LIST}</ROW><ROW>{code}{LIST}</ROW>"), 2),
        (format!("<ROW>{code}<DS>{LIST}{LIST}</DS></ROW>{LIST}"), 3),
        (format!("<ROW><HS>{code}</HS>{LIST}</ROW>"), 1),
        (format!("<ROW>{code}{code}{LIST}</ROW>"), 1),
    ] {
        assert_eq!(read("nhantbthuedvcqg", &of(&rows)).unwrap().tax_decisions.len(), decisions, "{rows}");
    }
    let other = "<MA_HSO>H15-2</MA_HSO>";
    for (rows, word) in [
        (format!("<ROW>{code}{other}{LIST}</ROW>"), "several_dossiers"),
        (format!("<ROW>{code}{LIST}</ROW><ROW>{other}{LIST}</ROW>"), "several_dossiers"),
        (format!("{code}<ROW><HS>{other}</HS>{LIST}</ROW>"), "several_dossiers"),
        (format!("{code}{LIST}<ROW_LIST>{LIST}</ROW_LIST>"), "several_lists"),
        (format!("{code}{}", LIST.replace("</LIST>", "<SO_TIEN>1</SO_TIEN></LIST>")), "several_values"),
        (format!("<ROW>{LIST}</ROW>"), "required"),
        (format!("<ROW>{code}</ROW>"), "required"),
    ] {
        assert_eq!(wrong("nhantbthuedvcqg", &of(&rows)), [format!("/data/FileThongBaoThue {word}")], "{rows}");
    }
    let small = "<LIST><MA_SO_THUE>1</MA_SO_THUE><SO_QUYET_DINH>1</SO_QUYET_DINH><NGAY_QUYET_DINH>05-11-2026\
                 </NGAY_QUYET_DINH><TEN_TIEUMUC>a</TEN_TIEUMUC><SO_TIEN>1</SO_TIEN></LIST>";
    let more = json!({ "inbound": { "xml_bytes": 1_000_000, "xml_elements": 20_000 } });
    let read_many = |many: usize| {
        read_by(&*inbound(more.clone()), "nhantbthuedvcqg", &of(&format!("{code}{}", small.repeat(many))))
    };
    assert_eq!(read_many(1000).unwrap().tax_decisions.len(), 1000);
    assert!(matches!(read_many(1001), Err(NotRead::Invalid(wrong)) if wrong.fields()[0].code == "too_many"));
}

#[test]
fn a_notice_with_more_than_one_list_is_refused_and_not_half_read() {
    let list = format!("<ROW_LIST><MA_HSO>H15-1</MA_HSO>{LIST}</ROW_LIST>");
    for xml in [
        format!("<DATA><BODY>{list}{list}</BODY></DATA>"),
        format!("<DATA><BODY>{list}</BODY><BODY>{list}</BODY></DATA>"),
    ] {
        assert_eq!(wrong("nhantbthuedvcqg", &notice(&xml)), ["/data/FileThongBaoThue several_lists"]);
    }
}

#[test]
fn every_wrong_field_is_told_with_its_place() {
    let mut message = dossier();
    message["data"]["MaHoSoQG"] = json!("");
    message["data"]["NgayNopHoSo"] = json!("2026-11-21");
    message["data"]["URLTepDangKy"] = json!("javascript:alert(1)");
    assert_eq!(
        wrong("nhanhsdvcqg", &message),
        ["/data/URLTepDangKy link", "/data/MaHoSoQG required", "/data/NgayNopHoSo time"]
    );
    for message in [json!(null), json!([]), json!("x"), json!({}), json!({ "data": [] }), json!({ "data": {} })] {
        assert_eq!(wrong("nhanhsdvcqg", &message), ["/data required"]);
    }
    for message in [json!({ "data": [{}, {}] }), json!({ "data": "x" }), json!({ "data": 1 })] {
        assert_eq!(wrong("nhanhsdvcqg", &message), ["/data type"]);
    }
}

#[test]
fn without_the_key_that_was_agreed_upon_nothing_is_read() {
    let inbound = inbound(json!({ "inbound": { "security_key": "khóa chung" } }));
    let mut message = dossier();
    for key in [Value::Null, json!(""), json!("khóa"), json!("khóa chung hơn"), json!(["khóa chung"])] {
        message["SecurityKey"] = key;
        assert_eq!(read_by(&*inbound, "nhanhsdvcqg", &message), Err(NotRead::WrongKey));
    }
    message["SecurityKey"] = json!("khóa chung");
    assert!(read_by(&*inbound, "nhanhsdvcqg", &message).is_ok());
}

#[test]
fn answers_are_in_the_words_of_the_reference() {
    let inbound = inbound(json!({}));
    let incoming = read("nhanhsdvcqg", &dossier()).unwrap();
    let answer = |message: Option<&Incoming>, taken| -> Value {
        serde_json::from_slice(&inbound.answer(message, &taken)).unwrap()
    };
    let code = "000.00.00.G22-261121-0001";
    assert_eq!(
        answer(Some(&incoming), Taken::Now),
        json!({ "error_code": 0, "message": format!("{code}| Đã tiếp nhận") })
    );
    assert_eq!(answer(Some(&incoming), Taken::Before)["error_code"], 1);
    assert_eq!(answer(None, Taken::Refused("lý do".into())), json!({ "error_code": -1, "message": "| lý do" }));
}
