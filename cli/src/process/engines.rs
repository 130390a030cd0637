//! PostgreSQL and Redis as a process uses them.

use std::time::Duration;

use callscribe::{
    config::{DatabaseSettings, RedisSettings},
    hints::Hints,
    store::{Store, StoreError, missing_migrations},
    telemetry::chain,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// PostgreSQL and Redis. Cloning it clones handles.
#[derive(Debug, Clone)]
pub(crate) struct Engines {
    pub(crate) store: Store,
    pub(crate) hints: Hints,
}

/// Between two looks at a database that is not there yet.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Whoever deploys migrates first or at the same time; longer than this nobody does.
const MIGRATION_PATIENCE: Duration = Duration::from_mins(2);

impl Engines {
    /// Prepares both; connects to nothing yet.
    pub(crate) fn new(database: DatabaseSettings, redis: &RedisSettings) -> Result<Self, Failure> {
        Ok(Self { store: Store::new(database)?, hints: Hints::new(redis)? })
    }

    /// Waits until PostgreSQL answers and its schema is this version's. PostgreSQL may take as long as it likes; a schema that stays
    /// behind is a deployment that forgot something. `false`: told to stop meanwhile.
    pub(crate) async fn await_schema(&self, shutdown: &CancellationToken) -> Result<bool, Failure> {
        let mut behind_since: Option<Instant> = None;
        let mut told = false;
        loop {
            match missing(&self.store).await {
                Ok(0) => return Ok(true),
                Ok(missing) => {
                    let since = *behind_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= MIGRATION_PATIENCE {
                        let what = format!("the database lacks {missing} migrations of this version");
                        return Err(Failure::with_hint(what, "run `callscribe migrate`"));
                    }
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(migrations.missing = missing, "waiting for `callscribe migrate`");
                    }
                }
                Err(error) if !std::mem::replace(&mut told, true) => tracing::warn!(error = %chain(&error), "waiting for PostgreSQL"),
                Err(error) => tracing::debug!(error = %chain(&error), "still waiting for PostgreSQL"),
            }
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = shutdown.cancelled() => return Ok(false),
            }
        }
    }
}

async fn missing(store: &Store) -> Result<usize, StoreError> {
    Ok(missing_migrations(&mut *store.connection().await?).await?.len())
}
