//! The search, by its contract: what is not asked for is not told, what is not there is refused in GraphQL's words.

use std::time::Duration;

use callscribe_simulators::{
    SimulatedClock, When,
    webex::{CallSpec, Fault, WebexPlan},
};
use serde_json::{Value, json};

use crate::client::{Caller, read};

async fn search(caller: &Caller, body: &Value) -> (u16, Value) {
    let url = format!("{}/search?orgId={}", caller.webex.base_url(), caller.webex.org_id());
    read(caller.http.post(url).bearer_auth(&caller.token).json(body).send().await.unwrap()).await
}

/// The last day's tasks with these fields and further arguments.
async fn day(caller: &Caller, arguments: &str, fields: &str) -> (u16, Value) {
    let now = caller.now();
    let query = format!(
        "{{ taskDetails(from: {}, to: {now} {arguments}) {{ tasks {{ {fields} }} pageInfo {{ hasNextPage endCursor }} }} }}",
        now - 86_400_000
    );
    search(caller, &json!({ "query": query })).await
}

fn tasks(body: &Value) -> &Vec<Value> {
    body["data"]["taskDetails"]["tasks"].as_array().unwrap_or_else(|| unreachable!("{body}"))
}

#[tokio::test]
async fn pages_have_250_rows_the_youngest_first_and_a_cursor_until_the_last() {
    let caller = Caller::of(WebexPlan::bench(600)).await;
    let mut seen = Vec::new();
    for (cursor, next, length) in [("NA", json!("1"), 250), ("1", json!("2"), 250), ("2", json!(null), 99)] {
        let (status, body) = day(&caller, &format!(", pagination: {{ cursor: \"{cursor}\" }}"), "id createdTime").await;
        let info = &body["data"]["taskDetails"]["pageInfo"];
        assert_eq!((status, &info["endCursor"], &info["hasNextPage"]), (200, &next, &json!(!next.is_null())));
        assert!(tasks(&body).len().abs_diff(length) <= 1, "{}", tasks(&body).len());
        seen.extend(tasks(&body).iter().map(|task| task["createdTime"].as_i64().unwrap()));
    }
    assert!(seen.is_sorted_by(|one, other| one > other), "the youngest first");
    let (_, body) = day(&caller, "", "id createdTime(sort: asc)").await;
    assert!(tasks(&body).is_sorted_by_key(|task| task["createdTime"].as_i64()));
}

#[tokio::test]
async fn only_what_is_asked_for_is_told_under_the_name_it_is_asked_for() {
    let caller = Caller::of(WebexPlan::demo(4, 3)).await;
    let fields = "when: createdTime lastSite { name } case: stringGlobalVariables(name: \"CaseNumber\") { value } \
                  none: stringGlobalVariables(name: \"Other\") { name value } activities(first: 5) { nodes { duration } }";
    let (_, body) = day(&caller, "", fields).await;
    let task = &tasks(&body)[0];
    assert_eq!(task.as_object().unwrap().keys().collect::<Vec<_>>(), ["activities", "case", "lastSite", "none", "when"]);
    assert_eq!((&task["case"], &task["none"]), (&json!({"value": "CS1000002"}), &json!({"name": null, "value": null})));
    assert_eq!(task["activities"]["nodes"][0]["duration"], -1);
}

#[tokio::test]
async fn a_query_with_variables_is_the_same_as_one_without() {
    let caller = Caller::of(WebexPlan::demo(4, 3)).await;
    let query = "query($from: Long!, $to: Long!, $cursor: String!) { taskDetails(from: $from, to: $to, timeComparator: endedTime, \
                 filter: { channelType: { equals: \"telephony\" } }, pagination: { cursor: $cursor }) { tasks { id } pageInfo { endCursor } } }";
    let variables = json!({"from": caller.now() - 86_400_000, "to": caller.now(), "cursor": "NA"});
    let (_, body) = search(&caller, &json!({"query": query, "variables": variables})).await;
    assert_eq!(tasks(&body).len(), 3);
}

#[tokio::test]
async fn what_the_schema_does_not_have_is_refused_with_200_and_errors() {
    let caller = Caller::of(WebexPlan::demo(4, 3).with(Fault::FieldUndefined { field: "lastSite/name" }, When::Always)).await;
    for (fields, path) in [
        ("queue { id }", "tasks/queue"),
        ("id lastSite { name }", "tasks/lastSite/name"),
        ("lastAgent { shoeSize }", "tasks/lastAgent/shoeSize"),
    ] {
        let (status, body) = day(&caller, "", fields).await;
        let message = body["errors"][0]["message"].as_str().unwrap_or_default().to_owned();
        assert!(status == 200 && message.contains(&format!("FieldUndefined@[taskDetails/{path}]")) && body.get("data").is_none(), "{body}");
    }
    for wrong in ["lastSite", "id { name }"] {
        assert!(day(&caller, "", wrong).await.1["errors"].is_array(), "{wrong}");
    }
    for arguments in [", filter: { createdTime: { gt: 5 } }", ", filter: { id: { in: [\"a\"] } }", ", pageSize: 5"] {
        assert!(day(&caller, arguments, "id").await.1["errors"].is_array(), "{arguments}");
    }
}

#[tokio::test]
async fn a_question_without_times_is_a_400_and_one_in_seconds_finds_nothing() {
    let caller = Caller::of(WebexPlan::demo(4, 3)).await;
    let ask = async |times: &str| search(&caller, &json!({"query": format!("{{ taskDetails({times}) {{ tasks {{ id }} }} }}")})).await;
    let now = caller.now();
    let (status, body) = ask(&format!("from: {now}")).await;
    assert!(status == 400 && body.to_string().contains("Missing field argument 'to'"), "{body}");
    let (status, body) = ask(&format!("from: {}, to: {}", now / 1_000 - 86_400, now / 1_000)).await;
    assert!(status == 200 && tasks(&body).is_empty(), "{body}");
    assert_eq!(ask(&format!("from: {}, to: {now}", now - 400 * 86_400_000)).await.0, 400);
    assert_eq!(search(&caller, &json!({"query": "{ taskDetails("})).await.0, 400);
}

#[tokio::test]
async fn filters_take_what_they_say() {
    let chat = CallSpec { channel: "chat", ..CallSpec::ago(Duration::from_mins(9)) };
    let running = CallSpec { lasts: Duration::from_hours(1), ..CallSpec::ago(Duration::from_mins(5)) };
    let caller = Caller::of(WebexPlan::new(4, vec![chat, CallSpec::ago(Duration::from_mins(8)), running])).await;
    let [chat, over] = [0, 1].map(|number| caller.webex.session_id(number));
    for (filter, length) in [
        ("channelType: { equals: telephony }".to_owned(), 2),
        ("channelType: { equals: \"chat\" }".to_owned(), 1),
        ("isActive: { equals: false }, channelType: { notequals: chat }".to_owned(), 1),
        (format!("or: [{{ id: {{ equals: \"{chat}\" }} }}, {{ id: {{ equals: \"{over}\" }} }}]"), 2),
        ("endedTime: { gt: 0 }".to_owned(), 2),
        ("lastQueue: { name: { contains: \"support_2\" } }".to_owned(), 1),
    ] {
        let (_, body) = day(&caller, &format!(", filter: {{ {filter} }}"), "id").await;
        assert_eq!(tasks(&body).len(), length, "{filter}");
    }
    let (_, ended) = day(&caller, ", timeComparator: endedTime", "id").await;
    assert_eq!(tasks(&ended).len(), 2, "what still runs has no end");
}

#[tokio::test]
async fn a_call_is_over_before_it_is_wrapped_up_and_transcribed() {
    let call = CallSpec {
        wrapped_after: Duration::from_mins(30),
        transcript_after: Some(Duration::from_mins(5)),
        ..CallSpec::ago(Duration::from_secs(5))
    };
    let clock = SimulatedClock::standing(chrono::DateTime::from_timestamp(1_780_000_000, 0).unwrap());
    let caller = Caller::of(WebexPlan { clock, ..WebexPlan::new(5, vec![call]) }).await;
    let mut seen = Vec::new();
    for minutes in [0, 1, 10, 25] {
        caller.webex.clock().advance(Duration::from_mins(minutes));
        let (_, body) = day(&caller, "", "isActive endedTime totalDuration lastWrapupCodeName isTranscriptionAvailable").await;
        let task = tasks(&body)[0].clone();
        let ended = task["endedTime"].as_i64().unwrap() > 0;
        seen.push((
            task["isActive"] == true,
            ended,
            task["totalDuration"].clone(),
            task["lastWrapupCodeName"].clone(),
            task["isTranscriptionAvailable"].clone(),
        ));
    }
    let (null, ten) = (json!(null), json!(10_000));
    assert_eq!(
        seen,
        [
            (true, false, json!(0), null.clone(), null.clone()),
            (false, true, ten.clone(), null.clone(), null.clone()),
            (false, true, ten.clone(), null, json!(true)),
            (false, true, ten, json!("Resolved"), json!(true)),
        ]
    );
}
