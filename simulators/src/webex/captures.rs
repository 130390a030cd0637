//! `POST /v1/captures/query`: fresh links to the recordings of up to ten calls.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::{api_error, json_answer};
use super::book::Call;
use super::fault::Fault;
use super::legs::Leg;
use super::links::signed_path;
use super::platform::{foreign_org, told_org, unauthorised};
use super::{Shared, Site, transcripts};
use crate::requests::Entry;

const LARGEST_BATCH: usize = 10;
/// Longest life of a link, in minutes; also the life when none is asked for.
const LONGEST_LINK: i64 = 60;

#[derive(Deserialize)]
struct Body {
    query: Query,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Query {
    org_id: Option<String>,
    url_expiration: Option<i64>,
    task_ids: Vec<String>,
    #[serde(default)]
    include_segments: bool,
    #[serde(rename = "includeVARecordings")]
    include_va_recordings: Option<bool>,
}

/// What a query asks for beside the recording of the whole call.
#[derive(Clone, Copy)]
struct More {
    segments: bool,
    virtual_agents: bool,
}

pub(super) async fn query(State(site): Shared, Extension(entry): Extension<Arc<Entry>>, headers: HeaderMap, body: Bytes) -> Response {
    entry.note(|logged| logged.bytes_received = u64::try_from(body.len()).unwrap_or(u64::MAX));
    if let Some(refused) = unauthorised(&site, &headers) {
        return refused;
    }
    let bad = |why| api_error(&site, &headers, StatusCode::BAD_REQUEST, why);
    let Ok(Body { query }) = serde_json::from_slice::<Body>(&body) else { return bad("The request body could not be read.") };
    entry.note(|logged| logged.org_id.clone_from(&query.org_id));
    if let Some(foreign) = foreign_org(&site, &headers, query.org_id.as_deref()) {
        return foreign;
    }
    let minutes = query.url_expiration.unwrap_or(LONGEST_LINK);
    if minutes <= 0 {
        return bad("Error: urlExpiration should be greater than 0.");
    }
    if minutes > LONGEST_LINK {
        return bad("Error: urlExpiration should not be greater than 60.");
    }
    if query.task_ids.is_empty() || query.task_ids.len() > LARGEST_BATCH {
        return bad("Error: taskIds should hold 1 to 10 ids.");
    }
    let Ok(ids) = query.task_ids.iter().map(|id| Uuid::parse_str(id)).collect::<Result<Vec<_>, _>>() else {
        return bad("Error: taskIds should be UUIDs.");
    };
    if ids.iter().collect::<HashSet<_>>().len() < ids.len() {
        return bad("Error: taskIds should be unique.");
    }
    if query.include_va_recordings.is_some() && site.faults.strikes(&[], &Fault::VaRecordingsUnknown) {
        return bad("Unrecognized field \"includeVARecordings\".");
    }
    let more = More { segments: query.include_segments, virtual_agents: query.include_va_recordings.unwrap_or(false) };
    json_answer(StatusCode::OK, &found(&site, &headers, &ids, minutes, more))
}

fn found(site: &Site, headers: &HeaderMap, ids: &[Uuid], minutes: i64, more: More) -> Value {
    let base = headers.get("host").and_then(|host| host.to_str().ok()).map_or_else(String::new, |host| format!("http://{host}"));
    let mut data: Vec<Value> = ids
        .iter()
        .filter(|id| !site.faults.strikes(&[&id.to_string()], &Fault::MissingTaskId))
        .map(|id| {
            let (recording, transcription) = (recordings(site, &base, *id, minutes, more), transcripts::listed(site, &base, *id, minutes));
            json!({"taskId": id, "recording": recording, "transcription": transcription})
        })
        .collect();
    if site.faults.strikes(&[], &Fault::OutOfOrder) {
        data.reverse();
    }
    json!({"meta": {"orgId": told_org(site), "urlExpiration": minutes}, "data": data})
}

fn recordings(site: &Site, base: &str, id: Uuid, minutes: i64, more: More) -> Vec<Value> {
    let key = id.to_string();
    let keys = [key.as_str()];
    let Some(call) = site.book.find(id, &site.faults).filter(|call| is_ready(site, call, &keys)) else { return Vec::new() };
    let [several, only_consult, only_segments, virtual_agents] =
        [Fault::SeveralLegs, Fault::OnlyConsult, Fault::OnlySegments, Fault::VaLegs].map(|fault| site.faults.strikes(&keys, &fault));
    let mut parts = Vec::new();
    // the consult comes first: a client must choose by callType, not by place
    if several || only_consult {
        parts.push(Some(Leg::Consult));
    }
    if !only_consult && !only_segments {
        parts.push(None);
    }
    if more.segments && (several || only_segments) {
        parts.extend([Some(Leg::FirstSegment), Some(Leg::SecondSegment)]);
    }
    if more.virtual_agents && virtual_agents {
        parts.extend([Some(Leg::VaMain), Some(Leg::VaConsult)]);
    }
    parts.into_iter().map(|part| entry(site, base, &call, part, minutes)).collect()
}

/// Whether a recording is listed now. Counts a poll.
fn is_ready(site: &Site, call: &Call, keys: &[&str]) -> bool {
    let now_ms = site.now_ms();
    let faults = &site.faults;
    let early = faults.strike(keys, |fault| if let Fault::NotReadyUntil { after } = fault { Some(*after) } else { None });
    let early = early.is_some_and(|after| now_ms < call.ended_ms + i64::try_from(after.as_millis()).unwrap_or(i64::MAX / 4));
    let polls = faults.strike(keys, |fault| if let Fault::NotReadyFor { polls } = fault { Some(*polls) } else { None });
    let counted = polls.is_some_and(|polls| site.polls.count(call.id) <= polls);
    let gone = faults.strikes(keys, &Fault::NeverRecorded) || faults.strikes(keys, &Fault::Purged);
    call.offers_recording(now_ms) && !early && !counted && !gone
}

/// An element of `recording[]`: a leg, or the call itself.
fn entry(site: &Site, base: &str, call: &Call, leg: Option<Leg>, minutes: i64) -> Value {
    let key = call.id.to_string();
    let id = leg.map_or(call.id, |leg| site.book.leg_id(call, leg));
    let file = leg.map_or("combinedRecordings.wav", Leg::file_name);
    let (call_type, segment) = (leg.map_or("main", Leg::call_type), leg.is_some_and(Leg::is_segment));
    let whole = call.spec.audio;
    let begins_ms = call.created_ms + leg.map_or(0, |leg| num_ms((leg.begins_after(whole).as_secs_f64() * 1_000.0).round()));
    let length_ms = (leg.map_or(whole, |leg| leg.audio(whole)).seconds() * 1_000.0).round();
    let times = [begins_ms, begins_ms + num_ms(length_ms)];
    let strings = site.faults.strikes(&[&key], &Fault::StringTimes);
    let told = times.map(|time| if strings { json!(time.to_string()) } else { json!(time) });
    let (agent, number) = (site.book.owner(call).0, call.numbers().0);
    let customer = if site.faults.strikes(&[&key], &Fault::UnmaskedParticipants) { number } else { masked(&number) };
    let [start, stop] = told;
    let mut attributes = Map::new();
    let mut put = |name: &str, value: Value| attributes.insert(name.to_owned(), value);
    put("fileName", json!(file));
    put("filePath", json!(format!("{base}{}", signed_path(site, call.id, id, file, minutes))));
    put("startTime", start);
    put("stopTime", stop);
    put("participants", json!([agent, customer]));
    let mut recording = json!({"id": id});
    if !site.faults.strikes(&[&key], &Fault::MissingLabels) {
        let (left, right) = call.spec.shape.channel_names();
        put("channel1", json!(left));
        put("channel2", json!(right));
        put("callType", json!(call_type));
        if let Some(object) = recording.as_object_mut() {
            object.insert("segment".to_owned(), json!(segment));
        }
    }
    if let Some(object) = recording.as_object_mut() {
        object.insert("attributes".to_owned(), Value::Object(attributes));
    }
    recording
}

#[expect(clippy::as_conversions, reason = "the length of a call in milliseconds")]
fn num_ms(milliseconds: f64) -> i64 {
    milliseconds as i64
}

/// `+120****0123`
pub(super) fn masked(number: &str) -> String {
    format!("{}****{}", number.get(..4).unwrap_or_default(), number.get(number.len().saturating_sub(4)..).unwrap_or_default())
}
