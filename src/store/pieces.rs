//! `transcript_pieces`: what providers have answered, or work on, of transcripts that are not complete yet.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde_json::Value;

use crate::{
    domain::TranscriptId,
    store::{Connection, StoreError},
};

/// A piece that a provider took.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct Piece {
    /// What was asked, as a hash.
    #[diesel(sql_type = sql_types::Text)]
    pub piece: String,
    /// Who was asked.
    #[diesel(sql_type = sql_types::Text)]
    pub provider: String,
    /// The provider's id of its work.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub provider_job: Option<String>,
    /// What was heard; `None` while the provider works.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Jsonb>)]
    pub answer: Option<Value>,
    /// When the provider took it.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub asked_at: DateTime<Utc>,
}

/// Every piece that is known of a transcript.
pub async fn pieces_of(connection: &mut Connection, transcript: TranscriptId) -> Result<Vec<Piece>, StoreError> {
    let found = diesel::sql_query("SELECT piece, provider, provider_job, answer, asked_at FROM transcript_pieces WHERE transcript_id = $1")
        .bind::<sql_types::Uuid, _>(transcript.0)
        .load(connection)
        .await?;
    Ok(found)
}

/// Keeps a piece: under way at first, answered later. An answer is never replaced.
pub async fn keep_piece(connection: &mut Connection, transcript: TranscriptId, piece: &Piece) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO transcript_pieces AS known (transcript_id, piece, provider, provider_job, answer, asked_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (transcript_id, piece) DO UPDATE
         SET provider_job = coalesce(excluded.provider_job, known.provider_job), answer = excluded.answer, asked_at = excluded.asked_at
         WHERE known.answer IS NULL",
    )
    .bind::<sql_types::Uuid, _>(transcript.0)
    .bind::<sql_types::Text, _>(&piece.piece)
    .bind::<sql_types::Text, _>(&piece.provider)
    .bind::<sql_types::Nullable<sql_types::Text>, _>(piece.provider_job.as_deref())
    .bind::<sql_types::Nullable<sql_types::Jsonb>, _>(piece.answer.as_ref())
    .bind::<sql_types::Timestamptz, _>(piece.asked_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets pieces, so that they are asked for anew: their answers were of no use, or the provider lost them.
pub async fn forget_pieces(connection: &mut Connection, transcript: TranscriptId, pieces: &[String]) -> Result<(), StoreError> {
    diesel::sql_query("DELETE FROM transcript_pieces WHERE transcript_id = $1 AND piece = ANY ($2)")
        .bind::<sql_types::Uuid, _>(transcript.0)
        .bind::<sql_types::Array<sql_types::Text>, _>(pieces)
        .execute(connection)
        .await?;
    Ok(())
}
