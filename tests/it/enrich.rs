//! The enrich handler between the Webex simulator and PostgreSQL: what the calls turned out to be, whoever tells it first and
//! however late it is written.

use std::{sync::Arc, time::Duration};

use callscribe::{
    config::{EnrichSettings, RetentionSettings, SyncSettings, WebhookSettings},
    domain::{JobKind, PRIORITY_LATE, Reason, SourceName, Window},
    ledger::{self, Claimant, Claimed, Handler, NewJob, Outcome, RunContext, WorkerIdentity},
    schedule::{SchedulerOptions, SyncPayload, run_scheduler},
    sources::Source,
    store::Store,
};
use callscribe_simulators::{
    SimulatedClock, When,
    webex::{CallSpec, Endpoint, Fault, WebexPlan},
};
use callscribe_worker_enrich::{EnrichHandler, Recipe};
use callscribe_worker_sync::SyncHandler;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{harness, webex::Office};

fn noon() -> DateTime<Utc> {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

/// A tenant whose time stands at noon until it is moved, and workers that come and go.
struct Scene {
    office: Office,
    store: Store,
    source: Arc<dyn Source>,
    retention: RetentionSettings,
}

impl Scene {
    async fn of(plan: WebexPlan) -> Self {
        let office = Office::open(WebexPlan { clock: SimulatedClock::standing(noon()), ..plan }).await;
        Self { store: office.database.store(), source: office.process(), office, retention: RetentionSettings::keeping_everything() }
    }

    fn handler(&self, kind: JobKind) -> Arc<dyn Handler> {
        let (sources, clock) = (vec![Arc::clone(&self.source)], self.office.clock());
        let sync = SyncSettings { first_look_back: Duration::from_hours(12), ..SyncSettings::default() };
        let (provider, recording_attempts) = ("whisper".to_owned(), 8);
        let retention = self.retention.clone();
        if kind == JobKind::Sync {
            let recipe = callscribe_worker_sync::Recipe { settings: sync, provider, recording_attempts, retention };
            return Arc::new(SyncHandler::new(sources, recipe, clock));
        }
        Arc::new(EnrichHandler::new(
            sources,
            Recipe { sync, enrich: EnrichSettings::default(), provider, recording_attempts, retention },
            clock,
        ))
    }

    async fn enqueue(&self, kind: JobKind, payload: SyncPayload) {
        let key = format!("webex/test/{}", uuid::Uuid::new_v4());
        let job = NewJob { source: Some(SourceName::Webex), payload: payload.to_json(), ..NewJob::new(kind, key) };
        ledger::enqueue(&mut self.store.connection().await.unwrap(), &[job]).await.unwrap();
    }

    async fn claim(&self, kind: JobKind) -> Claimed {
        let mut connection = self.store.connection().await.unwrap();
        let worker = WorkerIdentity { host: "test".to_owned(), pid: 1, kinds: vec![kind] };
        let lease = ledger::begin_lease(&mut connection, &worker, Duration::from_mins(1)).await.unwrap();
        ledger::claim_due(&mut connection, Claimant { kind, lease, max_attempts: None }, 1).await.unwrap().jobs.pop().expect("a job is due")
    }

    fn context(&self) -> RunContext {
        let (hints, _) = mpsc::unbounded_channel();
        RunContext { stop: CancellationToken::new(), store: self.store.clone(), hints }
    }

    async fn work(&self, job: &Claimed) -> Outcome {
        let outcome = self.handler(job.kind).run(job, &self.context()).await;
        if let Outcome::Done(_) = outcome {
            let mut connection = self.store.connection().await.unwrap();
            ledger::finish_done(&mut connection, job.lease, &[(job.id, job.run)]).await.unwrap();
        }
        outcome
    }

    /// Enqueues, claims and runs a job, which must end well.
    async fn run(&self, kind: JobKind, payload: SyncPayload) {
        self.enqueue(kind, payload).await;
        let outcome = self.work(&self.claim(kind).await).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }

    async fn tick(&self) {
        self.run(JobKind::Sync, SyncPayload::Live).await;
        self.run(JobKind::Enrichment, SyncPayload::Live).await;
    }

    async fn ask(&self, query: &str) -> Value {
        #[derive(QueryableByName)]
        struct Json {
            #[diesel(sql_type = sql_types::Jsonb)]
            value: Value,
        }
        let row: Json = diesel::sql_query(query).get_result(&mut self.store.connection().await.unwrap()).await.unwrap();
        row.value
    }

    async fn count(&self, table: &str) -> u64 {
        self.ask(&format!("SELECT to_jsonb(count(*)) AS value FROM {table}")).await.as_u64().unwrap()
    }

    /// Every row, without what depends on when it was written.
    async fn rows(&self) -> Value {
        self.ask(
            "SELECT jsonb_agg(to_jsonb(c) - 'first_seen_at' - 'synced_at' - 'enriched_at' ORDER BY session_id) AS value FROM call_interactions c",
        )
        .await
    }

    async fn row(&self, number: u32) -> Value {
        let session = self.office.session(number);
        self.ask(&format!("SELECT to_jsonb(c) AS value FROM call_interactions c WHERE session_id = '{session}'")).await
    }

    /// How far the details are told.
    async fn told(&self) -> Value {
        self.ask("SELECT coalesce((SELECT value FROM app_settings WHERE key LIKE '%:details'), 'null') AS value").await
    }

    fn day(&self) -> Window {
        let now = self.office.vendor.clock().now();
        Window::new(now - TimeDelta::days(1), now).unwrap()
    }
}

#[tokio::test]
async fn a_call_open_then_ended_then_wrapped_up_an_hour_later_is_one_row_with_the_right_end() {
    let call = CallSpec {
        lasts: Duration::from_mins(20),
        wrapped_after: Duration::from_mins(60),
        touched_after: Some(Duration::from_hours(2)),
        csat: Some(5),
        variables: vec![("CaseNumber", "CS0012345".to_owned())],
        ..CallSpec::ago(Duration::from_mins(5))
    };
    let scene = Scene::of(WebexPlan::new(7, vec![call])).await;
    let mut wrapped_at = None;
    for minute in (0..=240).step_by(10) {
        scene.tick().await;
        let row = scene.row(0).await;
        if wrapped_at.is_none() && !row["wrap_up_code"].is_null() {
            wrapped_at = Some(minute);
        }
        assert_eq!(row["closed"], json!(minute >= 20), "at minute {minute}");
        assert!(wrapped_at.is_none() || row["wrap_up_code"] == "Resolved", "never backwards");
        scene.office.vendor.clock().advance(Duration::from_mins(10));
    }
    let row = scene.row(0).await;
    assert_eq!(scene.count("call_interactions").await, 1);
    assert_eq!((&row["end_time"], &row["end_time_source"]), (&json!("2026-06-01T12:15:00+00:00"), &json!("vendor")));
    assert_eq!((&row["duration_seconds"], &row["csat_score"], &row["case_number"]), (&json!(1_200), &json!(5), &json!("CS0012345")));
    assert_eq!(wrapped_at, Some(80), "written at minute 75, asked for again an hour after the end");
    assert_eq!(scene.count("jobs WHERE kind = 'recording'").await, 1);
}

#[tokio::test]
async fn a_call_of_which_more_recordings_are_counted_than_held_is_looked_at_again() {
    let scene = Scene::of(WebexPlan::demo(7, 2)).await;
    scene.tick().await;
    let ends = "UPDATE jobs SET state = 'done', finished_at = now() - interval '1 hour' WHERE kind = 'recording'";
    diesel::sql_query(ends).execute(&mut scene.store.connection().await.unwrap()).await.unwrap();
    let held = "INSERT INTO call_recordings (session_id, recording_id, leg, status) SELECT session_id, 'held', 'main', 'available'
                FROM call_interactions ORDER BY session_id LIMIT 1";
    diesel::sql_query(held).execute(&mut scene.store.connection().await.unwrap()).await.unwrap();
    scene.run(JobKind::Enrichment, SyncPayload::Live).await;
    let again = "jobs WHERE kind = 'recording' AND state = 'ready'
                 AND session_id NOT IN (SELECT session_id FROM call_recordings) AND checkpoint ->> 'looks' = '1'";
    assert_eq!(scene.count(again).await, 1, "each counts one recording, and only one of the two calls has it");
    assert_eq!(scene.count("jobs WHERE kind = 'recording' AND state = 'done'").await, 1);
}

#[tokio::test]
async fn a_call_that_only_the_search_knows_is_stored_and_its_recording_is_fetched() {
    let plan = WebexPlan::demo(7, 12);
    let hidden = plan.session_id(10);
    let scene = Scene::of(plan.with(Fault::UnlistedTask, When::sessions([hidden]))).await;
    scene.run(JobKind::Sync, SyncPayload::Live).await;
    assert_eq!(scene.count("call_interactions").await, 11);
    scene.run(JobKind::Enrichment, SyncPayload::Live).await;
    assert_eq!(scene.count("call_interactions").await, 12);
    let session = scene.office.session(10);
    for table in ["call_transcripts", "jobs"] {
        assert_eq!(scene.count(&format!("{table} WHERE session_id = '{session}'")).await, 1, "{table}");
    }
    scene.office.database.assert_consistent().await;
}

#[tokio::test]
async fn whichever_tells_first_the_rows_end_the_same() {
    let mut rows = Vec::new();
    for first in [JobKind::Sync, JobKind::Enrichment] {
        let scene = Scene::of(WebexPlan::demo(7, 25)).await;
        let second = if first == JobKind::Sync { JobKind::Enrichment } else { JobKind::Sync };
        for kind in [first, second] {
            scene.run(kind, SyncPayload::Live).await;
        }
        assert_eq!(scene.count("jobs WHERE kind = 'recording'").await, scene.count("call_transcripts").await);
        rows.push(scene.rows().await);
    }
    assert_eq!(rows[0].as_array().map(Vec::len), Some(25));
    assert_eq!(rows[0], rows[1]);
}

#[tokio::test]
async fn a_call_that_is_older_than_it_is_kept_is_stored_by_nobody() {
    let mut scene = Scene::of(WebexPlan::demo(7, 12)).await;
    scene.retention.metadata.others = Some(Duration::from_millis(1));
    for kind in [JobKind::Sync, JobKind::Enrichment] {
        scene.run(kind, SyncPayload::Live).await;
        assert_eq!((scene.count("call_interactions").await, scene.count("jobs WHERE open").await), (0, 0), "{kind}");
    }
    assert!(scene.office.searches() > 0, "the calls were told");
}

#[tokio::test]
async fn stale_and_bare_answers_take_nothing_away() {
    let scene = Scene::of(WebexPlan::demo(7, 5)).await;
    scene.run(JobKind::Sync, SyncPayload::Live).await;
    scene.run(JobKind::Enrichment, SyncPayload::Live).await;
    let before = scene.rows().await;
    let (faults, sessions) = (scene.office.vendor.faults(), scene.office.sessions(5));
    for fault in [Fault::StaleRead, Fault::BareDetails] {
        faults.on(fault.clone(), When::sessions(&sessions));
        scene.run(JobKind::Enrichment, SyncPayload::Backfill(scene.day())).await;
        faults.clear();
        let after = scene.rows().await;
        for (before, after) in before.as_array().unwrap().iter().zip(after.as_array().unwrap()) {
            for column in ["closed", "end_time", "end_time_source", "wrap_up_code", "agent_name", "queue_name", "case_number", "team_name"]
            {
                assert_eq!(before[column], after[column], "{column} under {fault:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_worker_killed_in_mid_window_goes_on_at_its_checkpoint() {
    let plan = WebexPlan::ordinary(7, 200).with(Fault::SearchPagesOf { rows: 10 }, When::Always);
    let scene = Scene::of(plan).await;
    // as it goes undisturbed
    scene.run(JobKind::Enrichment, SyncPayload::Backfill(scene.day())).await;
    let undisturbed = scene.office.searches();
    scene.ask("WITH gone AS (DELETE FROM call_interactions) SELECT '{}'::jsonb AS value").await;
    scene.office.vendor.requests().clear();
    // most of the day is empty and told early; by now some calls are stored and some are not
    let killed_at = undisturbed - 10;
    scene.office.vendor.faults().on(Fault::Hang { at: Endpoint::Search }, When::Nth(u64::try_from(killed_at).unwrap()));
    scene.enqueue(JobKind::Enrichment, SyncPayload::Backfill(scene.day())).await;
    let job = scene.claim(JobKind::Enrichment).await;
    let (handler, context) = (scene.handler(JobKind::Enrichment), scene.context());
    let killed = tokio::spawn({
        let job = job.clone();
        async move { handler.run(&job, &context).await }
    });
    harness::eventually("the request that hangs is asked", async || scene.office.searches() == killed_at).await;
    killed.abort();
    ledger::end_lease(&mut scene.store.connection().await.unwrap(), job.lease).await.unwrap();
    let held = scene.count("call_interactions").await;
    assert!(held > 0 && held < 200, "{held} calls were stored before");
    let outcome = scene.work(&scene.claim(JobKind::Enrichment).await).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    assert_eq!(scene.count("call_interactions").await, 200);
    assert_eq!(scene.office.searches(), undisturbed + 1, "only the request that hung is asked again");
}

#[tokio::test]
async fn rows_beside_an_error_store_nothing_and_move_nothing() {
    let scene = Scene::of(WebexPlan::ordinary(7, 6).with(Fault::PartialData, When::First(1))).await;
    scene.enqueue(JobKind::Enrichment, SyncPayload::Live).await;
    let job = scene.claim(JobKind::Enrichment).await;
    let outcome = scene.work(&job).await;
    assert!(matches!(&outcome, Outcome::Retry(why) if why.reason == Reason::VendorUnavailable), "{outcome:?}");
    assert_eq!((scene.count("call_interactions").await, scene.told().await), (0, Value::Null));
    let outcome = scene.work(&job).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    assert_eq!(scene.count("call_interactions").await, 6);
    assert_eq!(scene.told().await["to"], json!(noon() - TimeDelta::seconds(90)));
}

#[tokio::test]
async fn a_window_of_the_past_is_enriched_after_it_was_synced_and_behind_everything_else() {
    let scene = Scene::of(WebexPlan::demo(7, 8)).await;
    scene.run(JobKind::Sync, SyncPayload::Backfill(scene.day())).await;
    let job = scene.claim(JobKind::Enrichment).await;
    assert_eq!(job.priority, PRIORITY_LATE);
    let outcome = scene.work(&job).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    assert_eq!(scene.count("call_interactions WHERE end_time_source = 'vendor' AND case_number IS NOT NULL").await, 8);
    assert_eq!(scene.told().await, Value::Null, "the past moves nothing");
}

#[tokio::test]
async fn an_element_that_cannot_be_read_is_set_aside_and_the_page_goes_on() {
    let scene = Scene::of(WebexPlan::ordinary(7, 6).with(Fault::MalformedDetails, When::Always)).await;
    scene.run(JobKind::Enrichment, SyncPayload::Live).await;
    assert_eq!((scene.count("call_interactions").await, scene.count("quarantined_payloads").await), (6, 1));
}

#[tokio::test]
async fn runs_never_stack_however_many_ticks_pass() {
    let database = harness::database().await;
    let store = database.store();
    let shutdown = CancellationToken::new();
    let options = SchedulerOptions {
        store: store.clone(),
        hints: harness::hints().await,
        sources: vec![SourceName::Webex],
        sync_interval: Duration::from_millis(1),
        enrich_interval: Some(Duration::from_millis(1)),
        keep: crate::keep::keeping_audio(),
        reconcile: callscribe::config::ReconcileSettings::default(),
        chat_channels: Vec::new(),
        webhook: WebhookSettings::default(),
        lease: Duration::from_secs(1),
        shutdown: shutdown.clone(),
    };
    let scheduler = tokio::spawn(run_scheduler(options));
    let count = async |which: &str| {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = sql_types::BigInt)]
            count: i64,
        }
        let mut connection = store.connection().await.unwrap();
        // syncs end at once, so that each of their ticks is seen
        diesel::sql_query("UPDATE jobs SET state = 'done', finished_at = now() WHERE kind = 'sync' AND state = 'ready'")
            .execute(&mut connection)
            .await
            .unwrap();
        let query = format!("SELECT count(*) AS count FROM jobs WHERE kind = '{which}'");
        let row: Count = diesel::sql_query(query).get_result(&mut connection).await.unwrap();
        row.count
    };
    harness::eventually("four ticks have passed", async || count("sync").await >= 4).await;
    assert_eq!(count("enrichment").await, 1);
    shutdown.cancel();
    scheduler.await.unwrap();
}
