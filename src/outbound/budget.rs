//! The vendor's budget of requests: one token bucket in Redis for all workers of all machines.
//!
//! Work of the past never takes the last quarter: a fresh request finds a token, however large a backfill is.
//! Whoever is told `Retry-After` closes the bucket for everyone. While Redis is away each process goes on with a tenth of the
//! budget of its own. Losing the bucket (`FLUSHALL`) costs one burst and forgets a block, which the vendor then says again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    hints::{Hints, HintsError},
    telemetry::metrics,
};

use super::{Urgency, local_budget::LocalBudget};

const SCRIPT: &str = include_str!("budget.lua");
/// The bucket holds what refills in this time, so that no minute sees much more than the budget.
const BURST: Duration = Duration::from_secs(10);
/// Turns are dealt at most this far ahead and then start again: a long queue is better asked again than trusted to stay.
const FARTHEST_TURN: Duration = Duration::from_mins(10);
/// Redis answers within a millisecond or is away.
const REDIS_PATIENCE: Duration = Duration::from_secs(1);
/// After Redis was away it is asked again this often.
const REDIS_RETRY: Duration = Duration::from_secs(5);
/// The share of a full bucket that work of the past leaves to fresh work.
const LEFT_TO_FRESH: f64 = 0.25;
/// The share of the budget one process takes for itself while it cannot see the others: safe for up to ten of them.
const LOCAL_SHARE: f64 = 0.1;

/// Not now; ask again after `wait`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shared budget is spent for {wait:?}")]
pub struct Exhausted {
    /// How long to wait; those refused together are given different waits.
    pub wait: Duration,
    /// The vendor asked everyone to wait, rather than the budget being spent.
    pub blocked: bool,
}

/// A handle on one shared budget. Cloning it clones the handle.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: String,
    hints: Hints,
    key: String,
    script: redis::Script,
    per_second: f64,
    burst: f64,
    /// Tokens of a full bucket, and of this process's own, that work of the past leaves.
    left_to_fresh: f64,
    local_left_to_fresh: f64,
    local: Mutex<Local>,
}

#[derive(Debug)]
struct Local {
    budget: LocalBudget,
    /// Redis was found away; not asked again before this.
    away_until: Option<Instant>,
}

/// What the script answers.
struct Answer {
    granted: bool,
    wait: Duration,
    tokens: i64,
    closed: Duration,
}

impl Budget {
    /// A budget of `per_minute` requests, shared by everyone who gives the same `name`.
    #[must_use]
    pub fn new(hints: Hints, name: &str, per_minute: u32) -> Self {
        let per_second = f64::from(per_minute.max(1)) / 60.0;
        let burst = (per_second * BURST.as_secs_f64()).max(1.0);
        let local_burst = (burst * LOCAL_SHARE).max(1.0);
        let local = LocalBudget::new(per_second * LOCAL_SHARE, local_burst, Instant::now());
        Self(Arc::new(Shared {
            name: name.to_owned(),
            key: hints.key("budget", name),
            hints,
            script: redis::Script::new(SCRIPT),
            per_second,
            burst,
            left_to_fresh: left_to_fresh(burst),
            local_left_to_fresh: left_to_fresh(local_burst),
            local: Mutex::new(Local { budget: local, away_until: None }),
        }))
    }

    /// Takes one request's worth, waiting at most `longest_wait` for it, with the urgency of the task that asks. The refused ask
    /// again after the wait they are told.
    pub async fn acquire(&self, longest_wait: Duration) -> Result<(), Exhausted> {
        let (taken, blocked) = match self.ask(longest_wait, 1, Duration::ZERO).await {
            Some(Answer { granted: true, wait, .. }) => (Ok(wait), false),
            Some(Answer { wait, closed, .. }) => (Err(wait), !closed.is_zero()),
            None => self.0.with_local(|local, now| {
                (local.budget.take(longest_wait, self.0.left_here(longest_wait), now), !local.budget.closed_for(now).is_zero())
            }),
        };
        match taken {
            Ok(wait) if wait.is_zero() => Ok(()),
            Ok(wait) => {
                tokio::time::sleep(wait).await;
                // while we slept the vendor may have asked everyone to wait
                match self.blocked_for().await {
                    Some(wait) => Err(Exhausted { wait, blocked: true }),
                    None => Ok(()),
                }
            }
            Err(wait) => Err(Exhausted { wait, blocked }),
        }
    }

    /// Closes the budget for everyone: the vendor said so.
    pub async fn block_for(&self, wait: Duration) {
        self.0.with_local(|local, now| local.budget.block_for(wait, now));
        self.ask(Duration::ZERO, 0, wait).await;
    }

    /// How long the vendor still wants everyone to wait, if it does.
    pub async fn blocked_for(&self) -> Option<Duration> {
        let here = self.0.with_local(|local, now| local.budget.closed_for(now));
        let everywhere = self.ask(Duration::ZERO, 0, Duration::ZERO).await.map_or(Duration::ZERO, |answer| answer.closed);
        Some(here.max(everywhere)).filter(|wait| !wait.is_zero())
    }

    /// Requests that would be granted now without waiting; tells `/metrics` as well.
    pub async fn remaining(&self) -> f64 {
        let tokens = match self.ask(Duration::ZERO, 0, Duration::ZERO).await {
            Some(answer) if answer.closed.is_zero() => i32::try_from(answer.tokens).map_or(0.0, f64::from).max(0.0),
            Some(_) => 0.0,
            None => self
                .0
                .with_local(|local, now| if local.budget.closed_for(now).is_zero() { local.budget.available(now).max(0.0) } else { 0.0 }),
        };
        metrics::budget_remaining(&self.0.name, tokens);
        tokens
    }

    /// Runs the script; `None` while Redis is away.
    async fn ask(&self, longest_wait: Duration, cost: u8, block: Duration) -> Option<Answer> {
        let shared = &*self.0;
        if shared.with_local(|local, now| local.away_until.is_some_and(|until| now < until)) {
            return None;
        }
        let asked = tokio::time::timeout(REDIS_PATIENCE, shared.run(longest_wait, cost, block)).await;
        match asked {
            Ok(Ok(answer)) => {
                shared.redis_is_back();
                Some(answer)
            }
            Ok(Err(error)) => {
                shared.redis_is_away(&error.to_string());
                None
            }
            Err(_) => {
                shared.redis_is_away("no answer in time");
                None
            }
        }
    }
}

impl Shared {
    async fn run(&self, longest_wait: Duration, cost: u8, block: Duration) -> Result<Answer, HintsError> {
        let mut invocation = self.script.key(&self.key);
        invocation
            .arg(self.per_second)
            .arg(self.burst)
            .arg(microseconds(longest_wait))
            .arg(cost)
            .arg(microseconds(block))
            .arg(microseconds(FARTHEST_TURN))
            .arg(self.left_everywhere(longest_wait))
            .arg(match Urgency::current() {
                Urgency::Fresh => "turn",
                Urgency::Backfill => "turn_of_backfill",
            });
        let (granted, wait, tokens, closed): (u8, u64, i64, u64) = invocation.invoke_async(&mut self.hints.connection()).await?;
        Ok(Answer { granted: granted == 1, wait: Duration::from_micros(wait), tokens, closed: Duration::from_micros(closed) })
    }

    /// Tokens that the asking task must leave in the shared bucket. It may wait for its token, so what refills meanwhile is left on
    /// top: the bucket never falls below its share.
    fn left_everywhere(&self, longest_wait: Duration) -> f64 {
        match Urgency::current() {
            Urgency::Fresh => 0.0,
            Urgency::Backfill => self.left_to_fresh + self.per_second * longest_wait.as_secs_f64(),
        }
    }

    /// The same for the bucket of this process alone.
    fn left_here(&self, longest_wait: Duration) -> f64 {
        match Urgency::current() {
            Urgency::Fresh => 0.0,
            Urgency::Backfill => self.local_left_to_fresh + self.per_second * LOCAL_SHARE * longest_wait.as_secs_f64(),
        }
    }

    fn with_local<T>(&self, change: impl FnOnce(&mut Local, Instant) -> T) -> T {
        change(&mut self.local.lock().unwrap_or_else(PoisonError::into_inner), Instant::now())
    }

    fn redis_is_away(&self, why: &str) {
        let was_there = self.with_local(|local, now| local.away_until.replace(now + REDIS_RETRY).is_none());
        if was_there {
            tracing::warn!(budget = self.name, why, "Redis is away: this process goes on with a tenth of the shared budget");
        }
        metrics::budget_shared(&self.name, false);
    }

    fn redis_is_back(&self) {
        let was_away = self.with_local(|local, _| local.away_until.take().is_some());
        if was_away {
            tracing::info!(budget = self.name, "Redis is back: the budget is shared again");
        }
        metrics::budget_shared(&self.name, true);
    }
}

/// What work of the past leaves of a bucket that holds `burst`: never so much that it would get nothing of a small one.
fn left_to_fresh(burst: f64) -> f64 {
    (burst * LEFT_TO_FRESH).min(burst - 1.0).max(0.0)
}

fn microseconds(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
