//! The lane as an apalis backend: it hands over what the fetcher claimed, and closes when the fetcher stops.
//!
//! Nothing here can fail, so nothing here can kill the worker: errors of Redis and PostgreSQL are the fetcher's to outlast,
//! and the end of a run is the finisher's to write (findings: apalis-redis' own storage lets any of the three stop a worker).

use std::{
    convert::Infallible,
    task::{Context, Poll, ready},
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    task::{Task, builder::TaskBuilder},
    worker::context::WorkerContext,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tower::layer::util::Identity;

use super::permit::Permit;
use crate::{ledger::Claimed, telemetry::chain};

/// A claimed job with the permit it runs under.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) job: Claimed,
    pub(super) lost: CancellationToken,
    #[expect(dead_code, reason = "held for its drop: the slot is free when the run's end is written")]
    pub(super) permit: Permit,
}

/// Hands claimed jobs to an apalis worker.
#[derive(Debug)]
pub(super) struct LaneBackend {
    claimed: mpsc::Receiver<Held>,
}

impl LaneBackend {
    pub(super) const fn new(claimed: mpsc::Receiver<Held>) -> Self {
        Self { claimed }
    }
}

impl Backend for LaneBackend {
    type Task = Task<Held>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Option<Result<Task<Held>, Infallible>>> {
        let Some(held) = ready!(self.claimed.poll_recv(cx)) else {
            // a worker whose backend has ended waits until it is told to stop as well; what it was handed it still finishes
            if let Err(error) = worker.stop() {
                tracing::debug!(error = %chain(&error), "the worker had stopped already");
            }
            return Poll::Ready(None);
        };
        Poll::Ready(Some(Ok(TaskBuilder::new(held).build())))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for LaneBackend {
    type Args = Held;
    type Id = ();
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
