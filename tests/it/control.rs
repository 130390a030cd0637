//! Live control: what people pause, scale and drain, and what it does to processes that run and to those that start later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use callscribe::{
    domain::{JobKind, SourceName},
    embedded::Server,
    ledger::{self, Claimant, ControlTarget, Outcome, WhoAndWhy, WorkerIdentity, controls_seen},
    queue::{self, QueueSettings},
    store::Store,
};
use callscribe_simulators::{
    transcriber::{Profile, TranscriberPlan},
    webex::WebexPlan,
};
use tokio::sync::Semaphore;

use crate::{
    cli, harness,
    ledger::{enqueue, execute, number},
    queue::{Scripted, Worker, all_done, keys, scheduler, settings},
    world::World,
};

const ADA: WhoAndWhy<'static> = WhoAndWhy { actor: "ada@desk", why: Some("for a test") };
const SYNC: ControlTarget = ControlTarget::Kind(JobKind::Sync);
const WEBEX: ControlTarget = ControlTarget::Source(SourceName::Webex);
/// Nothing about a job says that it was ever looked at.
const TOUCHED: &str = "SELECT count(*) FROM jobs WHERE state <> 'ready' OR attempt > 0 OR run > 0 OR put_off > 0 OR reason IS NOT NULL";

async fn pause(store: &Store, target: ControlTarget) -> bool {
    ledger::pause(&mut store.connection().await.unwrap(), target, ADA).await.unwrap()
}

async fn resume(store: &Store, target: ControlTarget) -> bool {
    ledger::resume(&mut store.connection().await.unwrap(), target, ADA).await.unwrap()
}

async fn scale(store: &Store, jobs: Option<u16>) -> Option<u16> {
    ledger::scale(&mut store.connection().await.unwrap(), JobKind::Sync, jobs, ADA).await.unwrap()
}

async fn of_source(store: &Store, source: &str, jobs: u32) {
    let sql = format!(
        "INSERT INTO jobs (kind, key, source, max_attempts, run_at)
         SELECT 'sync', '{source}-' || n, '{source}', 5, now() - interval '1 hour' FROM generate_series(1, {jobs}) AS n"
    );
    execute(store, &sql).await;
}

/// Runs that go on until they are let go, and how many do.
fn held_runs() -> (Arc<Scripted>, Arc<AtomicUsize>, Arc<Semaphore>) {
    let (running, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let handler = {
        let (running, go_on) = (running.clone(), go_on.clone());
        Scripted::new(move |_, _| {
            let (running, go_on) = (running.clone(), go_on.clone());
            async move {
                running.fetch_add(1, Ordering::SeqCst);
                go_on.acquire().await.unwrap().forget();
                running.fetch_sub(1, Ordering::SeqCst);
                Outcome::done()
            }
        })
    };
    (handler, running, go_on)
}

#[tokio::test]
async fn a_claim_takes_nothing_that_is_paused_from_the_moment_the_pause_is_committed() {
    let database = harness::database().await;
    let store = database.store();
    let ids = enqueue(&store, JobKind::Sync, keys(3)).await;
    of_source(&store, "webex", 3).await;
    let connection = &mut *store.connection().await.unwrap();
    let worker = WorkerIdentity { host: "one".to_owned(), pid: 1, kinds: vec![JobKind::Sync] };
    let lease = ledger::begin_lease(connection, &worker, Duration::from_secs(30)).await.unwrap();
    let claimant = Claimant { kind: JobKind::Sync, lease, max_attempts: None };
    for target in [ControlTarget::All, SYNC] {
        assert!(ledger::pause(connection, target, ADA).await.unwrap());
        assert!(!ledger::pause(connection, target, ADA).await.unwrap(), "paused already");
        assert!(ledger::claim(connection, claimant, &ids).await.unwrap().jobs.is_empty(), "{target}");
        assert!(ledger::claim_due(connection, claimant, 10).await.unwrap().jobs.is_empty(), "{target}");
        assert!(ledger::resume(connection, target, ADA).await.unwrap());
    }
    ledger::pause(connection, WEBEX, ADA).await.unwrap();
    assert_eq!(number(&store, TOUCHED).await, 0);
    let of_webex: Vec<_> = (4..7).map(callscribe::domain::JobId).collect();
    assert!(ledger::claim(connection, claimant, &of_webex).await.unwrap().jobs.is_empty());
    let others = ledger::claim_due(connection, claimant, 10).await.unwrap().jobs;
    assert!(others.len() == 3 && others.iter().all(|job| job.source.is_none()), "{others:?}");
    ledger::resume(connection, WEBEX, ADA).await.unwrap();
    assert_eq!(ledger::claim(connection, claimant, &of_webex).await.unwrap().jobs.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_starts_while_a_kind_is_paused_touches_no_job_until_it_is_resumed() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    pause(&store, SYNC).await;
    of_source(&store, "webex", 200).await;
    let (stop, scheduling) = scheduler(&store, &hints);
    let lane = callscribe::hints::Lane::new(&hints, "sync");
    let handler = Scripted::new(|_, _| async { Outcome::done() });
    let worker = Worker::start(&store, &hints, handler.clone(), 4);
    harness::eventually("the dispatcher has filled the lane", async || lane.depth().await.unwrap() == 200).await;
    harness::eventually("the worker is there", async || number(&store, "SELECT count(*) FROM workers").await == 1).await;
    assert_eq!((lane.depth().await.unwrap(), number(&store, TOUCHED).await), (200, 0), "no hint is popped for nothing either");
    resume(&store, SYNC).await;
    all_done(&store).await;
    worker.stop().await;
    stop.cancel();
    scheduling.await.unwrap();
    assert_eq!(number(&store, "SELECT max(run) FROM jobs").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_source_is_passed_over_while_the_others_go_on() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    of_source(&store, "webex", 3_000).await;
    pause(&store, WEBEX).await;
    let (stop, scheduling) = scheduler(&store, &hints);
    let worker = Worker::start(&store, &hints, Scripted::new(|_, _| async { Outcome::done() }), 4);
    of_source(&store, "vapi", 50).await;
    harness::eventually("the other source is done", async || {
        number(&store, "SELECT count(*) FROM jobs WHERE source = 'vapi' AND state = 'done'").await == 50
    })
    .await;
    assert_eq!(number(&store, "SELECT count(*) FROM jobs WHERE source = 'webex' AND (run > 0 OR put_off > 0)").await, 0);
    resume(&store, WEBEX).await;
    all_done(&store).await;
    worker.stop().await;
    stop.cancel();
    scheduling.await.unwrap();
    assert_eq!(number(&store, "SELECT max(run) FROM jobs").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scale_grows_and_shrinks_running_processes_and_holds_for_later_ones() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    let (handler, running, go_on) = held_runs();
    enqueue(&store, JobKind::Sync, keys(40)).await;
    let worker = Worker::start(&store, &hints, handler.clone(), 1);
    harness::eventually("one runs", async || running.load(Ordering::SeqCst) == 1).await;
    assert_eq!(scale(&store, Some(5)).await, None);
    harness::eventually("five run", async || running.load(Ordering::SeqCst) == 5).await;
    assert_eq!(scale(&store, Some(2)).await, Some(5));
    // as each is let go nothing takes its place, once the order has come, until two are left
    harness::eventually("two are left", async || {
        if running.load(Ordering::SeqCst) > 2 && go_on.available_permits() == 0 {
            go_on.add_permits(1);
        }
        running.load(Ordering::SeqCst) == 2 && go_on.available_permits() == 0
    })
    .await;
    let ran = handler.runs().len();
    go_on.add_permits(1);
    harness::eventually("another takes a place", async || handler.runs().len() > ran && running.load(Ordering::SeqCst) == 2).await;
    let later = Worker::start(&store, &hints, handler.clone(), 20);
    harness::eventually("the later process runs two as well", async || running.load(Ordering::SeqCst) == 4).await;
    scale(&store, None).await;
    harness::eventually("each is as it was configured", async || running.load(Ordering::SeqCst) > 20).await;
    go_on.add_permits(1_000);
    all_done(&store).await;
    worker.stop().await;
    later.stop().await;
    assert!(handler.runs().values().all(|runs| *runs == 1));
}

#[tokio::test]
async fn of_two_who_scale_at_once_one_holds_and_both_are_in_the_audit_log() {
    let database = harness::database().await;
    let store = database.store();
    tokio::join!(scale(&store, Some(3)), scale(&store, Some(7)), scale(&store, Some(9)));
    let seen = controls_seen(&mut store.connection().await.unwrap()).await.unwrap();
    let held = number(&store, "SELECT (details ->> 'jobs_at_once')::bigint FROM audit_log ORDER BY id DESC LIMIT 1").await;
    assert_eq!((seen.scaled.len(), i64::from(seen.scaled[0].jobs_at_once)), (1, held), "the last entry is what holds");
    assert_eq!(number(&store, "SELECT count(*) FROM audit_log WHERE action = 'scale' AND actor = 'ada@desk' AND why IS NOT NULL").await, 3);
    let chain = "SELECT count(*) FROM (SELECT details ->> 'was' AS was, lag(details ->> 'jobs_at_once') OVER (ORDER BY id) AS before FROM audit_log) AS entry
                 WHERE was IS DISTINCT FROM before";
    assert_eq!(number(&store, chain).await, 0, "each entry tells what it truly replaced");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_worker_ends_well_and_another_of_its_name_works_on() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    let (handler, running, go_on) = held_runs();
    enqueue(&store, JobKind::Sync, keys(5)).await;
    let worker = Worker::start(&store, &hints, handler.clone(), 2);
    harness::eventually("two run", async || running.load(Ordering::SeqCst) == 2).await;
    let name = format!("test-{}", std::process::id());
    let connection = &mut *store.connection().await.unwrap();
    assert!(ledger::drain(connection, "nobody-1", ADA).await.unwrap().is_empty());
    assert_eq!(ledger::drain(connection, &name, ADA).await.unwrap().len(), 1);
    assert_eq!(controls_seen(connection).await.unwrap().draining.len(), 1);
    go_on.add_permits(2);
    worker.task.await.unwrap().unwrap();
    assert_eq!(number(&store, "SELECT count(*) FROM jobs WHERE state = 'done'").await, 2, "what ran has ended, nothing else was taken");
    assert_eq!(number(&store, "SELECT count(*) FROM workers WHERE ended_by = 'drained'").await, 1);
    assert!(controls_seen(connection).await.unwrap().is_empty(), "who has ended drains no more");
    go_on.add_permits(3);
    let replacement = Worker::start(&store, &hints, handler, 2);
    all_done(&store).await;
    replacement.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_lost_its_lease_still_hears_that_it_was_told_to_drain() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    let slow = QueueSettings { orders_poll: Duration::from_millis(500), ..settings() };
    let worker = Worker::start_with(&store, &hints, Scripted::new(|_, _| async { Outcome::done() }), 1, slow);
    harness::eventually("it is there", async || number(&store, "SELECT count(*) FROM workers").await == 1).await;
    execute(
        &store,
        "UPDATE workers SET draining_since = now(), draining_by = 'ada', expires_at = NULL, ended_at = now(), ended_by = 'lost'",
    )
    .await;
    worker.task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_outlives_flushall_and_a_restart_of_postgresql() {
    let services = harness::private_services().await;
    let (store, hints) = (services.store().await, services.hints());
    pause(&store, WEBEX).await;
    of_source(&store, "webex", 20).await;
    let worker = Worker::start(&store, &hints, Scripted::new(|_, _| async { Outcome::done() }), 2);
    harness::eventually("the worker is there", async || number(&store, "SELECT count(*) FROM workers").await == 1).await;
    services.halt(Server::Postgres).await;
    redis::cmd("FLUSHALL").query_async::<()>(&mut hints.connection()).await.unwrap();
    services.resume(Server::Postgres).await;
    let ids: Vec<_> = (1..=20).map(|id| ledger::Hint { id: callscribe::domain::JobId(id), kind: "sync".to_owned(), priority: 0 }).collect();
    queue::push_hints(&hints, &ids).await.unwrap();
    of_source(&store, "vapi", 5).await;
    harness::eventually("the other source is done", async || number(&store, "SELECT count(*) FROM jobs WHERE state = 'done'").await == 5)
        .await;
    assert_eq!(number(&store, "SELECT count(*) FROM jobs WHERE source = 'webex' AND run > 0").await, 0);
    resume(&store, WEBEX).await;
    all_done(&store).await;
    worker.stop().await;
}

#[tokio::test]
async fn the_command_says_who_why_and_since_when_and_leaves_other_pauses_alone() {
    let database = harness::database().await;
    let store = database.store();
    let paused = cli::on(&database, &["queue", "pause", "transcribe", "--why", "billed twice"]).await;
    assert!(paused.status == 0 && paused.stdout.contains("paused `transcription`"), "{}{}", paused.stdout, paused.stderr);
    let again = cli::on(&database, &["queue", "pause", "transcription", "--why", "another"]).await;
    assert!(again.stdout.contains("was paused already") && again.stdout.contains("billed twice"), "{}", again.stdout);
    cli::json(&cli::on(&database, &["queue", "pause", "all", "--json"]).await);
    cli::json(&cli::on(&database, &["queue", "scale", "recordings", "12", "--json"]).await);
    let shown = cli::json(&cli::on(&database, &["queue", "show", "--json"]).await);
    assert_eq!((shown["paused"][0]["subject"].as_str(), shown["paused"][0]["why"].as_str()), (Some("transcription"), Some("billed twice")));
    assert!(shown["paused"][0]["actor"].as_str().unwrap().starts_with("ada@") && shown["paused"][0]["since"].is_string(), "{shown}");
    assert_eq!((shown["scaled"][0]["kind"].as_str(), shown["scaled"][0]["jobs_at_once"].as_i64()), (Some("recording"), Some(12)));
    let resumed = cli::on(&database, &["queue", "resume", "all"]).await;
    assert!(resumed.stdout.contains("everything resumed") && resumed.stdout.contains("PAUSED kind transcription"), "{}", resumed.stdout);
    let status = cli::on(&database, &["status"]).await;
    assert!(status.stdout.contains("PAUSED kind transcription") && status.stdout.contains("scaled recording to 12"), "{}", status.stdout);
    assert_eq!(cli::json(&cli::on(&database, &["status", "--json"]).await)["controls"]["paused"].as_array().unwrap().len(), 1);
    assert_eq!(number(&store, "SELECT count(*) FROM audit_log WHERE action IN ('pause', 'resume', 'scale')").await, 4);
    for wrong in [&["queue", "pause", "nonsense"][..], &["queue", "scale", "webex", "3"], &["queue", "scale", "sync", "0"]] {
        assert_eq!(cli::on(&database, wrong).await.status, 2, "{wrong:?}");
    }
    let nobody = cli::on(&database, &["queue", "drain", "nobody-1"]).await;
    assert!(nobody.status == 1 && nobody.stderr.contains("no worker is alive"), "{}", nobody.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_process_is_scaled_paused_and_drained_by_the_command() {
    let transcriber = TranscriberPlan { takes: Duration::from_secs(2), ..TranscriberPlan::new(Profile::OpenAi) };
    let world = World::new(WebexPlan::ordinary(7, 12), transcriber).await;
    let store = world.database.store();
    let command = async |arguments: &[&str]| assert_eq!(world.run(arguments).await.0, Some(0), "{arguments:?}");
    command(&["migrate"]).await;
    command(&["queue", "pause", "transcribe"]).await;
    let _scheduler = world.start(&["scheduler"]);
    let _first_stages = world.start(&["worker", "sync", "recordings"]);
    let mut drained = world.start(&["worker", "transcribe", "--concurrency", "1"]);
    harness::eventually("recordings are copied", async || {
        number(&store, "SELECT count(*) FROM jobs WHERE kind = 'transcription'").await > 4
            && number(&store, "SELECT count(*) FROM jobs WHERE kind = 'recording' AND open").await == 0
    })
    .await;
    assert_eq!(number(&store, "SELECT count(*) FROM jobs WHERE kind = 'transcription' AND run > 0").await, 0);
    command(&["queue", "scale", "transcribe", "4"]).await;
    command(&["queue", "resume", "transcribe"]).await;
    let running = "SELECT count(*) FROM jobs WHERE kind = 'transcription' AND state = 'running'";
    harness::eventually("four run", async || number(&store, running).await == 4).await;
    let (_, status) = world.run(&["status", "--json"]).await;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let workers = status["workers"].as_array().unwrap();
    let name = workers.iter().find(|worker| worker["kinds"][0] == "transcription").unwrap()["name"].as_str().unwrap();
    command(&["queue", "drain", name]).await;
    assert!(drained.ended().await.success(), "a drained process exits well");
    let _replacement = world.start(&["worker", "transcribe"]);
    harness::eventually("everything is done", async || {
        number(&store, "SELECT count(*) FROM jobs WHERE open AND kind IN ('sync', 'recording', 'transcription')").await == 0
    })
    .await;
    world.assert_as_the_truth_says().await;
}
