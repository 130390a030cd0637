//! One rule for every order: how a version of a call meets the row that is already there.
//!
//! Versions come late, twice and out of order: windows overlap, replicas are stale, two workers may store one page. So the
//! merge is made to give the same row whatever the order, and each column says by which rule:
//!
//! - **told columns**: the newest version that told a value wins; a version that did not tell it changes nothing. A value that
//!   comes from an older version than the row's `source_updated_at` has its own time in `older_fields`, without which a third
//!   version could not be placed. That column is NULL for nearly every row.
//! - `vendor_status`: the same, but a closed version's word outranks an open one's.
//! - `closed`: once true, always true.
//! - `start_time`: the earliest told. `end_time`: the vendor's own end wins over an inferred one, the newest of several; of
//!   inferred ones (`last_updated`, upper bounds that only grow when someone touches the closed call) the earliest.
//! - the two payloads, the list's and the details', are told columns as well: a version has one of them. An empty `raw_payload` was not
//!   told. The two APIs date their versions each by itself; their times are compared all the same, so that any order ends the same.
//! - `details_updated_at`: the newest time of details. `enriched_at`: when details last changed the row.
//! - `transcript_status`: `none` becomes `pending` when the merged row expects a recording; every other move is made elsewhere.
//!
//! Of two versions with the same time the one that comes last wins, so that a corrected translation reaches old rows.

use std::sync::LazyLock;

/// The columns that are bound, with their types, in order.
const COLUMNS: [(&str, &str); 38] = [
    ("session_id", "text"),
    ("source", "text"),
    ("org_id", "text"),
    ("channel", "text"),
    ("case_number", "text"),
    ("direction", "text"),
    ("ani", "text"),
    ("dnis", "text"),
    ("agent_id", "text"),
    ("agent_name", "text"),
    ("queue_id", "text"),
    ("queue_name", "text"),
    ("start_time", "timestamptz"),
    ("end_time", "timestamptz"),
    ("end_time_source", "text"),
    ("wrap_up_code", "text"),
    ("vendor_status", "text"),
    ("closed", "bool"),
    ("capture_requested", "bool"),
    ("source_updated_at", "timestamptz"),
    ("raw_payload", "jsonb"),
    ("csat_score", "integer"),
    ("auto_csat", "text"),
    ("talk_seconds", "integer"),
    ("queue_seconds", "integer"),
    ("hold_seconds", "integer"),
    ("wrap_up_seconds", "integer"),
    ("team_name", "text"),
    ("site_name", "text"),
    ("entry_point_name", "text"),
    ("termination_type", "text"),
    ("termination_reason", "text"),
    ("terminated_by", "text"),
    ("handle_type", "text"),
    ("contact_reason", "text"),
    ("transcription_available", "bool"),
    ("recording_count", "integer"),
    ("details_payload", "jsonb"),
];

/// The columns in which the newest version that told a value wins.
const TOLD: [&str; 30] = [
    "org_id",
    "channel",
    "case_number",
    "direction",
    "ani",
    "dnis",
    "agent_id",
    "agent_name",
    "queue_id",
    "queue_name",
    "wrap_up_code",
    "capture_requested",
    "raw_payload",
    "csat_score",
    "auto_csat",
    "talk_seconds",
    "queue_seconds",
    "hold_seconds",
    "wrap_up_seconds",
    "team_name",
    "site_name",
    "entry_point_name",
    "termination_type",
    "termination_reason",
    "terminated_by",
    "handle_type",
    "contact_reason",
    "transcription_available",
    "recording_count",
    "details_payload",
];

/// Time of the version that comes, and of the row that is there.
const NEW: &str = "coalesce(excluded.source_updated_at, '-infinity')";
const HELD: &str = "coalesce(held.source_updated_at, '-infinity')";

/// The statement; its text never changes. Returns the rows that it touched.
pub(super) fn statement() -> &'static str {
    static STATEMENT: LazyLock<String> = LazyLock::new(build);
    &STATEMENT
}

fn build() -> String {
    let names = COLUMNS.map(|(name, _)| name).join(", ");
    let binds: Vec<_> = COLUMNS.iter().zip(1..).map(|((_, of), place)| format!("${place}::{of}[]")).collect();
    let merged = merged();
    let assignments: Vec<_> = merged.iter().map(|(column, value)| format!("{column} = {value}")).collect();
    let (columns, values): (Vec<_>, Vec<_>) = merged.iter().map(|(column, value)| (format!("held.{column}"), value.as_str())).unzip();
    format!(
        "INSERT INTO call_interactions AS held ({names}, duration_seconds, transcript_status, details_updated_at, enriched_at)
         SELECT new.*, {duration}, CASE WHEN {expects} THEN 'pending' ELSE 'none' END,
                CASE WHEN new.details_payload IS NOT NULL THEN new.source_updated_at END,
                CASE WHEN new.details_payload IS NOT NULL THEN now() END
         FROM unnest({binds}) AS new ({names})
         ON CONFLICT (session_id) DO UPDATE SET {assignments}, synced_at = now(),
             enriched_at = CASE WHEN excluded.details_payload IS NOT NULL THEN now() ELSE held.enriched_at END
         WHERE held.source = excluded.source AND NOT ({same}) AND ({values}) IS DISTINCT FROM ({columns})
         RETURNING session_id, xmax = 0 AS inserted, transcript_status = 'pending' AS pending",
        duration = duration("new.end_time", "new.start_time"),
        expects = expects_recording("new.closed", "new.channel", "new.capture_requested"),
        binds = binds.join(", "),
        assignments = assignments.join(", "),
        same = same(),
        values = values.join(", "),
        columns = columns.join(", "),
    )
}

/// Every column that a later version can change, with its value after the merge.
fn merged() -> Vec<(&'static str, String)> {
    let newest = |column: &'static str| (column, format!("CASE WHEN {} THEN excluded.{column} ELSE held.{column} END", told_wins(column)));
    let end = |column: &'static str| (column, format!("CASE WHEN {} THEN excluded.{column} ELSE held.{column} END", end_wins()));
    let mut merged: Vec<_> = TOLD.into_iter().map(newest).collect();
    let value_of = |column: &str, merged: &[(&str, String)]| {
        merged.iter().find(|(name, _)| *name == column).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let closed = "(held.closed OR excluded.closed)";
    let expects = expects_recording(closed, &value_of("channel", &merged), &value_of("capture_requested", &merged));
    merged.push(("vendor_status", format!("CASE WHEN {} THEN excluded.vendor_status ELSE held.vendor_status END", status_wins())));
    merged.push(("closed", closed.to_owned()));
    merged.push(("start_time", "least(held.start_time, excluded.start_time)".to_owned()));
    merged.push(end("end_time"));
    merged.push(end("end_time_source"));
    merged.push(("duration_seconds", duration(&value_of("end_time", &merged), &value_of("start_time", &merged))));
    merged.push(("details_updated_at", "greatest(held.details_updated_at, excluded.details_updated_at)".to_owned()));
    merged.push(("source_updated_at", "greatest(held.source_updated_at, excluded.source_updated_at)".to_owned()));
    merged.push(("older_fields", older_fields()));
    merged.push((
        "transcript_status",
        format!("CASE WHEN held.transcript_status = 'none' AND {expects} THEN 'pending' ELSE held.transcript_status END"),
    ));
    merged
}

/// When the value that the row holds in `column` was told.
fn told_at(column: &str) -> String {
    format!("coalesce((held.older_fields ->> '{column}')::timestamptz, {HELD})")
}

fn told_wins(column: &str) -> String {
    let (new, held) = (is_told("excluded", column), is_told("held", column));
    format!("{new} AND (NOT {held} OR {NEW} >= {})", told_at(column))
}

/// Whether a version, or the row, has a value in `column`.
fn is_told(of: &str, column: &str) -> String {
    match column {
        "raw_payload" => format!("({of}.raw_payload <> '{{}}'::jsonb)"),
        column => format!("({of}.{column} IS NOT NULL)"),
    }
}

fn status_wins() -> String {
    let at = told_at("vendor_status");
    format!("excluded.vendor_status IS NOT NULL AND (held.vendor_status IS NULL OR (excluded.closed, {NEW}) >= (held.closed, {at}))")
}

fn end_wins() -> String {
    format!(
        "excluded.end_time IS NOT NULL AND CASE
             WHEN held.end_time IS NULL THEN true
             WHEN excluded.end_time_source = 'vendor' AND held.end_time_source = 'vendor' THEN {NEW} >= {}
             WHEN excluded.end_time_source = held.end_time_source THEN excluded.end_time < held.end_time
             ELSE excluded.end_time_source = 'vendor' END",
        told_at("end_time")
    )
}

/// Whole seconds, rounded half up, as `Call::duration_seconds` counts them. `rows` lets no two times lie further apart than
/// an integer of seconds can say.
fn duration(end: &str, start: &str) -> String {
    format!("floor(extract(epoch FROM ({end}) - ({start})) + 0.5)::integer")
}

/// `Call::expects_recording`, in SQL.
pub(in crate::store) fn expects_recording(closed: &str, channel: &str, capture_requested: &str) -> String {
    format!("({closed}) AND ({channel}) = 'telephony' AND ({capture_requested}) IS DISTINCT FROM false")
}

/// The time of each value that is older than the merged row.
fn older_fields() -> String {
    let row = format!("greatest({HELD}, {NEW})");
    let entry = |column: &str, wins: &str, held: &str| {
        let at = told_at(column);
        format!("'{column}', CASE WHEN {wins} THEN nullif({NEW}, {row}) WHEN {held} THEN nullif({at}, {row}) END")
    };
    let mut entries: Vec<_> = TOLD.iter().map(|column| entry(column, &told_wins(column), &is_told("held", column))).collect();
    entries.push(entry("vendor_status", &status_wins(), "held.vendor_status IS NOT NULL"));
    // an inferred end has no time of its own: the earliest wins
    let vendor_end_wins = format!("excluded.end_time_source = 'vendor' AND {}", end_wins());
    entries.push(entry("end_time", &vendor_end_wins, "held.end_time_source = 'vendor'"));
    format!("nullif(jsonb_strip_nulls(jsonb_build_object({})), '{{}}')", entries.join(", "))
}

/// Cheap and nearly always true when a call comes again: the row is this very version.
fn same() -> String {
    let told: Vec<_> = TOLD
        .iter()
        .chain(&["vendor_status", "end_time", "end_time_source"])
        .map(|column| format!("(NOT {} OR excluded.{column} IS NOT DISTINCT FROM held.{column})", is_told("excluded", column)))
        .collect();
    format!(
        "held.older_fields IS NULL AND held.source_updated_at IS NOT DISTINCT FROM excluded.source_updated_at
         AND held.closed = excluded.closed AND held.start_time = excluded.start_time
         AND {}
         AND NOT (held.transcript_status = 'none' AND {})",
        told.join(" AND "),
        expects_recording("held.closed", "held.channel", "held.capture_requested")
    )
}
