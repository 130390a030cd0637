//! `webhook_events`: what vendors told, once each, and what came of it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde_json::Value;

use crate::{
    domain::{EventKind, EventOutcome, JobId, SessionId, SourceName},
    store::{Connection, StoreError, clean},
};

/// Longer words are cut: no vendor has them.
const LONGEST_WORD: usize = 200;

/// An event as it came.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Vendor.
    pub source: SourceName,
    /// The vendor's id of it.
    pub event_id: String,
    /// What it means to us.
    pub kind: EventKind,
    /// The vendor's word for it.
    pub word: String,
    /// Subscription it was sent for.
    pub subscription_id: Option<String>,
    /// Call it is about.
    pub session_id: Option<SessionId>,
    /// When it was sent, by the vendor's clock.
    pub sent_at: Option<DateTime<Utc>>,
    /// It.
    pub payload: Value,
}

/// An event of which nothing has come yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingEvent {
    /// Vendor.
    pub source: SourceName,
    /// The vendor's id of it.
    pub event_id: String,
    /// What it means to us.
    pub kind: EventKind,
    /// Call it is about.
    pub session_id: Option<SessionId>,
    /// When it first came.
    pub received_at: DateTime<Utc>,
    /// It has waited for longer than anything takes.
    pub overdue: bool,
}

#[derive(QueryableByName)]
struct Kept {
    #[diesel(sql_type = sql_types::Timestamptz)]
    received_at: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Integer)]
    times_seen: i32,
}

/// Keeps an event. `None`: it came before, and is only counted.
pub async fn keep(connection: &mut Connection, event: &NewEvent) -> Result<Option<WaitingEvent>, StoreError> {
    let kept: Kept = diesel::sql_query(
        "INSERT INTO webhook_events AS held (source, event_id, kind, word, subscription_id, session_id, sent_at, payload)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (source, event_id) DO UPDATE SET times_seen = held.times_seen + 1
         RETURNING received_at, times_seen",
    )
    .bind::<sql_types::Text, _>(event.source.as_str())
    .bind::<sql_types::Text, _>(&event.event_id)
    .bind::<sql_types::Text, _>(event.kind.as_str())
    .bind::<sql_types::Text, _>(clean::text(&event.word, LONGEST_WORD))
    .bind::<sql_types::Nullable<sql_types::Text>, _>(&event.subscription_id)
    .bind::<sql_types::Nullable<sql_types::Text>, _>(event.session_id.as_ref().map(SessionId::as_str))
    .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(event.sent_at)
    .bind::<sql_types::Jsonb, _>(clean::json(&event.payload).into_owned())
    .get_result(connection)
    .await?;
    Ok((kept.times_seen == 1).then(|| WaitingEvent {
        source: event.source,
        event_id: event.event_id.clone(),
        kind: event.kind,
        session_id: event.session_id.clone(),
        received_at: kept.received_at,
        overdue: false,
    }))
}

/// Writes down what came of an event, and which job does what follows. An event that is settled stays so.
pub async fn settle(
    connection: &mut Connection,
    event: &WaitingEvent,
    outcome: EventOutcome,
    job: Option<JobId>,
) -> Result<(), StoreError> {
    diesel::sql_query(
        "UPDATE webhook_events SET outcome = $3, settled_at = clock_timestamp(), job_id = $4
         WHERE source = $1 AND event_id = $2 AND outcome IS NULL",
    )
    .bind::<sql_types::Text, _>(event.source.as_str())
    .bind::<sql_types::Text, _>(&event.event_id)
    .bind::<sql_types::Text, _>(outcome.as_str())
    .bind::<sql_types::Nullable<sql_types::BigInt>, _>(job.map(|job| job.0))
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Waiting {
    #[diesel(sql_type = sql_types::Text)]
    source: String,
    #[diesel(sql_type = sql_types::Text)]
    event_id: String,
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    session_id: Option<String>,
    #[diesel(sql_type = sql_types::Timestamptz)]
    received_at: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Bool)]
    overdue: bool,
}

impl Waiting {
    fn read(self) -> Result<WaitingEvent, StoreError> {
        let row = |what: &dyn std::fmt::Display| StoreError::Row { table: "webhook_events", what: what.to_string() };
        Ok(WaitingEvent {
            source: self.source.parse().map_err(|error| row(&error))?,
            kind: self.kind.parse().map_err(|error| row(&error))?,
            session_id: self.session_id.map(SessionId::parse).transpose().map_err(|error| row(&error))?,
            event_id: self.event_id,
            received_at: self.received_at,
            overdue: self.overdue,
        })
    }
}

/// Up to `limit` events of which nothing has come yet, oldest first; after `longest` they are overdue.
pub async fn waiting(connection: &mut Connection, longest: Duration, limit: u16) -> Result<Vec<WaitingEvent>, StoreError> {
    let rows: Vec<Waiting> = diesel::sql_query(
        "SELECT source, event_id, kind, session_id, received_at, received_at < now() - $2 * interval '1 millisecond' AS overdue
         FROM webhook_events WHERE outcome IS NULL ORDER BY received_at LIMIT $1",
    )
    .bind::<sql_types::BigInt, _>(i64::from(limit))
    .bind::<sql_types::BigInt, _>(i64::try_from(longest.as_millis()).unwrap_or(i64::MAX))
    .load(connection)
    .await?;
    // a word that only a newer version knows is for its scheduler: this one goes on with the others
    let read = |row: Waiting| row.read().inspect_err(|error| tracing::debug!(%error, "an event is left to a newer version")).ok();
    Ok(rows.into_iter().filter_map(read).collect())
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = sql_types::BigInt)]
    number: i64,
}

/// How often events made the recording of a call due at once.
pub async fn times_hurried(connection: &mut Connection, source: SourceName, session: &SessionId) -> Result<i64, StoreError> {
    let row: Number = diesel::sql_query(
        "SELECT count(*) AS number FROM webhook_events
         WHERE session_id = $2 AND source = $1 AND outcome IN ('hurried', 'reopened')",
    )
    .bind::<sql_types::Text, _>(source.as_str())
    .bind::<sql_types::Text, _>(session.as_str())
    .get_result(connection)
    .await?;
    Ok(row.number)
}

#[derive(QueryableByName)]
struct Closed {
    #[diesel(sql_type = sql_types::Bool)]
    closed: bool,
}

/// Whether a call is known to have ended.
pub async fn call_is_closed(connection: &mut Connection, source: SourceName, session: &SessionId) -> Result<bool, StoreError> {
    let row: Option<Closed> = diesel::sql_query("SELECT closed FROM call_interactions WHERE session_id = $2 AND source = $1")
        .bind::<sql_types::Text, _>(source.as_str())
        .bind::<sql_types::Text, _>(session.as_str())
        .get_result(connection)
        .await
        .optional()?;
    Ok(row.is_some_and(|row| row.closed))
}

/// Removes up to `limit` events that came longer than `age` ago. Returns how many went.
pub async fn prune(connection: &mut Connection, age: Duration, limit: u16) -> Result<usize, StoreError> {
    let removed = diesel::sql_query(
        "DELETE FROM webhook_events WHERE (source, event_id) IN (
             SELECT source, event_id FROM webhook_events WHERE received_at < now() - $1 * interval '1 millisecond'
             ORDER BY received_at LIMIT $2)",
    )
    .bind::<sql_types::BigInt, _>(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
    .bind::<sql_types::BigInt, _>(i64::from(limit))
    .execute(connection)
    .await?;
    Ok(removed)
}
