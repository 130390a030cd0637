//! A vCon (draft-ietf-vcon-vcon-core): who took part, where the recording is, what was said.

use serde::Serialize;
use uuid::Uuid;

use super::Origin;
use crate::document::{Document, Turn, VERSION};

/// Version of the syntax that is written.
const SYNTAX: &str = "0.3.0";
/// What the ids of exported conversations are derived from, so that two exports of a call have one id.
const CONVERSATIONS: &str = "callscribe conversation";

#[derive(Serialize)]
pub(super) struct Vcon<'v> {
    vcon: &'static str,
    uuid: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    parties: Vec<Party>,
    dialog: Vec<Dialog<'v>>,
    analysis: Vec<Analysis<'v>>,
}

#[derive(Serialize)]
struct Party {
    #[serde(skip_serializing_if = "Option::is_none")]
    tel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
}

#[derive(Serialize)]
struct Dialog<'v> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    duration: f64,
    parties: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mediatype: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'v str>,
}

#[derive(Serialize)]
struct Analysis<'v> {
    #[serde(rename = "type")]
    kind: &'static str,
    dialog: Vec<usize>,
    vendor: &'v str,
    product: &'v str,
    schema: String,
    encoding: &'static str,
    body: Body<'v>,
}

#[derive(Serialize)]
struct Body<'v> {
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'v str>,
    turns: Vec<Said<'v>>,
}

#[derive(Serialize)]
struct Said<'v> {
    #[serde(skip_serializing_if = "Option::is_none")]
    party: Option<usize>,
    #[serde(flatten)]
    turn: &'v Turn,
}

/// The conversation of a transcript.
pub(super) fn of<'v>(document: &'v Document, origin: &'v Origin) -> Vcon<'v> {
    let roles = roles(document);
    let place = |turn: &Turn| roles.iter().position(|role| Some(role.as_str()) == turn.speaker.as_deref());
    let began = document.call.as_ref().map(|call| call.started_at.to_rfc3339());
    let name = document.call.as_ref().map_or_else(String::new, |call| format!("{CONVERSATIONS} {} {}", call.session_id, call.leg));
    let mediatype = origin.recording.as_deref().and_then(media_type);
    let dialog = Dialog {
        kind: "recording",
        start: began.clone(),
        duration: document.audio_seconds,
        parties: (0..roles.len()).collect(),
        mediatype,
        url: origin.recording.as_deref(),
    };
    let turns = document.turns.iter().map(|turn| Said { party: place(turn), turn }).collect();
    Vcon {
        vcon: SYNTAX,
        uuid: Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()),
        created_at: began,
        subject: document.call.as_ref().map(|call| format!("{} call {}", call.source, call.session_id)),
        parties: roles.iter().map(|role| party(role, origin)).collect(),
        dialog: vec![dialog],
        analysis: vec![Analysis {
            kind: "transcript",
            dialog: vec![0],
            vendor: &document.provider,
            product: &document.model,
            schema: format!("callscribe transcript turns, version {VERSION}"),
            encoding: "json",
            body: Body { language: document.language.as_deref(), turns },
        }],
    }
}

/// Who takes part: agent and customer always, whoever else speaks.
fn roles(document: &Document) -> Vec<String> {
    let mut roles = vec!["agent".to_owned(), "customer".to_owned()];
    for speaker in document.turns.iter().filter_map(|turn| turn.speaker.as_ref()) {
        if !roles.contains(speaker) {
            roles.push(speaker.clone());
        }
    }
    roles
}

fn party(role: &str, origin: &Origin) -> Party {
    let tel = |number: &Option<String>| number.as_ref().map(|number| format!("tel:{number}"));
    let (tel, name) = match role {
        "agent" => (tel(&origin.agent_number), origin.agent.clone()),
        "customer" => (tel(&origin.customer_number), None),
        _ => (None, None),
    };
    Party { tel, name, role: Some(role.to_owned()) }
}

/// The media type of a file by the end of its name.
fn media_type(address: &str) -> Option<&'static str> {
    match address.rsplit('.').next()?.to_ascii_lowercase().as_str() {
        "wav" => Some("audio/x-wav"),
        "mp3" => Some("audio/mpeg"),
        "ogg" | "opus" => Some("audio/ogg"),
        "flac" => Some("audio/flac"),
        "m4a" | "mp4" => Some("audio/mp4"),
        _ => None,
    }
}
