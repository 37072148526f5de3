//! The rules that types cannot say: values that cannot work, alone or together.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use lienthong_adapter_kit::card::Card;
use lienthong_adapter_kit::http::Url;
use lienthong_domain::agreement::Class;
use lienthong_domain::catalogue::AgencyCode;
use lienthong_domain::invalid::{InvalidFields, Refusal};

use super::{Engine, Settings, listed_twice};
use crate::http::rules::RULES;

/// The longest that an access token may be good for, in seconds.
pub const LONGEST_TOKEN_S: u64 = 3600;
/// The most that clocks may be apart, in seconds.
pub const MOST_CLOCK_SKEW_S: u64 = 300;

impl Settings {
    /// The rules that a type cannot say.
    pub fn check(&self, cards: &[Card]) -> Result<(), InvalidFields> {
        let mut wrong = InvalidFields::default();
        let mut must = |holds: bool, pointer: &str, vi: &str, en: &str| {
            if !holds {
                wrong.push(pointer, Refusal::new("value", vi, en));
            }
        };
        let name = &self.deployment.name;
        let name_is_sound = (3..=64).contains(&name.len())
            && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'-'));
        must(
            name_is_sound,
            "/deployment/name",
            "3 đến 64 chữ thường, chữ số, dấu chấm, gạch nối.",
            "3 to 64 lower-case letters, digits, dots, hyphens.",
        );
        match self.server.listen.parse::<SocketAddr>() {
            Ok(address) => must(
                address.ip().is_loopback() || self.server.tls.is_on(),
                "/server/listen",
                "Chưa có TLS thì chỉ được nghe trên loopback (127.0.0.1 hoặc [::1]).",
                "Without TLS it may only listen on loopback (127.0.0.1 or [::1]).",
            ),
            Err(_) => must(
                false,
                "/server/listen",
                "Cần địa chỉ:cổng, ví dụ 127.0.0.1:8686.",
                "An address:port is needed, for example 127.0.0.1:8686.",
            ),
        }
        let outbox = &self.outbox;
        must(
            outbox.attempt_timeout_ms < outbox.lease_ms,
            "/outbox/attempt_timeout_ms",
            "Phải nhỏ hơn lease_ms.",
            "Must be less than lease_ms.",
        );
        must(
            !outbox.retry_delays_ms.is_empty() && !outbox.retry_delays_ms.contains(&0),
            "/outbox/retry_delays_ms",
            "Cần ít nhất một số lớn hơn 0.",
            "At least one number, each above 0, is needed.",
        );
        must(outbox.retry_jitter_percent <= 50, "/outbox/retry_jitter_percent", "Tối đa 50.", "At most 50.");
        self.check_inbox(&mut must);
        self.check_webhooks(&mut must);
        must(
            (24..=168).contains(&self.idempotency.keep_hours),
            "/idempotency/keep_hours",
            "Từ 24 đến 168.",
            "From 24 to 168.",
        );
        must(
            (100..=600_000).contains(&self.audit.witness_ms),
            "/audit/witness_ms",
            "Từ 100 đến 600000.",
            "From 100 to 600000.",
        );
        must(self.audit.witnesses.len() <= 16, "/audit/witnesses", "Tối đa 16.", "At most 16.");
        for (n, witness) in self.audit.witnesses.iter().enumerate() {
            let at = |name: &str| format!("/audit/witnesses/{n}/{name}");
            must(
                witness.address().is_some(),
                &at("url"),
                "Cần https://…; http chỉ cho 127.0.0.1, [::1] hoặc localhost.",
                "https://… is needed; http only for 127.0.0.1, [::1] or localhost.",
            );
            must(
                witness.verifier().is_some(),
                &at("key"),
                "Cần khóa mà `lienthong witness key` in ra.",
                "A key as `lienthong witness key` prints it is needed.",
            );
        }
        must(
            (1000..=86_400_000).contains(&self.audit.timestamp_ms),
            "/audit/timestamp_ms",
            "Từ 1000 đến 86400000.",
            "From 1000 to 86400000.",
        );
        must(self.audit.timestamp_authorities.len() <= 16, "/audit/timestamp_authorities", "Tối đa 16.", "At most 16.");
        for (n, authority) in self.audit.timestamp_authorities.iter().enumerate() {
            let at = |name: &str| format!("/audit/timestamp_authorities/{n}/{name}");
            let is_first = !self.audit.timestamp_authorities[..n].iter().any(|other| other.name == authority.name);
            must(
                is_first && is_file_name(&authority.name),
                &at("name"),
                "Cần tên riêng gồm chữ thường, chữ số, dấu chấm, gạch nối; tối đa 64 ký tự.",
                "A name of its own is needed, of lower-case letters, digits, dots and hyphens; at most 64 characters.",
            );
            must(
                authority.address().is_some(),
                &at("url"),
                "Cần http://… hoặc https://….",
                "http://… or https://… is needed.",
            );
            must(
                !authority.roots_file.is_empty(),
                &at("roots_file"),
                "Cần tệp PEM chứa chứng thư gốc của tổ chức này.",
                "A PEM file with the root certificates of this authority is needed.",
            );
        }
        let signature = &self.audit.agency_signature;
        let wanted = [
            ("module", &signature.module),
            ("token", &signature.token),
            ("key", &signature.key),
            ("certificate_file", &signature.certificate_file),
            ("roots_file", &signature.roots_file),
        ];
        let is_wanted = wanted.iter().any(|(_, text)| !text.is_empty());
        for (name, text) in wanted {
            must(
                !is_wanted || !text.is_empty(),
                &format!("/audit/agency_signature/{name}"),
                "Cần có, vì các thiết lập khác của chữ ký cơ quan đã có.",
                "Needed, because other settings of the agency's signature are given.",
            );
        }
        must(
            matches!(self.retention.dossier_contents_days, 0 | 30..=36_500),
            "/retention/dossier_contents_days",
            "0, hoặc từ 30 đến 36500.",
            "0, or from 30 to 36500.",
        );
        must(
            matches!(self.retention.audit_months, 0 | 12..=1200),
            "/retention/audit_months",
            "0, hoặc từ 12 đến 1200.",
            "0, or from 12 to 1200.",
        );
        must(
            (1..=60).contains(&self.idempotency.memory_minutes),
            "/idempotency/memory_minutes",
            "Từ 1 đến 60.",
            "From 1 to 60.",
        );
        must(
            (65_536..=1 << 34).contains(&self.idempotency.memory_bytes),
            "/idempotency/memory_bytes",
            "Từ 65536 đến 17179869184.",
            "From 65536 to 17179869184.",
        );
        must(matches!(self.log.format.as_str(), "json" | "text"), "/log/format", "json hoặc text.", "json or text.");
        must(
            cards.iter().any(|card| card.name == self.portal.adapter),
            "/portal/adapter",
            "Không có bộ kết nối này.",
            "There is no such adapter.",
        );
        for (pointer, size) in [
            ("/server/most_connections", self.server.most_connections),
            ("/server/most_connections_of_one_address", self.server.most_connections_of_one_address),
            ("/http/body_bytes", self.http.body_bytes),
            ("/http/concurrent_requests", self.http.concurrent_requests),
            ("/storage/write_queue", self.storage.write_queue),
            ("/storage/batch_items", self.storage.batch_items),
            ("/storage/sqlite/readers", self.storage.sqlite.readers),
            ("/storage/postgres/writers", self.storage.postgres.writers),
            ("/storage/postgres/most_connections", self.storage.postgres.most_connections),
            ("/outbox/most_in_flight", outbox.most_in_flight),
            ("/outbox/claim_batch", outbox.claim_batch),
            ("/dossiers/batch_items", self.dossiers.batch_items),
            ("/dossiers/steps_per_request", self.dossiers.steps_per_request),
            ("/dossiers/page_items", self.dossiers.page_items),
        ] {
            must((1..=1 << 30).contains(&size), pointer, "Từ 1 đến 1073741824.", "From 1 to 1073741824.");
        }
        for (pointer, time) in [
            ("/server/drain_ms", self.server.drain_ms),
            ("/server/tls/handshake_timeout_ms", self.server.tls.handshake_timeout_ms),
            ("/server/tls/reload_ms", self.server.tls.reload_ms),
            ("/http/request_timeout_ms", self.http.request_timeout_ms),
            ("/http/place_wait_ms", self.http.place_wait_ms),
            ("/http/header_read_timeout_ms", self.http.header_read_timeout_ms),
            ("/http/body_read_timeout_ms", self.http.body_read_timeout_ms),
            ("/http/write_timeout_ms", self.http.write_timeout_ms),
            ("/storage/sqlite/busy_timeout_ms", self.storage.sqlite.busy_timeout_ms),
            ("/storage/postgres/connect_timeout_ms", self.storage.postgres.connect_timeout_ms),
            ("/storage/postgres/statement_timeout_ms", self.storage.postgres.statement_timeout_ms),
            ("/audit/checkpoint_ms", self.audit.checkpoint_ms),
            ("/outbox/poll_ms", outbox.poll_ms),
            ("/outbox/give_up_after_hours", outbox.give_up_after_hours.into()),
            ("/outbox/most_lost_leases", outbox.most_lost_leases.into()),
        ] {
            must((1..=86_400_000).contains(&time), pointer, "Từ 1 đến 86400000.", "From 1 to 86400000.");
        }
        for (pointer, time) in
            [("/configuration/reload_ms", self.configuration.reload_ms), ("/server/unready_ms", self.server.unready_ms)]
        {
            must(time <= 3_600_000, pointer, "Từ 0 đến 3600000.", "From 0 to 3600000.");
        }
        let percent = self.storage.least_free_percent;
        must(percent <= 50, "/storage/least_free_percent", "Tối đa 50.", "At most 50.");
        self.check_engine(&mut must);
        self.check_access(&mut must);
        self.check_issuers(&mut must);
        self.check_quotas(cards, &mut must);
        self.check_trace(&mut must);
        let (catalogue, agreement) = (&self.catalogue, &self.agreement);
        for (name, number, allowed) in [
            ("/catalogue/every_hours", catalogue.every_hours as usize, 0..=8_760),
            ("/catalogue/retry_s", catalogue.retry_s as usize, 1..=86_400),
            ("/catalogue/parallel_calls", catalogue.parallel_calls, 1..=64),
            ("/catalogue/most_shrink_percent", catalogue.most_shrink_percent.into(), 0..=100),
            ("/catalogue/page_items", catalogue.page_items, 1..=500),
            ("/agreement/hour", usize::try_from(agreement.hour).unwrap_or(usize::MAX), 0..=23),
            ("/agreement/calls_per_second", agreement.calls_per_second as usize, 1..=10_000),
            ("/agreement/parallel_calls", agreement.parallel_calls, 1..=64),
            ("/agreement/sample_percent", agreement.sample_percent.into(), 1..=100),
            ("/agreement/retry_s", agreement.retry_s as usize, 1..=86_400),
            ("/agreement/most_repairs_percent", agreement.most_repairs_percent.into(), 0..=100),
            ("/agreement/page_items", agreement.page_items, 1..=500),
        ] {
            let (least, most) = (allowed.start(), allowed.end());
            let (vi, en) = (format!("Từ {least} đến {most}."), format!("From {least} to {most}."));
            must(allowed.contains(&number), name, &vi, &en);
        }
        must(
            agreement.repair.iter().all(|class| !matches!(class, Class::MissingLocally | Class::NeverGiven)),
            "/agreement/repair",
            "missing_locally và never_given không gửi lại được: ở đây không có gì để gửi.",
            "missing_locally and never_given cannot be repaired: there is nothing here to send.",
        );
        let filter = self.log.filter.parse::<tracing_subscriber::filter::Targets>();
        must(filter.is_ok(), "/log/filter", "Không phải bộ lọc nhật ký.", "Not a log filter.");
        self.check_agencies(&mut wrong);
        let mut seen = HashSet::new();
        for (n, procedure) in self.procedures.iter().enumerate() {
            if !seen.insert(procedure.code.national().unwrap_or(procedure.code.original())) {
                wrong.push(format!("/procedures/{n}/code"), listed_twice());
            }
        }
        if let Err(maps) = self.status_maps() {
            wrong.append(maps);
        }
        wrong.into_result(())
    }

    fn check_access(&self, must: &mut impl FnMut(bool, &str, &str, &str)) {
        let url = &self.server.public_url;
        let is_loopback = ["http://127.0.0.1", "http://[::1]", "http://localhost"]
            .iter()
            .any(|start| url.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')));
        let is_bare =
            url.split("://").nth(1).is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', ' ']));
        must(
            is_bare && (url.starts_with("https://") || is_loopback),
            "/server/public_url",
            "Cần https://máy[:cổng], không có đường dẫn; http chỉ cho 127.0.0.1, [::1] hoặc localhost.",
            "https://host[:port] is needed, without a path; http only for 127.0.0.1, [::1] or localhost.",
        );
        let tls = &self.server.tls;
        must(
            tls.certificate_file.is_empty() == tls.private_key_file.is_empty(),
            "/server/tls/private_key_file",
            "Chứng thư và khóa riêng phải có cả hai.",
            "The certificate and the private key are needed both.",
        );
        must(
            tls.client_authorities_file.is_empty() || tls.is_on(),
            "/server/tls/client_authorities_file",
            "Cần chứng thư của cổng trước (certificate_file).",
            "The gateway's own certificate (certificate_file) is needed first.",
        );
        must(
            tls.client_revocations_file.is_empty() || !tls.client_authorities_file.is_empty(),
            "/server/tls/client_revocations_file",
            "Cần client_authorities_file.",
            "client_authorities_file is needed.",
        );
        let access = &self.access;
        let mut within = |name: &str, value: u64, least: u64, most: u64| {
            let (vi, en) = (format!("Từ {least} đến {most}."), format!("From {least} to {most}."));
            must((least..=most).contains(&value), &format!("/access/{name}"), &vi, &en);
        };
        within("token_lifetime_s", access.token_lifetime_s.into(), 5, LONGEST_TOKEN_S);
        within("token_key_days", access.token_key_days.into(), 1, 366);
        within("token_key_lead_s", access.token_key_lead_s.into(), 1, 86_400);
        within("clock_skew_s", access.clock_skew_s.into(), 0, MOST_CLOCK_SKEW_S);
        within("remember_token_ms", access.remember_token_ms.into(), 0, 30_000);
        within("remembered_tokens", access.remembered_tokens, 1, 10_000_000);
        within("refresh_ms", access.refresh_ms, 10, 10_000);
        // Otherwise a replica whose clock is behind publishes keys that have signed already by the clock of another.
        must(
            access.token_key_lead_s > access.clock_skew_s,
            "/access/token_key_lead_s",
            "Phải lớn hơn clock_skew_s.",
            "Must be more than clock_skew_s.",
        );
    }

    fn check_quotas(&self, cards: &[Card], must: &mut impl FnMut(bool, &str, &str, &str)) {
        let quotas = &self.quotas;
        let mut lines = vec![
            ("/quotas/all".to_owned(), quotas.all.requests, quotas.all.window_s),
            ("/quotas/client".to_owned(), quotas.client.requests, quotas.client.window_s),
            ("/quotas/token".to_owned(), quotas.token.requests, quotas.token.window_s),
        ];
        for (n, line) in quotas.operations.iter().enumerate() {
            lines.push((format!("/quotas/operations/{n}"), line.requests, line.window_s));
            must(
                RULES.iter().any(|rule| rule.operation == line.operation),
                &format!("/quotas/operations/{n}/operation"),
                "Không có thao tác này trong tài liệu API (operationId).",
                "There is no such operation (operationId) in the API document.",
            );
        }
        for (n, line) in quotas.clients.iter().enumerate() {
            lines.push((format!("/quotas/clients/{n}"), line.requests, line.window_s));
        }
        for (place, requests, window_s) in lines {
            must(requests <= 100_000_000, &format!("{place}/requests"), "Tối đa 100000000.", "At most 100000000.");
            must((1..=86_400).contains(&window_s), &format!("{place}/window_s"), "Từ 1 đến 86400.", "From 1 to 86400.");
        }
        for (n, line) in quotas.upstreams.iter().enumerate() {
            let place = format!("/quotas/upstreams/{n}");
            must(
                cards.iter().any(|card| card.name == line.upstream),
                &format!("{place}/upstream"),
                "Không có bộ kết nối này.",
                "There is no such adapter.",
            );
            must(line.wait_ms <= 60_000, &format!("{place}/wait_ms"), "Tối đa 60000.", "At most 60000.");
            let agency = line
                .agency
                .as_ref()
                .map(|line| (format!("{place}/agency"), line.requests, line.window_s, line.at_once));
            for (place, requests, window_s, at_once) in
                [(place, line.requests, line.window_s, line.at_once)].into_iter().chain(agency)
            {
                must(
                    (2..=100_000_000).contains(&requests),
                    &format!("{place}/requests"),
                    "Từ 2 đến 100000000.",
                    "From 2 to 100000000.",
                );
                must(
                    (1..=86_400).contains(&window_s),
                    &format!("{place}/window_s"),
                    "Từ 1 đến 86400.",
                    "From 1 to 86400.",
                );
                must(
                    (1..requests.max(2)).contains(&at_once),
                    &format!("{place}/at_once"),
                    "Từ 1, và nhỏ hơn requests.",
                    "From 1, and less than requests.",
                );
            }
        }
        let shared = &quotas.shared;
        let url = shared.url.expose();
        must(
            url.is_empty() || redis::IntoConnectionInfo::into_connection_info(url).is_ok(),
            "/quotas/shared/url",
            "Cần redis://máy:6379 hoặc rediss://máy:6379.",
            "redis://host:6379 or rediss://host:6379 is needed.",
        );
        must((1..=1000).contains(&shared.timeout_ms), "/quotas/shared/timeout_ms", "Từ 1 đến 1000.", "From 1 to 1000.");
        must((1..=60_000).contains(&shared.pause_ms), "/quotas/shared/pause_ms", "Từ 1 đến 60000.", "From 1 to 60000.");
        must(
            (1..=100).contains(&shared.share_while_away_percent),
            "/quotas/shared/share_while_away_percent",
            "Từ 1 đến 100.",
            "From 1 to 100.",
        );
    }

    fn check_trace(&self, must: &mut impl FnMut(bool, &str, &str, &str)) {
        let trace = &self.trace;
        let url = &trace.otlp_url;
        let is_sound = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        must(
            url.is_empty() || is_sound,
            "/trace/otlp_url",
            "Cần địa chỉ đầy đủ, ví dụ http://127.0.0.1:4318/v1/traces.",
            "A whole address is needed, for example http://127.0.0.1:4318/v1/traces.",
        );
        must((1..=60_000).contains(&trace.timeout_ms), "/trace/timeout_ms", "Từ 1 đến 60000.", "From 1 to 60000.");
        must(trace.sample_percent <= 100, "/trace/sample_percent", "Tối đa 100.", "At most 100.");
    }

    fn check_engine(&self, must: &mut impl FnMut(bool, &str, &str, &str)) {
        let lease = self.replicas.lease_ms;
        must((300..=300_000).contains(&lease), "/replicas/lease_ms", "Từ 300 đến 300000.", "From 300 to 300000.");
        if self.storage.engine == Engine::Sqlite {
            return;
        }
        let postgres = &self.storage.postgres;
        if let Err(reason) = crate::storage::postgres::check_url(&postgres.url) {
            let vi = format!(
                "Địa chỉ không dùng được ({reason}). Dạng: postgresql://lienthong@máy:5432/lienthong?sslmode=require"
            );
            let en = format!("Not usable: {reason}. Form: postgresql://lienthong@host:5432/lienthong?sslmode=require");
            must(false, "/storage/postgres/url", &vi, &en);
        }
        // One for each writer of the five kinds of batches, and some for everything else.
        must(
            postgres.most_connections > 5 * postgres.writers,
            "/storage/postgres/most_connections",
            "Phải lớn hơn 5 lần writers.",
            "Must be more than 5 times writers.",
        );
    }

    /// A parent that nobody knows, or a circle, would only show later, as requests refused for their agency.
    fn check_agencies(&self, wrong: &mut InvalidFields) {
        let parents: HashMap<&AgencyCode, Option<&AgencyCode>> =
            self.agencies.iter().map(|agency| (&agency.code, agency.parent.as_ref())).collect();
        for (n, agency) in self.agencies.iter().enumerate() {
            let mut above = agency.parent.as_ref();
            let mut height = 0;
            while let Some(code) = above {
                height += 1;
                match parents.get(code) {
                    Some(next) if height < 16 => above = *next,
                    Some(_) => {
                        wrong.push(
                            format!("/agencies/{n}/parent"),
                            Refusal::new(
                                "value",
                                "Cơ quan cấp trên tạo thành vòng hoặc quá 16 cấp.",
                                "The parents form a circle, or more than 16 levels.",
                            ),
                        );
                        break;
                    }
                    None => {
                        wrong.push(
                            format!("/agencies/{n}/parent"),
                            Refusal::new(
                                "value",
                                "Không có cơ quan này trong [[agencies]].",
                                "There is no such agency in [[agencies]].",
                            ),
                        );
                        break;
                    }
                }
            }
        }
    }
}

/// Part of the names of files in an export.
fn is_file_name(name: &str) -> bool {
    let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'-');
    (1..=64).contains(&name.len())
        && name.bytes().all(is_plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}
