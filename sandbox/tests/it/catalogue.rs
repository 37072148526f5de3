//! The catalogue and the dictionaries: the shape of each reply, field names in upper case.

use lienthong_sandbox::{ExtraProcedure, Settings};
use serde_json::{Value, json};

use crate::caller::{INTEGRATION, SHARE, open, open_default};

const DETAIL_KEYS: &str = "ID MATTHC TENTTHC MACOQUANCONGBO LOAITTHC MOTADOITUONGTHUCHIEN DIACHITIEPNHAN QUYETDINH \
    YEUCAU TUKHOA IDQUYETDINHCONGBO TRANGTHAI MOTACOQUANTHUCHIEN MOTACOQUANTHAMQUYEN MOTA TRINHTUTHUCHIEN CAPTHUCHIEN \
    LINHVUCTHUCHIEN CACHTHUCTHUCHIEN DOITUONGTHUCHIEN THANHPHANHOSO KETQUATHUCHIEN CANCUPHAPLY TTHCLIENQUAN \
    TTHCLIENTHONG COQUANTHUCHIEN COQUANCOTHAMQUYEN COQUANDUOCUYQUYEN COQUANPHOIHOP";

#[tokio::test]
async fn the_list_of_procedures_has_code_and_name_of_all_also_added_ones() {
    let mut settings = Settings::default();
    settings.portal.extra_procedures.push(ExtraProcedure {
        code: "1.999999".into(),
        name: "Thủ tục thử".into(),
        field_code: "G03-GD10".into(),
        field_name: "Giáo dục".into(),
    });
    let (_sandbox, caller) = open(settings).await;
    let reply = caller.ask(SHARE, "LayDanhSachTTHC", json!({})).await;
    let rows = reply["result"].as_array().unwrap();
    for code in ["1.013225", "1.001612", "1.001193", "1.004222", "3.000722", "2.002913", "2.002621", "1.999999"] {
        let row = rows.iter().find(|row| row["MATTHC"] == code).unwrap_or_else(|| panic!("{code} is missing"));
        assert!(!row["TENTTHC"].as_str().unwrap().is_empty());
        assert_eq!(row.as_object().unwrap().len(), 2);
    }
    assert_eq!(rows.len(), 8);
    let fields = caller.ask(SHARE, "LayDanhMucLinhVuc", json!({})).await;
    let added = json!({ "MALINHVUC": "G03-GD10", "TENLINHVUC": "Giáo dục", "MANGANH": "G03" });
    assert!(fields["result"].as_array().unwrap().contains(&added));
}

#[tokio::test]
async fn a_procedure_has_every_key_of_the_reference_and_all_scalars_are_strings() {
    let (_sandbox, caller) = open_default().await;
    let reply = caller.ask(INTEGRATION, "LayThuTuc", json!({ "maTTHC": "1.013225" })).await;
    let detail = reply["result"][0].as_object().unwrap();
    let mut expected: Vec<&str> = DETAIL_KEYS.split_whitespace().collect();
    let mut keys: Vec<&str> = detail.keys().map(String::as_str).collect();
    expected.sort_unstable();
    keys.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(detail["TRANGTHAI"], "1");
    assert_eq!(detail["LINHVUCTHUCHIEN"][0]["MALINHVUC"], "G17-XD05");
    assert!(detail["CACHTHUCTHUCHIEN"][1]["THOIGIAN"][0]["PHILEPHI"][0]["SOTIEN"].is_string());
    assert_only_strings(&reply["result"]);
}

fn assert_only_strings(value: &Value) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            assert_eq!(*name, name.to_uppercase());
            assert_only_strings(value);
        }),
        Value::Array(items) => items.iter().for_each(assert_only_strings),
        scalar => assert!(scalar.is_string(), "{scalar}"),
    }
}

#[tokio::test]
async fn a_withdrawn_procedure_is_still_told_and_an_unknown_one_is_not() {
    let (_sandbox, caller) = open_default().await;
    let withdrawn = caller.ask(INTEGRATION, "LayThuTuc", json!({ "maTTHC": "2.002621" })).await;
    assert_eq!(withdrawn["result"][0]["TRANGTHAI"], "0");
    let unknown = caller.ask(INTEGRATION, "LayThuTuc", json!({ "maTTHC": "9.999999" })).await;
    assert_eq!(unknown["error_code"], "0");
    assert_eq!(unknown["result"], json!([]));
}

#[tokio::test]
async fn agencies_and_dictionaries_are_lists_of_codes_and_names() {
    let (_sandbox, caller) = open_default().await;
    let agencies = caller.ask(SHARE, "LayDanhMucCoQuan", json!({})).await;
    for agency in agencies["result"].as_array().unwrap() {
        for key in ["MADONVI", "TENDONVI", "CAPDONVI"] {
            assert!(agency[key].is_string());
        }
    }
    for service in ["LayDanhMucGioiTinh", "LayDanhMucDoiTuong", "LayDanhMucCapThucHien", "LayDanhMucDanToc"] {
        let reply = caller.ask(SHARE, service, json!({})).await;
        assert!(!reply["result"].as_array().unwrap().is_empty(), "{service}");
    }
}

#[tokio::test]
async fn a_number_has_one_technical_id_for_ever_unless_the_portal_does_not_know_it() {
    let (_sandbox, caller) = open_default().await;
    let ask = async |number: &str| {
        let more = json!({ "provider": "wso2is", "mstorcmnd": number });
        caller.ask(SHARE, "TraCuuTechID", more).await["result"].clone()
    };
    let first = ask("012345678901").await;
    assert!(first[0]["TECHNICALID"].is_string());
    assert_eq!(ask("012345678901").await, first);
    assert_ne!(ask("012345678902").await, first);
    for unknown in ["012345670000", "12345", "01234567890a"] {
        assert_eq!(ask(unknown).await, json!([]), "{unknown}");
    }
}
