//! The migrations that ship with the program: which are missing, and how they are applied beside a system that works.

use std::time::Duration;

use diesel::{QueryableByName, migration::MigrationSource, pg::Pg, sql_types};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Connection, Store, StoreError};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");
/// Any number would do, as long as every version agrees on it.
const MIGRATION_LOCK: i64 = 0x6361_6c6c_7363;
/// A statement that waits for a lock holds up everyone who comes after it: it gives up after this long and is tried again.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);
/// In between, whoever queued behind it gets through.
const BETWEEN_TRIES: Duration = Duration::from_secs(2);
/// Tries of one migration: about five minutes, which outlasts every transaction of ours and tells when someone else's does not end.
const MOST_TRIES: u32 = 60;
/// How often another process that migrates is asked whether it is done. It is asked and not waited for in a statement: one that waits
/// has a snapshot, for whose end `CREATE INDEX CONCURRENTLY` would wait in its turn.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// The database's schema beside this program's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaState {
    /// Names of the migrations that this program knows and the database lacks, in order.
    pub pending: Vec<String>,
    /// Versions of migrations that the database has and this program does not know, in order: a newer program made them.
    pub unknown: Vec<String>,
}

/// How the two compare, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaVersion {
    /// They are the same.
    Current,
    /// The database lacks migrations of this program.
    Pending,
    /// The database has migrations of a newer program, and all of this one's.
    Newer,
    /// Each has migrations that the other lacks: another branch, or an order that was never released.
    Diverged,
}

impl SchemaState {
    /// The word for it.
    #[must_use]
    pub const fn version(&self) -> SchemaVersion {
        match (self.pending.is_empty(), self.unknown.is_empty()) {
            (true, true) => SchemaVersion::Current,
            (false, true) => SchemaVersion::Pending,
            (true, false) => SchemaVersion::Newer,
            (false, false) => SchemaVersion::Diverged,
        }
    }
}

#[derive(QueryableByName)]
struct Is {
    #[diesel(sql_type = sql_types::Bool)]
    so: bool,
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = sql_types::Text)]
    version: String,
}

/// Compares the database's schema with this program's. Changes nothing.
pub async fn schema_state(connection: &mut Connection) -> Result<SchemaState, StoreError> {
    let known: Vec<(String, String)> = MigrationSource::<Pg>::migrations(&MIGRATIONS)
        .map_err(|error| StoreError::Migration(error.to_string()))?
        .iter()
        .map(|migration| (migration.name().version().to_string(), migration.name().to_string()))
        .collect();
    let there: Is = diesel::sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS so").get_result(connection).await?;
    let applied: Vec<Applied> = if there.so {
        diesel::sql_query("SELECT version FROM __diesel_schema_migrations ORDER BY version").load(connection).await?
    } else {
        Vec::new()
    };
    let unknown = applied.iter().filter(|row| !known.iter().any(|(version, _)| *version == row.version));
    let unknown = unknown.map(|row| row.version.clone()).collect();
    let mut pending: Vec<String> =
        known.into_iter().filter(|(version, _)| !applied.iter().any(|row| row.version == *version)).map(|(_, name)| name).collect();
    pending.sort();
    Ok(SchemaState { pending, unknown })
}

/// Names of the migrations that this program knows and the database lacks; empty when the schema is current or newer.
pub async fn missing_migrations(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    Ok(schema_state(connection).await?.pending)
}

/// Applies the migrations that are missing and returns their versions. Two at once are safe: one waits for the other. A migration that
/// does not get its locks within three seconds lets everyone pass and is tried again, up to five minutes.
pub async fn migrate(store: &Store) -> Result<Vec<String>, StoreError> {
    let mut guard = store.dedicated().await?;
    while !ask(&mut guard, "pg_try_advisory_lock").await? {
        tokio::time::sleep(ASK_AGAIN).await;
    }
    let applied = apply_pending(store).await;
    // whatever came of it; the lock ends with its connection in any case
    ask(&mut guard, "pg_advisory_unlock").await?;
    applied
}

async fn ask(connection: &mut Connection, function: &str) -> Result<bool, StoreError> {
    let answer: Is = diesel::sql_query(format!("SELECT {function}({MIGRATION_LOCK}) AS so")).get_result(connection).await?;
    Ok(answer.so)
}

/// One migration at a time, each committed with its entry before the next: a process killed in between goes on from there.
async fn apply_pending(store: &Store) -> Result<Vec<String>, StoreError> {
    let (mut applied, mut tries) = (Vec::new(), 0);
    loop {
        match apply_next(store).await {
            Ok(None) => return Ok(applied),
            Ok(Some(version)) => {
                applied.push(version);
                tries = 0;
            }
            Err(StoreError::Migration(what)) if waited_for_a_lock(&what) && tries < MOST_TRIES => {
                tries += 1;
                tracing::warn!(
                    migration.try_number = tries,
                    error = what,
                    hint = "a transaction holds a table for longer: `SELECT * FROM pg_stat_activity WHERE xact_start < now() - interval '3 s'`",
                    "a migration waits for a lock: everyone else goes first, then it is tried again"
                );
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// PostgreSQL's words in English; under another `lc_messages` the migration fails at once, and nothing is lost.
fn waited_for_a_lock(what: &str) -> bool {
    what.contains("lock timeout")
}

fn runs_in_transaction(name: &str) -> Result<bool, StoreError> {
    let known = MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(|error| StoreError::Migration(error.to_string()))?;
    Ok(known.iter().filter(|migration| migration.name().to_string() == name).all(|migration| migration.metadata().run_in_transaction()))
}

async fn apply_next(store: &Store) -> Result<Option<String>, StoreError> {
    let mut connection: AsyncPgConnection = store.dedicated().await?;
    let Some(next) = schema_state(&mut connection).await?.pending.into_iter().next() else { return Ok(None) };
    // an index built CONCURRENTLY waits for old transactions and holds up nobody meanwhile
    let patience = if runs_in_transaction(&next)? { LOCK_PATIENCE } else { Duration::ZERO };
    // an index of a big table may take longer than any statement of ours
    connection.batch_execute(&format!("SET lock_timeout = {}; SET statement_timeout = 0", patience.as_millis())).await?;
    let applying = tokio::task::spawn_blocking(move || {
        let mut harness = AsyncMigrationHarness::new(connection);
        let applied = harness.run_next_migration(MIGRATIONS);
        applied.map(|version| Some(version.to_string())).map_err(|error| StoreError::Migration(error.to_string()))
    });
    applying.await.map_err(|error| StoreError::Migration(error.to_string()))?
}
