//! Removing what is over: bounded batches, each a statement and a transaction of its own, so that no lock is held for longer than a
//! batch takes and a process that is killed between two has lost nothing.
//!
//! What protects a call from being worked on twice once its jobs are gone is not here but in the rows that stay: a sync enqueues work
//! only for a transcript that it inserts, a recording that is stored is not fetched again, a transcript that is complete is not made
//! again.

use std::time::Duration;

use diesel::sql_types;
use diesel_async::RunQueryDsl;

use crate::{
    config::KeepSettings,
    store::{Connection, StoreError},
};

/// What one look removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Jobs that were done.
    pub done_jobs: usize,
    /// Jobs that had died or been cancelled.
    pub dead_jobs: usize,
    /// Leases, backfills, requeue batches and quarantined elements.
    pub others: usize,
}

impl Pruned {
    /// Whether any of its batches was full, so that there may be more.
    #[must_use]
    pub fn may_be_more(&self, batch: u16) -> bool {
        let batch = usize::from(batch);
        self.done_jobs >= batch || self.dead_jobs >= batch || self.others >= batch
    }
}

/// By the index `jobs_ended`, oldest first. The state is asked beside the index's own condition, since an index on it would make every
/// claim write to it. An open backfill tells its progress by its jobs, so they stay until it is finished. A job that is being requeued
/// this very moment is skipped.
const DONE_JOBS: &str = "DELETE FROM jobs USING (
         SELECT id FROM jobs WHERE NOT open AND NOT dead AND finished_at < now() - $1 * interval '1 millisecond' AND state = 'done'
            AND NOT EXISTS (SELECT FROM backfills WHERE backfills.finished_at IS NULL AND jobs.id = ANY(backfills.job_ids))
         ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS old
     WHERE jobs.id = old.id";
const DEAD_JOBS: &str = "DELETE FROM jobs USING (
         SELECT id FROM jobs WHERE dead AND finished_at < now() - $1 * interval '1 millisecond' LIMIT $2 FOR UPDATE SKIP LOCKED) AS old
     WHERE jobs.id = old.id";
const CANCELLED_JOBS: &str = "DELETE FROM jobs USING (
         SELECT id FROM jobs WHERE NOT open AND NOT dead AND finished_at < now() - $1 * interval '1 millisecond' AND state = 'cancelled'
         ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS old
     WHERE jobs.id = old.id";
const LEASES: &str = "DELETE FROM workers WHERE id IN (
         SELECT id FROM workers WHERE ended_at < now() - $1 * interval '1 millisecond' LIMIT $2)";
const BACKFILLS: &str = "DELETE FROM backfills WHERE id IN (
         SELECT id FROM backfills WHERE finished_at < now() - $1 * interval '1 millisecond' LIMIT $2)";
/// Once none of its jobs is left: until then its progress is told by them.
const BATCHES: &str = "DELETE FROM requeue_batches WHERE id IN (
         SELECT id FROM requeue_batches WHERE ended_at < now() - $1 * interval '1 millisecond'
            AND NOT EXISTS (SELECT FROM jobs WHERE jobs.batch_id = requeue_batches.id) LIMIT $2)";
const QUARANTINED: &str = "DELETE FROM quarantined_payloads WHERE (source, fingerprint) IN (
         SELECT source, fingerprint FROM quarantined_payloads WHERE last_seen < now() - $1 * interval '1 millisecond' LIMIT $2)";

/// Removes up to `batch` of each sort of row that is over and older than it is kept. Attempts go with their jobs.
pub async fn prune(connection: &mut Connection, keep: &KeepSettings, batch: u16) -> Result<Pruned, StoreError> {
    let mut pruned = Pruned::default();
    if let Some(age) = keep.done_jobs {
        pruned.done_jobs = remove(connection, DONE_JOBS, age, batch).await?;
        pruned.others += remove(connection, LEASES, age, batch).await?;
        pruned.others += remove(connection, BACKFILLS, age, batch).await?;
        pruned.others += remove(connection, BATCHES, age, batch).await?;
    }
    if let Some(age) = keep.dead_jobs {
        pruned.dead_jobs = remove(connection, DEAD_JOBS, age, batch).await?;
        pruned.dead_jobs += remove(connection, CANCELLED_JOBS, age, batch).await?;
    }
    if let Some(age) = keep.quarantined {
        pruned.others += remove(connection, QUARANTINED, age, batch).await?;
    }
    Ok(pruned)
}

async fn remove(connection: &mut Connection, statement: &str, age: Duration, batch: u16) -> Result<usize, StoreError> {
    let removed = diesel::sql_query(statement)
        .bind::<sql_types::BigInt, _>(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
        .bind::<sql_types::BigInt, _>(i64::from(batch))
        .execute(connection)
        .await?;
    Ok(removed)
}
