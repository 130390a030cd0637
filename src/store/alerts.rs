//! `alerts` and `alert_notices`: what needs a person since when, and the messages about it.
//!
//! State and messages change in one transaction, so a process that dies loses none and repeats none; sending comes afterwards.
//! Times are arguments: the same figures at the same time do the same, whoever looks.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::{AsyncConnection, RunQueryDsl};
use serde::Serialize;
use uuid::Uuid;

use crate::store::{Connection, StoreError};

/// Makes those who look at the same moment look one after the other. Any number would do, as long as every version agrees on it.
const LOCK: i64 = 0x616c_6572_7473;

/// Something that needs a person now.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Alert, as its page in docs/runbooks is called.
    pub name: &'static str,
    /// Which kind, source or credential.
    pub subject: String,
    /// The figure.
    pub value: f64,
    /// What is the matter.
    pub summary: String,
    /// The command to run next.
    pub command: String,
}

/// An alert as it is known.
#[derive(Debug, Clone, PartialEq, Serialize, QueryableByName)]
#[expect(missing_docs, reason = "the columns' comments in the schema say what each is")]
pub struct AlertSeen {
    #[diesel(sql_type = sql_types::Text)]
    pub name: String,
    #[diesel(sql_type = sql_types::Text)]
    pub subject: String,
    #[diesel(sql_type = sql_types::Double)]
    pub value: f64,
    #[diesel(sql_type = sql_types::Text)]
    pub summary: String,
    #[diesel(sql_type = sql_types::Text)]
    pub command: String,
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub firing_since: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub noted_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub resolved_at: Option<DateTime<Utc>>,
    /// Messages about it that have not arrived.
    #[diesel(sql_type = sql_types::BigInt)]
    pub unsent: i64,
    /// Why the oldest of them has not.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub send_error: Option<String>,
}

/// When an alert is over, and how often one that is not is told again.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// An alert that was not true for so long is over.
    pub resolve_after: Duration,
    /// An alert that goes on is told again after so long.
    pub repeat: Duration,
}

/// Takes `conditions` as what needs a person at `now`: begins, goes on with and ends alerts, and writes what is to be told to every
/// one of `channels`. A reminder is left out while an earlier message of its alert has not arrived. Without channels nothing counts
/// as told: who is named later hears of what still goes on, and not of the end of what was never told.
pub async fn look(
    connection: &mut Connection,
    conditions: &[Condition],
    channels: &[&str],
    rhythm: Rhythm,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    connection
        .transaction(async |transaction| {
            diesel::sql_query("SELECT pg_advisory_xact_lock($1)").bind::<sql_types::BigInt, _>(LOCK).execute(transaction).await?;
            note(transaction, conditions, now).await?;
            tell(transaction, channels, rhythm, now).await
        })
        .await
}

async fn note(transaction: &mut Connection, conditions: &[Condition], now: DateTime<Utc>) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO alerts AS known (name, subject, value, summary, command, firing_since, last_seen_at)
         SELECT DISTINCT ON (name, subject) name, subject, value, summary, command, $6, $6
         FROM unnest($1::text[], $2::text[], $3::float8[], $4::text[], $5::text[]) AS found (name, subject, value, summary, command)
         ON CONFLICT (name, subject) DO UPDATE SET
             value = excluded.value, summary = excluded.summary, command = excluded.command,
             last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at),
             firing_since = CASE WHEN known.resolved_at IS NULL THEN known.firing_since ELSE excluded.firing_since END,
             noted_at = CASE WHEN known.resolved_at IS NULL THEN known.noted_at END, resolved_at = NULL",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(conditions.iter().map(|found| found.name).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(conditions.iter().map(|found| found.subject.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Double>, _>(conditions.iter().map(|found| found.value).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(conditions.iter().map(|found| found.summary.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(conditions.iter().map(|found| found.command.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Timestamptz, _>(now)
    .execute(transaction)
    .await?;
    Ok(())
}

async fn tell(transaction: &mut Connection, channels: &[&str], rhythm: Rhythm, now: DateTime<Utc>) -> Result<(), StoreError> {
    let milliseconds = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    diesel::sql_query(
        "WITH due AS MATERIALIZED (
             SELECT name, subject, noted_at AS told_at,
                    CASE WHEN past.is_over THEN 'resolved' WHEN noted_at IS NULL THEN 'firing' ELSE 'reminder' END AS event
             FROM alerts, LATERAL (SELECT last_seen_at <= $1 - $2 * interval '1 millisecond' AS is_over) AS past
             WHERE resolved_at IS NULL AND (past.is_over
                 OR cardinality($4::text[]) > 0 AND (noted_at IS NULL OR noted_at <= $1 - $3 * interval '1 millisecond'))),
         changed AS (
             UPDATE alerts SET resolved_at = CASE WHEN due.event = 'resolved' THEN $1 END,
                 noted_at = CASE WHEN due.event = 'resolved' AND (due.told_at IS NULL OR cardinality($4::text[]) = 0)
                                 THEN due.told_at ELSE $1 END
             FROM due WHERE alerts.name = due.name AND alerts.subject = due.subject
             RETURNING alerts.name, alerts.subject, due.event, due.told_at, value, summary, command, firing_since, resolved_at)
         INSERT INTO alert_notices (channel, event, name, subject, try_at, body)
         SELECT channel, event, name, subject, $1, jsonb_build_object(
             'event', event, 'alert', name, 'subject', subject, 'value', value, 'summary', summary, 'command', command,
             'firing_since', to_char(firing_since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
             'resolved_at', to_char(resolved_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'runbook', 'docs/runbooks/' || name || '.md')
         FROM changed, unnest($4::text[]) AS channel
         WHERE CASE event WHEN 'firing' THEN true WHEN 'resolved' THEN told_at IS NOT NULL ELSE NOT EXISTS (
             SELECT FROM alert_notices AS earlier WHERE earlier.sent_at IS NULL AND earlier.channel = channel.channel
                 AND earlier.name = changed.name AND earlier.subject = changed.subject) END
         ORDER BY name, subject",
    )
    .bind::<sql_types::Timestamptz, _>(now)
    .bind::<sql_types::BigInt, _>(milliseconds(rhythm.resolve_after))
    .bind::<sql_types::BigInt, _>(milliseconds(rhythm.repeat))
    .bind::<sql_types::Array<sql_types::Text>, _>(channels.to_vec())
    .execute(transaction)
    .await?;
    Ok(())
}

/// A message to be sent.
#[derive(Debug, Clone, QueryableByName)]
pub struct Notice {
    /// Its row.
    #[diesel(sql_type = sql_types::BigInt)]
    pub id: i64,
    /// The same at every sending.
    #[diesel(sql_type = sql_types::Uuid)]
    pub message_id: Uuid,
    /// What is told.
    #[diesel(sql_type = sql_types::Jsonb)]
    pub body: serde_json::Value,
    /// How often it was taken, this time included.
    #[diesel(sql_type = sql_types::Integer)]
    pub attempts: i32,
}

/// Takes the oldest message of a channel if its time has come; nobody else takes it for `hold`. The next waits for it, so that a
/// channel is told in order.
pub async fn take_notice(
    connection: &mut Connection,
    channel: &str,
    hold: Duration,
    now: DateTime<Utc>,
) -> Result<Option<Notice>, StoreError> {
    let rows: Vec<Notice> = diesel::sql_query(
        "WITH first AS MATERIALIZED (
             SELECT id, try_at FROM alert_notices WHERE sent_at IS NULL AND channel = $1 ORDER BY id LIMIT 1 FOR UPDATE)
         UPDATE alert_notices AS notice SET attempts = attempts + 1, try_at = $2 + $3 * interval '1 millisecond'
         FROM first WHERE notice.id = first.id AND first.try_at <= $2
         RETURNING notice.id, notice.message_id, notice.body, notice.attempts",
    )
    .bind::<sql_types::Text, _>(channel)
    .bind::<sql_types::Timestamptz, _>(now)
    .bind::<sql_types::BigInt, _>(i64::try_from(hold.as_millis()).unwrap_or(i64::MAX))
    .load(connection)
    .await?;
    Ok(rows.into_iter().next())
}

/// The receiver took it.
pub async fn notice_sent(connection: &mut Connection, id: i64, now: DateTime<Utc>) -> Result<(), StoreError> {
    diesel::sql_query("UPDATE alert_notices SET sent_at = $2, error = NULL WHERE id = $1 AND sent_at IS NULL")
        .bind::<sql_types::BigInt, _>(id)
        .bind::<sql_types::Timestamptz, _>(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// The receiver did not take it; it is sent again at `try_at`.
pub async fn notice_failed(connection: &mut Connection, id: i64, error: &str, try_at: DateTime<Utc>) -> Result<(), StoreError> {
    diesel::sql_query("UPDATE alert_notices SET error = $2, try_at = $3 WHERE id = $1 AND sent_at IS NULL")
        .bind::<sql_types::BigInt, _>(id)
        .bind::<sql_types::Text, _>(error)
        .bind::<sql_types::Timestamptz, _>(try_at)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes messages that arrived longer ago than `keep` before `now`, and those that nobody has tried to send for as long: their
/// channel is not configured any more.
pub async fn prune_notices(connection: &mut Connection, keep: Duration, now: DateTime<Utc>) -> Result<usize, StoreError> {
    Ok(diesel::sql_query("DELETE FROM alert_notices WHERE coalesce(sent_at, try_at) < $1 - $2 * interval '1 millisecond'")
        .bind::<sql_types::Timestamptz, _>(now)
        .bind::<sql_types::BigInt, _>(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX))
        .execute(connection)
        .await?)
}

/// Alerts, those that fire first, then those that are over, latest first; at most two hundred.
pub async fn alerts_seen(connection: &mut Connection, with_resolved: bool) -> Result<Vec<AlertSeen>, StoreError> {
    Ok(diesel::sql_query(
        "SELECT name, subject, value, summary, command, firing_since, noted_at, resolved_at, unsent.messages AS unsent, unsent.error AS send_error
         FROM alerts, LATERAL (
             SELECT count(*) AS messages, (array_agg(error ORDER BY id))[1] AS error FROM alert_notices
             WHERE sent_at IS NULL AND alert_notices.name = alerts.name AND alert_notices.subject = alerts.subject) AS unsent
         WHERE $1 OR resolved_at IS NULL
         ORDER BY resolved_at IS NOT NULL, coalesce(resolved_at, firing_since) DESC, name, subject LIMIT 200",
    )
    .bind::<sql_types::Bool, _>(with_resolved)
    .load(connection)
    .await?)
}
