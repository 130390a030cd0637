//! The rules of storing, one by one.

use callscribe::{
    domain::{Call, CallDetails, EndTimeSource},
    store::{calls, quarantine, settings},
};
use chrono::{DateTime, TimeDelta};
use serde_json::json;

use super::{PROVIDER, ask, closed_call, minutes, noon, open_call, row, store};
use crate::harness;

#[tokio::test]
async fn an_open_call_that_closes_is_one_row_with_the_right_end() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let first = store(&mut connection, open_call("a", 1)).await;
    assert_eq!((first.inserted, first.updated, first.expected.len()), (1, 0, 0));
    let second = store(&mut connection, closed_call("a", 7)).await;
    assert_eq!((second.inserted, second.updated, second.expected.len()), (0, 1, 1));
    let row = row(&mut connection, "a").await;
    assert_eq!(row["end_time"], "2026-03-02T12:07:00+00:00");
    assert_eq!(row["end_time_source"], "last_updated");
    assert_eq!(row["duration_seconds"], 420);
    assert_eq!(row["transcript_status"], "pending");
}

#[tokio::test]
async fn a_stale_read_changes_nothing() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    store(&mut connection, closed_call("a", 7)).await;
    let before = row(&mut connection, "a").await;
    let stale = store(&mut connection, open_call("a", 1)).await;
    assert_eq!((stale.inserted, stale.updated, stale.unchanged), (0, 0, 1));
    assert_eq!(row(&mut connection, "a").await, before);
}

#[tokio::test]
async fn a_newer_version_that_tells_less_takes_nothing_away() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    store(&mut connection, closed_call("a", 7)).await;
    store(&mut connection, open_call("a", 9)).await;
    let row = row(&mut connection, "a").await;
    assert_eq!(row["agent_id"], "agent-7");
    assert_eq!(row["closed"], true, "a closed call never reopens");
    assert_eq!(row["vendor_status"], "completed");
    assert_eq!(row["end_time"], "2026-03-02T12:07:00+00:00");
    assert_eq!(row["raw_payload"]["age"], 9, "the payload follows the newest version");
}

#[tokio::test]
async fn the_vendors_own_end_outlasts_an_inferred_one() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let told = Call { end: Some((noon() + minutes(6), EndTimeSource::Vendor)), ..closed_call("a", 7) };
    store(&mut connection, told).await;
    store(&mut connection, closed_call("a", 200)).await;
    let row = row(&mut connection, "a").await;
    assert_eq!((&row["end_time"], &row["end_time_source"]), (&json!("2026-03-02T12:06:00+00:00"), &json!("vendor")));
}

#[tokio::test]
async fn a_closed_call_that_is_touched_hours_later_does_not_grow() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    store(&mut connection, closed_call("a", 7)).await;
    store(&mut connection, closed_call("a", 300)).await;
    let row = row(&mut connection, "a").await;
    assert_eq!(row["duration_seconds"], 420);
    assert_eq!(row["source_updated_at"], "2026-03-02T17:00:00+00:00");
}

#[tokio::test]
async fn a_call_that_comes_again_unchanged_is_not_touched() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let calls = [closed_call("a", 7), open_call("b", 1)];
    calls::upsert(&mut connection, &calls, PROVIDER).await.unwrap();
    let places = "SELECT jsonb_agg(jsonb_build_array(ctid, xmin::text, synced_at) ORDER BY session_id) AS value FROM call_interactions";
    let before = ask(&mut connection, places).await;
    let again = calls::upsert(&mut connection, &calls, PROVIDER).await.unwrap();
    assert_eq!((again.unchanged, again.expected.len()), (2, 0));
    assert_eq!(ask(&mut connection, places).await, before);
}

/// What the details say of the call `age` minutes after its start: over since minute 6.
fn details(session: &str, age: i64, wrap_up: Option<&str>) -> Call {
    let told =
        CallDetails { csat_score: Some(4), team_name: Some("Team 1".to_owned()), payload: json!({ "age": age }), ..CallDetails::default() };
    Call {
        end: Some((noon() + minutes(6), EndTimeSource::Vendor)),
        wrap_up_code: wrap_up.map(str::to_owned),
        raw_payload: json!({}),
        details: Some(Box::new(told)),
        ..closed_call(session, age)
    }
}

#[tokio::test]
async fn a_call_seen_open_then_ended_then_wrapped_up_is_one_row_that_never_goes_back() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    store(&mut connection, open_call("a", 1)).await;
    assert_eq!(store(&mut connection, closed_call("a", 7)).await.expected.len(), 1);
    let ended = store(&mut connection, details("a", 8, None)).await;
    assert_eq!((ended.updated, ended.expected.len()), (1, 0), "its recording was expected before");
    store(&mut connection, details("a", 66, Some("Sale"))).await;
    // late, older and emptier versions of either API
    for late in [details("a", 8, None), closed_call("a", 200), open_call("a", 2), details("a", 65, Some("Wrong number"))] {
        store(&mut connection, late).await;
    }
    let row = row(&mut connection, "a").await;
    assert_eq!((&row["end_time"], &row["end_time_source"]), (&json!("2026-03-02T12:06:00+00:00"), &json!("vendor")));
    assert_eq!((&row["duration_seconds"], &row["wrap_up_code"], &row["closed"]), (&json!(360), &json!("Sale"), &json!(true)));
    assert_eq!((&row["csat_score"], &row["team_name"]), (&json!(4), &json!("Team 1")));
    assert_eq!((&row["raw_payload"]["age"], &row["details_payload"]["age"]), (&json!(200), &json!(66)));
    assert_eq!(row["details_updated_at"], "2026-03-02T13:06:00+00:00");
    assert!(row["enriched_at"].is_string());
}

#[tokio::test]
async fn a_call_that_only_the_details_tell_is_stored_and_expects_its_recording() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let first = store(&mut connection, details("a", 8, Some("Sale"))).await;
    assert_eq!((first.inserted, first.expected.len()), (1, 1));
    assert_eq!(row(&mut connection, "a").await["raw_payload"], json!({}));
    assert_eq!(store(&mut connection, closed_call("a", 7)).await.expected.len(), 0, "the list tells it later");
    let row = row(&mut connection, "a").await;
    assert_eq!((&row["raw_payload"]["age"], &row["wrap_up_code"]), (&json!(7), &json!("Sale")));
}

#[tokio::test]
async fn details_that_come_again_unchanged_touch_nothing() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let calls = [closed_call("a", 7), details("a", 8, Some("Sale"))];
    calls::upsert(&mut connection, &calls, PROVIDER).await.unwrap();
    let places = "SELECT jsonb_agg(jsonb_build_array(ctid, xmin::text, enriched_at)) AS value FROM call_interactions";
    let before = ask(&mut connection, places).await;
    for again in calls {
        assert_eq!(store(&mut connection, again).await.unchanged, 1);
    }
    assert_eq!(ask(&mut connection, places).await, before);
}

#[tokio::test]
async fn a_corrected_translation_of_the_same_version_reaches_the_row() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    store(&mut connection, closed_call("a", 7)).await;
    store(&mut connection, Call { case_number: Some("CS0000001".to_owned()), ..closed_call("a", 7) }).await;
    assert_eq!(row(&mut connection, "a").await["case_number"], "CS0000001");
}

#[tokio::test]
async fn a_transcript_is_expected_once_when_the_call_is_over_and_was_recorded() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let unrecorded = Call { capture_requested: Some(false), ..closed_call("a", 7) };
    assert!(store(&mut connection, unrecorded).await.expected.is_empty());
    assert_eq!(row(&mut connection, "a").await["transcript_status"], "none");
    let late_truth = store(&mut connection, closed_call("a", 8)).await;
    assert_eq!(late_truth.expected.len(), 1);
    assert!(store(&mut connection, closed_call("a", 9)).await.expected.is_empty(), "it was expected before");
    let agreed = "SELECT jsonb_agg(jsonb_build_array(c.transcript_status, t.status, t.provider, t.leg)) AS value
                  FROM call_interactions c JOIN call_transcripts t USING (session_id)";
    assert_eq!(ask(&mut connection, agreed).await, json!([["pending", "pending", "whisper", "main"]]));
}

#[tokio::test]
async fn postgresql_expects_a_recording_exactly_when_the_domain_does() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let mut calls = Vec::new();
    for closed in [true, false] {
        for channel in [Call::TELEPHONY, "chat"] {
            for capture_requested in [Some(true), Some(false), None] {
                let session = format!("{closed}-{channel}-{capture_requested:?}");
                calls.push(Call { closed, channel: channel.to_owned(), capture_requested, ..open_call(&session, 1) });
            }
        }
    }
    let report = calls::upsert(&mut connection, &calls, PROVIDER).await.unwrap();
    for call in &calls {
        let expected = report.expected.iter().any(|transcript| transcript.session_id == call.session_id);
        assert_eq!(expected, call.expects_recording(), "{}", call.session_id);
    }
}

#[tokio::test]
async fn one_odd_call_does_not_sink_its_page() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let year_57000 = DateTime::from_timestamp(1_758_724_953_881, 0).unwrap();
    let odd = [
        Call { start_time: year_57000, ..open_call("seconds-for-milliseconds", 1) },
        Call { agent_name: Some("N\0L".to_owned()), raw_payload: json!({ "x": "\u{0}" }), ..open_call("nul", 1) },
        Call { end: Some((noon() - minutes(5), EndTimeSource::Vendor)), ..closed_call("ends-before-it-starts", 1) },
        Call { case_number: Some("9".repeat(10_000)), ..open_call("long", 1) },
        Call { source_updated_at: Some(year_57000), ..open_call("version-of-the-far-future", 1) },
        open_call("good", 1),
    ];
    let report = calls::upsert(&mut connection, &odd, PROVIDER).await.unwrap();
    assert_eq!((report.inserted, report.refused.len()), (5, 1));
    assert!(report.refused[0].why.contains("lies outside the years"), "{}", report.refused[0].why);
    let ended = row(&mut connection, "ends-before-it-starts").await;
    assert_eq!((&ended["closed"], &ended["end_time"]), (&json!(true), &json!(null)));
    assert_eq!(row(&mut connection, "nul").await["agent_name"], "N\u{fffd}L");
}

#[tokio::test]
async fn versions_of_one_call_in_one_page_all_count() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let page = [closed_call("a", 7), open_call("a", 1), closed_call("a", 7), open_call("b", 1)];
    let report = calls::upsert(&mut connection, &page, PROVIDER).await.unwrap();
    assert_eq!((report.inserted, report.updated, report.unchanged), (2, 0, 2));
    assert_eq!(row(&mut connection, "a").await["closed"], true);
}

#[tokio::test]
async fn a_bulk_statement_is_planned_once_per_connection() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    for age in 1..4 {
        store(&mut connection, closed_call(&format!("call-{age}"), age)).await;
    }
    let kept = "SELECT to_jsonb(count(*)) AS value FROM pg_prepared_statements WHERE statement LIKE 'INSERT INTO call%'";
    assert_eq!(ask(&mut connection, kept).await, 2, "calls and transcripts");
}

#[tokio::test]
async fn open_calls_are_found_by_their_age() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let old = Call { start_time: noon() - minutes(60), ..open_call("old", 1) };
    calls::upsert(&mut connection, &[old, open_call("young", 1), closed_call("over", 2)], PROVIDER).await.unwrap();
    let webex = callscribe::domain::SourceName::Webex;
    let found = calls::open_since(&mut connection, webex, noon() - minutes(30), noon() + minutes(1), 10).await.unwrap();
    assert_eq!(found, [noon()]);
}

#[tokio::test]
async fn the_watermark_never_moves_back() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let (webex, org) = (callscribe::domain::SourceName::Webex, callscribe::domain::OrgId::parse("org-1").unwrap());
    assert_eq!(settings::watermark(&mut connection, webex, &org).await.unwrap(), None);
    let precise = noon() + TimeDelta::milliseconds(123);
    for seen in [noon(), precise, noon() - minutes(5)] {
        settings::advance_watermark(&mut connection, webex, &org, seen).await.unwrap();
    }
    assert_eq!(settings::watermark(&mut connection, webex, &org).await.unwrap(), Some(precise));
}

#[tokio::test]
async fn a_remembered_list_keeps_its_newest_entries() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    for number in 1..=5 {
        settings::remember(&mut connection, "list", &number, 3).await.unwrap();
    }
    assert_eq!(settings::get(&mut connection, "list").await.unwrap(), Some(vec![3, 4, 5]));
}

#[tokio::test]
async fn an_unreadable_element_is_kept_once_and_counted() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let (bad, worse) = (json!({ "id": 7 }), json!({ "id": "\u{0}" }));
    let webex = callscribe::domain::SourceName::Webex;
    for _ in 0..2 {
        quarantine::quarantine(&mut connection, webex, [(&bad, "no text"), (&worse, "a NUL"), (&bad, "no text")]).await.unwrap();
    }
    let counts = "SELECT jsonb_agg(times_seen ORDER BY fingerprint) AS value FROM quarantined_payloads";
    assert_eq!(ask(&mut connection, counts).await, json!([2, 2]));
}

#[tokio::test]
async fn a_guessed_case_number_fills_a_gap_stays_as_it_was_and_gives_way_to_any_that_is_told() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let version = |age: i64, told: Option<&str>, guessed: Option<&str>| Call {
        case_number: told.map(str::to_owned),
        details: Some(Box::new(CallDetails { guessed_case_number: guessed.map(str::to_owned), ..CallDetails::default() })),
        ..closed_call("a", age)
    };
    let mut becomes = async |version: Call, number: serde_json::Value, guessed: bool| {
        store(&mut connection, version).await;
        let row = row(&mut connection, "a").await;
        assert_eq!((&row["case_number"], row["older_fields"]["case_number"] == "-infinity"), (&number, guessed), "{row}");
    };
    becomes(version(10, None, None), json!(null), false).await;
    becomes(version(11, None, Some("CS0000001")), json!("CS0000001"), true).await;
    becomes(version(12, None, Some("CS0000002")), json!("CS0000001"), true).await;
    becomes(version(13, None, None), json!("CS0000001"), true).await;
    // told by an older version than the row's newest: told all the same
    becomes(version(5, Some("CS0000003"), None), json!("CS0000003"), false).await;
    becomes(version(14, None, Some("CS0000004")), json!("CS0000003"), false).await;
    becomes(version(15, Some("CS0000005"), None), json!("CS0000005"), false).await;
}
