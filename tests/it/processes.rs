//! Real processes of `callscribe`, killed and told to stop in mid-work.

use std::time::Duration;

use callscribe_simulators::{
    transcriber::{Profile, TranscriberPlan},
    webex::WebexPlan,
};
use nix::sys::signal::Signal;

use crate::{harness, ledger::number, world::World};

async fn world(calls: u32, transcription_takes: Duration) -> World {
    let transcriber = TranscriberPlan { takes: transcription_takes, ..TranscriberPlan::new(Profile::OpenAi) };
    World::new(WebexPlan::ordinary(7, calls), transcriber).await
}

const IN_FLIGHT: &str = "SELECT count(*) FROM jobs WHERE kind = 'transcription' AND state = 'running'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_with_fifty_jobs_in_flight_loses_none_and_doubles_nothing() {
    let world = world(60, Duration::from_secs(4)).await;
    let store = world.database.store();
    let _scheduler = world.start(&["scheduler"]);
    let _first_stages = world.start(&["worker", "sync", "recordings"]);
    // all due before anyone takes them: on a busy machine they come more slowly than four seconds' work ends, and are never fifty at once
    let due = "SELECT count(*) FROM jobs WHERE kind = 'transcription' AND state = 'ready'";
    harness::eventually("fifty transcriptions are due", async || number(&store, due).await >= 50).await;
    let mut killed = world.start(&["worker", "transcribe", "--concurrency", "60"]);
    harness::eventually("fifty transcriptions are in flight", async || number(&store, IN_FLIGHT).await >= 50).await;
    killed.signal(Signal::SIGKILL);
    assert!(!killed.ended().await.success());
    let _rescuer = world.start(&["worker", "transcribe", "--concurrency", "50"]);
    let open = "SELECT count(*) FROM jobs WHERE open AND kind IN ('sync', 'recording', 'transcription')";
    harness::eventually("the dead worker's jobs are noticed", async || {
        number(&store, "SELECT count(*) FROM job_attempts WHERE outcome = 'lost'").await >= 50
    })
    .await;
    harness::eventually("everything is done", async || number(&store, open).await == 0).await;
    world.assert_as_the_truth_says().await;
    assert_eq!(number(&store, "SELECT count(*) FROM jobs WHERE state IN ('dead', 'cancelled')").await, 0);
    assert_eq!(
        number(&store, "SELECT coalesce(max(run), 0) FROM jobs WHERE kind = 'transcription'").await,
        2,
        "lost once, run twice, no more"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_hands_back_what_the_drain_did_not_finish_and_exits_well() {
    let world = world(3, Duration::from_secs(20)).await;
    let store = world.database.store();
    let mut scheduler = world.start(&["scheduler"]);
    let mut worker = world.start(&["worker", "all"]);
    harness::eventually("three transcriptions are in flight", async || number(&store, IN_FLIGHT).await == 3).await;
    // two of the three have all voices on one channel, or the same on both
    harness::eventually("each side of them is asked for", async || world.transcriber.requests().total() == 4).await;
    worker.signal(Signal::SIGTERM);
    scheduler.signal(Signal::SIGTERM);
    assert!(worker.ended().await.success());
    assert!(scheduler.ended().await.success());
    let back = "SELECT count(*) FROM jobs WHERE kind = 'transcription' AND state = 'ready' AND attempt = 0 AND reason = 'shut_down'";
    assert_eq!(number(&store, back).await, 3);
    assert_eq!(number(&store, "SELECT count(*) FROM call_transcripts WHERE status = 'pending'").await, 3);
    assert_eq!(world.transcriber.requests().total(), 4, "nothing was asked again");
    world.database.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn originals_go_for_their_muted_copies_though_every_worker_is_killed_once() {
    let world = world(12, Duration::from_millis(200)).await;
    let world = world.setting("REDACTION_PATTERNS", "thing=\\bthe\\b").setting("REDACTION_AUDIO", "deleted").setting("JOB_LEASE", "3s");
    let store = world.database.store();
    let _scheduler = world.start(&["scheduler"]);
    let roles = [&["worker", "sync", "recordings"][..], &["worker", "transcribe"], &["worker", "upkeep"]];
    let mut workers: Vec<_> = roles.iter().map(|role| world.start(role)).collect();
    let reached = [
        "SELECT count(*) FROM call_recordings WHERE object_key LIKE 'originals/%'",
        "SELECT count(*) FROM call_recordings WHERE muted_key IS NOT NULL",
        "SELECT count(*) FROM call_recordings WHERE object_key = muted_key",
    ];
    for ((place, role), sql) in roles.iter().enumerate().zip(reached) {
        harness::eventually(sql, async || number(&store, sql).await > 0).await;
        workers[place].signal(Signal::SIGKILL);
        workers[place].ended().await;
        workers[place] = world.start(role);
    }
    harness::eventually("every recording is its muted copy", async || {
        number(&store, "SELECT count(*) FROM call_recordings WHERE object_key = muted_key").await == 12
    })
    .await;
    let open = "SELECT count(*) FROM jobs WHERE open AND (kind IN ('recording', 'transcription') OR key LIKE '%/discard-%')";
    harness::eventually("nothing is open", async || number(&store, open).await == 0).await;
    let left: Vec<_> = world.objects().await.into_iter().filter(|key| !key.ends_with(".json")).collect();
    assert!(left.len() == 12 && left.iter().all(|key| key.contains(".muted-")), "{left:?}");
    assert_eq!(number(&store, "SELECT count(*) FROM deletions WHERE what = 'audio' AND deleted_at IS NOT NULL").await, 12);
}
