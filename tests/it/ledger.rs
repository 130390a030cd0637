//! The ledger's promises, asked of PostgreSQL itself.

use std::time::Duration;

use callscribe::{
    domain::{JobId, JobKind, LeaseId, Reason},
    ledger::{self, Claimant, Effect, Finished, LeaseLost, NewJob, Next, Setback, VendorTrace, WorkerIdentity},
    store::Store,
};
use diesel::{QueryableByName, sql_types};
use diesel_async::{AnsiTransactionManager, RunQueryDsl, TransactionManager};
use futures_util::FutureExt;

use crate::harness;

const LEASE: Duration = Duration::from_secs(30);

#[derive(Debug, QueryableByName, PartialEq, Eq)]
pub(crate) struct JobRow {
    #[diesel(sql_type = sql_types::Text)]
    pub(crate) state: String,
    #[diesel(sql_type = sql_types::SmallInt)]
    pub(crate) attempt: i16,
    #[diesel(sql_type = sql_types::Integer)]
    pub(crate) run: i32,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, QueryableByName)]
pub(crate) struct AttemptRow {
    #[diesel(sql_type = sql_types::Text)]
    pub(crate) outcome: String,
    #[diesel(sql_type = sql_types::Text)]
    pub(crate) reason: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub(crate) worker: Option<String>,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = sql_types::BigInt)]
    number: i64,
}

pub(crate) async fn job(store: &Store, id: JobId) -> JobRow {
    let mut connection = store.connection().await.unwrap();
    diesel::sql_query("SELECT state, attempt, run, reason FROM jobs WHERE id = $1")
        .bind::<sql_types::BigInt, _>(id.0)
        .get_result(&mut connection)
        .await
        .unwrap()
}

pub(crate) async fn attempts(store: &Store, id: JobId) -> Vec<AttemptRow> {
    let mut connection = store.connection().await.unwrap();
    diesel::sql_query("SELECT outcome, reason, worker FROM job_attempts WHERE job_id = $1 ORDER BY run")
        .bind::<sql_types::BigInt, _>(id.0)
        .load(&mut connection)
        .await
        .unwrap()
}

pub(crate) async fn number(store: &Store, sql: &str) -> i64 {
    let mut connection = store.connection().await.unwrap();
    let row: Number = diesel::sql_query(format!("SELECT ({sql})::bigint AS number")).get_result(&mut connection).await.unwrap();
    row.number
}

pub(crate) async fn execute(store: &Store, sql: &str) -> usize {
    diesel::sql_query(sql).execute(&mut store.connection().await.unwrap()).await.unwrap()
}

/// Enqueues jobs of one kind, due now, and returns their ids in the order of their keys.
pub(crate) async fn enqueue(store: &Store, kind: JobKind, keys: impl IntoIterator<Item = String>) -> Vec<JobId> {
    let jobs: Vec<NewJob> = keys.into_iter().map(|key| NewJob::new(kind, key)).collect();
    let hints = ledger::enqueue(&mut store.connection().await.unwrap(), &jobs).await.unwrap();
    hints.into_iter().map(|hint| hint.id).collect()
}

async fn lease(store: &Store, host: &str) -> LeaseId {
    let worker = WorkerIdentity { host: host.to_owned(), pid: 1, kinds: vec![JobKind::Sync] };
    ledger::begin_lease(&mut store.connection().await.unwrap(), &worker, LEASE).await.unwrap()
}

const fn claimant(lease: LeaseId) -> Claimant {
    Claimant { kind: JobKind::Sync, lease, max_attempts: None }
}

async fn claim(store: &Store, lease: LeaseId, ids: &[JobId]) -> Vec<ledger::Claimed> {
    ledger::claim(&mut store.connection().await.unwrap(), claimant(lease), ids).await.unwrap().jobs
}

async fn sweep(store: &Store) -> ledger::Swept {
    ledger::sweep(&mut store.connection().await.unwrap(), Duration::ZERO).await.unwrap()
}

async fn run_out(store: &Store, lease: LeaseId) {
    execute(store, &format!("UPDATE workers SET expires_at = now() - interval '1 second' WHERE id = {}", lease.0)).await;
}

fn setback(job: &ledger::Claimed, next: Next) -> Setback {
    Setback {
        id: job.id,
        run: job.run,
        next,
        reason: Reason::VendorUnavailable,
        error: "it broke: for a test".to_owned(),
        vendor: VendorTrace::default(),
    }
}

#[tokio::test]
async fn the_same_work_twice_is_one_row() {
    let database = harness::database().await;
    let store = database.store();
    assert_eq!(enqueue(&store, JobKind::Sync, ["a".to_owned(), "b".to_owned(), "a".to_owned()]).await.len(), 2);
    assert_eq!(enqueue(&store, JobKind::Sync, ["b".to_owned()]).await, vec![]);
    assert_eq!(number(&store, "SELECT count(*) FROM jobs").await, 2);
}

#[tokio::test]
async fn a_hint_for_a_job_that_is_not_due_does_nothing() {
    let database = harness::database().await;
    let store = database.store();
    let mut later = NewJob::new(JobKind::Sync, "later");
    later.delay_milliseconds = 60_000;
    assert!(ledger::enqueue(&mut store.connection().await.unwrap(), &[later]).await.unwrap().is_empty(), "no hint for what is not due");
    let worker = lease(&store, "one").await;
    assert!(claim(&store, worker, &[JobId(1)]).await.is_empty());
    harness::travel(&store, Duration::from_mins(2)).await;
    assert_eq!(claim(&store, worker, &[JobId(1), JobId(77)]).await.len(), 1);
}

#[tokio::test]
async fn two_workers_never_hold_the_same_job() {
    let database = harness::database().await;
    let store = database.store();
    let ids = enqueue(&store, JobKind::Sync, (0..200).map(|n| n.to_string())).await;
    let (one, two) = (lease(&store, "one").await, lease(&store, "two").await);
    let (first, second) = tokio::join!(claim(&store, one, &ids), claim(&store, two, &ids));
    let mut held: Vec<JobId> = first.iter().chain(&second).map(|job| job.id).collect();
    held.sort_unstable();
    let both = held.len();
    held.dedup();
    assert_eq!((both, held.len()), (200, 200));
}

#[tokio::test]
async fn a_late_finisher_changes_nothing() {
    let database = harness::database().await;
    let store = database.store();
    let ids = enqueue(&store, JobKind::Sync, ["a".to_owned()]).await;
    let (one, two) = (lease(&store, "one").await, lease(&store, "two").await);
    let late = claim(&store, one, &ids).await.remove(0);
    run_out(&store, one).await;
    assert_eq!(sweep(&store).await, ledger::Swept { leases: 1, returned: 1, dead: 0 });
    let current = claim(&store, two, &ids).await.remove(0);

    let mut connection = store.connection().await.unwrap();
    let effect = Effect::new(|connection| {
        async move {
            diesel::sql_query("INSERT INTO app_settings (key, value) VALUES ('written', 'true')").execute(connection).await?;
            Ok(Vec::new())
        }
        .boxed()
    });
    assert_eq!(ledger::finish_with(&mut connection, &late, &effect).await.unwrap(), Finished::LeaseLost);
    assert!(ledger::finish_setbacks(&mut connection, one, &[setback(&late, Next::Dead)]).await.unwrap().is_empty());
    assert!(matches!(ledger::hold(&mut connection, &late).await, Err(LeaseLost::Gone(_))));
    assert_eq!(number(&store, "SELECT count(*) FROM app_settings").await, 0);
    assert_eq!(job(&store, current.id).await.state, "running");

    assert_eq!(ledger::finish_with(&mut connection, &current, &effect).await.unwrap(), Finished::Written(vec![]));
    assert_eq!(ledger::finish_with(&mut connection, &current, &effect).await.unwrap(), Finished::Already);
    assert_eq!(number(&store, "SELECT count(*) FROM app_settings").await, 1);
    let history = attempts(&store, current.id).await;
    assert_eq!(history.len(), 1);
    assert_eq!(
        (history[0].outcome.as_str(), history[0].reason.as_str(), history[0].worker.as_deref()),
        ("lost", "lease_lost", Some("one-1"))
    );
}

#[tokio::test]
async fn a_light_hold_is_a_hold_and_no_later_commit_is_light_for_it() {
    let database = harness::database().await;
    let store = database.store();
    let ids = enqueue(&store, JobKind::Sync, ["a".to_owned()]).await;
    let worker = lease(&store, "one").await;
    let held = claim(&store, worker, &ids).await.remove(0);
    let mut connection = store.connection().await.unwrap();
    diesel::sql_query("SET synchronous_commit = on").execute(&mut connection).await.unwrap();
    for (light, expected) in [(true, 0), (false, 1)] {
        AnsiTransactionManager::begin_transaction(&mut *connection).await.unwrap();
        let hold = if light { ledger::hold_lightly(&mut connection, &held).await } else { ledger::hold(&mut connection, &held).await };
        hold.unwrap();
        let waits = "SELECT (current_setting('synchronous_commit') = 'on')::int::bigint AS number";
        let row: Number = diesel::sql_query(waits).get_result(&mut connection).await.unwrap();
        assert_eq!(row.number, expected);
        AnsiTransactionManager::commit_transaction(&mut *connection).await.unwrap();
    }
    run_out(&store, worker).await;
    sweep(&store).await;
    assert!(matches!(ledger::hold_lightly(&mut connection, &held).await, Err(LeaseLost::Gone(_))));
}

#[tokio::test]
async fn a_live_job_is_never_rescued() {
    let database = harness::database().await;
    let store = database.store();
    let ids = enqueue(&store, JobKind::Sync, ["a".to_owned()]).await;
    let worker = lease(&store, "one").await;
    let held = claim(&store, worker, &ids).await.remove(0);
    // however long the job runs: what counts is the lease
    execute(&store, "UPDATE jobs SET started_at = now() - interval '9 hours'").await;
    assert_eq!(sweep(&store).await, ledger::Swept::default());
    // and a lease that ran out while PostgreSQL was away is spared until its worker could renew it
    run_out(&store, worker).await;
    let away = ledger::sweep(&mut store.connection().await.unwrap(), Duration::from_hours(24)).await.unwrap();
    assert_eq!(away, ledger::Swept::default());
    assert!(ledger::renew_lease(&mut store.connection().await.unwrap(), worker, LEASE).await.unwrap());
    assert_eq!(sweep(&store).await, ledger::Swept::default());
    assert_eq!(job(&store, held.id).await.state, "running");
}

#[tokio::test]
async fn a_lease_that_ended_claims_and_renews_nothing() {
    let database = harness::database().await;
    let store = database.store();
    let ids = enqueue(&store, JobKind::Sync, ["a".to_owned()]).await;
    let worker = lease(&store, "one").await;
    run_out(&store, worker).await;
    sweep(&store).await;
    assert!(claim(&store, worker, &ids).await.is_empty());
    assert!(!ledger::renew_lease(&mut store.connection().await.unwrap(), worker, LEASE).await.unwrap());
    let due = ledger::claim_due(&mut store.connection().await.unwrap(), claimant(worker), 10).await.unwrap();
    assert!(due.jobs.is_empty());
    assert_eq!(job(&store, ids[0]).await.attempt, 0);
}

#[tokio::test]
async fn the_last_lost_attempt_is_the_death_of_job_and_transcript() {
    let database = harness::database().await;
    let store = database.store();
    let mut connection = store.connection().await.unwrap();
    execute(
        &store,
        "WITH c AS (INSERT INTO call_interactions (session_id, source, start_time, raw_payload, transcript_status)
                    VALUES ('s1', 'webex', now(), '{}', 'processing') RETURNING session_id)
         INSERT INTO call_transcripts (id, session_id, provider, status) VALUES ('00000000-0000-0000-0000-000000000001', 's1', 'whisper', 'downloading')",
    )
    .await;
    execute(
        &store,
        "INSERT INTO jobs (kind, key, max_attempts, session_id, transcript_id) VALUES ('sync', 's1', 2, 's1', '00000000-0000-0000-0000-000000000001')",
    )
    .await;
    for (transcript, call, state) in [("pending", "pending", "ready"), ("error", "error", "dead")] {
        let worker = lease(&store, "one").await;
        let held = claim(&store, worker, &[JobId(1)]).await;
        assert_eq!(held.len(), 1);
        run_out(&store, worker).await;
        sweep(&store).await;
        assert_eq!(job(&store, JobId(1)).await.state, state);
        assert_eq!(number(&store, &format!("SELECT count(*) FROM call_transcripts WHERE status = '{transcript}'")).await, 1);
        assert_eq!(number(&store, &format!("SELECT count(*) FROM call_interactions WHERE transcript_status = '{call}'")).await, 1);
    }
    let outcomes: Vec<String> = attempts(&store, JobId(1)).await.into_iter().map(|row| row.outcome).collect();
    assert_eq!(outcomes, ["lost", "dead"]);
    assert_eq!(
        callscribe::store::transcripts::reopen(&mut connection, &[callscribe::domain::TranscriptId(uuid::Uuid::from_u128(1))])
            .await
            .unwrap(),
        1
    );
    database.assert_consistent().await;
}

#[tokio::test]
async fn later_gives_its_attempt_back_and_counts_as_put_off() {
    let database = harness::database().await;
    let store = database.store();
    let ids = enqueue(&store, JobKind::Sync, ["a".to_owned()]).await;
    let worker = lease(&store, "one").await;
    for put_off in 0..3 {
        let held = claim(&store, worker, &ids).await.remove(0);
        assert_eq!((held.attempt, held.times_put_off), (1, put_off));
        let later = setback(&held, Next::Later(Duration::from_mins(1)));
        assert_eq!(ledger::finish_setbacks(&mut store.connection().await.unwrap(), worker, &[later]).await.unwrap().len(), 1);
        assert!(claim(&store, worker, &ids).await.is_empty(), "it waits as told");
        harness::travel(&store, Duration::from_mins(2)).await;
    }
    let row = job(&store, ids[0]).await;
    assert_eq!((row.attempt, row.run, row.reason.as_deref()), (0, 3, Some("vendor_unavailable")));
    assert_eq!(attempts(&store, ids[0]).await.len(), 3);
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_handed_back() {
    let database = harness::database().await;
    let store = database.store();
    let ids = enqueue(&store, JobKind::Sync, ["known".to_owned(), "unknown".to_owned()]).await;
    let worker = lease(&store, "one").await;
    assert_eq!(claim(&store, worker, &ids).await.len(), 2);
    let mut connection = store.connection().await.unwrap();
    let known: Vec<JobId> = ids.iter().copied().take(1).collect();
    let swept = ledger::hand_back_unknown(&mut connection, worker, JobKind::Sync, &known).await.unwrap();
    assert_eq!(swept.returned, 1);
    assert_eq!(job(&store, ids[0]).await.state, "running");
    let row = job(&store, ids[1]).await;
    assert_eq!((row.state.as_str(), row.attempt), ("ready", 0));
}

#[tokio::test]
async fn a_drained_worker_hands_back_without_using_an_attempt() {
    let database = harness::database().await;
    let store = database.store();
    let ids = enqueue(&store, JobKind::Sync, ["a".to_owned()]).await;
    let worker = lease(&store, "one").await;
    claim(&store, worker, &ids).await;
    let swept = ledger::end_lease(&mut store.connection().await.unwrap(), worker).await.unwrap();
    assert_eq!(swept, ledger::Swept { leases: 1, returned: 1, dead: 0 });
    let row = job(&store, ids[0]).await;
    assert_eq!((row.state.as_str(), row.attempt, row.reason.as_deref()), ("ready", 0, Some("shut_down")));
}

#[tokio::test]
async fn a_kind_of_a_newer_version_waits_untouched() {
    let database = harness::database().await;
    let store = database.store();
    execute(&store, "INSERT INTO jobs (kind, key, max_attempts) VALUES ('summarise', 'a', 3)").await;
    let worker = lease(&store, "one").await;
    assert!(claim(&store, worker, &[JobId(1)]).await.is_empty());
    let kinds = ledger::open_kinds(&mut store.connection().await.unwrap()).await.unwrap();
    assert_eq!(kinds, ["summarise"], "the dispatcher serves its lane: workers of the newer version may wait there");
    let row = job(&store, JobId(1)).await;
    assert_eq!((row.state.as_str(), row.attempt, row.run), ("ready", 0, 0));
}

#[tokio::test]
async fn the_urgent_goes_first_then_the_old() {
    let database = harness::database().await;
    let store = database.store();
    let mut backfill = NewJob::new(JobKind::Sync, "backfill");
    backfill.priority = callscribe::domain::PRIORITY_BACKFILL;
    let mut connection = store.connection().await.unwrap();
    ledger::enqueue(&mut connection, &[backfill]).await.unwrap();
    ledger::enqueue(&mut connection, &[NewJob::new(JobKind::Sync, "fresh")]).await.unwrap();
    let worker = lease(&store, "one").await;
    let first = ledger::claim_due(&mut connection, claimant(worker), 1).await.unwrap().jobs;
    assert_eq!(first[0].key, "fresh");
}

#[tokio::test]
async fn a_claim_touches_no_index() {
    let database = harness::database().await;
    let store = database.store();
    let ids = enqueue(&store, JobKind::Sync, (0..500).map(|n| format!("{n:04}"))).await;
    let worker = lease(&store, "one").await;
    let mut connection = store.dedicated().await.unwrap();
    ledger::claim(&mut connection, claimant(worker), &ids).await.unwrap();
    diesel::sql_query("SELECT pg_stat_force_next_flush()").execute(&mut connection).await.unwrap();
    let hot = harness::eventually("the statistics are there", async || {
        let updated = number(&store, "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'jobs'").await;
        let hot = number(&store, "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'jobs'").await;
        (updated >= 500).then_some(hot)
    })
    .await;
    // a full page may push a row or two elsewhere
    assert!(hot >= 400, "only {hot} of 500 claims were heap-only");
}

#[tokio::test]
async fn a_run_dropped_in_mid_transaction_keeps_no_row_locked() {
    let database = harness::database().await;
    let store = database.store();
    enqueue(&store, JobKind::Sync, ["held".to_owned()]).await;
    let (mut dropped, idle) = (store.connection().await.unwrap(), store.connection().await.unwrap());
    let held: &mut callscribe::store::Connection = &mut dropped;
    AnsiTransactionManager::begin_transaction(held).await.unwrap();
    diesel::sql_query("UPDATE jobs SET priority = 1").execute(held).await.unwrap();
    drop(idle);
    drop(dropped);
    let mut next = store.connection().await.unwrap();
    diesel::sql_query("SET lock_timeout = '10s'").execute(&mut next).await.unwrap();
    diesel::sql_query("UPDATE jobs SET priority = 2").execute(&mut next).await.expect("the row is free");
}
