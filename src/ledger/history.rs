//! What a job has been through, asked by the job itself.

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use crate::{
    domain::{JobId, Reason},
    store::{Connection, StoreError},
};

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = sql_types::BigInt)]
    times: i64,
}

/// How often a job was put off for `reason` since it last died, so that waiting for one thing does not use up the patience
/// for another.
pub async fn times_put_off_for(connection: &mut Connection, job: JobId, reason: Reason) -> Result<u32, StoreError> {
    let counted: Counted = diesel::sql_query(
        "SELECT count(*) AS times FROM job_attempts
         WHERE job_id = $1 AND outcome = 'later' AND reason = $2
           AND run > coalesce((SELECT max(run) FROM job_attempts WHERE job_id = $1 AND outcome = 'dead'), 0)",
    )
    .bind::<sql_types::BigInt, _>(job.0)
    .bind::<sql_types::Text, _>(reason.as_str())
    .get_result(connection)
    .await?;
    Ok(u32::try_from(counted.times).unwrap_or(u32::MAX))
}
