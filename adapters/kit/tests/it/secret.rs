//! A secret is readable as a setting and shows itself nowhere.

use lienthong_adapter_kit::Secret;
use lienthong_domain::invalid::InvalidFields;
use serde_json::json;

#[test]
fn a_secret_is_read_and_does_not_show_itself() {
    let secret: Secret = deserr::deserialize::<_, _, InvalidFields>(json!("mật khẩu")).unwrap();
    assert_eq!(secret.expose(), "mật khẩu");
    assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "[secret] Some([secret])");
    assert!(Secret::new("").is_empty());
}

#[test]
fn a_secret_of_another_type_is_refused_without_its_value() {
    let wrong = deserr::deserialize::<Secret, _, InvalidFields>(json!(271_828)).unwrap_err();
    assert!(!format!("{wrong:?}").contains("271828"));
}
