//! Recordings on offer: `POST /v1/captures/query`, up to ten calls at once, links that live for an hour.

use std::collections::HashMap;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    api::{Api, Ask},
    number::number_or_text,
    translate::{moment, told},
};
use crate::{
    domain::{Leg, RecordingId, RecordingOffer, SessionId, SourceName},
    ledger::VendorTrace,
    sources::SourceError,
};

/// The API takes this many ids at once.
pub(super) const MOST_IDS: usize = 10;
/// Minutes; the longest the API allows. A link is fetched from right away, and may be resumed from within the hour.
const LINK_MINUTES: u8 = 60;
const PATH: &str = "v1/captures/query";

#[derive(Debug, Deserialize)]
struct WireAnswer {
    data: Vec<WireCapture>,
}

/// Keys are compared in lower case: the specification and the API do not agree on theirs.
#[derive(Debug, Deserialize)]
struct WireCapture {
    taskid: Option<String>,
    /// Missing is not empty: an empty list is the answer "nothing yet".
    recording: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct WireRecording {
    id: Option<String>,
    segment: Option<bool>,
    attributes: WireAttributes,
}

#[derive(Debug, Deserialize)]
struct WireAttributes {
    filepath: Option<String>,
    #[serde(default, deserialize_with = "number_or_text")]
    starttime: Option<i64>,
    #[serde(default, deserialize_with = "number_or_text")]
    stoptime: Option<i64>,
    channel1: Option<String>,
    channel2: Option<String>,
    calltype: Option<String>,
}

/// The offers of each of `sessions` (unique, at most ten); a call that the answer leaves out has none.
pub(super) async fn query(api: &Api, sessions: &[SessionId]) -> Result<HashMap<String, Vec<RecordingOffer>>, SourceError> {
    let url = api.base.join(PATH).map_err(|error| SourceError::Rejected {
        source_name: SourceName::Webex,
        what: format!("`WEBEX_CC_BASE_URL` makes no URL: {error}"),
        trace: VendorTrace::default(),
    })?;
    let ids: Vec<&str> = sessions.iter().take(MOST_IDS).map(SessionId::as_str).collect();
    let query = json!({"orgId": api.org_id.as_str(), "urlExpiration": LINK_MINUTES, "taskIds": ids, "includeSegments": false});
    let ask = Ask { method: Method::POST, url, body: Some(json!({ "query": query })), divisible: false };
    let answer = api.ask::<Value>(&ask).await.map_err(|refusal| refusal.error)?;
    let wire = read(answer.content, &answer.trace)?;
    Ok(wire.data.into_iter().filter_map(|capture| offers(capture, sessions)).collect())
}

fn read(answer: Value, trace: &VendorTrace) -> Result<WireAnswer, SourceError> {
    serde_path_to_error::deserialize(lower_keys(answer)).map_err(|error| {
        // serde's own text may quote a link; the path says enough
        let missing = error.inner().to_string();
        let what = if missing.starts_with("missing field") { missing } else { "not what was expected there".to_owned() };
        SourceError::WrongShape { source_name: SourceName::Webex, what: format!("`{}`: {what}", error.path()), trace: trace.clone() }
    })
}

fn offers(capture: WireCapture, sessions: &[SessionId]) -> Option<(String, Vec<RecordingOffer>)> {
    let task = capture.taskid.or_else(|| match sessions {
        [only] => Some(only.to_string()),
        _ => None,
    })?;
    let session = sessions.iter().find(|session| session.as_str().eq_ignore_ascii_case(&task))?;
    let mut offers: Vec<_> = capture.recording.into_iter().filter_map(|recording| offer(recording, session)).collect();
    offers.sort_by_key(|offer| {
        (offer.segment, offer.leg != Leg::Main, std::cmp::Reverse(offer.stopped_at.zip(offer.started_at).map(|(stop, start)| stop - start)))
    });
    Some((session.to_string(), offers))
}

/// One element of `recording[]`; one that cannot be read or has no link is told and left out, so that the others can be used.
fn offer(recording: Value, session: &SessionId) -> Option<RecordingOffer> {
    let wire: WireRecording = match serde_path_to_error::deserialize(recording) {
        Ok(wire) => wire,
        Err(error) => {
            tracing::warn!(call.session_id = %session, path = %error.path(), "a recording on offer cannot be read: left out");
            return None;
        }
    };
    let attributes = wire.attributes;
    // for a plain call the id of the recording is the id of the call
    let recording_id = RecordingId::parse(told(wire.id).unwrap_or_else(|| session.to_string())).ok()?;
    Some(RecordingOffer {
        session_id: session.clone(),
        recording_id,
        leg: leg(told(attributes.calltype).as_deref()),
        segment: wire.segment.unwrap_or(false),
        channels: [told(attributes.channel1), told(attributes.channel2)],
        started_at: attributes.starttime.and_then(moment),
        stopped_at: attributes.stoptime.and_then(moment),
        link: told(attributes.filepath)?,
    })
}

/// Old recordings name no leg: there was only one kind.
fn leg(word: Option<&str>) -> Leg {
    word.map_or(Leg::Main, |word| word.to_ascii_lowercase().parse().unwrap_or(Leg::Other))
}

fn lower_keys(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), lower_keys(value))).collect(),
        Value::Array(items) => items.into_iter().map(lower_keys).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = "aaaaaaaa-0002-4000-8000-000000000002";

    fn session() -> SessionId {
        SessionId::parse(TASK).unwrap()
    }

    fn found(recording: Value) -> Vec<RecordingOffer> {
        let answer =
            json!({"meta": {"urlExpiration": 60}, "data": [{"taskId": TASK.to_uppercase(), "recording": recording, "transcription": []}]});
        let wire = read(answer, &VendorTrace::default()).unwrap();
        wire.data.into_iter().filter_map(|capture| offers(capture, &[session()])).flat_map(|(_, offers)| offers).collect()
    }

    #[test]
    fn times_come_as_text_and_keys_in_any_case() {
        let offers = found(json!([{"id": TASK, "segment": false, "attributes": {
            "fileName": "combinedRecordings.wav", "FilePath": "https://files.example/a.wav?sig=1", "startTime": "1661785612510", "stopTime": 1_661_785_616_249_i64,
            "channel1": "Caller", "channel2": "Agent", "callType": "main"}}]));
        let offer = &offers[0];
        assert_eq!((offer.leg, offer.segment), (Leg::Main, false));
        assert_eq!((offer.stopped_at.unwrap() - offer.started_at.unwrap()).num_milliseconds(), 3739);
        assert_eq!(offer.channels, [Some("Caller".to_owned()), Some("Agent".to_owned())]);
        assert!(!format!("{offer:?}").contains("sig="));
    }

    #[test]
    fn the_whole_call_comes_before_its_pieces_and_other_legs() {
        let recording = |id: &str, segment: bool, call_type: Value, stop: i64| json!({"id": id, "segment": segment, "attributes": {"filePath": "https://x.example/", "startTime": 1_661_785_600_000_i64, "stopTime": stop, "callType": call_type}});
        let offers = found(json!([
            recording("short-piece", true, json!("main"), 1_661_785_601_000),
            recording("long-piece", true, json!("main"), 1_661_785_609_000),
            recording("consult", false, json!("consult"), 1_661_785_609_000),
            recording("new-kind", false, json!("hologram"), 1_661_785_602_000),
            recording("whole", false, json!(null), 1_661_785_605_000),
        ]));
        let order: Vec<_> = offers.iter().map(|offer| (offer.recording_id.as_str(), offer.leg)).collect();
        assert_eq!(
            order,
            [
                ("whole", Leg::Main),
                ("consult", Leg::Consult),
                ("new-kind", Leg::Other),
                ("long-piece", Leg::Main),
                ("short-piece", Leg::Main)
            ]
        );
    }

    #[test]
    fn a_recording_without_a_link_is_not_on_offer() {
        assert!(found(json!([{"id": "a", "attributes": {"filePath": null}}, "garbage", {"id": "b"}])).is_empty());
        assert!(found(json!([])).is_empty());
    }

    #[test]
    fn a_wrong_shape_is_loud_and_never_no_recording() {
        for (answer, path) in [(json!({"items": []}), "data"), (json!({"data": [{"taskId": TASK, "recordings": []}]}), "recording")] {
            let error = read(answer, &VendorTrace::default()).unwrap_err();
            assert!(matches!(error, SourceError::WrongShape { .. }) && error.to_string().contains(path), "{error}");
        }
    }
}
