//! A refusal's words as people may read them: bounded, and without what would name a person.

use lienthong_domain::invalid::Message;
use unicode_normalization::UnicodeNormalization;

/// Longer messages are cut: they are for people, and go into logs of other systems.
const MOST_CHARACTERS: usize = 500;
/// Of a longer message the rest is not even read.
const MOST_READ: usize = 4_000;
const REMOVED: &str = "[…]";

/// Personal texts of the very request, which the portal may repeat in its message.
#[derive(Default)]
pub(crate) struct PersonalTexts(Vec<Vec<char>>);

impl PersonalTexts {
    pub(crate) fn add(&mut self, text: &str) {
        let lines = text.split(char::is_control);
        for text in lines.chain([text]) {
            let characters = compared(text.trim().nfc()).collect::<Vec<char>>();
            // Shorter texts would take harmless words apart.
            if characters.len() >= 3 {
                self.0.push(characters);
            }
        }
    }
}

/// Portals put one blank, or several, in the place of a line's end.
fn compared(characters: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    characters.map(|c| if c.is_control() { ' ' } else { c })
}

/// The portal's message as the reason of a refusal.
pub(crate) fn from_portal(message: &str, personal: &PersonalTexts) -> Message {
    let words = clean(message, personal);
    Message::new(format!("Cổng Dịch vụ công quốc gia từ chối: {words}"), format!("The portal refused: {words}"))
}

fn clean(message: &str, personal: &PersonalTexts) -> String {
    let characters: Vec<char> = compared(message.nfc().take(MOST_READ)).collect();
    let mut words = String::new();
    let mut length = 0;
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        if length >= MOST_CHARACTERS {
            break;
        }
        let digits = characters[at..].iter().take_while(|c| c.is_numeric()).count();
        let echo = personal.0.iter().filter(|text| begins_with(&characters[at..], text)).map(Vec::len).max();
        // The two lengths that identity numbers have; a run of digits is taken whole or left whole.
        if let Some(taken) = echo.or((digits == 9 || digits == 12).then_some(digits)) {
            words.push_str(REMOVED);
            length += REMOVED.chars().count();
            at += taken;
        } else {
            let taken = digits.max(1);
            if taken == 1 {
                words.push(character);
            } else {
                words.extend(&characters[at..at + taken]);
            }
            length += taken;
            at += taken;
        }
    }
    words.trim().chars().take(MOST_CHARACTERS).collect()
}

fn begins_with(text: &[char], start: &[char]) -> bool {
    text.len() >= start.len() && text.iter().zip(start).all(|(a, b)| a.to_lowercase().eq(b.to_lowercase()))
}
