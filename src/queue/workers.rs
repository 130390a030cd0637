//! A worker process from start to drained.

use std::{sync::Arc, time::Duration};

use apalis_core::worker::builder::WorkerBuilder;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    HintPusher, QueueSettings, backend::LaneBackend, fetch::Fetcher, finisher::Finisher, orders, permit::Permits, presence::Presence,
    service::JobService,
};
use crate::{
    hints::{Hints, Lane},
    ledger::{Handler, WorkerIdentity},
    store::{Store, StoreError},
};

/// One kind of job that this process works on.
#[derive(Clone)]
pub struct LaneOptions {
    /// Does the work.
    pub handler: Arc<dyn Handler>,
    /// `CONCURRENCY_<KIND>`: runs at once.
    pub concurrency: u16,
    /// `MAX_ATTEMPTS_<KIND>`, if set.
    pub max_attempts: Option<u16>,
}

impl std::fmt::Debug for LaneOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaneOptions").field("kind", &self.handler.kind()).field("concurrency", &self.concurrency).finish_non_exhaustive()
    }
}

/// What a worker process needs.
#[derive(Debug)]
pub struct WorkersOptions {
    /// The truth.
    pub store: Store,
    /// The hints.
    pub hints: Hints,
    /// The kinds.
    pub lanes: Vec<LaneOptions>,
    /// Its time limits.
    pub settings: QueueSettings,
    /// Machine or container.
    pub host: String,
    /// Begins the drain.
    pub shutdown: CancellationToken,
}

/// A worker process ended otherwise than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// A lane ended by itself; the process must not look alive.
    #[error("the lane `{lane}` stopped by itself: {why}")]
    LaneStopped {
        /// The lane.
        lane: String,
        /// What apalis said.
        why: String,
    },
    /// What was still held could not be handed back: it comes back when the lease runs out.
    #[error("cannot hand back the jobs in flight; they come back when the lease runs out")]
    HandBack(#[source] StoreError),
}

/// After the drain's deadline handlers are told to stop and get this long to end.
const AFTER_DEADLINE: Duration = Duration::from_secs(5);
/// Writing the last ends and pushing the last hints may take this long.
const LAST_WRITES: Duration = Duration::from_secs(10);
/// Claimed jobs between fetcher and worker; each holds a permit already, so this bounds nothing but memory.
const HANDOVER: usize = 64;
/// Ended runs between worker and finisher, likewise.
const ENDED: usize = 4_096;

/// Works until `shutdown`, then drains: runs in flight finish or, at the deadline, are handed back without using an attempt.
pub async fn run_workers(options: WorkersOptions) -> Result<(), QueueError> {
    let kinds = options.lanes.iter().map(|lane| lane.handler.kind()).collect();
    let identity = WorkerIdentity { host: options.host.clone(), pid: std::process::id(), kinds };
    let stop = CancellationToken::new();
    let begun = Presence::begin(options.store.clone(), identity, options.settings.lease, stop.clone(), &options.shutdown).await;
    let Some(presence) = begun else { return Ok(()) };

    let pusher = HintPusher::start(options.hints.clone());
    let (ended, ends) = mpsc::channel(ENDED);
    let finisher = Finisher { store: options.store.clone(), hints: pusher.sender(), settings: options.settings };
    let mut finishing = tokio::spawn(finisher.run(ends));
    let mut lanes = JoinSet::new();
    let permits = options.lanes.iter().map(|lane| (lane.handler.kind(), lane.concurrency, Permits::new(lane.concurrency))).collect();
    let listener = orders::Listener::new(&options, &presence, permits);
    listener.listen_once(&options.shutdown).await;
    for (lane, permits) in options.lanes.iter().zip(listener.permits()) {
        start_lane(lane, permits, &options, (&presence, &listener), &pusher, ended.clone(), &mut lanes);
    }
    drop(ended);

    let result = tokio::select! {
        result = drain_when_told(&mut lanes, &options, &stop) => result,
        () = presence.keep() => Ok(()),
        () = listener.listen(&options.shutdown) => Ok(()),
    };
    lanes.shutdown().await;
    let last_writes = async {
        if tokio::time::timeout(LAST_WRITES, &mut finishing).await.is_err() {
            tracing::error!("the last results could not be written in time: their jobs run again elsewhere");
            finishing.abort();
        }
        if tokio::time::timeout(LAST_WRITES, pusher.finish()).await.is_err() {
            tracing::debug!("the last hints were not pushed; the dispatcher sends them");
        }
    };
    last_writes.await;
    let handed_back = presence.end().await.map_err(QueueError::HandBack)?;
    tracing::info!(jobs.handed_back = handed_back.returned, "worker drained");
    result
}

fn start_lane(
    lane: &LaneOptions,
    permits: Permits,
    options: &WorkersOptions,
    (presence, listener): (&Presence, &orders::Listener),
    pusher: &HintPusher,
    ended: mpsc::Sender<super::service::Ended>,
    lanes: &mut JoinSet<Result<(), QueueError>>,
) {
    let kind = lane.handler.kind();
    let (claimed, backend) = mpsc::channel(HANDOVER);
    let fetcher = Fetcher {
        kind,
        max_attempts: lane.max_attempts,
        store: options.store.clone(),
        lane: Lane::new(&options.hints, kind.as_str()),
        lease: presence.watch(),
        orders: listener.watch(),
        permits,
        claimed,
        settings: options.settings,
        shutdown: options.shutdown.clone(),
    };
    let service = JobService { handler: lane.handler.clone(), store: options.store.clone(), hints: pusher.sender(), ended };
    let worker = WorkerBuilder::new(format!("{}-{kind}", options.host)).backend(LaneBackend::new(backend)).build(service);
    lanes.spawn(async move {
        let (_, ran) = tokio::join!(fetcher.run(), worker.run());
        ran.map_err(|error| QueueError::LaneStopped { lane: kind.to_string(), why: error.to_string() })
    });
}

/// Waits for the lanes: for ever before the shutdown, until the deadline after it.
async fn drain_when_told(
    lanes: &mut JoinSet<Result<(), QueueError>>,
    options: &WorkersOptions,
    stop: &CancellationToken,
) -> Result<(), QueueError> {
    let ended_early = tokio::select! {
        ended = lanes.join_next() => Some(ended),
        () = options.shutdown.cancelled() => None,
    };
    if let Some(ended) = ended_early
        && !options.shutdown.is_cancelled()
    {
        options.shutdown.cancel();
        stop.cancel();
        let why = match ended {
            Some(Ok(Err(error))) => return Err(error),
            Some(Err(error)) => error.to_string(),
            Some(Ok(Ok(()))) | None => "it had nothing to wait for".to_owned(),
        };
        return Err(QueueError::LaneStopped { lane: "unknown".to_owned(), why });
    }
    tracing::info!(drain_ms = u64::try_from(options.settings.drain.as_millis()).unwrap_or(u64::MAX), "draining");
    if tokio::time::timeout(options.settings.drain, all_ended(lanes)).await.is_err() {
        tracing::warn!("the drain's deadline has come: runs in flight are told to stop");
        stop.cancel();
        if tokio::time::timeout(AFTER_DEADLINE, all_ended(lanes)).await.is_err() {
            tracing::warn!("runs did not stop: they are cut off and handed back");
        }
    }
    Ok(())
}

async fn all_ended(lanes: &mut JoinSet<Result<(), QueueError>>) {
    while lanes.join_next().await.is_some() {}
}
