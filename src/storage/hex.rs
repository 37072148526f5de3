//! Bytes as lower-case hexadecimal digits.

pub fn write(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Exactly `N` bytes.
pub fn read<const N: usize>(text: &str) -> Option<[u8; N]> {
    // `from_str_radix` would take a sign.
    if text.len() != 2 * N || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok();
    (0..N).map(byte).collect::<Option<Vec<u8>>>()?.try_into().ok()
}
