//! What is counted, and where the counts are kept until `/metrics` is read. `docs/operations/metrics.md` says what to watch.

use std::sync::OnceLock;

use lienthong_adapter_kit::metrics::{ALL as UPSTREAM, Kind, Metric};
use metrics::Unit;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub const REQUESTS: Metric = Metric::counter(
    "lienthong_http_requests_total",
    &["client", "operation", "status"],
    "Requests. client: by its id, empty where none was recognised; operation: as in the API document.",
);
pub const REQUEST_SECONDS: Metric = Metric::seconds(
    "lienthong_http_request_duration_seconds",
    &["operation"],
    "From a request's head to its answer's head, by operation.",
);
pub const CLIENT_SECONDS: Metric =
    Metric::seconds("lienthong_client_request_duration_seconds", &["client"], "The same by client.");
pub const REQUESTS_IN_PROGRESS: Metric =
    Metric::gauge("lienthong_http_requests_in_progress", &[], "Requests that are worked on, or wait for their place.");
pub const SHED: Metric = Metric::counter(
    "lienthong_http_requests_shed_total",
    &["priority"],
    "Requests that were refused because there was no place for them: bulk, usual or last.",
);
pub const QUOTA_DENIED: Metric = Metric::counter(
    "lienthong_quota_denied_total",
    &["policy", "client"],
    "Requests refused for a quota. client: empty for quotas that are not of one client.",
);
pub const QUOTAS_SHARED: Metric = Metric::gauge(
    "lienthong_quotas_shared",
    &[],
    "1 while quotas are counted together with other replicas, 0 while each gives its share; absent without Redis.",
);
pub const CONNECTIONS: Metric = Metric::gauge("lienthong_http_connections", &[], "Connections of clients.");
pub const CONNECTIONS_REFUSED: Metric =
    Metric::counter("lienthong_http_connections_refused_total", &[], "Connections beyond one of the two limits.");
pub const OUTBOX_ITEMS: Metric = Metric::gauge(
    "lienthong_outbox_items",
    &["status"],
    "Open items of the outbox, of all replicas; counted now and then.",
);
pub const OUTBOX_OVERDUE: Metric = Metric::gauge(
    "lienthong_outbox_overdue_seconds",
    &[],
    "For how long the item that is due longest has been due; 0 if none is.",
);
pub const DELIVERIES: Metric = Metric::counter(
    "lienthong_deliveries_total",
    &["operation", "outcome"],
    "What this replica did with items of the outbox: the operation as in the audit log, and the item's new status.",
);
pub const COMMIT_SECONDS: Metric = Metric::seconds(
    "lienthong_storage_commit_duration_seconds",
    &["engine"],
    "How long a commit of many requests took: sqlite or postgres.",
);
pub const DISK_LOW: Metric =
    Metric::gauge("lienthong_storage_disk_low", &[], "1 while new requests are refused with 507. SQLite only.");
pub const KEYS_MISSING: Metric = Metric::gauge(
    "lienthong_keys_missing",
    &[],
    "1 while a key that is in use is not in this replica's key folder, or is another one.",
);
pub const AUDIT_CHECKPOINTS: Metric =
    Metric::counter("lienthong_audit_checkpoints_total", &[], "Heads of the audit log that this replica has signed.");
pub const AUDIT_EXPOSURE: Metric = Metric::gauge(
    "lienthong_audit_exposure_seconds",
    &[],
    "For how long the oldest record that neither a witness nor a time-stamping authority has seen has been there; 0 if they \
     have seen all. Absent without either.",
);
pub const AUDIT_ANCHOR_UP: Metric = Metric::gauge(
    "lienthong_audit_anchor_up",
    &["kind", "name"],
    "1 if it did what it was asked for last, else 0: a witness, a time-stamping authority (timestamp), the agency's key (signature). Of the leader.",
);
pub const AUDIT_DAMAGED: Metric = Metric::gauge(
    "lienthong_audit_damaged",
    &[],
    "Shards of the audit log that are not signed any more because they do not fit what was signed before; of the leader.",
);
pub const CATALOGUE_AGE: Metric = Metric::gauge(
    "lienthong_catalogue_age_seconds",
    &[],
    "For how long the national catalogue was not asked for as a whole; absent before the first time.",
);
pub const CATALOGUE_FAILURES: Metric = Metric::gauge(
    "lienthong_catalogue_failures",
    &[],
    "What could not be taken over from the national catalogue the last time; absent before the first time.",
);
pub const AGREEMENT_CASES: Metric = Metric::gauge(
    "lienthong_agreement_cases",
    &["class"],
    "Differences between province and nation that wait for a decision, or for what was decided to take effect.",
);
pub const INBOX_FILES: Metric = Metric::gauge(
    "lienthong_inbox_files",
    &["status"],
    "Files at addresses of the portal: waiting to be fetched, or refused.",
);
pub const WEBHOOK_NOTICES: Metric = Metric::gauge(
    "lienthong_webhook_notices",
    &["endpoint", "status"],
    "Notices to endpoints of local systems: waiting to be taken, or given up.",
);
pub const WEBHOOK_DISABLED: Metric =
    Metric::gauge("lienthong_webhook_disabled", &[], "Endpoints that have answered that they are gone.");
pub const BUILD: Metric = Metric::gauge("lienthong_build_info", &["version"], "Always 1.");

const OWN: &[Metric] = &[
    REQUESTS,
    REQUEST_SECONDS,
    CLIENT_SECONDS,
    REQUESTS_IN_PROGRESS,
    SHED,
    QUOTA_DENIED,
    QUOTAS_SHARED,
    CONNECTIONS,
    CONNECTIONS_REFUSED,
    AGREEMENT_CASES,
    INBOX_FILES,
    WEBHOOK_NOTICES,
    WEBHOOK_DISABLED,
    OUTBOX_ITEMS,
    OUTBOX_OVERDUE,
    DELIVERIES,
    COMMIT_SECONDS,
    DISK_LOW,
    AUDIT_CHECKPOINTS,
    AUDIT_DAMAGED,
    AUDIT_EXPOSURE,
    AUDIT_ANCHOR_UP,
    KEYS_MISSING,
    CATALOGUE_AGE,
    CATALOGUE_FAILURES,
    BUILD,
];

/// Every metric of the gateway; beside them stand those of the process (`process_…`).
pub fn all() -> impl Iterator<Item = &'static Metric> {
    OWN.iter().chain(UPSTREAM)
}

/// Seconds: a commit takes some thousandths, a call to another system up to its time limit.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Counts from now on, in this process. Called again it gives the same counts.
pub fn start() -> PrometheusHandle {
    let handle = RECORDER.get_or_init(|| {
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new();
        let recorder = match builder.set_buckets_for_metric(seconds, BUCKETS) {
            Ok(builder) => builder.build_recorder(),
            Err(_) => unreachable!("there are buckets"),
        };
        let handle = recorder.handle();
        // Fails only if another library has made itself the recorder of this process; then nothing is counted.
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::error!("metrics go to another recorder: /metrics stays empty");
        }
        for Metric { name, kind, help, .. } in all() {
            match kind {
                Kind::Counter => metrics::describe_counter!(*name, *help),
                Kind::Gauge => metrics::describe_gauge!(*name, *help),
                Kind::Histogram => metrics::describe_histogram!(*name, Unit::Seconds, *help),
            }
        }
        metrics_process::Collector::default().describe();
        metrics::gauge!(BUILD.name, "version" => env!("CARGO_PKG_VERSION")).set(1);
        handle
    });
    handle.clone()
}

/// The counts, in Prometheus' text form.
pub fn read(handle: &PrometheusHandle) -> String {
    metrics_process::Collector::default().collect();
    handle.render()
}
