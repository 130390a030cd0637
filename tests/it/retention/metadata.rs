//! Rows of calls and conversations that are kept no longer: what goes with them, what keeps them, and that nobody brings them back.

use callscribe::{
    config::{Ages, RetentionSettings},
    domain::{Call, SessionId},
    store::{
        holds::hold_call,
        retention::{aged_calls_by_queue, call_deletions, delete_calls, expired, last_report},
    },
};
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use futures_util::FutureExt;

use super::archive::{Archive, DAY};
use crate::{
    calls::closed_call,
    ledger::{execute, number},
};

/// A year, two for `Sales`; audio goes by itself and is none of it.
fn a_year() -> RetentionSettings {
    let metadata = Ages { others: Some(365 * DAY), queues: vec![("Sales".to_owned(), Some(730 * DAY))] };
    RetentionSettings { metadata, notice: std::time::Duration::ZERO, ..RetentionSettings::keeping_everything() }
}

impl Archive {
    /// A call that began so many days ago, whose audio is gone, with everything that can hang on a call.
    async fn old_call(&self, session: &str, queue: Option<&str>, days: u32) {
        self.row(session, queue, days).await;
        self.transcript(session, "complete").await;
        let mut connection = self.store.connection().await.unwrap();
        connection
            .batch_execute(&format!(
                "UPDATE call_recordings SET status = 'deleted', deleted_at = now() WHERE session_id = '{session}';
                 INSERT INTO call_summaries (session_id, source, summary) VALUES ('{session}', 'webex', '{{}}');
                 INSERT INTO jobs (kind, key, session_id, state, max_attempts, finished_at, reason)
                     VALUES ('recording', '{session}', '{session}', 'done', 5, now(), NULL),
                            ('transcription', '{session}/leg', '{session}', 'dead', 5, now(), 'timed_out'),
                            ('upkeep', '{session}/summary', '{session}', 'done', 5, now(), NULL);
                 INSERT INTO job_attempts (job_id, run, attempt, outcome, reason) SELECT id, 1, 1, 'dead', 'timed_out' FROM jobs WHERE state = 'dead' AND session_id = '{session}';
                 INSERT INTO webhook_events (source, event_id, kind, word, session_id, payload) VALUES ('webex', 'event of {session}', 'call_ended', 'w', '{session}', '{{}}');
                 INSERT INTO completeness_gaps (source, org_id, kind, subject, window_from, start_time, reason, comparison)
                     VALUES ('webex', 'org-1', 'recordings', '{session}', now(), now(), 'lost', gen_random_uuid());"
            ))
            .await
            .unwrap();
    }

    async fn conversation(&self, session: &str, days: u32) {
        let mut connection = self.store.connection().await.unwrap();
        connection
            .batch_execute(&format!(
                "INSERT INTO chats (session_id, source, org_id, channel, started_at) VALUES ('{session}', 'webex', 'org-1', 'chat', now() - interval '{days} days');
                 INSERT INTO chat_messages (session_id, message_key, place, message) VALUES ('{session}', 'm', 0, 'hello');
                 INSERT INTO jobs (kind, key, session_id, state, max_attempts, finished_at) VALUES ('chat', '{session}', '{session}', 'done', 5, now());"
            ))
            .await
            .unwrap();
    }

    /// Rows that name a call, wherever.
    async fn traces(&self, session: &str) -> i64 {
        let count = |table: &str, column: &str| format!("(SELECT count(*) FROM {table} WHERE {column} = '{session}')");
        let tables = [
            ("call_interactions", "session_id"),
            ("call_recordings", "session_id"),
            ("call_transcripts", "session_id"),
            ("call_summaries", "session_id"),
            ("jobs", "session_id"),
            ("webhook_events", "session_id"),
            ("completeness_gaps", "subject"),
            ("chats", "session_id"),
            ("chat_messages", "session_id"),
        ];
        number(&self.store, &tables.map(|(table, column)| count(table, column)).join(" + ")).await
    }
}

/// Rows of one call as `old_call` makes it: the call, its recording, transcript, summary, three jobs, an event, a gap.
const WHOLE: i64 = 9;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_at_its_queues_age_with_everything_that_hangs_on_it() {
    let archive = Archive::new().await;
    for (session, queue, days) in [("old", None, 366), ("young", None, 364), ("sold", Some("Sales"), 731), ("selling", Some("Sales"), 729)]
    {
        archive.old_call(session, queue, days).await;
    }
    archive.conversation("chat", 366).await;
    archive.conversation("late-chat", 364).await;
    archive.run_by(a_year()).await;
    for (session, left) in [("old", 0), ("young", WHOLE), ("sold", 0), ("selling", WHOLE), ("chat", 0), ("late-chat", 3)] {
        assert_eq!(archive.traces(session).await, left, "{session}");
    }
    assert_eq!(number(&archive.store, "SELECT count(*) FROM job_attempts").await, 2, "those of the calls that are left");
    let mut connection = archive.store.connection().await.unwrap();
    let told = last_report(&mut connection).await.unwrap().unwrap();
    assert_eq!(told.calls, 3);
    let proofs = call_deletions(&mut connection, 9).await.unwrap();
    let mut seen: Vec<_> =
        proofs.iter().map(|proof| (proof.what.as_str(), proof.calls, proof.transcripts, proof.policy.as_str())).collect();
    seen.sort_unstable();
    let expected = [
        ("calls", 1, 1, "RETENTION_METADATA 365d"),
        ("calls", 1, 1, "RETENTION_METADATA_QUEUES 730d"),
        ("conversations", 1, 0, "RETENTION_METADATA 365d"),
    ];
    assert_eq!(seen, expected);
    let digest = number(&archive.store, "SELECT count(*) FROM call_deletions WHERE sessions_sha256 = encode(sha256('old'), 'hex')").await;
    assert_eq!(digest, 1, "who has the list of ids can prove that it is this one");
    let names =
        number(&archive.store, "SELECT count(*) FROM call_deletions AS d WHERE d::text LIKE '%old%' OR d::text LIKE '%Sales%'").await;
    assert_eq!(names, 0, "the proof names nobody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_stays_while_it_is_held_or_its_audio_is_there_or_a_job_works_on_it() {
    let archive = Archive::new().await;
    for session in ["held", "audio", "deleting", "under-way", "open", "free"] {
        archive.old_call(session, None, 400).await;
    }
    let mut connection = archive.store.connection().await.unwrap();
    hold_call(&mut connection, &SessionId::parse("held").unwrap(), "ada@here", "litigation").await.unwrap();
    connection
        .batch_execute(
            "UPDATE call_recordings SET status = 'stored', deleted_at = NULL WHERE session_id = 'audio';
             UPDATE call_recordings SET status = 'deleting', deleted_at = NULL WHERE session_id = 'deleting';
             INSERT INTO deletions (what, session_id, recording_id, object_key, policy, job_id) VALUES ('audio', 'under-way', 'r', 'k', 'p', 1);
             UPDATE jobs SET state = 'ready', finished_at = NULL WHERE key = 'open';",
        )
        .await
        .unwrap();
    let would = aged_calls_by_queue(&mut connection, &a_year(), callscribe::domain::Aging::Calls).await.unwrap();
    let would: Vec<_> = would.iter().map(|queue| (queue.verdict.as_str(), queue.calls)).collect();
    assert_eq!(would, [("due", 1), ("has_audio", 3), ("held", 1), ("in_use", 1)]);
    // decided upon before, and looked at again
    let (job, sessions) = (archive.claim().await, ["held", "audio", "deleting", "under-way", "open", "free"].map(str::to_owned));
    let gone = connection
        .transaction(async |transaction| delete_calls(transaction, &a_year(), callscribe::domain::Aging::Calls, &sessions, job.id).await);
    assert_eq!(gone.boxed().await.unwrap(), 1);
    for session in ["held", "audio", "deleting", "under-way", "open"] {
        assert_eq!(archive.traces(session).await, WHOLE, "{session}");
    }
    assert_eq!(archive.traces("free").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_somebody_writes_to_at_this_moment_goes_another_day() {
    let archive = Archive::new().await;
    archive.old_call("busy", None, 400).await;
    let mut other = archive.store.connection().await.unwrap();
    other.batch_execute("BEGIN; UPDATE call_interactions SET synced_at = now()").await.unwrap();
    archive.run_by(a_year()).await;
    other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(archive.traces("busy").await, WHOLE);
    archive.run_by(a_year()).await;
    assert_eq!(archive.traces("busy").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_batches_leave_none_behind_and_count_each_call_once() {
    let archive = Archive::new().await;
    execute(
        &archive.store,
        "INSERT INTO call_interactions (session_id, source, start_time, closed, raw_payload)
         SELECT 'call-' || n, 'webex', now() - interval '400 days', true, '{}' FROM generate_series(1, 450) AS n",
    )
    .await;
    execute(
        &archive.store,
        "INSERT INTO legal_holds (session_id, held_by, why) SELECT 'call-' || n, 'ada@here', 'case' FROM generate_series(1, 250) AS n",
    )
    .await;
    archive.run_by(a_year()).await;
    assert_eq!(number(&archive.store, "SELECT count(*) FROM call_interactions").await, 250);
    let told = last_report(&mut archive.store.connection().await.unwrap()).await.unwrap().unwrap();
    assert_eq!((told.calls, told.calls_held), (200, 250));
    assert_eq!(number(&archive.store, "SELECT sum(calls) FROM call_deletions").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_only_announced_no_call_goes() {
    let archive = Archive::new().await;
    archive.old_call("old", None, 366).await;
    archive.run_by(RetentionSettings { notice: 7 * DAY, ..a_year() }).await;
    assert_eq!(archive.traces("old").await, WHOLE);
    let told = last_report(&mut archive.store.connection().await.unwrap()).await.unwrap().unwrap();
    assert_eq!(told.calls, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_again_after_its_age_is_left_out_unless_it_is_there_or_held() {
    let archive = Archive::new().await;
    for session in ["there", "held"] {
        archive.row(session, None, 400).await;
    }
    execute(&archive.store, "DELETE FROM call_interactions WHERE session_id = 'held'").await;
    let mut connection = archive.store.connection().await.unwrap();
    hold_call(&mut connection, &SessionId::parse("held").unwrap(), "ada@here", "litigation").await.unwrap();
    let now = callscribe::clock::Clock::now(&callscribe::clock::SystemClock);
    let call = |session: &str, queue: Option<&str>, days: i64| Call {
        start_time: now - chrono::TimeDelta::days(days),
        queue_name: queue.map(str::to_owned),
        ..closed_call(session, 0)
    };
    let told = [
        call("gone", None, 366),
        call("there", None, 400),
        call("held", None, 400),
        call("new", None, 364),
        call("sale", Some("Sales"), 400),
    ];
    let left_out = expired(&mut connection, &a_year(), &told, now).await.unwrap();
    assert_eq!(left_out.iter().map(SessionId::as_str).collect::<Vec<_>>(), ["gone"]);
    assert!(expired(&mut connection, &RetentionSettings::keeping_everything(), &told, now).await.unwrap().is_empty());
}
