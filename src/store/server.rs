//! The PostgreSQL server itself, as whoever checks an installation asks it: version, settings, clock, and what stands between.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use super::{Connection, Store, StoreError};

/// What a server says of itself.
#[derive(Debug, Clone, QueryableByName)]
pub struct ServerFacts {
    /// The version as a number: 170002 is 17.2.
    #[diesel(sql_type = sql_types::Integer)]
    pub version_number: i32,
    /// The version as people say it.
    #[diesel(sql_type = sql_types::Text)]
    pub version: String,
    /// Connections that clients may hold at once.
    #[diesel(sql_type = sql_types::Integer)]
    pub max_connections: i32,
    /// Connections that clients hold now.
    #[diesel(sql_type = sql_types::BigInt)]
    pub connections: i64,
    /// `fsync`: what was committed survives a power cut.
    #[diesel(sql_type = sql_types::Bool)]
    pub fsync: bool,
    /// `full_page_writes`: a page half written at a power cut can be mended.
    #[diesel(sql_type = sql_types::Bool)]
    pub full_page_writes: bool,
    /// `synchronous_commit`.
    #[diesel(sql_type = sql_types::Text)]
    pub synchronous_commit: String,
    /// `autovacuum`.
    #[diesel(sql_type = sql_types::Bool)]
    pub autovacuum: bool,
    /// It follows another server and takes no writes.
    #[diesel(sql_type = sql_types::Bool)]
    pub standby: bool,
    /// Its clock.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub now: DateTime<Utc>,
}

/// Asks the server about itself.
pub async fn server_facts(connection: &mut Connection) -> Result<ServerFacts, StoreError> {
    Ok(diesel::sql_query(
        "SELECT current_setting('server_version_num')::integer AS version_number, current_setting('server_version') AS version,
                current_setting('max_connections')::integer AS max_connections,
                (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
                current_setting('fsync')::boolean AS fsync, current_setting('full_page_writes')::boolean AS full_page_writes,
                current_setting('synchronous_commit') AS synchronous_commit, current_setting('autovacuum')::boolean AS autovacuum,
                pg_is_in_recovery() AS standby, clock_timestamp() AS now",
    )
    .get_result(connection)
    .await?)
}

#[derive(QueryableByName)]
struct Backend {
    #[diesel(sql_type = sql_types::Integer)]
    pid: i32,
}

async fn backend(connection: &mut Connection) -> Result<i32, StoreError> {
    let row: Backend = diesel::sql_query("SELECT pg_backend_pid() AS pid").get_result(connection).await?;
    Ok(row.pid)
}

/// Whether a pooler lends server connections for one transaction at a time, which takes away prepared statements, session settings and
/// the leader's advisory lock. Found out by keeping one connection busy while another is used: only a pooler lets the two meet.
pub async fn is_pooled_by_transaction(store: &Store) -> Result<bool, StoreError> {
    let (mut ours, mut other) = (store.dedicated().await?, store.dedicated().await?);
    let before = backend(&mut ours).await?;
    other.batch_execute("BEGIN").await?;
    let busy = backend(&mut other).await?;
    let after = backend(&mut ours).await?;
    other.batch_execute("ROLLBACK").await?;
    Ok(before != after || busy == before)
}
