//! `/metrics`: what this process counted, and what the ledger holds, asked for at most once in a while however often anyone scrapes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::IntoResponse,
};
use callscribe::{
    clock::{Clock, SystemClock},
    config::SloSettings,
    domain::JobKind,
    hints::Lane,
    ledger::{
        Advice, COUNTED, Depth, Freshness, Rate, SyncAge, WorkerSeen, advise_all, controls_seen, depths, freshness, rates, recent_setbacks,
        sync_ages, workers_seen,
    },
    store::{
        StoreError,
        completeness::{Accounts, accounts},
        logins::{CredentialSeen, credentials},
        retention::last_report,
    },
    telemetry::{
        ProcessUsage, chain,
        metrics::{self, Registry},
    },
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::ApiState;

/// How old figures from the ledger may be: scrapers ask every 15 s or so, several of them at any moment.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// How long a scrape waits for the ledger and Redis before it shows what it has.
const PATIENCE: Duration = Duration::from_secs(2);

/// The figures and when those of the ledger were last asked for.
#[derive(Debug)]
pub(crate) struct Gauges {
    registry: Registry,
    refreshed: Mutex<Refreshed>,
}

#[derive(Debug, Default)]
struct Refreshed {
    at: Option<Instant>,
    /// Kinds shown before: one that is empty now is shown as 0, not as it last was.
    kinds: BTreeSet<String>,
    /// Kinds and sources whose age was shown before.
    aged: BTreeSet<(String, String)>,
}

impl Gauges {
    pub(crate) fn new(registry: Registry) -> Self {
        let kinds = JobKind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
        Self { registry, refreshed: Mutex::new(Refreshed { at: None, kinds, aged: BTreeSet::new() }) }
    }

    /// Everything recorded. Of several scrapes at once one asks and the others wait for it.
    async fn render(&self, state: &ApiState) -> String {
        let mut refreshed = self.refreshed.lock().await;
        if refreshed.at.is_none_or(|at| at.elapsed() >= FRESH_FOR) {
            refreshed.at = Some(Instant::now());
            let (ledger, ()) = tokio::join!(timeout(PATIENCE, ask(state)), show_redis(state, &refreshed.kinds));
            match ledger {
                Ok(Ok(asked)) => {
                    show(&asked.depths, &mut refreshed.kinds);
                    show_pace(&asked, &refreshed.kinds, &state.goals);
                    show_ages(&asked.oldest, &mut refreshed.aged);
                    show_credentials(&asked.credentials);
                    show_completeness(&asked.accounts);
                    asked.syncs.iter().for_each(|sync| metrics::sync_age(sync.source, sync.age));
                    metrics::audio_untranscribed(asked.untranscribed);
                    show_workers(&asked.workers, &refreshed.kinds);
                    metrics::postgres_up(true);
                }
                Ok(Err(error)) => {
                    tracing::warn!(error = %chain(&error), "the ledger's figures are as they last were: PostgreSQL does not answer");
                    metrics::postgres_up(false);
                }
                Err(_) => metrics::postgres_up(false),
            }
        }
        drop(refreshed);
        metrics::process_usage(&ProcessUsage::now());
        self.registry.render()
    }
}

struct Asked {
    depths: Vec<Depth>,
    workers: Vec<WorkerSeen>,
    credentials: Vec<CredentialSeen>,
    accounts: Vec<Accounts>,
    rates: BTreeMap<String, Rate>,
    oldest: Vec<Freshness>,
    advice: BTreeMap<JobKind, Advice>,
    syncs: Vec<SyncAge>,
    untranscribed: i64,
}

/// How far back setbacks are asked for: what bounds work now.
const LATELY: Duration = Duration::from_mins(10);

async fn ask(state: &ApiState) -> Result<Asked, StoreError> {
    let mut connection = state.store.connection().await?;
    let depths = depths(&mut connection, COUNTED).await?;
    let workers = workers_seen(&mut connection).await?.into_iter().filter(|worker| worker.alive).collect();
    let credentials = credentials(&mut connection).await?;
    let accounts = accounts(&mut connection).await?;
    let rates = rates(&mut connection).await?;
    let setbacks = recent_setbacks(&mut connection, LATELY).await?;
    let scaled = controls_seen(&mut connection).await?.scaled;
    let advice = advise_all(&depths, &rates, &setbacks, &state.goals, &state.work, &scaled);
    let oldest = freshness(&mut connection).await?;
    let syncs = sync_ages(&mut connection).await?;
    let untranscribed = last_report(&mut connection).await?.map_or(0, |report| report.untranscribed);
    Ok(Asked { depths, workers, credentials, accounts, rates, oldest, advice, syncs, untranscribed })
}

fn show_workers(alive: &[WorkerSeen], kinds: &BTreeSet<String>) {
    metrics::workers_alive(i64::try_from(alive.len()).unwrap_or(i64::MAX));
    for kind in kinds {
        metrics::kind_workers_alive(kind, alive.iter().filter(|worker| worker.kinds.contains(kind)).count());
    }
}

fn show_pace(asked: &Asked, kinds: &BTreeSet<String>, goals: &SloSettings) {
    for kind in kinds {
        let still = Rate::default();
        let rate = asked.rates.get(kind).unwrap_or(&still);
        metrics::pace(kind, rate.arrived_per_second, rate.done_per_second, rate.busy_slots);
    }
    for (kind, advice) in &asked.advice {
        // one worker finds out how long a job takes
        metrics::advised(*kind, advice.slots.unwrap_or(1), advice.workers.unwrap_or(1));
        if let Some(goal) = goals.of(*kind) {
            metrics::slo_goal(*kind, goal);
        }
    }
}

fn show_ages(oldest: &[Freshness], aged: &mut BTreeSet<(String, String)>) {
    aged.extend(oldest.iter().map(|oldest| (oldest.kind.clone(), oldest.source.clone())));
    for (kind, source) in aged.iter() {
        let age = oldest.iter().find(|oldest| oldest.kind == *kind && oldest.source == *source).map_or(0.0, |oldest| oldest.age_seconds);
        metrics::slo_age(kind, source, age);
    }
}

fn show_credentials(credentials: &[CredentialSeen]) {
    let now = SystemClock.now();
    for credential in credentials {
        let left = |ends: Option<chrono::DateTime<chrono::Utc>>| ends.map(|ends| (ends - now).to_std().unwrap_or_default());
        metrics::credential(
            &credential.name,
            left(credential.access_expires_at),
            left(credential.refresh_expires_at),
            credential.login_needed(now),
        );
    }
}

fn show_completeness(accounts: &[Accounts]) {
    for account in accounts {
        metrics::completeness_age(&account.source, account.age_seconds);
        for count in account.gaps() {
            metrics::completeness_gaps(&account.source, count.kind, count.gaps);
        }
    }
}

fn show(depths: &[Depth], kinds: &mut BTreeSet<String>) {
    kinds.extend(depths.iter().map(|depth| depth.kind.clone()));
    for kind in kinds.iter() {
        let empty = Depth::default();
        let depth = depths.iter().find(|depth| depth.kind == *kind).unwrap_or(&empty);
        metrics::jobs_in_state(kind, "due", depth.due.jobs);
        metrics::jobs_in_state(kind, "later", depth.later.jobs);
        metrics::jobs_in_state(kind, "running", depth.running.jobs);
        metrics::jobs_in_state(kind, "dead", depth.dead.jobs);
        metrics::oldest_due(kind, depth.oldest_due());
    }
}

async fn show_redis(state: &ApiState, kinds: &BTreeSet<String>) {
    let Some(hints) = &state.hints else { return };
    let asked = async {
        for kind in kinds {
            let depth = Lane::new(hints, kind).depth().await?;
            metrics::lane_depth(kind, i64::try_from(depth).unwrap_or(i64::MAX));
        }
        for service in &*state.services {
            service.seen().await;
        }
        Ok::<_, callscribe::hints::HintsError>(())
    };
    metrics::redis_up(matches!(timeout(PATIENCE, asked).await, Ok(Ok(()))));
}

pub(crate) async fn metrics(State(state): State<ApiState>) -> impl IntoResponse {
    let text = state.gauges.render(&state).await;
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"))], text)
}
