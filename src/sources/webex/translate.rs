//! From Webex's words to ours. A task becomes a call; what is not told stays untold, what is told oddly is normalised here.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::number::number_or_text;
use crate::domain::{Call, Direction, EndTimeSource, OrgId, SessionId, SourceName};

/// Epoch milliseconds lie between 2001 and 2286; less are seconds, more are neither.
const MILLISECONDS: std::ops::Range<i64> = 1_000_000_000_000..10_000_000_000_000;

/// `data[]` of the list of tasks. Every attribute may be missing or null, whatever the specification says.
#[derive(Debug, Deserialize)]
struct WireTask {
    id: String,
    attributes: WireAttributes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAttributes {
    owner: Option<WireNamed>,
    queue: Option<WireNamed>,
    channel_type: Option<String>,
    status: Option<String>,
    #[serde(default, deserialize_with = "number_or_text")]
    created_time: Option<i64>,
    #[serde(default, deserialize_with = "number_or_text")]
    last_updated_time: Option<i64>,
    capture_requested: Option<bool>,
    origin: Option<String>,
    destination: Option<String>,
    direction: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct WireNamed {
    id: Option<String>,
    name: Option<String>,
}

/// Reads a task. The error says which path is wrong, never what it holds.
pub(super) fn call(element: Value, org_id: &OrgId) -> Result<Call, (Value, String)> {
    match read(&element) {
        Ok(task) => translated(task, org_id, &element).map_err(|error| (element, error)),
        Err(error) => Err((element, error)),
    }
}

fn read(element: &Value) -> Result<WireTask, String> {
    serde_path_to_error::deserialize(element).map_err(described)
}

/// An error of the JSON reader: the path and what is wrong with it, never what it holds.
pub(super) fn described(error: serde_path_to_error::Error<serde_json::Error>) -> String {
    let path = error.path().to_string();
    // serde's own text quotes the value it stumbled over, which may be somebody's number
    let text = error.into_inner().to_string();
    let what = text.split_once(": ").map_or(text.as_str(), |(kind, _)| kind);
    if text.starts_with("missing field") { format!("`{path}`: {text}") } else { format!("`{path}`: {what}") }
}

fn translated(task: WireTask, org_id: &OrgId, element: &Value) -> Result<Call, String> {
    let WireTask { id, attributes } = task;
    let session_id = SessionId::parse(id).map_err(|_| "`id`: not an id".to_owned())?;
    let start_time = attributes.created_time.and_then(moment).ok_or("`attributes.createdTime`: missing, or not in milliseconds")?;
    let updated_at = attributes.last_updated_time.and_then(moment);
    let vendor_status = told(attributes.status).map(|status| status.to_ascii_lowercase());
    let closed = vendor_status.as_deref().is_some_and(|status| matches!(status, "completed" | "abandoned"));
    let (owner, queue) = (attributes.owner.unwrap_or_default(), attributes.queue.unwrap_or_default());
    Ok(Call {
        session_id,
        source: SourceName::Webex,
        org_id: Some(org_id.clone()),
        // telephony is what was asked for
        channel: told(attributes.channel_type).map_or_else(|| Call::TELEPHONY.to_owned(), |channel| channel.to_ascii_lowercase()),
        case_number: None,
        direction: told(attributes.direction).and_then(|word| direction(&word)),
        ani: told(attributes.origin),
        dnis: told(attributes.destination),
        agent_id: told(owner.id),
        agent_name: told(owner.name),
        queue_id: told(queue.id),
        queue_name: told(queue.name),
        start_time,
        // the last change of a closed call is the nearest thing to its end that this API tells
        end: updated_at.filter(|at| closed && *at >= start_time).map(|at| (at, EndTimeSource::LastUpdated)),
        wrap_up_code: None,
        vendor_status,
        closed,
        capture_requested: attributes.capture_requested,
        source_updated_at: updated_at,
        raw_payload: serde_json::json!({ "task": element }),
        details: None,
    })
}

/// `outdial` is an agent's own call, `outbound` a campaign's.
pub(super) fn direction(word: &str) -> Option<Direction> {
    match word.to_ascii_lowercase().as_str() {
        "inbound" => Some(Direction::Inbound),
        "outbound" | "outdial" => Some(Direction::Outbound),
        _ => None,
    }
}

/// Webex writes "nothing" as null, as an empty text, and as `NA`.
pub(super) fn told(text: Option<String>) -> Option<String> {
    let text = text?;
    let trimmed = text.trim();
    let nothing = trimmed.is_empty() || trimmed.eq_ignore_ascii_case("na") || trimmed.eq_ignore_ascii_case("n/a");
    (!nothing).then(|| trimmed.to_owned())
}

/// A moment in epoch milliseconds; `-1`, `0` and seconds are no moment.
pub(super) fn moment(milliseconds: i64) -> Option<DateTime<Utc>> {
    if MILLISECONDS.contains(&milliseconds) { DateTime::from_timestamp_millis(milliseconds) } else { None }
}

/// What paging needs of an element, read without caring for the rest of it.
pub(super) fn key(element: &Value) -> super::keyset::Key {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Times {
        #[serde(default, deserialize_with = "number_or_text")]
        created_time: Option<i64>,
    }
    let created = element.get("attributes").and_then(|attributes| Times::deserialize(attributes).ok()).and_then(|times| times.created_time);
    super::keyset::Key {
        id: element.get("id").and_then(Value::as_str).map(str::to_owned),
        created: created.filter(|created| MILLISECONDS.contains(created)),
    }
}

/// Takes out U+0000, which PostgreSQL's text and jsonb cannot hold: one such letter would sink its whole page.
pub(super) fn storable(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(storable),
        Value::Object(fields) => {
            if fields.keys().any(|name| name.contains('\0')) {
                *fields = std::mem::take(fields).into_iter().map(|(name, value)| (name.replace('\0', "\u{fffd}"), value)).collect();
            }
            fields.values_mut().for_each(storable);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn org() -> OrgId {
        OrgId::parse("11111111-2222-4333-8444-555555555555").unwrap()
    }

    fn task(attributes: Value) -> Value {
        json!({"id": "aaaaaaaa-0001-4000-8000-000000000001", "attributes": attributes})
    }

    fn whole() -> Value {
        task(json!({
            "owner": {"id": "bbbbbbbb-0001-4000-8000-000000000001", "name": "Jane Agent"},
            "queue": {"id": "cccccccc-0001-4000-8000-000000000001", "name": "Q_MainGroup"},
            "channelType": "telephony", "status": "completed",
            "createdTime": 1_758_724_953_881_i64, "lastUpdatedTime": 1_758_725_656_341_i64,
            "captureRequested": true, "origin": "+18325550100", "destination": "+19095550101", "direction": "inbound",
        }))
    }

    #[test]
    fn a_whole_task_becomes_a_call() {
        let call = call(whole(), &org()).unwrap();
        assert_eq!(call.session_id.as_str(), "aaaaaaaa-0001-4000-8000-000000000001");
        assert_eq!(call.direction, Some(Direction::Inbound));
        assert_eq!((call.ani.as_deref(), call.dnis.as_deref()), (Some("+18325550100"), Some("+19095550101")));
        assert_eq!((call.agent_name.as_deref(), call.queue_name.as_deref()), (Some("Jane Agent"), Some("Q_MainGroup")));
        assert_eq!(call.duration_seconds(), Some(702));
        assert!(call.closed && call.expects_recording());
        assert_eq!(call.raw_payload["task"], whole());
    }

    #[test]
    fn what_is_missing_null_or_a_sentinel_is_untold() {
        let bare = call(task(json!({"createdTime": "1758724953881"})), &org()).unwrap();
        assert!(!bare.closed && bare.end.is_none() && bare.direction.is_none() && bare.capture_requested.is_none());
        assert_eq!(bare.channel, "telephony");
        let nothing = json!({
            "createdTime": 1_758_724_953_881_i64, "owner": {"id": "NA", "name": ""}, "queue": null, "origin": "n/a",
            "captureRequested": null, "direction": "sideways", "status": "Parked", "lastUpdatedTime": -1, "channelType": "Telephony", "new": {"x": 1},
        });
        let call = call(task(nothing), &org()).unwrap();
        assert_eq!((call.agent_id, call.agent_name, call.queue_id, call.ani), (None, None, None, None));
        assert_eq!((call.direction, call.vendor_status.as_deref(), call.source_updated_at), (None, Some("parked"), None));
        assert_eq!(call.channel, "telephony");
    }

    #[test]
    fn an_end_before_the_start_is_no_end() {
        let call = call(
            task(json!({"createdTime": 1_758_724_953_881_i64, "lastUpdatedTime": 1_758_724_000_000_i64, "status": "completed"})),
            &org(),
        )
        .unwrap();
        assert!(call.closed && call.end.is_none());
    }

    #[test]
    fn an_unreadable_element_says_where_and_not_what() {
        let error = |element| call(element, &org()).unwrap_err().1;
        assert_eq!(error(json!({"attributes": {}})), "`.`: missing field `id`");
        assert!(error(task(json!({}))).contains("createdTime"));
        assert!(error(task(json!({"createdTime": 1_758_724_953_i64}))).contains("not in milliseconds"));
        let number = error(task(
            json!({"createdTime": 1_758_724_953_881_i64, "origin": {"tel": "+18325550100"}, "captureRequested": "+18325550100"}),
        ));
        assert!(number.contains("attributes.") && !number.contains("5550100"), "{number}");
    }

    #[test]
    fn a_letter_that_postgres_cannot_hold_is_replaced() {
        let mut element = json!({"a\u{0}": ["x\u{0}y", {"z": "\u{0}"}]});
        storable(&mut element);
        assert!(!element.to_string().contains("\\u0000"), "{element}");
    }

    #[test]
    fn paging_reads_what_it_needs_from_elements_that_cannot_be_translated() {
        let key = key(&json!({"id": "a", "attributes": {"createdTime": "1758724953881", "owner": 7}}));
        assert_eq!((key.id.as_deref(), key.created), (Some("a"), Some(1_758_724_953_881)));
        let nothing = super::key(&json!("garbage"));
        assert_eq!((nothing.id, nothing.created), (None, None));
    }
}
