//! `legal_holds`: calls that must stay.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::{AsyncConnection, RunQueryDsl};
use futures_util::FutureExt;
use serde::Serialize;
use serde_json::json;

use crate::{
    domain::SessionId,
    store::{Connection, StoreError},
};

/// How a hold was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The call was not held before.
    pub newly: bool,
    /// Recordings of it whose audio is gone already, or going: the hold comes too late for them.
    pub too_late: usize,
    /// There is such a call; a hold of one that is not known yet waits for it.
    pub known: bool,
}

#[derive(QueryableByName)]
struct Recording {
    #[diesel(sql_type = sql_types::Bool)]
    goes: bool,
}

#[derive(QueryableByName)]
struct Call {
    #[diesel(sql_type = sql_types::Text)]
    #[expect(dead_code, reason = "only the row's existence matters")]
    session_id: String,
}

/// Holds a call, with an entry in the audit log. The rows of its recordings are locked first, then its own: a deletion that is being
/// decided is either over before, and told, or sees the hold.
pub async fn hold_call(connection: &mut Connection, session: &SessionId, actor: &str, why: &str) -> Result<Placed, StoreError> {
    let placed = connection.transaction(async move |transaction| {
        let recordings: Vec<Recording> = diesel::sql_query(
            "SELECT status IN ('deleting', 'deleted') AS goes FROM call_recordings WHERE session_id = $1 ORDER BY recording_id FOR UPDATE",
        )
        .bind::<sql_types::Text, _>(session.as_str())
        .load(transaction)
        .await?;
        let call: Vec<Call> = diesel::sql_query("SELECT session_id FROM call_interactions WHERE session_id = $1 FOR NO KEY UPDATE")
            .bind::<sql_types::Text, _>(session.as_str())
            .load(transaction)
            .await?;
        let inserted = diesel::sql_query("INSERT INTO legal_holds (session_id, held_by, why) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind::<sql_types::Text, _>(session.as_str())
            .bind::<sql_types::Text, _>(actor)
            .bind::<sql_types::Text, _>(why)
            .execute(transaction)
            .await?;
        if inserted > 0 {
            note(transaction, session, actor, "hold", Some(why)).await?;
        }
        let too_late = recordings.iter().filter(|recording| recording.goes).count();
        Ok::<_, StoreError>(Placed { newly: inserted > 0, too_late, known: !call.is_empty() })
    });
    placed.boxed().await
}

/// Releases a call, with an entry in the audit log. Returns whether it was held.
pub async fn release_call(connection: &mut Connection, session: &SessionId, actor: &str, why: Option<&str>) -> Result<bool, StoreError> {
    let released = connection.transaction(async move |transaction| {
        let released = diesel::sql_query("DELETE FROM legal_holds WHERE session_id = $1")
            .bind::<sql_types::Text, _>(session.as_str())
            .execute(transaction)
            .await?;
        if released > 0 {
            note(transaction, session, actor, "release", why).await?;
        }
        Ok::<_, StoreError>(released > 0)
    });
    released.boxed().await
}

async fn note(transaction: &mut Connection, session: &SessionId, actor: &str, action: &str, why: Option<&str>) -> Result<(), StoreError> {
    diesel::sql_query("INSERT INTO audit_log (actor, action, why, details) VALUES ($1, $2, $3, $4)")
        .bind::<sql_types::Text, _>(actor)
        .bind::<sql_types::Text, _>(action)
        .bind::<sql_types::Nullable<sql_types::Text>, _>(why)
        .bind::<sql_types::Jsonb, _>(json!({ "session": session.as_str() }))
        .execute(transaction)
        .await?;
    Ok(())
}

/// A hold in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, QueryableByName)]
pub struct HoldSeen {
    /// The call.
    #[diesel(sql_type = sql_types::Text)]
    pub session_id: String,
    /// Since when.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub held_at: DateTime<Utc>,
    /// By whom: `user@host`.
    #[diesel(sql_type = sql_types::Text)]
    pub held_by: String,
    /// The reason they gave.
    #[diesel(sql_type = sql_types::Text)]
    pub why: String,
}

/// The holds in force, latest first; of one call only, if it is given.
pub async fn holds(connection: &mut Connection, session: Option<&SessionId>, limit: i64) -> Result<Vec<HoldSeen>, StoreError> {
    let rows = diesel::sql_query(
        "SELECT session_id, held_at, held_by, why FROM legal_holds
         WHERE $1::text IS NULL OR session_id = $1 ORDER BY held_at DESC, session_id LIMIT $2",
    )
    .bind::<sql_types::Nullable<sql_types::Text>, _>(session.map(SessionId::as_str))
    .bind::<sql_types::BigInt, _>(limit)
    .load(connection)
    .await?;
    Ok(rows)
}
