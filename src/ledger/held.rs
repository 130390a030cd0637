//! Jobs that wait for a person to log in: made due at once when somebody did.

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use crate::{
    domain::{JobId, Reason},
    ledger::Hint,
    store::{Connection, StoreError},
};

/// Reasons that a new login may have done away with: no token, another tenant's token, a token without a scope.
pub const UNTIL_LOGIN: &[Reason] = &[Reason::LoginNeeded, Reason::WrongOrg, Reason::Forbidden];
/// Jobs moved in one statement: short locks, and whoever is killed has kept what it did.
const BATCH: i64 = 5_000;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
    #[diesel(sql_type = sql_types::SmallInt)]
    priority: i16,
}

/// Makes due what waits for a login to `source`; returns the hints. Twice does no more than once.
pub async fn release_held(connection: &mut Connection, source: &str) -> Result<Vec<Hint>, StoreError> {
    let reasons: Vec<&str> = UNTIL_LOGIN.iter().map(|reason| reason.as_str()).collect();
    let mut hints = Vec::new();
    loop {
        let rows: Vec<Row> = diesel::sql_query(
            "WITH held AS MATERIALIZED (
                 SELECT id FROM jobs WHERE open AND state = 'ready' AND source = $1 AND reason = ANY($2) AND run_at > now()
                 ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
             UPDATE jobs SET run_at = now() FROM held WHERE jobs.id = held.id
             RETURNING jobs.id, jobs.kind, jobs.priority",
        )
        .bind::<sql_types::Text, _>(source)
        .bind::<sql_types::Array<sql_types::Text>, _>(&reasons)
        .bind::<sql_types::BigInt, _>(BATCH)
        .load(connection)
        .await?;
        let last = i64::try_from(rows.len()).unwrap_or(i64::MAX) < BATCH;
        hints.extend(rows.into_iter().map(|row| Hint { id: JobId(row.id), kind: row.kind, priority: row.priority }));
        if last {
            return Ok(hints);
        }
    }
}

/// Notes in the audit log what a person did that moved no jobs by a filter.
pub async fn audit(connection: &mut Connection, actor: &str, action: &str, details: &serde_json::Value) -> Result<(), StoreError> {
    diesel::sql_query("INSERT INTO audit_log (actor, action, details) VALUES ($1, $2, $3)")
        .bind::<sql_types::Text, _>(actor)
        .bind::<sql_types::Text, _>(action)
        .bind::<sql_types::Jsonb, _>(details)
        .execute(connection)
        .await?;
    Ok(())
}
