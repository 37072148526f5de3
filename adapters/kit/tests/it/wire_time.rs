//! Wire times are Vietnamese wall clock readings on a 24-hour clock, both ways (NP-09).

use lienthong_adapter_kit::wire_time::WireTime;
use lienthong_domain::invalid::InvalidFields;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use proptest::prelude::*;
use serde_json::json;

fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[test]
fn hours_run_from_00_to_23() {
    let cases = [
        ("2026-11-20T17:05:09Z", "20261121000509"),
        ("2026-11-21T00:30:00+07:00", "20261121003000"),
        ("2026-11-21T12:00:00+07:00", "20261121120000"),
        ("2026-11-21T12:59:59+07:00", "20261121125959"),
        ("2026-11-21T15:30:00+07:00", "20261121153000"),
        ("2026-12-31T23:59:59+07:00", "20261231235959"),
        ("2024-02-28T17:00:00Z", "20240229000000"),
    ];
    for (rfc3339, wire) in cases {
        assert_eq!(WireTime::Compact.write(instant(rfc3339)), wire);
        assert_eq!(WireTime::Compact.read(wire), Ok(instant(rfc3339)));
    }
}

#[test]
fn other_forms_are_chosen_by_name() {
    let afternoon = instant("2026-11-21T15:30:00+07:00");
    for (name, text) in [("dd/MM/yyyy HH:mm:ss", "21/11/2026 15:30:00"), ("yyyy-MM-dd HH:mm:ss", "2026-11-21 15:30:00")]
    {
        let form: WireTime = deserr::deserialize::<_, _, InvalidFields>(json!(name)).unwrap();
        assert_eq!(form.write(afternoon), text);
        assert_eq!(form.read(text), Ok(afternoon));
    }
    assert!(deserr::deserialize::<WireTime, _, InvalidFields>(json!("hh:mm")).is_err());
}

#[test]
fn what_is_not_the_form_or_does_not_exist_is_refused() {
    let wrong = [
        "",
        "2026112115300",
        "202611211530000",
        "20261121 53000",
        "20261121153060",
        "20261121240000",
        "20260229120000",
        "20261321120000",
        "+2261121120000",
        "2026112112000٣",
        "0000000000000",
        "18991231235959",
    ];
    for text in wrong {
        assert!(WireTime::Compact.read(text).is_err(), "{text}");
    }
    assert!(WireTime::DayFirst.read("21-11-2026 15:30:00").is_err());
}

proptest! {
    #[test]
    fn every_whole_second_survives_the_wire(seconds in -2_208_988_800_i64..=32_503_679_999) {
        let before = Timestamp::from_micros(seconds * 1_000_000);
        // Near the end of the range the wall clock is already in the year 3000: +07:00 is read back all the same.
        for form in WireTime::ALL {
            prop_assert_eq!(form.read(&form.write(before)), Ok(before));
        }
    }

    #[test]
    fn reading_never_panics(text in "\\PC{0,24}") {
        for form in WireTime::ALL {
            let _ = form.read(&text);
        }
    }
}
