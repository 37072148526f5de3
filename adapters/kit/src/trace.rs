//! The trace that the work at hand belongs to (W3C Trace Context), as text and back.

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";

/// The current span as a `traceparent`; `None` where nobody traces.
pub fn current() -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// The id of the trace that the span belongs to: 32 hexadecimal digits.
pub fn id_of(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let id = span.span_context().trace_id();
    (id != opentelemetry::TraceId::INVALID).then(|| id.to_string())
}

/// Makes the span a part of the trace that `traceparent` names. What does not read as one is as if it were not there.
pub fn join(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    if parent.span().span_context().is_valid() {
        // Fails only where nobody traces.
        let _ = span.set_parent(parent);
    }
}
