//! Leadership: of all schedulers that run, the one that holds an advisory lock acts. The lock lives as long as its connection,
//! so a leader that dies, or is cut off, is replaced without a time-out of its own.

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use crate::store::{Connection, Store, StoreError};

/// Any number would do, as long as every version agrees on it.
const SCHEDULER_LOCK: i64 = 0x6361_6c6c_7365;

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = sql_types::Bool)]
    locked: bool,
}

/// Proof of leadership, as fresh as its last check.
pub(super) struct Leadership {
    connection: Connection,
}

impl Leadership {
    /// Takes the lead if nobody has it.
    pub(super) async fn seek(store: &Store) -> Result<Option<Self>, StoreError> {
        let mut connection = store.dedicated().await?;
        let row: Locked = diesel::sql_query("SELECT pg_try_advisory_lock($1) AS locked")
            .bind::<sql_types::BigInt, _>(SCHEDULER_LOCK)
            .get_result(&mut connection)
            .await?;
        Ok(row.locked.then_some(Self { connection }))
    }

    /// The connection that holds the lock: what is done on it is done by the leader, or fails.
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}
