//! Jobs called off.

use diesel::sql_types;
use diesel_async::{AsyncConnection, RunQueryDsl};

use super::{ByHand, ByHandError, Changed, Moved, Selection, Tally, batch_size, check_states, count_of, note};
use crate::{
    domain::{JobState, Reason, TranscriptId},
    store::{
        Connection, Store, StoreError,
        transcripts::{self, TranscriptTrouble},
    },
};

impl ByHand {
    /// The states to cancel from: those waiting and dead.
    fn cancelled_from(&self) -> Result<Vec<JobState>, ByHandError> {
        if self.filter.states.is_empty() {
            return Ok(vec![JobState::Ready, JobState::Dead]);
        }
        check_states(&self.filter.states, |state| state.may_become(JobState::Cancelled), "cancelled")
    }
}

/// How many jobs `cancel` would move now.
pub async fn would_cancel(connection: &mut Connection, order: &ByHand) -> Result<i64, ByHandError> {
    let states = order.cancelled_from()?;
    Ok(Selection::new(connection, order, states).await?.count(connection, order.limit).await?)
}

/// The same by kind and reason, most first.
pub async fn cancel_tally(connection: &mut Connection, order: &ByHand) -> Result<Vec<Tally>, ByHandError> {
    let states = order.cancelled_from()?;
    Ok(Selection::new(connection, order, states).await?.tally(connection, order.limit).await?)
}

/// Calls off jobs that wait or are dead. Running ones are left to end.
pub async fn cancel(store: &Store, order: &ByHand) -> Result<Changed, ByHandError> {
    let states = order.cancelled_from()?;
    let connection = &mut *store.connection().await?;
    let selection = Selection::new(connection, order, states).await?;
    let mut changed = Changed::default();
    loop {
        let batch = batch_size(order.limit, changed.jobs);
        let so_far = changed;
        let (jobs, audit) =
            connection.transaction(async |transaction| cancel_batch(transaction, order, &selection, batch, so_far).await).await?;
        changed = Changed { jobs: changed.jobs + jobs, audit, batch: None };
        if jobs < batch || batch == 0 {
            return Ok(changed);
        }
    }
}

async fn cancel_batch(
    transaction: &mut Connection,
    order: &ByHand,
    selection: &Selection,
    batch: i64,
    so_far: Changed,
) -> Result<(i64, Option<i64>), StoreError> {
    let change = format!("state = 'cancelled', finished_at = clock_timestamp(), reason = '{}'", Reason::Cancelled);
    let jobs: Vec<Moved> = selection
        .filter
        .bind(selection.change_statement(&change, false, None))
        .bind::<sql_types::Timestamptz, _>(selection.as_of)
        .bind::<sql_types::BigInt, _>(batch)
        .load(transaction)
        .await?;
    let message =
        order.why.as_ref().map_or_else(|| format!("cancelled by {}", order.actor), |why| format!("cancelled by {}: {why}", order.actor));
    let transcripts = jobs.iter().filter_map(|job| job.transcript_id).map(TranscriptId);
    let troubles: Vec<_> = transcripts.map(|id| TranscriptTrouble { id, reason: Reason::Cancelled, message: message.clone() }).collect();
    transcripts::fail(transaction, &troubles).await?;
    let audit =
        note(transaction, &order.entry("cancel", order.details(&selection.filter)), so_far.audit, so_far.jobs + count_of(&jobs)).await?;
    Ok((count_of(&jobs), audit))
}
