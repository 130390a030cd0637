//! What people, metrics and the next comparison are told of the last one.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::Serialize;

use crate::{
    domain::{OrgId, SourceName, Window},
    store::{Connection, StoreError},
};

/// A day as it was last compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, QueryableByName)]
#[expect(missing_docs, reason = "the columns' comments in the schema say what each is")]
pub struct DaySeen {
    #[diesel(sql_type = sql_types::Text)]
    pub source: String,
    #[diesel(sql_type = sql_types::Text)]
    pub org_id: String,
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub window_from: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub window_to: DateTime<Utc>,
    #[diesel(sql_type = sql_types::BigInt)]
    pub calls_listed: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub calls_open: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub calls_missing: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub recordings_expected: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub recordings_stored: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub recordings_explained: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub recordings_under_way: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub recordings_missing: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub transcripts_expected: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub transcripts_complete: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub transcripts_explained: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub transcripts_under_way: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub transcripts_missing: i64,
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub compared_at: DateTime<Utc>,
}

impl DaySeen {
    /// Everything missing.
    #[must_use]
    pub const fn missing(&self) -> i64 {
        self.calls_missing + self.recordings_missing + self.transcripts_missing
    }

    /// Everything that a job is still at.
    #[must_use]
    pub const fn under_way(&self) -> i64 {
        self.recordings_under_way + self.transcripts_under_way
    }
}

/// The days of a source within `window` that were compared, oldest first; at most four thousand.
pub async fn days_seen(connection: &mut Connection, source: SourceName, window: Window) -> Result<Vec<DaySeen>, StoreError> {
    Ok(diesel::sql_query(
        "SELECT * FROM completeness_windows WHERE source = $1 AND window_from >= $2 AND window_from < $3 ORDER BY window_from LIMIT 4000",
    )
    .bind::<sql_types::Text, _>(source.as_str())
    .bind::<sql_types::Timestamptz, _>(window.from)
    .bind::<sql_types::Timestamptz, _>(window.to)
    .load(connection)
    .await?)
}

/// Something missing, as the last comparison of its day found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, QueryableByName)]
pub struct GapSeen {
    /// What is missing.
    #[diesel(sql_type = sql_types::Text)]
    pub kind: String,
    /// The call, or what stands for one that nobody can name.
    #[diesel(sql_type = sql_types::Text)]
    pub subject: String,
    /// When the call began.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub start_time: DateTime<Utc>,
    /// Why.
    #[diesel(sql_type = sql_types::Text)]
    pub reason: String,
    /// When it was first found.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub found_at: DateTime<Utc>,
    /// When work was last enqueued to fill it.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub repaired_at: Option<DateTime<Utc>>,
}

/// The gaps of a source within `window`, oldest call first, at most `limit`.
pub async fn gaps_seen(connection: &mut Connection, source: SourceName, window: Window, limit: i64) -> Result<Vec<GapSeen>, StoreError> {
    Ok(diesel::sql_query(
        "SELECT kind, subject, start_time, reason, found_at, repaired_at FROM completeness_gaps
         WHERE source = $1 AND window_from >= $2 AND window_from < $3 ORDER BY start_time, kind, subject LIMIT $4",
    )
    .bind::<sql_types::Text, _>(source.as_str())
    .bind::<sql_types::Timestamptz, _>(window.from)
    .bind::<sql_types::Timestamptz, _>(window.to)
    .bind::<sql_types::BigInt, _>(limit)
    .load(connection)
    .await?)
}

/// How much is missing of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GapCount {
    /// The kind of gap.
    pub kind: &'static str,
    /// How many.
    pub gaps: i64,
}

/// What the comparisons of one tenant come to.
#[derive(Debug, Clone, PartialEq, Serialize, QueryableByName)]
pub struct Accounts {
    /// The vendor.
    #[diesel(sql_type = sql_types::Text)]
    pub source: String,
    /// The tenant.
    #[diesel(sql_type = sql_types::Text)]
    pub org_id: String,
    /// Days compared.
    #[diesel(sql_type = sql_types::BigInt)]
    pub days: i64,
    /// How far the newest of them was compared.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub compared_to: DateTime<Utc>,
    /// When the last comparison ended.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub compared_at: DateTime<Utc>,
    /// Seconds since then.
    #[diesel(sql_type = sql_types::Double)]
    pub age_seconds: f64,
    /// Calls missing.
    #[diesel(sql_type = sql_types::BigInt)]
    pub calls_missing: i64,
    /// Recordings missing.
    #[diesel(sql_type = sql_types::BigInt)]
    pub recordings_missing: i64,
    /// Transcripts missing.
    #[diesel(sql_type = sql_types::BigInt)]
    pub transcripts_missing: i64,
}

impl Accounts {
    /// Everything missing, by kind.
    #[must_use]
    pub const fn gaps(&self) -> [GapCount; 3] {
        [
            GapCount { kind: "calls", gaps: self.calls_missing },
            GapCount { kind: "recordings", gaps: self.recordings_missing },
            GapCount { kind: "transcripts", gaps: self.transcripts_missing },
        ]
    }
}

/// What the comparisons of every tenant come to.
pub async fn accounts(connection: &mut Connection) -> Result<Vec<Accounts>, StoreError> {
    Ok(diesel::sql_query(
        "SELECT source, org_id, count(*) AS days, max(window_to) AS compared_to, max(compared_at) AS compared_at,
                extract(epoch FROM clock_timestamp() - max(compared_at))::double precision AS age_seconds,
                sum(calls_missing)::bigint AS calls_missing, sum(recordings_missing)::bigint AS recordings_missing,
                sum(transcripts_missing)::bigint AS transcripts_missing
         FROM completeness_windows GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 100",
    )
    .load(connection)
    .await?)
}

#[derive(QueryableByName)]
struct Span {
    #[diesel(sql_type = sql_types::Timestamptz)]
    window_from: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Timestamptz)]
    window_to: DateTime<Utc>,
}

/// The newest day that was compared, if any was.
pub async fn last_day(connection: &mut Connection, source: SourceName, org: &OrgId) -> Result<Option<Window>, StoreError> {
    let statement = "SELECT window_from, window_to FROM completeness_windows WHERE source = $1 AND org_id = $2
                     ORDER BY window_from DESC LIMIT 1";
    Ok(spans(connection, statement, source, org).await?.pop())
}

/// Days of which something was missing or under way when they were last compared: the newest hundred, oldest first.
pub async fn late_days(connection: &mut Connection, source: SourceName, org: &OrgId) -> Result<Vec<Window>, StoreError> {
    let statement = "SELECT * FROM (
                         SELECT window_from, window_to FROM completeness_windows WHERE source = $1 AND org_id = $2
                           AND calls_missing + calls_open + recordings_missing + transcripts_missing + recordings_under_way + transcripts_under_way > 0
                         ORDER BY window_from DESC LIMIT 100) AS late
                     ORDER BY window_from";
    spans(connection, statement, source, org).await
}

async fn spans(connection: &mut Connection, statement: &str, source: SourceName, org: &OrgId) -> Result<Vec<Window>, StoreError> {
    let rows: Vec<Span> = diesel::sql_query(statement)
        .bind::<sql_types::Text, _>(source.as_str())
        .bind::<sql_types::Text, _>(org.as_str())
        .load(connection)
        .await?;
    Ok(rows.into_iter().map(|row| Window { from: row.window_from, to: row.window_to }).collect())
}
