//! Batches that nobody watches any more, and batches called off.

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use super::{BatchId, advance, judge_canary};
use crate::{
    domain::JobState,
    ledger::{ByHand, ByHandError, Changed, Hint, JobFilter, cancel},
    store::{Connection, Store, StoreError},
};

/// A batch that is being moved and was not touched for so long has lost the command that moved it.
const UNTOUCHED_SECONDS: i32 = 10;
/// Steps done at one go: 20,000 jobs, which take about as many milliseconds as the other things a scheduler does in a round.
const STEPS: usize = 4;

#[derive(QueryableByName)]
struct Unfinished {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Bool)]
    canary: bool,
}

/// Looks at every batch that is not finished: judges samples, and goes on with what nobody moves any more. Returns the hints of what
/// became due. A batch that this version cannot read is left to one that can.
pub async fn attend(connection: &mut Connection) -> Result<Vec<Hint>, StoreError> {
    let unfinished: Vec<Unfinished> = diesel::sql_query(
        "SELECT id, state = 'canary' AS canary FROM requeue_batches
         WHERE ended_at IS NULL AND (state = 'canary' OR touched_at < clock_timestamp() - $1 * interval '1 second') ORDER BY id",
    )
    .bind::<sql_types::Integer, _>(UNTOUCHED_SECONDS)
    .load(connection)
    .await?;
    let mut hints = Vec::new();
    for Unfinished { id, canary } in unfinished {
        if canary {
            if let Some(verdict) = judge_canary(connection, BatchId(id)).await? {
                tracing::debug!(batch.id = id, ?verdict, "looked at the sample of a requeue batch");
            }
            continue;
        }
        for _ in 0..STEPS {
            match advance(connection, BatchId(id)).await {
                Ok(advanced) => {
                    hints.extend(advanced.hints);
                    if !advanced.more {
                        break;
                    }
                }
                Err(ByHandError::Store(error)) => return Err(error),
                Err(
                    error @ (ByHandError::Unreadable { .. }
                    | ByHandError::Refused { .. }
                    | ByHandError::NoTrial(_)
                    | ByHandError::NameTaken(_)),
                ) => {
                    tracing::warn!(batch.id = id, %error, "a requeue batch is left to another version");
                    break;
                }
            }
        }
    }
    Ok(hints)
}

/// Calls a batch off: nothing more of it becomes due, and what waits of it is cancelled. Returns what was cancelled, or `None` when
/// there is no batch of that name.
pub async fn cancel_batch(store: &Store, name: &str, actor: &str, why: Option<&str>) -> Result<Option<Changed>, ByHandError> {
    let found: Vec<Unfinished> = diesel::sql_query(
        "WITH called_off AS (
             UPDATE requeue_batches SET state = 'cancelled', ended_at = now(), touched_at = clock_timestamp() WHERE name = $1 AND ended_at IS NULL)
         SELECT id, false AS canary FROM requeue_batches WHERE name = $1",
    )
    .bind::<sql_types::Text, _>(name)
    .load(&mut *store.connection().await?)
    .await?;
    if found.is_empty() {
        return Ok(None);
    }
    let waiting = JobFilter { batch: Some(name.to_owned()), states: vec![JobState::Ready], ..JobFilter::default() };
    let order = ByHand { why: why.map(str::to_owned), ..ByHand::new(waiting, actor) };
    Ok(Some(cancel(store, &order).await?))
}
