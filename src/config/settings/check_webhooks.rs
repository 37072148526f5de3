//! The rules of webhooks that types cannot say.

use super::Settings;
use super::tables::network;
use crate::webhooks::SigningKey;

impl Settings {
    /// `must`: whether a rule holds, where, and what is said if not.
    pub(super) fn check_webhooks(&self, must: &mut impl FnMut(bool, &str, &str, &str)) {
        let webhooks = &self.webhooks;
        let at = |name: &str| format!("/webhooks/{name}");
        for (n, text) in webhooks.networks.iter().enumerate() {
            must(
                network(text).is_some(),
                &at(&format!("networks/{n}")),
                "Cần một địa chỉ hay mạng, ví dụ 10.0.0.5 hoặc 10.0.0.0/28.",
                "An address or a network is needed, such as 10.0.0.5 or 10.0.0.0/28.",
            );
        }
        let networks = webhooks.networks();
        for (n, endpoint) in webhooks.endpoints.iter().enumerate() {
            let at = |name: &str| at(&format!("endpoints/{n}/{name}"));
            let is_first = !webhooks.endpoints[..n].iter().any(|other| other.name == endpoint.name);
            let is_name = (1..=64).contains(&endpoint.name.len())
                && endpoint.name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-'));
            must(
                is_first && is_name,
                &at("name"),
                "Cần tên riêng gồm chữ, chữ số, dấu chấm, gạch dưới, gạch nối; tối đa 64 ký tự.",
                "A name of its own is needed, of letters, digits, dots, underscores and hyphens; at most 64 characters.",
            );
            must(
                endpoint.address(&networks).is_some(),
                &at("url"),
                "Cần https://…; http:// chỉ cho địa chỉ IP nằm trong webhooks.networks.",
                "https://… is needed; http:// only for an IP address in webhooks.networks.",
            );
            must(
                !endpoint.events.is_empty(),
                &at("events"),
                "Nêu ít nhất một loại sự kiện, ví dụ inbox_item.ready.",
                "Name at least one kind of event, such as inbox_item.ready.",
            );
            for (name, secret) in [("secret", &endpoint.secret), ("previous_secret", &endpoint.previous_secret)] {
                must(
                    (name == "previous_secret" && secret.is_empty()) || SigningKey::parse(secret).is_ok(),
                    &at(name),
                    "Cần whsec_ kèm 24 đến 64 byte base64, hoặc whsk_ kèm khóa Ed25519; tạo bằng `lienthong webhooks secret`.",
                    "whsec_ with 24 to 64 bytes in base64 is needed, or whsk_ with an Ed25519 key: `lienthong webhooks secret` makes one.",
                );
            }
        }
        must(webhooks.endpoints.len() <= 64, &at("endpoints"), "Tối đa 64.", "At most 64.");
        must(
            (100..=60_000).contains(&webhooks.timeout_ms),
            &at("timeout_ms"),
            "Từ 100 đến 60000.",
            "From 100 to 60000.",
        );
        must((1..=64).contains(&webhooks.parallel_calls), &at("parallel_calls"), "Từ 1 đến 64.", "From 1 to 64.");
        must(
            (1..=100).contains(&webhooks.retry_delays_ms.len())
                && webhooks.retry_delays_ms.iter().all(|delay| *delay > 0),
            &at("retry_delays_ms"),
            "Cần 1 đến 100 khoảng chờ, mỗi khoảng lớn hơn 0.",
            "1 to 100 delays are needed, each greater than 0.",
        );
        must(webhooks.retry_jitter_percent <= 50, &at("retry_jitter_percent"), "Tối đa 50.", "At most 50.");
        must(
            (1..=720).contains(&webhooks.give_up_after_hours),
            &at("give_up_after_hours"),
            "Từ 1 đến 720.",
            "From 1 to 720.",
        );
        must(
            webhooks.keep_days <= 365 && webhooks.keep_days * 24 > webhooks.give_up_after_hours,
            &at("keep_days"),
            "Dài hơn give_up_after_hours và khoảng chờ dài nhất, tối đa 365.",
            "Longer than give_up_after_hours and the longest delay, at most 365.",
        );
        must(webhooks.most_waiting > 0, &at("most_waiting"), "Ít nhất 1.", "At least 1.");
    }
}
