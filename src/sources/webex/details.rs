//! Details of calls: `taskDetails` of the search, as calls. What is not told stays untold; the vendor's ways of writing "nothing"
//! (null, empty, `NA`, -1) end here.

use serde::Deserialize;
use serde_json::Value;

use super::{
    api::Api,
    case_number::CaseNumbers,
    number::number_or_text,
    search::{Field, Filter, Literal, Moment, Question, Search},
    translate::{described, direction, moment, storable, told},
};
use crate::{
    domain::{Call, CallDetails, EndTimeSource, OrgId, SessionId, SourceName, Window},
    sources::{CallPage, DetailsBy, PageCursor, SourceError, UnreadableElement},
};

/// What is asked for of a call, beside its case number.
const PLAIN: &[&str] = &[
    "status",
    "isActive",
    "totalDuration",
    "connectedDuration",
    "queueDuration",
    "holdDuration",
    "wrapupDuration",
    "origin",
    "destination",
    "direction",
    "channelType",
    "isOutdial",
    "isCallback",
    "terminationType",
    "terminationReason",
    "terminatingEnd",
    "contactHandleType",
    "lastWrapUpCodeId",
    "lastWrapupCodeName",
    "csatScore",
    "autoCsat",
    "contactReason",
    "contactDriver",
    "captureRequested",
    "recordingCount",
    "recordingErrorCount",
    "isRecordingDeleted",
    "isTranscriptionAvailable",
    "lastActivityTime",
];
const NAMED: &[&str] = &["lastAgent", "lastQueue", "lastTeam", "lastSite", "lastEntryPoint"];

/// `tasks[]`. Every field may be null, or missing because the tenant's schema has none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDetails {
    id: String,
    status: Option<String>,
    is_active: Option<bool>,
    #[serde(default, deserialize_with = "number_or_text")]
    created_time: Option<i64>,
    #[serde(default, deserialize_with = "number_or_text")]
    ended_time: Option<i64>,
    #[serde(default, deserialize_with = "number_or_text")]
    connected_duration: Option<i64>,
    #[serde(default, deserialize_with = "number_or_text")]
    queue_duration: Option<i64>,
    #[serde(default, deserialize_with = "number_or_text")]
    hold_duration: Option<i64>,
    #[serde(default, deserialize_with = "number_or_text")]
    wrapup_duration: Option<i64>,
    origin: Option<String>,
    destination: Option<String>,
    direction: Option<String>,
    channel_type: Option<String>,
    termination_type: Option<String>,
    termination_reason: Option<String>,
    terminating_end: Option<String>,
    contact_handle_type: Option<String>,
    #[serde(rename = "lastWrapupCodeName")]
    wrap_up_name: Option<String>,
    #[serde(rename = "lastWrapUpCodeId")]
    wrap_up_id: Option<String>,
    #[serde(default, deserialize_with = "number_or_text")]
    csat_score: Option<i64>,
    auto_csat: Option<String>,
    contact_reason: Option<String>,
    contact_driver: Option<String>,
    capture_requested: Option<bool>,
    #[serde(default, deserialize_with = "number_or_text")]
    recording_count: Option<i64>,
    is_transcription_available: Option<bool>,
    #[serde(default, deserialize_with = "number_or_text")]
    last_activity_time: Option<i64>,
    last_agent: Option<WireNamed>,
    last_queue: Option<WireNamed>,
    last_team: Option<WireNamed>,
    last_site: Option<WireNamed>,
    last_entry_point: Option<WireNamed>,
}

#[derive(Debug, Default, Deserialize)]
struct WireNamed {
    id: Option<String>,
    name: Option<String>,
}

/// One page of details.
pub(super) async fn page(
    api: &Api,
    search: &Search,
    case_numbers: &CaseNumbers,
    by: DetailsBy,
    window: Window,
    cursor: Option<&PageCursor>,
) -> Result<CallPage, SourceError> {
    let found = search.page(&question(case_numbers, by), window, cursor).await?;
    let mut page = CallPage { next: found.next, possible_gap: found.possible_gap, ..CallPage::empty(&api.org_id) };
    for mut task in found.tasks {
        storable(&mut task);
        match call(task, &api.org_id, case_numbers) {
            // the filter is not trusted, as everywhere
            Ok(call) if call.channel == Call::TELEPHONY => page.calls.push(call),
            Ok(_) => {}
            Err((raw, error)) => page.unreadable.push(UnreadableElement { raw, error, session_id: None }),
        }
    }
    page.calls.sort_by_key(|call| call.start_time);
    Ok(page)
}

fn question(case_numbers: &CaseNumbers, by: DetailsBy) -> Question {
    let plain = PLAIN.iter().copied().map(Field::plain);
    let named = NAMED.iter().copied().map(|name| Field::object(name, &["id", "name"]));
    let mut fields: Vec<Field> = plain.chain(named).collect();
    fields.extend(case_numbers.fields());
    let moment = match by {
        DetailsBy::Start => Moment::Created,
        DetailsBy::End => Moment::Ended,
    };
    Question { moment, filter: Filter::Equals("channelType", Literal::Word(Call::TELEPHONY)), fields }
}

/// Reads an element. The error says which path is wrong, never what it holds.
fn call(element: Value, org_id: &OrgId, case_numbers: &CaseNumbers) -> Result<Call, (Value, String)> {
    let wire: Result<WireDetails, _> = serde_path_to_error::deserialize(&element).map_err(described);
    match wire.and_then(|wire| translated(wire, org_id, case_numbers, &element)) {
        Ok(call) => Ok(call),
        Err(error) => Err((element, error)),
    }
}

fn translated(wire: WireDetails, org_id: &OrgId, case_numbers: &CaseNumbers, element: &Value) -> Result<Call, String> {
    let session_id = SessionId::parse(wire.id.clone()).map_err(|_| "`id`: not an id".to_owned())?;
    let start_time = wire.created_time.and_then(moment).ok_or("`createdTime`: missing, or not in milliseconds")?;
    let ended = wire.ended_time.and_then(moment).filter(|ended| *ended >= start_time);
    let says_ended = told(wire.status.clone()).is_some_and(|status| status.eq_ignore_ascii_case("ended"));
    // over without an end happens; an end of what is still active is not final
    let closed = wire.is_active.map_or(says_ended || ended.is_some(), |active| !active);
    let case_number = case_numbers.of(element);
    let guessed_case_number = if case_number.is_none() { case_numbers.guessed(element) } else { None };
    let details = CallDetails { guessed_case_number, ..details(&wire, closed, element) };
    let (agent, queue) = (wire.last_agent.unwrap_or_default(), wire.last_queue.unwrap_or_default());
    Ok(Call {
        session_id,
        source: SourceName::Webex,
        org_id: Some(org_id.clone()),
        channel: told(wire.channel_type).map_or_else(|| Call::TELEPHONY.to_owned(), |channel| channel.to_ascii_lowercase()),
        case_number,
        direction: told(wire.direction).and_then(|word| direction(&word)),
        ani: told(wire.origin),
        dnis: told(wire.destination),
        agent_id: told(agent.id),
        agent_name: told(agent.name),
        queue_id: told(queue.id),
        queue_name: told(queue.name),
        start_time,
        end: ended.filter(|_| closed).map(|ended| (ended, EndTimeSource::Vendor)),
        wrap_up_code: told(wire.wrap_up_name).or(told(wire.wrap_up_id)),
        // the words of the list of tasks, which has others than the search
        vendor_status: closed.then(|| if is_abandoned(&details) { "abandoned" } else { "completed" }.to_owned()),
        closed,
        capture_requested: wire.capture_requested,
        source_updated_at: wire.last_activity_time.and_then(moment),
        raw_payload: Value::Object(serde_json::Map::new()),
        details: Some(Box::new(details)),
    })
}

fn details(wire: &WireDetails, closed: bool, element: &Value) -> CallDetails {
    let named = |named: &Option<WireNamed>| told(named.as_ref().and_then(|named| named.name.clone()));
    let text = |text: &Option<String>| told(text.clone());
    let seconds = |milliseconds: Option<i64>| milliseconds.filter(|_| closed).and_then(whole_seconds);
    let number = |number: Option<i64>, least: i64| number.filter(|number| *number >= least).and_then(|number| i32::try_from(number).ok());
    CallDetails {
        csat_score: number(wire.csat_score, 1),
        auto_csat: text(&wire.auto_csat),
        talk_seconds: seconds(wire.connected_duration),
        queue_seconds: seconds(wire.queue_duration),
        hold_seconds: seconds(wire.hold_duration),
        // zero until the agent is done
        wrap_up_seconds: seconds(wire.wrapup_duration.filter(|milliseconds| *milliseconds > 0)),
        team_name: named(&wire.last_team),
        site_name: named(&wire.last_site),
        entry_point_name: named(&wire.last_entry_point),
        termination_type: text(&wire.termination_type),
        termination_reason: text(&wire.termination_reason),
        terminated_by: text(&wire.terminating_end).map(|end| end.to_ascii_lowercase()),
        handle_type: text(&wire.contact_handle_type),
        contact_reason: text(&wire.contact_reason).or(text(&wire.contact_driver)),
        guessed_case_number: None,
        // true or null; there is no "no", only "not yet"
        transcription_available: wire.is_transcription_available.filter(|available| *available),
        recording_count: number(wire.recording_count, 0),
        payload: element.clone(),
    }
}

fn is_abandoned(details: &CallDetails) -> bool {
    let says = |word: &Option<String>| word.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("abandoned"));
    says(&details.handle_type) || says(&details.termination_type)
}

/// Milliseconds as seconds, rounded half up; what is negative was not told.
fn whole_seconds(milliseconds: i64) -> Option<i32> {
    i32::try_from((milliseconds >= 0).then_some(milliseconds)?.checked_add(500)? / 1000).ok()
}

#[cfg(test)]
#[path = "details_tests.rs"]
mod tests;
