//! What work is told about where it came from: a `traceparent` of W3C's Trace Context.

use std::{fmt, str::FromStr};

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::are_on;

/// Names one span of one trace, and says whether it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent(SpanContext);

/// A text that is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent")]
pub struct NoTraceParent;

/// Hexadecimal digits of a trace's id, and of a span's.
const TRACE_DIGITS: usize = 32;
const SPAN_DIGITS: usize = 16;

impl TraceParent {
    fn of_context(context: &SpanContext) -> Option<Self> {
        context
            .is_valid()
            .then(|| Self(SpanContext::new(context.trace_id(), context.span_id(), context.trace_flags(), true, TraceState::NONE)))
    }

    /// The trace's id, as collectors show it.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.0.trace_id().to_string()
    }

    /// The span's id, as collectors show it.
    #[must_use]
    pub fn span_id(&self) -> String {
        self.0.span_id().to_string()
    }

    pub(super) fn context(&self) -> SpanContext {
        self.0.clone()
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.0.trace_id(), self.0.span_id(), self.0.trace_flags() & TraceFlags::SAMPLED)
    }
}

impl FromStr for TraceParent {
    type Err = NoTraceParent;

    /// Reads version 00, and of later versions what they have in common with it, as the standard asks.
    fn from_str(text: &str) -> Result<Self, NoTraceParent> {
        let mut parts = text.trim().split('-');
        let mut part =
            |digits: usize| parts.next().filter(|part| part.len() == digits && part.bytes().all(is_hexadecimal)).ok_or(NoTraceParent);
        let (version, trace, span, flags) = (part(2)?, part(TRACE_DIGITS)?, part(SPAN_DIGITS)?, part(2)?);
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return Err(NoTraceParent);
        }
        let trace = TraceId::from_hex(trace).map_err(|_| NoTraceParent)?;
        let span = SpanId::from_hex(span).map_err(|_| NoTraceParent)?;
        let flags = u8::from_str_radix(flags, 16).map_err(|_| NoTraceParent)?;
        let context = SpanContext::new(trace, span, TraceFlags::new(flags) & TraceFlags::SAMPLED, true, TraceState::NONE);
        Self::of_context(&context).ok_or(NoTraceParent)
    }
}

/// Capital letters are not allowed.
const fn is_hexadecimal(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// The span of the task that asks: what it enqueues follows from it. `None` where nothing is traced.
#[must_use]
pub fn current() -> Option<TraceParent> {
    if are_on() { of_span(&Span::current()) } else { None }
}

/// The same of a span in hand.
#[must_use]
pub fn of_span(span: &Span) -> Option<TraceParent> {
    if !are_on() {
        return None;
    }
    TraceParent::of_context(span.context().span().span_context())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_it_is_written() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent: TraceParent = text.parse().unwrap();
        assert_eq!(parent.to_string(), text);
        assert_eq!((parent.trace_id().as_str(), parent.span_id().as_str()), (&text[3..35], &text[36..52]));
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-09-what-comes";
        assert_eq!(later.parse::<TraceParent>().unwrap().to_string(), text);
        let not_told = text.replace("-01", "-00");
        assert_eq!(not_told.parse::<TraceParent>().unwrap().to_string(), not_told);
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(text.parse::<TraceParent>().is_err(), "{text}");
        }
    }
}
