//! Workers on real PostgreSQL and Redis: what they survive, and what survives them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use callscribe::{
    config::ReconcileSettings,
    domain::{JobKind, Reason, SourceName},
    embedded::Server,
    hints::Hints,
    ledger::{self, Claimed, Failure, Handler, Outcome, RunContext},
    outbound::Urgency,
    queue::{self, LaneOptions, QueueError, QueueSettings, WorkersOptions},
    schedule::{self, SchedulerOptions},
    store::Store,
};
use futures_util::future::BoxFuture;
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    harness,
    ledger::{attempts, enqueue, execute, job, number},
};

type Script = dyn Fn(Claimed, RunContext) -> BoxFuture<'static, Outcome> + Send + Sync;

/// Runs a script, and counts how often each job ran.
pub(crate) struct Scripted {
    script: Box<Script>,
    runs: Mutex<BTreeMap<String, usize>>,
}

impl Scripted {
    pub(crate) fn new<F>(script: impl Fn(Claimed, RunContext) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        Arc::new(Self { script: Box::new(move |job, context| Box::pin(script(job, context))), runs: Mutex::default() })
    }

    pub(crate) fn runs(&self) -> BTreeMap<String, usize> {
        self.runs.lock().unwrap().clone()
    }
}

#[async_trait]
impl Handler for Scripted {
    fn kind(&self) -> JobKind {
        JobKind::Sync
    }

    async fn run(&self, job: &Claimed, context: &RunContext) -> Outcome {
        *self.runs.lock().unwrap().entry(job.key.clone()).or_default() += 1;
        (self.script)(job.clone(), context.clone()).await
    }
}

/// A worker process, as it were.
pub(crate) struct Worker {
    shutdown: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), QueueError>>,
}

impl Worker {
    pub(crate) fn start(store: &Store, hints: &Hints, handler: Arc<dyn Handler>, concurrency: u16) -> Self {
        Self::start_with(store, hints, handler, concurrency, settings())
    }

    pub(crate) fn start_with(store: &Store, hints: &Hints, handler: Arc<dyn Handler>, concurrency: u16, settings: QueueSettings) -> Self {
        let shutdown = CancellationToken::new();
        let options = WorkersOptions {
            store: store.clone(),
            hints: hints.clone(),
            lanes: vec![LaneOptions { handler, concurrency, max_attempts: None }],
            settings,
            host: "test".to_owned(),
            shutdown: shutdown.clone(),
        };
        Self { shutdown, task: tokio::spawn(queue::run_workers(options)) }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

pub(crate) fn settings() -> QueueSettings {
    QueueSettings {
        lease: Duration::from_secs(3),
        backoff: ledger::Backoff { base: Duration::from_millis(20), ceiling: Duration::from_millis(100) },
        drain: Duration::from_secs(10),
        ledger_poll: Duration::from_millis(200),
        ledger_poll_without_redis: Duration::from_millis(50),
        orders_poll: Duration::from_millis(20),
    }
}

pub(crate) fn scheduler(store: &Store, hints: &Hints) -> (CancellationToken, JoinHandle<()>) {
    let shutdown = CancellationToken::new();
    let options = SchedulerOptions {
        store: store.clone(),
        hints: hints.clone(),
        sources: Vec::new(),
        sync_interval: Duration::from_mins(10),
        enrich_interval: None,
        chat_channels: Vec::new(),
        webhook: callscribe::config::WebhookSettings::default(),
        keep: crate::keep::keeping_audio(),
        reconcile: ReconcileSettings::default(),
        lease: settings().lease,
        shutdown: shutdown.clone(),
    };
    (shutdown, tokio::spawn(schedule::run_scheduler(options)))
}

pub(crate) async fn all_done(store: &Store) {
    harness::eventually("every job is done", async || number(store, "SELECT count(*) FROM jobs WHERE state <> 'done'").await == 0).await;
}

pub(crate) fn keys(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("{n:05}"))
}

fn failed(reason: Reason) -> Outcome {
    Outcome::Retry(Failure::new(reason, anyhow::anyhow!("it broke, for a test")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_has_the_urgency_of_its_job() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    let seen: Arc<Mutex<BTreeMap<String, Urgency>>> = Arc::default();
    let handler = Scripted::new({
        let seen = Arc::clone(&seen);
        move |job, _| {
            let seen = Arc::clone(&seen);
            async move {
                seen.lock().unwrap().insert(job.key, Urgency::current());
                Outcome::done()
            }
        }
    });
    enqueue(&store, JobKind::Sync, keys(1)).await;
    execute(&store, "INSERT INTO jobs (kind, key, priority, max_attempts) VALUES ('sync', 'old', 10, 5)").await;
    let worker = Worker::start(&store, &hints, handler, 1);
    all_done(&store).await;
    worker.stop().await;
    let expected = BTreeMap::from([("00000".to_owned(), Urgency::Fresh), ("old".to_owned(), Urgency::Backfill)]);
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_costs_one_attempt_and_no_slot() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    let handler = Scripted::new(|job, _| async move {
        assert!(job.key != "00000" || job.attempt > 1, "the first attempt panics");
        Outcome::done()
    });
    let ids = enqueue(&store, JobKind::Sync, keys(3)).await;
    let worker = Worker::start(&store, &hints, handler.clone(), 1);
    all_done(&store).await;
    worker.stop().await;
    assert_eq!(handler.runs().get("00000"), Some(&2));
    let history = attempts(&store, ids[0]).await;
    assert_eq!((history.len(), history[0].reason.as_str()), (1, "panicked"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poison_row_is_parked_with_its_reason_and_the_worker_lives_on() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    execute(&store, "INSERT INTO jobs (kind, key, source, max_attempts) VALUES ('sync', 'poison', 'telegraph', 5)").await;
    let ids = enqueue(&store, JobKind::Sync, keys(5)).await;
    let worker = Worker::start(&store, &hints, Scripted::new(|_, _| async { Outcome::done() }), 2);
    harness::eventually("the others are done", async || number(&store, "SELECT count(*) FROM jobs WHERE state = 'done'").await == 5).await;
    worker.stop().await;
    let poison = job(&store, callscribe::domain::JobId(1)).await;
    assert_eq!((poison.state.as_str(), poison.reason.as_deref()), ("dead", Some("poison_payload")));
    assert_eq!(job(&store, ids[0]).await.run, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_end_in_death_with_every_error_kept() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    execute(&store, "INSERT INTO jobs (kind, key, max_attempts) VALUES ('sync', 'a', 3)").await;
    let worker = Worker::start(&store, &hints, Scripted::new(|_, _| async { failed(Reason::VendorUnavailable) }), 2);
    harness::eventually("the job is dead", async || number(&store, "SELECT count(*) FROM jobs WHERE state = 'dead'").await == 1).await;
    worker.stop().await;
    let outcomes: Vec<String> = attempts(&store, callscribe::domain::JobId(1)).await.into_iter().map(|row| row.outcome).collect();
    assert_eq!(outcomes, ["failed", "failed", "dead"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_that_postgresql_refuses_is_a_failed_run() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    execute(&store, "INSERT INTO jobs (kind, key, max_attempts) VALUES ('sync', 'a', 1)").await;
    let handler = Scripted::new(|_, _| async {
        Outcome::Done(ledger::Effect::new(|connection| {
            Box::pin(async move {
                diesel_async::RunQueryDsl::execute(diesel::sql_query("INSERT INTO app_settings (key, value) VALUES ('', '1')"), connection)
                    .await?;
                Ok(Vec::new())
            })
        }))
    });
    let worker = Worker::start(&store, &hints, handler, 1);
    harness::eventually("the job is dead", async || number(&store, "SELECT count(*) FROM jobs WHERE state = 'dead'").await == 1).await;
    worker.stop().await;
    let row = job(&store, callscribe::domain::JobId(1)).await;
    assert_eq!(row.reason.as_deref(), Some("unexpected"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_at_once_than_the_concurrency() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let (now, most) = (now.clone(), most.clone());
        Scripted::new(move |_, _| {
            let (now, most) = (now.clone(), most.clone());
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
                Outcome::done()
            }
        })
    };
    enqueue(&store, JobKind::Sync, keys(500)).await;
    let worker = Worker::start(&store, &hints, handler, 7);
    all_done(&store).await;
    worker.stop().await;
    assert!(most.load(Ordering::SeqCst) <= 7, "{most:?} at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flushall_in_mid_run_costs_only_time() {
    let services = harness::private_services().await;
    let (store, hints) = (services.store().await, services.hints());
    let jobs = ledger::enqueue(
        &mut store.connection().await.unwrap(),
        &keys(2_000).map(|key| ledger::NewJob::new(JobKind::Sync, key)).collect::<Vec<_>>(),
    )
    .await
    .unwrap();
    queue::push_hints(&hints, &jobs).await.unwrap();
    let handler = Scripted::new(|_, _| async { Outcome::done() });
    let (stop, scheduling) = scheduler(&store, &hints);
    let worker = Worker::start(&store, &hints, handler.clone(), 20);
    harness::eventually("some are done", async || number(&store, "SELECT count(*) FROM jobs WHERE state = 'done'").await > 100).await;
    redis::cmd("FLUSHALL").query_async::<()>(&mut hints.connection()).await.unwrap();
    all_done(&store).await;
    worker.stop().await;
    stop.cancel();
    scheduling.await.unwrap();
    assert!(handler.runs().values().all(|runs| *runs == 1), "each job ran once");
    assert_eq!(handler.runs().len(), 2_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_while_redis_is_away_and_hints_wake_it_when_it_is_back() {
    let services = harness::private_services().await;
    let (store, hints) = (services.store().await, services.hints());
    let handler = Scripted::new(|_, _| async { Outcome::done() });
    // no ledger poll to speak of while Redis is well: what wakes the worker then is a hint
    let settings = QueueSettings { ledger_poll: Duration::from_hours(1), ..settings() };
    let worker = Worker::start_with(&store, &hints, handler.clone(), 20, settings);
    services.halt(Server::Redis).await;
    enqueue(&store, JobKind::Sync, keys(500)).await;
    all_done(&store).await;
    services.resume(Server::Redis).await;
    let again = harness::eventually("a hint wakes the worker", async || {
        let id = enqueue(&store, JobKind::Sync, [format!("again-{}", number(&store, "SELECT count(*) FROM jobs").await)]).await[0];
        queue::push_hints(&hints, &[ledger::Hint { id, kind: "sync".to_owned(), priority: 0 }]).await.ok()?;
        tokio::time::timeout(Duration::from_secs(5), all_done(&store)).await.ok()
    });
    again.await;
    worker.stop().await;
    assert!(handler.runs().values().all(|runs| *runs == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_restarts_in_mid_run_and_nothing_is_lost_or_doubled() {
    let services = harness::private_services().await;
    let (store, hints) = (services.store().await, services.hints());
    let (started, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let handler = {
        let (started, go_on) = (started.clone(), go_on.clone());
        Scripted::new(move |_, _| {
            let (started, go_on) = (started.clone(), go_on.clone());
            async move {
                started.fetch_add(1, Ordering::SeqCst);
                go_on.notified().await;
                Outcome::done()
            }
        })
    };
    enqueue(&store, JobKind::Sync, keys(30)).await;
    let (stop, scheduling) = scheduler(&store, &hints);
    let worker = Worker::start(&store, &hints, handler.clone(), 10);
    harness::eventually("ten run", async || started.load(Ordering::SeqCst) == 10).await;
    services.halt(Server::Postgres).await;
    go_on.notify_waiters();
    services.resume(Server::Postgres).await;
    harness::eventually("every job is done", async || {
        go_on.notify_waiters();
        number(&store, "SELECT count(*) FROM jobs WHERE state <> 'done'").await == 0
    })
    .await;
    worker.stop().await;
    stop.cancel();
    scheduling.await.unwrap();
    assert_eq!(handler.runs().len(), 30);
    assert!(handler.runs().values().all(|runs| *runs == 1), "{:?}", handler.runs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_lost_its_lease_stops_its_runs_and_works_on_under_a_new_one() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    let handler = Scripted::new(|job, context| async move {
        if job.run == 1 {
            context.stop.cancelled().await;
        }
        Outcome::done()
    });
    let ids = enqueue(&store, JobKind::Sync, keys(1)).await;
    let worker = Worker::start(&store, &hints, handler.clone(), 1);
    harness::eventually("it runs", async || handler.runs().len() == 1).await;
    execute(&store, "UPDATE workers SET expires_at = now() - interval '1 second'").await;
    let swept = ledger::sweep(&mut store.connection().await.unwrap(), Duration::ZERO).await.unwrap();
    assert_eq!(swept.returned, 1);
    all_done(&store).await;
    worker.stop().await;
    let row = job(&store, ids[0]).await;
    assert_eq!(row.run, 2, "the late finish of the first run changed nothing");
    assert_eq!(number(&store, "SELECT count(*) FROM workers").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_lets_runs_finish_and_hands_back_those_that_do_not() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    let finish = Arc::new(Notify::new());
    let handler = {
        let finish = finish.clone();
        Scripted::new(move |job, _| {
            let finish = finish.clone();
            async move {
                if job.key == "00000" {
                    finish.notified().await;
                } else {
                    std::future::pending::<()>().await;
                }
                Outcome::done()
            }
        })
    };
    let ids = enqueue(&store, JobKind::Sync, keys(2)).await;
    let settings = QueueSettings { drain: Duration::from_millis(300), ..settings() };
    let worker = Worker::start_with(&store, &hints, handler.clone(), 2, settings);
    harness::eventually("both run", async || handler.runs().len() == 2).await;
    worker.shutdown.cancel();
    finish.notify_one();
    worker.stop().await;
    assert_eq!(job(&store, ids[0]).await.state, "done");
    let back = job(&store, ids[1]).await;
    assert_eq!((back.state.as_str(), back.attempt, back.reason.as_deref()), ("ready", 0, Some("shut_down")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_schedulers_make_one_sync_and_ticks_never_stack() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    let shutdown = CancellationToken::new();
    let schedulers: Vec<_> = (0..2)
        .map(|_| {
            let options = SchedulerOptions {
                store: database.store(),
                hints: hints.clone(),
                sources: vec![SourceName::Webex],
                sync_interval: Duration::from_millis(50),
                enrich_interval: None,
                chat_channels: Vec::new(),
                webhook: callscribe::config::WebhookSettings::default(),
                keep: crate::keep::keeping_audio(),
                reconcile: ReconcileSettings::default(),
                lease: settings().lease,
                shutdown: shutdown.clone(),
            };
            tokio::spawn(schedule::run_scheduler(options))
        })
        .collect();
    harness::eventually("a sync is enqueued", async || number(&store, "SELECT count(*) FROM jobs").await > 0).await;
    // asked for by hand meanwhile: the open run is named, none is added
    let mut connection = store.connection().await.unwrap();
    let now = schedule::enqueue_sync_now(&mut connection, SourceName::Webex).await.unwrap().expect("the open run");
    assert!(!now.created);
    let at_once = tokio::join!(another(&database), another(&database));
    assert_eq!((at_once.0, at_once.1), (false, false));
    assert_eq!(number(&store, "SELECT count(*) FROM jobs").await, 1, "many ticks passed, one run is open");
    execute(&store, "UPDATE jobs SET state = 'running', lease_id = 1, started_at = now()").await;
    execute(&store, "UPDATE jobs SET state = 'done', finished_at = now()").await;
    harness::eventually("the next tick enqueues again", async || number(&store, "SELECT count(*) FROM jobs").await > 1).await;
    shutdown.cancel();
    for scheduler in schedulers {
        scheduler.await.unwrap();
    }
}

async fn another(database: &harness::TestDatabase) -> bool {
    let store = database.store();
    let run = schedule::enqueue_sync_now(&mut store.connection().await.unwrap(), SourceName::Webex).await.unwrap();
    run.expect("the open run").created
}
