//! Runs that are killed between two steps, S3 that is away, and steps that find their work done.

use callscribe::{
    blob::Blob,
    domain::Reason,
    ledger::Outcome,
    store::retention::{begin_deletion, deletions_begun, finish_deletion, plan_more},
};

use super::archive::{Archive, keys, planned, policy};
use crate::{harness, ledger::execute};

/// What a run leaves that was killed after its decision, after so many objects.
async fn killed(archive: &Archive, session: &str, objects: usize) {
    let (mut connection, job) = (archive.store.connection().await.unwrap(), archive.claim().await);
    let (audio, planned) = (archive.aged().await, planned(session));
    assert!(begin_deletion(&mut connection, &policy(), &audio, &planned, job.id).await.unwrap());
    for object in planned.iter().take(objects) {
        archive.blob.delete(&object.object_key).await.unwrap();
    }
    execute(&archive.store, "UPDATE jobs SET state = 'done', finished_at = now(), lease_id = NULL WHERE kind = 'upkeep'").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_killed_between_any_two_steps_is_gone_on_with_and_every_object_is_proven_once() {
    for objects in 0..=3 {
        let archive = Archive::new().await;
        archive.call("old", None, 31).await;
        killed(&archive, "old", objects).await;
        assert_eq!((archive.status("old").await.as_str(), archive.under_way().await), ("deleting", 3), "after {objects}");
        archive.run().await;
        archive.run().await;
        assert_eq!(archive.fate("old").await, ("deleted".to_owned(), 0), "after {objects}");
        assert_eq!((archive.proven().await, archive.under_way().await), (keys("old").to_vec(), 0), "after {objects}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_down_is_ended_even_when_the_row_of_its_recording_is_gone() {
    let archive = Archive::new().await;
    archive.call("old", None, 31).await;
    killed(&archive, "old", 1).await;
    execute(&archive.store, "DELETE FROM call_interactions").await;
    archive.run().await;
    assert_eq!((archive.objects_of("old").await, archive.proven().await), (0, keys("old").to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_are_gone_already_count_as_deleted_and_are_proven() {
    let archive = Archive::new().await;
    archive.call("old", None, 31).await;
    for key in keys("old") {
        archive.blob.delete(&key).await.unwrap();
    }
    archive.run().await;
    assert_eq!(archive.fate("old").await, ("deleted".to_owned(), 0));
    assert_eq!(archive.proven().await, ["old/r.wav"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_s3_is_away_nothing_is_decided_and_afterwards_it_goes_on() {
    let archive = Archive::new().await;
    archive.call("old", None, 31).await;
    let proxy = harness::proxy(archive.s3.endpoint().as_str()).await;
    let blob = Blob::connect(&harness::settings(&proxy.url_for(&archive.s3.endpoint()))).await;
    proxy.set(harness::Fault { refuse: true, ..harness::Fault::default() });
    let waits = |outcome: &Outcome| matches!(outcome, Outcome::Later { why, .. } if why.reason == Reason::StorageUnavailable);
    let outcome = archive.run_with(Some(blob.clone()), policy()).await;
    assert!(waits(&outcome), "{outcome:?}");
    assert_eq!((archive.fate("old").await, archive.under_way().await), (("stored".to_owned(), 3), 0));
    // it went away after the decision
    execute(&archive.store, "UPDATE jobs SET state = 'done', finished_at = now() WHERE kind = 'upkeep'").await;
    killed(&archive, "old", 0).await;
    let outcome = archive.run_with(Some(blob.clone()), policy()).await;
    assert!(waits(&outcome), "{outcome:?}");
    assert_eq!((archive.status("old").await.as_str(), archive.proven().await.len()), ("deleting", 0));
    execute(&archive.store, "UPDATE jobs SET state = 'done', finished_at = now() WHERE kind = 'upkeep'").await;
    proxy.set(harness::Fault::default());
    let outcome = archive.run_with(Some(blob), policy()).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    assert_eq!((archive.status("old").await.as_str(), archive.proven().await), ("deleted", keys("old").to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_without_a_bucket_leaves_the_job_to_one_that_has_it() {
    let archive = Archive::new().await;
    archive.call("old", None, 31).await;
    let outcome = archive.run_with(None, policy()).await;
    assert!(matches!(&outcome, Outcome::Later { why, .. } if why.chain().contains("no settings for the bucket")), "{outcome:?}");
    assert_eq!(archive.fate("old").await, ("stored".to_owned(), 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_comes_after_another_has_ended_its_deletion_leaves_no_proof_under_way() {
    let archive = Archive::new().await;
    archive.call("old", None, 31).await;
    killed(&archive, "old", 3).await;
    let mut connection = archive.store.connection().await.unwrap();
    let begun = deletions_begun(&mut connection, 9).await.unwrap().remove(0);
    assert_eq!(begun.object_key, "old/r.wav");
    assert!(finish_deletion(&mut connection, &begun).await.unwrap());
    // the other one looked at the bucket before
    let late = archive.claim().await;
    plan_more(&mut connection, &begun, &planned("old"), late.id).await.unwrap();
    assert!(!finish_deletion(&mut connection, &begun).await.unwrap());
    assert_eq!((archive.under_way().await, archive.proven().await), (0, keys("old").to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_at_once_delete_everything_and_prove_each_object_once() {
    let archive = Archive::new().await;
    for call in 0..6 {
        archive.call(&format!("old-{call}"), None, 31).await;
    }
    let (one, other) = (archive.claim().await, archive.claim().await);
    let run = |job| archive.run_claimed(job, Some(archive.blob.clone()), policy());
    let (one, other) = tokio::join!(run(one), run(other));
    assert!(matches!((&one, &other), (Outcome::Done(_), Outcome::Done(_))), "{one:?} {other:?}");
    let all: Vec<_> = (0..6).flat_map(|call| keys(&format!("old-{call}"))).collect();
    assert_eq!((archive.proven().await, archive.under_way().await), (all, 0));
    for call in 0..6 {
        assert_eq!(archive.fate(&format!("old-{call}")).await, ("deleted".to_owned(), 0));
    }
}
