//! The fetcher of one lane: free permits → hints → one claim.

use std::time::Duration;

use rand::Rng;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{QueueSettings, backend::Held, permit::Permits, presence::Lease};
use crate::{
    domain::{JobId, JobKind, Reason},
    hints::{HintsError, Lane, Waiter},
    ledger::{self, Claim, Claimant, Next, Poison, Setback, VendorTrace},
    store::{Store, StoreError},
    telemetry::{chain, metrics},
};

/// Jobs claimed in one statement.
const MOST_PER_CLAIM: usize = 1_000;
/// Between two tries to reach PostgreSQL.
const DATABASE_RETRY: Duration = Duration::from_millis(500);
/// How often the jobs in hand are compared with the ledger's although nothing went wrong; at once after a claim failed.
const RECONCILE_EVERY: Duration = Duration::from_mins(5);
/// Between two tries to reach Redis; the ledger is asked meanwhile.
const REDIS_RETRY: Duration = Duration::from_secs(2);

pub(super) struct Fetcher {
    pub(super) kind: JobKind,
    pub(super) max_attempts: Option<u16>,
    pub(super) store: Store,
    pub(super) lane: Lane,
    pub(super) lease: watch::Receiver<Lease>,
    pub(super) permits: Permits,
    pub(super) claimed: mpsc::Sender<Held>,
    pub(super) settings: QueueSettings,
    pub(super) shutdown: CancellationToken,
}

/// Where the next ids come from.
enum Wake {
    Hints(Vec<JobId>),
    AskLedger,
}

struct Redis {
    waiter: Option<Waiter>,
    retry_at: Instant,
}

impl Fetcher {
    /// Fetches until the shutdown; then the channel closes and the worker drains.
    pub(super) async fn run(mut self) {
        let mut redis = Redis { waiter: None, retry_at: Instant::now() };
        let mut ask_ledger_at = Instant::now();
        let mut reconcile_at = Instant::now() + RECONCILE_EVERY;
        let shutdown = self.shutdown.clone();
        while let Some(permit) = self.first_permit(&shutdown).await {
            if Instant::now() >= reconcile_at {
                reconcile_at = Instant::now() + self.reconcile().await;
            }
            let wake = tokio::select! {
                wake = self.wake(&mut redis, ask_ledger_at) => wake,
                () = shutdown.cancelled() => return,
            };
            let permits = self.more_permits(permit, &wake);
            // never dropped half way: a claim that was sent must be handed on
            match self.claim(&wake, permits.len()).await {
                Ok(claim) => {
                    let came_short = claim.jobs.len() < permits.len();
                    if matches!(wake, Wake::AskLedger) && came_short {
                        ask_ledger_at = Instant::now() + self.pause_between_polls(redis.waiter.is_some());
                    }
                    self.hand_over(claim, permits).await;
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), job.kind = %self.kind, "cannot claim");
                    reconcile_at = Instant::now();
                    tokio::select! { () = tokio::time::sleep(DATABASE_RETRY) => {}, () = shutdown.cancelled() => return }
                }
            }
        }
    }

    async fn first_permit(&self, shutdown: &CancellationToken) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            permit = self.permits.semaphore().clone().acquire_owned() => permit.ok(),
            () = shutdown.cancelled() => None,
        }
    }

    /// As many permits as are free now and can be used.
    fn more_permits(&self, first: OwnedSemaphorePermit, wake: &Wake) -> Vec<OwnedSemaphorePermit> {
        let most = match wake {
            Wake::Hints(ids) => ids.len(),
            Wake::AskLedger => MOST_PER_CLAIM,
        };
        let mut permits = vec![first];
        while permits.len() < most
            && let Ok(permit) = self.permits.semaphore().clone().try_acquire_owned()
        {
            permits.push(permit);
        }
        permits
    }

    fn free(&self) -> usize {
        (self.permits.semaphore().available_permits() + 1).min(MOST_PER_CLAIM)
    }

    async fn wake(&self, redis: &mut Redis, ask_ledger_at: Instant) -> Wake {
        loop {
            if Instant::now() >= ask_ledger_at {
                return Wake::AskLedger;
            }
            match self.hints(redis, ask_ledger_at).await {
                Ok(ids) if ids.is_empty() => {}
                Ok(ids) => return Wake::Hints(ids),
                Err(error) => {
                    if redis.waiter.take().is_some() {
                        tracing::warn!(error = %chain(&error), job.kind = %self.kind, "Redis is away: polling the ledger");
                    }
                    metrics::redis_up(false);
                    redis.retry_at = Instant::now() + REDIS_RETRY;
                    return Wake::AskLedger;
                }
            }
        }
    }

    /// Hints that are there, or the first that comes before `until`.
    async fn hints(&self, redis: &mut Redis, until: Instant) -> Result<Vec<JobId>, HintsError> {
        if redis.waiter.is_none() && Instant::now() < redis.retry_at {
            tokio::time::sleep_until(until.min(redis.retry_at)).await;
            return Ok(Vec::new());
        }
        let waiter = match &mut redis.waiter {
            Some(waiter) => waiter,
            none => {
                let waiter = none.insert(self.lane.waiter().await?);
                metrics::redis_up(true);
                waiter
            }
        };
        let ids = self.lane.pop(self.free()).await?;
        if !ids.is_empty() {
            return Ok(ids);
        }
        let Some(first) = waiter.wait(until.saturating_duration_since(Instant::now()).max(SHORTEST_WAIT)).await? else {
            return Ok(Vec::new());
        };
        let mut ids = vec![first];
        if self.free() > 1 {
            ids.extend(self.lane.pop(self.free() - 1).await?);
        }
        Ok(ids)
    }

    fn pause_between_polls(&self, redis_is_up: bool) -> Duration {
        let pause = if redis_is_up { self.settings.ledger_poll } else { self.settings.ledger_poll_without_redis };
        // half to one and a half: many processes must not ask in step
        pause.mul_f64(ledger::process_rng().random_range(0.5..1.5))
    }

    async fn claim(&self, wake: &Wake, most: usize) -> Result<Claim, StoreError> {
        let claimant = Claimant { kind: self.kind, lease: self.lease.borrow().id, max_attempts: self.max_attempts };
        let mut connection = self.store.connection().await?;
        match wake {
            Wake::Hints(ids) => ledger::claim(&mut connection, claimant, ids).await,
            Wake::AskLedger => ledger::claim_due(&mut connection, claimant, most).await,
        }
    }

    async fn hand_over(&mut self, claim: Claim, permits: Vec<OwnedSemaphorePermit>) {
        let lease = self.lease.borrow().clone();
        if !claim.poison.is_empty() {
            self.bury(lease.id, claim.poison).await;
        }
        let mut permits = permits.into_iter();
        for job in claim.jobs {
            let Some(permit) = permits.next() else {
                tracing::error!(job.id = %job.id, "claimed more than there are permits for: handed back soon");
                return;
            };
            let permit = self.permits.lend(permit, job.id);
            if self.claimed.send(Held { job, lost: lease.lost.clone(), permit }).await.is_err() {
                return;
            }
        }
    }

    /// Hands back what a claim took whose answer was lost. Returns how long until the next time.
    async fn reconcile(&self) -> Duration {
        let lease = self.lease.borrow().id;
        let handed_back = async {
            let mut connection = self.store.connection().await?;
            ledger::hand_back_unknown(&mut connection, lease, self.kind, &self.permits.out()).await
        };
        match handed_back.await {
            Ok(swept) if swept.returned == 0 => RECONCILE_EVERY,
            Ok(swept) => {
                tracing::warn!(job.kind = %self.kind, jobs.count = swept.returned, "handed back jobs whose claim was never answered");
                RECONCILE_EVERY
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), job.kind = %self.kind, "cannot compare jobs in hand with the ledger");
                DATABASE_RETRY
            }
        }
    }

    async fn bury(&self, lease: crate::domain::LeaseId, poison: Vec<Poison>) {
        let setbacks: Vec<Setback> = poison
            .into_iter()
            .map(|row| Setback {
                id: row.id,
                run: row.run,
                next: Next::Dead,
                reason: Reason::PoisonPayload,
                error: format!("the row cannot be read: {}", row.what),
                vendor: VendorTrace::default(),
            })
            .collect();
        let buried = async {
            let mut connection = self.store.connection().await?;
            ledger::finish_setbacks(&mut connection, lease, &setbacks).await
        };
        match buried.await {
            Ok(_) => tracing::error!(job.kind = %self.kind, jobs.count = setbacks.len(), "parked jobs whose rows cannot be read"),
            Err(error) => tracing::warn!(error = %chain(&error), "cannot park unreadable jobs: handed back soon"),
        }
    }
}

/// Redis takes 0 for "for ever"; a hint that is just coming should be caught.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);
