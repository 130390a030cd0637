//! Recordings and transcripts on offer: `POST /v1/captures/query`, up to ten calls at once, links that live for an hour.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    api::{Answer, Api, Ask},
    legs::{Labelled, leg, resolved},
    number::number_or_text,
    translate::{moment, told},
};
use crate::{
    domain::{Leg, RecordingId, RecordingOffer, SessionId, SourceName, TranscriptOffer},
    ledger::VendorTrace,
    sources::SourceError,
};

/// The API takes this many ids at once.
pub(super) const MOST_IDS: usize = 10;
/// Minutes; the longest the API allows. A link is fetched from right away, and may be resumed from within the hour.
const LINK_MINUTES: u8 = 60;
const PATH: &str = "v1/captures/query";

/// Names of files that hold a call's words; the names of other channels' end differently.
const VOICE_TRANSCRIPT: &str = "voicetranscript.json";
/// `source` of a transcript that was made of the recording.
const OF_RECORDING: &str = "recording";

/// What Webex offers of one call.
#[derive(Debug, Clone, Default)]
pub(super) struct Capture {
    pub(super) recordings: Vec<RecordingOffer>,
    pub(super) transcripts: Vec<TranscriptOffer>,
    pub(super) chats: Vec<ChatFile>,
    /// The answer that told it.
    pub(super) trace: VendorTrace,
}

/// A file of what was written. The link in it is a secret that ends soon.
#[derive(Clone)]
pub(super) struct ChatFile {
    pub(super) created_at: Option<DateTime<Utc>>,
    pub(super) link: String,
}

impl std::fmt::Debug for ChatFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatFile").field("created_at", &self.created_at).field("link", &"[secret]").finish()
    }
}

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
    /// Required by the specification; without it there is no transcript, and recordings can be used all the same.
    #[serde(default)]
    transcription: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
struct WireTranscript {
    source: Option<String>,
    filename: Option<String>,
    filepath: Option<String>,
    languagecode: Option<String>,
    #[serde(default, deserialize_with = "number_or_text")]
    starttime: Option<i64>,
    #[serde(default, deserialize_with = "number_or_text")]
    createtime: Option<i64>,
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

/// What there is of each of `sessions` (unique, at most ten), all of them: a call that the answer leaves out has nothing.
pub(super) async fn query(api: &Api, sessions: &[SessionId]) -> Result<HashMap<String, Capture>, SourceError> {
    let answer = match ask(api, sessions, true).await {
        // an API from before April 2026 does not know the field; if it was something else, the answer is the same again
        Err(SourceError::Rejected { .. }) => ask(api, sessions, false).await?,
        answer => answer?,
    };
    let wire = read(answer.content, &answer.trace)?;
    let trace = answer.trace;
    let nothing = |session: &SessionId| (session.to_string(), Capture { trace: trace.clone(), ..Capture::default() });
    let mut captures: HashMap<_, _> = sessions.iter().map(nothing).collect();
    captures.extend(wire.data.into_iter().filter_map(|capture| offers(capture, sessions, &trace)));
    Ok(captures)
}

/// Segments are asked for, too: a call may be recorded in pieces only, and every recording becomes a row.
async fn ask(api: &Api, sessions: &[SessionId], virtual_agents: bool) -> Result<Answer<Value>, SourceError> {
    let url = api.base.join(PATH).map_err(|error| SourceError::Rejected {
        source_name: SourceName::Webex,
        what: format!("`WEBEX_CC_BASE_URL` makes no URL: {error}"),
        trace: VendorTrace::default(),
    })?;
    let ids: Vec<&str> = sessions.iter().take(MOST_IDS).map(SessionId::as_str).collect();
    let mut query = json!({"orgId": api.org_id.as_str(), "urlExpiration": LINK_MINUTES, "taskIds": ids, "includeSegments": true});
    if let (true, Some(fields)) = (virtual_agents, query.as_object_mut()) {
        fields.insert("includeVARecordings".to_owned(), json!(true));
    }
    let ask = Ask { method: Method::POST, url, body: Some(json!({ "query": query })), divisible: false };
    api.ask::<Value>(&ask).await.map_err(|refusal| refusal.error)
}

fn read(answer: Value, trace: &VendorTrace) -> Result<WireAnswer, SourceError> {
    serde_path_to_error::deserialize(lower_keys(answer)).map_err(|error| {
        // serde's own text may quote a link; the path says enough
        let missing = error.inner().to_string();
        let what = if missing.starts_with("missing field") { missing } else { "not what was expected there".to_owned() };
        SourceError::WrongShape { source_name: SourceName::Webex, what: format!("`{}`: {what}", error.path()), trace: trace.clone() }
    })
}

fn offers(capture: WireCapture, sessions: &[SessionId], trace: &VendorTrace) -> Option<(String, Capture)> {
    let task = capture.taskid.or_else(|| match sessions {
        [only] => Some(only.to_string()),
        _ => None,
    })?;
    let session = sessions.iter().find(|session| session.as_str().eq_ignore_ascii_case(&task))?;
    let recordings = resolved(capture.recording.into_iter().filter_map(|recording| offer(recording, session)).collect());
    let listed = capture.transcription.unwrap_or_default();
    let (mut transcripts, mut chats) = (Vec::new(), Vec::new());
    for file in listed {
        match listed_file(file, session) {
            Some(Listed::Spoken(offer)) => transcripts.push(offer),
            Some(Listed::Written(file)) => chats.push(file),
            None => {}
        }
    }
    // the one that was made of the recording, and the latest of several
    transcripts.sort_by_key(|offer| (!offer.of_recording, std::cmp::Reverse(offer.created_at)));
    Some((session.to_string(), Capture { recordings, transcripts, chats, trace: trace.clone() }))
}

/// One element of `recording[]`; one that cannot be read or has no link is told and left out, so that the others can be used.
fn offer(recording: Value, session: &SessionId) -> Option<Labelled> {
    let wire: WireRecording = match serde_path_to_error::deserialize(recording) {
        Ok(wire) => wire,
        Err(error) => {
            tracing::warn!(call.session_id = %session, path = %error.path(), "a recording on offer cannot be read: left out");
            return None;
        }
    };
    let attributes = wire.attributes;
    let (named, segment) = (told(attributes.calltype).as_deref().map(leg), wire.segment.unwrap_or(false));
    let started_at = attributes.starttime.and_then(moment);
    let recording_id = told(wire.id).unwrap_or_else(|| match named {
        // for a plain call the id of the recording is the id of the call
        Some(Leg::Main) | None if !segment => session.to_string(),
        _ => format!("{session}-{}-{}", named.unwrap_or(Leg::Main), attributes.starttime.unwrap_or_default()),
    });
    let offer = RecordingOffer {
        session_id: session.clone(),
        recording_id: RecordingId::parse(recording_id).ok()?,
        // found out when all of the call's recordings are known
        leg: Leg::Other,
        segment,
        channels: [told(attributes.channel1), told(attributes.channel2)],
        started_at,
        stopped_at: attributes.stoptime.and_then(moment),
        link: told(attributes.filepath)?,
    };
    Some(Labelled { named, offer })
}

/// One element of `transcription[]`.
enum Listed {
    /// Of what was spoken.
    Spoken(TranscriptOffer),
    /// Of what was written.
    Written(ChatFile),
}

/// One element of `transcription[]`; one that cannot be read or has no link is left out.
fn listed_file(transcript: Value, session: &SessionId) -> Option<Listed> {
    let wire: WireTranscript = match serde_path_to_error::deserialize(transcript) {
        Ok(wire) => wire,
        Err(error) => {
            tracing::warn!(call.session_id = %session, path = %error.path(), "a transcript on offer cannot be read: left out");
            return None;
        }
    };
    let source = told(wire.source).map(|source| source.to_ascii_lowercase());
    let of_voice = told(wire.filename).is_some_and(|name| name.to_ascii_lowercase().ends_with(VOICE_TRANSCRIPT));
    if !of_voice && !matches!(source.as_deref(), Some(OF_RECORDING | "realtime-voice")) {
        return Some(Listed::Written(ChatFile { created_at: wire.createtime.and_then(moment), link: told(wire.filepath)? }));
    }
    Some(Listed::Spoken(TranscriptOffer {
        session_id: session.clone(),
        of_recording: source.as_deref() == Some(OF_RECORDING),
        started_at: wire.starttime.and_then(moment),
        created_at: wire.createtime.and_then(moment),
        language: told(wire.languagecode),
        link: told(wire.filepath)?,
    }))
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
        wire.data
            .into_iter()
            .filter_map(|capture| offers(capture, &[session()], &VendorTrace::default()))
            .flat_map(|(_, capture)| capture.recordings)
            .collect()
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
    fn transcripts_of_speech_are_offered_the_one_made_of_the_recording_first_whatever_the_case_of_the_keys() {
        let listed = |source: &str, key: &str, file: &str| json!({key: source, "fileName": file, "filePath": "https://x.example/?sig=1", "startTime": "1661785612510", "languageCode": "en-US"});
        let answer = json!({"data": [{"taskId": TASK, "recording": [], "transcription": [
            listed("email", "source", "emailTranscript.json"),
            listed("realtime-voice", "Source", "realtimeVoiceTranscript.json"),
            listed("recording", "Source", "voiceTranscript.json"),
            {"source": "recording", "fileName": "voiceTranscript.json", "filePath": null},
            7,
        ]}]});
        let wire = read(answer, &VendorTrace::default()).unwrap();
        let capture = wire.data.into_iter().find_map(|capture| offers(capture, &[session()], &VendorTrace::default())).unwrap().1;
        assert_eq!(capture.transcripts.iter().map(|offer| offer.of_recording).collect::<Vec<_>>(), [true, false]);
        assert_eq!(capture.transcripts[0].started_at.unwrap().timestamp_millis(), 1_661_785_612_510);
        assert_eq!(capture.chats.len(), 1, "what was written is no transcript of speech");
        assert!(!format!("{capture:?}").contains("sig="));
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
