//! The sync handler against PostgreSQL: windows, checkpoints, crashes, and what every trouble leaves behind.

mod backfill;
mod crash;
mod errors;
mod pages;
mod tenant;
mod webex;
mod windows;

use std::{sync::Arc, time::Duration};

use callscribe::{
    clock::ManualClock,
    config::{RetentionSettings, SyncSettings},
    domain::{JobKind, Reason, SourceName, Window},
    ledger::{self, Claimant, Claimed, Handler, Hint, NewJob, Outcome, RunContext, WorkerIdentity},
    schedule::SyncPayload,
    sources::Source,
    store::Store,
};
use callscribe_worker_sync::{Recipe, SyncHandler};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::harness::{self, TestDatabase};
use tenant::Tenant;
pub(crate) use tenant::Trouble;

/// A moment that all tests count from.
pub(crate) fn noon() -> DateTime<Utc> {
    "2026-03-02T12:00:00Z".parse().unwrap()
}

pub(crate) fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}

/// A database, a tenant with calls, a clock, and workers that come and go.
pub(crate) struct Scene {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    pub(crate) tenant: Tenant,
    /// Who is asked: the tenant, unless a test brings another.
    pub(crate) source: Arc<dyn Source>,
    pub(crate) clock: ManualClock,
    pub(crate) settings: SyncSettings,
    pub(crate) retention: RetentionSettings,
}

/// What one run did.
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    hints: Vec<Hint>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let database = harness::database().await;
        let (store, clock) = (database.store(), ManualClock::at(noon()));
        let tenant = Tenant::new(clock.clone());
        Self {
            store,
            database,
            source: Arc::new(tenant.clone()),
            tenant,
            clock,
            settings: SyncSettings::default(),
            retention: RetentionSettings::keeping_everything(),
        }
    }

    fn handler(&self) -> SyncHandler {
        let recipe = Recipe {
            settings: self.settings.clone(),
            provider: "whisper".to_owned(),
            recording_attempts: 8,
            retention: self.retention.clone(),
        };
        SyncHandler::new(vec![Arc::clone(&self.source)], recipe, Arc::new(self.clock.clone()))
    }

    /// Enqueues a job.
    pub(crate) async fn enqueue(&self, payload: SyncPayload, priority: i16) {
        let key = format!("webex/test/{}", uuid::Uuid::new_v4());
        let job = NewJob { source: Some(SourceName::Webex), payload: payload.to_json(), priority, ..NewJob::new(JobKind::Sync, key) };
        ledger::enqueue(&mut self.store.connection().await.unwrap(), &[job]).await.unwrap();
    }

    /// A new worker claims the job that is due.
    pub(crate) async fn claim(&self) -> Claimed {
        let mut connection = self.store.connection().await.unwrap();
        let worker = WorkerIdentity { host: "test".to_owned(), pid: 1, kinds: vec![JobKind::Sync] };
        let lease = ledger::begin_lease(&mut connection, &worker, Duration::from_mins(1)).await.unwrap();
        let claimant = Claimant { kind: JobKind::Sync, lease, max_attempts: None };
        ledger::claim_due(&mut connection, claimant, 1).await.unwrap().jobs.pop().expect("a job is due")
    }

    pub(crate) fn context(&self) -> (RunContext, mpsc::UnboundedReceiver<Vec<Hint>>) {
        let (hints, heard) = mpsc::unbounded_channel();
        (RunContext { stop: CancellationToken::new(), store: self.store.clone(), hints }, heard)
    }

    /// Runs a job that was claimed.
    pub(crate) async fn run(&self, job: &Claimed) -> Ran {
        let (context, mut heard) = self.context();
        let outcome = self.handler().run(job, &context).await;
        drop(context);
        let mut hints = Vec::new();
        while let Some(more) = heard.recv().await {
            hints.extend(more);
        }
        Ran { outcome, hints }
    }

    /// Enqueues, claims, runs and finishes a live job.
    pub(crate) async fn live(&self) -> Ran {
        self.enqueue(SyncPayload::Live, 0).await;
        let job = self.claim().await;
        let ran = self.run(&job).await;
        if let Outcome::Done(_) = ran.outcome {
            let mut connection = self.store.connection().await.unwrap();
            ledger::finish_done(&mut connection, job.lease, &[(job.id, job.run)]).await.unwrap();
        }
        ran
    }

    /// Enqueues, claims and runs a backfill.
    pub(crate) async fn backfill(&self, window: Window) -> Ran {
        self.enqueue(SyncPayload::Backfill(window), 10).await;
        self.run(&self.claim().await).await
    }

    /// The worker vanishes: its lease ends and the job is due again.
    pub(crate) async fn lose(&self, job: &Claimed) {
        ledger::end_lease(&mut self.store.connection().await.unwrap(), job.lease).await.unwrap();
    }

    pub(crate) async fn ask(&self, query: &str) -> Value {
        #[derive(QueryableByName)]
        struct Json {
            #[diesel(sql_type = sql_types::Jsonb)]
            value: Value,
        }
        let row: Json = diesel::sql_query(query).get_result(&mut self.store.connection().await.unwrap()).await.unwrap();
        row.value
    }

    pub(crate) async fn count(&self, table: &str) -> u64 {
        self.ask(&format!("SELECT to_jsonb(count(*)) AS value FROM {table}")).await.as_u64().unwrap()
    }

    async fn watermark(&self) -> Option<DateTime<Utc>> {
        let key = format!("webex:{}:watermark", self.source.org_id());
        let query = format!("SELECT coalesce((SELECT value FROM app_settings WHERE key = '{key}'), 'null') AS value");
        serde_json::from_value(self.ask(&query).await).unwrap()
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn assert_done(&self) {
        assert!(matches!(self.outcome, Outcome::Done(_)), "{:?}", self.outcome);
    }

    /// The reason of a run that did not end in done.
    fn reason(&self) -> Reason {
        match &self.outcome {
            Outcome::Done(_) => panic!("the run is done"),
            Outcome::Later { why, .. } | Outcome::Retry(why) | Outcome::Stop(why) => why.reason,
        }
    }
}
