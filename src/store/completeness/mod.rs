//! `completeness_windows` and `completeness_gaps`: what a vendor lists compared with what is held, day by day.
//!
//! The questions about calls are in `listed`, those about recordings and transcripts in `held`, what people and metrics are
//! told in `seen`.

mod held;
mod listed;
mod seen;

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

pub use held::{Held, Lack, LackingJob, Tally, ensure_transcripts, lacking};
pub use listed::{Listed, absent};
pub use seen::{Accounts, DaySeen, GapCount, GapSeen, accounts, days_seen, gaps_seen, last_day, late_days};

use crate::{
    domain::{GapKind, OrgId, SourceName, Window},
    store::{Connection, StoreError},
};

/// A day of a source's tenant while it is compared.
#[derive(Debug, Clone, Copy)]
pub struct Day<'d> {
    /// The vendor.
    pub source: SourceName,
    /// The tenant.
    pub org: &'d OrgId,
    /// From midnight to midnight, or as far as it is old enough.
    pub window: Window,
    /// This comparison of it: a gap that another one found is not this one's.
    pub comparison: Uuid,
}

/// Something missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// What.
    pub kind: GapKind,
    /// The call, or what stands for a call that nobody can name.
    pub subject: String,
    /// When the call began.
    pub start_time: DateTime<Utc>,
    /// A word of `GapReason` or `Reason`.
    pub reason: String,
    /// Work was enqueued to fill it.
    pub repaired: bool,
}

/// What a day's comparison counted of the vendor's list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListCount {
    /// Calls listed.
    pub listed: u64,
    /// Calls among them that are not over, or only just.
    pub open: u64,
}

/// Notes gaps of a day; one that was known is known on. A repair is remembered until the gap is gone.
pub async fn note_gaps(connection: &mut Connection, day: &Day<'_>, gaps: &[Gap]) -> Result<(), StoreError> {
    if gaps.is_empty() {
        return Ok(());
    }
    diesel::sql_query(
        "INSERT INTO completeness_gaps AS known (source, org_id, window_from, comparison, kind, subject, start_time, reason, repaired_at)
         SELECT DISTINCT ON (kind, subject) $1, $2, $3, $4, kind, subject, start_time, reason, CASE WHEN repaired THEN now() END
         FROM unnest($5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::bool[]) AS new (kind, subject, start_time, reason, repaired)
         ON CONFLICT (source, org_id, kind, subject) DO UPDATE SET
             window_from = excluded.window_from, comparison = excluded.comparison, start_time = excluded.start_time,
             reason = excluded.reason, repaired_at = coalesce(excluded.repaired_at, known.repaired_at)",
    )
    .bind::<sql_types::Text, _>(day.source.as_str())
    .bind::<sql_types::Text, _>(day.org.as_str())
    .bind::<sql_types::Timestamptz, _>(day.window.from)
    .bind::<sql_types::Uuid, _>(day.comparison)
    .bind::<sql_types::Array<sql_types::Text>, _>(gaps.iter().map(|gap| gap.kind.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(gaps.iter().map(|gap| gap.subject.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Timestamptz>, _>(gaps.iter().map(|gap| gap.start_time).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(gaps.iter().map(|gap| gap.reason.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Bool>, _>(gaps.iter().map(|gap| gap.repaired).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct GapRow {
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
    #[diesel(sql_type = sql_types::Text)]
    subject: String,
    #[diesel(sql_type = sql_types::Timestamptz)]
    start_time: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Text)]
    reason: String,
}

/// The gaps that this comparison of a day has noted so far, oldest call first, as if none were repaired.
pub async fn gaps_of_day(connection: &mut Connection, day: &Day<'_>) -> Result<Vec<Gap>, StoreError> {
    let rows: Vec<GapRow> = diesel::sql_query(
        "SELECT kind, subject, start_time, reason FROM completeness_gaps
         WHERE source = $1 AND org_id = $2 AND window_from = $3 AND comparison = $4 ORDER BY start_time, kind, subject",
    )
    .bind::<sql_types::Text, _>(day.source.as_str())
    .bind::<sql_types::Text, _>(day.org.as_str())
    .bind::<sql_types::Timestamptz, _>(day.window.from)
    .bind::<sql_types::Uuid, _>(day.comparison)
    .load(connection)
    .await?;
    let unreadable = |error: crate::domain::UnknownWord| StoreError::Row { table: "completeness_gaps", what: error.to_string() };
    let gap = |row: GapRow| {
        let kind = row.kind.parse().map_err(unreadable)?;
        Ok(Gap { kind, subject: row.subject, start_time: row.start_time, reason: row.reason, repaired: false })
    };
    rows.into_iter().map(gap).collect()
}

/// Ends a day's comparison: gaps that it did not find are gone, and the day's row says what it counted. A part of the day that was
/// compared by itself, as the first night does with the day the history begins in, is told by the whole day from now on. Calls that
/// are missing are counted in the gaps noted, so that a comparison taken up after a crash counts none twice.
pub async fn close_day(connection: &mut Connection, day: &Day<'_>, list: ListCount, held: &Held) -> Result<(), StoreError> {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    diesel::sql_query(
        "WITH parts AS (
             DELETE FROM completeness_windows
             WHERE source = $1 AND org_id = $2 AND window_from > $3 AND window_to <= $5 RETURNING window_from)
         DELETE FROM completeness_gaps
         WHERE source = $1 AND org_id = $2 AND comparison <> $4 AND (window_from = $3 OR window_from IN (SELECT window_from FROM parts))",
    )
    .bind::<sql_types::Text, _>(day.source.as_str())
    .bind::<sql_types::Text, _>(day.org.as_str())
    .bind::<sql_types::Timestamptz, _>(day.window.from)
    .bind::<sql_types::Uuid, _>(day.comparison)
    .bind::<sql_types::Timestamptz, _>(day.window.to)
    .execute(connection)
    .await?;
    diesel::sql_query(
        "INSERT INTO completeness_windows AS known (
             source, org_id, window_from, window_to, calls_listed, calls_open, calls_missing,
             recordings_expected, recordings_stored, recordings_explained, recordings_under_way, recordings_missing,
             transcripts_expected, transcripts_complete, transcripts_explained, transcripts_under_way, transcripts_missing)
         SELECT $1, $2, $3, $4, $5, $6, count(*), $7, $8, $9, $10, $11, $12, $13, $14, $15, $16
         FROM completeness_gaps WHERE source = $1 AND org_id = $2 AND window_from = $3 AND kind = 'calls'
         ON CONFLICT (source, org_id, window_from) DO UPDATE SET
             window_to = excluded.window_to, calls_listed = excluded.calls_listed, calls_open = excluded.calls_open,
             calls_missing = excluded.calls_missing, recordings_expected = excluded.recordings_expected,
             recordings_stored = excluded.recordings_stored, recordings_explained = excluded.recordings_explained,
             recordings_under_way = excluded.recordings_under_way, recordings_missing = excluded.recordings_missing,
             transcripts_expected = excluded.transcripts_expected, transcripts_complete = excluded.transcripts_complete,
             transcripts_explained = excluded.transcripts_explained, transcripts_under_way = excluded.transcripts_under_way,
             transcripts_missing = excluded.transcripts_missing, compared_at = now()",
    )
    .bind::<sql_types::Text, _>(day.source.as_str())
    .bind::<sql_types::Text, _>(day.org.as_str())
    .bind::<sql_types::Timestamptz, _>(day.window.from)
    .bind::<sql_types::Timestamptz, _>(day.window.to)
    .bind::<sql_types::BigInt, _>(count(list.listed))
    .bind::<sql_types::BigInt, _>(count(list.open))
    .bind::<sql_types::BigInt, _>(held.recordings.expected())
    .bind::<sql_types::BigInt, _>(held.recordings.there)
    .bind::<sql_types::BigInt, _>(held.recordings.explained)
    .bind::<sql_types::BigInt, _>(held.recordings.under_way)
    .bind::<sql_types::BigInt, _>(held.recordings.missing)
    .bind::<sql_types::BigInt, _>(held.transcripts.expected())
    .bind::<sql_types::BigInt, _>(held.transcripts.there)
    .bind::<sql_types::BigInt, _>(held.transcripts.explained)
    .bind::<sql_types::BigInt, _>(held.transcripts.under_way)
    .bind::<sql_types::BigInt, _>(held.transcripts.missing)
    .execute(connection)
    .await?;
    Ok(())
}
