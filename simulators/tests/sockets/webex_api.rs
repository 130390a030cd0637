//! Webex as it should be: tasks, paging, captures and downloads.

use std::time::Duration;

use callscribe_simulators::SimulatedClock;
use callscribe_simulators::webex::{CallSpec, Expected, Fault, WebexPlan};
use callscribe_simulators::{When, webex::Calls};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::client::{Caller, ids};

#[tokio::test]
async fn every_call_is_listed_as_the_truth_says() {
    let caller = Caller::of(WebexPlan::demo(1, 25)).await;
    let (status, body) = caller.day().await;
    assert_eq!(status, 200);
    assert_eq!(body["meta"]["orgId"], json!(caller.webex.org_id()));
    let truth = caller.webex.truth();
    assert_eq!(ids(&body), truth.iter().map(|call| call.session_id.to_string()).collect::<Vec<_>>());
    for (task, call) in body["data"].as_array().unwrap().iter().zip(&truth) {
        let told = &task["attributes"];
        assert_eq!(told["createdTime"], json!(call.start_time.timestamp_millis()));
        assert_eq!(told["lastUpdatedTime"], json!(call.end_time.unwrap().timestamp_millis()));
        assert_eq!(told["owner"]["id"].as_str(), call.agent_id.as_deref());
        assert_eq!(told["queue"]["name"].as_str(), call.queue_name.as_deref());
        assert_eq!(told["origin"], json!(call.ani));
        assert_eq!(told["captureRequested"], json!(call.capture_requested));
    }
    let outcome = |wanted: &str| truth.iter().filter(|call| call.expected.word() == wanted).count();
    assert_eq!((outcome("stored"), outcome("not_requested"), outcome("no_recording")), (23, 1, 1));
}

#[tokio::test]
async fn every_recording_of_the_truth_can_be_fetched_byte_for_byte() {
    let caller = Caller::of(WebexPlan::ordinary(2, 6)).await;
    for (number, call) in (0..).zip(caller.webex.truth()) {
        assert_eq!(call.expected, Expected::Stored);
        let answer = caller.download(number).await;
        assert_eq!(answer.content_length(), call.size_bytes());
        let bytes = answer.bytes().await.unwrap();
        assert_eq!(Some(hex::encode(Sha256::digest(&bytes))), call.sha256());
        assert!(call.words().len() >= 6, "{}", call.text());
    }
    assert_eq!(caller.webex.requests().count(|each| each.path.starts_with("/recordings/") && each.had_authorization), 0);
    assert_eq!(caller.webex.requests().to("/recordings/"), 6);
}

#[tokio::test]
async fn pages_follow_one_another_by_created_time_alone() {
    for inclusive in [false, true] {
        let mut plan = WebexPlan::ordinary(3, 7);
        if inclusive {
            plan = plan.with(Fault::BoundaryInclusive, When::Always);
        }
        let caller = Caller::of(plan).await;
        let all = ids(&caller.day().await.1);
        let third = caller.webex.truth()[2].start_time.timestamp_millis();
        let (_, from_third) = caller.tasks(&format!("from={third}&pageSize=2")).await;
        assert_eq!(ids(&from_third), all[if inclusive { 2..4 } else { 3..5 }]);
        let (_, to_third) = caller.tasks(&format!("from={}&to={third}", third - 86_400_000)).await;
        assert_eq!(ids(&to_third), all[..if inclusive { 3 } else { 2 }]);
        assert_eq!(from_third.get("links"), None);
    }
}

#[tokio::test]
async fn a_page_has_a_hundred_calls_unless_told_and_a_thousand_at_most() {
    let caller = Caller::of(WebexPlan::bench(10_000)).await;
    let from = caller.now() - 20_000_000;
    for (size, status, length) in [("", 200, 100), ("&pageSize=1000", 200, 1_000), ("&pageSize=1001", 400, 0), ("&pageSize=0", 400, 0)] {
        let (answered, body) = caller.tasks(&format!("from={from}{size}")).await;
        assert_eq!((answered, body["data"].as_array().map_or(0, Vec::len)), (status, length), "{size}");
    }
    let (mut from, mut seen) = (from, 0);
    loop {
        let (_, body) = caller.tasks(&format!("from={from}&pageSize=1000")).await;
        let page = body["data"].as_array().unwrap();
        seen += page.len();
        let Some(last) = page.last() else { break };
        from = last["attributes"]["createdTime"].as_i64().unwrap();
    }
    assert_eq!(seen, 10_000);
}

#[tokio::test]
async fn a_window_that_webex_does_not_take_is_refused() {
    let caller = Caller::of(WebexPlan::ordinary(3, 1)).await;
    let now = caller.now();
    let day = 86_400_000;
    for query in [
        String::new(),
        format!("from={}", now / 1_000),
        format!("from={}", now - 370 * day),
        format!("from={}", now - 200 * day),
        format!("from={}&to={}", now - day, now + 60_000),
        "from=yesterday".to_owned(),
    ] {
        let (status, body) = caller.tasks(&query).await;
        assert_eq!(status, 400, "{query}");
        assert_eq!(body["error"]["key"], json!("400"));
        assert!(body["error"]["message"][0]["description"].is_string() && body["trackingId"].is_string(), "{body}");
    }
    assert_eq!(caller.tasks(&format!("from={}", now - 180 * day)).await.0, 200);
    let (status, _) = caller.tasks(&format!("from={}&orgId=99999999-0000-4000-8000-000000000000", now - day)).await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn a_call_opens_and_closes_with_the_clock() {
    let mut plan = WebexPlan::new(5, vec![CallSpec::ago(Duration::ZERO).speaking(Duration::from_mins(2))]);
    plan.clock = SimulatedClock::standing(chrono::DateTime::from_timestamp(1_780_000_000, 0).unwrap());
    plan.clock.advance(Duration::from_secs(1));
    let Calls::Listed(calls) = &mut plan.calls else { unreachable!() };
    calls[0].begins += chrono::TimeDelta::seconds(10);
    calls[0].touched_after = Some(Duration::from_hours(3));
    let caller = Caller::of(plan).await;
    let mut seen = Vec::new();
    for wait in [0, 10_100, 900, 10_000, 150_000, 4 * 3_600_000] {
        caller.webex.clock().advance(Duration::from_millis(wait));
        let told = caller.day().await.1["data"][0]["attributes"].clone();
        seen.push((told["status"].as_str().unwrap_or("-").to_owned(), told["owner"].is_object(), told["captureRequested"].clone()));
    }
    let open = |status: &str, owner| (status.to_owned(), owner, json!(null));
    let closed = ("completed".to_owned(), true, json!(true));
    assert_eq!(seen, [open("-", false), open("created", false), open("queued", false), open("assigned", true), closed.clone(), closed]);
    let truth = caller.webex.truth_at(0).unwrap();
    assert_eq!(truth.duration_seconds, Some(120 + 3 * 3_600), "touched again after the end");
}

#[tokio::test]
async fn captures_take_ten_distinct_ids_and_up_to_an_hour() {
    let caller = Caller::of(WebexPlan::ordinary(6, 12)).await;
    let (org, ids) = (caller.webex.org_id(), (0..12).map(|number| caller.webex.session_id(number)).collect::<Vec<_>>());
    for (query, wanted) in [
        (json!({"orgId": org, "taskIds": ids[..10]}), 200),
        (json!({"orgId": org, "taskIds": ids[..11]}), 400),
        (json!({"orgId": org, "taskIds": [ids[0], ids[0]]}), 400),
        (json!({"orgId": org, "taskIds": []}), 400),
        (json!({"orgId": org, "taskIds": ["seven"]}), 400),
        (json!({"orgId": org, "taskIds": [ids[0]], "urlExpiration": 0}), 400),
        (json!({"orgId": org, "taskIds": [ids[0]], "urlExpiration": 61}), 400),
        (json!({"orgId": org}), 400),
    ] {
        let (status, body) = caller.captures(query.clone()).await;
        assert_eq!(status, wanted, "{query} {body}");
    }
    assert!(caller.recordings(org).await.is_empty(), "an unknown id is a 200 with nothing in it");
    let plain = caller.recordings(ids[0]).await;
    assert_eq!((&plain[0]["id"], &plain[0]["attributes"]["callType"]), (&json!(ids[0]), &json!("main")));
}
