//! Of which work spans are told.

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceContextExt, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

use crate::config::TraceSampling;

/// Decides by what the work follows from, so that a call is told whole or not at all; where nothing was before it, by chance.
#[derive(Debug, Clone)]
pub(super) struct Story {
    root: Sampler,
    follows: bool,
}

impl Story {
    pub(super) const fn new(sampling: TraceSampling) -> Self {
        Self { root: Sampler::TraceIdRatioBased(sampling.share), follows: sampling.follows }
    }
}

const fn result(sampled: bool) -> SamplingResult {
    let decision = if sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop };
    SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::NONE }
}

impl ShouldSample for Story {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let above = parent.map(|parent| parent.span().span_context().clone()).filter(|above| above.is_valid());
        // within a trace it is all or nothing, whatever the sampler
        if let Some(above) = above.filter(|above| self.follows || !above.is_remote()) {
            return result(above.is_sampled());
        }
        // a request that no run or request of ours made belongs to nobody's story: a refresh of a token, a batch for the collector
        if *kind == SpanKind::Client {
            return result(false);
        }
        match links.iter().find(|_| self.follows) {
            Some(link) => result(link.span_context.is_sampled()),
            None => self.root.should_sample(None, trace_id, name, kind, attributes, links),
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags};

    use super::*;

    fn span(flags: TraceFlags, remote: bool) -> SpanContext {
        SpanContext::new(TraceId::from(7), SpanId::from(8), flags, remote, TraceState::NONE)
    }

    fn told(story: &Story, parent: Option<SpanContext>, kind: &SpanKind, links: &[Link]) -> bool {
        let parent = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        story.should_sample(Some(&parent), TraceId::from(u128::MAX), "x", kind, &[], links).decision == SamplingDecision::RecordAndSample
    }

    #[test]
    fn a_run_follows_what_enqueued_it_and_a_beginning_follows_chance() {
        let never = Story::new(TraceSampling { share: 0.0, follows: true });
        let always = Story::new(TraceSampling { share: 1.0, follows: true });
        let link = |flags| [Link::with_context(span(flags, true))];
        assert!(told(&never, None, &SpanKind::Consumer, &link(TraceFlags::SAMPLED)));
        assert!(!told(&always, None, &SpanKind::Consumer, &link(TraceFlags::default())));
        assert!(told(&always, None, &SpanKind::Consumer, &[]) && !told(&never, None, &SpanKind::Consumer, &[]));
        assert!(told(&never, Some(span(TraceFlags::SAMPLED, true)), &SpanKind::Server, &[]));
    }

    #[test]
    fn without_parentbased_only_chance_decides_over_runs_and_never_splits_one() {
        let never = Story::new(TraceSampling { share: 0.0, follows: false });
        assert!(!told(&never, None, &SpanKind::Consumer, &[Link::with_context(span(TraceFlags::SAMPLED, true))]));
        assert!(!told(&never, Some(span(TraceFlags::SAMPLED, true)), &SpanKind::Server, &[]));
        assert!(told(&never, Some(span(TraceFlags::SAMPLED, false)), &SpanKind::Client, &[]));
    }

    #[test]
    fn a_request_of_nobody_is_not_told() {
        let always = Story::new(TraceSampling { share: 1.0, follows: true });
        assert!(!told(&always, None, &SpanKind::Client, &[]));
        assert!(told(&always, Some(span(TraceFlags::SAMPLED, false)), &SpanKind::Client, &[]));
    }
}
