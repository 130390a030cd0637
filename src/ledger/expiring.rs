//! Recordings that the vendor will soon delete, copied before anything else.

use std::time::Duration;

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use crate::{
    domain::{JobId, JobKind, PRIORITY_EXPIRING},
    ledger::Hint,
    store::{Connection, StoreError},
};

/// Jobs moved in one statement: short locks, and whoever is killed has kept what it did.
const BATCH: i64 = 1_000;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Bool)]
    due: bool,
}

/// Puts waiting recordings of calls that began longer ago than `age` before all others; returns the hints of those that are due. Twice
/// does no more than once, and any number of processes may do it at once.
pub async fn hasten_expiring(connection: &mut Connection, age: Duration) -> Result<Vec<Hint>, StoreError> {
    let mut hints = Vec::new();
    loop {
        let rows: Vec<Row> = diesel::sql_query(
            "WITH expiring AS MATERIALIZED (
                 SELECT j.id FROM jobs AS j JOIN call_interactions AS c USING (session_id)
                 WHERE j.kind = $1 AND j.open AND j.state = 'ready' AND j.priority > $2 AND c.start_time < now() - $3 * interval '1 second'
                 ORDER BY j.id LIMIT $4 FOR UPDATE OF j SKIP LOCKED)
             UPDATE jobs SET priority = $2 FROM expiring WHERE jobs.id = expiring.id
             RETURNING jobs.id, run_at <= now() AS due",
        )
        .bind::<sql_types::Text, _>(JobKind::Recording.as_str())
        .bind::<sql_types::SmallInt, _>(PRIORITY_EXPIRING)
        .bind::<sql_types::BigInt, _>(i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
        .bind::<sql_types::BigInt, _>(BATCH)
        .load(connection)
        .await?;
        let last = i64::try_from(rows.len()).unwrap_or(i64::MAX) < BATCH;
        let kind = JobKind::Recording.to_string();
        hints.extend(rows.iter().filter(|row| row.due).map(|row| Hint {
            id: JobId(row.id),
            kind: kind.clone(),
            priority: PRIORITY_EXPIRING,
        }));
        if last {
            return Ok(hints);
        }
    }
}
