//! Searching the catalogue as people type: with or without diacritics, with the tone mark here or there, half a word, a code.

use std::path::Path;

use lienthong_domain::catalogue::search::{Index, Query, Searchable, words};
use lienthong_domain::scalar::Scalar;
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

/// Code, name, what it is found by beside them.
const PROCEDURES: &[(&str, &str, &str)] = &[
    ("1.001193", "Thủ tục đăng ký khai sinh", "Hộ tịch"),
    ("1.004873", "Thủ tục đăng ký lại khai sinh", "Hộ tịch"),
    ("2.000528", "Đăng ký khai sinh", "Hộ tịch"),
    ("1.000656", "Thủ tục đăng ký khai tử", "Hộ tịch"),
    ("1.004222", "Đăng ký thường trú", "Đăng ký, quản lý cư trú"),
    ("1.001612", "Đăng ký thành lập hộ kinh doanh", "Thành lập và hoạt động doanh nghiệp (hộ kinh doanh)"),
    (
        "1.013225",
        "Cấp giấy phép xây dựng mới đối với công trình cấp III, cấp IV và nhà ở riêng lẻ",
        "Hoạt động xây dựng",
    ),
    ("1.013226", "Điều chỉnh giấy phép xây dựng", "Hoạt động xây dựng"),
    ("1.005092", "Cấp lại giấy chứng nhận hòa giải viên", "Hòa giải"),
    ("1.009111", "Công nhận hoa hậu", "Nghệ thuật biểu diễn"),
    ("TS_lop1.000.00.00.H22", "Tuyển sinh lớp 1", "Giáo dục"),
    ("1.000001", "Cấp phép khai thác khoáng sản “đá vôi” – mỏ nhỏ", "Địa chất"),
];

fn index(procedures: &[(&'static str, &'static str, &'static str)]) -> Index<usize> {
    Index::new(procedures.iter().enumerate().map(|(key, (code, name, other))| Searchable {
        key,
        code,
        name,
        others: vec![other],
    }))
}

fn found(query: &str) -> Vec<&'static str> {
    let keys = index(PROCEDURES).search(&Query::parse(query).unwrap(), |_| true);
    keys.into_iter().map(|key| PROCEDURES[key].0).collect()
}

#[test]
fn the_best_comes_first() {
    for (query, expected) in [
        // The name itself, then names that begin with it, that hold it as a whole, that hold its words.
        ("đăng ký khai sinh", &["1.001193", "2.000528", "1.004873"][..]),
        ("dang ky khai sinh", &["1.001193", "2.000528", "1.004873"]),
        ("DANG KY KHAI SINH", &["1.001193", "2.000528", "1.004873"]),
        ("khai sinh đăng ký", &["1.001193", "2.000528", "1.004873"]),
        // Some names begin with “Thủ tục” and others do not: nobody need know which.
        ("thủ tục đăng ký khai sinh", &["1.001193", "2.000528", "1.004873"]),
        ("thủ tục đăng ký thường trú", &["1.004222"]),
        ("thủ tục đăng ký", &["1.000656", "1.001193", "1.004222", "2.000528", "1.004873", "1.001612"]),
        ("thủ tục", &["1.000656", "1.001193", "1.004873"]),
        // Half a word.
        ("đăng ký kh", &["1.000656", "1.001193", "2.000528", "1.004873"]),
        ("giay phep xay d", &["1.013226", "1.013225"]),
        // A code, whole or in part.
        ("1.013225", &["1.013225"]),
        ("1.013225.H15", &["1.013225"]),
        ("1.013225.000.00.00.H15", &["1.013225"]),
        ("1.0132", &["1.013225", "1.013226"]),
        ("ts_lop1.000.00.00.h22", &["TS_lop1.000.00.00.H22"]),
        // Its field.
        ("hộ tịch", &["1.000656", "1.001193", "2.000528", "1.004873"]),
        ("xây dựng nhà ở riêng lẻ", &["1.013225"]),
        // With diacritics, what has the same ones goes first; without any, the shorter name.
        // What only begins with it comes last.
        ("hòa", &["1.005092", "1.009111", "1.013226", "1.001612", "1.013225"]),
        ("hoà", &["1.005092", "1.009111", "1.013226", "1.001612", "1.013225"]),
        ("hoa", &["1.009111", "1.005092", "1.013226", "1.001612", "1.013225"]),
        // A letter without its mark is another letter, a word without its tone another word.
        ("hoá", &["1.009111", "1.005092", "1.013226", "1.001612", "1.013225"]),
        ("đá vôi", &["1.000001"]),
        ("da voi mo", &["1.000001"]),
        ("tàu vũ trụ", &[]),
        ("khai sinh tàu", &[]),
    ] {
        assert_eq!(found(query), expected, "{query}");
    }
}

#[test]
fn a_filter_leaves_out_what_it_does_not_want() {
    let keys = index(PROCEDURES).search(&Query::parse("đăng ký").unwrap(), |key| key != 0 && key != 2);
    assert_eq!(keys.iter().map(|key| PROCEDURES[*key].0).collect::<Vec<_>>()[..2], ["1.000656", "1.004222"]);
}

#[test]
fn words_are_the_same_however_they_were_typed() {
    for (one, other) in [
        ("hòa", "hoà"),
        ("hóa", "hoá"),
        ("hỏa", "hoả"),
        ("khỏe", "khoẻ"),
        ("lòe", "loè"),
        ("thúy", "thuý"),
        ("ủy", "uỷ"),
        ("hủy", "huỷ"),
        ("lũy", "luỹ"),
        ("tọa", "toạ"),
        ("HÒA", "hoà"),
        ("Đường", "đường"),
        ("đường", "đươ\u{300}ng"),
        ("Tiếng", "TIẾNG"),
        ("ậ", "a\u{302}\u{323}"),
        ("ậ", "a\u{323}\u{302}"),
        ("ệ", "ê\u{323}"),
        ("ữ", "u\u{31B}\u{303}"),
        ("thủ\u{a0}tục", "thủ tục"),
        ("thủ\u{200b}tục", "thủtục"),
        ("thủ–tục", "thủ tục"),
        ("(thủ tục)", "thủ tục"),
        ("“thủ” tục", "thủ tục"),
        ("thủ/tục", "thủ tục"),
        ("thủ tục.", "thủ tục"),
        ("thủ-tục;", "thủ tục"),
    ] {
        assert_eq!(words(one).collect::<Vec<_>>(), words(other).collect::<Vec<_>>(), "{one} {other}");
    }
    for (one, other) in [
        ("có", "cố"),
        ("thú", "thứ"),
        ("hòa", "hoa"),
        ("hòa", "hóa"),
        ("đa", "da"),
        ("ba", "bă"),
        ("tư", "tu"),
        ("cô", "cơ"),
    ] {
        assert_ne!(words(one).next(), words(other).next(), "{one} {other}");
    }
    for (word, folded) in [
        ("Đường", "duong"),
        ("ƯỚC", "uoc"),
        ("Ỷ", "y"),
        ("Ẵ", "a"),
        ("quỹ", "quy"),
        ("ĐĐ", "dd"),
        ("KQ.G07.000122", "kq"),
        ("G07.000122", "g07.000122"),
        ("1.013225.H56", "1.013225"),
        ("III", "iii"),
        ("Ñ", "n"),
    ] {
        assert_eq!(words(word).next().unwrap().folded, folded, "{word}");
    }
}

#[test]
fn a_query_that_says_nothing_or_too_much_is_refused() {
    for (query, code) in [
        (String::new(), "too_short"),
        (" .,;–“” ".to_owned(), "too_short"),
        ("\u{301}".to_owned(), "too_short"),
        ("a ".repeat(65), "too_long"),
        ("a".repeat(201), "too_long"),
    ] {
        assert_eq!(Query::parse(&query).unwrap_err().code, code, "{query:?}");
    }
    let decomposed: String = "ấ".repeat(200).nfd().collect();
    assert!(Query::parse(&"a ".repeat(64)).is_ok() && Query::parse(&decomposed).is_ok());
}

proptest! {
    #[test]
    fn decomposed_and_composed_queries_find_the_same(which in 0..PROCEDURES.len(), from in 0_usize..6, len in 1_usize..5) {
        let query = PROCEDURES[which].1.split_whitespace().skip(from).take(len).collect::<Vec<_>>().join(" ");
        prop_assume!(Query::parse(&query).is_ok());
        let (composed, decomposed): (String, String) = (query.nfc().collect(), query.nfd().collect());
        prop_assert_eq!(found(&composed), found(&decomposed));
        let plain: String = words(&query).map(|word| word.folded).collect::<Vec<_>>().join(" ");
        let (mut with, mut without) = (found(&query), found(&plain));
        prop_assert!(with.contains(&PROCEDURES[which].0), "{} by {}", PROCEDURES[which].0, query);
        with.sort_unstable();
        without.sort_unstable();
        prop_assert_eq!(with, without, "who types no diacritics finds as much");
    }

    #[test]
    fn the_order_does_not_depend_on_the_order_of_the_catalogue(query in "[a-zà-ỹđ ]{1,12}", turn in 0..PROCEDURES.len()) {
        prop_assume!(Query::parse(&query).is_ok());
        let mut turned = PROCEDURES.to_vec();
        turned.rotate_left(turn);
        let keys = index(&turned).search(&Query::parse(&query).unwrap(), |_| true);
        prop_assert_eq!(keys.into_iter().map(|key| turned[key].0).collect::<Vec<_>>(), found(&query));
    }

    #[test]
    fn nothing_that_is_typed_breaks_it(query in "\\PC{0,60}", name in "\\PC{0,60}") {
        let index = Index::new([Searchable { key: (), code: &name, name: &name, others: vec![&query] }]);
        if let Ok(query) = Query::parse(&query) {
            prop_assert_eq!(index.search(&query, |()| true).len(), 1);
        }
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "a check that could not be made says so")]
fn every_procedure_of_the_reference_data_is_found_by_its_name_and_by_its_code() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/procedures.jsonl");
    let Ok(lines) = std::fs::read_to_string(&file) else {
        println!("NOT CHECKED: {} is not here", file.display());
        return;
    };
    let rows: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |row: usize, member: &str| rows[row][member].as_str().unwrap_or_default();
    let all = (0..rows.len()).map(|key| Searchable {
        key,
        code: text(key, "code"),
        name: text(key, "name"),
        others: vec![text(key, "field")],
    });
    let index = Index::new(all);
    let search = |query: &str| index.search(&Query::parse(query).unwrap(), |_| true);
    for row in 0..rows.len() {
        assert_eq!(search(text(row, "code"))[0], row);
        let name = text(row, "name");
        let name: String = name.chars().take(200).collect();
        // Its whole name, as it is pasted: among the first that do not have the very same name.
        let same = |text: &str| words(text).map(|word| word.folded).collect::<Vec<_>>();
        let found = search(&name);
        let mut others = found.iter().take_while(|found| **found != row);
        let is_near =
            others.by_ref().filter(|other| same(text(**other, "name")) != same(text(row, "name"))).count() < 5;
        assert!(is_near && found.contains(&row), "{name}");
    }
    let first = |query: &str| text(search(query)[0], "name");
    assert_eq!(text(search("thu tuc dang ky khai sinh")[0], "code"), "1.001193");
    for query in ["giấy phép xây dựng", "giay phep xay dung", "hoà giải", "hòa giải", "hộ kinh doanh"] {
        let folded = |text: &str| words(text).map(|word| word.folded).collect::<Vec<_>>().join(" ");
        assert!(folded(first(query)).contains(&folded(query)), "{query}: {}", first(query));
    }
}
