//! The pool of connections and the migrations that ship with the program.

use std::time::Duration;

use deadpool::managed::QueueMode;
use diesel::{ConnectionError, ConnectionResult, migration::MigrationSource, pg::Pg, result::DatabaseErrorKind};
use diesel_async::{
    AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
        deadpool::{BuildError, Object, PoolError},
    },
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use futures_util::{FutureExt, future::BoxFuture};
use secrecy::ExposeSecret;

use crate::config::DatabaseSettings;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

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

/// Applies the migrations that are missing and returns their names. Two at once are safe: one waits for the other.
pub async fn migrate(store: &Store) -> Result<Vec<String>, StoreError> {
    /// Any number would do, as long as every version agrees on it.
    const MIGRATION_LOCK: i64 = 0x6361_6c6c_7363;
    let mut guard = store.dedicated().await?;
    guard.batch_execute(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})")).await?;
    let connection = store.dedicated().await?;
    let applied = tokio::task::spawn_blocking(move || {
        let mut harness = AsyncMigrationHarness::new(connection);
        let applied = harness.run_pending_migrations(MIGRATIONS).map_err(|error| StoreError::Migration(error.to_string()))?;
        Ok::<_, StoreError>(applied.into_iter().map(|version| version.to_string()).collect::<Vec<_>>())
    })
    .await
    .map_err(|error| StoreError::Migration(error.to_string()))?;
    guard.batch_execute(&format!("SELECT pg_advisory_unlock({MIGRATION_LOCK})")).await?;
    applied
}

#[derive(diesel::QueryableByName)]
struct Applied {
    #[diesel(sql_type = diesel::sql_types::Text)]
    version: String,
}

/// Versions of the migrations that this program knows and the database lacks; empty when the schema is current or newer.
pub async fn missing_migrations(connection: &mut AsyncPgConnection) -> Result<Vec<String>, StoreError> {
    let known: Vec<String> = MigrationSource::<Pg>::migrations(&MIGRATIONS)
        .map_err(|error| StoreError::Migration(error.to_string()))?
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect();
    let there: Vec<Applied> =
        diesel::sql_query("SELECT 'yes' AS version WHERE to_regclass('__diesel_schema_migrations') IS NOT NULL").load(connection).await?;
    if there.is_empty() {
        return Ok(known);
    }
    let applied: Vec<Applied> = diesel::sql_query("SELECT version FROM __diesel_schema_migrations").load(connection).await?;
    Ok(known.into_iter().filter(|version| !applied.iter().any(|row| row.version == *version)).collect())
}
