//! The rules of `[[access.issuers]]` and `[access.issuer_keys]`: whose tokens are accepted is not a thing to guess at.

use reqwest::Url;

use super::Settings;
use crate::access::issuers::{ALGORITHMS, discovery};

const MOST_ISSUERS: usize = 16;

impl Settings {
    pub(super) fn check_issuers(&self, must: &mut impl FnMut(bool, &str, &str, &str)) {
        let issuers = &self.access.issuers;
        must(issuers.len() <= MOST_ISSUERS, "/access/issuers", "Tối đa 16.", "At most 16.");
        let known = ALGORITHMS.map(|algorithm| format!("{algorithm:?}"));
        let (known_vi, known_en) = (
            format!("Cần ít nhất một trong: {}.", known.join(", ")),
            format!("One at least of: {}.", known.join(", ")),
        );
        for (n, issuer) in issuers.iter().enumerate() {
            let mut must = |holds: bool, name: &str, vi: &str, en: &str| {
                must(holds, &format!("/access/issuers/{n}/{name}"), vi, en);
            };
            must(
                is_issuer(&issuer.url),
                "url",
                "Cần https://máy[:cổng][/đường dẫn], đúng từng ký tự như iss; http chỉ cho 127.0.0.1, [::1] hoặc localhost.",
                "https://host[:port][/path] is needed, to the letter as in iss; http only for 127.0.0.1, [::1] or localhost.",
            );
            must(
                issuer.url != self.server.public_url,
                "url",
                "Mã do chính cổng này cấp không cần khai báo.",
                "This gateway's own tokens need no entry.",
            );
            let is_first = !issuers[..n].iter().any(|other| other.url == issuer.url);
            must(is_first, "url", "Đã có trong danh sách.", "It is in the list already.");
            let are_known = issuer.algorithms.iter().all(|name| known.contains(name));
            must(are_known && !issuer.algorithms.is_empty(), "algorithms", &known_vi, &known_en);
            let is_word = |text: &String| (1..=200).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic());
            let word = ("Cần 1 đến 200 ký tự ASCII, không có dấu cách.", "1 to 200 ASCII characters without spaces.");
            must(issuer.audience.is_empty() || is_word(&issuer.audience), "audience", word.0, word.1);
            let are_types = !issuer.token_types.is_empty() && issuer.token_types.iter().all(is_word);
            must(
                are_types,
                "token_types",
                "Cần ít nhất một kiểu, ví dụ JWT.",
                "One type at least is needed, such as JWT.",
            );
            must(is_word(&issuer.client_claim), "client_claim", word.0, word.1);
            must(issuer.scope_claim.is_empty() || is_word(&issuer.scope_claim), "scope_claim", word.0, word.1);
        }
        let keys = &self.access.issuer_keys;
        let mut within = |name: &str, value: u64, least: u64, most: u64| {
            let (vi, en) = (format!("Từ {least} đến {most}."), format!("From {least} to {most}."));
            must((least..=most).contains(&value), &format!("/access/issuer_keys/{name}"), &vi, &en);
        };
        within("least_interval_ms", keys.least_interval_ms, 100, 3_600_000);
        within("fresh_ms", keys.fresh_ms, keys.least_interval_ms, 86_400_000);
        within("keep_ms", keys.keep_ms, keys.fresh_ms, 604_800_000);
        within("timeout_ms", keys.timeout_ms, 10, 10_000);
        within("most_bytes", keys.most_bytes as u64, 1024, 1 << 24);
        within("most_keys", keys.most_keys as u64, 1, 1000);
    }
}

/// As RFC 8414, section 2, has it. A space would end it where it is stored.
fn is_issuer(url: &str) -> bool {
    let parsed = Url::parse(url).is_ok_and(|url| discovery::is_sound(&url) && url.query().is_none());
    parsed && url.len() <= 500 && url.bytes().all(|c| c.is_ascii_graphic())
}
