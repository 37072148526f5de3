//! Agency ids of both schemes, as far as the portal looks: the level-1 code in them.
//! It must never compare by string prefix: `H1` is no parent of `H15`.

/// The level-1 code: first part of `H15.50.05`, last part of `000.00.00.H15`.
pub(crate) fn level_one(agency: &str) -> Option<&str> {
    let first = agency.split('.').next().filter(|part| is_level_one(part));
    first.or_else(|| agency.rsplit('.').next().filter(|part| is_level_one(part)))
}

/// The agency part of a dossier code: everything before its first hyphen.
pub(crate) fn of_dossier(code: &str) -> &str {
    code.split('-').next().unwrap_or_default()
}

fn is_level_one(part: &str) -> bool {
    matches!(part.as_bytes(), [letter, tens, ones]
        if letter.is_ascii_uppercase() && tens.is_ascii_digit() && ones.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemes_name_the_same_province() {
        for agency in ["000.00.00.H15", "H15", "H15.50.05.13", "000.01.50.H15"] {
            assert_eq!(level_one(agency), Some("H15"), "{agency}");
        }
        for agency in ["", "000.00.00", "H1.50", "h15", "TS_lop1"] {
            assert_eq!(level_one(agency), None, "{agency}");
        }
        assert_eq!(of_dossier("H15.50.05.13-261008-0975"), "H15.50.05.13");
    }
}
