//! Writes the ends of runs: plain ones in batches, those with an effect each in its own transaction. It insists: a result that
//! was paid for is not thrown away because PostgreSQL restarts. Permits go back only when the end is written, so that a
//! database that is away stops the lanes by itself.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tracing::Instrument;

use super::{QueueSettings, service::Ended};
use crate::{
    domain::{JobId, LeaseId, Reason},
    ledger::{self, Claimed, Effect, Failure, Finished, Hint, Next, Outcome, Setback, process_rng},
    store::{Store, StoreError},
    telemetry::{chain, metrics, traces},
};

/// Ends written in one statement.
const MOST_PER_STATEMENT: usize = 1_000;
/// Effects committed at once: more would wait for connections anyway.
const EFFECTS_AT_ONCE: usize = 4;
/// Tries of an effect that PostgreSQL refuses, before the run counts as failed.
const TRIES_OF_A_REFUSED_EFFECT: u32 = 3;
/// Between two tries, doubling up to `LONGEST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// A database that comes back is noticed within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(super) struct Finisher {
    pub(super) store: Store,
    pub(super) hints: mpsc::UnboundedSender<Vec<Hint>>,
    pub(super) settings: QueueSettings,
}

impl Finisher {
    /// Finishes until every sender is gone and everything is written.
    pub(super) async fn run(self, mut ended: mpsc::Receiver<Ended>) {
        let effects = Arc::new(Semaphore::new(EFFECTS_AT_ONCE));
        let mut committing = JoinSet::new();
        let mut batch = Vec::new();
        while ended.recv_many(&mut batch, MOST_PER_STATEMENT).await > 0 {
            let mut plain = BTreeMap::<LeaseId, Vec<Ended>>::new();
            let mut setbacks = BTreeMap::<LeaseId, Vec<(Ended, Setback)>>::new();
            for mut end in batch.drain(..) {
                match end.outcome.take() {
                    None => count(&end, "lease_lost", None, Some("the lease was lost: the job runs elsewhere")),
                    Some(Outcome::Done(effect)) if effect.is_none() => plain.entry(end.held.job.lease).or_default().push(end),
                    Some(Outcome::Done(effect)) => {
                        // the semaphore is never closed
                        let Ok(slot) = effects.clone().acquire_owned().await else { continue };
                        let finisher = self.clone();
                        committing.spawn(async move {
                            finisher.commit(end, effect).await;
                            drop(slot);
                        });
                    }
                    Some(setback) => {
                        if let Some(setback) = self.setback(&end.held.job, setback) {
                            setbacks.entry(end.held.job.lease).or_default().push((end, setback));
                        }
                    }
                }
            }
            for (lease, ends) in plain {
                self.finish_plain(lease, ends).await;
            }
            for (lease, ends) in setbacks {
                self.finish_setbacks(lease, ends).await;
            }
            while committing.try_join_next().is_some() {}
        }
        while committing.join_next().await.is_some() {}
    }

    async fn finish_plain(&self, lease: LeaseId, ends: Vec<Ended>) {
        let jobs: Vec<(JobId, i32)> = ends.iter().map(|end| (end.held.job.id, end.held.job.run)).collect();
        let written = self
            .insist(|| {
                async {
                    let mut connection = self.store.connection().await?;
                    ledger::finish_done(&mut connection, lease, &jobs).await
                }
                .boxed()
            })
            .await;
        if written.len() < jobs.len() {
            tracing::warn!(lease.id = %lease, jobs.count = jobs.len() - written.len(), "jobs were finished before or their lease was lost");
        }
        for end in ends {
            count(&end, "done", None, None);
        }
    }

    async fn finish_setbacks(&self, lease: LeaseId, ends: Vec<(Ended, Setback)>) {
        let (ends, setbacks): (Vec<Ended>, Vec<Setback>) = ends.into_iter().unzip();
        self.insist(|| {
            async {
                let mut connection = self.store.connection().await?;
                ledger::finish_setbacks(&mut connection, lease, &setbacks).await
            }
            .boxed()
        })
        .await;
        for (end, setback) in ends.iter().zip(&setbacks) {
            let went_wrong = matches!(setback.next, Next::Again(_) | Next::Dead).then_some(setback.error.as_str());
            count(end, setback.next.outcome(), Some(setback.reason), went_wrong);
            report(end, setback);
        }
    }

    /// Commits a run with its effect. An effect that PostgreSQL refuses is a failed run, not a lost one.
    async fn commit(&self, end: Ended, effect: Effect) {
        let job = &end.held.job;
        let mut refusals = 0;
        let mut pause = FIRST_PAUSE;
        loop {
            let finished = async {
                let mut connection = self.store.connection().await?;
                ledger::finish_with(&mut connection, job, &effect).await
            };
            // what the effect enqueues follows from the run
            match finished.instrument(end.trace.clone()).await {
                Ok(Finished::Written(hints)) => {
                    count(&end, "done", None, None);
                    if !hints.is_empty() && self.hints.send(hints).is_err() {
                        tracing::debug!("the hint pusher is gone; the dispatcher sends these hints");
                    }
                    return;
                }
                Ok(Finished::Already) => return count(&end, "done", None, None),
                Ok(Finished::LeaseLost) => {
                    tracing::warn!(job.id = %job.id, "a late finisher: the lease was lost, nothing was written");
                    return count(&end, "lease_lost", None, Some("the lease was lost: nothing was written"));
                }
                Err(error) => {
                    refusals += u32::from(!error.is_passing());
                    tracing::warn!(error = %chain(&error), job.id = %job.id, "cannot commit a finished run");
                    if refusals >= TRIES_OF_A_REFUSED_EFFECT {
                        let failure = Failure::new(Reason::Unexpected, anyhow::Error::new(error).context("PostgreSQL refused the result"));
                        let lease = job.lease;
                        if let Some(setback) = self.setback(job, Outcome::Retry(failure)) {
                            self.finish_setbacks(lease, vec![(end, setback)]).await;
                        }
                        return;
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// What the answer means for the row; `None` for an answer that is no setback.
    fn setback(&self, job: &Claimed, outcome: Outcome) -> Option<Setback> {
        let (next, failure) = match outcome {
            Outcome::Done(_) => return None,
            Outcome::Later { wait, why } => (Next::Later(wait), why),
            Outcome::Retry(failure) if job.attempt >= job.max_attempts => (Next::Dead, failure),
            Outcome::Retry(failure) => (Next::Again(self.settings.backoff.wait(job.attempt, &mut process_rng())), failure),
            Outcome::Stop(failure) => (Next::Dead, failure),
        };
        let error = failure.chain();
        Some(Setback { id: job.id, run: job.run, next, reason: failure.reason, error, vendor: failure.vendor })
    }

    async fn insist<'a, T>(&'a self, attempt: impl Fn() -> BoxFuture<'a, Result<T, StoreError>>) -> T {
        let mut pause = FIRST_PAUSE;
        loop {
            match attempt().await {
                Ok(value) => return value,
                Err(error) => tracing::warn!(error = %chain(&error), "cannot write the ends of jobs; trying again"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn count(end: &Ended, outcome: &'static str, reason: Option<Reason>, went_wrong: Option<&str>) {
    metrics::run_ended(end.held.job.kind, outcome, reason, end.took);
    traces::run_ended(&end.trace, outcome, reason, went_wrong);
}

fn report(end: &Ended, setback: &Setback) {
    let job = &end.held.job;
    let trace_id = traces::of_span(&end.trace).map(|ids| ids.trace_id());
    let session = job.session_id.as_ref().map(|id| id.as_str());
    match setback.next {
        Next::Dead => tracing::error!(
            job.id = %job.id, job.kind = %job.kind, job.attempt = job.attempt, call.session_id = session, job.reason = %setback.reason,
            error = setback.error, trace_id, hint = setback.reason.advice(), vendor.status = setback.vendor.status, vendor.request_id = setback.vendor.request_id,
            "job gave up"
        ),
        Next::Again(wait) => tracing::warn!(
            job.id = %job.id, job.kind = %job.kind, job.attempt = job.attempt, call.session_id = session, job.reason = %setback.reason,
            error = setback.error, trace_id, vendor.status = setback.vendor.status, vendor.request_id = setback.vendor.request_id,
            job.wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), "job failed; it will be tried again"
        ),
        Next::Later(wait) => tracing::info!(
            job.id = %job.id, job.kind = %job.kind, call.session_id = session, job.reason = %setback.reason, error = setback.error, trace_id,
            vendor.status = setback.vendor.status, vendor.request_id = setback.vendor.request_id,
            job.wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), "job waits"
        ),
        Next::HandedBack => tracing::info!(job.id = %job.id, job.kind = %job.kind, call.session_id = session, trace_id, "job handed back"),
    }
}
