//! Codes of administrative procedures (mã thủ tục hành chính).

use crate::invalid::Refusal;
use crate::scalar::{Scalar, ScalarSchema};

/// A procedure code as some system writes it: `1.011733`, `2.002621.H56`, `1.000656.000.00.00.H56`, or a code that is
/// only local (`TS_lop1.000.00.00.H22`). The text as received is kept for the wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProcedureCode {
    original: String,
    base: Option<String>,
}

impl ProcedureCode {
    /// The text as received.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// The national code `d.dddddd`, or `None` for a code that is only local.
    pub fn national(&self) -> Option<&str> {
        self.base.as_deref()
    }

    fn national_part(text: &str) -> Option<&str> {
        let (base, owner) = text.split_at_checked(8)?;
        let is_base = base.bytes().enumerate().all(|(n, c)| if n == 1 { c == b'.' } else { c.is_ascii_digit() });
        let is_owner = owner.is_empty() || {
            let bare = owner.strip_prefix('.')?;
            let level_one = match bare.len() {
                3 => bare,
                13 => {
                    let (levels, last) = bare.split_at(10);
                    let zeros = |n: usize, c: u8| if matches!(n, 3 | 6 | 9) { c == b'.' } else { c.is_ascii_digit() };
                    levels.bytes().enumerate().all(|(n, c)| zeros(n, c)).then_some(last)?
                }
                _ => return None,
            };
            let [letter, tens, ones] = level_one.as_bytes() else { return None };
            letter.is_ascii_uppercase() && tens.is_ascii_digit() && ones.is_ascii_digit()
        };
        (is_base && is_owner).then_some(base)
    }
}

impl Scalar for ProcedureCode {
    const SCHEMA: ScalarSchema = ScalarSchema::new(
        "Mã thủ tục hành chính; mã quốc gia d.dddddd, có thể kèm mã cơ quan. / Procedure code.",
        60,
        "1.013225",
    )
    .pattern(r"^[0-9A-Za-z][0-9A-Za-z._-]{1,59}$");

    fn parse(text: &str) -> Result<Self, Refusal> {
        let sound = (2..=60).contains(&text.len())
            && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-'))
            && text.as_bytes()[0].is_ascii_alphanumeric();
        if !sound {
            return Err(Refusal::new(
                "procedure_code",
                "Mã thủ tục gồm 2 đến 60 chữ cái không dấu, chữ số, dấu chấm, gạch nối, gạch dưới; ví dụ 1.013225.",
                "A procedure code is 2 to 60 ASCII letters, digits, dots, hyphens, underscores; for example 1.013225.",
            ));
        }
        let base = Self::national_part(text).map(str::to_owned);
        // Something that begins like a national code but is not one is a typing mistake, not a local code.
        let looks_national = text.as_bytes()[0].is_ascii_digit() && text.as_bytes().get(1) == Some(&b'.');
        if base.is_none() && looks_national {
            return Err(Refusal::new(
                "procedure_code",
                "Mã quốc gia có dạng d.dddddd, có thể kèm .H56 hoặc .000.00.00.H56.",
                "A national code is d.dddddd, optionally followed by .H56 or .000.00.00.H56.",
            ));
        }
        Ok(Self { original: text.to_owned(), base })
    }

    fn to_text(&self) -> String {
        self.original.clone()
    }
}

crate::scalar!(ProcedureCode);
