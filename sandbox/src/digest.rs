//! A stable 64-bit hash and one canonical text per JSON object: equal content, equal text, whatever the order of its keys.
//! It must never change between runs or machines: fault decisions and ledger digests hang on it. It protects nothing.

use serde_json::{Map, Value};

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a over the parts, each closed by its length, then mixed so that all bits depend on all bytes.
pub(crate) fn hash64(parts: &[&[u8]]) -> u64 {
    let mut hash = FNV_OFFSET;
    for part in parts {
        for byte in *part {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
        hash = (hash ^ part.len() as u64).wrapping_mul(FNV_PRIME);
    }
    mix(hash)
}

/// The finishing step of SplitMix64.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut value = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

pub(crate) fn canonical(fields: &Map<String, Value>) -> String {
    let mut text = String::with_capacity(1024);
    write_object(&mut text, fields);
    text
}

// Sorted here and not left to the map: its order depends on a feature that any crate of the build may switch on.
fn write_object(text: &mut String, fields: &Map<String, Value>) {
    let mut names: Vec<&String> = fields.keys().collect();
    names.sort_unstable();
    text.push('{');
    for (position, name) in names.into_iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        write_value(text, &Value::String(name.clone()));
        text.push(':');
        write_value(text, &fields[name]);
    }
    text.push('}');
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Object(fields) => write_object(text, fields),
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                write_value(text, item);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let one = serde_json::json!({"b": "2", "a": [{"y": "1", "x": "0"}]});
        let other = serde_json::json!({"a": [{"x": "0", "y": "1"}], "b": "2"});
        assert_eq!(canonical(one.as_object().unwrap()), canonical(other.as_object().unwrap()));
        assert_eq!(canonical(one.as_object().unwrap()), r#"{"a":[{"x":"0","y":"1"}],"b":"2"}"#);
    }

    #[test]
    fn the_hash_is_the_same_for_ever() {
        assert_eq!(hash64(&[b"seed", b"insert"]), hash64(&[b"seed", b"insert"]));
        assert_ne!(hash64(&[b"ab", b"c"]), hash64(&[b"a", b"bc"]));
    }
}
