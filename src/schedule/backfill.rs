//! Calls of the past, asked for by a person: a window of any length, as one job a day and one row that names them.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::{AsyncConnection, RunQueryDsl};

use super::SyncPayload;
use crate::{
    domain::{JobId, JobKind, PRIORITY_BACKFILL, SourceName, Window},
    ledger::Hint,
    store::{
        Connection, StoreError,
        backfills::{self, NewBackfill},
    },
};

/// Ten years of days; a longer window is a slip of the finger.
const LONGEST: TimeDelta = TimeDelta::days(3_660);

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillOrder {
    /// The vendor.
    pub source: SourceName,
    /// Calls that began in it.
    pub window: Window,
    /// The window in the person's words: while a backfill of this name is open, the same words mean it.
    pub name: String,
    /// Who asks: `user@host`.
    pub actor: String,
}

/// A window that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfill {
    /// Its number.
    pub id: i64,
    /// It was open already; nothing was enqueued.
    pub attached: bool,
    /// Its jobs, oldest day first.
    pub jobs: Vec<JobId>,
    /// Hints of those that were enqueued or made due again, to push after the commit.
    pub hints: Vec<Hint>,
}

/// The window is too long to be meant.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// More than ten years.
    #[error("the window from {from} to {to} is longer than ten years")]
    TooLong {
        /// Its first moment.
        from: DateTime<Utc>,
        /// Its end.
        to: DateTime<Utc>,
    },
    /// PostgreSQL did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

// a transaction that cannot begin or commit
impl From<diesel::result::Error> for BackfillError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
}

/// Enqueues what is asked for, or names the open backfill that does it already. A day that was synced before is synced again, since
/// someone asks for it; one that is open is left as it is, whoever asked for it.
pub async fn enqueue_backfill(connection: &mut Connection, order: &BackfillOrder) -> Result<Backfill, BackfillError> {
    let Window { from, to } = order.window;
    if to - from > LONGEST {
        return Err(BackfillError::TooLong { from, to });
    }
    connection.transaction(async |transaction| Ok(enqueue_or_attach(transaction, order).await?)).await
}

async fn enqueue_or_attach(transaction: &mut Connection, order: &BackfillOrder) -> Result<Backfill, StoreError> {
    backfills::lock(transaction).await?;
    backfills::finish_ended(transaction).await?;
    if let Some(open) = backfills::open(transaction, order.source, &order.name).await? {
        return Ok(Backfill { id: open.id, attached: true, jobs: open.job_ids.into_iter().map(JobId).collect(), hints: Vec::new() });
    }
    let days: Vec<Window> = order.window.days().collect();
    let (jobs, hints) = enqueue_windows(transaction, order.source, &days).await?;
    let new = NewBackfill { source: order.source, name: &order.name, window: order.window, jobs: &jobs, actor: &order.actor };
    let id = backfills::insert(transaction, &new).await?;
    Ok(Backfill { id, attached: false, jobs, hints })
}

/// Enqueues one sync job per window, behind fresh work, in one statement. A window that was synced before is synced again; one that
/// is open is left as it is, so asking twice makes no more work. Returns all jobs in the order of the windows, and the hints of those
/// that were enqueued or made due again: push them after the commit.
pub async fn enqueue_windows(
    connection: &mut Connection,
    source: SourceName,
    windows: &[Window],
) -> Result<(Vec<JobId>, Vec<Hint>), StoreError> {
    let keys: Vec<String> = windows.iter().map(|window| key(source, *window)).collect();
    let payloads: Vec<_> = windows.iter().map(|window| SyncPayload::Backfill(*window).to_json()).collect();
    let moved: Vec<Row> = diesel::sql_query(
        "INSERT INTO jobs (kind, key, source, priority, max_attempts, payload)
         SELECT 'sync', key, $1, $2, $3, payload FROM unnest($4::text[], $5::jsonb[]) AS piece (key, payload)
         ON CONFLICT (kind, key) DO UPDATE
             SET state = 'ready', attempt = 0, put_off = 0, checkpoint = NULL, reason = NULL, finished_at = NULL, run_at = now()
             WHERE jobs.state IN ('done', 'dead', 'cancelled')
         RETURNING id",
    )
    .bind::<sql_types::Text, _>(source.as_str())
    .bind::<sql_types::SmallInt, _>(PRIORITY_BACKFILL)
    .bind::<sql_types::SmallInt, _>(i16::try_from(JobKind::Sync.default_max_attempts()).unwrap_or(i16::MAX))
    .bind::<sql_types::Array<sql_types::Text>, _>(&keys)
    .bind::<sql_types::Array<sql_types::Jsonb>, _>(&payloads)
    .load(connection)
    .await?;
    let jobs: Vec<Row> = diesel::sql_query(
        "SELECT jobs.id FROM unnest($1::text[]) WITH ORDINALITY AS piece (key, place) JOIN jobs ON kind = 'sync' AND jobs.key = piece.key
         ORDER BY place",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(&keys)
    .load(connection)
    .await?;
    let hint = |row: Row| Hint { id: JobId(row.id), kind: JobKind::Sync.as_str().to_owned(), priority: PRIORITY_BACKFILL };
    Ok((jobs.into_iter().map(|row| JobId(row.id)).collect(), moved.into_iter().map(hint).collect()))
}

fn key(source: SourceName, piece: Window) -> String {
    let at = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    format!("{source}/window/{}/{}", at(piece.from), at(piece.to))
}
