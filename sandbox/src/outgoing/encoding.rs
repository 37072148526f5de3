//! Base64 with padding, and the small XML of a tax notice.
//! It must never read either: the sandbox only writes them.

use serde_json::{Map, Value};

use crate::portal::check::Field;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |position: usize| u32::from(three.get(position).copied().unwrap_or_default());
        let joined = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            let six = joined >> (18 - 6 * position) & 63;
            text.push(if position <= three.len() { ALPHABET[six as usize] as char } else { '=' });
        }
    }
    text
}

/// `/DATA/BODY/ROW_LIST` with these members: those of the table first, in its order.
pub(super) fn tax_notice(rows: &Map<String, Value>, table: &[Field]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DATA><BODY><ROW_LIST>");
    write_members(&mut text, rows, table);
    text.push_str("</ROW_LIST></BODY></DATA>");
    text
}

fn write_members(text: &mut String, members: &Map<String, Value>, table: &[Field]) {
    let known = table.iter().filter_map(|field| members.get_key_value(field.name));
    let others = members.iter().filter(|(name, _)| table.iter().all(|field| field.name != **name));
    for (name, value) in known.chain(others) {
        write_element(text, name, value);
    }
}

fn write_element(text: &mut String, name: &str, value: &Value) {
    if let Value::Array(items) = value {
        return items.iter().for_each(|item| write_element(text, name, item));
    }
    text.push_str(&format!("<{name}>"));
    match value {
        Value::Object(members) => write_members(text, members, super::tables::TAX_ROW),
        Value::String(content) => escape_into(text, content),
        scalar => escape_into(text, &scalar.to_string()),
    }
    text.push_str(&format!("</{name}>"));
}

fn escape_into(text: &mut String, content: &str) {
    for letter in content.chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let pairs =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in pairs {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn a_tax_notice_keeps_the_order_of_the_reference_and_escapes_text() {
        let rows = serde_json::json!({
            "LIST": [{ "TEN_TIEUMUC": "Đất <ở> & vườn", "MA_SO_THUE": "0101" }, { "SO_TIEN": "5" }],
            "MA_HSO": "H15-1",
        });
        let text = tax_notice(rows.as_object().unwrap(), super::super::tables::TAX_ROWS);
        let body = text.split_once('\n').unwrap().1;
        let expected = "<DATA><BODY><ROW_LIST><MA_HSO>H15-1</MA_HSO><LIST><MA_SO_THUE>0101</MA_SO_THUE>\
            <TEN_TIEUMUC>Đất &lt;ở&gt; &amp; vườn</TEN_TIEUMUC></LIST><LIST><SO_TIEN>5</SO_TIEN></LIST>\
            </ROW_LIST></BODY></DATA>";
        assert_eq!(body, expected);
    }
}
