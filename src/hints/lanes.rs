//! Lanes of hints: per kind of job a sorted set of ids that may be due. A set, so that the same hint twice is one;
//! sorted, so that fresh calls overtake backfill. A lost hint is sent again by the dispatcher.

use std::{sync::LazyLock, time::Duration};

use redis::{AsyncConnectionConfig, Script, aio::MultiplexedConnection};

use super::{Hints, HintsError};
use crate::domain::JobId;

/// Hints kept in one lane; what comes beyond is left to the dispatcher, which refills from the ledger.
const MOST_HINTS: usize = 200_000;
/// Hints in one command: Redis answers others between two of them.
const HINTS_PER_COMMAND: usize = 1_000;

static PUSH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
         return redis.call('ZADD', KEYS[1], 'NX', unpack(ARGV, 2))",
    )
});

/// The lane of one kind of job.
#[derive(Debug, Clone)]
pub struct Lane {
    hints: Hints,
    key: String,
}

impl Lane {
    /// The lane of `kind`.
    #[must_use]
    pub fn new(hints: &Hints, kind: &str) -> Self {
        Self { hints: hints.clone(), key: hints.key("lane", kind) }
    }

    /// Adds hints; those that are there already stay where they are.
    pub async fn push(&self, jobs: &[(JobId, i16)]) -> Result<(), HintsError> {
        let mut connection = self.hints.connection();
        for chunk in jobs.chunks(HINTS_PER_COMMAND) {
            let mut invocation = PUSH.key(&self.key);
            invocation.arg(MOST_HINTS);
            for (id, priority) in chunk {
                invocation.arg(score(*id, *priority)).arg(id.0);
            }
            invocation.invoke_async::<i64>(&mut connection).await?;
        }
        Ok(())
    }

    /// Takes up to `most` hints, most urgent first, without waiting.
    pub async fn pop(&self, most: usize) -> Result<Vec<JobId>, HintsError> {
        let popped: Vec<(i64, f64)> = redis::cmd("ZPOPMIN").arg(&self.key).arg(most).query_async(&mut self.hints.connection()).await?;
        Ok(popped.into_iter().map(|(id, _)| JobId(id)).collect())
    }

    /// Takes these hints out, wherever in the lane they are.
    pub async fn remove(&self, jobs: &[JobId]) -> Result<(), HintsError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = jobs.iter().map(|id| id.0).collect();
        redis::cmd("ZREM").arg(&self.key).arg(ids).query_async::<i64>(&mut self.hints.connection()).await?;
        Ok(())
    }

    /// Opens a connection that may block: one per lane and process, since a blocked connection serves nobody else.
    pub async fn waiter(&self) -> Result<Waiter, HintsError> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(Duration::from_secs(2))).set_response_timeout(None);
        let connection = self.hints.client().get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Waiter { connection, key: self.key.clone() })
    }

    /// How many hints wait.
    pub async fn depth(&self) -> Result<u64, HintsError> {
        Ok(redis::cmd("ZCARD").arg(&self.key).query_async(&mut self.hints.connection()).await?)
    }
}

/// A connection that blocks until a hint comes.
#[derive(Debug, Clone)]
pub struct Waiter {
    connection: MultiplexedConnection,
    key: String,
}

impl Waiter {
    /// Waits for one hint, at most `longest`. A hint that is popped when the caller has gone is lost, which costs only time.
    pub async fn wait(&mut self, longest: Duration) -> Result<Option<JobId>, HintsError> {
        /// On top of the server's own time-out: a server that does not answer by then is away.
        const GRACE: Duration = Duration::from_secs(3);
        let mut command = redis::cmd("BZPOPMIN");
        command.arg(&self.key).arg(longest.as_secs_f64());
        let answer = command.query_async::<Option<(String, i64, f64)>>(&mut self.connection);
        match tokio::time::timeout(longest + GRACE, answer).await {
            Ok(popped) => Ok(popped?.map(|(_, id, _)| JobId(id))),
            Err(_) => Err(HintsError::from(redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)))),
        }
    }
}

/// Priority first, then age: ids only grow, so no clock is needed. Exact while ids stay under 2^40 and priorities under 2^12.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a score is a double by Redis's own definition")]
fn score(id: JobId, priority: i16) -> f64 {
    f64::from(priority) * (1_u64 << 40) as f64 + id.0 as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_work_overtakes_backfill_and_older_work_goes_first() {
        assert!(score(JobId(9_000_000), 0) < score(JobId(1), 10));
        assert!(score(JobId(1), 0) < score(JobId(2), 0));
    }
}
