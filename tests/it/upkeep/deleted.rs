//! Calls whose rows were deleted while their jobs stayed, and that the vendor still lists.

use std::time::Duration;

use callscribe::{
    domain::{Repair, SessionId, Window},
    store::holds::hold_call,
};
use chrono::TimeDelta;
use serde_json::json;

use super::reconcile::{copies_work, execute, gap, gaps, reconcile, sync_works, today, whole};
use crate::sync::{Scene, noon};

/// The calls are gone, and all that was made of them with them.
async fn delete(scene: &Scene) {
    execute(scene, &["DELETE FROM call_interactions WHERE session_id IN ('call-3', 'call-4')"]).await;
    assert_eq!(scene.count("call_recordings WHERE session_id = 'call-3'").await, 0);
    assert_eq!(scene.count("jobs WHERE session_id = 'call-3' AND state = 'done'").await, 2, "its jobs stayed");
}

async fn open_jobs(scene: &Scene) -> serde_json::Value {
    let open =
        "SELECT coalesce(jsonb_agg(kind || ' ' || coalesce(session_id, '') ORDER BY kind, session_id), '[]') AS value FROM jobs WHERE open";
    scene.ask(open).await
}

async fn assert_whole_again(scene: &Scene) {
    assert_eq!(open_jobs(scene).await, json!([]));
    let day = reconcile(scene, today(Repair::Everything)).await;
    assert_eq!((day.calls_listed, day.recordings_stored, day.transcripts_complete, day.missing()), (25, 25, 25, 0), "{day:?}");
    assert_eq!((open_jobs(scene).await, gaps(scene).await), (json!([]), vec![]), "and nothing is made a second time");
    assert_eq!(scene.count("call_transcripts WHERE version > 1").await, 0);
    scene.database.assert_consistent().await;
}

#[tokio::test]
async fn a_call_that_was_deleted_and_is_brought_back_gets_its_recording_and_transcript_once() {
    let scene = whole().await;
    delete(&scene).await;
    reconcile(&scene, today(Repair::Everything)).await;
    assert_eq!(gaps(&scene).await, vec![gap("calls", "call-3", "not_held"), gap("calls", "call-4", "not_held")]);
    sync_works(&scene).await;
    assert_eq!(open_jobs(&scene).await, json!(["recording call-3", "recording call-4"]), "the jobs of its former life run again");
    copies_work(&scene).await;
    assert_whole_again(&scene).await;
}

#[tokio::test]
async fn a_call_that_was_brought_back_without_its_work_is_completed_by_one_repair() {
    let scene = whole().await;
    delete(&scene).await;
    reconcile(&scene, today(Repair::Calls)).await;
    sync_works(&scene).await;
    // as an older version left it
    execute(&scene, &["UPDATE jobs SET state = 'done', finished_at = now() WHERE kind = 'recording' AND open"]).await;
    reconcile(&scene, today(Repair::Everything)).await;
    assert_eq!(gaps(&scene).await, vec![gap("recordings", "call-3", "lost"), gap("recordings", "call-4", "lost")]);
    assert_eq!(open_jobs(&scene).await, json!(["recording call-3", "recording call-4"]));
    copies_work(&scene).await;
    assert_whole_again(&scene).await;
}

#[tokio::test]
async fn a_call_that_is_kept_no_longer_is_neither_missed_nor_brought_back_unless_it_is_held() {
    let mut scene = whole().await;
    delete(&scene).await;
    scene.retention.metadata.others = Some(Duration::from_hours(1));
    let day = reconcile(&scene, today(Repair::Everything)).await;
    assert_eq!(
        (day.calls_listed, day.recordings_stored, day.missing()),
        (23, 23, 0),
        "those that are there are told until they go: {day:?}"
    );
    assert_eq!((open_jobs(&scene).await, gaps(&scene).await), (json!([]), vec![]));
    let window = Window::new(noon() - TimeDelta::hours(12), noon()).unwrap();
    scene.backfill(window).await.assert_done();
    assert_eq!((scene.count("call_interactions").await, scene.count("jobs WHERE open AND kind = 'recording'").await), (23, 0));
    let call = SessionId::parse("call-3").unwrap();
    hold_call(&mut scene.store.connection().await.unwrap(), &call, "ada@here", "litigation").await.unwrap();
    scene.backfill(window).await.assert_done();
    assert_eq!(scene.count("call_interactions WHERE session_id = 'call-3'").await, 1);
    assert_eq!(scene.count("call_interactions").await, 24);
}
