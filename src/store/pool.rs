//! The pool of connections.

use std::time::Duration;

use deadpool::managed::QueueMode;
use diesel::{ConnectionError, ConnectionResult, result::DatabaseErrorKind};
use diesel_async::{
    AsyncConnection, AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
        deadpool::{BuildError, Object, PoolError},
    },
};
use futures_util::{FutureExt, future::BoxFuture};
use secrecy::ExposeSecret;

use crate::config::DatabaseSettings;

/// The pool. Cloning it clones a handle.
pub type Pool = diesel_async::pooled_connection::deadpool::Pool<AsyncPgConnection>;
/// A connection on loan from the pool.
pub type PooledConnection = Object<AsyncPgConnection>;

/// PostgreSQL did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection within the pool's time-out.
    #[error("no connection to PostgreSQL")]
    Pool(#[from] PoolError),
    /// A statement failed.
    #[error("PostgreSQL refused a statement")]
    Query(#[from] diesel::result::Error),
    /// The pool could not be built.
    #[error("the pool of PostgreSQL connections cannot be built")]
    Build(#[from] BuildError),
    /// A connection could not be opened.
    #[error("cannot connect to PostgreSQL")]
    Connect(#[from] ConnectionError),
    /// A migration failed; the ones before it stand.
    #[error("a migration failed: {0}")]
    Migration(String),
    /// A row holds what its CHECK should have refused.
    #[error("a row of `{table}` cannot be read: {what}")]
    Row {
        /// The table.
        table: &'static str,
        /// What is wrong.
        what: String,
    },
}

impl StoreError {
    /// Whether PostgreSQL was away or busy rather than unwilling: the same again will work.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Pool(_) | Self::Connect(_) => true,
            Self::Query(error) => matches!(
                error,
                diesel::result::Error::BrokenTransactionManager
                    | diesel::result::Error::DatabaseError(
                        DatabaseErrorKind::ClosedConnection
                            | DatabaseErrorKind::UnableToSendCommand
                            | DatabaseErrorKind::SerializationFailure
                            | DatabaseErrorKind::ReadOnlyTransaction,
                        _
                    )
            ),
            Self::Build(_) | Self::Migration(_) | Self::Row { .. } => false,
        }
    }
}

/// PostgreSQL, ready to be asked.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    settings: DatabaseSettings,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("pool", &self.pool.status()).finish_non_exhaustive()
    }
}

impl Store {
    /// Builds the pool; connects to nothing yet.
    pub fn new(settings: DatabaseSettings) -> Result<Self, StoreError> {
        let mut config = ManagerConfig::default();
        // a connection that died is found out by its first statement, which is retried; no round trip per loan
        config.recycling_method = RecyclingMethod::Fast;
        let statement_timeout = settings.statement_timeout;
        config.custom_setup = Box::new(move |url| establish(url.to_owned(), statement_timeout).boxed());
        let manager = AsyncDieselConnectionManager::new_with_config(settings.url.expose_secret(), config);
        let pool = Pool::builder(manager)
            .max_size(settings.pool_size.max(1))
            // a run that was dropped in mid-transaction leaves its connection, locks included, to the next loan, which closes it: with the
            // latest first that is a moment, with the oldest first it may be a minute
            .queue_mode(QueueMode::Lifo)
            .wait_timeout(Some(settings.timeout))
            .create_timeout(Some(settings.timeout))
            .recycle_timeout(Some(settings.timeout))
            .runtime(deadpool::Runtime::Tokio1)
            .build()?;
        Ok(Self { pool, settings })
    }

    /// Borrows a connection.
    pub async fn connection(&self) -> Result<PooledConnection, StoreError> {
        Ok(self.pool.get().await?)
    }

    /// Opens a connection outside the pool, for what is held long: leadership.
    pub async fn dedicated(&self) -> Result<AsyncPgConnection, StoreError> {
        Ok(establish(self.settings.url.expose_secret().to_owned(), self.settings.statement_timeout).await?)
    }

    /// The pool, for its figures.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The settings it was built from.
    #[must_use]
    pub fn settings(&self) -> &DatabaseSettings {
        &self.settings
    }
}

fn establish(url: String, statement_timeout: Duration) -> BoxFuture<'static, ConnectionResult<AsyncPgConnection>> {
    async move {
        let mut connection = AsyncPgConnection::establish(&url).await?;
        // an abandoned transaction must not hold locks for ever, nor an abandoned statement a core
        let setup = format!(
            "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = 60000; SET timezone = 'UTC'; SET application_name = 'callscribe'",
            statement_timeout.as_millis()
        );
        connection.batch_execute(&setup).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(connection)
    }
    .boxed()
}
