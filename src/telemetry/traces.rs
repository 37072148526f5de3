//! Traces (W3C Trace Context): a caller's trace goes on through the gateway, through the outbox, and into the calls to other
//! systems. Spans are sent to a collector (OTLP over HTTP) if there is one; ids are passed on in any case.

use std::time::Duration;

use anyhow::Context;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// Where spans go.
#[derive(Debug, Clone, Default)]
pub struct TraceSettings {
    /// The collector's whole address, for example `http://127.0.0.1:4318/v1/traces`; empty: nowhere.
    pub otlp_url: String,
    /// Of a hundred traces that begin here, so many are sent; of those that begin elsewhere, their beginner decides.
    pub sample_percent: u32,
    pub timeout: Duration,
    /// The name of the deployment.
    pub deployment: String,
}

/// What must be ended, lest the last spans be lost.
pub struct Traces(SdkTracerProvider);

impl Traces {
    pub(super) fn start<S>(settings: &TraceSettings) -> anyhow::Result<(Self, impl Layer<S> + Send + Sync + 'static)>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let resource = Resource::builder()
            .with_service_name("lienthong")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.namespace", settings.deployment.clone()))
            .build();
        let provider = SdkTracerProvider::builder().with_resource(resource);
        let provider = if settings.otlp_url.is_empty() {
            provider.with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOff)))
        } else {
            let exporter = SpanExporter::builder()
                .with_http()
                .with_endpoint(&settings.otlp_url)
                .with_timeout(settings.timeout)
                .build()
                .context("trace.otlp_url")?;
            let ratio = f64::from(settings.sample_percent) / 100.0;
            let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)));
            provider.with_sampler(sampler).with_batch_exporter(exporter)
        };
        let provider = provider.build();
        let spans = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("lienthong"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            // Our own spans, whatever the log's filter is; what is logged in them stays in the log.
            .with_filter(filter_fn(|of| of.is_span() && of.target().starts_with("lienthong")));
        Ok((Self(provider), spans))
    }

    /// Sends what is left; a collector that does not answer is not waited for beyond the timeout.
    pub async fn end(self) {
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown()).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}
