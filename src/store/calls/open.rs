//! Which calls are still going on.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;

use crate::{
    domain::SourceName,
    store::{Connection, StoreError, schema::calls::call_interactions},
};

/// When the source's calls that are still open began, oldest first: those that began at or after `since` and before `until`,
/// at most `limit` of them.
pub async fn open_since(
    connection: &mut Connection,
    source: SourceName,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: u16,
) -> Result<Vec<DateTime<Utc>>, StoreError> {
    let starts = call_interactions::table
        .filter(call_interactions::closed.eq(false))
        .filter(call_interactions::source.eq(source.as_str()))
        .filter(call_interactions::start_time.ge(since))
        .filter(call_interactions::start_time.lt(until))
        .order(call_interactions::start_time)
        .limit(i64::from(limit))
        .select(call_interactions::start_time)
        .load(connection)
        .await?;
    Ok(starts)
}
