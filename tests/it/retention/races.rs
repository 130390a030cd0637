//! Who decides at the same moment: holds, jobs that begin, new copies.

use callscribe::{
    ledger::hold,
    store::retention::{AgedAudio, begin_deletion},
};
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use futures_util::FutureExt;

use super::archive::{Archive, planned, policy};
use crate::ledger::execute;

/// Decides, in a transaction, as a run does.
async fn decides(archive: &Archive, audio: AgedAudio) -> tokio::task::JoinHandle<bool> {
    let (mut connection, job) = (archive.store.connection().await.unwrap(), archive.claim().await);
    tokio::spawn(async move {
        let begun = connection.transaction(async |transaction| {
            hold(transaction, &job).await.unwrap();
            begin_deletion(transaction, &policy(), &audio, &planned(&audio.place.session_id), job.id).await
        });
        begun.boxed().await.unwrap()
    })
}

/// What somebody does to the row at the moment in which a run decides, who waits for it.
async fn decided_while(statements: &[&str]) -> (bool, Archive) {
    let archive = Archive::new().await;
    archive.call("old", None, 31).await;
    let audio = archive.aged().await;
    let mut other = archive.store.connection().await.unwrap();
    other.batch_execute("BEGIN").await.unwrap();
    for statement in statements {
        other.batch_execute(statement).await.unwrap();
    }
    let deciding = decides(&archive, audio).await;
    archive.somebody_waits().await;
    other.batch_execute("COMMIT").await.unwrap();
    let begun = deciding.await.unwrap();
    assert_eq!((archive.status("old").await == "deleting", archive.under_way().await > 0), (begun, begun));
    (begun, archive)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_is_committed_before_the_decision_wins() {
    let (begun, archive) = decided_while(&[
        "SELECT FROM call_recordings FOR UPDATE",
        "INSERT INTO legal_holds (session_id, held_by, why) VALUES ('old', 'ada@here', 'litigation')",
    ])
    .await;
    assert!(!begun);
    archive.run().await;
    assert_eq!(archive.fate("old").await, ("stored".to_owned(), 3));
}

/// A run share-locks the row once its job runs: whoever decides then sees the job, however early it looked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_began_to_use_the_audio_keeps_it() {
    let (begun, _archive) = decided_while(&[
        "SELECT FROM call_recordings FOR SHARE",
        "INSERT INTO jobs (kind, key, state, max_attempts, lease_id, started_at) VALUES ('transcription', 'old', 'running', 5, 1, now())",
    ])
    .await;
    assert!(!begun);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_copy_begins_a_new_age() {
    let (begun, archive) = decided_while(&["UPDATE call_recordings SET stored_at = now()"]).await;
    assert!(!begun);
    archive.run().await;
    assert_eq!(archive.fate("old").await, ("stored".to_owned(), 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audio_that_a_job_works_on_or_is_about_to_goes_another_day() {
    for state in ["'ready', NULL, NULL", "'running', 1, now()"] {
        let archive = Archive::new().await;
        archive.call("busy", None, 31).await;
        let busy =
            format!("INSERT INTO jobs (kind, key, max_attempts, state, lease_id, started_at) SELECT 'transcription', 'busy', 5, {state}");
        execute(&archive.store, &busy).await;
        archive.run().await;
        assert_eq!(archive.fate("busy").await, ("stored".to_owned(), 3), "{state}");
        execute(&archive.store, "UPDATE jobs SET state = 'done', finished_at = now() WHERE key = 'busy'").await;
        archive.run().await;
        assert_eq!(archive.fate("busy").await, ("deleted".to_owned(), 0), "{state}");
    }
}
