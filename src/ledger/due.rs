//! What is due: asked by the dispatcher, which sends a hint again for whatever the lanes lost.

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use crate::{
    domain::JobId,
    ledger::Hint,
    store::{Connection, StoreError},
};

#[derive(QueryableByName)]
struct Kind {
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
}

/// Kinds that have open work, those of newer versions too: a step through the index per kind, whatever the backlog.
pub async fn open_kinds(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    let rows: Vec<Kind> = diesel::sql_query(
        "WITH RECURSIVE step AS (
             (SELECT kind FROM jobs WHERE open ORDER BY kind LIMIT 1)
             UNION ALL
             SELECT (SELECT kind FROM jobs WHERE open AND kind > step.kind ORDER BY kind LIMIT 1) FROM step WHERE step.kind IS NOT NULL)
         SELECT kind FROM step WHERE kind IS NOT NULL",
    )
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.kind).collect())
}

#[derive(QueryableByName)]
struct Due {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::SmallInt)]
    priority: i16,
}

/// Up to `limit` jobs of `kind` that are due and free, most urgent first.
pub async fn due_jobs(connection: &mut Connection, kind: &str, limit: usize) -> Result<Vec<Hint>, StoreError> {
    let rows: Vec<Due> = diesel::sql_query(
        "SELECT id, priority FROM jobs WHERE kind = $1 AND open AND state = 'ready' AND run_at <= now() ORDER BY priority, run_at LIMIT $2",
    )
    .bind::<sql_types::Text, _>(kind)
    .bind::<sql_types::BigInt, _>(i64::try_from(limit).unwrap_or(i64::MAX))
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| Hint { id: JobId(row.id), kind: kind.to_owned(), priority: row.priority }).collect())
}
