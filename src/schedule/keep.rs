//! What is over, removed by the scheduler that leads: a batch with every round while there is any, so that a year's backlog goes at a
//! thousand rows a second and the ledger never notices.

use std::time::Duration;

use tokio::time::Instant;

use super::retention::enqueue_retention;
use crate::{
    config::KeepSettings,
    ledger,
    store::{Connection, StoreError},
    telemetry::chain,
};

/// Rows removed with one round: some ten milliseconds of work, and ten times as many as the busiest second brings.
const BATCH: u16 = 1_000;
/// Between two looks when the last one found less than a batch.
const PAUSE: Duration = Duration::from_mins(1);

/// When the next look is due.
#[derive(Debug)]
pub(super) struct Keeping {
    look_at: Instant,
}

impl Keeping {
    pub(super) fn new() -> Self {
        Self { look_at: Instant::now() }
    }

    /// Looks once, if it is time. What cannot be removed waits for the next look: the scheduler's other work matters more, and finds
    /// out by itself when PostgreSQL is away.
    pub(super) async fn look(&mut self, connection: &mut Connection, keep: &KeepSettings) {
        if Instant::now() < self.look_at {
            return;
        }
        let pruned = match tidy(connection, keep).await {
            Ok(pruned) => pruned,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "cannot remove what is over; trying again later");
                self.look_at = Instant::now() + PAUSE;
                return;
            }
        };
        if pruned != ledger::Pruned::default() {
            tracing::debug!(
                jobs.done = pruned.done_jobs,
                jobs.dead = pruned.dead_jobs,
                rows.other = pruned.others,
                "removed what was over for long enough"
            );
        }
        if !pruned.may_be_more(BATCH) {
            self.look_at = Instant::now() + PAUSE;
        }
    }
}

/// Retention has a job of its own, which works on S3 as well; the rest is removed here.
async fn tidy(connection: &mut Connection, keep: &KeepSettings) -> Result<ledger::Pruned, StoreError> {
    if keep.retention.deletes()
        && let Some(hint) = enqueue_retention(connection).await?
    {
        tracing::info!(job.id = %hint.id, "retention enqueued");
    }
    ledger::prune(connection, keep, BATCH).await
}
