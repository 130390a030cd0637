//! What a page leaves behind.

use callscribe::domain::Window;
use chrono::TimeDelta;
use serde_json::json;

use super::{Scene, minutes, noon, tenant::Trouble};

#[tokio::test]
async fn every_page_becomes_calls_transcripts_and_jobs() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(25, noon() - minutes(10));
    scene.tenant.open("open", noon() - minutes(1));
    let ran = scene.live().await;
    ran.assert_done();
    assert_eq!(scene.count("call_interactions").await, 26);
    assert_eq!(scene.count("call_transcripts WHERE status = 'pending' AND provider = 'whisper'").await, 25);
    let jobs = "jobs WHERE kind = 'recording' AND key = session_id AND source = 'webex' AND priority = 0 AND transcript_id IS NOT NULL";
    assert_eq!(scene.count(jobs).await, 25);
    assert_eq!(ran.hints.len(), 25, "one hint per job, after the commit");
    assert_eq!(scene.watermark().await, Some(noon() - minutes(1)));
    scene.database.assert_consistent().await;
}

#[tokio::test]
async fn what_a_backfill_finds_waits_behind_fresh_calls_and_moves_no_watermark() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(5, noon() - TimeDelta::days(40));
    let window = Window::new(noon() - TimeDelta::days(41), noon() - TimeDelta::days(3)).unwrap();
    scene.backfill(window).await.assert_done();
    assert_eq!(scene.count("jobs WHERE kind = 'recording' AND priority = 10").await, 5);
    assert_eq!(scene.watermark().await, None);
}

#[tokio::test]
async fn reading_the_same_calls_again_changes_nothing() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(15, noon() - minutes(10));
    scene.live().await.assert_done();
    let rows = "SELECT jsonb_agg(jsonb_build_array(ctid, xmin::text) ORDER BY session_id) AS value FROM call_interactions";
    let before = scene.ask(rows).await;
    let again = scene.live().await;
    again.assert_done();
    assert!(again.hints.is_empty());
    assert_eq!(scene.ask(rows).await, before);
}

#[tokio::test]
async fn an_element_that_cannot_be_read_is_set_aside_and_the_page_stored() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(5, noon() - minutes(10));
    scene.tenant.trouble(1, Trouble::Unreadable);
    scene.live().await.assert_done();
    assert_eq!(scene.count("call_interactions").await, 5);
    let kept = scene.ask("SELECT to_jsonb(q) AS value FROM quarantined_payloads q").await;
    assert_eq!((&kept["payload"], &kept["error"]), (&json!({ "id": 7 }), &json!("`id` is not a text")));
}

#[tokio::test]
async fn a_possible_gap_is_remembered() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(5, noon() - minutes(10));
    scene.tenant.trouble(1, Trouble::Gap);
    scene.live().await.assert_done();
    let gaps = scene.ask("SELECT value FROM app_settings WHERE key = 'webex:org-1:gaps'").await;
    assert_eq!(gaps, json!([noon() - minutes(15)]));
}

#[tokio::test]
async fn a_call_of_the_far_future_does_not_end_the_sync() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(1, noon() - minutes(10));
    scene.tenant.trouble(1, Trouble::Stray(noon() + TimeDelta::days(9_000)));
    scene.live().await.assert_done();
    assert!(scene.watermark().await.unwrap() <= noon());
    assert_eq!(scene.count("call_interactions").await, 2, "what the vendor tells is stored, however odd");
}
