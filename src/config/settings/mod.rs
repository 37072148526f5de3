//! The core's settings as types. A value that cannot be used is a mistake here, not a surprise later.

mod check;
mod check_inbox;
mod check_issuers;
mod check_webhooks;
mod tables;
mod webhooks;

pub use check::{LONGEST_TOKEN_S, MOST_CLOCK_SKEW_S};

use deserr::Deserr;
use jiff::civil::Date;
use lienthong_adapter_kit::breaker::BreakerSettings;
use lienthong_adapter_kit::secret::Secret;
use lienthong_domain::agreement::Class;
use lienthong_domain::catalogue::{AgencyCode, ProcedureCode};
use lienthong_domain::dossier::{Database, DossierState};
use lienthong_domain::invalid::{InvalidFields, Refusal};
use lienthong_domain::scalar::{Scalar, ScalarSchema};

use crate::webhooks::EventKind;

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
        configuration: ConfigurationSettings,
        server: ServerSettings,
        access: AccessSettings,
        quotas: QuotaSettings,
        http: HttpSettings,
        storage: StorageSettings,
        replicas: ReplicaSettings,
        audit: AuditSettings,
        outbox: OutboxSettings,
        idempotency: IdempotencySettings,
        retention: RetentionSettings,
        dossiers: DossierSettings,
        inbox: InboxSettings,
        catalogue: CatalogueSettings,
        agreement: AgreementSettings,
        reports: ReportSettings,
        webhooks: WebhookSettings,
        portal: PortalSettings,
        log: LogSettings,
        trace: TraceSettings,
        #[deserr(default)]
        procedures: Vec<ProcedureSettings>,
        #[deserr(default)]
        agencies: Vec<AgencySettings>,
        #[deserr(default)]
        status_maps: Vec<StatusMapSettings>,
    }
}
section! { AuditSettings {
    checkpoint_ms: u64, witness_ms: u64, witnesses: Vec<WitnessSettings>, timestamp_ms: u64,
    timestamp_authorities: Vec<TimestampSettings>, agency_signature: AgencySignatureSettings,
} }
section! { WitnessSettings { url: String, key: String } }
section! { TimestampSettings { name: String, url: String, roots_file: String } }
section! { AgencySignatureSettings {
    module: String, token: String, key: String, pin: Secret, certificate_file: String, roots_file: String,
} }
section! { DeploymentSettings { name: String } }
section! { ConfigurationSettings { reload_ms: u64 } }
section! { ServerSettings {
    listen: String, public_url: String, unready_ms: u64, drain_ms: u64, most_connections: usize,
    most_connections_of_one_address: usize, tls: TlsSettings,
} }
section! { TlsSettings {
    certificate_file: String, private_key_file: String, client_authorities_file: String, client_revocations_file: String,
    handshake_timeout_ms: u64, reload_ms: u64,
} }
section! { AccessSettings {
    token_lifetime_s: u32, token_key_days: u32, token_key_lead_s: u32, clock_skew_s: u32, remember_token_ms: u32,
    remembered_tokens: u64, refresh_ms: u64, issuer_keys: IssuerKeySettings,
    #[deserr(default)] issuers: Vec<IssuerSettings>,
} }
section! { IssuerKeySettings {
    fresh_ms: u64, keep_ms: u64, least_interval_ms: u64, timeout_ms: u64, most_bytes: usize, most_keys: usize,
} }
section! { IssuerSettings {
    url: String, algorithms: Vec<String>,
    #[deserr(default)] audience: String,
    #[deserr(default = vec!["at+jwt".to_owned(), "JWT".to_owned()])] token_types: Vec<String>,
    #[deserr(default = "sub".to_owned())] client_claim: String,
    #[deserr(default = "scope".to_owned())] scope_claim: String,
} }
section! { QuotaSettings {
    all: QuotaLine, client: QuotaLine, token: QuotaLine,
    #[deserr(default)] operations: Vec<OperationQuota>,
    #[deserr(default)] clients: Vec<ClientQuota>,
    #[deserr(default)] upstreams: Vec<UpstreamQuota>,
    shared: SharedQuotaSettings,
} }
section! { QuotaLine { requests: u32, window_s: u32 } }
section! { OperationQuota { operation: String, requests: u32, window_s: u32 } }
section! { ClientQuota { client: String, requests: u32, window_s: u32 } }
section! { UpstreamQuota {
    upstream: String, requests: u32, window_s: u32, at_once: u32, wait_ms: u64,
    #[deserr(default)] agency: Option<StrictQuota>,
} }
section! { StrictQuota { requests: u32, window_s: u32, at_once: u32 } }
section! { SharedQuotaSettings { url: Secret, timeout_ms: u64, pause_ms: u64, share_while_away_percent: u32 } }
section! { HttpSettings {
    body_bytes: usize, header_read_timeout_ms: u64, body_read_timeout_ms: u64, request_timeout_ms: u64,
    write_timeout_ms: u64, concurrent_requests: usize, place_wait_ms: u64,
} }
section! { StorageSettings {
    engine: Engine, keys_folder: String, files_folder: String, least_free_bytes: u64, least_free_percent: u64,
    migrate_at_start: bool, write_queue: usize, batch_items: usize,
    sqlite: SqliteSettings, postgres: PostgresSettings,
} }
section! { SqliteSettings {
    data_folder: String, readers: usize, busy_timeout_ms: u64, wal_bytes: u64, cache_bytes: u64,
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
section! { IdempotencySettings { keep_hours: u32, memory_minutes: u32, memory_bytes: u64 } }
section! { RetentionSettings { dossier_contents_days: u32, audit_months: u32 } }
section! { DossierSettings { batch_items: usize, steps_per_request: usize, page_items: usize } }
section! { InboxSettings {
    enabled: bool, sender_addresses: Vec<String>, sender_certificates: Vec<String>, agency: String,
    #[deserr(default)] routes: Vec<InboxRoute>,
    file_types: Vec<String>, message_bytes: usize, text_bytes: usize, file_bytes: u64, files: usize,
    concurrent_messages: usize, message_timeout_ms: u64, hold_ms: u32, page_items: usize, poll_ms: u64, longest_wait_s: u64,
    waiting_requests: usize, links: InboxLinks,
} }
section! { InboxLinks {
    hosts: Vec<String>, networks: Vec<String>,
    #[deserr(default)] rewrite: Vec<LinkRewrite>,
    parallel_fetches: usize, fetch_timeout_ms: u64, pause_ms: u64,
} }
section! { LinkRewrite { from: String, to: String } }
section! { CatalogueSettings {
    every_hours: u32, retry_s: u32, parallel_calls: usize, most_shrink_percent: u8, page_items: usize,
} }
section! { AgreementSettings {
    nightly: bool, hour: i8, calls_per_second: u32, parallel_calls: usize, sample_percent: u8, retry_s: u32,
    repair: Vec<Class>, most_repairs_percent: u8, page_items: usize,
} }
section! { ReportSettings { holidays_file: String, population_databases: Vec<Database> } }
section! { WebhookSettings {
    networks: Vec<String>, timeout_ms: u64, parallel_calls: usize, retry_delays_ms: Vec<u32>, retry_jitter_percent: u32,
    give_up_after_hours: u32, most_waiting: u64, keep_days: u32,
    #[deserr(default)] endpoints: Vec<WebhookEndpoint>,
} }
section! { WebhookEndpoint {
    name: String, url: String, client: String, events: Vec<EventKind>, secret: Secret,
    #[deserr(default = Secret::new(""))] previous_secret: Secret,
} }
section! { InboxRoute { procedure: ProcedureCode, agency: AgencyCode } }
section! { PortalSettings { adapter: String } }
section! { LogSettings { filter: String, format: String } }
section! { TraceSettings { otlp_url: String, timeout_ms: u64, sample_percent: u32 } }
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

impl TlsSettings {
    /// Whether connections are met with TLS.
    pub fn is_on(&self) -> bool {
        !self.certificate_file.is_empty()
    }
}

fn listed_twice() -> Refusal {
    Refusal::new("value", "Đã có trong danh sách.", "It is in the list already.")
}
