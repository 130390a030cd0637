//! What is searched follows which version counts.

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use uuid::Uuid;

use super::{IS_CURRENT, LOCK, index};
use crate::{
    domain::TranscriptId,
    store::{Connection, StoreError, versions::CallLeg},
    transcript::read,
};

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = sql_types::Uuid)]
    id: Uuid,
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = sql_types::Jsonb)]
    transcript_json: Value,
}

/// Takes out of the search what does not count any more of these legs, and puts in what does instead: one document at a time, since some
/// are large. One that cannot be read counts all the same and is not found by its words.
pub(in crate::store) async fn show_what_counts(transaction: &mut Connection, legs: &[CallLeg]) -> Result<(), StoreError> {
    let (sessions, names) = CallLeg::columns(legs);
    diesel::sql_query(
        "SELECT pg_advisory_xact_lock(number)
         FROM (SELECT hashtextextended($3 || ' ' || leg || ' ' || session_id, 0) AS number
               FROM unnest($1::text[], $2::text[]) AS l (session_id, leg) ORDER BY 1) AS locks",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(&sessions)
    .bind::<sql_types::Array<sql_types::Text>, _>(&names)
    .bind::<sql_types::Text, _>(LOCK)
    .execute(transaction)
    .await?;
    diesel::sql_query(format!(
        "DELETE FROM transcript_search AS s USING unnest($1::text[], $2::text[]) AS l (session_id, leg)
         WHERE s.session_id = l.session_id AND s.leg = l.leg
           AND NOT EXISTS (SELECT FROM call_transcripts AS t WHERE t.id = s.transcript_id AND {IS_CURRENT})"
    ))
    .bind::<sql_types::Array<sql_types::Text>, _>(&sessions)
    .bind::<sql_types::Array<sql_types::Text>, _>(&names)
    .execute(transaction)
    .await?;
    let missing: Vec<Id> = diesel::sql_query(
        "SELECT t.id FROM unnest($1::text[], $2::text[]) AS l (session_id, leg)
         CROSS JOIN LATERAL (SELECT id FROM call_transcripts WHERE session_id = l.session_id AND leg = l.leg AND status = 'complete' AND counts
                             ORDER BY version DESC LIMIT 1) AS t
         WHERE NOT EXISTS (SELECT FROM transcript_search AS s WHERE s.transcript_id = t.id) ORDER BY l.session_id, l.leg",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(sessions)
    .bind::<sql_types::Array<sql_types::Text>, _>(names)
    .load(transaction)
    .await?;
    for Id { id } in missing {
        let text: Text = diesel::sql_query("SELECT transcript_json FROM call_transcripts WHERE id = $1")
            .bind::<sql_types::Uuid, _>(id)
            .get_result(transaction)
            .await?;
        match read(&text.transcript_json) {
            Ok(document) => index(transaction, TranscriptId(id), &document).await?,
            Err(error) => {
                tracing::warn!(transcript.id = %id, %error, "a transcript counts and is not found by its words: it cannot be read")
            }
        }
    }
    Ok(())
}
