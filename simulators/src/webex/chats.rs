//! What was written in chats: the messages, and the forms of the file that tells them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Site;
use super::book::Call;
use super::fault::Fault;
use super::ids::other_id;

/// The file of a chat.
pub(super) const FILE: &str = "chatTranscript.json";
/// The file in the newer form, where both are there.
pub(super) const VERSIONED_FILE: &str = "chatTranscript-1.0.0.json";
/// Characters of a message that no cell of a sheet can hold.
const LONG_MESSAGE: usize = 40_000;

const LINES: [(&str, &str); 6] = [
    ("Hello, my order has not arrived", "Good morning, let me look that up"),
    ("It was sent last week", "I can see it in the system"),
    ("Thank you, I will wait", "It left the warehouse on Monday"),
    ("Where is it now?", "It is with the carrier"),
    ("Can you send it to the office?", "I have changed the address"),
    ("That is all, thank you", "You are welcome, have a good day"),
];

/// One message, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTruth {
    /// When.
    pub at: DateTime<Utc>,
    /// `INBOUND` from the customer, `OUTBOUND` from the agent.
    pub direction: &'static str,
    /// Its text.
    pub text: String,
    /// Who wrote it.
    pub name: String,
    /// `CUSTOMER` or `AGENT`.
    pub role: &'static str,
    /// The agent's id; customers have none.
    pub user_id: Option<Uuid>,
    /// Who it is within the chat.
    pub alias_id: Uuid,
}

/// Whether a call is written instead of spoken.
pub(super) fn is_written(call: &Call) -> bool {
    call.spec.channel != "telephony"
}

/// Everything that was written, in order.
pub(super) fn messages(site: &Site, call: &Call) -> Vec<MessageTruth> {
    let long = site.faults.lasting_for(&call.id.to_string(), |fault| (*fault == Fault::ChatLongMessage).then_some(())).is_some();
    let again = call.reopened_ms().filter(|reopened| site.now_ms() > *reopened + 1_000);
    let written = (0..call.spec.messages).map(|place| message(site, call, place, long));
    let added = again.map(|reopened| MessageTruth {
        at: DateTime::from_timestamp_millis(reopened + 1_000).unwrap_or_default(),
        ..message(site, call, call.spec.messages, false)
    });
    written.chain(added).collect()
}

fn message(site: &Site, call: &Call, place: u32, long: bool) -> MessageTruth {
    let (agent_id, agent_name) = site.book.owner(call);
    let by_agent = call.spec.answered && place % 2 == 1;
    let (asked, answered) = usize::try_from(place / 2).ok().and_then(|line| LINES.get(line % LINES.len())).copied().unwrap_or_default();
    let line = if by_agent { answered } else { asked };
    let text = if long && place == 0 { "long ".repeat(LONG_MESSAGE / 5) } else { format!("{line} ({}/{place})", call.number) };
    // a quarter of a second between two: a thousand of them fit any chat
    let at = DateTime::from_timestamp_millis(call.created_ms + 1_000 + i64::from(place) * 250).unwrap_or_default();
    MessageTruth {
        at,
        direction: if by_agent { "OUTBOUND" } else { "INBOUND" },
        text,
        name: if by_agent { agent_name } else { format!("Customer {:04}", call.number) },
        role: if by_agent { "AGENT" } else { "CUSTOMER" },
        user_id: by_agent.then_some(agent_id),
        alias_id: other_id(site.seed, if by_agent { 51 } else { 50 }, call.number.into()),
    }
}

/// The file behind a chat's link.
pub(super) fn file(site: &Site, call: &Call, name: &str) -> String {
    let key = call.id.to_string();
    let strikes = |fault: Fault| site.faults.strikes(&[&key], &fault);
    if strikes(Fault::TranscriptUnknownShape) {
        return json!({"conversationId": call.id, "turns": {"count": call.spec.messages}}).to_string();
    }
    let manner = Manner {
        times: [Fault::ChatTimesAsText, Fault::ChatTimesAsIso, Fault::ChatWithoutTimes].map(&strikes),
        nameless: strikes(Fault::ChatWithoutParticipant),
    };
    let mut list: Vec<Value> = messages(site, call).iter().enumerate().map(|(place, message)| told(message, place, manner)).collect();
    if strikes(Fault::ChatMessageTwice) {
        list =
            list.into_iter().enumerate().flat_map(|(place, each)| std::iter::repeat_n(each, if place % 4 == 1 { 2 } else { 1 })).collect();
    }
    if strikes(Fault::TranscriptUnordered) {
        list.reverse();
    }
    if strikes(Fault::ChatOddElement) {
        list.insert(list.len() / 2, json!("typing"));
    }
    let mut text = if name == VERSIONED_FILE || strikes(Fault::ChatVersioned) {
        json!({"schemaVersion": "1.0.0", "conversationId": call.id, "channelType": call.spec.channel, "messages": list}).to_string()
    } else {
        Value::Array(list).to_string()
    };
    if strikes(Fault::TranscriptInvalidJson) {
        text.truncate(text.len() * 2 / 3);
    }
    text
}

/// How messages are written.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// Times as text, as ISO 8601, not at all; otherwise as a number.
    times: [bool; 3],
    /// Every third message does not say who wrote it.
    nameless: bool,
}

fn told(message: &MessageTruth, place: usize, manner: Manner) -> Value {
    let milliseconds = message.at.timestamp_millis();
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    match manner.times {
        [true, ..] => put("timestamp", json!(milliseconds.to_string())),
        [_, true, _] => put("timestamp", json!(message.at.to_rfc3339_opts(SecondsFormat::Millis, true))),
        [_, _, true] => None,
        _ => put("timestamp", json!(milliseconds)),
    };
    put("direction", json!(message.direction));
    put("message", json!(message.text));
    if !(manner.nameless && place.is_multiple_of(3)) {
        let mut participant = json!({"name": message.name, "role": message.role, "aliasId": message.alias_id});
        if let (Some(user), Some(fields)) = (message.user_id, participant.as_object_mut()) {
            fields.insert("userId".to_owned(), json!(user));
        }
        put("participant", participant);
    }
    Value::Object(fields)
}
