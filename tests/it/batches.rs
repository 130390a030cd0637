//! Batches of requeued jobs: named, followed, sampled first, gone on with after a crash, done from any stage.

use std::time::Duration;

use callscribe::{
    domain::{JobKind, JobState, Stage, TranscriptId, Wishes},
    ledger::{
        BatchId, BatchSeen, ByHand, ByHandError, Canary, Changed, Hint, JobFilter, NewJob, Pace, Verdict, attend, batch_failures,
        batches_seen, cancel_batch, enqueue_anew, judge_canary, list_jobs, requeue, requeue_tally, would_requeue,
    },
    store::Store,
};
use callscribe_simulators::{
    transcriber::{Profile, TranscriberPlan},
    webex::WebexPlan,
};
use chrono::TimeDelta;
use tokio::sync::mpsc::unbounded_channel;

use crate::{
    harness::{self, TestDatabase},
    ledger_rows::{dead_transcriptions, number, run},
    world::World,
};

fn order(name: &str) -> ByHand {
    let filter = JobFilter { kinds: vec!["transcription".to_owned()], ..JobFilter::default() };
    ByHand { name: Some(name.to_owned()), ..ByHand::new(filter, "ada@desk") }
}

async fn requeued(store: &Store, order: &ByHand) -> (Changed, Vec<Hint>) {
    let (sender, mut hints) = unbounded_channel();
    let changed = requeue(store, order, &sender).await.unwrap();
    (changed, std::iter::from_fn(|| hints.try_recv().ok()).flatten().collect())
}

async fn seen(store: &Store, name: &str) -> BatchSeen {
    batches_seen(&mut store.connection().await.unwrap(), Some(name), 1).await.unwrap().remove(0)
}

async fn with_dead(calls: u32) -> (TestDatabase, Store) {
    let database = harness::database().await;
    let store = database.store();
    dead_transcriptions(&store, calls, "provider_unavailable").await;
    (database, store)
}

/// Ends `jobs` jobs of the ledger that are ready: as done, or dead.
async fn end(store: &Store, state: &str, jobs: u32) {
    let reason = if state == "dead" { "'low_coverage'" } else { "NULL" };
    run(
        store,
        &format!(
            "UPDATE jobs SET state = '{state}', reason = {reason}, finished_at = clock_timestamp()
             WHERE id IN (SELECT id FROM jobs WHERE state = 'ready' ORDER BY id LIMIT {jobs})"
        ),
    )
    .await;
}

#[tokio::test]
async fn a_batch_tells_how_far_its_jobs_are_and_why_they_died_again() {
    let (_database, store) = with_dead(10).await;
    let (changed, _) = requeued(&store, &order("friday")).await;
    let batch = changed.batch.unwrap();
    end(&store, "done", 5).await;
    end(&store, "dead", 2).await;
    run(&store, "UPDATE jobs SET state = 'running', lease_id = 1, started_at = now(), run = 8 WHERE id IN (SELECT id FROM jobs WHERE state = 'ready' LIMIT 1)").await;
    let seen = seen(&store, "friday").await;
    assert_eq!((seen.state.as_str(), seen.jobs, seen.expected), ("moved", 10, 10));
    assert_eq!((seen.waiting, seen.running, seen.done, seen.dead), (2, 1, 5, 2));
    assert_eq!((seen.total(), seen.ended(), seen.percent()), (10, 7, 70));
    let minute_later = seen.created_at + TimeDelta::minutes(1);
    assert!((seen.per_minute(minute_later).unwrap() - 7.0).abs() < 0.01);
    assert_eq!(seen.time_left(minute_later).unwrap().as_secs(), 25, "three at seven a minute");
    let failures = batch_failures(&mut store.connection().await.unwrap(), batch).await.unwrap();
    assert_eq!((failures.len(), failures[0].reason.as_deref(), failures[0].jobs), (1, Some("low_coverage"), 2));
    let again = JobFilter { batch: Some("friday".to_owned()), states: vec![JobState::Dead], ..JobFilter::default() };
    assert_eq!(list_jobs(&mut store.connection().await.unwrap(), &again, 10).await.unwrap().len(), 2, "a filter finds its jobs");
    assert_eq!(number(&store, "SELECT count(*) AS number FROM audit_log WHERE details->>'batch' = 'friday'").await, 1);
}

#[tokio::test]
async fn a_name_is_given_once_and_made_up_when_none_is_given() {
    let (_database, store) = with_dead(3).await;
    let one = ByHand { limit: Some(1), ..order("friday") };
    requeued(&store, &one).await;
    let (sender, _) = unbounded_channel();
    let refused = requeue(&store, &one, &sender).await.unwrap_err();
    assert!(matches!(&refused, ByHandError::NameTaken(name) if name == "friday"), "{refused:?}");
    let (changed, _) = requeued(&store, &ByHand { name: None, ..order("") }).await;
    let BatchId(id) = changed.batch.unwrap();
    assert_eq!(seen(&store, &format!("requeue-{id}")).await.jobs, 2);
    let (nothing, _) = requeued(&store, &order("empty")).await;
    assert_eq!(nothing, Changed::default());
    assert_eq!(number(&store, "SELECT count(*) AS number FROM requeue_batches").await, 2, "what moved nothing is no batch");
}

#[tokio::test]
async fn a_batch_whose_command_was_killed_is_finished_by_the_scheduler() {
    let (database, store) = with_dead(12).await;
    let (changed, _) = requeued(&store, &ByHand { pace: Pace::Every(Duration::from_mins(1)), ..order("cut off") }).await;
    // as a command leaves it that dies between two of its transactions
    run(
        &store,
        "UPDATE jobs SET state = 'dead', reason = 'provider_unavailable', finished_at = created_at + interval '1 minute', batch_id = NULL
             WHERE id IN (SELECT id FROM jobs ORDER BY run_at OFFSET 4);
         UPDATE call_transcripts SET status = 'error', error_code = 'provider_unavailable' WHERE id IN (SELECT transcript_id FROM jobs WHERE dead);
         UPDATE call_interactions SET transcript_status = 'error' WHERE session_id IN (SELECT session_id FROM jobs WHERE dead);
         UPDATE requeue_batches SET state = 'moving', ended_at = NULL, jobs = 4",
    )
    .await;
    let connection = &mut *store.connection().await.unwrap();
    attend(connection).await.unwrap();
    assert_eq!(seen(&store, "cut off").await.jobs, 4, "somebody may still be at it");
    run(&store, "UPDATE requeue_batches SET touched_at = now() - interval '1 minute'").await;
    attend(connection).await.unwrap();
    let seen = seen(&store, "cut off").await;
    assert_eq!((seen.state.as_str(), seen.jobs, seen.waiting), ("moved", 12, 12));
    let gaps = "SELECT count(*) AS number FROM (SELECT run_at - lag(run_at) OVER (ORDER BY run_at) AS gap FROM jobs) AS g WHERE gap = interval '1 minute'";
    assert_eq!(number(&store, gaps).await, 11, "at the pace it began with");
    let counted = format!("SELECT (details->>'jobs')::bigint AS number FROM audit_log WHERE id = {}", changed.audit.unwrap());
    assert_eq!(number(&store, &counted).await, 12);
    database.assert_consistent().await;
}

#[tokio::test]
async fn the_rest_follows_a_sample_that_passed() {
    let (database, store) = with_dead(50).await;
    let (changed, hints) = requeued(&store, &ByHand { canary: Some(Canary { jobs: 10, percent: 90 }), ..order("careful") }).await;
    assert_eq!((changed.jobs, hints.len()), (10, 10));
    let connection = &mut *store.connection().await.unwrap();
    end(&store, "done", 8).await;
    end(&store, "dead", 1).await;
    assert_eq!(attend(connection).await.unwrap(), vec![], "one still runs");
    assert_eq!(seen(&store, "careful").await.state, "canary");
    end(&store, "done", 1).await;
    assert_eq!(judge_canary(connection, changed.batch.unwrap()).await.unwrap(), Some(Verdict::Passed));
    assert_eq!(judge_canary(connection, changed.batch.unwrap()).await.unwrap(), None, "decided once");
    run(&store, "UPDATE requeue_batches SET touched_at = now() - interval '1 minute'").await;
    assert_eq!(attend(connection).await.unwrap().len(), 40);
    let seen = seen(&store, "careful").await;
    assert_eq!((seen.state.as_str(), seen.jobs, seen.waiting, seen.done, seen.dead), ("moved", 50, 40, 9, 1), "what died again stays dead");
    drop(database);
}

#[tokio::test]
async fn a_sample_that_fails_stops_the_rest_and_says_why() {
    let (_database, store) = with_dead(50).await;
    let (changed, _) = requeued(&store, &ByHand { canary: Some(Canary { jobs: 10, percent: 90 }), ..order("careful") }).await;
    end(&store, "dead", 2).await;
    let connection = &mut *store.connection().await.unwrap();
    attend(connection).await.unwrap();
    let seen = seen(&store, "careful").await;
    assert_eq!(seen.state, "stopped");
    assert_eq!(seen.stopped_because.as_deref(), Some("2 of the sample of 10 did not end in done: low_coverage (2)"));
    run(&store, "UPDATE requeue_batches SET touched_at = now() - interval '1 minute'").await;
    assert_eq!(attend(connection).await.unwrap(), vec![]);
    assert_eq!(judge_canary(connection, changed.batch.unwrap()).await.unwrap(), None);
    assert_eq!(number(&store, "SELECT count(*) AS number FROM jobs WHERE batch_id IS NULL AND dead").await, 40, "the rest is as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_follows_its_sample_and_says_what_came_of_it() {
    let world = World::new(WebexPlan::bench(0), TranscriberPlan::new(Profile::OpenAi)).await;
    let store = world.database.store();
    dead_transcriptions(&store, 12, "provider_unavailable").await;
    let arguments = |name: &'static str| ["requeue", "--kind", "transcription", "--limit", "6", "--canary", "3", "--batch", name];
    let sampled = async |state: &str| {
        harness::eventually("the sample is due", async || {
            number(&store, "SELECT count(*) AS number FROM jobs WHERE state = 'ready'").await == 3
        })
        .await;
        end(&store, state, 3).await;
    };
    let (well, ill) = (arguments("well"), arguments("ill"));
    let ((code, said), ()) = tokio::join!(world.run(&well), sampled("done"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("a sample of batch `well` is due"), "{said}");
    let well = seen(&store, "well").await;
    assert_eq!((well.state.as_str(), well.done, well.waiting), ("moved", 3, 3), "the rest followed");
    end(&store, "done", 3).await;
    let ((code, said), ()) = tokio::join!(world.run(&ill), sampled("dead"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("low_coverage"), "{said}");
    assert_eq!(number(&store, "SELECT count(*) AS number FROM jobs WHERE batch_id IS NULL AND dead").await, 3, "the rest is as it was");
}

#[tokio::test]
async fn a_batch_called_off_cancels_what_waits_and_moves_no_more() {
    let (database, store) = with_dead(20).await;
    requeued(&store, &ByHand { canary: Some(Canary { jobs: 5, percent: 90 }), ..order("mistake") }).await;
    end(&store, "done", 1).await;
    run(&store, "UPDATE call_transcripts SET status = 'complete', transcript_text = '', transcript_json = '{}', completed_at = now()
                     WHERE id IN (SELECT transcript_id FROM jobs WHERE state = 'done');
                 UPDATE call_interactions SET transcript_status = 'complete' WHERE session_id IN (SELECT session_id FROM jobs WHERE state = 'done')").await;
    let cancelled = cancel_batch(&store, "mistake", "ada@desk", Some("wrong filter")).await.unwrap().unwrap();
    assert_eq!(cancelled.jobs, 4);
    let seen = seen(&store, "mistake").await;
    assert_eq!((seen.state.as_str(), seen.cancelled, seen.done, seen.waiting), ("cancelled", 4, 1, 0));
    assert!(cancel_batch(&store, "nobody", "ada@desk", None).await.unwrap().is_none());
    database.assert_consistent().await;
}

#[tokio::test]
async fn wishes_travel_in_the_payload_and_end_with_the_next_requeue() {
    let (_database, store) = with_dead(2).await;
    let wishes = Wishes { provider: Some("whisper".to_owned()), model: Some("large-v3".to_owned()), language: None };
    requeued(&store, &ByHand { wishes: wishes.clone(), from: Some(Stage::Transcription), ..order("better model") }).await;
    let wished = "SELECT count(*) AS number FROM jobs WHERE payload = '{\"wishes\": {\"provider\": \"whisper\", \"model\": \"large-v3\"}}'";
    assert_eq!(number(&store, wished).await, 2);
    end(&store, "dead", 2).await;
    requeued(&store, &order("as usual")).await;
    assert_eq!(number(&store, "SELECT count(*) AS number FROM jobs WHERE payload = '{}' AND state = 'ready'").await, 2);
}

/// Recording jobs, done, for the calls that are there.
async fn with_recordings(store: &Store) {
    run(
        store,
        "INSERT INTO jobs (kind, key, state, attempt, max_attempts, run, source, session_id, transcript_id, started_at, finished_at)
         SELECT 'recording', key, 'done', 1, 8, 1, source, session_id, transcript_id, started_at, started_at FROM jobs",
    )
    .await;
}

#[tokio::test]
async fn from_the_recording_on_the_recording_is_made_anew_and_the_transcription_follows_in_the_same_batch() {
    let (database, store) = with_dead(3).await;
    with_recordings(&store).await;
    let order = ByHand { from: Some(Stage::Recording), limit: Some(2), ..order("anew") };
    let connection = &mut *store.connection().await.unwrap();
    assert_eq!(would_requeue(connection, &order).await.unwrap(), 2);
    let tallies = requeue_tally(connection, &order).await.unwrap();
    assert_eq!(
        (tallies[0].kind.as_str(), tallies[0].reason.as_deref(), tallies[0].jobs),
        ("transcription", Some("provider_unavailable"), 2)
    );
    let (changed, hints) = requeued(&store, &order).await;
    assert_eq!((changed.jobs, hints.len()), (2, 2));
    assert!(hints.iter().all(|hint| hint.kind == "recording"));
    let anew = "SELECT count(*) AS number FROM jobs WHERE kind = 'recording' AND state = 'ready' AND payload = '{\"anew\": true}'";
    assert_eq!(number(&store, anew).await, 2);
    assert_eq!(
        number(&store, "SELECT count(*) AS number FROM jobs WHERE kind = 'transcription' AND dead").await,
        3,
        "each waits for its file"
    );
    database.assert_consistent().await;
    assert_eq!(would_requeue(connection, &order).await.unwrap(), 1, "those under way are none of it any more");
    // what the worker does when the file is there
    let recordings = JobFilter { batch: Some("anew".to_owned()), ..JobFilter::default() };
    let recording = list_jobs(connection, &recordings, 1).await.unwrap().remove(0);
    let next =
        NewJob { transcript_id: recording.transcript_id.map(TranscriptId), ..NewJob::new(JobKind::Transcription, recording.key.clone()) };
    assert_eq!(enqueue_anew(connection, callscribe::domain::JobId(recording.id), &next).await.unwrap().len(), 1);
    assert_eq!(seen(&store, "anew").await.held(), 3, "the transcription belongs to the batch");
}

#[tokio::test]
async fn from_the_recording_on_a_finished_call_gets_a_new_version_and_keeps_the_old() {
    let (database, store) = with_dead(1).await;
    with_recordings(&store).await;
    run(
        &store,
        "UPDATE jobs SET state = 'done', reason = NULL;
         UPDATE call_transcripts SET status = 'complete', error_code = NULL, transcript_text = 'hello', transcript_json = '{}', completed_at = now();
         UPDATE call_interactions SET transcript_status = 'complete'",
    )
    .await;
    let order = ByHand { from: Some(Stage::Recording), again: true, ..order("anew") };
    assert_eq!(requeued(&store, &order).await.0.jobs, 1);
    let second = "SELECT count(*) AS number FROM jobs j JOIN call_transcripts t ON t.id = j.transcript_id
                  WHERE j.kind = 'recording' AND j.state = 'ready' AND t.version = 2 AND t.status = 'pending'";
    assert_eq!(number(&store, second).await, 1);
    let connection = &mut *store.connection().await.unwrap();
    let recording =
        list_jobs(connection, &JobFilter { kinds: vec!["recording".to_owned()], ..JobFilter::default() }, 1).await.unwrap().remove(0);
    let next = NewJob { transcript_id: recording.transcript_id.map(TranscriptId), ..NewJob::new(JobKind::Transcription, "s1") };
    assert_eq!(enqueue_anew(connection, callscribe::domain::JobId(recording.id), &next).await.unwrap().len(), 1, "though it was done");
    assert_eq!(enqueue_anew(connection, callscribe::domain::JobId(recording.id), &next).await.unwrap(), vec![], "once");
    let follows = "SELECT count(*) AS number FROM jobs j JOIN call_transcripts t ON t.id = j.transcript_id WHERE j.kind = 'transcription' AND t.version = 2";
    assert_eq!(number(&store, follows).await, 1);
    database.assert_consistent().await;
}
