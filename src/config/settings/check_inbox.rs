//! The rules of the inbox that types cannot say.

use lienthong_domain::catalogue::AgencyCode;
use lienthong_domain::scalar::Scalar;
use reqwest::Url;

use super::{Engine, LinkRewrite, Settings, tables};
use crate::guarded_http::Allowed;
use crate::storage::hex;

impl Settings {
    /// `must`: whether a rule holds, where, and what is said if not.
    pub(super) fn check_inbox(&self, must: &mut impl FnMut(bool, &str, &str, &str)) {
        let inbox = &self.inbox;
        let at = |name: &str| format!("/inbox/{name}");
        for (n, address) in inbox.sender_addresses.iter().enumerate() {
            must(
                tables::network(address).is_some(),
                &at(&format!("sender_addresses/{n}")),
                "Cần một địa chỉ hay mạng, ví dụ 10.0.0.5 hoặc 10.0.0.0/28.",
                "An address or a network is needed, such as 10.0.0.5 or 10.0.0.0/28.",
            );
        }
        for (n, thumbprint) in inbox.sender_certificates.iter().enumerate() {
            must(
                hex::read::<32>(thumbprint).is_some(),
                &at(&format!("sender_certificates/{n}")),
                "Cần SHA-256 của chứng thư: 64 chữ số thập lục phân.",
                "The SHA-256 of a certificate is needed: 64 hexadecimal digits.",
            );
        }
        must(
            inbox.sender_certificates.is_empty() || !self.server.tls.client_authorities_file.is_empty(),
            "/inbox/sender_certificates",
            "Chưa nhận chứng thư nào: đặt server.tls.client_authorities_file.",
            "No certificates are taken: set server.tls.client_authorities_file.",
        );
        if inbox.enabled {
            must(
                !inbox.sender_addresses.is_empty() || !inbox.sender_certificates.is_empty(),
                "/inbox/sender_addresses",
                "Ai cũng gửi được: nêu địa chỉ hay chứng thư của máy chủ bảo mật.",
                "Anybody could send: name addresses or certificates of the security server.",
            );
            must(
                AgencyCode::parse(&inbox.agency).is_ok(),
                "/inbox/agency",
                "Cần mã cơ quan, ví dụ H15.",
                "The code of an agency is needed, such as H15.",
            );
        }
        must(inbox.files <= 200, "/inbox/files", "Tối đa 200.", "At most 200.");
        must(
            inbox.text_bytes >= 1024 && inbox.text_bytes < inbox.message_bytes,
            "/inbox/text_bytes",
            "Từ 1024, và nhỏ hơn message_bytes.",
            "From 1024, and less than message_bytes.",
        );
        must(
            inbox.message_bytes / inbox.text_bytes.max(1) > inbox.files,
            "/inbox/message_bytes",
            "Phải chứa được text_bytes của mỗi tệp trong files.",
            "It must hold text_bytes of each of the files.",
        );
        must(inbox.concurrent_messages > 0, "/inbox/concurrent_messages", "Ít nhất 1.", "At least 1.");
        must(
            (1_000..=3_600_000).contains(&inbox.message_timeout_ms),
            "/inbox/message_timeout_ms",
            "Từ 1000 đến 3600000.",
            "From 1000 to 3600000.",
        );
        must((1..=500).contains(&inbox.page_items), "/inbox/page_items", "Từ 1 đến 500.", "From 1 to 500.");
        must((50..=10_000).contains(&inbox.poll_ms), "/inbox/poll_ms", "Từ 50 đến 10000.", "From 50 to 10000.");
        self.check_links(must);
        must(
            !inbox.enabled || self.storage.engine == Engine::Sqlite || !self.storage.files_folder.is_empty(),
            "/storage/files_folder",
            "Cần một thư mục mà mọi bản sao cùng thấy.",
            "A folder that all replicas see is needed.",
        );
    }

    fn check_links(&self, must: &mut impl FnMut(bool, &str, &str, &str)) {
        let links = &self.inbox.links;
        let at = |name: &str| format!("/inbox/links/{name}");
        for (n, host) in links.hosts.iter().enumerate() {
            must(
                Allowed::hosts(std::slice::from_ref(host)).is_ok(),
                &at(&format!("hosts/{n}")),
                "Cần một máy chủ: files.example.gov.vn, *.example.gov.vn hoặc 10.0.0.5:8080, không kèm http:// hay đường dẫn.",
                "A host is needed: files.example.gov.vn, *.example.gov.vn or 10.0.0.5:8080, without http:// or a path.",
            );
        }
        for (n, network) in links.networks.iter().enumerate() {
            must(
                tables::network(network).is_some(),
                &at(&format!("networks/{n}")),
                "Cần một địa chỉ hay mạng, ví dụ 10.0.0.5 hoặc 10.0.0.0/28.",
                "An address or a network is needed, such as 10.0.0.5 or 10.0.0.0/28.",
            );
        }
        for (n, LinkRewrite { from, to }) in links.rewrite.iter().enumerate() {
            for (name, text) in [("from", from), ("to", to)] {
                let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
                must(
                    url.is_some_and(|url| url.as_str() == text && text.ends_with('/') && url.query().is_none()),
                    &at(&format!("rewrite/{n}/{name}")),
                    "Cần phần đầu của một địa chỉ, tận cùng bằng /, ví dụ https://files.example.gov.vn/.",
                    "The beginning of an address that ends in / is needed, such as https://files.example.gov.vn/.",
                );
            }
        }
        must((1..=64).contains(&links.parallel_fetches), &at("parallel_fetches"), "Từ 1 đến 64.", "From 1 to 64.");
        for (name, ms) in [("fetch_timeout_ms", links.fetch_timeout_ms), ("pause_ms", links.pause_ms)] {
            must((100..=3_600_000).contains(&ms), &at(name), "Từ 100 đến 3600000.", "From 100 to 3600000.");
        }
    }
}
