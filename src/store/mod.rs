//! PostgreSQL: the pool, the migrations, and one file per table. The SQL of calls, recordings, transcripts, settings
//! and tokens lives here, one function per question; the SQL of jobs lives in `ledger`.

pub mod alerts;
pub mod backfills;
pub mod call_story;
pub mod calls;
pub mod chats;
mod clean;
pub mod completeness;
pub mod costs;
pub mod current_transcripts;
pub mod holds;
pub mod logins;
mod migrations;
pub mod muting;
pub mod pieces;
pub mod pool;
mod prepared;
pub mod provider_answers;
pub mod quarantine;
pub mod recordings;
pub mod retention;
pub(crate) mod schema;
mod seal;
pub mod search;
pub mod server;
pub mod settings;
pub mod summaries;
pub mod sync_state;
pub mod tokens;
pub mod transcriptions;
pub mod transcripts;
pub mod versions;
pub mod webhook_events;

pub use migrations::{SchemaState, SchemaVersion, migrate, missing_migrations, schema_state};
pub use pool::{Pool, PooledConnection, Store, StoreError};
pub use prepared::Prepared;
pub use seal::{SealError, Sealer};

/// A connection to PostgreSQL, inside or outside a transaction.
pub type Connection = diesel_async::AsyncPgConnection;
