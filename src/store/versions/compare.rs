//! Each version that a batch made beside the one that counted before it, a page at a time, and what they cost.

use diesel::{QueryableByName, pg::Pg, sql_types};
use diesel_async::RunQueryDsl;
use serde_json::Value;

use crate::store::{Connection, StoreError};

/// One of two versions that are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedVersion {
    /// Counts re-transcriptions.
    pub version: i32,
    /// Who made it.
    pub provider: String,
    /// The provider's model.
    pub model: Option<String>,
    /// The document.
    pub transcript_json: Value,
}

/// A complete version that a batch asked for, and the one before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The call.
    pub session_id: String,
    /// Which leg of it.
    pub leg: String,
    /// The newest complete version before the batch's that counts; `None` when there is none.
    pub before: Option<ComparedVersion>,
    /// The batch's.
    pub made: ComparedVersion,
}

/// The place of a page's last pair, after which the next page begins: call, leg and version.
pub type Place = (String, String, i32);

impl Pair {
    /// Where it stands among the others.
    #[must_use]
    pub fn place(&self) -> Place {
        (self.session_id.clone(), self.leg.clone(), self.made.version)
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::Text)]
    session_id: String,
    #[diesel(sql_type = sql_types::Text)]
    leg: String,
    #[diesel(sql_type = sql_types::Integer)]
    version: i32,
    #[diesel(sql_type = sql_types::Text)]
    provider: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    model: Option<String>,
    #[diesel(sql_type = sql_types::Jsonb)]
    transcript_json: Value,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    before_version: Option<i32>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    before_provider: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    before_model: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Jsonb>)]
    before_json: Option<Value>,
}

impl From<Row> for Pair {
    fn from(row: Row) -> Self {
        let before = (row.before_version.zip(row.before_provider)).zip(row.before_json);
        Self {
            session_id: row.session_id,
            leg: row.leg,
            before: before.map(|((version, provider), transcript_json)| ComparedVersion {
                version,
                provider,
                model: row.before_model,
                transcript_json,
            }),
            made: ComparedVersion { version: row.version, provider: row.provider, model: row.model, transcript_json: row.transcript_json },
        }
    }
}

/// The next `limit` complete versions of a batch in order of call, leg and version.
pub async fn pairs(connection: &mut Connection, batch: i64, after: Option<&Place>, limit: i64) -> Result<Vec<Pair>, StoreError> {
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT t.session_id, t.leg, t.version, t.provider, t.model, t.transcript_json, b.version AS before_version, b.provider AS before_provider,
                b.model AS before_model, b.transcript_json AS before_json
         FROM (SELECT session_id, leg, version, provider, model, transcript_json FROM call_transcripts
               WHERE batch_id = $1 AND status = 'complete' AND ($2::text IS NULL OR (session_id, leg, version) > ($2, $3::text, $4::integer))
               ORDER BY session_id, leg, version LIMIT $5) AS t
         LEFT JOIN LATERAL (
             SELECT version, provider, model, transcript_json FROM call_transcripts
             WHERE session_id = t.session_id AND leg = t.leg AND version < t.version AND status = 'complete' AND counts
             ORDER BY version DESC LIMIT 1) AS b ON true
         ORDER BY t.session_id, t.leg, t.version",
    )
    .into_boxed::<Pg>()
    .bind::<sql_types::BigInt, _>(batch)
    .bind::<sql_types::Nullable<sql_types::Text>, _>(after.map(|(session, ..)| session.clone()))
    .bind::<sql_types::Nullable<sql_types::Text>, _>(after.map(|(_, leg, _)| leg.clone()))
    .bind::<sql_types::Nullable<sql_types::Integer>, _>(after.map(|(.., version)| *version))
    .bind::<sql_types::BigInt, _>(limit)
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(Pair::from).collect())
}

/// How far the versions are that a batch asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, QueryableByName)]
pub struct Made {
    /// Are complete.
    #[diesel(sql_type = sql_types::BigInt)]
    pub complete: i64,
    /// Of these, count.
    #[diesel(sql_type = sql_types::BigInt)]
    pub counting: i64,
    /// Wait or are being made.
    #[diesel(sql_type = sql_types::BigInt)]
    pub open: i64,
    /// Failed.
    #[diesel(sql_type = sql_types::BigInt)]
    pub failed: i64,
}

/// How far the versions of a batch are.
pub async fn made_of(connection: &mut Connection, batch: i64) -> Result<Made, StoreError> {
    Ok(diesel::sql_query(
        "SELECT count(*) FILTER (WHERE status = 'complete') AS complete, count(*) FILTER (WHERE status = 'complete' AND counts) AS counting,
                count(*) FILTER (WHERE status NOT IN ('complete', 'error')) AS open, count(*) FILTER (WHERE status = 'error') AS failed
         FROM call_transcripts WHERE batch_id = $1",
    )
    .bind::<sql_types::BigInt, _>(batch)
    .get_result(connection)
    .await?)
}

/// What the versions of a batch cost with one model.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct VersionCost {
    /// Who transcribed.
    #[diesel(sql_type = sql_types::Text)]
    pub provider: String,
    /// The provider's model.
    #[diesel(sql_type = sql_types::Text)]
    pub model: String,
    /// Answers.
    #[diesel(sql_type = sql_types::BigInt)]
    pub answers: i64,
    /// Seconds that the provider charges for.
    #[diesel(sql_type = sql_types::Double)]
    pub seconds: f64,
    /// Millionths of the currency.
    #[diesel(sql_type = sql_types::BigInt)]
    pub amount_micros: i64,
    /// The currency.
    #[diesel(sql_type = sql_types::Text)]
    pub currency: String,
}

/// What the versions of a batch have cost so far, those that failed included, dearest first.
pub async fn costs_of(connection: &mut Connection, batch: i64) -> Result<Vec<VersionCost>, StoreError> {
    Ok(diesel::sql_query(
        "SELECT c.provider, c.model, count(*) AS answers, sum(c.seconds) AS seconds, sum(c.amount_micros)::bigint AS amount_micros, c.currency
         FROM call_transcripts AS t JOIN transcription_costs AS c ON c.transcript_id = t.id
         WHERE t.batch_id = $1 GROUP BY c.provider, c.model, c.currency ORDER BY amount_micros DESC, c.provider, c.model, c.currency",
    )
    .bind::<sql_types::BigInt, _>(batch)
    .load(connection)
    .await?)
}
