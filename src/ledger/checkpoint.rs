//! How far long work has come, written by the one who holds it.

use diesel::sql_types;
use diesel_async::RunQueryDsl;
use serde_json::Value;

use crate::{
    ledger::{Claimed, LeaseLost},
    store::{Connection, Prepared, StoreError},
};

/// Keeps `checkpoint` in the job's row; a later run finds it there. Like `hold` it locks the row for the caller's transaction and
/// fails unless this worker still holds the job, in one statement: nothing else has to be called first.
pub async fn save_checkpoint(connection: &mut Connection, job: &Claimed, checkpoint: &Value) -> Result<(), LeaseLost> {
    let statement = diesel::sql_query("UPDATE jobs SET checkpoint = $4 WHERE id = $1 AND state = 'running' AND lease_id = $2 AND run = $3")
        .bind::<sql_types::BigInt, _>(job.id.0)
        .bind::<sql_types::BigInt, _>(job.lease.0)
        .bind::<sql_types::Integer, _>(job.run)
        .bind::<sql_types::Jsonb, _>(checkpoint);
    let held = Prepared(statement).execute(connection).await.map_err(StoreError::from)?;
    if held == 0 { Err(LeaseLost::Gone(job.id)) } else { Ok(()) }
}
