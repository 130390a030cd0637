//! The fetcher of one lane: free permits → hints → one claim.

use std::time::Duration;

use rand::Rng;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    QueueSettings,
    backend::Held,
    permit::{Permit, Permits},
    presence::Lease,
};
use crate::{
    domain::{JobId, JobKind, Reason, SourceName},
    hints::{HintsError, Lane, Waiter},
    ledger::{self, Claim, Claimant, Next, Orders, Poison, Setback, Turn, VendorTrace},
    store::{Store, StoreError},
    telemetry::{chain, metrics},
};

/// Jobs claimed in one statement.
const MOST_PER_CLAIM: usize = 1_000;
/// Between two tries to reach PostgreSQL.
const DATABASE_RETRY: Duration = Duration::from_millis(500);
/// How often the jobs in hand are compared with the ledger's although nothing went wrong; at once after a claim failed.
const RECONCILE_EVERY: Duration = Duration::from_mins(5);
/// Of so many claims one asks the ledger in place of the hints and deals by turns, and one takes what has been due longest: what waits
/// behind the hints of another source, or behind what is more urgent, is reached after so many claims, however long they go on.
const ROUND: u32 = 10;
/// The claim of a round that takes what has been due longest; the first deals by turns.
const OLDEST: u32 = 5;
/// Between two tries to reach Redis; the ledger is asked meanwhile.
const REDIS_RETRY: Duration = Duration::from_secs(2);

pub(super) struct Fetcher {
    pub(super) kind: JobKind,
    pub(super) max_attempts: Option<u16>,
    pub(super) store: Store,
    pub(super) lane: Lane,
    pub(super) lease: watch::Receiver<Lease>,
    pub(super) orders: watch::Receiver<Orders>,
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

/// Who had a turn.
#[derive(Default)]
struct Turns {
    claims: u32,
    /// Source of the last job that was claimed in turn.
    after: String,
    /// Several sources or batches have jobs due: the ledger deals, until only one has.
    contended: bool,
}

impl Turns {
    /// Whether the next claim is the ledger's to deal although hints are there.
    const fn are_the_ledgers(&self) -> bool {
        self.contended || self.claims.is_multiple_of(ROUND) || self.oldest_first()
    }

    const fn oldest_first(&self) -> bool {
        self.claims % ROUND == OLDEST
    }

    fn dealt(&mut self, claim: &Claim) {
        self.contended = claim.contenders > 1;
        if let Some(job) = claim.jobs.last() {
            job.source.map_or("", SourceName::as_str).clone_into(&mut self.after);
        }
    }
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
        let mut turns = Turns::default();
        let shutdown = self.shutdown.clone();
        while let Some(permit) = self.first_permit(&shutdown).await {
            if self.orders.borrow_and_update().hold(self.kind) {
                drop(permit);
                tokio::select! {
                    changed = self.orders.changed() => if changed.is_err() { return },
                    () = shutdown.cancelled() => return,
                }
                continue;
            }
            if Instant::now() >= reconcile_at {
                reconcile_at = Instant::now() + self.reconcile().await;
            }
            let wake = tokio::select! {
                wake = self.wake(&mut redis, ask_ledger_at) => wake,
                () = shutdown.cancelled() => return,
            };
            let permits = self.more_permits(permit, &wake);
            let asks_ledger = matches!(wake, Wake::AskLedger);
            // never dropped half way: a claim that was sent must be handed on
            match self.claim(&wake, permits.len(), &mut turns).await {
                Ok(claim) => {
                    let came_short = claim.jobs.len() < permits.len();
                    if asks_ledger && came_short {
                        let hints_will_do = redis.waiter.is_some() && self.orders.borrow().paused_sources.is_empty();
                        ask_ledger_at = Instant::now() + self.pause_between_polls(hints_will_do);
                    } else if turns.are_the_ledgers() {
                        ask_ledger_at = Instant::now();
                    }
                    if asks_ledger && redis.waiter.is_some() {
                        self.drop_hints(&claim).await;
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

    async fn first_permit(&self, shutdown: &CancellationToken) -> Option<Permit> {
        tokio::select! {
            permit = self.permits.acquire() => permit,
            () = shutdown.cancelled() => None,
        }
    }

    /// As many permits as are free now and can be used.
    fn more_permits(&self, first: Permit, wake: &Wake) -> Vec<Permit> {
        let most = match wake {
            Wake::Hints(ids) => ids.len(),
            Wake::AskLedger => MOST_PER_CLAIM,
        };
        let mut permits = vec![first];
        while permits.len() < most
            && let Some(permit) = self.permits.try_acquire()
        {
            permits.push(permit);
        }
        permits
    }

    fn free(&self) -> usize {
        (self.permits.free() + 1).min(MOST_PER_CLAIM)
    }

    async fn wake(&self, redis: &mut Redis, ask_ledger_at: Instant) -> Wake {
        loop {
            if Instant::now() >= ask_ledger_at {
                return Wake::AskLedger;
            }
            // hints of a source that is held back would be popped for nothing, again and again
            if !self.orders.borrow().paused_sources.is_empty() {
                tokio::time::sleep_until(ask_ledger_at).await;
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

    async fn claim(&self, wake: &Wake, most: usize, turns: &mut Turns) -> Result<Claim, StoreError> {
        let claimant = Claimant { kind: self.kind, lease: self.lease.borrow().id, max_attempts: self.max_attempts };
        let mut connection = self.store.connection().await?;
        let claim = match wake {
            Wake::Hints(ids) => ledger::claim(&mut connection, claimant, ids).await?,
            Wake::AskLedger => {
                let turn = Turn { after: &turns.after, oldest_first: turns.oldest_first(), without: &[] };
                let claim = ledger::claim_in_turn(&mut connection, claimant, most, turn).await?;
                turns.dealt(&claim);
                claim
            }
        };
        turns.claims = turns.claims.wrapping_add(1);
        Ok(claim)
    }

    /// Takes the hints of what was claimed without them out of the lane, so that nobody claims in vain. What fails costs such a claim.
    async fn drop_hints(&self, claim: &Claim) {
        let ids: Vec<JobId> = claim.jobs.iter().map(|job| job.id).collect();
        if let Err(error) = self.lane.remove(&ids).await {
            tracing::debug!(error = %chain(&error), job.kind = %self.kind, "hints of claimed jobs stay in their lane");
        }
    }

    async fn hand_over(&mut self, claim: Claim, permits: Vec<Permit>) {
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
            metrics::job_waited(job.kind, job.waited);
            let permit = permit.lend(job.id);
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
