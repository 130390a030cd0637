//! Rows of the ledger and of calls, written by SQL: what a long life would leave behind, in one statement.

use callscribe::store::Store;
use diesel::{QueryableByName, sql_types};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

/// One number.
#[derive(QueryableByName)]
pub(crate) struct Number {
    /// It.
    #[diesel(sql_type = sql_types::BigInt)]
    pub(crate) number: i64,
}

/// The one number that `sql` selects `AS number`.
pub(crate) async fn number(store: &Store, sql: &str) -> i64 {
    let row: Number = diesel::sql_query(sql).get_result(&mut store.connection().await.unwrap()).await.unwrap();
    row.number
}

/// Runs statements.
pub(crate) async fn run(store: &Store, sql: &str) {
    store.connection().await.unwrap().batch_execute(sql).await.unwrap();
}

/// `calls` calls `s1`, `s2`, …, each with a recording that is stored, a transcript in error with `reason`, and a dead
/// transcription job that failed five times.
pub(crate) async fn dead_transcriptions(store: &Store, calls: u32, reason: &str) {
    run(
        store,
        &format!(
            "INSERT INTO call_interactions (session_id, source, start_time, closed, transcript_status, raw_payload)
                 SELECT 's' || n, 'webex', now() - interval '1 day', true, 'error', '{{}}' FROM generate_series(1, {calls}) AS n;
             INSERT INTO call_transcripts (id, session_id, provider, status, error_code, error_message)
                 SELECT md5('s' || n)::uuid, 's' || n, 'whisper', 'error', '{reason}', 'the transcriber is not available'
                 FROM generate_series(1, {calls}) AS n;
             INSERT INTO jobs (kind, key, state, attempt, max_attempts, run, put_off, source, session_id, transcript_id, reason,
                               created_at, started_at, finished_at)
                 SELECT 'transcription', 's' || n, 'dead', 5, 5, 7, 2, 'webex', 's' || n, md5('s' || n)::uuid, '{reason}',
                        now() - interval '2 hours', now() - interval '1 hour', now() - interval '1 hour' + n * interval '1 millisecond'
                 FROM generate_series(1, {calls}) AS n;
             INSERT INTO job_attempts (job_id, run, attempt, outcome, reason, error, worker, started_at, ended_at)
                 SELECT id, run, 5, 'dead', reason, 'the transcriber is not available: HTTP 503', 'host-1', started_at, finished_at
                 FROM jobs WHERE kind = 'transcription' AND state = 'dead'
                 ON CONFLICT DO NOTHING;"
        ),
    )
    .await;
}
