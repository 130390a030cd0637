//! What the ledger tells about itself.

use std::time::Duration;

use callscribe::{
    domain::{JobId, JobState, SessionId},
    ledger::{COUNTED, Count, JobFilter, attempts, clusters, dead_reasons, depths, list_jobs, recent_setbacks, sync_ages, workers_seen},
};

use diesel_async::{AsyncConnection, RunQueryDsl};

use crate::{
    harness,
    ledger_rows::{Number, dead_transcriptions, run},
};

fn exactly(jobs: i64) -> Count {
    Count { jobs, or_more: false }
}

#[tokio::test]
async fn depths_tell_due_from_later_and_name_kinds_of_newer_versions() {
    let database = harness::database().await;
    let store = database.store();
    dead_transcriptions(&store, 3, "provider_unavailable").await;
    run(
        &store,
        "INSERT INTO jobs (kind, key, max_attempts, priority, run_at) VALUES
             ('recording', 'due', 8, 0, now() - interval '1 minute'), ('recording', 'backfill', 8, 10, now() - interval '5 minutes'),
             ('recording', 'later', 8, 0, now() + interval '1 hour'), ('summary', 'from a newer version', 3, 0, now());
         INSERT INTO jobs (kind, key, max_attempts, state, lease_id, started_at, run, attempt, run_at)
             VALUES ('recording', 'running', 8, 'running', 1, now(), 1, 1, now() - interval '2 hours')",
    )
    .await;
    let depths = depths(&mut store.connection().await.unwrap(), COUNTED).await.unwrap();
    let kinds: Vec<_> = depths.iter().map(|depth| (depth.kind.as_str(), depth.known)).collect();
    assert_eq!(kinds, [("recording", true), ("summary", false), ("transcription", true)]);
    let recording = &depths[0];
    assert_eq!((recording.due, recording.later, recording.running, recording.dead), (exactly(2), exactly(1), exactly(1), exactly(0)));
    let oldest = recording.oldest_due();
    assert!((Duration::from_mins(5)..Duration::from_mins(6)).contains(&oldest), "a running job does not wait: {oldest:?}");
    assert_eq!((depths[2].dead, depths[2].due), (exactly(3), exactly(0)));
}

#[tokio::test]
async fn a_source_is_as_old_as_its_last_sync_that_succeeded() {
    let database = harness::database().await;
    let store = database.store();
    let minutes = async || -> Vec<u64> {
        let ages = sync_ages(&mut store.connection().await.unwrap()).await.unwrap();
        ages.iter().map(|sync| sync.age.as_secs() / 60).collect()
    };
    assert_eq!(minutes().await, Vec::<u64>::new(), "nothing was ever asked for");
    run(
        &store,
        "INSERT INTO jobs (kind, key, source, max_attempts, created_at) VALUES
             ('sync', 'webex/tick/2026-03-01T00:00:00.000Z', 'webex', 8, now() - interval '90 minutes')",
    )
    .await;
    assert_eq!(minutes().await, [90], "asked for and never done");
    run(
        &store,
        "UPDATE jobs SET state = 'done', finished_at = now() - interval '80 minutes';
         INSERT INTO jobs (kind, key, source, max_attempts, state, finished_at, reason) VALUES
             ('sync', 'webex/tick/2026-03-01T00:10:00.000Z', 'webex', 8, 'dead', now(), 'vendor_unavailable'),
             ('sync', 'webex/window/2026-01-01', 'webex', 8, 'done', now(), NULL)",
    )
    .await;
    assert_eq!(minutes().await, [80], "neither a dead run nor a backfill counts");
    run(
        &store,
        "INSERT INTO jobs (kind, key, source, max_attempts, state, finished_at) VALUES
             ('sync', 'webex/event/2026-03-01T00:09:00.000000Z', 'webex', 8, 'done', now() - interval '3 minutes')",
    )
    .await;
    assert_eq!(minutes().await, [3]);
}

#[tokio::test]
async fn a_million_jobs_are_told_without_reading_the_table() {
    let database = harness::database().await;
    let store = database.store();
    run(
        &store,
        "SET statement_timeout = 0;
         INSERT INTO jobs (kind, key, max_attempts, state, finished_at)
             SELECT 'recording', 'done' || n, 8, 'done', now() FROM generate_series(1, 700000) AS n;
         INSERT INTO jobs (kind, key, max_attempts, run_at)
             SELECT 'recording', 'due' || n, 8, now() - n * interval '1 millisecond' FROM generate_series(1, 150000) AS n;
         INSERT INTO jobs (kind, key, max_attempts, run_at)
             SELECT 'transcription', 'later' || n, 8, now() + interval '1 hour' + n * interval '1 millisecond' FROM generate_series(1, 100000) AS n;
         INSERT INTO jobs (kind, key, max_attempts, state, finished_at, reason)
             SELECT 'transcription', 'dead' || n, 8, 'dead', now(), 'provider_unavailable' FROM generate_series(1, 60000) AS n;
         ANALYZE jobs",
    )
    .await;
    let connection = &mut *store.connection().await.unwrap();
    // what a transaction has read is told only inside it
    let read =
        "SELECT (seq_tup_read + (SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = relid))::bigint
                AS number FROM pg_stat_xact_user_tables WHERE relname = 'jobs'";
    let (told, reasons, rows) = connection
        .transaction(async |connection| {
            let told = depths(connection, COUNTED).await.unwrap();
            let reasons = dead_reasons(connection).await.unwrap();
            let rows: Number = diesel::sql_query(read).get_result(connection).await.unwrap();
            Ok::<_, diesel::result::Error>((told, reasons, rows.number))
        })
        .await
        .unwrap();
    let stopped = Count { jobs: COUNTED, or_more: true };
    assert_eq!((told[0].due, told[1].later, told[1].dead, reasons[0].jobs), (stopped, stopped, stopped, COUNTED));
    assert!(rows < 300_000, "{rows} entries were read");
    assert_eq!(depths(connection, i64::MAX).await.unwrap()[0].due, exactly(150_000), "counted to the end when asked");
}

#[tokio::test]
async fn dead_jobs_are_told_by_reason_and_setbacks_by_how_they_ended() {
    let database = harness::database().await;
    let store = database.store();
    dead_transcriptions(&store, 5, "provider_unavailable").await;
    run(&store, "UPDATE jobs SET reason = 'audio_too_long' WHERE key = 's1'; UPDATE job_attempts SET ended_at = now()").await;
    let connection = &mut *store.connection().await.unwrap();
    let reasons: Vec<_> = dead_reasons(connection).await.unwrap().into_iter().map(|row| (row.reason, row.jobs)).collect();
    assert_eq!(reasons, [("provider_unavailable".to_owned(), 4), ("audio_too_long".to_owned(), 1)]);
    let setbacks = recent_setbacks(connection, Duration::from_mins(5)).await.unwrap();
    assert_eq!((setbacks.len(), setbacks[0].runs, setbacks[0].outcome.as_str()), (1, 5, "dead"));
}

#[tokio::test]
async fn a_list_is_newest_first_and_knows_the_last_error() {
    let database = harness::database().await;
    let store = database.store();
    dead_transcriptions(&store, 12, "provider_unavailable").await;
    let connection = &mut *store.connection().await.unwrap();
    let dead = JobFilter { states: vec![JobState::Dead], ..JobFilter::default() };
    let jobs = list_jobs(connection, &dead, 5).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.key.as_str()).collect::<Vec<_>>(), ["s12", "s11", "s10", "s9", "s8"]);
    assert_eq!(jobs[0].error.as_deref(), Some("the transcriber is not available: HTTP 503"));
    let of_call = list_jobs(connection, &JobFilter::of_session(SessionId::parse("s1").unwrap()), 5).await.unwrap();
    assert_eq!(of_call.len(), 1);
    let history = attempts(connection, &[JobId(of_call[0].id)]).await.unwrap();
    assert_eq!((history.len(), history[0].run, history[0].outcome.as_str()), (1, 7, "dead"));
    let one = JobFilter { ids: vec![JobId(of_call[0].id)], ..JobFilter::default() };
    assert_eq!(list_jobs(connection, &one, 5).await.unwrap().len(), 1);
}

#[tokio::test]
async fn jobs_whose_errors_differ_in_numbers_and_ids_alone_are_one_cluster() {
    let database = harness::database().await;
    let store = database.store();
    dead_transcriptions(&store, 12, "provider_unavailable").await;
    run(
        &store,
        "UPDATE job_attempts SET error = 'the answer of `r' || job_id || '` covers ' || job_id || ' s of 90 s', reason = 'low_coverage'
             WHERE job_id IN (SELECT id FROM jobs ORDER BY id LIMIT 5)",
    )
    .await;
    let dead = JobFilter { states: vec![JobState::Dead], ..JobFilter::default() };
    let found = clusters(&mut store.connection().await.unwrap(), &dead).await.unwrap();
    let told: Vec<_> = found.clusters.iter().map(|one| (one.pattern.as_str(), one.reason.as_str(), one.jobs)).collect();
    let unavailable = "the transcriber is not available: HTTP 503";
    let coverage = "the answer of <text> covers <n> s of <n> s";
    assert_eq!(told, [(unavailable, "provider_unavailable", 7), (coverage, "low_coverage", 5)]);
    let last = &found.clusters[1];
    assert!(last.first_seen < last.last_seen && last.kinds.contains("transcription"), "{last:?}");
    let example =
        list_jobs(&mut store.connection().await.unwrap(), &JobFilter { ids: vec![JobId(last.example)], ..dead.clone() }, 1).await.unwrap();
    assert_eq!(example[0].key, "s5", "the one that said it last");
    assert!(!found.newest_only);
}

#[tokio::test]
async fn workers_are_seen_until_they_end_and_told_apart_when_their_lease_ran_out() {
    let database = harness::database().await;
    let store = database.store();
    run(
        &store,
        "INSERT INTO workers (name, host, pid, kinds, version, expires_at) VALUES
             ('a-1', 'a', 1, '{recording}', '0.1.0', now() + interval '20 seconds'), ('b-2', 'b', 2, '{sync,transcription}', '0.1.0', now() - interval '1 second');
         INSERT INTO workers (name, host, pid, kinds, version, ended_at, ended_by) VALUES ('c-3', 'c', 3, '{sync}', '0.1.0', now(), 'drained')",
    )
    .await;
    let seen = workers_seen(&mut store.connection().await.unwrap()).await.unwrap();
    let seen: Vec<_> = seen.iter().map(|worker| (worker.name.as_str(), worker.alive)).collect();
    assert_eq!(seen, [("a-1", true), ("b-2", false)]);
}
