//! The id of a run's trace: made from what the ledger keeps of the run, so that whoever reads the ledger knows it and nothing is stored for it.

use std::cell::Cell;

use chrono::{DateTime, Utc};
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use ring::digest;

use crate::domain::JobId;

/// Job, claim and moment of the claim by PostgreSQL's clock: no two runs share them, nor do, in practice, those of two installations.
pub(super) fn of_run(job: JobId, run: i32, started_at: DateTime<Utc>) -> TraceId {
    let text = format!("callscribe/{job}/{run}/{}", started_at.timestamp_micros());
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    TraceId::from_bytes(digest.as_ref().first_chunk().copied().unwrap_or_default())
}

/// The id of a run's trace, as collectors show it.
#[must_use]
pub fn trace_id_of(job: JobId, run: i32, started_at: DateTime<Utc>) -> String {
    of_run(job, run, started_at).to_string()
}

thread_local! {
    /// The id of the trace that this thread begins next, where it is not left to chance.
    static NEXT: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Does `begin`, which begins a trace at once, so that the trace has this id.
pub(super) fn with_trace_id<T>(id: TraceId, begin: impl FnOnce() -> T) -> T {
    NEXT.set(Some(id));
    let begun = begin();
    NEXT.set(None);
    begun
}

/// Ids by chance, but for traces of runs.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_that_of_the_run_and_of_no_other() {
        let at = DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap();
        let id = trace_id_of(JobId(7), 1, at);
        assert_eq!((id.len(), &id), (32, &trace_id_of(JobId(7), 1, at)));
        let others = [
            trace_id_of(JobId(7), 2, at),
            trace_id_of(JobId(71), 1, at),
            trace_id_of(JobId(7), 1, at + chrono::TimeDelta::microseconds(1)),
        ];
        assert!(!others.contains(&id));
    }

    #[test]
    fn an_id_that_was_said_is_used_once() {
        let ids = Ids::default();
        let said = TraceId::from(7);
        assert_eq!(with_trace_id(said, || ids.new_trace_id()), said);
        assert_ne!(ids.new_trace_id(), said);
        with_trace_id(said, || ());
        assert_ne!(ids.new_trace_id(), said);
    }
}
