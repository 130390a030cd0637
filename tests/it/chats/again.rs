//! Conversations that the first look does not tell as they are: over without an end, told late, or going on after they were stored.

use std::time::Duration;

use callscribe::ledger::Outcome;
use callscribe_simulators::{
    When,
    webex::{CallSpec, Fault, WebexPlan},
};
use serde_json::json;

use super::worker::{Scene, chats};

const HOUR: Duration = Duration::from_hours(1);

/// A run that asks for conversations, and everything that comes of it.
async fn look(scene: &Scene) {
    scene.enqueue().await;
    scene.drain().await;
}

/// How often the file of any conversation was asked for.
fn reads(scene: &Scene) -> usize {
    scene.office.vendor.requests().matching(|request| request.path == "/v1/captures/query").len()
}

#[tokio::test]
async fn a_chat_that_is_over_without_an_end_is_found_by_its_beginning_a_day_later_and_stored_once() {
    let plan = WebexPlan::new(41, chats(2, 3));
    let endless = When::sessions([plan.session_id(0)]);
    let scene = Scene::of(plan.with(Fault::EndlessInactive, endless)).await;
    look(&scene).await;
    assert_eq!((scene.texts(0).await, scene.texts(1).await), (json!([]), scene.truth(1)), "its end would be asked for in vain");
    for hours in 1..=30_i64 {
        scene.office.vendor.clock().advance(HOUR);
        look(&scene).await;
        assert_eq!(scene.texts(0).await == scene.truth(0), hours >= 23, "after {hours} hours");
    }
    scene.office.vendor.clock().advance(HOUR * 24 * 7);
    look(&scene).await;
    assert_eq!(scene.count("chats WHERE ended_at IS NULL AND completed_at IS NOT NULL").await, 1);
    assert_eq!(scene.count("jobs WHERE session_id IS NOT NULL AND run = 1").await, 2, "each was read once, however often it was met");
}

#[tokio::test]
async fn a_chat_that_is_reopened_after_it_was_stored_is_read_again_once_when_it_is_over() {
    let again = CallSpec { reopened_after: Some(HOUR * 2), ..CallSpec::chat(HOUR, 3) };
    let scene = Scene::of(WebexPlan::new(42, vec![again, CallSpec::chat(HOUR * 2, 2)])).await;
    look(&scene).await;
    assert_eq!((scene.count("chat_messages").await, reads(&scene)), (5, 2));
    // 12:00 now; it goes on from 13:05 to 13:10
    scene.office.vendor.clock().advance(Duration::from_mins(67));
    look(&scene).await;
    assert_eq!((scene.count("chat_messages").await, reads(&scene)), (5, 2), "nothing is read while it goes on");
    let pass = async || {
        scene.office.vendor.clock().advance(Duration::from_mins(10));
        look(&scene).await;
    };
    pass().await;
    assert_eq!((scene.texts(1).await, reads(&scene)), (scene.truth(1), 3));
    assert_eq!(scene.texts(1).await.as_array().unwrap().len(), 4, "what was written then is there");
    for _ in 0..5 {
        pass().await;
    }
    scene.office.vendor.clock().advance(HOUR * 24);
    look(&scene).await;
    assert_eq!(reads(&scene), 3, "the same end makes no second reading");
    assert_eq!(scene.count("chat_states WHERE status = 'complete'").await, 2);
}

#[tokio::test]
async fn an_end_that_becomes_known_while_the_chat_is_read_is_read_up_to_afterwards() {
    let scene = Scene::of(WebexPlan::new(43, chats(1, 3))).await;
    scene.enqueue().await;
    let sync = scene.claim().await.unwrap();
    let outcome = scene.work(&sync).await;
    scene.finish(&sync, outcome).await;
    let reading = scene.claim().await.expect("the conversation is to be read");
    let outcome = scene.work(&reading).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    let later = "UPDATE chats SET ended_at = ended_at + interval '10 minutes' RETURNING to_jsonb(session_id) AS value";
    scene.ask(later).await;
    scene.finish(&reading, outcome).await;
    assert_eq!(scene.count("jobs WHERE session_id IS NOT NULL AND state = 'ready' AND attempt = 0").await, 1);
    scene.drain().await;
    assert_eq!(scene.count("jobs WHERE session_id IS NOT NULL AND state = 'done' AND run = 2").await, 1, "once more, and no oftener");
    assert_eq!(scene.texts(0).await, scene.truth(0));
}

#[tokio::test]
async fn a_chat_that_was_given_up_for_want_of_a_file_gets_another_chance_when_it_goes_on() {
    let again = CallSpec { reopened_after: Some(HOUR), transcript_after: Some(HOUR), ..CallSpec::chat(HOUR, 2) };
    let scene = Scene::of(WebexPlan::new(44, vec![again])).await;
    scene.enqueue().await;
    let sync = scene.claim().await.unwrap();
    let outcome = scene.work(&sync).await;
    scene.finish(&sync, outcome).await;
    let given_up = "UPDATE jobs SET state = 'dead', reason = 'no_transcript', finished_at = now(), checkpoint = jsonb_build_object('ended_at', chats.ended_at)
                    FROM chats WHERE jobs.key = chats.session_id RETURNING to_jsonb(jobs.id) AS value";
    scene.ask(given_up).await;
    look(&scene).await;
    assert_eq!(scene.count("jobs WHERE state = 'dead'").await, 1, "the same end changes nothing");
    scene.office.vendor.clock().advance(HOUR);
    look(&scene).await;
    assert_eq!(scene.texts(0).await, scene.truth(0));
    assert_eq!(scene.count("chat_states WHERE status = 'complete'").await, 1);
}
