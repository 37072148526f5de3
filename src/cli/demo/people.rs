//! Invented people for the demo: common name parts put together by chance, numbers that belong to nobody we know.

use fastrand::Rng;

const FAMILY: &[&str] =
    &["Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Phan", "Vũ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Y", "Lý"];
const MIDDLE: &[&str] = &["Văn", "Thị", "Đức", "Ngọc", "Minh", "Thanh", "Hữu", "Quang", "Thuỳ", "Bảo"];
const GIVEN: &[&str] = &[
    "An", "Bình", "Chi", "Dũng", "Giang", "Hà", "Hương", "Khánh", "Lan", "Long", "Mai", "Nam", "Phúc", "Quỳnh", "Sơn",
    "Thảo", "Trang", "Uyên", "Việt", "Ý",
];
const PROVINCES: &[&str] = &["001", "015", "027", "036", "048", "066", "079", "092"];

pub(super) fn name(rng: &mut Rng) -> String {
    let part = |rng: &mut Rng, parts: &[&'static str]| parts[rng.usize(..parts.len())];
    format!("{} {} {}", part(rng, FAMILY), part(rng, MIDDLE), part(rng, GIVEN))
}

/// Twelve digits with a plausible province, sex and birth year. Never ends in 0000: the simulated portal does not know
/// such numbers.
pub(super) fn personal_number(rng: &mut Rng) -> String {
    let province = PROVINCES[rng.usize(..PROVINCES.len())];
    format!(
        "{province}{}{:02}{:06}",
        rng.u8(0..2),
        rng.u8(50..100),
        rng.u32(100_000..999_999) / 10 * 10 + 1 + rng.u32(..9)
    )
}
