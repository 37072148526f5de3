//! The `Idempotency-Key` header.

use axum::http::HeaderMap;
use lienthong_domain::invalid::Refusal;

use crate::http::problem::{Code, Problem};

/// The key as the client sent it, without quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

const HEADER: &str = "idempotency-key";

impl Key {
    /// Reads the header: a structured-field string (`"…"`) or the bare text, 1 to 255 visible ASCII characters.
    pub fn of_request(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(HEADER) else {
            return Err(Problem::new(Code::IdempotencyKeyMissing).detail(
                "Mỗi POST cần một Idempotency-Key riêng, ví dụ một UUID; gửi lại cùng khóa thì nhận lại cùng câu trả lời.",
                "Every POST needs an Idempotency-Key of its own, for example a UUID; sending it again gives the same answer.",
            ));
        };
        let text = value.to_str().unwrap_or_default().trim();
        let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        let is_sound = (1..=255).contains(&bare.len()) && bare.bytes().all(|c| (0x21..=0x7e).contains(&c) && c != b'"');
        if is_sound && headers.get_all(HEADER).iter().count() == 1 {
            return Ok(Self(bare.to_owned()));
        }
        Err(Problem::field(
            "#/headers/Idempotency-Key",
            Refusal::new(
                "idempotency_key",
                "Idempotency-Key gồm 1 đến 255 ký tự ASCII nhìn thấy được, gửi đúng một lần.",
                "An Idempotency-Key is 1 to 255 visible ASCII characters, sent once.",
            ),
        ))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}
