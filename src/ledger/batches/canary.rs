//! A sample that goes first, and what its end means for the rest.

use diesel::{OptionalExtension, QueryableByName, sql_types};
use diesel_async::{AsyncConnection, RunQueryDsl};
use futures_util::{FutureExt, future::BoxFuture};

use super::{BatchId, seen::batch_failures};
use crate::store::{Connection, StoreError};

/// What the sample of a batch has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not enough of it has ended.
    Waiting,
    /// Enough is done: the rest follows.
    Passed,
    /// Too much of it failed: the rest stays as it is.
    Failed,
}

impl Verdict {
    /// Of `sample` calls, of which `open` still run and `failed` did not end in done. It has failed as soon as what still runs can no
    /// longer make up for it, and passed only when all have ended.
    #[must_use]
    pub fn of(sample: i64, open: i64, failed: i64, percent: i64) -> Self {
        let wanted = (sample * percent).div_euclid(100) + i64::from((sample * percent).rem_euclid(100) > 0);
        match sample - failed {
            at_best if at_best < wanted => Self::Failed,
            _ if open > 0 => Self::Waiting,
            _ => Self::Passed,
        }
    }
}

#[derive(QueryableByName)]
struct Sample {
    #[diesel(sql_type = sql_types::BigInt)]
    sample: i64,
    #[diesel(sql_type = sql_types::SmallInt)]
    percent: i16,
}

#[derive(QueryableByName)]
struct Ends {
    #[diesel(sql_type = sql_types::BigInt)]
    open: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    done: i64,
}

/// Looks at the sample of a batch and lets the rest follow, or stops it. Nothing when the batch waits for none. Twice, or two at
/// once, decide once.
pub fn judge_canary(connection: &mut Connection, batch: BatchId) -> BoxFuture<'_, Result<Option<Verdict>, StoreError>> {
    connection
        .transaction(async move |transaction| {
            let sample: Option<Sample> = diesel::sql_query(
                "SELECT jobs AS sample, canary_percent AS percent FROM requeue_batches WHERE id = $1 AND state = 'canary' FOR UPDATE",
            )
            .bind::<sql_types::BigInt, _>(batch.0)
            .get_result(transaction)
            .await
            .optional()?;
            let Some(Sample { sample, percent }) = sample else { return Ok(None) };
            // a call whose recording is copied anew has two jobs of one key: it is done when both are
            let ends: Ends = diesel::sql_query(
                "SELECT count(*) FILTER (WHERE open) AS open, count(*) FILTER (WHERE done) AS done
                 FROM (SELECT bool_or(open) AND NOT bool_or(state IN ('dead', 'cancelled')) AS open, bool_and(state = 'done') AS done
                       FROM jobs WHERE batch_id = $1 GROUP BY key) AS calls",
            )
            .bind::<sql_types::BigInt, _>(batch.0)
            .get_result(transaction)
            .await?;
            // what another batch has taken since is not known to be well
            let failed = (sample - ends.open - ends.done).max(0);
            let verdict = Verdict::of(sample, ends.open, failed, i64::from(percent));
            match verdict {
                Verdict::Waiting => {}
                Verdict::Passed => pass(transaction, batch).await?,
                Verdict::Failed => stop(transaction, batch, failed, sample).await?,
            }
            Ok(Some(verdict))
        })
        .boxed()
}

async fn pass(transaction: &mut Connection, batch: BatchId) -> Result<(), StoreError> {
    diesel::sql_query(
        "UPDATE requeue_batches SET state = 'moving', paced_from = now(), paced_after = jobs, touched_at = clock_timestamp() WHERE id = $1",
    )
    .bind::<sql_types::BigInt, _>(batch.0)
    .execute(transaction)
    .await?;
    Ok(())
}

async fn stop(transaction: &mut Connection, batch: BatchId, failed: i64, sample: i64) -> Result<(), StoreError> {
    let reasons = batch_failures(transaction, batch).await?;
    let reasons: Vec<_> =
        reasons.iter().map(|tally| format!("{} ({})", tally.reason.as_deref().unwrap_or("no reason"), tally.jobs)).collect();
    let because = format!("{failed} of the sample of {sample} did not end in done: {}", reasons.join(", "));
    diesel::sql_query(
        "UPDATE requeue_batches SET state = 'stopped', stopped_because = $2, ended_at = now(), touched_at = clock_timestamp() WHERE id = $1",
    )
    .bind::<sql_types::BigInt, _>(batch.0)
    .bind::<sql_types::Text, _>(because)
    .execute(transaction)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_passes_when_all_have_ended_and_enough_are_done() {
        assert_eq!(Verdict::of(20, 0, 0, 90), Verdict::Passed);
        assert_eq!(Verdict::of(20, 0, 2, 90), Verdict::Passed);
        assert_eq!(Verdict::of(20, 0, 3, 90), Verdict::Failed);
        assert_eq!(Verdict::of(20, 1, 2, 90), Verdict::Waiting, "the last may still fail");
    }

    #[test]
    fn a_sample_fails_as_soon_as_it_cannot_pass_any_more() {
        assert_eq!(Verdict::of(20, 17, 3, 90), Verdict::Failed);
        assert_eq!(Verdict::of(3, 2, 1, 90), Verdict::Failed, "90 per cent of three are three");
        assert_eq!(Verdict::of(3, 2, 1, 50), Verdict::Waiting);
    }

    #[test]
    fn any_end_passes_where_none_is_asked_for() {
        assert_eq!(Verdict::of(5, 0, 5, 0), Verdict::Passed);
    }
}
