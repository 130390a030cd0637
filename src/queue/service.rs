//! One run of one job: bounded in time, safe from panics, ended when the lease is lost.

use std::{
    any::Any,
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use apalis_core::task::Task;
use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::mpsc;
use tracing::{Instrument, Span, field};

use super::backend::Held;
use crate::{
    domain::Reason,
    ledger::{Claimed, Failure, Handler, Outcome, RunContext},
    outbound::{Asker, Urgency},
    store::Store,
    telemetry::{chain, traces},
};

/// A run that ended, on its way to the finisher, its permit still with it.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) held: Held,
    /// `None` when the lease was lost: there is nothing left to say.
    pub(super) outcome: Option<Outcome>,
    /// The run as it is traced; it is over when its end is written.
    pub(super) trace: Span,
    pub(super) took: Duration,
}

/// The tower service that apalis calls for each job.
#[derive(Clone)]
pub(super) struct JobService {
    pub(super) handler: Arc<dyn Handler>,
    pub(super) store: Store,
    pub(super) hints: mpsc::UnboundedSender<Vec<crate::ledger::Hint>>,
    pub(super) ended: mpsc::Sender<Ended>,
}

impl tower::Service<Task<Held>> for JobService {
    type Response = ();
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Held>) -> Self::Future {
        let service = self.clone();
        let held = task.args;
        let job = &held.job;
        let trace = traces::run(traces::Run {
            kind: job.kind,
            id: job.id,
            attempt: job.attempt,
            run: job.run,
            source: job.source,
            session_id: job.session_id.as_ref(),
            started_at: job.started_at,
            waited: job.waited,
            enqueued_by: job.enqueued_by.as_ref(),
        });
        let span = tracing::info_span!(
            "job",
            job.id = job.id.0,
            job.kind = %job.kind,
            job.attempt = job.attempt,
            call.session_id = job.session_id.as_ref().map(|id| id.as_str()),
            trace_id = field::Empty,
            span_id = field::Empty,
        );
        if let Some(ids) = traces::of_span(&trace) {
            span.record("trace_id", ids.trace_id());
            span.record("span_id", ids.span_id());
        }
        // a task of its own: runs of one lane use every core, and one that blocks holds up no other
        // what asks for the current span means the trace's, so that is the inner one
        let run = tokio::spawn(service.run(held, trace.clone()).instrument(trace).instrument(span));
        async move {
            if let Err(error) = run.await {
                tracing::error!(error = %chain(&error), "a run broke outside its handler");
            }
            Ok(())
        }
        .boxed()
    }
}

impl JobService {
    async fn run(self, held: Held, trace: Span) {
        let context = RunContext { stop: held.lost.clone(), store: self.store.clone(), hints: self.hints.clone() };
        let began = Instant::now();
        let outcome = tokio::select! {
            outcome = run_bounded(&*self.handler, &held.job, &context) => Some(outcome),
            () = lost_and_waited(&held) => None,
        };
        let ended = Ended { held, outcome, trace, took: began.elapsed() };
        if self.ended.send(ended).await.is_err() {
            tracing::error!("the finisher is gone: this run's end is left to the sweep");
        }
    }
}

/// A handler that is told to stop may put things in order for this long.
const TIDY_UP: Duration = Duration::from_secs(3);

async fn lost_and_waited(held: &Held) {
    held.lost.cancelled().await;
    tokio::time::sleep(TIDY_UP).await;
}

async fn run_bounded(handler: &dyn Handler, job: &Claimed, context: &RunContext) -> Outcome {
    let limit = job.kind.timeout();
    let run = Asker::job(job.id).during(Urgency::of_priority(job.priority).during(handler.run(job, context)));
    let run = AssertUnwindSafe(run).catch_unwind();
    match tokio::time::timeout(limit, run).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Outcome::Retry(Failure::new(Reason::Panicked, anyhow::anyhow!("the handler panicked: {}", panic_text(&*panic)))),
        Err(_) => Outcome::Retry(Failure::new(Reason::TimedOut, anyhow::anyhow!("the run took longer than {limit:?}"))),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
