//! A task with every field that the search knows, as it looks at a moment.

use serde_json::{Map, Value, json};

use super::super::Site;
use super::super::book::{Call, View};
use super::super::fault::Fault;
use super::super::ids::other_id;
use super::super::plan::Direction;

/// Teams and sites of the tenant.
const TEAMS: u64 = 4;
const SITES: u64 = 2;
/// From the beginning of a call to its agent, at most.
const ASSIGNED_AFTER_MS: i64 = 3_000;

/// When the search says that the call ended, if it does.
pub(super) fn ended_ms(site: &Site, call: &Call, now_ms: i64) -> Option<i64> {
    let endless = lasts(site, call, &Fault::EndlessInactive);
    call.end_ms(now_ms).filter(|_| !endless)
}

fn lasts(site: &Site, call: &Call, fault: &Fault) -> bool {
    site.faults.any() && site.faults.lasting_for(&call.id.to_string(), |each| (each == fault).then_some(())).is_some()
}

/// The whole task.
pub(super) fn of(site: &Site, call: &Call, now_ms: i64) -> Value {
    let stale = site.faults.any() && site.faults.names(&[&call.id.to_string()], &Fault::StaleRead);
    let now_ms = if stale { now_ms.min(call.ended_ms - 1) } else { now_ms };
    let Some(view) = call.view(now_ms) else { return Value::Null };
    if lasts(site, call, &Fault::BareDetails) {
        return json!({"id": call.id, "createdTime": call.created_ms});
    }
    let mut task = times(site, call, now_ms);
    task.append(&mut people(site, call, view));
    task.append(&mut outcome(site, call, now_ms));
    task.append(&mut variables(site, call));
    Value::Object(task)
}

fn fields(value: Value) -> Map<String, Value> {
    if let Value::Object(fields) = value { fields } else { Map::new() }
}

fn times(site: &Site, call: &Call, now_ms: i64) -> Map<String, Value> {
    let ended = ended_ms(site, call, now_ms);
    let active = call.end_ms(now_ms).is_none();
    let connected = if call.spec.answered { (call.ended_ms - call.created_ms - ASSIGNED_AFTER_MS).max(0) } else { 0 };
    let wrapped = call.wrap_up(now_ms).map_or(0, |_| call.wrapped_ms() - call.ended_ms);
    let over = |milliseconds: i64| if ended.is_some() { milliseconds } else { 0 };
    let (origin, destination) = call.numbers();
    let outdial = call.spec.direction == Direction::Outdial;
    fields(json!({
        "id": call.id, "status": if active { "available" } else { "ended" }, "isActive": active,
        "createdTime": call.created_ms, "endedTime": ended.unwrap_or(-1), "totalDuration": ended.map_or(0, |ended| ended - call.created_ms),
        "connectedDuration": over(connected), "queueDuration": over(500), "holdDuration": 0, "ringingDuration": over(1_000),
        "wrapupDuration": wrapped, "selfserviceDuration": 0, "conferenceDuration": 0, "consultDuration": 0, "pausedDuration": 0,
        "lastActivityTime": last_activity_ms(call, now_ms),
        "origin": origin, "destination": destination, "customer": {"name": null, "phoneNumber": origin, "email": null},
        "direction": if call.spec.direction == Direction::Inbound { "inbound" } else { "outbound" },
        "channelType": call.spec.channel, "channelSubType": null, "isOutdial": outdial, "outdialType": null,
        "isCallback": false, "isCampaign": call.spec.direction == Direction::Outbound,
    }))
}

/// When the record last changed, at the moment that is looked from.
fn last_activity_ms(call: &Call, now_ms: i64) -> i64 {
    let view = call.view(now_ms).map_or(call.created_ms, |view| view.updated_ms);
    let wrapped = call.wrap_up(now_ms).map(|_| call.wrapped_ms());
    let transcribed = call.transcribed_ms().filter(|at| now_ms >= *at);
    [Some(view), wrapped, transcribed].into_iter().flatten().max().unwrap_or(view)
}

fn people(site: &Site, call: &Call, view: View) -> Map<String, Value> {
    let number = u64::from(call.number);
    let named = |kind: u64, which: u64, name: String| json!({"id": other_id(site.seed, kind, which), "name": name});
    // the platform writes "no agent" in three ways
    let nobody = match number % 3 {
        0 => Value::Null,
        1 => json!("NA"),
        _ => json!(""),
    };
    let agent = if view.has_owner {
        let (id, name) = site.book.owner(call);
        json!({"id": id, "name": name, "signInId": null, "sessionId": null, "phoneNumber": null, "channelId": null})
    } else {
        json!({"id": nobody, "name": nobody, "signInId": null, "sessionId": null, "phoneNumber": null, "channelId": null})
    };
    let queue = view.has_queue.then(|| site.book.queue(call));
    let (team, place) = (number % TEAMS, number % SITES);
    let team = if view.has_owner { named(40, team, format!("Team {}", team + 1)) } else { json!({"id": "NA", "name": "NA"}) };
    fields(json!({
        "owner": agent, "lastAgent": agent, "lastTeam": team,
        "lastSite": if view.has_owner { named(41, place, format!("Site {}", place + 1)) } else { json!({"id": null, "name": null}) },
        "lastEntryPoint": named(42, 0, "EP_Main".to_owned()),
        // an outdial has no queue at all
        "lastQueue": queue.as_ref().map(|(id, name)| json!({"id": id, "name": name, "duration": 500})),
        "previousQueue": {"id": null, "name": null, "duration": null},
        "firstQueueId": queue.as_ref().map(|(id, _)| id), "firstQueueName": queue.as_ref().map(|(_, name)| name),
    }))
}

fn outcome(site: &Site, call: &Call, now_ms: i64) -> Map<String, Value> {
    let over = now_ms >= call.ended_ms;
    let told = |word: &str| if over { json!(word) } else { Value::Null };
    let (abandoned, wrap_up) = (call.spec.abandoned, call.wrap_up(now_ms));
    let transcribed = call.transcribed_ms().is_some_and(|at| now_ms >= at);
    fields(json!({
        "lastWrapUpCodeId": wrap_up.map(|_| other_id(site.seed, 43, 0)), "lastWrapupCodeName": wrap_up,
        "terminationType": told(if abandoned { "abandoned" } else { "normal" }),
        "terminationReason": told(if abandoned { "Customer Left" } else { "Agent Left" }),
        "terminatingEnd": told(if abandoned { "Customer" } else { "Agent" }),
        "contactHandleType": told(if abandoned { "abandoned" } else { "normal" }),
        "abandonedType": null, "isContactHandled": call.spec.answered, "isContactOffered": call.spec.queued,
        "csatScore": call.spec.csat.filter(|_| over), "autoCsat": "NA",
        "contactReason": call.spec.contact_reason, "contactDriver": "N/A", "topicName": null,
        "captureRequested": call.spec.capture_requested.filter(|_| over),
        "recordingCount": i32::from(call.offers_recording(now_ms)), "recordingErrorCount": 0, "recordingFileSize": null,
        "isRecordingDeleted": false, "isTranscriptionAvailable": transcribed.then_some(true), "pausedCount": 0, "resumedCount": 0,
        "channelMetaData": null, "activities": activities(call, now_ms),
    }))
}

/// What happened, newest first. The event that ends a call has no duration.
fn activities(call: &Call, now_ms: i64) -> Value {
    let begun = [("new", call.created_ms, 0), ("connected", call.created_ms + ASSIGNED_AFTER_MS, 1_000), ("ended", call.ended_ms, -1)];
    let node = |(name, at, duration): &(&str, i64, i64)| json!({"id": format!("{}-{at}-{name}", call.id), "eventName": name, "createdTime": at, "duration": duration});
    let nodes: Vec<Value> = begun.iter().rev().filter(|(_, at, _)| *at <= now_ms).map(node).collect();
    json!({"totalCount": nodes.len(), "nodes": nodes, "pageInfo": {"hasNextPage": false, "endCursor": null}})
}

fn variables(site: &Site, call: &Call) -> Map<String, Value> {
    let held: Map<String, Value> = call.spec.variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let list = || held.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let all = if site.faults.strikes(&[], &Fault::VariablesAsList) { Value::Array(list()) } else { Value::Object(held.clone()) };
    fields(json!({"stringGlobalVariables": held, "globalVariables": all}))
}
