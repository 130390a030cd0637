//! `transcript_pieces`: what providers have answered, or work on, of transcripts that are not complete yet.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde_json::Value;

use crate::{
    domain::{JobId, LeaseId, TranscriptId},
    store::{Connection, Prepared, StoreError, costs::Charge},
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
    let found = Prepared(
        diesel::sql_query("SELECT piece, provider, provider_job, answer, asked_at FROM transcript_pieces WHERE transcript_id = $1")
            .bind::<sql_types::Uuid, _>(transcript.0),
    )
    .load(connection)
    .await?;
    Ok(found)
}

/// Whose run keeps what: with a lease that was lost, nothing is kept.
#[derive(Debug, Clone, Copy)]
pub struct Fence {
    /// The job.
    pub job: JobId,
    /// Its lease.
    pub lease: LeaseId,
    /// Its run.
    pub run: i32,
}

#[derive(QueryableByName)]
struct Held {
    #[diesel(sql_type = sql_types::BigInt)]
    #[expect(dead_code, reason = "only the row's existence matters")]
    id: i64,
}

/// Keeps a provider's id of its work on a piece, unless it is answered. Call it in a transaction that holds the job.
pub async fn keep_under_way(
    transaction: &mut Connection,
    transcript: TranscriptId,
    (piece, provider, provider_job): (&str, &str, &str),
    asked_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO transcript_pieces AS known (transcript_id, piece, provider, provider_job, asked_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (transcript_id, piece) DO UPDATE SET provider_job = excluded.provider_job, asked_at = excluded.asked_at
         WHERE known.answer IS NULL",
    )
    .bind::<sql_types::Uuid, _>(transcript.0)
    .bind::<sql_types::Text, _>(piece)
    .bind::<sql_types::Text, _>(provider)
    .bind::<sql_types::Text, _>(provider_job)
    .bind::<sql_types::Timestamptz, _>(asked_at)
    .execute(transaction)
    .await?;
    Ok(())
}

/// Keeps an answer and what it cost, in one statement: both or neither. An answer is never replaced. False: the lease was lost, and
/// nothing was kept.
pub async fn keep_answer(
    connection: &mut Connection,
    fence: Fence,
    (answer, asked_at): (&Value, DateTime<Utc>),
    charge: &Charge,
) -> Result<bool, StoreError> {
    let statement = diesel::sql_query(
        "WITH held AS MATERIALIZED (
             SELECT id FROM jobs WHERE id = $1 AND state = 'running' AND lease_id = $2 AND run = $3 FOR UPDATE),
         kept AS (
             INSERT INTO transcript_pieces AS known (transcript_id, piece, provider, answer, asked_at)
             SELECT $4, $5, $6, $7, $8 FROM held
             ON CONFLICT (transcript_id, piece) DO UPDATE SET answer = excluded.answer, asked_at = excluded.asked_at WHERE known.answer IS NULL),
         charged AS (
             INSERT INTO transcription_costs
                 (session_id, transcript_id, source, queue_name, provider, model, piece, request_id, seconds, trimmed_seconds, amount_micros, currency)
             SELECT $9, $4, $10, $11, $6, $12, $5, $13, $14, $15, $16, $17 FROM held)
         SELECT id FROM held",
    )
    .bind::<sql_types::BigInt, _>(fence.job.0)
    .bind::<sql_types::BigInt, _>(fence.lease.0)
    .bind::<sql_types::Integer, _>(fence.run)
    .bind::<sql_types::Uuid, _>(charge.transcript_id.0)
    .bind::<sql_types::Text, _>(&charge.piece)
    .bind::<sql_types::Text, _>(charge.provider)
    .bind::<sql_types::Jsonb, _>(answer)
    .bind::<sql_types::Timestamptz, _>(asked_at)
    .bind::<sql_types::Text, _>(charge.session_id.as_str())
    .bind::<sql_types::Text, _>(charge.source.as_str())
    .bind::<sql_types::Nullable<sql_types::Text>, _>(charge.queue_name.as_deref())
    .bind::<sql_types::Text, _>(&charge.model)
    .bind::<sql_types::Nullable<sql_types::Text>, _>(charge.request_id.as_deref())
    .bind::<sql_types::Double, _>(charge.seconds)
    .bind::<sql_types::Double, _>(charge.trimmed_seconds)
    .bind::<sql_types::BigInt, _>(charge.amount_micros)
    .bind::<sql_types::Text, _>(&charge.currency);
    let held: Vec<Held> = Prepared(statement).load(connection).await?;
    Ok(!held.is_empty())
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
