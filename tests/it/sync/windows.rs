//! Which windows are asked for.

use callscribe::domain::Window;
use chrono::TimeDelta;
use serde_json::json;

use super::{Scene, minutes, noon, tenant::Trouble};

#[tokio::test]
async fn a_call_told_late_is_found_within_the_overlap() {
    let scene = Scene::new().await;
    scene.tenant.closed("early", noon() - minutes(2));
    scene.live().await.assert_done();
    scene.clock.advance(minutes(10));
    scene.tenant.closed("late", noon() - minutes(12));
    scene.live().await.assert_done();
    assert_eq!(scene.count("call_interactions WHERE session_id = 'late'").await, 1);
}

#[tokio::test]
async fn a_call_that_was_open_is_asked_for_until_it_is_over() {
    let scene = Scene::new().await;
    let began = noon() - minutes(2);
    scene.tenant.open("long", began);
    scene.live().await.assert_done();
    scene.clock.advance(TimeDelta::hours(3));
    scene.tenant.closed("fresh", noon() + TimeDelta::hours(2));
    scene.live().await.assert_done();
    scene.tenant.closed("long", began);
    scene.clock.advance(minutes(10));
    let ran = scene.live().await;
    ran.assert_done();
    assert_eq!(ran.hints.len(), 1, "its recording is asked for now");
    let row = scene.ask("SELECT to_jsonb(c) AS value FROM call_interactions c WHERE session_id = 'long'").await;
    assert_eq!((&row["closed"], &row["end_time"]), (&json!(true), &json!("2026-03-02T12:01:00+00:00")));
    assert_eq!(scene.count("call_interactions").await, 2);
    let asked = scene.tenant.asked();
    let around = asked.last().unwrap();
    assert!(around.to - around.from <= TimeDelta::milliseconds(2), "a small window for one call: {around:?}");
    scene.clock.advance(minutes(10));
    scene.live().await.assert_done();
    assert_eq!(scene.tenant.asked().len(), asked.len() + 1, "nothing is open any more");
}

#[tokio::test]
async fn a_call_open_for_more_than_a_day_is_left_alone() {
    let scene = Scene::new().await;
    scene.tenant.open("forgotten", noon() - minutes(2));
    scene.live().await.assert_done();
    scene.clock.advance(TimeDelta::hours(25));
    scene.tenant.closed("fresh", noon() + TimeDelta::hours(24));
    scene.live().await.assert_done();
    scene.clock.advance(minutes(10));
    let before = scene.tenant.asked().len();
    scene.live().await.assert_done();
    assert_eq!(scene.tenant.asked().len(), before + 1);
}

#[tokio::test]
async fn a_window_too_wide_for_the_vendor_is_halved_until_it_fits() {
    let scene = Scene::new().await;
    for day in 0..30 {
        scene.tenant.closed(&format!("day-{day}"), noon() - TimeDelta::days(day + 1));
    }
    scene.tenant.answers_at_most(TimeDelta::days(2));
    let window = Window::new(noon() - TimeDelta::days(31), noon() - TimeDelta::hours(1)).unwrap();
    scene.backfill(window).await.assert_done();
    assert_eq!(scene.count("call_interactions").await, 30);
}

#[tokio::test]
async fn a_year_is_asked_for_in_months() {
    let scene = Scene::new().await;
    let window = Window::new(noon() - TimeDelta::days(500), noon()).unwrap();
    scene.backfill(window).await.assert_done();
    let asked = scene.tenant.asked();
    assert_eq!(asked.len(), 12);
    assert!(asked.iter().all(|piece| piece.to - piece.from <= TimeDelta::days(31)));
    assert_eq!(asked[0].from, noon() - TimeDelta::days(364), "the vendor tells no older calls");
    assert!(asked.windows(2).all(|pair| pair[0].to == pair[1].from));
}

#[tokio::test]
async fn quiet_hours_before_the_first_call_leave_no_hole() {
    let scene = Scene::new().await;
    scene.live().await.assert_done();
    scene.clock.advance(TimeDelta::hours(8));
    scene.tenant.closed("at-night", noon() + TimeDelta::hours(1));
    scene.live().await.assert_done();
    assert_eq!(scene.count("call_interactions").await, 1);
}

#[tokio::test]
async fn a_long_window_gives_way_and_goes_on_from_its_checkpoint() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(35, noon() - minutes(10));
    for request in 1..=2 {
        scene.tenant.trouble(request, Trouble::Slow(minutes(6)));
    }
    scene.enqueue(callscribe::schedule::SyncPayload::Live, 0).await;
    let job = scene.claim().await;
    assert_eq!(scene.run(&job).await.reason(), callscribe::domain::Reason::Unfinished);
    assert_eq!(scene.count("call_interactions").await, 20, "two pages were stored");
    scene.lose(&job).await;
    scene.run(&scene.claim().await).await.assert_done();
    assert_eq!(scene.count("call_interactions").await, 35);
    assert_eq!(scene.tenant.asked().len(), 4, "no page is read twice");
}
