//! Rates, ages and advice: what the ledger tells about how fast work comes and goes.

use std::time::Duration;

use callscribe::{
    config::{SloSettings, WorkSettings},
    domain::{JobKind, Reason, SourceName},
    ledger::{
        self, COUNTED, Claimant, NewJob, Next, RATE_MINUTES, Setback, VendorTrace, WorkerIdentity, advise_all, depths, freshness,
        prune_rates, rates, running_by_worker,
    },
};
use diesel_async::AsyncConnection;
use serde_json::Value;

use crate::{
    cli::callscribe,
    harness::{self, TestDatabase},
    ledger_rows::{number, run},
};

fn recordings(names: &[&str]) -> Vec<NewJob> {
    names.iter().map(|name| NewJob { source: Some(SourceName::Webex), ..NewJob::new(JobKind::Recording, *name) }).collect()
}

fn identity() -> WorkerIdentity {
    WorkerIdentity { host: "blue".to_owned(), pid: 41, kinds: vec![JobKind::Recording] }
}

#[tokio::test]
async fn what_is_enqueued_and_finished_is_tallied_with_it_and_what_is_rolled_back_is_not() {
    let database = harness::database().await;
    let store = database.store();
    let connection = &mut *store.connection().await.unwrap();
    ledger::enqueue(connection, &recordings(&["a", "b", "c"])).await.unwrap();
    ledger::enqueue(connection, &recordings(&["c", "d"])).await.unwrap();
    let rolled_back = connection.transaction(async |transaction| {
        ledger::enqueue(transaction, &recordings(&["never"])).await.unwrap();
        Err::<(), _>(diesel::result::Error::RollbackTransaction)
    });
    rolled_back.await.unwrap_err();

    let lease = ledger::begin_lease(connection, &identity(), Duration::from_secs(30)).await.unwrap();
    let claimant = Claimant { kind: JobKind::Recording, lease, max_attempts: None };
    let claimed = ledger::claim_due(connection, claimant, 3).await.unwrap().jobs;
    run(&store, "UPDATE jobs SET started_at = started_at - interval '8 seconds' WHERE state = 'running'").await;
    let ended: Vec<_> = claimed.iter().take(2).map(|job| (job.id, job.run)).collect();
    assert_eq!(ledger::finish_done(connection, lease, &ended).await.unwrap().len(), 2);
    assert_eq!(ledger::finish_done(connection, lease, &ended).await.unwrap().len(), 0, "a late finisher is not tallied either");
    let setback = Setback {
        id: claimed[2].id,
        run: claimed[2].run,
        next: Next::Later(Duration::from_mins(1)),
        reason: Reason::RateLimited,
        error: "wait".to_owned(),
        vendor: VendorTrace::default(),
    };
    ledger::finish_setbacks(connection, lease, &[setback]).await.unwrap();

    let sum = async |column: &str| {
        let of_webex = format!("SELECT sum({column})::bigint AS number FROM job_rates WHERE kind = 'recording' AND source = 'webex'");
        number(&store, &of_webex).await
    };
    assert_eq!((sum("arrived").await, sum("done").await, sum("setbacks").await), (4, 2, 1));
    assert!(sum("run_ms").await >= 24_000, "three runs of eight seconds");
    let rate = &rates(connection).await.unwrap()["recording"];
    assert!(rate.arrived_per_second > rate.done_per_second && rate.done_per_second > 0.0, "{rate:?}");
    assert_eq!(rate.done_by_minute.iter().sum::<i64>(), 2, "{rate:?}");
    let seconds = rate.slot_seconds_per_job.unwrap();
    assert!(seconds >= 12.0, "a setback's time counts for the jobs that were done: {seconds}");
}

#[tokio::test]
async fn rates_are_of_the_last_minutes_and_old_tallies_are_deleted() {
    let database = harness::database().await;
    let store = database.store();
    run(
        &store,
        "INSERT INTO job_rates (minute, backend, kind, source, arrived, done, run_ms) VALUES
             (date_trunc('minute', now()) - interval '4 hours', 1, 'sync', '', 9, 9, 9),
             (date_trunc('minute', now()) - interval '20 minutes', 1, 'recording', '', 6000, 6000, 12000000),
             (date_trunc('minute', now()) - interval '2 minutes', 1, 'recording', '', 300, 0, 0),
             (date_trunc('minute', now()) - interval '2 minutes', 2, 'recording', 'webex', 300, 0, 0)",
    )
    .await;
    let connection = &mut *store.connection().await.unwrap();
    let all = rates(connection).await.unwrap();
    assert!(!all.contains_key("sync"), "nobody asks what was hours ago");
    let span = f64::from(RATE_MINUTES) * 60.0;
    let arrived = all["recording"].arrived_per_second;
    assert!(
        arrived <= 600.0 / span && arrived > 600.0 / (span + 61.0),
        "both processes' tallies over the span and the minute begun: {arrived}"
    );
    assert_eq!(all["recording"].slot_seconds_per_job, Some(2.0), "what no run of late tells, those of half an hour do");
    assert_eq!(prune_rates(connection).await.unwrap(), 1);
    assert_eq!(prune_rates(connection).await.unwrap(), 0);
}

/// Three calls of Webex whose recordings are due: one ended an hour ago, one of long ago is of a backfill, one waits for its time.
async fn late_calls(database: &TestDatabase) {
    run(
        &database.store(),
        "INSERT INTO call_interactions (session_id, source, start_time, end_time, end_time_source, closed, transcript_status, raw_payload)
             SELECT name, 'webex', now() - age - interval '5 minutes', now() - age, 'vendor', true, 'pending', '{}'
             FROM (VALUES ('fresh', interval '1 minute'), ('late', interval '1 hour'), ('past', interval '40 days'),
                          ('waits', interval '1 day')) AS c (name, age);
         INSERT INTO jobs (kind, key, source, session_id, priority, max_attempts, run_at)
             SELECT 'recording', name, 'webex', name, priority, 8, now() + delay
             FROM (VALUES ('fresh', 0, interval '-1 minute'), ('late', 0, interval '-1 second'), ('past', 10, interval '-1 day'),
                          ('waits', 0, interval '1 hour')) AS j (name, priority, delay)",
    )
    .await;
}

#[tokio::test]
async fn the_oldest_call_is_found_by_its_end_and_neither_backfills_nor_waits_are_late() {
    let database = harness::database().await;
    late_calls(&database).await;
    let store = database.store();
    let connection = &mut *store.connection().await.unwrap();
    let oldest = freshness(connection).await.unwrap();
    assert_eq!(oldest.len(), 1, "{oldest:?}");
    assert_eq!((oldest[0].kind.as_str(), oldest[0].source.as_str()), ("recording", "webex"));
    assert!((3_600.0..3_700.0).contains(&oldest[0].age_seconds), "{oldest:?}");
}

#[tokio::test]
async fn status_tells_what_is_late_and_how_many_workers_would_do() {
    let database = harness::database().await;
    late_calls(&database).await;
    let store = database.store();
    run(
        &store,
        "INSERT INTO job_rates (minute, backend, kind, source, arrived, done, run_ms)
             SELECT date_trunc('minute', now()) - n * interval '1 minute', 1, 'recording', 'webex', 600, 300, 3000000 FROM generate_series(1, 5) AS n",
    )
    .await;
    let output = |arguments: &'static [&'static str]| {
        let mut command = callscribe(arguments);
        command.env("DATABASE_URL", database.url()).env("SLO_RECORDING", "20m").env("CONCURRENCY_RECORDING", "16");
        async { tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap() }
    };
    let text = String::from_utf8(output(&["status"]).await.stdout).unwrap();
    assert!(text.contains("late: `recording` of webex: the oldest call ended 1h ago, the goal is 20m"), "{text}");
    assert!(text.contains("nobody works on `recording`: start `callscribe worker recordings`"), "{text}");
    assert!(text.contains("grows"), "{text}");
    let told: Value = serde_json::from_slice(&output(&["status", "--json"]).await.stdout).unwrap();
    let pace = told["pace"].as_array().unwrap().iter().find(|pace| pace["kind"] == "recording").unwrap().clone();
    assert_eq!((pace["goal_seconds"].as_u64(), pace["slot_seconds_per_job"].as_f64()), (Some(1_200), Some(10.0)), "{pace}");
    // ten a second, ten seconds each: a hundred busy slots, and a quarter more
    let slots = pace["advice"]["slots"].as_u64().unwrap();
    assert!((104..=130).contains(&slots), "{pace}");
    assert_eq!(pace["advice"]["workers"].as_u64(), Some(slots.div_ceil(16)), "{pace}");
}

#[tokio::test]
async fn what_a_worker_holds_is_told_with_its_longest_run() {
    let database = harness::database().await;
    let store = database.store();
    let connection = &mut *store.connection().await.unwrap();
    ledger::enqueue(connection, &recordings(&["a", "b", "c"])).await.unwrap();
    let lease = ledger::begin_lease(connection, &identity(), Duration::from_secs(30)).await.unwrap();
    ledger::claim_due(connection, Claimant { kind: JobKind::Recording, lease, max_attempts: None }, 2).await.unwrap();
    let held = running_by_worker(connection).await.unwrap();
    assert_eq!(held.iter().map(|held| (held.lease, held.kind.as_str(), held.jobs)).collect::<Vec<_>>(), [(lease.0, "recording", 2)]);
}

#[tokio::test]
async fn a_ledger_at_rest_needs_nobody() {
    let database = harness::database().await;
    let store = database.store();
    let connection = &mut *store.connection().await.unwrap();
    let (depths, rates) = (depths(connection, COUNTED).await.unwrap(), rates(connection).await.unwrap());
    let advice = advise_all(&depths, &rates, &[], &SloSettings::default(), &WorkSettings::default(), &[]);
    assert!(advice.values().all(|advice| advice.workers == Some(0) && advice.bound_by.is_none()), "{advice:?}");
}

#[tokio::test]
async fn watching_without_a_terminal_prints_blocks_until_nobody_reads() {
    let database = harness::database().await;
    late_calls(&database).await;
    let mut command = callscribe(&["status", "--watch", "--every", "500ms"]);
    command.env("DATABASE_URL", database.url()).stdout(std::process::Stdio::piped());
    let read = tokio::task::spawn_blocking(move || {
        use std::io::{BufRead, BufReader};
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        // the reader goes away after two blocks
        let lines: Vec<String> = lines
            .scan(0, |blocks, line| {
                *blocks += i32::from(line.is_empty());
                (*blocks < 2).then_some(line)
            })
            .collect();
        (lines, child.wait().unwrap())
    });
    let (lines, status) = tokio::time::timeout(Duration::from_secs(30), read).await.expect("it ends with its reader").unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(lines.iter().filter(|line| line.contains("workers 0 alerts")).count(), 2, "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("  recording due 3 running 0 later 1")), "{lines:?}");
}
