//! `GET /metrics`, for Prometheus: it takes its token as any client does (its setting `oauth2`).

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::Refusals;
use crate::telemetry;

/// Dạng văn bản của Prometheus, bản 0.0.4. / Prometheus' text form, version 0.0.4.
#[derive(Serialize, ToSchema)]
#[schema(max_length = 100_000_000, example = "lienthong_build_info{version=\"0.1.0\"} 1")]
#[allow(dead_code, reason = "describes what is written elsewhere")]
struct Counts(String);

pub fn routes(counts: PrometheusHandle) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(get_metrics)).with_state(counts)
}

/// Xem số đo vận hành
///
/// Theo định dạng văn bản của Prometheus; không có dữ liệu cá nhân. / In Prometheus' text form; nothing personal.
#[utoipa::path(
    get, path = "/metrics", operation_id = "getMetrics", tag = "service",
    responses(
        (status = 200, description = "Số đo của bản chạy này. / The counts of this replica.", body = Counts, content_type = "text/plain"),
        Refusals,
    )
)]
async fn get_metrics(State(counts): State<PrometheusHandle>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry::metrics::read(&counts))
}
