//! Addresses of files that the other side fetches.

use crate::invalid::Refusal;
use crate::scalar::{Scalar, ScalarSchema};

/// An absolute `http` or `https` URL of at most 2,000 characters, without user name, password or fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileLink(String);

impl FileLink {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for FileLink {
    const SCHEMA: ScalarSchema = ScalarSchema::new(
        "Địa chỉ tải tệp (http hoặc https). / Address of a file (http or https).",
        2000,
        "https://files.example.gov.vn/2026/11/giay-phep.pdf",
    )
    .pattern("^https?://[^\\s@#]+$");

    fn parse(text: &str) -> Result<Self, Refusal> {
        let refusal = || {
            Refusal::new(
                "link",
                "Cần địa chỉ http hoặc https đầy đủ, không kèm tên người dùng, không quá 2000 ký tự.",
                "An absolute http or https URL is needed, without user name, of at most 2000 characters.",
            )
        };
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or_else(refusal)?;
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let clean = text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '@' | '#'));
        if text.chars().count() > 2000 || name.is_empty() || !clean {
            return Err(refusal());
        }
        Ok(Self(text.to_owned()))
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}

crate::scalar!(FileLink);
