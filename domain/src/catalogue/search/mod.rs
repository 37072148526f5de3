//! Search over names and codes of the catalogue, in memory: as people type them, with or without diacritics. It must never find
//! less for somebody who types no diacritics.

mod fold;
mod index;

pub use fold::{Word, words};
pub use index::{Index, Searchable};

use unicode_normalization::UnicodeNormalization;

use super::ProcedureCode;
use crate::invalid::Refusal;
use crate::scalar::{Scalar, ScalarSchema};

/// The longest query, in characters, and the most words of one.
const MOST_CHARACTERS: usize = 200;
const MOST_WORDS: usize = 64;

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    text: String,
    words: Vec<Word>,
}

impl Scalar for Query {
    const SCHEMA: ScalarSchema = ScalarSchema::new(
        "Từ khóa: có dấu hay không, mã hay tên. / What to search for: with or without diacritics, a code or a name.",
        MOST_CHARACTERS,
        "dang ky khai sinh",
    );

    fn parse(text: &str) -> Result<Self, Refusal> {
        if text.nfc().count() > MOST_CHARACTERS {
            return Err(Refusal::new(
                "too_long",
                format!("Tối đa {MOST_CHARACTERS} ký tự."),
                format!("At most {MOST_CHARACTERS} characters are allowed."),
            ));
        }
        // A national code is the same procedure whoever is written behind it.
        let code = ProcedureCode::parse(text.trim()).ok();
        let text = code.as_ref().and_then(ProcedureCode::national).unwrap_or(text);
        let words = fold::without_heading(words(text).collect());
        if words.is_empty() {
            return Err(Refusal::new("too_short", "Cần ít nhất một từ.", "At least one word is needed."));
        }
        if words.len() > MOST_WORDS {
            return Err(Refusal::new(
                "too_long",
                format!("Tối đa {MOST_WORDS} từ."),
                format!("At most {MOST_WORDS} words are allowed."),
            ));
        }
        Ok(Self { text: text.trim().to_lowercase(), words })
    }

    fn to_text(&self) -> String {
        self.text.clone()
    }
}

crate::scalar!(Query);
