//! Vietnamese words as they are compared. Keyboards write the same word in several ways: composed or not, and with the tone mark on
//! one vowel or the next (hòa, hoà).

use unicode_normalization::UnicodeNormalization;

/// A word in the forms in which it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Word {
    /// Small letters without any mark: `hoa`, `duong`.
    pub folded: String,
    /// With the marks that make letters of their own: `hoa`, `đương`.
    pub letters: String,
    /// The tone of the word, wherever it stands in it.
    pub tone: Option<char>,
}

impl Word {
    /// Whether it was typed with any mark.
    pub fn has_marks(&self) -> bool {
        self.tone.is_some() || self.letters != self.folded
    }
}

/// Dấu huyền, sắc, hỏi, ngã, nặng.
const TONES: [char; 5] = ['\u{300}', '\u{301}', '\u{309}', '\u{303}', '\u{323}'];
/// Of â ê ô, ă, ơ ư.
const LETTER_MARKS: [char; 3] = ['\u{302}', '\u{306}', '\u{31B}'];

/// The words of a text, in order. A code such as `1.013225` is one word.
pub fn words(text: &str) -> impl Iterator<Item = Word> {
    let characters: Vec<char> = text.nfd().filter(|c| !is_invisible(*c)).collect();
    let mut at = 0;
    std::iter::from_fn(move || {
        while characters.get(at).is_some_and(|c| !c.is_alphanumeric()) {
            at += 1;
        }
        let begin = at;
        while at < characters.len() && is_within(&characters, at) {
            at += 1;
        }
        (begin < at).then(|| word(&characters[begin..at]))
    })
}

/// Whether a word goes on here: with a letter, a digit, a mark, or a dot before a digit.
fn is_within(characters: &[char], at: usize) -> bool {
    let c = characters[at];
    let next_is_digit = || characters.get(at + 1).is_some_and(char::is_ascii_digit);
    c.is_alphanumeric() || is_mark(c) || (c == '.' && next_is_digit())
}

fn word(characters: &[char]) -> Word {
    let mut word = Word { folded: String::new(), letters: String::new(), tone: None };
    for c in characters {
        if TONES.contains(c) {
            word.tone = Some(*c);
        } else if LETTER_MARKS.contains(c) {
            word.letters.push(*c);
        } else if !is_mark(*c) {
            for small in c.to_lowercase().filter(|c| !is_mark(*c)) {
                word.letters.push(small);
                word.folded.push(if matches!(small, 'đ' | 'ð' | 'ɖ') { 'd' } else { small });
            }
        }
    }
    // Composed: `co` is no beginning of `cô`.
    word.letters = word.letters.nfc().collect();
    word
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}')
}

/// Soft hyphens, and what has no width.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// Without the heading with which some names begin and others do not: “Thủ tục …”.
pub(super) fn without_heading(words: Vec<Word>) -> Vec<Word> {
    let has_heading = words.len() > 2 && words[0].folded == "thu" && words[1].folded == "tuc";
    if has_heading { words.into_iter().skip(2).collect() } else { words }
}
