//! Calls of the past, asked for by a person: a window of any length, as one job a day.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use super::SyncPayload;
use crate::{
    domain::{JobId, JobKind, PRIORITY_BACKFILL, SourceName, Window},
    ledger::Hint,
    store::{Connection, StoreError},
};

/// Calls of one job: small enough that a failure repeats little, large enough that a year is a few hundred jobs.
const PIECE: TimeDelta = TimeDelta::days(1);
/// Ten years of days; a longer window is a slip of the finger.
const MOST_PIECES: usize = 3_660;

/// A window that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfill {
    /// Its jobs, oldest piece first, those that were open already among them.
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

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
}

/// Enqueues `window`, in one statement. A piece that was synced before is synced again, since someone asks for it; one that is open is
/// left as it is, so asking twice makes no more work.
pub async fn enqueue_backfill(connection: &mut Connection, source: SourceName, window: Window) -> Result<Backfill, BackfillError> {
    let pieces: Vec<Window> = window.split(PIECE).take(MOST_PIECES + 1).collect();
    if pieces.len() > MOST_PIECES {
        return Err(BackfillError::TooLong { from: window.from, to: window.to });
    }
    let keys: Vec<String> = pieces.iter().map(|piece| key(source, *piece)).collect();
    let payloads: Vec<_> = pieces.iter().map(|piece| SyncPayload::Backfill(*piece).to_json()).collect();
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
    .await
    .map_err(StoreError::from)?;
    let jobs: Vec<Row> = diesel::sql_query("SELECT id FROM jobs WHERE kind = 'sync' AND key = ANY($1) ORDER BY key")
        .bind::<sql_types::Array<sql_types::Text>, _>(&keys)
        .load(connection)
        .await
        .map_err(StoreError::from)?;
    let hint = |row: Row| Hint { id: JobId(row.id), kind: JobKind::Sync.as_str().to_owned(), priority: PRIORITY_BACKFILL };
    Ok(Backfill { jobs: jobs.into_iter().map(|row| JobId(row.id)).collect(), hints: moved.into_iter().map(hint).collect() })
}

fn key(source: SourceName, piece: Window) -> String {
    let at = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    format!("{source}/window/{}/{}", at(piece.from), at(piece.to))
}
