//! How workers hold, wait and stop.

use std::time::Duration;

use crate::ledger::Backoff;

/// Time limits of a worker process.
#[derive(Debug, Clone, Copy)]
pub struct QueueSettings {
    /// `JOB_LEASE`: a worker that is silent for this long has lost its jobs.
    pub lease: Duration,
    /// How failed jobs wait.
    pub backoff: Backoff,
    /// `DRAIN_TIMEOUT`: how long jobs in flight may go on after SIGTERM before they are handed back.
    pub drain: Duration,
    /// How often the ledger is asked although Redis is well: covers a lost hint when no scheduler runs.
    pub ledger_poll: Duration,
    /// How often the ledger is asked while Redis is away, or while a source is held back and hints would name what may not be taken.
    pub ledger_poll_without_redis: Duration,
    /// How often people's orders are read: so late, at most, do they reach a running process.
    pub orders_poll: Duration,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(20),
            backoff: Backoff::default(),
            drain: Duration::from_secs(25),
            ledger_poll: Duration::from_secs(5),
            ledger_poll_without_redis: Duration::from_millis(500),
            orders_poll: Duration::from_secs(1),
        }
    }
}
