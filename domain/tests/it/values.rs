//! Texts, money and lists at their limits, what is said about wrong ones, and personal values that do not show.

use lienthong_domain::dossier::{Dossier, Owner, Step, Supplement};
use lienthong_domain::invalid::{InvalidFields, MOST_FIELDS_REPORTED, Refusal};
use lienthong_domain::list::List;
use lienthong_domain::money::Dong;
use lienthong_domain::personal::Personal;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::text::Text;
use proptest::prelude::*;
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

fn read<T: deserr::Deserr<InvalidFields>>(value: Value) -> Result<T, InvalidFields> {
    deserr::deserialize::<T, Value, InvalidFields>(value)
}

fn mistakes<T: deserr::Deserr<InvalidFields>>(value: Value) -> Vec<(String, &'static str)> {
    let wrong = read::<T>(value).err().expect("refused");
    wrong.fields().iter().map(|field| (field.pointer.clone(), field.code)).collect()
}

#[test]
fn a_limit_counts_characters_whatever_the_keyboard() {
    for letter in ["a", "ế", "Đ", "ữ", "漢", "😀"] {
        for form in [|text: String| text, |text: String| text.nfd().collect::<String>()] {
            let kept = Text::<1, 20>::parse(&form(letter.repeat(20)));
            assert_eq!(
                kept.ok().map(|text| text.as_str().to_owned()),
                Some(letter.repeat(20)),
                "{letter}: whole, in NFC"
            );
            let refusal = Text::<1, 20>::parse(&form(letter.repeat(21))).expect_err("one too many");
            assert_eq!(refusal.code, "too_long");
            assert!(refusal.message.vi.contains("21") && refusal.message.vi.contains("20"), "{}", refusal.message.vi);
        }
    }
    for blank in ["", " ", "\t\n", "\u{a0}\u{3000}"] {
        assert_eq!(Text::<1, 20>::parse(blank).map_err(|refusal| refusal.code), Err("too_short"), "{blank:?}");
        assert!(Text::<0, 20>::parse(blank).is_ok());
    }
    for control in ["a\u{0}", "\u{1b}[31m", "a\u{7f}", "\u{85}a", "a\u{fffe}"] {
        assert_eq!(
            Text::<1, 20>::parse(control).map_err(|refusal| refusal.code),
            Err("control_character"),
            "{control:?}"
        );
    }
    assert_eq!(
        Text::<1, 20>::parse("dòng 1\r\n\tdòng 2").expect("line breaks are text").as_str(),
        "dòng 1\r\n\tdòng 2"
    );
}

proptest! {
    #[test]
    fn a_text_is_read_or_refused_and_reading_it_again_changes_nothing(text in any::<String>()) {
        if let Ok(read) = Text::<1, 30>::parse(&text) {
            prop_assert_eq!(read.as_str(), text.nfc().collect::<String>());
            prop_assert!((1..=30).contains(&read.as_str().chars().count()));
            prop_assert_eq!(Text::<1, 30>::parse(&read.to_text()).ok(), Some(read));
        }
    }

    #[test]
    fn composed_and_decomposed_are_one_text(text in "[a-zđăâêôơưàáảãạếềểễệốồổỗộớờởỡợứừửữự ]{1,40}") {
        let decomposed: String = text.nfd().collect();
        prop_assert_eq!(Text::<1, 30>::parse(&text).ok(), Text::<1, 30>::parse(&decomposed).ok());
    }

    #[test]
    fn every_whole_amount_is_kept_exactly(amount in 0..=Dong::MOST) {
        prop_assert_eq!(read::<Dong>(json!(amount)).expect("whole").amount(), amount);
        prop_assert_eq!(read::<Dong>(json!(amount as f64)).expect("JSON has one kind of number").amount(), amount);
        prop_assert_eq!(serde_json::to_value(Dong::new(amount).expect("whole")).expect("JSON"), json!(amount));
    }

    #[test]
    fn no_other_number_becomes_an_amount(number in prop_oneof![any::<f64>(), -1e16..1e16]) {
        let is_amount = number.fract() == 0.0 && (0.0..=Dong::MOST as f64).contains(&number);
        prop_assert_eq!(read::<Dong>(json!(number)).ok().map(|dong| dong.amount() as f64), is_amount.then_some(number));
    }
}

#[test]
fn amounts_are_whole_and_neither_negative_nor_beyond_reason() {
    for (value, amount) in
        [(json!(0), 0), (json!(158_608.0), 158_608), (json!(-0.0), 0), (json!(1e15), Dong::MOST), (json!(2e3), 2000)]
    {
        assert_eq!(read::<Dong>(value.clone()).map(Dong::amount).ok(), Some(amount), "{value}");
    }
    for value in [
        json!(1.5),
        json!(-1),
        json!(-158_608.0),
        json!(1e300),
        json!(-1e300),
        json!(Dong::MOST + 1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.1),
    ] {
        assert_eq!(mistakes::<Dong>(value.clone()), [(String::new(), "amount")], "{value}");
    }
    for value in [json!("150000"), json!("150.000"), json!(null), json!(true), json!([1]), json!({})] {
        assert_eq!(mistakes::<Dong>(value.clone()), [(String::new(), "type")], "{value}");
    }
}

#[test]
fn a_list_takes_its_limit_and_not_one_more() {
    let items = |count: usize| Value::Array(vec![json!("x"); count]);
    assert_eq!(read::<List<Text<1, 5>, 3>>(items(3)).expect("three").len(), 3);
    assert!(read::<List<Text<1, 5>, 3>>(items(0)).expect("none").is_empty());
    assert_eq!(mistakes::<List<Text<1, 5>, 3>>(items(4)), [(String::new(), "too_many")]);
    // An endless list of mistakes is not even looked at.
    assert_eq!(mistakes::<List<Text<1, 5>, 3>>(Value::Array(vec![json!(7); 10_000])), [(String::new(), "too_many")]);
    assert_eq!(
        mistakes::<List<Text<1, 5>, 3>>(json!(["", "x", 7])),
        [("/0".into(), "too_short"), ("/2".into(), "type")]
    );
    assert_eq!(mistakes::<List<Text<1, 5>, 3>>(json!("x")), [(String::new(), "type")]);
}

#[test]
fn at_most_five_hundred_wrong_fields_are_told_and_the_rest_counted() {
    let refusal = || Refusal::new("x", "sai", "wrong");
    let many = |count: usize| {
        let mut all = InvalidFields::default();
        (0..count).for_each(|n| all.push(format!("/{n}"), refusal()));
        all
    };
    assert_eq!((many(500).fields().len(), many(500).omitted()), (MOST_FIELDS_REPORTED, 0));
    assert_eq!((many(501).fields().len(), many(501).omitted()), (MOST_FIELDS_REPORTED, 1));
    // However they are put together, none is lost from the count and the first are told first.
    let mut joined = many(300);
    joined.append(many(700));
    assert_eq!((joined.fields().len(), joined.omitted()), (500, 500));
    assert_eq!(joined.fields()[299].pointer, "/299");
    assert_eq!(joined.fields()[300].pointer, "/0");
    assert!(joined.to_string().ends_with("; and 500 more"));
    let read_in_full = read::<Vec<Text<1, 5>>>(Value::Array(vec![json!(""); 777])).expect_err("all wrong");
    assert_eq!((read_in_full.fields().len(), read_in_full.omitted()), (500, 277));
    let shortened = many(600).shortened(20);
    assert_eq!((shortened.fields().len(), shortened.omitted()), (20, 580));
    assert_eq!((many(3).shortened(20).fields().len(), many(3).shortened(20).omitted()), (3, 0));
    assert!(InvalidFields::default().into_result(()).is_ok() && many(1).into_result(()).is_err());
}

#[test]
fn a_pointer_is_escaped_and_an_unknown_name_is_cut() {
    let wrong = json!({ "status": "x", "a/b~c": 1, "n".repeat(300): 2 });
    let mut places = mistakes::<lienthong_domain::dossier::LocalStatus>(wrong);
    places.sort();
    assert_eq!(places, [("/a~1b~0c".into(), "unknown_member"), (format!("/{}", "n".repeat(64)), "unknown_member")]);
}

const SECRET: &str = "Lò Thị Kín Đáo";

#[test]
fn a_personal_value_never_shows_itself() {
    let personal = Personal::new(SECRET.to_owned());
    assert_eq!((format!("{personal}"), format!("{personal:?}")), ("[personal]".into(), "[personal]".into()));
    assert_eq!(format!("{personal:#?} {:?}", Some(&personal)), "[personal] Some([personal])");
    assert_eq!(personal.expose(), SECRET, "whoever asks for it by name gets it");
    assert_eq!(serde_json::to_value(&personal).expect("JSON"), json!(SECRET));
}

#[test]
fn printing_a_dossier_or_a_step_prints_nobody() {
    let personal = json!({
        "kind": "citizen", "name": SECRET, "taxCode": "0301234567", "portalAccountId": "tech-4711-id", "phone": "0912345678",
        "email": "kin.dao@example.vn", "fax": "02838123456",
        "identityDocuments": [{ "kind": "personal_number", "number": "001099012345" }]
    });
    let supplement = json!({
        "id": "1", "requestedBy": SECRET, "content": "bổ sung", "requestedAt": "2026-11-20T08:00:00Z", "receivedBy": SECRET
    });
    let dossier = json!({
        "code": "H15-261121-0001", "procedureCode": "1.001612", "channel": "direct", "owner": personal, "summary": "Đăng ký",
        "submittedAt": "2026-11-20T08:00:00Z", "receivedAt": "2026-11-20T08:00:00Z", "state": "received",
        "returnMethod": "counter", "handlingUnit": "Bộ phận một cửa", "submittedThrough": "local_system",
        "hasDigitisedComponents": false, "isVerifiedByVneid": false, "onlinePayment": "none", "supplements": [supplement]
    });
    let step =
        json!({ "handledBy": SECRET, "handledAt": "2026-11-20T08:00:00Z", "content": "nhận", "state": "received" });
    let printed = [
        format!("{:?}", read::<Owner>(personal).expect("an owner")),
        format!("{:?}", read::<Supplement>(supplement).expect("a supplement")),
        format!("{:#?}", read::<Dossier>(dossier).expect("a dossier")),
        format!("{:?}", read::<Step>(step).expect("a step")),
    ];
    for text in printed {
        assert!(text.contains("[personal]"), "{text}");
        for value in [SECRET, "0301234567", "tech-4711-id", "0912345678", "kin.dao", "02838123456", "001099012345"] {
            assert!(!text.contains(value), "{value} shows in {text}");
        }
    }
}

#[test]
fn a_refusal_never_repeats_the_refused_value() {
    let wrong = json!({
        "kind": SECRET, "name": format!("{SECRET}\u{0}"), "taxCode": "MST-4711", "phone": ["0912345678"], "email": "k".repeat(256),
        "identityDocuments": [{ "kind": "personal_number", "number": "00109901234" }, { "kind": "old_number", "number": "001099012345" }]
    });
    let wrong = read::<Owner>(wrong).expect_err("all wrong");
    assert_eq!(wrong.fields().len(), 7, "{wrong}");
    let said = format!("{wrong} {wrong:?}");
    for value in [SECRET, "MST-4711", "0912345678", "kkkk", "00109901234"] {
        assert!(!said.contains(value), "{value} is repeated: {said}");
    }
}
