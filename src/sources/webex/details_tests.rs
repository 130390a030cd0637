//! What becomes of the vendor's ways of telling, and of not telling.

use serde_json::json;

use super::*;

fn org() -> OrgId {
    OrgId::parse("11111111-2222-4333-8444-555555555555").unwrap()
}

fn read(changes: Value) -> Call {
    let mut element = json!({
        "id": "aaaaaaaa-0001-4000-8000-000000000001", "status": "ended", "isActive": false,
        "createdTime": 1_694_007_067_723_i64, "endedTime": 1_694_007_101_874_i64, "totalDuration": 34_151,
        "connectedDuration": 30_500, "queueDuration": 0, "wrapupDuration": 0, "holdDuration": -1, "origin": "+18325550100",
        "channelType": "telephony", "direction": "inbound", "lastAgent": {"id": "b", "name": "Jane Agent"},
        "lastQueue": {"id": "c", "name": "Q_MainGroup"}, "lastTeam": {"id": "NA", "name": "NA"}, "lastSite": {"id": null, "name": null},
        "lastWrapupCodeName": "Sale", "csatScore": 4, "autoCsat": "N/A", "terminatingEnd": "Customer", "lastActivityTime": 1_694_007_200_000_i64,
    });
    element.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    call(element, &org(), &CaseNumbers::default()).unwrap()
}

#[test]
fn an_ended_call_has_its_real_end_and_what_came_of_it() {
    let call = read(json!({}));
    assert!(call.closed && call.vendor_status.as_deref() == Some("completed"));
    assert!(matches!(call.end, Some((_, EndTimeSource::Vendor))));
    assert_eq!((call.duration_seconds(), call.wrap_up_code.as_deref()), (Some(34), Some("Sale")));
    let details = call.details.unwrap();
    assert_eq!((details.csat_score, details.talk_seconds, details.queue_seconds), (Some(4), Some(31), Some(0)));
    assert_eq!(details.terminated_by.as_deref(), Some("customer"));
    assert_eq!((details.auto_csat, details.team_name, details.site_name), (None, None, None));
    assert_eq!((details.hold_seconds, details.wrap_up_seconds), (None, None));
    assert_eq!(call.raw_payload, json!({}));
    assert_eq!(details.payload["totalDuration"], 34_151);
}

#[test]
fn a_call_that_is_over_without_an_end_is_closed_and_has_none() {
    let call = read(json!({"endedTime": -1, "totalDuration": 0}));
    assert!(call.closed && call.end.is_none() && call.duration_seconds().is_none());
}

#[test]
fn an_active_call_is_open_and_its_durations_are_untold() {
    let call = read(json!({"isActive": true, "endedTime": -1, "status": "available"}));
    assert!(!call.closed && call.end.is_none() && call.vendor_status.is_none());
    assert_eq!(call.details.unwrap().talk_seconds, None);
}

#[test]
fn without_is_active_the_status_or_the_end_says_that_it_is_over() {
    assert!(read(json!({"isActive": null})).closed);
    assert!(read(json!({"isActive": null, "endedTime": -1})).closed);
    assert!(!read(json!({"isActive": null, "endedTime": -1, "status": "ringing"})).closed);
}

#[test]
fn nobody_is_written_in_four_ways() {
    for nobody in [json!(null), json!({"id": null, "name": null}), json!({"id": "NA", "name": "n/a"}), json!({"id": "", "name": " "})] {
        let call = read(json!({"lastAgent": nobody, "lastQueue": null}));
        assert_eq!((call.agent_id, call.agent_name, call.queue_name), (None, None, None), "{nobody}");
    }
}

#[test]
fn an_abandoned_call_says_so_in_the_words_of_the_list() {
    assert_eq!(read(json!({"contactHandleType": "Abandoned"})).vendor_status.as_deref(), Some("abandoned"));
}

#[test]
fn what_cannot_be_a_call_says_where_and_not_what() {
    let error = |element: Value| call(element, &org(), &CaseNumbers::default()).unwrap_err().1;
    assert!(error(json!({"id": 17})).contains("`id`"));
    assert!(error(json!({"id": "a"})).contains("createdTime"));
    let number = error(json!({"id": "a", "createdTime": 1_694_007_067_723_i64, "origin": {"tel": "+18325550100"}}));
    assert!(number.contains("origin") && !number.contains("5550100"), "{number}");
}
