//! The file of what was written in a conversation. Only the older form, a list of messages, is known from the field; the newer one
//! names its version and is documented nowhere we could read, so it is taken by what it holds: a list of messages under one of the
//! likely names. What is in neither form is told by its shape and never by its words.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::translate::{moment, told};
use crate::domain::{ChatMessage, Conversation, Participant};

/// Names under which a list of messages may stand.
const LISTS: &[&str] = &["messages", "transcript", "conversation", "data", "items"];
/// Names of the parts of a message, the known one first.
const TIMES: &[&str] = &["timestamp", "createdtime", "createtime", "senttime", "time"];
const TEXTS: &[&str] = &["message", "text", "body", "content"];
const PARTICIPANTS: &[&str] = &["participant", "sender", "from"];
/// Keys of an unknown object that an error names, and characters of each.
const KEYS_TOLD: usize = 8;
const LONGEST_KEY: usize = 40;
/// Epoch numbers below this are seconds; as milliseconds they would lie in 1973 or before.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// The bytes are no conversation that we know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unrecognised {
    #[error("the file is empty")]
    Empty,
    #[error("the file is no JSON, or ends early: line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    #[error("{0}")]
    Shape(String),
}

impl Unrecognised {
    /// Whether the same file may be whole another time.
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::Empty | Self::NotJson { .. } => true,
            Self::Shape(_) => false,
        }
    }
}

/// Reads a file: its messages by time, each once.
pub(super) fn read(bytes: &[u8]) -> Result<Conversation, Unrecognised> {
    if bytes.trim_ascii().is_empty() {
        return Err(Unrecognised::Empty);
    }
    let file: Value =
        serde_json::from_slice(bytes).map_err(|error| Unrecognised::NotJson { line: error.line(), column: error.column() })?;
    let list = list(file)?;
    let elements = list.len();
    let mut seen = Seen::default();
    let mut messages: Vec<ChatMessage> = Vec::with_capacity(elements);
    let mut unreadable = 0;
    for element in list {
        match message(element) {
            Some(message) => messages.extend(seen.first(message)),
            None => unreadable += 1,
        }
    }
    if messages.is_empty() && unreadable > 0 {
        return Err(Unrecognised::Shape(format!("a list of {elements} elements, none of which is a message")));
    }
    by_time(&mut messages);
    Ok(Conversation { messages, unreadable })
}

/// The list of messages, wherever it stands.
fn list(file: Value) -> Result<Vec<Value>, Unrecognised> {
    match file {
        Value::Array(list) => Ok(list),
        Value::Object(fields) => {
            let mut fields = lower_keys(fields);
            for name in LISTS {
                match fields.remove(*name) {
                    Some(Value::Array(list)) => return Ok(list),
                    // one level further in, as in `{"data": {"messages": []}}`
                    Some(Value::Object(inner)) if inner.keys().any(|key| LISTS.contains(&key.to_ascii_lowercase().as_str())) => {
                        return list(Value::Object(inner));
                    }
                    _ => {}
                }
            }
            let keys: Vec<String> = fields.keys().take(KEYS_TOLD).map(|key| key.chars().take(LONGEST_KEY).collect()).collect();
            Err(Unrecognised::Shape(format!("JSON without a list of messages, but with: {}", keys.join(", "))))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err(Unrecognised::Shape("JSON that is neither a list nor an object".to_owned()))
        }
    }
}

fn lower_keys(fields: Map<String, Value>) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

/// One element of the list; `None` when nothing of a message is in it. Its key is not final.
fn message(element: Value) -> Option<ChatMessage> {
    let Value::Object(fields) = element else { return None };
    let mut fields = lower_keys(fields);
    let mut take = |names: &[&str]| names.iter().find_map(|name| fields.remove(*name).filter(|value| !value.is_null()));
    let (time, text, participant, direction) = (take(TIMES), take(TEXTS), take(PARTICIPANTS), take(&["direction"]));
    let (attachments, id) = (take(&["attachments"]), take(&["messageid", "id"]));
    if time.is_none() && text.is_none() && participant.is_none() && direction.is_none() && attachments.is_none() {
        return None;
    }
    let (sent_at, odd_time) = match time.map(when) {
        None => (None, None),
        Some(Ok(at)) => (Some(at), None),
        Some(Err(odd)) => (None, Some(odd)),
    };
    Some(ChatMessage {
        key: id.and_then(plain).map(|id| format!("id:{id}")).unwrap_or_default(),
        sent_at,
        odd_time,
        direction: direction.and_then(plain).and_then(|word| told(Some(word))),
        text: with_attachments(text.and_then(written), attachments),
        participant: participant.map(who).unwrap_or_default(),
    })
}

/// A text, or a number as text.
fn plain(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.replace('\0', "\u{fffd}")),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What was written: a text, an object with one, or several of either.
fn written(value: Value) -> Option<String> {
    match value {
        Value::Object(fields) => {
            let mut fields = lower_keys(fields);
            TEXTS.iter().find_map(|name| fields.remove(*name)).and_then(plain)
        }
        Value::Array(parts) => {
            let parts: Vec<String> = parts.into_iter().filter_map(written).collect();
            (!parts.is_empty()).then(|| parts.join("\n"))
        }
        value => plain(value),
    }
}

/// Attachments have no text of their own: their names stand for them.
fn with_attachments(text: Option<String>, attachments: Option<Value>) -> Option<String> {
    let Some(Value::Array(list)) = attachments else { return text };
    let name = |attachment: Value| match attachment {
        Value::Object(fields) => {
            let mut fields = lower_keys(fields);
            ["filename", "name"].iter().find_map(|name| fields.remove(*name)).and_then(plain)
        }
        _ => None,
    };
    let names = list.into_iter().map(|each| format!("[attachment: {}]", name(each).unwrap_or_else(|| "without a name".to_owned())));
    let lines: Vec<String> = text.into_iter().filter(|text| !text.is_empty()).chain(names).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn who(value: Value) -> Participant {
    let Value::Object(fields) = value else {
        return Participant { name: plain(value).and_then(|name| told(Some(name))), ..Participant::default() };
    };
    let mut fields = lower_keys(fields);
    let mut take = |names: &[&str]| names.iter().find_map(|name| fields.remove(*name)).and_then(plain).and_then(|text| told(Some(text)));
    Participant {
        name: take(&["name", "displayname"]),
        role: take(&["role", "type"]),
        user_id: take(&["userid", "id"]),
        alias_id: take(&["aliasid", "alias"]),
    }
}

/// A time: a number, a number in a text, or ISO 8601; what is none comes back as it was told.
fn when(value: Value) -> Result<DateTime<Utc>, String> {
    let odd = plain(value).unwrap_or_else(|| "(no time)".to_owned());
    let text = odd.trim();
    let number = text.parse::<i64>().ok().or_else(|| text.parse::<f64>().ok().and_then(|number| format!("{number:.0}").parse().ok()));
    if let Some(number) = number {
        return moment(if number < MILLISECONDS_FROM { number.saturating_mul(1_000) } else { number }).ok_or(odd);
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    if let Ok(at) = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z") {
        return Ok(at.to_utc());
    }
    // a time that names no zone is the platform's, which is UTC everywhere else
    let bare = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"].iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    bare.map(|at| at.and_utc()).ok_or(odd)
}

/// Tells a message that comes again from one that says the same again.
#[derive(Default)]
struct Seen {
    keys: HashSet<String>,
    untimed: HashMap<String, u32>,
}

impl Seen {
    /// The message with its key; `None` when it came before. Without an id of the vendor's, the same words by the same person in the
    /// same millisecond are one message; without a time, every one counts.
    fn first(&mut self, mut message: ChatMessage) -> Option<ChatMessage> {
        if message.key.is_empty() {
            message.key = digest(&message);
            if message.sent_at.is_none() {
                let times = self.untimed.entry(message.key.clone()).or_default();
                *times += 1;
                message.key = format!("{}#{times}", message.key);
            }
        }
        self.keys.insert(message.key.clone()).then_some(message)
    }
}

fn digest(message: &ChatMessage) -> String {
    let Participant { name, role, user_id, alias_id } = &message.participant;
    let time = message.sent_at.map(|at| at.timestamp_millis().to_string());
    let mut digest = Sha256::new();
    for part in [&time, &message.odd_time, &message.direction, &message.text, name, role, user_id, alias_id] {
        // lengths keep parts apart; missing is not empty
        let part = part.as_deref();
        digest.update(part.map_or_else(|| "-".to_owned(), |part| part.len().to_string()));
        digest.update(b":");
        digest.update(part.unwrap_or_default());
    }
    hex::encode(digest.finalize()).chars().take(32).collect()
}

/// By time; a message without one stays behind the message that it came after.
fn by_time(messages: &mut Vec<ChatMessage>) {
    let mut last = None;
    let mut placed: Vec<_> = messages
        .drain(..)
        .map(|message| {
            last = message.sent_at.or(last);
            (last, message)
        })
        .collect();
    placed.sort_by_key(|(at, _)| *at);
    messages.extend(placed.into_iter().map(|(_, message)| message));
}

#[cfg(test)]
#[path = "chat_file_tests.rs"]
mod tests;
