//! The collector of traces, where one is named: there, and taking spans. Work needs none of it.

use callscribe::{collector, config::TraceSettings};

use super::finding::Finding;

const CHECK: &str = "traces";

pub(super) async fn check(settings: &TraceSettings) -> Vec<Finding> {
    let host = settings.endpoint.host_str().unwrap_or_default();
    vec![match collector::look(settings).await {
        Ok(()) => Finding::ok(CHECK, format!("{host} takes spans")),
        Err(what) => Finding::warn(
            CHECK,
            format!("{host} does not take spans: {what}"),
            "is it the port for OTLP over HTTP, 4318 as a rule, and are `OTEL_EXPORTER_OTLP_HEADERS` right? Work goes on without",
        ),
    }]
}
