//! What a vendor lists compared with what is held.

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use crate::{
    domain::{SessionId, SourceName},
    store::{Connection, StoreError},
};

#[derive(QueryableByName)]
struct Session {
    #[diesel(sql_type = sql_types::Text)]
    session_id: String,
}

/// Those of a source's calls that no row holds.
pub async fn not_held(connection: &mut Connection, source: SourceName, sessions: &[&SessionId]) -> Result<Vec<String>, StoreError> {
    let rows: Vec<Session> = diesel::sql_query(
        "SELECT listed.session_id FROM unnest($2::text[]) AS listed (session_id)
         WHERE NOT EXISTS (SELECT FROM call_interactions c WHERE c.session_id = listed.session_id AND c.source = $1)",
    )
    .bind::<sql_types::Text, _>(source.as_str())
    .bind::<sql_types::Array<sql_types::Text>, _>(sessions.iter().map(|session| session.as_str()).collect::<Vec<_>>())
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.session_id).collect())
}
