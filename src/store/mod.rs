//! PostgreSQL: the pool, the migrations, and one file per table. The SQL of calls, recordings, transcripts, settings
//! and tokens lives here, one function per question; the SQL of jobs lives in `ledger`.

pub mod pool;
pub mod transcripts;

pub use pool::{Pool, PooledConnection, Store, StoreError, migrate};

/// A connection to PostgreSQL, inside or outside a transaction.
pub type Connection = diesel_async::AsyncPgConnection;
