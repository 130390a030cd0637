//! Requeueing and cancelling by hand.

use std::time::Duration;

use callscribe::{
    domain::{JobKind, JobState, SessionId},
    ledger::{
        ByHand, ByHandError, Changed, Hint, JobFilter, NewJob, Pace, cancel, enqueue, enqueue_or_reopen, list_jobs, requeue, requeue_tally,
        would_cancel, would_requeue,
    },
    store::Store,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{
    harness::{self, TestDatabase},
    ledger_rows::{dead_transcriptions, number, run},
};

fn order(filter: JobFilter) -> ByHand {
    ByHand { why: Some("the transcriber is well again".to_owned()), ..ByHand::new(filter, "ada@desk") }
}

fn transcriptions() -> JobFilter {
    JobFilter { kinds: vec!["transcription".to_owned()], ..JobFilter::default() }
}

fn of_session(session: &str) -> JobFilter {
    JobFilter::of_session(SessionId::parse(session).unwrap())
}

async fn requeue_all(store: &Store, order: &ByHand) -> (Changed, Vec<Hint>) {
    let (sender, mut hints) = unbounded_channel();
    let changed = requeue(store, order, &sender).await.unwrap();
    (changed, received(&mut hints))
}

fn received(hints: &mut UnboundedReceiver<Vec<Hint>>) -> Vec<Hint> {
    std::iter::from_fn(|| hints.try_recv().ok()).flatten().collect()
}

async fn dry_run(store: &Store, order: &ByHand) -> i64 {
    would_requeue(&mut store.connection().await.unwrap(), order).await.unwrap()
}

async fn with_dead(calls: u32) -> (TestDatabase, Store) {
    let database = harness::database().await;
    let store = database.store();
    dead_transcriptions(&store, calls, "provider_unavailable").await;
    (database, store)
}

#[tokio::test]
async fn ten_thousand_dead_transcriptions_go_back_by_one_command_and_a_dry_run_says_the_same_number() {
    let (database, store) = with_dead(10_000).await;
    let order = order(transcriptions());
    assert_eq!(dry_run(&store, &order).await, 10_000);
    assert_eq!(number(&store, "SELECT count(*) AS number FROM jobs WHERE state = 'dead'").await, 10_000, "a dry run changes nothing");
    let started = std::time::Instant::now();
    let (changed, hints) = requeue_all(&store, &order).await;
    assert!(started.elapsed() < Duration::from_secs(20), "it took {:?}", started.elapsed());
    assert_eq!((changed.jobs, hints.len()), (10_000, 10_000));
    let fresh = "SELECT count(*) AS number FROM jobs WHERE state = 'ready' AND attempt = 0 AND put_off = 0 AND run = 7 AND reason IS NULL
                 AND finished_at IS NULL AND run_at <= now()";
    assert_eq!(number(&store, fresh).await, 10_000);
    assert_eq!(number(&store, "SELECT count(*) AS number FROM call_transcripts WHERE status = 'pending'").await, 10_000);
    database.assert_consistent().await;
    assert_eq!(number(&store, "SELECT count(*) AS number FROM job_attempts").await, 10_000, "the history stays");
    assert_eq!(dry_run(&store, &order).await, 0);
}

#[tokio::test]
async fn the_audit_log_says_who_what_why_and_how_many() {
    let (_database, store) = with_dead(3).await;
    let (changed, _) = requeue_all(&store, &order(transcriptions())).await;
    assert!(changed.audit.is_some());
    let entry = "SELECT count(*) AS number FROM audit_log WHERE actor = 'ada@desk' AND action = 'requeue'
                 AND why = 'the transcriber is well again' AND details->'jobs' = '3' AND details->'filter'->'kinds' = '[\"transcription\"]'";
    assert_eq!(number(&store, entry).await, 1);
    let (nothing, _) = requeue_all(&store, &order(transcriptions())).await;
    assert_eq!(nothing, Changed::default(), "nothing to do leaves no entry");
    assert_eq!(number(&store, "SELECT count(*) AS number FROM audit_log").await, 1);
}

#[tokio::test]
async fn a_limit_takes_those_that_ended_first() {
    let (_database, store) = with_dead(20).await;
    let order = ByHand { limit: Some(5), ..order(transcriptions()) };
    assert_eq!(dry_run(&store, &order).await, 5);
    let (changed, _) = requeue_all(&store, &order).await;
    assert_eq!(changed.jobs, 5);
    let first = "SELECT count(*) AS number FROM jobs WHERE state = 'ready' AND key IN ('s1', 's2', 's3', 's4', 's5')";
    assert_eq!(number(&store, first).await, 5);
}

#[tokio::test]
async fn a_filter_moves_what_it_names_and_nothing_else() {
    let (_database, store) = with_dead(10).await;
    run(&store, "UPDATE jobs SET reason = 'audio_too_long' WHERE key IN ('s1', 's2')").await;
    let too_long = JobFilter { reasons: vec!["audio_too_long".to_owned()], ..JobFilter::default() };
    assert_eq!(dry_run(&store, &order(too_long)).await, 2);
    assert_eq!(dry_run(&store, &order(JobFilter { kinds: vec!["recording".to_owned()], ..JobFilter::default() })).await, 0);
    let lately = chrono::DateTime::UNIX_EPOCH;
    assert_eq!(dry_run(&store, &order(JobFilter { until: Some(lately), ..JobFilter::default() })).await, 0);
    assert_eq!(dry_run(&store, &order(JobFilter { since: Some(lately), ..JobFilter::default() })).await, 10);
    let (changed, _) = requeue_all(&store, &order(of_session("s1"))).await;
    assert_eq!(changed.jobs, 1, "`s1` is not `s10`");
    assert_eq!(number(&store, "SELECT count(*) AS number FROM jobs WHERE state = 'ready' AND key = 's1'").await, 1);
}

#[tokio::test]
async fn a_filter_asks_for_the_error_the_provider_the_queue_the_age_and_the_attempts() {
    let (_database, store) = with_dead(10).await;
    run(
        &store,
        "INSERT INTO job_attempts (job_id, run, attempt, outcome, reason, error) SELECT id, 8, 5, 'dead', reason, 'connection Reset by peer'
             FROM jobs WHERE key IN ('s1', 's2', 's3');
         UPDATE call_transcripts SET provider = 'webex' WHERE session_id IN ('s3', 's4');
         UPDATE call_interactions SET queue_name = 'Billing' WHERE session_id IN ('s4', 's5');
         UPDATE jobs SET created_at = now() - interval '9 days' WHERE key = 's6';
         UPDATE jobs SET attempt = 2 WHERE key = 's7'",
    )
    .await;
    let keys = async |filter: JobFilter| {
        let states = vec![JobState::Dead];
        let jobs = list_jobs(&mut store.connection().await.unwrap(), &JobFilter { states, ..filter.clone() }, 100).await.unwrap();
        assert_eq!(dry_run(&store, &order(filter)).await, i64::try_from(jobs.len()).unwrap(), "the count and the list are of one mind");
        jobs.into_iter().rev().map(|job| job.key).collect::<Vec<_>>()
    };
    let any = JobFilter::default;
    assert_eq!(keys(JobFilter { error: Some("reset BY".to_owned()), ..any() }).await, ["s1", "s2", "s3"], "of the last attempt");
    assert_eq!(keys(JobFilter { error: Some("503".to_owned()), ..any() }).await.len(), 7);
    assert_eq!(keys(JobFilter { error: Some("50_".to_owned()), ..any() }).await.len(), 0, "a text, not a pattern");
    assert_eq!(keys(JobFilter { provider: Some("webex".to_owned()), ..any() }).await, ["s3", "s4"]);
    assert_eq!(keys(JobFilter { queue: Some("billing".to_owned()), ..any() }).await, ["s4", "s5"]);
    let both = JobFilter { provider: Some("webex".to_owned()), queue: Some("Billing".to_owned()), ..any() };
    assert_eq!(keys(both).await, ["s4"], "all must hold");
    let week_ago = chrono::DateTime::from_timestamp_millis(
        number(&store, "SELECT (extract(epoch FROM now() - interval '7 days') * 1000)::bigint AS number").await,
    );
    assert_eq!(keys(JobFilter { created_before: week_ago, ..any() }).await, ["s6"]);
    assert_eq!(keys(JobFilter { created_since: week_ago, ..any() }).await.len(), 9);
    assert_eq!(keys(JobFilter { min_attempts: Some(3), ..any() }).await.len(), 9);
}

#[tokio::test]
async fn a_dry_run_counts_by_kind_and_reason_within_the_limit() {
    let (_database, store) = with_dead(10).await;
    run(&store, "UPDATE jobs SET reason = 'audio_too_long' WHERE key IN ('s1', 's2')").await;
    let tally = async |order: ByHand| {
        let tallies = requeue_tally(&mut store.connection().await.unwrap(), &order).await.unwrap();
        tallies.into_iter().map(|tally| (tally.reason.unwrap(), tally.jobs)).collect::<Vec<_>>()
    };
    let named = |reason: &str, jobs| (reason.to_owned(), jobs);
    assert_eq!(tally(order(transcriptions())).await, [named("provider_unavailable", 8), named("audio_too_long", 2)]);
    let few = ByHand { limit: Some(3), ..order(transcriptions()) };
    assert_eq!(tally(few).await, [named("audio_too_long", 2), named("provider_unavailable", 1)], "those that ended first");
}

#[tokio::test]
async fn jobs_may_be_made_due_at_a_rate() {
    let (_database, store) = with_dead(60).await;
    let order = ByHand { pace: Pace::Every(Duration::from_mins(1)), ..order(transcriptions()) };
    let (changed, hints) = requeue_all(&store, &order).await;
    assert_eq!((changed.jobs, hints.len()), (60, 1), "only the first is due now");
    let apart = "SELECT count(*) AS number FROM (SELECT run_at - lag(run_at) OVER (ORDER BY run_at) AS gap FROM jobs) AS gaps WHERE gap = interval '1 minute'";
    assert_eq!(number(&store, apart).await, 59);
}

#[tokio::test]
async fn open_jobs_and_cancelled_ones_are_not_requeued_unless_named() {
    let (_database, store) = with_dead(4).await;
    run(
        &store,
        "UPDATE jobs SET state = 'cancelled' WHERE key = 's1'; UPDATE jobs SET state = 'ready', finished_at = NULL WHERE key = 's2'",
    )
    .await;
    assert_eq!(dry_run(&store, &order(transcriptions())).await, 2);
    let cancelled = JobFilter { states: vec![JobState::Cancelled], ..transcriptions() };
    assert_eq!(dry_run(&store, &order(cancelled)).await, 1);
    let running = order(JobFilter { states: vec![JobState::Running], ..transcriptions() });
    let refused = would_requeue(&mut store.connection().await.unwrap(), &running).await.unwrap_err();
    assert!(matches!(refused, ByHandError::Refused { state: JobState::Running, .. }), "{refused:?}");
    let done = order(JobFilter { states: vec![JobState::Done], ..transcriptions() });
    assert!(would_requeue(&mut store.connection().await.unwrap(), &done).await.is_err(), "done jobs run again only with `again`");
}

#[tokio::test]
async fn a_transcription_done_again_makes_a_new_version_and_keeps_the_old() {
    let (database, store) = with_dead(2).await;
    run(
        &store,
        "UPDATE call_transcripts SET status = 'complete', error_code = NULL, transcript_text = 'hello', transcript_json = '{}', completed_at = now();
         UPDATE call_interactions SET transcript_status = 'complete';
         UPDATE jobs SET state = 'done', reason = NULL",
    )
    .await;
    let (changed, _) = requeue_all(&store, &ByHand { again: true, ..order(of_session("s1")) }).await;
    assert_eq!(changed.jobs, 1);
    let versions = "SELECT count(*) AS number FROM call_transcripts WHERE session_id = 's1' AND (version, status) IN ((1, 'complete'), (2, 'pending'))";
    assert_eq!(number(&store, versions).await, 2);
    let follows =
        "SELECT count(*) AS number FROM jobs j JOIN call_transcripts t ON t.id = j.transcript_id WHERE j.key = 's1' AND t.version = 2";
    assert_eq!(number(&store, follows).await, 1, "the job moves the new version");
    database.assert_consistent().await;
}

#[tokio::test]
async fn jobs_may_be_spread_over_a_span() {
    let (_database, store) = with_dead(60).await;
    let order = ByHand { pace: Pace::Over(Duration::from_hours(1)), ..order(transcriptions()) };
    let (changed, hints) = requeue_all(&store, &order).await;
    assert_eq!((changed.jobs, hints.len()), (60, 1), "only the first is due now");
    let within = "SELECT count(*) AS number FROM jobs WHERE run_at BETWEEN now() + interval '29 minutes' AND now() + interval '61 minutes'";
    let second_half = number(&store, within).await;
    assert!((29..=32).contains(&second_half), "half of them run in the second half: {second_half}");
}

#[tokio::test]
async fn two_at_once_move_each_job_once() {
    let (_database, store) = with_dead(2_000).await;
    let order = order(transcriptions());
    let (left, right) = tokio::join!(requeue_all(&store, &order), requeue_all(&store, &order));
    assert_eq!(left.0.jobs + right.0.jobs, 2_000);
    assert_eq!(left.1.len() + right.1.len(), 2_000);
}

#[tokio::test]
async fn cancelling_calls_off_what_waits_and_says_so_on_the_transcript() {
    let (database, store) = with_dead(3).await;
    run(
        &store,
        "UPDATE jobs SET state = 'ready', finished_at = NULL WHERE key = 's1';
         UPDATE call_transcripts SET status = 'pending', error_code = NULL WHERE session_id = 's1';
         UPDATE call_interactions SET transcript_status = 'pending' WHERE session_id = 's1';
         UPDATE jobs SET state = 'running', lease_id = 1, finished_at = NULL WHERE key = 's2'",
    )
    .await;
    let order = order(transcriptions());
    assert_eq!(would_cancel(&mut store.connection().await.unwrap(), &order).await.unwrap(), 2);
    assert_eq!(cancel(&store, &order).await.unwrap().jobs, 2);
    assert_eq!(
        number(&store, "SELECT count(*) AS number FROM jobs WHERE state = 'running' AND key = 's2'").await,
        1,
        "running ones end by themselves"
    );
    let told = "SELECT count(*) AS number FROM call_transcripts WHERE status = 'error' AND error_code = 'cancelled' AND error_message LIKE '%ada@desk%'";
    assert_eq!(number(&store, told).await, 2);
    database.assert_consistent().await;
    let (changed, _) =
        requeue_all(&store, &ByHand::new(JobFilter { states: vec![JobState::Cancelled], ..of_session("s1") }, "ada@desk")).await;
    assert_eq!(changed.jobs, 1, "what was called off can come back");
    database.assert_consistent().await;
}

#[tokio::test]
async fn a_dead_next_stage_comes_back_when_its_input_is_made_anew_and_an_open_one_is_left_alone() {
    let (_database, store) = with_dead(2).await;
    let connection = &mut *store.connection().await.unwrap();
    let next = NewJob::new(JobKind::Transcription, "s1");
    assert_eq!(enqueue(connection, std::slice::from_ref(&next)).await.unwrap(), vec![], "the row is there, whatever its state");
    let hints = enqueue_or_reopen(connection, &[next.clone(), NewJob::new(JobKind::Transcription, "s3")]).await.unwrap();
    assert_eq!(hints.len(), 2);
    assert_eq!(enqueue_or_reopen(connection, &[next]).await.unwrap(), vec![], "it is open now");
    let jobs = list_jobs(connection, &of_session("s1"), 10).await.unwrap();
    assert_eq!((jobs[0].state.as_str(), jobs[0].attempt), ("ready", 0));
}
