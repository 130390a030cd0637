//! Everything that `status` shows, asked of the ledger and of Redis at one moment.

use std::time::Duration;

use callscribe::{
    clock::{Clock, SystemClock},
    config::{DatabaseSettings, RedisSettings, SloSettings, WebexSettings, WhisperSettings, WorkSettings},
    domain::JobKind,
    hints::Hints,
    ledger::{
        Advice, Controls, DeadReason, Depth, Freshness, Rate, RunningSeen, Setbacks, WorkerSeen, advise_all, controls_seen, dead_reasons,
        depths, freshness, rates, recent_setbacks, running_by_worker, workers_seen,
    },
    notify,
    outbound::{Budget, Gate, GateSeen},
    store::{
        Connection, Store, StoreError,
        alerts::{AlertSeen, alerts_seen},
        backfills::{BackfillSeen, backfills_seen},
        completeness::{Accounts, accounts},
        logins::{CredentialSeen, credentials},
        sync_state::{SyncState, sync_states},
    },
};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{failure::Failure, setup};

/// How far back setbacks are told.
const LATELY: Duration = Duration::from_mins(10);
/// A Redis that does not answer within it is left out of the picture.
const REDIS_PATIENCE: Duration = Duration::from_secs(1);

/// What was seen at one moment.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Picture {
    pub(super) at: DateTime<Utc>,
    pub(super) kinds: Vec<Depth>,
    pub(super) pace: Vec<Pace>,
    pub(super) controls: Controls,
    pub(super) workers: Vec<WorkerSeen>,
    pub(super) running: Vec<RunningSeen>,
    pub(super) dead: Vec<DeadReason>,
    pub(super) setbacks_of_10_minutes: Vec<Setbacks>,
    pub(super) sources: Vec<SyncState>,
    pub(super) credentials: Vec<CredentialSeen>,
    pub(super) budgets: Vec<BudgetSeen>,
    pub(super) services: Vec<GateSeen>,
    pub(super) backfills: Vec<Backfill>,
    pub(super) completeness: Vec<Accounts>,
    /// Those that fire, as the schedulers found them, and whether anybody was told.
    pub(super) alerts: Vec<AlertSeen>,
}

impl Picture {
    /// How many jobs a worker holds, and how long the longest of them has run.
    pub(super) fn held_by(&self, worker: &WorkerSeen) -> (i64, Option<Duration>) {
        let of_worker = self.running.iter().filter(|running| running.lease == worker.lease.0);
        let oldest = of_worker.clone().map(|running| running.since).min();
        (of_worker.map(|running| running.jobs).sum(), oldest.map(|since| (self.at - since).to_std().unwrap_or_default()))
    }
}

/// How fast the work of one kind comes and goes, how old it is, and how many workers would do.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Pace {
    pub(super) kind: JobKind,
    #[serde(flatten)]
    pub(super) rate: Rate,
    pub(super) goal_seconds: Option<u64>,
    pub(super) oldest: Vec<Freshness>,
    pub(super) advice: Advice,
}

impl Pace {
    /// Age of the oldest of all sources.
    pub(super) fn oldest_age(&self) -> Option<Duration> {
        let oldest = self.oldest.iter().map(|oldest| oldest.age_seconds).reduce(f64::max)?;
        Some(Duration::from_secs_f64(oldest.max(0.0)))
    }

    pub(super) fn goal(&self) -> Option<Duration> {
        self.goal_seconds.map(Duration::from_secs)
    }

    pub(super) fn is_late(&self) -> bool {
        self.oldest_age().zip(self.goal()).is_some_and(|(age, goal)| age > goal)
    }
}

/// A shared budget of requests.
#[derive(Debug, Clone, Serialize)]
pub(super) struct BudgetSeen {
    pub(super) name: &'static str,
    pub(super) remaining: f64,
    pub(super) per_minute: u32,
    pub(super) blocked_seconds: Option<u64>,
}

/// A backfill and what follows from its figures.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Backfill {
    #[serde(flatten)]
    pub(super) seen: BackfillSeen,
    days_per_minute: Option<f64>,
    seconds_left: Option<u64>,
}

impl From<BackfillSeen> for Backfill {
    fn from(seen: BackfillSeen) -> Self {
        Self { days_per_minute: seen.days_per_minute(), seconds_left: seen.time_left().map(|left| left.as_secs()), seen }
    }
}

/// Who is asked, and with what in mind.
#[derive(Clone)]
pub(super) struct Asker {
    store: Store,
    goals: SloSettings,
    work: WorkSettings,
    budget: Option<(Budget, u32)>,
    gates: Vec<Gate>,
    most: i64,
}

impl Asker {
    /// Asks whoever the settings name. PostgreSQL is needed; Redis and Webex are shown where they are configured.
    pub(super) fn from_settings(most: i64) -> Result<Self, Failure> {
        let (database, goals, work) =
            setup::settings(|reader| (DatabaseSettings::read(reader), SloSettings::read(reader), WorkSettings::read(reader)))?;
        let redis = setup::optional_settings(RedisSettings::read).and_then(|redis| Hints::new(&redis).ok());
        let webex = setup::optional_settings(WebexSettings::read).flatten();
        let gates = redis.as_ref().map(gates).unwrap_or_default();
        let budget = redis.zip(webex).map(|(hints, webex)| {
            let per_minute = webex.budget_per_minute;
            (Budget::new(hints, "webex", per_minute), per_minute)
        });
        Ok(Self { store: Store::new(database)?, goals, work, budget, gates, most })
    }

    /// Looks.
    pub(super) async fn ask(&self) -> Result<Picture, StoreError> {
        let (picture, budgets, services) = tokio::join!(self.ask_ledger(), self.ask_budgets(), self.ask_gates());
        Ok(Picture { budgets, services, ..picture? })
    }

    async fn ask_ledger(&self) -> Result<Picture, StoreError> {
        let connection = &mut *self.store.connection().await?;
        let kinds = all_kinds(connection, self.most).await?;
        let rates = rates(connection).await?;
        let setbacks = recent_setbacks(connection, LATELY).await?;
        let oldest = freshness(connection).await?;
        let controls = controls_seen(connection).await?;
        let advice = advise_all(&kinds, &rates, &setbacks, &self.goals, &self.work, &controls.scaled);
        let pace = advice.into_iter().map(|(kind, advice)| Pace {
            kind,
            rate: rates.get(kind.as_str()).cloned().unwrap_or_default(),
            goal_seconds: self.goals.of(kind).map(|goal| goal.as_secs()),
            oldest: oldest.iter().filter(|oldest| oldest.kind == kind.as_str()).cloned().collect(),
            advice,
        });
        let mut pace: Vec<Pace> = pace.collect();
        pace.sort_by_key(|pace| position(pace.kind));
        Ok(Picture {
            at: SystemClock.now(),
            pace,
            kinds,
            controls,
            setbacks_of_10_minutes: setbacks,
            workers: workers_seen(connection).await?,
            running: running_by_worker(connection).await?,
            dead: dead_reasons(connection).await?,
            sources: sync_states(connection).await?,
            credentials: credentials(connection).await?,
            completeness: accounts(connection).await?,
            alerts: alerts_seen(connection, false).await?,
            backfills: backfills_seen(connection, None).await?.into_iter().map(Backfill::from).collect(),
            budgets: Vec::new(),
            services: Vec::new(),
        })
    }

    async fn ask_gates(&self) -> Vec<GateSeen> {
        let asked = futures_util::future::join_all(self.gates.iter().map(Gate::seen));
        tokio::time::timeout(REDIS_PATIENCE, asked).await.unwrap_or_default()
    }

    async fn ask_budgets(&self) -> Vec<BudgetSeen> {
        let Some((budget, per_minute)) = &self.budget else { return Vec::new() };
        let asked = async { (budget.remaining().await, budget.blocked_for().await) };
        match tokio::time::timeout(REDIS_PATIENCE, asked).await {
            Ok((remaining, blocked)) => {
                let blocked_seconds = blocked.map(|wait| wait.as_secs());
                vec![BudgetSeen { name: "webex", remaining, per_minute: *per_minute, blocked_seconds }]
            }
            Err(_) => Vec::new(),
        }
    }
}

/// The circuits of all services; of the transcriber, where its settings are at hand, its limit as well.
fn gates(hints: &Hints) -> Vec<Gate> {
    let mut gates = notify::gates(hints);
    if let Some(whisper) = setup::optional_settings(WhisperSettings::read) {
        gates.retain(|gate| gate.service() != WhisperSettings::PROVIDER);
        gates.push(Gate::new(hints.clone(), WhisperSettings::PROVIDER, whisper.concurrency));
    }
    gates
}

async fn all_kinds(connection: &mut Connection, most: i64) -> Result<Vec<Depth>, StoreError> {
    let mut kinds = depths(connection, most).await?;
    for known in JobKind::ALL {
        if !kinds.iter().any(|depth| depth.kind == known.as_str()) {
            kinds.push(Depth { kind: known.as_str().to_owned(), known: true, ..Depth::default() });
        }
    }
    // known kinds in the order of a call's life, then those of newer versions
    kinds.sort_by_key(|depth| (depth.kind.parse::<JobKind>().map_or(usize::MAX, position), depth.kind.clone()));
    Ok(kinds)
}

fn position(kind: JobKind) -> usize {
    JobKind::ALL.iter().position(|known| *known == kind).unwrap_or(usize::MAX)
}
