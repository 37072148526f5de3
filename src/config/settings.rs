//! The core's settings as types. A value that cannot be used is a mistake here, not a surprise later.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use deserr::Deserr;
use jiff::civil::Date;
use lienthong_adapter_kit::breaker::BreakerSettings;
use lienthong_adapter_kit::card::Card;
use lienthong_adapter_kit::secret::Secret;
use lienthong_domain::catalogue::{Agency, AgencyCode, AgencyRegister, Procedure, ProcedureCode, ProcedureRegister};
use lienthong_domain::dossier::{DossierState, StatusMap, StatusMapEntry};
use lienthong_domain::invalid::{InvalidFields, Refusal};
use lienthong_domain::scalar::{Scalar, ScalarSchema};

use crate::dossiers::StatusMaps;

/// A plain date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(pub Date);

impl Scalar for Day {
    const SCHEMA: ScalarSchema = ScalarSchema::new("Ngày. / A date.", 10, "2026-11-21").format("date");

    fn parse(text: &str) -> Result<Self, Refusal> {
        let date = text.parse().map(Day);
        date.map_err(|_| Refusal::new("date", "Cần ngày dạng 2026-11-21.", "A date like 2026-11-21 is needed."))
    }

    fn to_text(&self) -> String {
        self.0.to_string()
    }
}

lienthong_domain::scalar!(Day);

lienthong_domain::code_enum! {
    /// What keeps the data.
    pub enum Engine: "Cơ sở dữ liệu. / The database." {
        Sqlite = "sqlite" => "SQLite, một máy",
        Postgres = "postgres" => "PostgreSQL, nhiều máy",
    }
}

/// Declares a section: every member is mandatory in the sum of the layers unless it says otherwise.
macro_rules! section {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Deserr)]
        #[deserr(error = InvalidFields, deny_unknown_fields)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type),+ }
    };
}

section! {
    /// Everything but the adapters' sections.
    Settings {
        deployment: DeploymentSettings,
        server: ServerSettings,
        access: AccessSettings,
        http: HttpSettings,
        storage: StorageSettings,
        replicas: ReplicaSettings,
        outbox: OutboxSettings,
        idempotency: IdempotencySettings,
        dossiers: DossierSettings,
        portal: PortalSettings,
        log: LogSettings,
        #[deserr(default)]
        procedures: Vec<ProcedureSettings>,
        #[deserr(default)]
        agencies: Vec<AgencySettings>,
        #[deserr(default)]
        status_maps: Vec<StatusMapSettings>,
    }
}
section! { DeploymentSettings { name: String } }
section! { ServerSettings { listen: String, public_url: String, drain_ms: u64 } }
section! { AccessSettings {
    token_lifetime_s: u32, token_key_days: u32, token_key_lead_s: u32, clock_skew_s: u32, remember_token_ms: u32,
    remembered_tokens: u64, refresh_ms: u64,
} }
section! { HttpSettings { body_bytes: usize, request_timeout_ms: u64, header_read_timeout_ms: u64, concurrent_requests: usize } }
section! { StorageSettings {
    engine: Engine, keys_folder: String, migrate_at_start: bool, write_queue: usize, batch_items: usize,
    sqlite: SqliteSettings, postgres: PostgresSettings,
} }
section! { SqliteSettings {
    data_folder: String, readers: usize, busy_timeout_ms: u64, wal_bytes: u64, cache_bytes: u64, least_free_bytes: u64,
    least_free_percent: u64,
} }
section! { PostgresSettings {
    url: String, password: Secret, ca_file: String, most_connections: usize, writers: usize, connect_timeout_ms: u64,
    statement_timeout_ms: u64,
} }
section! { ReplicaSettings { lease_ms: u64 } }
section! { OutboxSettings {
    most_open: u64, most_in_flight: usize, claim_batch: usize, lease_ms: u32, attempt_timeout_ms: u32, poll_ms: u64,
    look_up_delay_ms: u32, credential_pause_ms: u32, most_lost_leases: u32, retry_delays_ms: Vec<u32>,
    retry_jitter_percent: u32, give_up_after_hours: u32, breaker: BreakerSettings,
} }
section! { IdempotencySettings { keep_hours: u32 } }
section! { DossierSettings { batch_items: usize, steps_per_request: usize, page_items: usize } }
section! { PortalSettings { adapter: String } }
section! { LogSettings { filter: String, format: String } }
section! { ProcedureSettings {
    code: ProcedureCode, name: String,
    #[deserr(default)] withdrawn_from: Option<Day>,
    #[deserr(default)] successor: Option<ProcedureCode>,
} }
section! { AgencySettings {
    code: AgencyCode, name: String,
    #[deserr(default)] parent: Option<AgencyCode>,
    #[deserr(default)] valid_from: Option<Day>,
    #[deserr(default)] valid_to: Option<Day>,
} }
section! { StatusMapSettings { agency: AgencyCode, entries: Vec<StatusMapLine> } }
section! { StatusMapLine {
    status: String,
    #[deserr(default)] sub_status: Option<String>,
    means: DossierState,
    #[deserr(default)] sent_as: Option<DossierState>,
    #[deserr(default)] override_reason: Option<String>,
} }

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
                address.ip().is_loopback(),
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
        must(
            (24..=168).contains(&self.idempotency.keep_hours),
            "/idempotency/keep_hours",
            "Từ 24 đến 168.",
            "From 24 to 168.",
        );
        must(matches!(self.log.format.as_str(), "json" | "text"), "/log/format", "json hoặc text.", "json or text.");
        must(
            cards.iter().any(|card| card.name == self.portal.adapter),
            "/portal/adapter",
            "Không có bộ kết nối này.",
            "There is no such adapter.",
        );
        for (pointer, size) in [
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
            ("/http/request_timeout_ms", self.http.request_timeout_ms),
            ("/http/header_read_timeout_ms", self.http.header_read_timeout_ms),
            ("/storage/sqlite/busy_timeout_ms", self.storage.sqlite.busy_timeout_ms),
            ("/storage/postgres/connect_timeout_ms", self.storage.postgres.connect_timeout_ms),
            ("/storage/postgres/statement_timeout_ms", self.storage.postgres.statement_timeout_ms),
            ("/outbox/poll_ms", outbox.poll_ms),
            ("/outbox/give_up_after_hours", outbox.give_up_after_hours.into()),
            ("/outbox/most_lost_leases", outbox.most_lost_leases.into()),
        ] {
            must((1..=86_400_000).contains(&time), pointer, "Từ 1 đến 86400000.", "From 1 to 86400000.");
        }
        let percent = self.storage.sqlite.least_free_percent;
        must(percent <= 50, "/storage/sqlite/least_free_percent", "Tối đa 50.", "At most 50.");
        self.check_engine(&mut must);
        self.check_access(&mut must);
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
        let access = &self.access;
        let mut within = |name: &str, value: u64, least: u64, most: u64| {
            let (vi, en) = (format!("Từ {least} đến {most}."), format!("From {least} to {most}."));
            must((least..=most).contains(&value), &format!("/access/{name}"), &vi, &en);
        };
        within("token_lifetime_s", access.token_lifetime_s.into(), 5, 3600);
        within("token_key_days", access.token_key_days.into(), 1, 366);
        within("token_key_lead_s", access.token_key_lead_s.into(), 1, 86_400);
        within("clock_skew_s", access.clock_skew_s.into(), 0, 300);
        within("remember_token_ms", access.remember_token_ms.into(), 0, 30_000);
        within("remembered_tokens", access.remembered_tokens, 1, 10_000_000);
        within("refresh_ms", access.refresh_ms, 10, 10_000);
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

    pub fn agency_register(&self) -> AgencyRegister {
        AgencyRegister::new(self.agencies.iter().map(|agency| Agency {
            code: agency.code.clone(),
            name: agency.name.clone(),
            parent: agency.parent.clone(),
            valid_from: agency.valid_from.map(|day| day.0),
            valid_to: agency.valid_to.map(|day| day.0),
        }))
    }

    pub fn procedure_register(&self) -> ProcedureRegister {
        ProcedureRegister::new(self.procedures.iter().map(|procedure| Procedure {
            code: procedure.code.clone(),
            name: procedure.name.clone(),
            withdrawn_from: procedure.withdrawn_from.map(|day| day.0),
            successor: procedure.successor.clone(),
        }))
    }

    pub fn status_maps(&self) -> Result<StatusMaps, InvalidFields> {
        let mut wrong = InvalidFields::default();
        let mut by_agency = HashMap::new();
        for (n, map) in self.status_maps.iter().enumerate() {
            let lines = map.entries.iter().map(|line| StatusMapEntry {
                status: line.status.clone(),
                sub_status: line.sub_status.clone(),
                means: line.means,
                sent_as: line.sent_as,
                override_reason: line.override_reason.clone(),
            });
            match StatusMap::new(lines) {
                Ok(table) => {
                    if by_agency.insert(map.agency.clone(), table).is_some() {
                        wrong.push(format!("/status_maps/{n}/agency"), listed_twice());
                    }
                }
                Err(mistakes) => {
                    for mistake in mistakes {
                        let pointer = format!("/status_maps/{n}/entries/{}", mistake.entry);
                        wrong.push(pointer, Refusal { code: "status_map", message: mistake.message });
                    }
                }
            }
        }
        wrong.into_result(StatusMaps::new(by_agency))
    }
}

fn listed_twice() -> Refusal {
    Refusal::new("value", "Đã có trong danh sách.", "It is in the list already.")
}
