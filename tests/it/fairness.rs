//! Whose turn it is: no source and no class of work waits for ever behind another.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use callscribe::{
    domain::{JobKind, SourceName},
    ledger::{self, ByHand, Claimant, JobFilter, Outcome, Turn, WorkerIdentity},
    queue,
    store::Connection,
};

use crate::{
    harness,
    ledger::{execute, number},
    queue::{Scripted, Worker},
};

/// Claims of one process within which another source's jobs are reached (`ROUND` in src/queue/fetch.rs), and one more for its turn.
const WITHIN_CLAIMS: usize = 11;

fn fill(source: &str, priority: i16, jobs: u32) -> String {
    format!(
        "INSERT INTO jobs (kind, key, source, priority, max_attempts, run_at)
         SELECT 'sync', '{source}-{priority}-' || n, '{source}', {priority}, 5, now() - interval '1 hour'
         FROM generate_series(1, {jobs}) AS n"
    )
}

async fn claimant(connection: &mut Connection) -> Claimant {
    let worker = WorkerIdentity { host: "one".to_owned(), pid: 1, kinds: vec![JobKind::Sync] };
    let lease = ledger::begin_lease(connection, &worker, std::time::Duration::from_secs(30)).await.unwrap();
    Claimant { kind: JobKind::Sync, lease, max_attempts: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_jobs_of_one_source_do_not_hold_up_a_fresh_one_of_another() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    execute(&store, &fill("webex", 0, 100_000)).await;
    let lane = callscribe::hints::Lane::new(&hints, "sync");
    let ids: Vec<_> = (1..=100_000).map(|id| (callscribe::domain::JobId(id), 0)).collect();
    lane.push(&ids).await.unwrap();
    execute(&store, "INSERT INTO jobs (kind, key, source, max_attempts) VALUES ('sync', 'fresh', 'vapi', 5)").await;
    let order: Arc<Mutex<Vec<String>>> = Arc::default();
    let handler = {
        let order = Arc::clone(&order);
        Scripted::new(move |job, _| {
            let order = Arc::clone(&order);
            async move {
                order.lock().unwrap().push(job.key);
                Outcome::done()
            }
        })
    };
    let worker = Worker::start(&store, &hints, handler, 1);
    harness::eventually("the other source had its turn", async || {
        number(&store, "SELECT count(*) FROM jobs WHERE key = 'fresh' AND state = 'done'").await == 1
    })
    .await;
    worker.stop().await;
    let place = order.lock().unwrap().iter().position(|key| key == "fresh").unwrap();
    assert!(place < WITHIN_CLAIMS, "it was the {place}th");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_two_sources_have_work_they_take_turns() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    execute(&store, &fill("webex", 0, 5_000)).await;
    execute(&store, &fill("vapi", 0, 300)).await;
    let order: Arc<Mutex<Vec<SourceName>>> = Arc::default();
    let handler = {
        let order = Arc::clone(&order);
        Scripted::new(move |job, _| {
            let order = Arc::clone(&order);
            async move {
                order.lock().unwrap().extend(job.source);
                Outcome::done()
            }
        })
    };
    let worker = Worker::start(&store, &hints, handler, 4);
    let left = "SELECT count(*) FROM jobs WHERE source = 'vapi' AND state <> 'done'";
    harness::eventually("the smaller one is done", async || number(&store, left).await == 0).await;
    worker.stop().await;
    let order = order.lock().unwrap();
    let last = order.iter().rposition(|source| *source == SourceName::Vapi).unwrap();
    let others = order[..last].iter().filter(|source| **source == SourceName::Webex).count();
    // one for one, but for the claims that take what has been due longest
    assert!(others < 600, "{others} jobs of the larger source came before the last of 300 of the smaller");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_fresh_work_that_never_ends_does_not_starve_a_backfill() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    execute(&store, &fill("webex", 10, 20)).await;
    execute(&store, &fill("webex", 20, 20)).await;
    execute(&store, "UPDATE jobs SET run_at = run_at - interval '1 hour' WHERE priority = 10").await;
    execute(&store, &fill("webex", 0, 200)).await;
    let stream = Arc::new(AtomicBool::new(true));
    let handler = {
        let stream = Arc::clone(&stream);
        Scripted::new(move |job, context| {
            let stream = Arc::clone(&stream);
            async move {
                if job.priority == 0 && stream.load(Ordering::SeqCst) {
                    // each fresh job brings another: fresh work is always due
                    let next = ledger::NewJob::new(JobKind::Sync, format!("{}+", job.key));
                    let hints = ledger::enqueue(&mut context.store.connection().await.unwrap(), &[next]).await.unwrap();
                    context.hints.send(hints).unwrap();
                }
                Outcome::done()
            }
        })
    };
    queue::push_hints(&hints, &[]).await.unwrap();
    let worker = Worker::start(&store, &hints, handler.clone(), 3);
    harness::eventually("what was not urgent is done", async || {
        number(&store, "SELECT count(*) FROM jobs WHERE priority > 0 AND state <> 'done'").await == 0
    })
    .await;
    let waiting = number(&store, "SELECT count(*) FROM jobs WHERE priority = 0 AND state <> 'done'").await;
    stream.store(false, Ordering::SeqCst);
    worker.stop().await;
    assert!(waiting >= 150, "only {waiting} fresh jobs were left: the stream has dried up and proves nothing");
}

#[tokio::test]
async fn a_claim_deals_urgent_work_first_one_of_each_source_by_turns() {
    let database = harness::database().await;
    let store = database.store();
    for (source, priority) in [("webex", 10), ("webex", 0), ("vapi", 0), ("genesys", 0)] {
        execute(&store, &fill(source, priority, 3)).await;
    }
    let connection = &mut *store.connection().await.unwrap();
    let claimant = claimant(connection).await;
    let mut after = String::new();
    let mut order = Vec::new();
    for _ in 0..12 {
        let turn = Turn { after: &after, ..Turn::default() };
        let job = ledger::claim_in_turn(connection, claimant, 1, turn).await.unwrap().jobs.pop().unwrap();
        after = job.source.unwrap().to_string();
        order.push(format!("{after} {}", job.priority));
    }
    let round = ["genesys 0", "vapi 0", "webex 0"];
    assert_eq!(order[..9], [round, round, round].concat());
    assert_eq!(order[9..], ["webex 10", "webex 10", "webex 10"]);
}

#[tokio::test]
async fn batches_of_a_source_take_turns_with_each_other_and_not_with_other_sources() {
    let database = harness::database().await;
    let store = database.store();
    execute(&store, &fill("webex", 0, 300)).await;
    execute(&store, "UPDATE jobs SET batch_id = CASE WHEN id <= 200 THEN 1 ELSE 2 END WHERE id <= 220").await;
    execute(&store, &fill("vapi", 0, 300)).await;
    let connection = &mut *store.connection().await.unwrap();
    let claimant = claimant(connection).await;
    let claim = ledger::claim_in_turn(connection, claimant, 60, Turn::default()).await.unwrap();
    assert_eq!(claim.contenders, 4, "the other source, two batches, and what is in none");
    let count = |of: &dyn Fn(&ledger::Claimed) -> bool| claim.jobs.iter().filter(|job| of(job)).count();
    let webex = |from: i64, to: i64| count(&|job| job.source == Some(SourceName::Webex) && (from..=to).contains(&job.id.0));
    assert_eq!([webex(1, 200), webex(201, 220), webex(221, 300), count(&|job| job.source == Some(SourceName::Vapi))], [10, 10, 10, 30]);
    // one at a time, too: nobody's lot is always the last
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let turn = Turn { after: "vapi", ..Turn::default() };
        let job = ledger::claim_in_turn(connection, claimant, 1, turn).await.unwrap().jobs.pop().unwrap();
        seen.insert((job.source == Some(SourceName::Webex)).then_some(job.id.0.min(300)).map(|id| (id > 200, id > 220)));
    }
    assert!(seen.contains(&Some((false, false))) && seen.contains(&Some((true, true))), "{seen:?}");
}

#[tokio::test]
async fn many_requeued_jobs_are_due_behind_fresh_calls_and_a_few_are_not() {
    let database = harness::database().await;
    let store = database.store();
    crate::ledger_rows::dead_transcriptions(&store, 101, "provider_unavailable").await;
    let (sender, _hints) = tokio::sync::mpsc::unbounded_channel();
    let order = |limit, urgent| ByHand { limit, urgent, ..ByHand::new(JobFilter::default(), "a test") };
    let classes = async || {
        (
            number(&store, "SELECT count(*) FROM jobs WHERE priority = 0").await,
            number(&store, "SELECT count(*) FROM jobs WHERE priority = 10").await,
        )
    };
    let again = "UPDATE jobs SET state = 'dead', reason = 'provider_unavailable', finished_at = now()";
    ledger::requeue(&store, &order(Some(100), false), &sender).await.unwrap();
    assert_eq!(classes().await, (101, 0));
    execute(&store, again).await;
    ledger::requeue(&store, &order(None, false), &sender).await.unwrap();
    assert_eq!(classes().await, (0, 101));
    execute(&store, again).await;
    ledger::requeue(&store, &order(None, true), &sender).await.unwrap();
    assert_eq!(classes().await, (101, 0));
}

#[tokio::test]
async fn recordings_that_the_vendor_will_soon_delete_are_claimed_first() {
    let database = harness::database().await;
    let store = database.store();
    crate::ledger_rows::run(
        &store,
        "INSERT INTO call_interactions (session_id, source, start_time, closed, transcript_status, raw_payload)
             SELECT 'c' || n, 'webex', now() - n * interval '1 day', true, 'pending', '{}' FROM generate_series(1, 40) AS n;
         INSERT INTO jobs (kind, key, source, session_id, priority, max_attempts, run_at)
             SELECT 'recording', session_id, source, session_id, 10, 5, CASE session_id WHEN 'c35' THEN now() + interval '1 hour' ELSE now() END
             FROM call_interactions;
         INSERT INTO jobs (kind, key, source, max_attempts) VALUES ('recording', 'fresh', 'webex', 5)",
    )
    .await;
    let connection = &mut *store.connection().await.unwrap();
    let month = std::time::Duration::from_hours(30 * 24);
    let due = ledger::hasten_expiring(connection, month).await.unwrap();
    assert!(due.iter().all(|hint| hint.priority < 0));
    assert_eq!(due.len(), 10, "eleven calls are older; one waits for its time, and goes first when it has come");
    assert!(ledger::hasten_expiring(connection, month).await.unwrap().is_empty(), "twice does no more than once");
    assert_eq!(number(&store, "SELECT count(*) FROM jobs WHERE priority < 0").await, 11);
    let claimant = Claimant { kind: JobKind::Recording, ..claimant(connection).await };
    let claimed = ledger::claim_due(connection, claimant, 11).await.unwrap().jobs;
    let old = claimed.iter().filter(|job| job.priority < 0).count();
    assert_eq!((old, claimed.iter().filter(|job| job.key == "fresh").count()), (10, 1));
}

#[tokio::test]
async fn a_claim_in_turn_reads_a_handful_of_rows_of_a_hundred_thousand() {
    let database = harness::database().await;
    let store = database.store();
    execute(&store, &fill("webex", 0, 100_000)).await;
    execute(&store, &fill("vapi", 10, 5)).await;
    execute(&store, "ANALYZE jobs").await;
    let connection = &mut *store.connection().await.unwrap();
    let claimant = claimant(connection).await;
    let without = ["webex".to_owned()];
    let read = "SELECT (sum(pg_stat_get_xact_tuples_returned(indexrelid)) + pg_stat_get_xact_tuples_returned('jobs'::regclass))::bigint
                FROM pg_index WHERE indrelid = 'jobs'::regclass";
    for (turn, source) in [(Turn::default(), SourceName::Webex), (Turn { without: &without, ..Turn::default() }, SourceName::Vapi)] {
        let rows = diesel_async::AsyncConnection::transaction(connection, async |transaction| {
            let jobs = ledger::claim_in_turn(transaction, claimant, 2, turn).await?.jobs;
            assert!(jobs.len() == 2 && jobs.iter().all(|job| job.source == Some(source)), "{jobs:?}");
            let row: crate::ledger_rows::Number =
                diesel_async::RunQueryDsl::get_result(diesel::sql_query(format!("SELECT ({read}) AS number")), transaction).await?;
            Ok::<_, callscribe::store::StoreError>(row.number)
        })
        .await
        .unwrap();
        assert!(rows < 60, "{rows} entries were read");
    }
}
