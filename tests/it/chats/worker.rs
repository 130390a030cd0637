//! The chat worker between the Webex simulator and PostgreSQL: every conversation once, whoever dies when.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use callscribe::{
    config::{SyncSettings, WebhookSettings},
    domain::{ChatChannel, JobKind, OrgId, Reason, SessionId, SourceName, Window},
    ledger::{self, Claimant, Claimed, Finished, Handler, NewJob, Outcome, RunContext, VendorTrace, WorkerIdentity},
    schedule::{SchedulerOptions, run_scheduler},
    sources::{ChatAnswer, ChatPage, ChatSource, DetailsBy, PageCursor, SourceError},
    store::Store,
};
use callscribe_simulators::{
    SimulatedClock, When,
    webex::{CallSpec, Fault, WebexPlan},
};
use callscribe_worker_chat::{ChatHandler, ChatRecipe};
use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{harness, webex::Office};

fn noon() -> DateTime<Utc> {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

/// `count` chats with this many messages, ten minutes apart, the last an hour ago.
pub(super) fn chats(count: u32, messages: u32) -> Vec<CallSpec> {
    (0..count).map(|number| CallSpec::chat(Duration::from_mins(60 + 10 * u64::from(count - number)), messages)).collect()
}

/// A source that is struck down after so many pages.
struct Mortal {
    source: Arc<dyn ChatSource>,
    pages_left: AtomicUsize,
}

#[async_trait]
impl ChatSource for Mortal {
    fn name(&self) -> SourceName {
        self.source.name()
    }

    fn org_id(&self) -> &OrgId {
        self.source.org_id()
    }

    async fn chats(
        &self,
        channels: &[ChatChannel],
        by: DetailsBy,
        window: Window,
        cursor: Option<&PageCursor>,
    ) -> Result<ChatPage, SourceError> {
        if self.pages_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
            let what = "struck down".to_owned();
            return Err(SourceError::Unavailable { source_name: SourceName::Webex, what, trace: VendorTrace::default() });
        }
        self.source.chats(channels, by, window, cursor).await
    }

    async fn conversation(&self, session: &SessionId) -> Result<ChatAnswer, SourceError> {
        self.source.conversation(session).await
    }
}

/// A tenant whose time stands at noon, and workers that come and go.
pub(super) struct Scene {
    pub(super) office: Office,
    store: Store,
    source: Arc<dyn ChatSource>,
}

impl Scene {
    pub(super) async fn of(plan: WebexPlan) -> Self {
        let office = Office::open(WebexPlan { clock: SimulatedClock::standing(noon()), ..plan }).await;
        Self { store: office.database.store(), source: office.process(), office }
    }

    fn handler(&self, poll_schedule: &[Duration]) -> ChatHandler {
        let sync = SyncSettings { first_look_back: Duration::from_hours(12), ..SyncSettings::default() };
        let recipe = ChatRecipe { sync, poll_schedule: poll_schedule.to_vec() };
        ChatHandler::new(vec![Arc::clone(&self.source)], recipe, self.office.clock())
    }

    /// Enqueues a run that asks for conversations.
    pub(super) async fn enqueue(&self) {
        let payload = json!({ "task": "sync", "channels": ["chat"] });
        let job =
            NewJob { source: Some(SourceName::Webex), payload, ..NewJob::new(JobKind::Chat, format!("test/{}", uuid::Uuid::new_v4())) };
        ledger::enqueue(&mut self.store.connection().await.unwrap(), &[job]).await.unwrap();
    }

    /// A new worker claims what is due, one job.
    pub(super) async fn claim(&self) -> Option<Claimed> {
        let connection = &mut self.store.connection().await.unwrap();
        let worker = WorkerIdentity { host: "test".to_owned(), pid: 1, kinds: vec![JobKind::Chat] };
        let lease = ledger::begin_lease(connection, &worker, Duration::from_mins(1)).await.unwrap();
        let claimant = Claimant { kind: JobKind::Chat, lease, max_attempts: None };
        ledger::claim_due(connection, claimant, 1).await.unwrap().jobs.pop()
    }

    pub(super) async fn work(&self, job: &Claimed) -> Outcome {
        let (hints, _heard) = mpsc::unbounded_channel();
        let context = RunContext { stop: CancellationToken::new(), store: self.store.clone(), hints };
        self.handler(&[Duration::from_mins(2)]).run(job, &context).await
    }

    pub(super) async fn finish(&self, job: &Claimed, outcome: Outcome) {
        let Outcome::Done(effect) = outcome else { panic!("{outcome:?}") };
        let connection = &mut self.store.connection().await.unwrap();
        let finished = ledger::finish_with(connection, job, &effect).await.unwrap();
        assert!(matches!(finished, Finished::Written(_)), "{finished:?}");
    }

    /// Works until nothing is due.
    pub(super) async fn drain(&self) {
        while let Some(job) = self.claim().await {
            let outcome = self.work(&job).await;
            self.finish(&job, outcome).await;
        }
    }

    pub(super) async fn ask(&self, query: &str) -> Value {
        #[derive(QueryableByName)]
        struct Json {
            #[diesel(sql_type = sql_types::Jsonb)]
            value: Value,
        }
        let row: Json = diesel::sql_query(query).get_result(&mut self.store.connection().await.unwrap()).await.unwrap();
        row.value
    }

    pub(super) async fn count(&self, rows: &str) -> u64 {
        self.ask(&format!("SELECT to_jsonb(count(*)) AS value FROM {rows}")).await.as_u64().unwrap()
    }

    /// Texts of a conversation, in order.
    pub(super) async fn texts(&self, number: u32) -> Value {
        let session = self.office.session(number);
        self.ask(&format!(
            "SELECT coalesce(jsonb_agg(message ORDER BY place), '[]') AS value FROM chat_messages WHERE session_id = '{session}'"
        ))
        .await
    }

    pub(super) fn truth(&self, number: u32) -> Value {
        self.office.vendor.messages_of(number).into_iter().map(|message| message.text).collect()
    }
}

#[tokio::test]
async fn every_conversation_that_ended_is_stored_once_however_often_it_is_found() {
    let mut calls = chats(4, 6);
    calls.push(CallSpec::ago(Duration::from_mins(30)));
    calls.push(CallSpec { lasts: Duration::from_hours(9), ..CallSpec::chat(Duration::from_mins(20), 3) });
    let scene = Scene::of(WebexPlan::new(31, calls)).await;
    for _ in 0..2 {
        scene.enqueue().await;
        scene.drain().await;
        scene.office.vendor.clock().advance(Duration::from_mins(5));
    }
    for number in 0..4 {
        assert_eq!(scene.texts(number).await, scene.truth(number));
    }
    assert_eq!((scene.count("chats").await, scene.count("chat_messages").await), (4, 24), "a call is none, and one goes on");
    assert_eq!(scene.count("jobs WHERE session_id IS NOT NULL").await, 4);
    assert_eq!(scene.count("chat_states WHERE status = 'complete' AND reason IS NULL").await, 4);
    let row = "SELECT to_jsonb(m) - 'session_id' - 'message_key' AS value FROM chat_messages m ORDER BY session_id, place LIMIT 1";
    let told = scene.ask(row).await;
    assert_eq!((&told["direction"], &told["participant_role"], &told["place"]), (&json!("INBOUND"), &json!("CUSTOMER"), &json!(0)));
}

#[tokio::test]
async fn a_run_that_is_killed_in_mid_window_goes_on_at_its_checkpoint() {
    let plan = WebexPlan::new(32, chats(24, 1)).with(Fault::SearchPagesOf { rows: 5 }, When::Always);
    let mut scene = Scene::of(plan).await;
    let whole = Arc::clone(&scene.source);
    scene.enqueue().await;
    let mut lives = 0;
    loop {
        lives += 1;
        assert!(lives < 50, "it does not advance");
        scene.source = Arc::new(Mortal { source: Arc::clone(&whole), pages_left: AtomicUsize::new(2) });
        // the conversations that were found wait meanwhile
        let wait = "WITH put_off AS (UPDATE jobs SET run_at = now() + interval '1 hour' WHERE session_id IS NOT NULL RETURNING id)
                    SELECT to_jsonb(count(*)) AS value FROM put_off";
        scene.ask(wait).await;
        let job = scene.claim().await.expect("it is due again after each death");
        match scene.work(&job).await {
            Outcome::Done(effect) => break scene.finish(&job, Outcome::Done(effect)).await,
            outcome => assert!(matches!(&outcome, Outcome::Retry(why) if why.reason == Reason::VendorUnavailable), "{outcome:?}"),
        }
        // the worker vanishes with its job
        ledger::end_lease(&mut scene.store.connection().await.unwrap(), job.lease).await.unwrap();
    }
    let killed = scene.office.searches();
    assert!(lives > 3, "{lives} lives");
    assert_eq!(scene.count("jobs WHERE session_id IS NOT NULL").await, 24, "each conversation once");
    scene.source = whole;
    // the same window once more, undisturbed: not a single request was made twice because of the deaths
    scene.ask("WITH gone AS (DELETE FROM app_settings RETURNING key) SELECT to_jsonb(count(*)) AS value FROM gone").await;
    scene.ask("WITH gone AS (DELETE FROM jobs RETURNING id) SELECT to_jsonb(count(*)) AS value FROM gone").await;
    scene.enqueue().await;
    let job = scene.claim().await.unwrap();
    let outcome = scene.work(&job).await;
    scene.finish(&job, outcome).await;
    assert_eq!(scene.office.searches() - killed, killed, "every page was asked for once");
}

#[tokio::test]
async fn a_worker_that_lost_its_job_stores_nothing() {
    let scene = Scene::of(WebexPlan::new(33, chats(2, 2))).await;
    scene.enqueue().await;
    let job = scene.claim().await.unwrap();
    ledger::end_lease(&mut scene.store.connection().await.unwrap(), job.lease).await.unwrap();
    let outcome = scene.work(&job).await;
    assert!(matches!(&outcome, Outcome::Retry(why) if why.reason == Reason::LeaseLost), "{outcome:?}");
    assert_eq!((scene.count("chats").await, scene.count("jobs").await), (0, 1));
}

#[tokio::test]
async fn a_file_that_is_not_there_is_waited_for_and_one_that_is_none_says_why() {
    let plan = WebexPlan::new(34, chats(4, 2));
    let of = |number| When::sessions([plan.session_id(number)]);
    let (late, odd, cut, gone) = (of(0), of(1), of(2), of(3));
    let plan = plan.with(Fault::NoTranscript, late).with(Fault::TranscriptUnknownShape, odd);
    let scene = Scene::of(plan.with(Fault::TranscriptInvalidJson, cut).with(Fault::NoSuchKey, gone)).await;
    scene.enqueue().await;
    let sync = scene.claim().await.unwrap();
    let outcome = scene.work(&sync).await;
    scene.finish(&sync, outcome).await;
    let mut seen = 0;
    while let Some(job) = scene.claim().await {
        seen += 1;
        let session = job.session_id.clone().unwrap();
        let outcome = scene.work(&job).await;
        let number = (0..4).find(|number| scene.office.session(*number) == session).unwrap();
        let (word, why) = match &outcome {
            Outcome::Done(_) => panic!("none of them can be read"),
            Outcome::Later { why, wait } => {
                assert_eq!(*wait, Duration::from_mins(2));
                ("later", why)
            }
            Outcome::Retry(why) => ("retry", why),
            Outcome::Stop(why) => ("stop", why),
        };
        assert!(!why.chain().contains("X-Amz") && !why.chain().contains("my order"), "{}", why.chain());
        let expected = [
            ("later", Reason::TranscriptNotReady),
            ("stop", Reason::UnrecognisedTranscriptFormat),
            ("retry", Reason::UnrecognisedTranscriptFormat),
            ("retry", Reason::NoTranscript),
        ];
        assert_eq!((word, why.reason), expected[usize::try_from(number).unwrap()], "{}", why.chain());
        if number == 0 {
            let (hints, _heard) = mpsc::unbounded_channel();
            let context = RunContext { stop: CancellationToken::new(), store: scene.store.clone(), hints };
            let outcome = scene.handler(&[]).run(&job, &context).await;
            assert!(matches!(&outcome, Outcome::Stop(why) if why.reason == Reason::NoTranscript), "{outcome:?}");
        }
    }
    assert_eq!(seen, 4);
    assert_eq!(scene.count("chat_states WHERE status = 'processing'").await, 4);
    assert_eq!(scene.count("chat_messages").await, 0);
}

#[tokio::test]
async fn a_conversation_read_again_is_what_its_file_says_now() {
    let plan = WebexPlan::new(35, chats(1, 4));
    let once = When::sessions_first([plan.session_id(0)], 1);
    let scene = Scene::of(plan.with(Fault::ChatMessageTwice, once.clone()).with(Fault::ChatOddElement, once)).await;
    scene.enqueue().await;
    scene.drain().await;
    let (texts, left_out) = (scene.texts(0).await, "SELECT to_jsonb(parts_left_out) AS value FROM chats");
    assert_eq!((&texts, scene.ask(left_out).await), (&scene.truth(0), json!(1)), "told twice is one row");
    let again =
        "UPDATE jobs SET state = 'ready', finished_at = NULL, run_at = now() WHERE session_id IS NOT NULL RETURNING to_jsonb(id) AS value";
    scene.ask(again).await;
    scene.drain().await;
    assert_eq!((scene.texts(0).await, scene.ask(left_out).await), (texts, json!(0)));
}

#[tokio::test]
async fn a_task_of_a_newer_version_parks_its_job() {
    let scene = Scene::of(WebexPlan::new(36, Vec::new())).await;
    let job = NewJob { source: Some(SourceName::Webex), payload: json!({ "task": "reply" }), ..NewJob::new(JobKind::Chat, "test") };
    ledger::enqueue(&mut scene.store.connection().await.unwrap(), &[job]).await.unwrap();
    let outcome = scene.work(&scene.claim().await.unwrap()).await;
    assert!(matches!(&outcome, Outcome::Stop(why) if why.reason == Reason::PoisonPayload), "{outcome:?}");
}

#[tokio::test]
async fn conversations_are_asked_for_only_when_that_is_switched_on_and_runs_never_stack() {
    for (chat_channels, expected) in [(vec![ChatChannel::Chat], 1), (Vec::new(), 0)] {
        let scene = Scene::of(WebexPlan::new(37, Vec::new())).await;
        let shutdown = CancellationToken::new();
        let options = SchedulerOptions {
            store: scene.store.clone(),
            hints: harness::hints().await,
            sources: vec![SourceName::Webex],
            sync_interval: Duration::from_millis(1),
            enrich_interval: None,
            keep: crate::keep::keeping_audio(),
            reconcile: callscribe::config::ReconcileSettings::default(),
            chat_channels,
            webhook: WebhookSettings::default(),
            lease: Duration::from_secs(1),
            shutdown: shutdown.clone(),
        };
        let scheduler = tokio::spawn(run_scheduler(options));
        harness::eventually("four ticks have passed", async || {
            // syncs end at once, so that each of their ticks is seen
            let ended =
                "WITH ended AS (UPDATE jobs SET state = 'done', finished_at = now() WHERE kind = 'sync' AND state = 'ready' RETURNING id)
                         SELECT to_jsonb(count(*)) AS value FROM ended";
            scene.ask(ended).await;
            scene.count("jobs WHERE kind = 'sync'").await >= 4
        })
        .await;
        assert_eq!(scene.count("jobs WHERE kind = 'chat'").await, expected);
        shutdown.cancel();
        scheduler.await.unwrap();
    }
}
