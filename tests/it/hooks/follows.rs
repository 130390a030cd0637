//! What follows from an event: recordings hurried, syncs asked for and shared, and nothing done twice or too early.

use super::*;

const WAITS: &str = "run_at, reason, put_off, run, lease_id, started_at";
const JOB: &str = "SELECT count(*) AS number FROM jobs WHERE kind = 'recording' AND state = 'ready' AND run_at <= now()";

fn waiting_for(reason: &str) -> String {
    format!("now() + interval '2 hours', '{reason}', 3, 3, 1, now() - interval '1 minute'")
}

#[tokio::test]
async fn a_recording_that_waits_is_due_at_once_and_no_attempt_is_spent() {
    let scene = Scene::new().await;
    scene.recording("s-1", "ready", WAITS, &waiting_for("recording_not_ready")).await;
    assert_eq!(scene.number(JOB).await, 0);
    assert_eq!(scene.send(&available("e-1", "s-1")).await, StatusCode::OK);
    assert_eq!(scene.number(JOB).await, 1);
    assert!(scene.outcome_of("e-1", "hurried").await);
    assert_eq!(scene.number("SELECT attempt::bigint AS number FROM jobs").await, 0);
    assert_eq!(scene.number("SELECT count(*) AS number FROM jobs WHERE kind = 'sync'").await, 0, "nobody needs to be asked for the call");
    // the same told again under another id, as for a second recording of the call
    assert_eq!(scene.send(&available("e-2", "s-1")).await, StatusCode::OK);
    assert!(scene.outcome_of("e-2", "nothing_to_do").await);
}

#[tokio::test]
async fn a_vendors_wait_and_a_back_off_are_never_cut_short() {
    let scene = Scene::new().await;
    for reason in ["rate_limited", "budget_spent", "login_needed", "vendor_unavailable"] {
        scene.recording(reason, "ready", WAITS, &waiting_for(reason)).await;
        assert_eq!(scene.send(&available(reason, reason)).await, StatusCode::OK);
        assert!(scene.outcome_of(reason, "nothing_to_do").await, "{reason}");
    }
    assert_eq!(scene.number(JOB).await, 0);
}

#[tokio::test]
async fn events_without_end_do_not_use_up_the_patience_of_a_recording() {
    let scene = Scene::new().await;
    scene.recording("s-1", "ready", WAITS, &waiting_for("recording_not_ready")).await;
    for number in 0..10 {
        assert_eq!(scene.send(&available(&format!("e-{number}"), "s-1")).await, StatusCode::OK);
        scene.run("UPDATE jobs SET run_at = now() + interval '2 hours'").await;
    }
    assert_eq!(scene.number("SELECT count(*) AS number FROM webhook_events WHERE outcome = 'hurried'").await, 3);
    assert_eq!(scene.number("SELECT count(*) AS number FROM webhook_events WHERE outcome = 'left_to_polling'").await, 7);
}

#[tokio::test]
async fn a_recording_given_up_as_never_made_is_asked_for_again_when_it_is_there_after_all() {
    let scene = Scene::new().await;
    for (session, reason) in [("s-1", "no_recording"), ("s-2", "recording_too_large")] {
        scene.recording(session, "dead", "finished_at, reason, attempt, run", &format!("now(), '{reason}', 2, 5")).await;
        scene
            .run(&format!(
                "UPDATE call_transcripts SET status = 'error', error_code = '{reason}' WHERE session_id = '{session}';
                 UPDATE call_interactions SET transcript_status = 'error' WHERE session_id = '{session}'"
            ))
            .await;
        assert_eq!(scene.send(&available(session, session)).await, StatusCode::OK);
    }
    assert!(scene.outcome_of("s-1", "reopened").await && scene.outcome_of("s-2", "nothing_to_do").await);
    let reopened = "SELECT count(*) AS number FROM jobs JOIN call_transcripts t ON t.id = jobs.transcript_id
                    WHERE key = 's-1' AND state = 'ready' AND attempt = 0 AND reason IS NULL AND t.status = 'pending'";
    assert_eq!(scene.number(reopened).await, 1);
    scene.database.assert_consistent().await;
}

#[tokio::test]
async fn a_recording_told_long_after_the_job_was_done_is_another_one_and_looked_for_only_so_often() {
    let scene = Scene::new().await;
    for (session, ago) in [("s-1", "1 hour"), ("s-2", "1 minute")] {
        scene.recording(session, "done", "finished_at", &format!("now() - interval '{ago}'")).await;
        scene.run("UPDATE call_transcripts SET status = 'error', error_code = 'low_coverage' WHERE session_id = 's-1'").await;
        scene.run("UPDATE call_interactions SET transcript_status = 'error' WHERE session_id = 's-1'").await;
        assert_eq!(scene.send(&available(session, session)).await, StatusCode::OK);
    }
    assert!(scene.outcome_of("s-1", "reopened").await && scene.outcome_of("s-2", "nothing_to_do").await);
    assert_eq!(scene.number("SELECT count(*) AS number FROM jobs WHERE state = 'ready' AND attempt = 0").await, 1);
    assert_eq!(scene.number("SELECT count(*) AS number FROM call_transcripts WHERE status = 'error'").await, 1, "its own end is its own");
    for number in 0..5 {
        scene.run("UPDATE jobs SET state = 'done', finished_at = now() - interval '1 hour' WHERE key = 's-1'").await;
        assert_eq!(scene.send(&available(&format!("e-{number}"), "s-1")).await, StatusCode::OK);
    }
    assert_eq!(scene.number("SELECT count(*) AS number FROM webhook_events WHERE outcome = 'reopened'").await, 3);
    assert_eq!(scene.number("SELECT count(*) AS number FROM jobs WHERE state = 'ready'").await, 0, "the rest is left to polling");
}

#[tokio::test]
async fn a_call_that_nobody_knows_is_asked_for_at_once_and_many_events_share_one_sync() {
    let scene = Scene::new().await;
    let sent: Vec<_> = (0..40).map(|number| available(&format!("e-{number}"), &format!("s-{number}"))).collect();
    let answers = futures_util::future::join_all(sent.iter().map(|event| scene.send(event))).await;
    assert!(answers.iter().all(StatusCode::is_success), "{answers:?}");
    assert_eq!(scene.number("SELECT count(*) AS number FROM jobs WHERE kind = 'sync' AND run_at <= now()").await, 1);
    assert_eq!(scene.number("SELECT count(*) AS number FROM webhook_events").await, 40);
    let (stop, scheduler) = scheduler(&scene.database, harness::hints().await, settings());
    let settled = "SELECT count(*) AS number FROM webhook_events WHERE outcome = 'sync_asked' AND job_id = (SELECT id FROM jobs)";
    harness::eventually("those that came in the same moment are settled as well", async || scene.number(settled).await == 40).await;
    stop.cancel();
    scheduler.await.unwrap();
}

#[tokio::test]
async fn an_event_that_comes_while_a_sync_runs_is_served_by_the_next_and_not_before_its_time() {
    let scene = Scene::new().await;
    assert_eq!(scene.send(&available("e-1", "s-1")).await, StatusCode::OK);
    scene.run("UPDATE jobs SET state = 'running', lease_id = 1, started_at = now(), run = 1, attempt = 1").await;
    assert_eq!(scene.send(&available("e-2", "s-2")).await, StatusCode::OK);
    assert_eq!(
        scene.number("SELECT count(*) AS number FROM webhook_events WHERE outcome IS NULL").await,
        1,
        "the run may have asked before"
    );
    scene.run("UPDATE jobs SET state = 'done', finished_at = now()").await;
    let (stop, scheduler) = scheduler(&scene.database, harness::hints().await, settings());
    harness::eventually("the event is settled", async || scene.outcome_of("e-2", "sync_asked").await).await;
    let later = "SELECT count(*) AS number FROM jobs WHERE kind = 'sync' AND state = 'ready' AND run_at > now()";
    assert_eq!(scene.number(later).await, 1, "not within `WEBEX_CC_WEBHOOK_SYNC_EVERY` of the run before");
    assert_eq!(scene.send(&available("e-3", "s-3")).await, StatusCode::OK);
    assert!(scene.outcome_of("e-3", "sync_asked").await, "shared with the one that waits");
    assert_eq!(scene.number("SELECT count(*) AS number FROM jobs").await, 2);
    stop.cancel();
    scheduler.await.unwrap();
}

#[tokio::test]
async fn a_sync_that_stopped_half_way_does_not_count_as_one_to_come() {
    let scene = Scene::new().await;
    scene
        .run(
            "INSERT INTO jobs (kind, key, max_attempts, source, payload, checkpoint, run_at)
              VALUES ('sync', 'webex/tick/x', 20, 'webex', '{\"mode\": \"live\"}', '{}', now() + interval '1 minute')",
        )
        .await;
    assert_eq!(scene.send(&available("e-1", "s-1")).await, StatusCode::OK);
    assert_eq!(scene.number("SELECT count(*) AS number FROM webhook_events WHERE outcome IS NULL").await, 1, "its window ended before");
    assert_eq!(scene.number("SELECT count(*) AS number FROM jobs").await, 1, "live runs never stack");
    harness::travel(&scene.store, Duration::from_hours(3)).await;
    let (stop, scheduler) = scheduler(&scene.database, harness::hints().await, settings());
    harness::eventually("nobody waits for ever", async || scene.outcome_of("e-1", "left_to_polling").await).await;
    stop.cancel();
    scheduler.await.unwrap();
}

#[tokio::test]
async fn a_recording_that_is_just_being_asked_for_is_hurried_once_it_says_that_it_must_wait() {
    let scene = Scene::new().await;
    scene.recording("s-1", "running", "lease_id, started_at, run, attempt", "1, now(), 1, 1").await;
    assert_eq!(scene.send(&available("e-1", "s-1")).await, StatusCode::OK);
    assert_eq!(scene.number("SELECT count(*) AS number FROM webhook_events WHERE outcome IS NULL").await, 1);
    scene
        .run("UPDATE jobs SET state = 'ready', attempt = 0, put_off = 1, reason = 'recording_not_ready', run_at = now() + interval '1 day'")
        .await;
    let (stop, scheduler) = scheduler(&scene.database, harness::hints().await, settings());
    harness::eventually("the event is settled", async || scene.outcome_of("e-1", "hurried").await).await;
    assert_eq!(scene.number(JOB).await, 1);
    stop.cancel();
    scheduler.await.unwrap();
}

#[tokio::test]
async fn several_ends_of_a_call_and_an_end_that_is_known_do_no_harm() {
    let scene = Scene::new().await;
    scene.recording("s-1", "ready", WAITS, &waiting_for("recording_not_ready")).await;
    for number in 0..3 {
        let ended = |session: &str| event(&format!("{session}-{number}"), "task:ended", session, TimeDelta::zero());
        assert_eq!(scene.send(&ended("s-1")).await, StatusCode::OK);
        assert!(scene.outcome_of(&format!("s-1-{number}"), "nothing_to_do").await, "the call has ended, its recording waits");
        assert_eq!(scene.send(&ended("unknown")).await, StatusCode::OK);
    }
    assert_eq!(scene.number(JOB).await, 0);
    assert_eq!(scene.number("SELECT count(*) AS number FROM jobs WHERE kind = 'sync'").await, 1);
}

#[tokio::test]
async fn events_are_forgotten_after_the_time_set() {
    let scene = Scene::new().await;
    assert_eq!(scene.send(&available("old", "s-1")).await, StatusCode::OK);
    harness::travel(&scene.store, Duration::from_hours(31 * 24)).await;
    assert_eq!(scene.send(&available("new", "s-1")).await, StatusCode::OK);
    let (stop, scheduler) = scheduler(&scene.database, harness::hints().await, settings());
    harness::eventually("the old event is gone", async || scene.number("SELECT count(*) AS number FROM webhook_events").await == 1).await;
    stop.cancel();
    scheduler.await.unwrap();
    assert_eq!(scene.number("SELECT count(*) AS number FROM webhook_events WHERE event_id = 'new'").await, 1);
}
