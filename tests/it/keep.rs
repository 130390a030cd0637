//! What is over goes from the ledger when its time has come, and nothing is ever done twice because of it.

use std::time::Duration;

use callscribe::{
    config::{KeepSettings, ReconcileSettings, RetentionSettings, WebhookSettings},
    domain::{Call, JobKind, SessionId},
    ledger::{self, Pruned, enqueue, recording_jobs},
    schedule::{self, SchedulerOptions},
    store::{Store, calls},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    calls::closed_call,
    harness,
    ledger::{execute, number},
    ledger_rows::run,
};

const DAY: Duration = Duration::from_hours(24);

/// Rows that are over are kept for ten days, whatever they are.
fn ten_days() -> KeepSettings {
    let kept = Some(10 * DAY);
    KeepSettings { done_jobs: kept, dead_jobs: kept, quarantined: kept, retention: RetentionSettings::keeping_everything() }
}

/// The defaults, but for retention, which has jobs of its own.
pub(crate) fn keeping_audio() -> KeepSettings {
    KeepSettings { retention: RetentionSettings::keeping_everything(), ..KeepSettings::default() }
}

/// `jobs` jobs of `state` that ended `days` days ago, each with an attempt.
async fn ended(store: &Store, state: &str, days: u32, jobs: u32) {
    run(
        store,
        &format!(
            "INSERT INTO jobs (kind, key, state, max_attempts, reason, created_at, finished_at)
                 SELECT 'sync', '{state}/{days}/' || n, '{state}', 3, 'unexpected', now() - interval '100 days', now() - interval '{days} days'
                 FROM generate_series(1, {jobs}) AS n;
             INSERT INTO job_attempts (job_id, run, attempt, outcome, reason)
                 SELECT id, 1, 1, 'failed', 'unexpected' FROM jobs ON CONFLICT DO NOTHING;"
        ),
    )
    .await;
}

async fn prune(store: &Store, keep: KeepSettings, batch: u16) -> Pruned {
    ledger::prune(&mut store.connection().await.unwrap(), &keep, batch).await.unwrap()
}

#[tokio::test]
async fn only_what_ended_long_enough_ago_goes_and_its_attempts_with_it() {
    let database = harness::database().await;
    let store = database.store();
    for (state, days) in [("done", 11), ("done", 9), ("dead", 11), ("dead", 9), ("cancelled", 11), ("cancelled", 9)] {
        ended(&store, state, days, 2).await;
    }
    run(&store, "INSERT INTO jobs (kind, key, max_attempts, created_at, run_at) VALUES ('sync', 'open', 3, now() - interval '1 year', now() - interval '1 year')")
        .await;
    let left = "SELECT count(*) FROM jobs";
    let done_only = KeepSettings { dead_jobs: None, ..ten_days() };
    assert_eq!(prune(&store, done_only, 100).await, Pruned { done_jobs: 2, dead_jobs: 0, others: 0 });
    assert_eq!(number(&store, "SELECT count(*) FROM jobs WHERE key LIKE 'done/11/%'").await, 0);
    assert_eq!(number(&store, left).await, 11, "what died or was cancelled waits for a person");
    assert_eq!(prune(&store, ten_days(), 100).await, Pruned { done_jobs: 0, dead_jobs: 4, others: 0 });
    assert_eq!(number(&store, "SELECT count(*) FROM jobs WHERE key LIKE '%/9/%' OR key = 'open'").await, 7);
    assert_eq!(number(&store, left).await, 7);
    assert_eq!(number(&store, "SELECT count(*) FROM job_attempts").await, 6, "attempts of what is gone are gone");
    let forever = KeepSettings { done_jobs: None, dead_jobs: None, quarantined: None, retention: RetentionSettings::keeping_everything() };
    run(&store, "UPDATE jobs SET finished_at = now() - interval '9 years' WHERE finished_at IS NOT NULL").await;
    assert_eq!(prune(&store, forever, 100).await, Pruned::default());
}

#[tokio::test]
async fn leases_backfills_batches_and_quarantine_do_not_grow_for_ever_either() {
    let database = harness::database().await;
    let store = database.store();
    run(
        &store,
        "INSERT INTO workers (name, host, pid, kinds, version, expires_at, ended_at, ended_by) VALUES
             ('old', 'h', 1, '{}', '1', NULL, now() - interval '11 days', 'drained'),
             ('new', 'h', 1, '{}', '1', NULL, now() - interval '9 days', 'lost'),
             ('alive', 'h', 1, '{}', '1', now() - interval '99 days', NULL, NULL);
         INSERT INTO backfills (source, name, from_time, to_time, job_ids, actor, asked_at, finished_at) VALUES
             ('webex', 'old', 'epoch', now(), '{0}', 'x', 'epoch', now() - interval '11 days'),
             ('webex', 'new', 'epoch', now(), '{0}', 'x', 'epoch', now() - interval '9 days'),
             ('webex', 'open', 'epoch', now(), '{0}', 'x', 'epoch', NULL);
         INSERT INTO requeue_batches (id, name, actor, state, orders, as_of, expected, ended_at) VALUES
             (1, 'old', 'x', 'moved', '{}', 'epoch', 1, now() - interval '11 days'),
             (2, 'of a job that is left', 'x', 'moved', '{}', 'epoch', 1, now() - interval '11 days'),
             (3, 'new', 'x', 'moved', '{}', 'epoch', 1, now() - interval '9 days');
         INSERT INTO jobs (kind, key, max_attempts, batch_id) VALUES ('sync', 'left', 3, 2);
         INSERT INTO quarantined_payloads (source, fingerprint, error, payload, first_seen, last_seen) VALUES
             ('webex', 'old', 'e', '{}', 'epoch', now() - interval '11 days'),
             ('webex', 'seen lately', 'e', '{}', 'epoch', now() - interval '9 days');",
    )
    .await;
    assert_eq!(prune(&store, ten_days(), 100).await.others, 4);
    for (table, rows) in [("workers", 2), ("backfills", 2), ("requeue_batches", 2), ("quarantined_payloads", 1)] {
        assert_eq!(number(&store, &format!("SELECT count(*) FROM {table}")).await, rows, "{table}");
    }
}

#[tokio::test]
async fn the_days_of_an_open_backfill_stay_until_it_is_finished() {
    let database = harness::database().await;
    let store = database.store();
    ended(&store, "done", 11, 2).await;
    let backfill = "INSERT INTO backfills (source, name, from_time, to_time, job_ids, actor)
                    SELECT 'webex', 'long', 'epoch', now(), array_agg(id), 'x' FROM jobs";
    execute(&store, backfill).await;
    assert_eq!(prune(&store, ten_days(), 100).await.done_jobs, 0);
    execute(&store, "UPDATE backfills SET finished_at = now()").await;
    assert_eq!(prune(&store, ten_days(), 100).await.done_jobs, 2);
}

#[tokio::test]
async fn a_job_that_is_being_requeued_this_moment_is_left_alone() {
    let database = harness::database().await;
    let store = database.store();
    ended(&store, "done", 11, 2).await;
    let mut requeueing = store.dedicated().await.unwrap();
    let begin = "BEGIN; UPDATE jobs SET state = 'ready', finished_at = NULL, run_at = now() WHERE key = 'done/11/1'";
    diesel_async::SimpleAsyncConnection::batch_execute(&mut requeueing, begin).await.unwrap();
    assert_eq!(prune(&store, ten_days(), 100).await.done_jobs, 1, "it neither waits for the other transaction nor takes its row");
    diesel_async::SimpleAsyncConnection::batch_execute(&mut requeueing, "COMMIT").await.unwrap();
    assert_eq!(number(&store, "SELECT count(*) FROM jobs WHERE key = 'done/11/1' AND state = 'ready'").await, 1);
}

#[tokio::test]
async fn a_look_takes_no_more_than_a_batch_and_the_next_goes_on() {
    let database = harness::database().await;
    let store = database.store();
    ended(&store, "done", 11, 25).await;
    for expected in [10, 10, 5, 0] {
        let pruned = prune(&store, ten_days(), 10).await;
        assert_eq!((pruned.done_jobs, pruned.may_be_more(10)), (expected, expected == 10));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scheduler_that_leads_removes_a_backlog_and_another_goes_on_where_it_was_killed() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    ended(&store, "done", 31, 2_500).await;
    ended(&store, "done", 29, 5).await;
    let lead = || {
        let shutdown = CancellationToken::new();
        let options = SchedulerOptions {
            store: database.store(),
            hints: hints.clone(),
            sources: Vec::new(),
            sync_interval: Duration::from_mins(10),
            enrich_interval: None,
            chat_channels: Vec::new(),
            webhook: WebhookSettings::default(),
            reconcile: ReconcileSettings::default(),
            keep: keeping_audio(),
            lease: Duration::from_secs(3),
            shutdown,
        };
        tokio::spawn(schedule::run_scheduler(options))
    };
    let jobs = "SELECT count(*) FROM jobs";
    let first = lead();
    harness::eventually("some are removed", async || number(&store, jobs).await < 2_505).await;
    first.abort();
    let second = lead();
    harness::eventually("the rest is removed", async || number(&store, jobs).await == 5).await;
    second.abort();
}

fn told(session: &str, version: i64) -> Call {
    closed_call(session, version)
}

#[tokio::test]
async fn a_call_told_again_after_its_jobs_are_gone_makes_no_work() {
    let database = harness::database().await;
    let store = database.store();
    let connection = &mut *store.connection().await.unwrap();
    let first = calls::upsert(connection, &[told("s-1", 5)], "whisper").await.unwrap();
    enqueue(connection, &recording_jobs(&first.expected, 0, 8)).await.unwrap();
    execute(&store, "UPDATE jobs SET state = 'done', finished_at = now() - interval '11 days'").await;
    assert_eq!(prune(&store, ten_days(), 100).await.done_jobs, 1);
    let changed = Call { raw_payload: json!({ "told": "again" }), ..told("s-1", 9) };
    let again = calls::upsert(connection, &[changed], "whisper").await.unwrap();
    assert_eq!((again.updated, again.expected.len()), (1, 0), "its transcript's row is what keeps it from being recorded twice");
    let session = SessionId::parse("s-1").unwrap();
    let gone = "SELECT count(*) FROM jobs WHERE kind = '";
    assert_eq!(number(&store, &format!("{gone}{}' AND session_id = '{session}'", JobKind::Recording)).await, 0);
}
