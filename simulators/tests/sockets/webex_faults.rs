//! Every fault of Webex's API: tokens, tasks, captures and the platform.

use std::time::Duration;

use callscribe_simulators::webex::{CallSpec, Endpoint, ErrorBody, Fault, GrantError, RetryAfter, Webex, WebexPlan};
use callscribe_simulators::{SimulatedClock, When};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::client::{Caller, http, ids};

async fn with(fault: Fault, when: When) -> Caller {
    Caller::of(WebexPlan::ordinary(8, 5).with(fault, when)).await
}

async fn attributes(fault: Fault) -> Value {
    with(fault, When::Always).await.day().await.1["data"][0]["attributes"].clone()
}

#[tokio::test]
async fn an_expired_token_is_refused_until_it_is_refreshed() {
    for (fault, status) in [(Fault::ExpiredAccess401, 401), (Fault::ExpiredAccess403, 403)] {
        let mut caller = with(fault, When::Nth(1)).await;
        assert_eq!(caller.day().await.0, status);
        assert_eq!(caller.day().await.0, status, "the old token stays dead");
        caller.log_in().await;
        assert_eq!(caller.day().await.0, 200);
    }
    let mut caller = with(Fault::ScopeMissing403, When::Always).await;
    caller.log_in().await;
    assert_eq!(caller.day().await.0, 403, "a refresh does not help");
}

#[tokio::test]
async fn refresh_tokens_rotate_stay_or_count_down() {
    let caller = with(Fault::RefreshRotates { old_dies_after: Duration::ZERO }, When::Always).await;
    let old = &caller.webex.credentials().refresh_token;
    assert_eq!(caller.refresh(old).await.0, 400, "the log-in of the test used it up");

    let race = WebexPlan::ordinary(8, 1).with(Fault::RefreshRotates { old_dies_after: Duration::ZERO }, When::Always);
    let race = Caller { webex: Webex::start(race).await.unwrap(), http: http(), token: String::new() };
    let both = tokio::join!(race.refresh(old), race.refresh(old));
    assert_eq!(both.0.0 + both.1.0, 600, "one of two parallel refreshes is refused");

    let patient = with(Fault::RefreshRotates { old_dies_after: Duration::from_mins(5) }, When::Always).await;
    let (status, body) = patient.refresh(old).await;
    assert_eq!(status, 200);
    let new = body["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(&new, old);
    patient.webex.clock().advance(Duration::from_mins(6));
    assert_eq!((patient.refresh(old).await.0, patient.refresh(&new).await.0), (400, 200));

    let absent = with(Fault::RefreshAbsent, When::Always).await.refresh(old).await.1;
    assert_eq!((absent.get("refresh_token"), absent["expires_in"].as_i64()), (None, Some(1_209_599)));

    let counting = with(Fault::RefreshCountsDown, When::Always).await;
    counting.webex.clock().advance(Duration::from_hours(24));
    assert!(counting.refresh(old).await.1["refresh_token_expires_in"].as_i64().unwrap() <= 7_775_999 - 86_400);
}

#[tokio::test]
async fn a_dead_grant_is_told_in_either_shape() {
    let old = "simulated-refresh-8";
    let (status, body) = with(Fault::InvalidGrant(GrantError::Platform), When::Always).await.refresh(old).await;
    assert_eq!((status, body["errors"][0]["description"].is_string(), body["trackingId"].is_string()), (400, true, true));
    let (status, body) = with(Fault::InvalidGrant(GrantError::Rfc), When::Always).await.refresh(old).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
}

#[tokio::test]
async fn a_page_may_show_calls_as_nobody_promised() {
    assert_eq!(attributes(Fault::MissingFields).await.get("owner"), None);
    assert_eq!(attributes(Fault::NullFields).await["owner"], Value::Null);
    assert_eq!(attributes(Fault::UnknownWords).await["status"], json!("reimagined"));
    assert!(attributes(Fault::ExtraFields).await["sentiment"].is_object());
    let stale = attributes(Fault::StaleRead).await;
    assert_eq!((&stale["status"], &stale["captureRequested"]), (&json!("assigned"), &Value::Null));
    assert!(stale["lastUpdatedTime"].as_i64() > stale["createdTime"].as_i64());

    let wrong = with(Fault::WrongShapeItems, When::Always).await.day().await.1;
    assert!(wrong.get("data").is_none() && wrong["items"].is_array());
    assert_ne!(with(Fault::WrongOrg, When::Always).await.day().await.1["meta"]["orgId"], wrong["meta"]["orgId"]);
    let chats = with(Fault::NonTelephony, When::Always).await.day().await.1;
    assert!(chats["data"].as_array().unwrap().iter().any(|task| task["attributes"]["channelType"] == "chat"));
    let malformed = with(Fault::MalformedElement, When::Always).await.day().await.1;
    assert!(malformed["data"].as_array().unwrap().iter().any(|task| task["id"].is_number()));
}

#[tokio::test]
async fn calls_come_twice_late_or_all_at_once() {
    let caller = with(Fault::DuplicateAcrossPages, When::Always).await;
    let truth = caller.webex.truth();
    let (_, page) = caller.tasks(&format!("from={}", truth[2].start_time.timestamp_millis())).await;
    assert_eq!(ids(&page)[0], truth[2].session_id.to_string());

    let late = WebexPlan::ordinary(8, 5);
    let id = late.session_id(4);
    let late = Caller::of(late.with(Fault::LateArrival { by: Duration::from_mins(20) }, When::sessions([id]))).await;
    assert!(!ids(&late.day().await.1).contains(&id.to_string()));
    late.webex.clock().advance(Duration::from_mins(20));
    assert_eq!(ids(&late.day().await.1)[4], id.to_string());

    let burst = with(Fault::SameMillisecondBurst { first: 1, count: 3 }, When::Always).await;
    let page = burst.day().await.1;
    let created = |number: usize| page["data"][number]["attributes"]["createdTime"].as_i64();
    assert!(created(1) == created(2) && created(2) == created(3) && created(3) < created(4) && created(0) < created(1));
}

#[tokio::test]
async fn windows_too_wide_or_in_the_future_are_answered_as_switched() {
    let caller = with(Fault::TooWide413 { longest: Duration::from_hours(1) }, When::Always).await;
    assert_eq!(caller.day().await.0, 413);
    assert_eq!(caller.tasks(&format!("from={}", caller.now() - 3_000_000)).await.0, 200);
    let small = with(Fault::PageTooLarge413 { largest: 50 }, When::Always).await;
    assert_eq!((small.tasks(&format!("from={}&pageSize=51", small.now() - 9_000_000)).await.0), 413);
    assert_eq!((small.tasks(&format!("from={}&pageSize=50", small.now() - 9_000_000)).await.0), 200);
    let clamped = with(Fault::FutureToClamped, When::Always).await;
    let now = clamped.now();
    assert_eq!(clamped.tasks(&format!("from={}&to={}", now - 1_000, now + 90_000)).await.0, 200);
}

#[tokio::test]
async fn a_full_page_links_to_the_next_and_the_last_does_not() {
    let linked = with(Fault::NextLink, When::Always).await;
    let first = linked.tasks(&format!("from={}&pageSize=3", linked.now() - 9_000_000)).await.1;
    let link = first["meta"]["links"]["next"].as_str().unwrap();
    let query = link.strip_prefix("/v1/tasks?").unwrap_or_else(|| panic!("a path: {link}"));
    let second = linked.tasks(query).await.1;
    assert_eq!((ids(&first).len(), ids(&second).len()), (3, 2));
    assert!(ids(&second).iter().all(|id| !ids(&first).contains(id)) && second["meta"]["links"].is_null());
}

#[tokio::test]
async fn recordings_are_late_missing_or_gone() {
    let caller = with(Fault::NotReadyFor { polls: 2 }, When::Always).await;
    let id = caller.webex.session_id(1);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(caller.recordings(id).await.len());
    }
    assert_eq!(seen, [0, 0, 1]);
    for fault in [Fault::NeverRecorded, Fault::Purged] {
        let gone = with(fault, When::Always).await;
        assert!(gone.recordings(id).await.is_empty());
        assert_eq!(gone.webex.truth_of(id).unwrap().expected.word(), "no_recording");
    }
    let mut plan = WebexPlan::new(8, vec![CallSpec::ago(Duration::from_mins(1))]);
    plan.clock = SimulatedClock::standing(chrono::DateTime::from_timestamp(1_780_000_000, 0).unwrap());
    let early = Caller::of(plan.with(Fault::NotReadyUntil { after: Duration::from_mins(30) }, When::Always)).await;
    let id = early.webex.session_id(0);
    assert!(early.recordings(id).await.is_empty());
    early.webex.clock().advance(Duration::from_mins(30));
    assert_eq!(early.recordings(id).await.len(), 1);
}

#[tokio::test]
async fn captures_come_reversed_incomplete_with_legs_or_in_old_shapes() {
    let caller = with(Fault::OutOfOrder, When::Always).await;
    let asked: Vec<_> = (0..3).map(|number| caller.webex.session_id(number)).collect();
    let (_, body) = caller.captures(json!({"taskIds": asked})).await;
    assert_eq!((&body["data"][0]["taskId"], &body["data"][2]["taskId"]), (&json!(asked[2]), &json!(asked[0])));
    let missing = with(Fault::MissingTaskId, When::sessions([asked[1]])).await;
    assert_eq!(missing.captures(json!({"taskIds": asked})).await.1["data"].as_array().unwrap().len(), 2);

    let legs = with(Fault::SeveralLegs, When::Always).await;
    let list = legs.recordings(asked[0]).await;
    let types: Vec<_> = list.iter().map(|each| each["attributes"]["callType"].as_str().unwrap()).collect();
    assert_eq!(types, ["consult", "main"]);
    let (_, body) = legs.captures(json!({"taskIds": [asked[0]], "includeSegments": true})).await;
    assert_eq!(body["data"][0]["recording"].as_array().unwrap().len(), 4);
    let get = |each: &Value| legs.http.get(each["attributes"]["filePath"].as_str().unwrap()).send();
    let (consult, main) = (get(&list[0]).await.unwrap().bytes().await.unwrap(), get(&list[1]).await.unwrap().bytes().await.unwrap());
    assert_ne!(consult, main, "the consult is another conversation");

    let strings = with(Fault::StringTimes, When::Always).await.recordings(asked[0]).await;
    assert!(strings[0]["attributes"]["startTime"].is_string());
    let old = with(Fault::MissingLabels, When::Always).await.recordings(asked[0]).await;
    assert!(old[0].get("segment").is_none() && old[0]["attributes"].get("callType").is_none());
}

#[tokio::test]
async fn the_rate_is_limited_and_the_wait_told_in_every_way() {
    let limit = |retry_after| Fault::RateLimit { requests: 3, per: Duration::from_mins(1), retry_after };
    for (style, told) in [(RetryAfter::Seconds, true), (RetryAfter::HttpDate, true), (RetryAfter::Absent, false)] {
        let caller = with(limit(style), When::Always).await;
        let query = format!("from={}", caller.now() - 1_000);
        assert_eq!([caller.tasks(&query).await.0, caller.tasks(&query).await.0], [200, 200], "the log-in was the first");
        let answer = caller.get_tasks(&query).send().await.unwrap();
        assert_eq!(answer.status(), 429);
        let header = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header.is_some(), told);
        assert_eq!(header.is_some_and(|value| value.parse::<u64>().is_ok()), style == RetryAfter::Seconds);
        assert_eq!(caller.webex.requests().answered(429), 1);
    }
    let throttled = with(Fault::Throttled { seconds: 7, retry_after: RetryAfter::Seconds }, When::Nth(2)).await;
    let answer = throttled.get_tasks("from=1").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "7"));
}

#[tokio::test]
async fn the_platform_fails_waits_hangs_and_goes_wrong_by_the_clock() {
    for (status, body, content) in [(500, ErrorBody::Json, "{"), (502, ErrorBody::Html, "<html>"), (503, ErrorBody::Empty, "")] {
        let caller = with(Fault::ServerError { at: Endpoint::Tasks, status, body }, When::First(2)).await;
        let answer = caller.get_tasks("from=1").send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert!(answer.text().await.unwrap().starts_with(content));
        assert_eq!((caller.day().await.0, caller.day().await.0), (status, 200));
    }
    let hanging = with(Fault::Hang { at: Endpoint::Tasks }, When::Nth(1)).await;
    let gave_up = hanging.get_tasks("from=1").timeout(Duration::from_millis(200)).send().await.unwrap_err();
    assert!(gave_up.is_timeout());
    assert_eq!(hanging.day().await.0, 200);

    let behind = with(Fault::ClockSkew(TimeDelta::minutes(-5)), When::Always).await;
    let now = behind.now();
    assert_eq!(behind.tasks(&format!("from={}&to={}", now - 1_000_000, now - 5_000)).await.0, 400, "in the server's future");

    let silent = with(Fault::MissingTrackingId, When::Always).await;
    let answer = silent.get_tasks("from=1").header("TrackingId", "mine").send().await.unwrap();
    assert!(answer.headers().get("trackingid").is_none() && !answer.text().await.unwrap().contains("trackingId"));
    let telling = with(Fault::IntegerKey, When::Always).await;
    let answer = telling.get_tasks("from=1").header("TrackingId", "mine").send().await.unwrap();
    assert_eq!(answer.headers()["trackingid"], "mine");
    let body: Value = answer.json().await.unwrap();
    assert_eq!((&body["error"]["key"], &body["trackingId"]), (&json!(400), &json!("mine")));
    let packed = with(Fault::GzipAlways, When::Always).await;
    assert_eq!(ids(&packed.day().await.1).len(), 5, "unpacked by the client");
}
