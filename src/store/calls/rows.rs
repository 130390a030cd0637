//! What a row of `call_interactions` may hold, and calls as columns of such rows.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use diesel::{
    pg::Pg,
    query_builder::{QueryFragment, SqlQuery},
    sql_types::{Array, Bool, Integer, Jsonb, Nullable, Text, Timestamptz},
};
use serde_json::Value;

use crate::{
    domain::{Call, CallDetails, Direction, EndTimeSource, OrgId, SessionId},
    store::clean,
};

/// The longest name, number or word kept in a column of its own; the payload keeps the whole. An index entry of PostgreSQL
/// holds 2,704 bytes, and 500 characters have at most 2,000.
const LONGEST_TEXT: usize = 500;
/// 2000-01-01 in milliseconds of the epoch: no contact centre's API tells older calls; a time before it is a unit mistaken.
const EARLIEST: i64 = 946_684_800_000;
/// 2068-01-01: a time after it is a unit mistaken, too; and the seconds from the earliest to the latest fit an `integer`.
const LATEST: i64 = 3_092_601_600_000;

/// A call that no row can hold.
#[derive(Debug, Clone)]
pub struct RefusedCall {
    /// The call.
    pub session_id: SessionId,
    /// Why.
    pub why: String,
    /// What the vendor sent.
    pub raw_payload: Value,
}

/// Parts the calls that a row can hold from those that none can.
pub(super) fn check(calls: &[Call]) -> (Vec<&Call>, Vec<RefusedCall>) {
    let (kept, refused): (Vec<_>, Vec<_>) = calls.iter().partition(|call| believable(call.start_time));
    let refuse = |call: &Call| RefusedCall {
        session_id: call.session_id.clone(),
        why: format!("its start, {}, lies outside the years 2000 to 2067", call.start_time),
        raw_payload: detail(call).map_or(&call.raw_payload, |details| &details.payload).clone(),
    };
    (kept, refused.into_iter().map(refuse).collect())
}

fn believable(time: DateTime<Utc>) -> bool {
    (EARLIEST..LATEST).contains(&time.timestamp_millis())
}

/// The end as a row can hold it: one that lies before the start, or in no believable year, was not told.
fn end(call: &Call) -> Option<(DateTime<Utc>, EndTimeSource)> {
    call.end.filter(|(end, _)| believable(*end) && *end >= call.start_time)
}

/// The vendor's word for the state. A closed version always has one, so that it is known to outrank an open version's.
fn vendor_status(call: &Call) -> Option<Cow<'_, str>> {
    optional(call.vendor_status.as_ref()).or(call.closed.then_some(Cow::Borrowed("closed")))
}

fn detail(call: &Call) -> Option<&CallDetails> {
    call.details.as_deref()
}

fn optional(text: Option<&String>) -> Option<Cow<'_, str>> {
    text.map(|text| clean::text(text, LONGEST_TEXT))
}

/// Binds the columns of `calls` in the order of `merge::COLUMNS`.
pub(super) fn bind(statement: SqlQuery, calls: &[&Call]) -> impl QueryFragment<Pg> + Send {
    macro_rules! column {
        ($call:ident => $value:expr) => {
            calls.iter().map(|$call| $value).collect::<Vec<_>>()
        };
    }
    type Texts = Array<Nullable<Text>>;
    type Times = Array<Nullable<Timestamptz>>;
    type Numbers = Array<Nullable<Integer>>;
    statement
        .bind::<Array<Text>, _>(column!(call => call.session_id.as_str()))
        .bind::<Array<Text>, _>(column!(call => call.source.as_str()))
        .bind::<Texts, _>(column!(call => call.org_id.as_ref().map(OrgId::as_str)))
        .bind::<Array<Text>, _>(column!(call => clean::text(&call.channel, LONGEST_TEXT)))
        .bind::<Texts, _>(column!(call => optional(call.case_number.as_ref())))
        .bind::<Texts, _>(column!(call => call.direction.map(Direction::as_str)))
        .bind::<Texts, _>(column!(call => optional(call.ani.as_ref())))
        .bind::<Texts, _>(column!(call => optional(call.dnis.as_ref())))
        .bind::<Texts, _>(column!(call => optional(call.agent_id.as_ref())))
        .bind::<Texts, _>(column!(call => optional(call.agent_name.as_ref())))
        .bind::<Texts, _>(column!(call => optional(call.queue_id.as_ref())))
        .bind::<Texts, _>(column!(call => optional(call.queue_name.as_ref())))
        .bind::<Array<Timestamptz>, _>(column!(call => call.start_time))
        .bind::<Times, _>(column!(call => end(call).map(|(end, _)| end)))
        .bind::<Texts, _>(column!(call => end(call).map(|(_, source)| source.as_str())))
        .bind::<Texts, _>(column!(call => optional(call.wrap_up_code.as_ref())))
        .bind::<Texts, _>(column!(call => vendor_status(call)))
        .bind::<Array<Bool>, _>(column!(call => call.closed))
        .bind::<Array<Nullable<Bool>>, _>(column!(call => call.capture_requested))
        .bind::<Times, _>(column!(call => call.source_updated_at.filter(|time| believable(*time))))
        .bind::<Array<Jsonb>, _>(column!(call => clean::json(&call.raw_payload)))
        .bind::<Numbers, _>(column!(call => detail(call).and_then(|details| details.csat_score)))
        .bind::<Texts, _>(column!(call => detail(call).and_then(|details| optional(details.auto_csat.as_ref()))))
        .bind::<Numbers, _>(column!(call => detail(call).and_then(|details| details.talk_seconds)))
        .bind::<Numbers, _>(column!(call => detail(call).and_then(|details| details.queue_seconds)))
        .bind::<Numbers, _>(column!(call => detail(call).and_then(|details| details.hold_seconds)))
        .bind::<Numbers, _>(column!(call => detail(call).and_then(|details| details.wrap_up_seconds)))
        .bind::<Texts, _>(column!(call => detail(call).and_then(|details| optional(details.team_name.as_ref()))))
        .bind::<Texts, _>(column!(call => detail(call).and_then(|details| optional(details.site_name.as_ref()))))
        .bind::<Texts, _>(column!(call => detail(call).and_then(|details| optional(details.entry_point_name.as_ref()))))
        .bind::<Texts, _>(column!(call => detail(call).and_then(|details| optional(details.termination_type.as_ref()))))
        .bind::<Texts, _>(column!(call => detail(call).and_then(|details| optional(details.termination_reason.as_ref()))))
        .bind::<Texts, _>(column!(call => detail(call).and_then(|details| optional(details.terminated_by.as_ref()))))
        .bind::<Texts, _>(column!(call => detail(call).and_then(|details| optional(details.handle_type.as_ref()))))
        .bind::<Texts, _>(column!(call => detail(call).and_then(|details| optional(details.contact_reason.as_ref()))))
        .bind::<Array<Nullable<Bool>>, _>(column!(call => detail(call).and_then(|details| details.transcription_available)))
        .bind::<Numbers, _>(column!(call => detail(call).and_then(|details| details.recording_count)))
        .bind::<Array<Nullable<Jsonb>>, _>(column!(call => detail(call).map(|details| clean::json(&details.payload))))
}
