//! Calls that a vendor lists, and whether they are held as they stand there. Whichever way a vendor lists its calls, the question
//! is the same.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use super::Gap;
use crate::{
    domain::{GapKind, GapReason, SessionId, SourceName},
    store::{Connection, StoreError},
};

/// A call as a list tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The call.
    pub session_id: SessionId,
    /// When it began.
    pub start_time: DateTime<Utc>,
    /// It ended long enough ago that its row must say so.
    pub long_over: bool,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::Text)]
    session_id: String,
    #[diesel(sql_type = sql_types::Timestamptz)]
    start_time: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Bool)]
    held: bool,
}

/// The calls among `listed` that no row holds, and those whose row says that they go on although they are long over. A call that is
/// neither over nor held is no gap: the sync brings it.
pub async fn absent(connection: &mut Connection, source: SourceName, listed: &[Listed]) -> Result<Vec<Gap>, StoreError> {
    let over: Vec<&Listed> = listed.iter().filter(|call| call.long_over).collect();
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT listed.session_id, listed.start_time, c.session_id IS NOT NULL AS held
         FROM unnest($2::text[], $3::timestamptz[]) AS listed (session_id, start_time)
         LEFT JOIN call_interactions AS c ON c.session_id = listed.session_id AND c.source = $1
         WHERE c.session_id IS NULL OR NOT c.closed",
    )
    .bind::<sql_types::Text, _>(source.as_str())
    .bind::<sql_types::Array<sql_types::Text>, _>(over.iter().map(|call| call.session_id.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Timestamptz>, _>(over.iter().map(|call| call.start_time).collect::<Vec<_>>())
    .load(connection)
    .await?;
    let gap = |row: Row| Gap {
        kind: GapKind::Calls,
        subject: row.session_id,
        start_time: row.start_time,
        reason: if row.held { GapReason::StillOpen } else { GapReason::NotHeld }.as_str().to_owned(),
        repaired: false,
    };
    Ok(rows.into_iter().map(gap).collect())
}
