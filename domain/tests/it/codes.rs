//! Codes as they are written in the field: what is read, what is refused, and what two ways of writing have in common.

use std::path::Path;

use lienthong_domain::catalogue::{AgencyCode, ProcedureCode};
use lienthong_domain::dossier::{DossierCode, IdentityNumber, TaxCode};
use lienthong_domain::link::FileLink;
use lienthong_domain::scalar::Scalar;
use proptest::prelude::*;

fn agency(text: &str) -> AgencyCode {
    AgencyCode::parse(text).unwrap_or_else(|refusal| panic!("{text}: {}", refusal.message.en))
}

fn procedure(text: &str) -> ProcedureCode {
    ProcedureCode::parse(text).unwrap_or_else(|refusal| panic!("{text}: {}", refusal.message.en))
}

#[test]
fn dossier_codes_of_every_product_seen_are_read() {
    for (text, receiver) in [
        ("H15.50.05.13-261008-0975", "H15.50.05.13"),
        ("000.00.00.H26-231014-0001", "H26"),
        ("G09.20-20260609-0092637", "G09.20"),
        ("H15-260229-0001", ""),
        ("H15-280229-123456", "H15"),
        ("000.05.50.H15-261121-0001", "H15.50.05"),
        ("H56.1AB.XY-991231-0000", "H56.1AB.XY"),
    ] {
        match DossierCode::parse(text) {
            Ok(code) => {
                assert_eq!(code.agency().normalised(), receiver, "{text}");
                assert_eq!((code.as_str(), code.to_text().as_str()), (text, text));
            }
            // 2026 is no leap year.
            Err(refusal) => assert_eq!((text, refusal.code), ("H15-260229-0001", "dossier_code")),
        }
    }
}

#[test]
fn what_only_resembles_a_dossier_code_is_refused() {
    for text in [
        "",
        "-",
        "--",
        "H15",
        "H15-261121",
        "H15-261121-",
        "H15-261121-001",
        "H15-261121-00000001",
        "H15-261121-00a1",
        "H15-261321-0001",
        "H15-260431-0001",
        "H15-260010-0001",
        "H15-26112-0001",
        "H15-2611210-0001",
        "H15-18991231-0001",
        "H15-30000101-0001",
        "h15-261121-0001",
        "H1-261121-0001",
        "H15.-261121-0001",
        "H15.5-261121-0001",
        "H15 -261121-0001",
        "H15-261121-0001 ",
        "H15-261121-0001-1",
        "H15-261121-٠٠٠١",
        "H15−261121−0001",
        "1.001193-261121-0001",
    ] {
        assert_eq!(DossierCode::parse(text).map_err(|refusal| refusal.code), Err("dossier_code"), "{text}");
    }
}

#[test]
fn both_schemes_of_agency_ids_name_the_same_agency() {
    for (qcvn_102, decision_20) in [
        ("000.00.00.H15", "H15"),
        ("000.00.50.H15", "H15.50"),
        ("000.05.50.H15", "H15.50.05"),
        ("013.05.50.H15", "H15.50.05.013"),
        ("000.00.00.G22", "G22"),
    ] {
        let (one, other) = (agency(qcvn_102), agency(decision_20));
        assert_eq!(one, other);
        assert_eq!((one.normalised(), other.normalised()), (decision_20.to_owned(), decision_20.to_owned()));
        assert_eq!((one.original(), other.original()), (qcvn_102, decision_20), "the wire gets what was received");
        let mut set = std::collections::HashSet::from([one]);
        assert!(!set.insert(other), "equal agencies are found by each other");
    }
    // Zeros between levels are a level, not the end.
    assert_eq!(agency("001.00.05.H15").normalised(), "H15.05.00.001");
    for (one, other) in
        [("H15.50", "H15.05"), ("H15", "H16"), ("H15.50", "H15.50.05"), ("000.00.01.H22", "000.01.00.H22")]
    {
        assert_ne!(agency(one), agency(other));
    }
    assert_eq!((agency("000.00.04.G18").level_one(), agency("G18.04").level_one()), ("G18", "G18"));
}

#[test]
fn what_only_resembles_an_agency_id_is_refused() {
    for text in [
        "",
        "H",
        "H1",
        "H156",
        "15H",
        "h15",
        "H15.",
        ".H15",
        "H15..50",
        "H15.5",
        "H15.5000",
        "H15.5 ",
        "H15.đ1",
        "000.00.00",
        "000.00.00.h15",
        "00.00.00.H15",
        "000.000.00.H15",
        "H15.50.05.13.14.15.16.17.18.19.20.21",
        "Ｈ15",
    ] {
        assert_eq!(AgencyCode::parse(text).map_err(|refusal| refusal.code), Err("agency_code"), "{text}");
    }
}

#[test]
fn the_forms_of_a_procedure_code_have_one_national_code() {
    for (text, national) in [
        ("1.011733", Some("1.011733")),
        ("2.002621.H56", Some("2.002621")),
        ("1.000656.000.00.00.H56", Some("1.000656")),
        ("3.000181.000.00.00.H22", Some("3.000181")),
        ("TS_lop1.000.00.00.H22", None),
        ("QT-01", None),
        ("12.345", None),
    ] {
        assert_eq!((procedure(text).national(), procedure(text).original()), (national, text));
    }
    for text in [
        "",
        "1",
        "1.",
        "1.01173",
        "1.0117333",
        "1.011733.",
        "1.011733.H5",
        "1.011733.h56",
        "1.011733.00.00.00.H56",
        "1.011733.000.00.00.H56.01",
        "1.O11733",
        "-1.011733",
        "1 011733",
        "thủ-tục",
        "1.011733\n",
        "A123456789012345678901234567890123456789012345678901234567890",
    ] {
        assert_eq!(ProcedureCode::parse(text).map_err(|refusal| refusal.code), Err("procedure_code"), "{text}");
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "a check that could not be made says so")]
fn every_procedure_code_of_the_national_catalogue_is_read() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/procedures.jsonl");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("NOT CHECKED: {} is not here; the codes written in the tests were", file.display());
        return;
    };
    let mut count = 0;
    for line in text.lines().filter(|line| !line.is_empty()) {
        let row: serde_json::Value = serde_json::from_str(line).expect("a row is JSON");
        let code = row["code"].as_str().expect("a row has a code");
        assert_eq!(procedure(code).national(), Some(code));
        // With an owner it is the same procedure.
        for owned in [format!("{code}.H15"), format!("{code}.000.00.00.H15")] {
            assert_eq!(procedure(&owned).national(), Some(code), "{owned}");
        }
        count += 1;
    }
    assert!(count > 1000, "the catalogue has only {count} rows");
}

#[test]
fn identity_numbers_are_people_s_and_not_fillers() {
    for text in ["001099012345", "079203000001", "012345679", "024681357"] {
        assert_eq!(IdentityNumber::parse(text).map(|number| number.to_text()).ok().as_deref(), Some(text));
    }
    for text in [
        "000000000000",
        "000000000",
        "111111111111",
        "999999999",
        "123456789",
        "012345678",
        "123456789012",
        "000000000007",
    ] {
        assert_eq!(IdentityNumber::parse(text).map_err(|refusal| refusal.code), Err("placeholder"), "{text}");
    }
    for text in ["", "1", "1234567890", "00109901234x", "001099 12345", "٠٠١٠٩٩٠١٢٣٤٥", "0010990123456"] {
        assert_eq!(IdentityNumber::parse(text).map_err(|refusal| refusal.code), Err("identity_number"), "{text}");
    }
    // A spreadsheet took the zero in front away: the sender is told what may have happened.
    for text in ["01099012345", "12345678"] {
        let refusal = IdentityNumber::parse(text).expect_err("too short");
        assert!(
            refusal.message.vi.contains("số 0 ở đầu") && refusal.message.en.contains("leading zero"),
            "{refusal:?}"
        );
    }
}

#[test]
fn tax_codes_have_ten_twelve_or_thirteen_digits() {
    for text in ["0301234567", "0301234567001", "0301234567-001", "001099012345"] {
        assert!(TaxCode::parse(text).is_ok(), "{text}");
    }
    for text in [
        "",
        "030123456",
        "03012345678",
        "030123456-7001",
        "0301234567 001",
        "03O1234567",
        "0301234567-00l",
        "-301234567",
    ] {
        assert_eq!(TaxCode::parse(text).map_err(|refusal| refusal.code), Err("tax_code"), "{text}");
    }
}

#[test]
fn links_are_whole_addresses_without_a_user() {
    for text in ["https://files.example.gov.vn/a.pdf", "http://10.0.0.5:8080/tệp?x=1", "https://a"] {
        assert!(FileLink::parse(text).is_ok(), "{text}");
    }
    let long = format!("https://a/{}", "x".repeat(1990));
    assert!(FileLink::parse(&long).is_ok() && FileLink::parse(&format!("{long}x")).is_err());
    for text in [
        "",
        "files/a.pdf",
        "//a/b",
        "ftp://a/b",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///a",
        "https://user:secret@host/a",
        "https://a/b#c",
        "https://a/b c",
        "https://a/\u{7}",
        "HTTPS://a",
        "https://:80/",
    ] {
        assert_eq!(FileLink::parse(text).map_err(|refusal| refusal.code), Err("link"), "{text}");
    }
}

/// Reading never panics, and what was read is written as it was.
fn reads_and_writes<T: Scalar>(text: &str) -> Result<(), TestCaseError> {
    if let Ok(value) = T::parse(text) {
        prop_assert_eq!(value.to_text(), text);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_kept_as_it_was(text in prop_oneof![
        any::<String>(),
        // Near enough to codes to get past the first checks.
        "[0-9A-Z.đ-]{0,60}",
        "[A-Z][0-9]{2}(\\.[0-9A-Zé]{2,3}){0,8}-[0-9]{6,8}-[0-9]{3,8}",
        "[0-9]\\.[0-9]{5,7}(\\.[0-9A-Zé.]{0,14})?",
        "[0-9]{3}\\.[0-9]{2}\\.[0-9]{2}\\.[A-Z][0-9]{2}",
        "[0-9٠-٩-]{8,15}",
        "https?://[a-zé:@/#?]{0,30}",
    ]) {
        reads_and_writes::<DossierCode>(&text)?;
        reads_and_writes::<AgencyCode>(&text)?;
        reads_and_writes::<ProcedureCode>(&text)?;
        reads_and_writes::<IdentityNumber>(&text)?;
        reads_and_writes::<TaxCode>(&text)?;
        reads_and_writes::<FileLink>(&text)?;
    }

    #[test]
    fn every_code_of_the_described_form_is_read(
        agency in "[A-Z][0-9]{2}(\\.[0-9A-Z]{2,3}){0,7}",
        day in 0..36_500_i64,
        long_year in any::<bool>(),
        sequence in "[0-9]{4,7}",
    ) {
        let date = jiff::civil::date(2000, 1, 1).checked_add(jiff::Span::new().days(day)).expect("a date");
        let date = date.strftime(if long_year { "%Y%m%d" } else { "%y%m%d" });
        let text = format!("{agency}-{date}-{sequence}");
        let code = DossierCode::parse(&text).map_err(|refusal| TestCaseError::fail(refusal.message.en))?;
        prop_assert_eq!(code.agency().normalised(), agency);
        prop_assert!(text.len() <= DossierCode::SCHEMA.max_length);
    }

    #[test]
    fn normalising_an_agency_id_keeps_the_agency_and_is_done_once(
        text in "([0-9]{3}\\.[0-9]{2}\\.[0-9]{2}\\.[A-Z][0-9]{2})|([A-Z][0-9]{2}(\\.[0-9A-Z]{2,3}){0,7})"
    ) {
        let code = agency(&text);
        let normal = agency(&code.normalised());
        prop_assert_eq!(normal.normalised(), code.normalised());
        prop_assert_eq!(&normal, &code);
    }
}
