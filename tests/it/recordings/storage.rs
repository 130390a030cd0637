//! What becomes of a recording when the way of its bytes is bad: S3 goes away under it, the vendor sends a trickle.

use callscribe::clock::{Clock, ManualClock};
use chrono::TimeDelta;

use super::*;

/// Four minutes of two channels of µ-law are just under four megabytes.
const FOUR_MINUTES: Duration = Duration::from_mins(4);
/// A part is five megabytes at least, so that this is more than one.
const TEN_MINUTES: Duration = Duration::from_mins(10);

async fn uploads(stage: &Stage) -> usize {
    stage.s3.client().list_multipart_uploads().bucket(BUCKET).send().await.unwrap().uploads().len()
}

/// The stage's worker, reaching S3 through `endpoint`.
async fn handler_at(stage: &Stage, endpoint: &str) -> RecordingHandler {
    let blob = Blob::connect(&harness::settings(endpoint)).await;
    let settings = RecordingSettings { poll_schedule: vec![Duration::from_secs(30)], legs: LegPolicy::main_only(), vendor_keeps: None };
    let source = source(&stage.webex, &stage.context.store).await;
    RecordingHandler::new([source], blob, settings, LARGEST_BYTES, Arc::new(SystemClock))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_that_goes_away_in_mid_transfer_makes_the_recording_wait_and_leaves_nothing_half_stored() {
    let plan = WebexPlan::new(SEED, vec![call().speaking(TEN_MINUTES)]);
    let stage = Stage::built(plan.with(Fault::SlowDrip { bytes_per_second: 4_000_000 }, When::First(1)), LARGEST_BYTES).await;
    let proxy = harness::proxy(stage.s3.endpoint().as_str()).await;
    let handler = handler_at(&stage, &proxy.url_for(&stage.s3.endpoint())).await;
    let job = stage.claim().await;
    let goes_away = async {
        harness::eventually("the upload is under way", async || uploads(&stage).await == 1).await;
        proxy.set(harness::Fault { refuse: true, ..harness::Fault::default() });
        proxy.cut_all();
    };
    let (outcome, ()) = tokio::join!(handler.run(&job, &stage.context), goes_away);
    assert_eq!(stage.finish(&job, outcome).await, ended("later", Reason::StorageUnavailable));
    assert_eq!(stage.objects().await, [""; 0], "nothing is visible");
    assert_eq!(stage.text("SELECT count(*)::text AS text FROM call_recordings WHERE status = 'stored'").await, "0");
    assert_eq!(stage.transcript_status().await, "pending/pending");

    proxy.set(harness::Fault::default());
    again(&stage).await;
    assert_eq!(stage.run().await, done());
    assert_eq!(stage.text("SELECT sha256 AS text FROM call_recordings").await, stage.webex.truth_at(0).unwrap().sha256().unwrap());
    // what could not be aborted while S3 was away is cleared by age
    let tomorrow = ManualClock::at(SystemClock.now() + TimeDelta::hours(25));
    stage.blob.abort_stale_uploads(Duration::from_hours(24), &tomorrow).await.unwrap();
    stage.no_parts_are_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_only_trickles_is_taken_whole() {
    let plan = WebexPlan::new(SEED, vec![call().speaking(Duration::from_secs(4))]);
    let stage = Stage::built(plan.with(Fault::SlowDrip { bytes_per_second: 40_000 }, When::Always), LARGEST_BYTES).await;
    assert_eq!(stage.run().await, done());
    assert_eq!(stage.text("SELECT sha256 AS text FROM call_recordings").await, stage.webex.truth_at(0).unwrap().sha256().unwrap());
    assert_eq!(stage.webex.requests().count(|request| request.path.starts_with("/recordings/")), 1, "in one go");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trickle_holds_no_transaction_and_is_passed_by_others() {
    // the trickle comes first, and the others pass it by
    let calls = vec![call().speaking(FOUR_MINUTES), call(), call()];
    let plan = WebexPlan::new(SEED, calls).with(Fault::SlowDrip { bytes_per_second: 1_000 }, When::First(1));
    let stage = Stage::built(plan, LARGEST_BYTES).await;
    let slow = stage.claim().await;
    let others = async {
        harness::eventually("the trickle began", async || {
            stage.webex.requests().count(|request| request.path.starts_with("/recordings/")) == 1
        })
        .await;
        for _ in 0..2 {
            assert_eq!(stage.run().await, done());
        }
        let open = "SELECT count(*)::text AS text FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";
        assert_eq!(stage.text(open).await, "0", "no transaction is open while audio streams");
        stage.context.stop.cancel();
    };
    let (outcome, ()) = tokio::join!(stage.handler.run(&slow, &stage.context), others);
    // the runner of a worker that stops hands the job back, whatever it answers
    assert_eq!(stage.finish(&slow, outcome).await, ended("retry", Reason::ShutDown));
    assert_eq!(stage.text("SELECT count(*)::text AS text FROM call_recordings WHERE status = 'stored'").await, "2");
    stage.no_parts_are_left().await;
}

#[tokio::test]
async fn originals_lie_apart_where_they_are_to_be_muted_and_one_that_was_deleted_for_its_copy_is_not_fetched_again() {
    let mut stage = Stage::with(vec![call()]).await;
    stage.handler = stage.handler.clone().keeping_originals_apart();
    assert_eq!(stage.run().await, done());
    let key = stage.text("SELECT object_key AS text FROM call_recordings").await;
    assert!(key.starts_with("originals/source=webex/"), "{key}");
    let listed = |listed: Vec<callscribe::blob::ListedObject>| listed.into_iter().map(|object| object.key).collect::<Vec<_>>();
    assert_eq!(listed(stage.blob.list("").await.unwrap()), [key.replace(".wav", ".json"), key.clone()]);
    let mut connection = stage.context.store.connection().await.unwrap();
    let again = "UPDATE jobs SET state = 'ready', attempt = 0, finished_at = NULL, run_at = now() WHERE kind = 'recording'";
    connection
        .batch_execute(&format!(
            "UPDATE call_recordings SET object_key = 'muted.wav', muted_key = 'muted.wav', muted_size_bytes = size_bytes, muted_sha256 = sha256,
                    muted_at = now();
             DELETE FROM jobs WHERE kind = 'transcription'; {again}"
        ))
        .await
        .unwrap();
    let downloads = || stage.webex.requests().count(|request| request.path.starts_with("/recordings/"));
    let before = downloads();
    assert_eq!(stage.run().await, done());
    assert_eq!((downloads(), stage.text("SELECT object_key AS text FROM call_recordings").await), (before, "muted.wav".to_owned()));
    let next = "SELECT count(*)::text AS text FROM jobs WHERE kind = 'transcription' AND open";
    assert_eq!(stage.text(next).await, "1", "what follows goes on");
}
