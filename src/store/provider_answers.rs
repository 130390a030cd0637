//! `provider_answers`: what transcription services posted, once each, until the worker that ordered it collects it.

use diesel::{OptionalExtension, QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde_json::Value;

use super::{Connection, StoreError, clean};

/// Answers stay this long, in hours: more than any work takes, and less than anybody keeps words of a call that were to be deleted.
const KEPT_HOURS: i32 = 24;

#[derive(QueryableByName)]
struct Held {
    #[diesel(sql_type = sql_types::Jsonb)]
    body: Value,
}

/// Removes what nobody collected for a day.
pub async fn prune(connection: &mut Connection) -> Result<usize, StoreError> {
    Ok(diesel::sql_query("DELETE FROM provider_answers WHERE received_at < now() - $1 * interval '1 hour'")
        .bind::<sql_types::Integer, _>(KEPT_HOURS)
        .execute(connection)
        .await?)
}

/// Keeps what was posted for `job`. False: something was posted for it before, and stays.
pub async fn keep(connection: &mut Connection, provider: &str, job: &str, body: &Value) -> Result<bool, StoreError> {
    let kept = diesel::sql_query("INSERT INTO provider_answers (provider, job, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind::<sql_types::Text, _>(provider)
        .bind::<sql_types::Text, _>(job)
        .bind::<sql_types::Jsonb, _>(clean::json(body).into_owned())
        .execute(connection)
        .await?;
    Ok(kept == 1)
}

/// What was posted for `job`, if anything was.
pub async fn find(connection: &mut Connection, provider: &str, job: &str) -> Result<Option<Value>, StoreError> {
    let held: Option<Held> = diesel::sql_query("SELECT body FROM provider_answers WHERE provider = $1 AND job = $2")
        .bind::<sql_types::Text, _>(provider)
        .bind::<sql_types::Text, _>(job)
        .get_result(connection)
        .await
        .optional()?;
    Ok(held.map(|held| held.body))
}

/// Forgets what was posted for `job`, so that it can be asked for anew.
pub async fn forget(connection: &mut Connection, provider: &str, job: &str) -> Result<(), StoreError> {
    diesel::sql_query("DELETE FROM provider_answers WHERE provider = $1 AND job = $2")
        .bind::<sql_types::Text, _>(provider)
        .bind::<sql_types::Text, _>(job)
        .execute(connection)
        .await?;
    Ok(())
}
