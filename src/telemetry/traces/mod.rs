//! Spans as OpenTelemetry knows them: what is told of a run, a request to a vendor, a transfer, a request to our API; how much of it; and how
//! what follows finds what it follows from.
//!
//! A run of a job is a trace of its own. Work that it enqueues carries its [`TraceParent`] in the row, and the run of that work links to
//! it, so that a call is followed from process to process however long it waits in between. The id of its trace follows from job, claim and time. Spans for traces are apart from those of log lines, at
//! a target of their own: with traces off nothing listens to it, and such a span costs one load of an atomic.
//!
//! What does not live here: the way to a collector, which is `collector`'s.

mod ids;
mod parent;
mod queue;
mod sampler;
mod spans;

use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracerProvider, SpanLimits},
};
use tracing_subscriber::{Layer, Registry, filter::Targets};

pub use ids::trace_id_of;
pub use parent::{TraceParent, current, of_span};
pub use queue::SpanQueue;
pub use spans::{ReceivedRequest, Run, failed, received, received_status, run, run_ended, sent, sent_status, storage, storing, told};

use crate::config::TraceSettings;

/// The target of every span that is told; nothing else is.
const TARGET: &str = "callscribe::traces";

/// Whether this process traces.
static ON: AtomicBool = AtomicBool::new(false);

/// Whether this process traces.
#[must_use]
pub fn are_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// The layer that turns spans of our target into OpenTelemetry's, and the queue that they end in.
pub(super) fn layer(settings: &TraceSettings, about: &[(&'static str, String)]) -> (Box<dyn Layer<Registry> + Send + Sync>, SpanQueue) {
    let attributes = settings.attributes.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let about = about.iter().map(|(key, value)| KeyValue::new(*key, value.clone()));
    let resource = Resource::builder_empty()
        .with_attributes(about)
        .with_attributes(attributes)
        .with_attribute(KeyValue::new("service.name", settings.service_name.clone()))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let (sender, queue) = queue::queue(settings.queue, resource.clone());
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_id_generator(ids::Ids::default())
        .with_sampler(sampler::Story::new(settings.sampling))
        .with_span_limits(SpanLimits::default())
        .with_span_processor(sender)
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("callscribe"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_context_activation(false)
        .with_filter(Targets::new().with_target(TARGET, tracing::Level::TRACE));
    ON.store(true, Ordering::Relaxed);
    (layer.boxed(), queue)
}
