//! Spans that ended, on their way to whoever sends them: bounded, and never waited for.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};
use tokio::sync::mpsc;

use crate::telemetry::metrics;

/// The end of the queue that takes spans out.
#[derive(Debug)]
pub struct SpanQueue {
    spans: mpsc::Receiver<SpanData>,
    /// What is said of this process with every batch.
    pub resource: Resource,
}

impl SpanQueue {
    /// Adds up to `most` spans to `batch`, waiting for the first; returns how many, 0 when the queue was closed and is empty.
    /// What was not added is not lost when the future is dropped.
    pub async fn take(&mut self, batch: &mut Vec<SpanData>, most: usize) -> usize {
        self.spans.recv_many(batch, most).await
    }

    /// Takes no more; what is in it can still be taken out.
    pub fn close(&mut self) {
        self.spans.close();
    }
}

/// The end that spans go into.
#[derive(Debug)]
pub(super) struct Sender(mpsc::Sender<SpanData>);

pub(super) fn queue(size: usize, resource: Resource) -> (Sender, SpanQueue) {
    let (sender, spans) = mpsc::channel(size);
    (Sender(sender), SpanQueue { spans, resource })
}

impl SpanProcessor for Sender {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.0.try_send(span).is_err() {
            metrics::spans("queue_full", 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
