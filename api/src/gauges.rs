//! `/metrics`: what this process counted, and what the ledger holds, asked for at most once in a while however often anyone scrapes.

use std::{collections::BTreeSet, time::Duration};

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::IntoResponse,
};
use callscribe::{
    clock::{Clock, SystemClock},
    domain::JobKind,
    hints::{Hints, Lane},
    ledger::{COUNTED, Depth, depths, workers_seen},
    store::{
        Store, StoreError,
        completeness::{Accounts, accounts},
        logins::{CredentialSeen, credentials},
    },
    telemetry::{
        chain,
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
}

impl Gauges {
    pub(crate) fn new(registry: Registry) -> Self {
        let kinds = JobKind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
        Self { registry, refreshed: Mutex::new(Refreshed { at: None, kinds }) }
    }

    /// Everything recorded. Of several scrapes at once one asks and the others wait for it.
    async fn render(&self, store: &Store, hints: Option<&Hints>) -> String {
        let mut refreshed = self.refreshed.lock().await;
        if refreshed.at.is_none_or(|at| at.elapsed() >= FRESH_FOR) {
            refreshed.at = Some(Instant::now());
            let (ledger, ()) = tokio::join!(timeout(PATIENCE, ask(store)), show_redis(hints, &refreshed.kinds));
            match ledger {
                Ok(Ok(asked)) => {
                    show(&asked.depths, &mut refreshed.kinds);
                    show_credentials(&asked.credentials);
                    show_completeness(&asked.accounts);
                    metrics::workers_alive(asked.workers);
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
        self.registry.render()
    }
}

struct Asked {
    depths: Vec<Depth>,
    workers: i64,
    credentials: Vec<CredentialSeen>,
    accounts: Vec<Accounts>,
}

async fn ask(store: &Store) -> Result<Asked, StoreError> {
    let mut connection = store.connection().await?;
    let depths = depths(&mut connection, COUNTED).await?;
    let alive = workers_seen(&mut connection).await?.iter().filter(|worker| worker.alive).count();
    let credentials = credentials(&mut connection).await?;
    let accounts = accounts(&mut connection).await?;
    Ok(Asked { depths, workers: i64::try_from(alive).unwrap_or(i64::MAX), credentials, accounts })
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

async fn show_redis(hints: Option<&Hints>, kinds: &BTreeSet<String>) {
    let Some(hints) = hints else { return };
    let asked = async {
        for kind in kinds {
            let depth = Lane::new(hints, kind).depth().await?;
            metrics::lane_depth(kind, i64::try_from(depth).unwrap_or(i64::MAX));
        }
        Ok::<_, callscribe::hints::HintsError>(())
    };
    metrics::redis_up(matches!(timeout(PATIENCE, asked).await, Ok(Ok(()))));
}

pub(crate) async fn metrics(State(state): State<ApiState>) -> impl IntoResponse {
    let text = state.gauges.render(&state.store, state.hints.as_ref()).await;
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"))], text)
}
