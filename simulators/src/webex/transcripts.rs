//! Webex's own transcripts: offered with the recordings, later than they are, and fetched by signed links.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::book::Call;
use super::fault::Fault;
use super::links::signed_path;
use super::transcript_files::{Manner, legacy, vcon};
use super::{Site, chats};

/// The file of a call that has ended; the same name whatever is in it.
const FILE: &str = "voiceTranscript.json";
/// The file that was written while the call went on.
const REALTIME_FILE: &str = "realtimeVoiceTranscript.json";

/// `transcription[]` of a call, as it looks now.
pub(super) fn listed(site: &Site, base: &str, id: Uuid, minutes: i64) -> Vec<Value> {
    let key = id.to_string();
    let Some(call) = site.book.find(id, &site.faults).filter(|call| is_ready(site, call, &key)) else { return Vec::new() };
    if chats::is_written(&call) {
        let both = site.faults.strikes(&[&key], &Fault::ChatBothVersions);
        let files = [Some(chats::FILE), both.then_some(chats::VERSIONED_FILE)];
        return files.into_iter().flatten().map(|file| entry(site, base, &call, minutes, "chat", file)).collect();
    }
    let mut list = vec![entry(site, base, &call, minutes, "recording", FILE)];
    if site.faults.strikes(&[&key], &Fault::RealtimeTranscriptToo) {
        list.insert(0, entry(site, base, &call, minutes, "realtime-voice", REALTIME_FILE));
    }
    list
}

fn is_ready(site: &Site, call: &Call, key: &str) -> bool {
    let Some(usual) = call.spec.transcript_after else { return false };
    let late = site.faults.strike(&[key], |fault| if let Fault::TranscriptLate { after } = fault { Some(*after) } else { None });
    let after = late.unwrap_or(usual);
    let none = site.faults.strikes(&[key], &Fault::NoTranscript);
    let kept = call.spec.recorded || chats::is_written(call);
    !none && kept && site.now_ms() >= call.ended_ms + i64::try_from(after.as_millis()).unwrap_or(i64::MAX / 4)
}

fn entry(site: &Site, base: &str, call: &Call, minutes: i64, source: &str, file: &str) -> Value {
    let capitals = site.faults.strikes(&[&call.id.to_string()], &Fault::CapitalKeys);
    let (source_key, provider_key) = if capitals { ("Source", "Provider") } else { ("source", "provider") };
    let id = site.book.transcript_id(call, file != REALTIME_FILE);
    let mut entry = Map::new();
    let mut put = |name: &str, value: Value| entry.insert(name.to_owned(), value);
    put(source_key, json!(source));
    put(provider_key, json!("CISCO"));
    put("id", json!(id));
    put("fileName", json!(file));
    put("filePath", json!(format!("{base}{}", signed_path(site, call.id, id, file, minutes))));
    put("startTime", json!(call.created_ms.to_string()));
    put("languageCode", json!("en-US"));
    put("createTime", json!(call.ended_ms.to_string()));
    Value::Object(entry)
}

/// Whether a link leads to a transcript.
pub(super) fn is_transcript(file: &str) -> bool {
    [FILE, REALTIME_FILE, chats::FILE, chats::VERSIONED_FILE].contains(&file)
}

/// The file behind a link; `None` when the call has no such file.
pub(super) fn file(site: &Site, task: Uuid, id: Uuid, file: &str) -> Option<Response> {
    let call = site.book.find(task, &site.faults)?;
    let is_final = file != REALTIME_FILE;
    if site.book.transcript_id(&call, is_final) != id {
        return None;
    }
    // the store knows of files, not of what is in them
    let sent = |text: String| (StatusCode::OK, [(header::CONTENT_TYPE, "binary/octet-stream")], text).into_response();
    if chats::is_written(&call) {
        return Some(sent(chats::file(site, &call, file)));
    }
    let key = task.to_string();
    let strikes = |fault: Fault| site.faults.strikes(&[&key], &fault);
    let manner = Manner {
        unordered: strikes(Fault::TranscriptUnordered),
        without_words: strikes(Fault::TranscriptWithoutWords),
        seconds_as_text: strikes(Fault::TranscriptSecondsAsText),
        relative: strikes(Fault::TranscriptRelativeTimes),
        empty_dialog: strikes(Fault::TranscriptEmptyDialog),
        // what is written while the call goes on lacks its end
        cut_short: !is_final || strikes(Fault::TranscriptCutShort),
    };
    let recording = site.book.recording(&call, call.id)?;
    let mut text = if strikes(Fault::TranscriptUnknownShape) {
        json!({"interactionId": task, "segments": [{"speaker": "agent", "text": "in a shape that no guide tells of"}]}).to_string()
    } else if strikes(Fault::VconTranscript) {
        vcon(&call, &site.book.owner(&call).1, &recording.words(), manner).to_string()
    } else {
        legacy(&call, &recording.words(), manner).to_string()
    };
    if strikes(Fault::TranscriptInvalidJson) {
        text.truncate(text.len() * 2 / 3);
    }
    Some(sent(text))
}
