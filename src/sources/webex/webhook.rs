//! An event as Webex sends it: is it from Webex, is it ours, is it fresh, and what does it say.
//!
//! The signature is over the bytes as they came; nothing of them is read before it holds. `data.filePath` is never read at all:
//! it names the API to ask, and we know that one.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::number::number_or_text;
use crate::{
    config::WebhookSettings,
    domain::{EventKind, OrgId, SessionId},
};

/// The header with the signature, in lower case as HTTP libraries have it.
pub const SIGNATURE_HEADER: &str = "x-webexcc-signature";
/// Ids seen have 36 characters.
const LONGEST_ID: usize = 200;

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookEvent {
    /// The vendor's id of it; the same event may come again under the same id.
    pub id: String,
    /// What kind of event.
    pub kind: EventKind,
    /// The kind in the vendor's word.
    pub word: String,
    /// Subscription it was sent for.
    pub subscription_id: Option<String>,
    /// Call it is about, if one.
    pub session_id: Option<SessionId>,
    /// When it was sent, by the vendor's clock; version 1 does not say.
    pub sent_at: Option<DateTime<Utc>>,
    /// The whole event.
    pub raw: Value,
}

/// Why an event is not taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotTaken {
    /// No signature, or none of our secrets made it.
    #[error("the signature is missing or does not match the body")]
    BadSignature,
    /// Its timestamp lies too far from now.
    #[error("the event's timestamp lies {seconds} s from now, `WEBEX_CC_WEBHOOK_TOLERANCE` allows {allowed} s")]
    Stale {
        /// How far, in seconds, either way.
        seconds: i64,
        /// What is allowed.
        allowed: u64,
    },
    /// It is another organisation's.
    #[error("the event is of organisation `{answered}`, `WEBEX_CC_ORG_ID` is another")]
    WrongOrg {
        /// Whose.
        answered: String,
    },
    /// Signed well, and not JSON.
    #[error("the body is not JSON")]
    NotJson,
    /// Signed well, and not an event as we know them.
    #[error("the event cannot be read: {what}")]
    Unreadable {
        /// What is wrong with it.
        what: String,
        /// It.
        raw: Value,
    },
}

/// Reads what carries our signature and is ours.
#[derive(Debug, Clone)]
pub struct WebhookReader {
    keys: Vec<hmac::Key>,
    org_id: Option<OrgId>,
    tolerance: Duration,
}

#[derive(Deserialize)]
struct Wire {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    source: Option<String>,
    comciscoorgid: Option<String>,
    #[serde(default, deserialize_with = "number_or_text")]
    comciscotimestamp: Option<i64>,
    data: Option<WireData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireData {
    task_id: Option<String>,
}

impl WebhookReader {
    /// A reader for `settings`; `None` when no secret is set.
    #[must_use]
    pub fn new(settings: &WebhookSettings) -> Option<Self> {
        let key = |secret: &SecretString| hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let keys: Vec<_> = settings.secrets.iter().map(key).collect();
        (!keys.is_empty()).then(|| Self { keys, org_id: settings.org_id.clone(), tolerance: settings.tolerance })
    }

    /// Reads `body`, as it came, that was sent with `signature`.
    ///
    /// # Errors
    /// When it is not to be taken; what it says is then not to be believed, unless the error is `Unreadable`.
    pub fn read(&self, body: &[u8], signature: Option<&[u8]>, now: DateTime<Utc>) -> Result<WebhookEvent, NotTaken> {
        let tag = signature.and_then(|text| hex::decode(text.trim_ascii()).ok()).ok_or(NotTaken::BadSignature)?;
        // each comparison takes the same time wherever the first difference is
        if !self.keys.iter().any(|key| hmac::verify(key, body, &tag).is_ok()) {
            return Err(NotTaken::BadSignature);
        }
        let raw: Value = serde_json::from_slice(body).map_err(|_| NotTaken::NotJson)?;
        let unreadable = |what: String| NotTaken::Unreadable { what, raw: raw.clone() };
        let wire: Wire =
            serde_path_to_error::deserialize(&raw).map_err(|error| unreadable(format!("`{}` is of another type", error.path())))?;
        self.check_org(wire.comciscoorgid.as_deref())?;
        let sent_at = match wire.comciscotimestamp {
            Some(sent) => Some(self.check_time(sent, now).ok_or_else(|| unreadable("`comciscotimestamp` is no time".to_owned()))??),
            None => None,
        };
        let id = wire.id.filter(|id| is_id(id)).ok_or_else(|| unreadable("`id` is missing or is no id".to_owned()))?;
        let word = wire.kind.filter(|word| is_id(word)).ok_or_else(|| unreadable("`type` is missing or is no word".to_owned()))?;
        Ok(WebhookEvent {
            kind: kind_of(&word),
            session_id: wire.data.and_then(|data| data.task_id).and_then(|id| SessionId::parse(id).ok()),
            subscription_id: wire.source.and_then(|source| source.rsplit('/').next().map(str::to_owned)).filter(|id| is_id(id)),
            id,
            word,
            sent_at,
            raw,
        })
    }

    /// The signature is the proof; an event that names no organisation is ours if it was made with our secret.
    fn check_org(&self, answered: Option<&str>) -> Result<(), NotTaken> {
        let answered = answered.map(str::trim).filter(|org| !org.is_empty());
        match (answered, &self.org_id) {
            (Some(answered), Some(own)) if !answered.eq_ignore_ascii_case(own.as_str()) => {
                Err(NotTaken::WrongOrg { answered: answered.chars().take(LONGEST_ID).collect() })
            }
            _ => Ok(()),
        }
    }

    /// `None`: no time at all.
    fn check_time(&self, milliseconds: i64, now: DateTime<Utc>) -> Option<Result<DateTime<Utc>, NotTaken>> {
        let sent = DateTime::from_timestamp_millis(milliseconds)?;
        let off = now.signed_duration_since(sent).abs();
        if off > TimeDelta::from_std(self.tolerance).unwrap_or(TimeDelta::MAX) {
            return Some(Err(NotTaken::Stale { seconds: off.num_seconds(), allowed: self.tolerance.as_secs() }));
        }
        Some(Ok(sent))
    }
}

/// The events that version 1.0.0 of the resource `task` knows beside `task:ended`.
const TASK_EVENTS: &[&str] = &[
    "task:new",
    "task:connect",
    "task:connected",
    "task:parked",
    "task:on-hold",
    "task:hold-done",
    "task:consulting",
    "task:consult-done",
    "task:conferencing",
    "task:conference-done",
    "task:conference-transferred",
    "task:failed",
    "task:origin-updated",
];

fn kind_of(word: &str) -> EventKind {
    match word {
        "capture:available" => EventKind::RecordingAvailable,
        "task:ended" => EventKind::CallEnded,
        other if TASK_EVENTS.contains(&other) => EventKind::CallChanged,
        _ => EventKind::Other,
    }
}

fn is_id(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= LONGEST_ID && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "fedcba9876543210fedcba9876543210";

    fn now() -> DateTime<Utc> {
        "2026-03-02T12:00:00Z".parse().unwrap()
    }

    fn reader(secrets: &[&str]) -> WebhookReader {
        let secrets = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
        let org_id = Some(OrgId::parse("11111111-2222-4333-8444-555555555555").unwrap());
        WebhookReader::new(&WebhookSettings { secrets, org_id, ..WebhookSettings::default() }).unwrap()
    }

    fn signed(body: &str) -> String {
        hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), body.as_bytes()))
    }

    fn read(body: &str) -> Result<WebhookEvent, NotTaken> {
        reader(&[SECRET]).read(body.as_bytes(), Some(signed(body).as_bytes()), now())
    }

    fn event(timestamp: &Value) -> String {
        json!({"id": "e-1", "specversion": "1.0", "type": "capture:available", "source": "/com/cisco/wxcc/41e92806",
               "comciscoorgid": "11111111-2222-4333-8444-555555555555", "comciscotimestamp": timestamp,
               "data": {"taskId": "t-1", "filePath": "https://evil.example/", "createdTime": 1}})
        .to_string()
    }

    #[test]
    fn an_event_is_read_with_its_time_as_text_or_number_and_either_secret() {
        let sent = now().timestamp_millis();
        for timestamp in [json!(sent), json!(sent.to_string())] {
            let body = event(&timestamp);
            let read = reader(&[OTHER, SECRET]).read(body.as_bytes(), Some(signed(&body).to_uppercase().as_bytes()), now()).unwrap();
            assert_eq!((read.id.as_str(), read.kind, read.sent_at), ("e-1", EventKind::RecordingAvailable, Some(now())));
            assert_eq!((read.subscription_id.as_deref(), read.session_id.unwrap().as_str()), (Some("41e92806"), "t-1"));
        }
        let version_1 = read(&event(&Value::Null)).unwrap();
        assert_eq!(version_1.sent_at, None, "version 1 tells no time");
    }

    #[test]
    fn the_signature_is_over_the_bytes_as_they_came() {
        let body = event(&json!(now().timestamp_millis()));
        let rewritten = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&body).unwrap()).unwrap();
        let refused = reader(&[SECRET]).read(rewritten.as_bytes(), Some(signed(&body).as_bytes()), now());
        assert_eq!(refused, Err(NotTaken::BadSignature));
        for signature in [None, Some(""), Some("zz"), Some(&signed(&body)[..62])] {
            let refused = reader(&[SECRET]).read(body.as_bytes(), signature.map(str::as_bytes), now());
            assert_eq!(refused, Err(NotTaken::BadSignature), "{signature:?}");
        }
        assert_eq!(reader(&[OTHER]).read(body.as_bytes(), Some(signed(&body).as_bytes()), now()), Err(NotTaken::BadSignature));
    }

    #[test]
    fn clocks_may_differ_and_old_events_are_refused() {
        let at = |minutes: i64| read(&event(&json!((now() + TimeDelta::minutes(minutes)).timestamp_millis())));
        for minutes in [-10, -5, 0, 5, 10] {
            assert!(at(minutes).is_ok(), "{minutes}");
        }
        for minutes in [-11, 11, -525_600] {
            assert!(matches!(at(minutes), Err(NotTaken::Stale { .. })), "{minutes}");
        }
        for nonsense in [json!(i64::MAX), json!(i64::MIN)] {
            assert!(matches!(read(&event(&nonsense)), Err(NotTaken::Unreadable { .. })), "{nonsense}");
        }
    }

    #[test]
    fn what_is_signed_and_strange_has_a_name() {
        let other_org = event(&json!(now().timestamp_millis())).replace("11111111", "99999999");
        assert!(matches!(read(&other_org), Err(NotTaken::WrongOrg { .. })));
        assert_eq!(read("<html>"), Err(NotTaken::NotJson));
        for strange in ["[]", "{}", r#"{"id": 7, "type": "task:ended"}"#, r#"{"id": "e", "type": ""}"#, r#"{"id":"e","type":"x","data":3}"#]
        {
            assert!(matches!(read(strange), Err(NotTaken::Unreadable { .. })), "{strange}");
        }
        let unknown = read(r#"{"id": "e", "type": "task:teleported"}"#).unwrap();
        assert_eq!((unknown.kind, unknown.word.as_str()), (EventKind::Other, "task:teleported"));
    }
}
