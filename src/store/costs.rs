//! `transcription_costs`: what providers' answers cost, by our price list.

use chrono::{DateTime, Datelike, NaiveTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use crate::{
    domain::{CostsBy, SessionId, SourceName, TranscriptId},
    store::{Connection, Prepared, StoreError},
};

/// What one answer costs.
#[derive(Debug, Clone)]
pub struct Charge {
    /// The call.
    pub session_id: SessionId,
    /// The transcript.
    pub transcript_id: TranscriptId,
    /// Vendor that took the call.
    pub source: SourceName,
    /// Queue of the call.
    pub queue_name: Option<String>,
    /// Who transcribed.
    pub provider: &'static str,
    /// The provider's model.
    pub model: String,
    /// What was asked, as a hash.
    pub piece: String,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// Seconds charged for.
    pub seconds: f64,
    /// Seconds of silence that were not sent.
    pub trimmed_seconds: f64,
    /// Millionths of the currency.
    pub amount_micros: i64,
    /// Its code.
    pub currency: String,
}

/// When the calendar month of `now` began, in UTC.
#[must_use]
pub fn month_of(now: DateTime<Utc>) -> DateTime<Utc> {
    let first = now.date_naive().with_day(1).unwrap_or_else(|| now.date_naive());
    first.and_time(NaiveTime::MIN).and_utc()
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = sql_types::BigInt)]
    micros: i64,
}

/// Millionths spent since `since`.
pub async fn spent_since(connection: &mut Connection, since: DateTime<Utc>) -> Result<i64, StoreError> {
    let sum: Sum = Prepared(
        diesel::sql_query("SELECT coalesce(sum(amount_micros), 0)::bigint AS micros FROM transcription_costs WHERE at >= $1")
            .bind::<sql_types::Timestamptz, _>(since),
    )
    .get_result(connection)
    .await?;
    Ok(sum.micros)
}

/// Millionths that a transcript has cost so far.
pub async fn cost_of(connection: &mut Connection, transcript: TranscriptId) -> Result<i64, StoreError> {
    let sum: Sum = Prepared(
        diesel::sql_query("SELECT coalesce(sum(amount_micros), 0)::bigint AS micros FROM transcription_costs WHERE transcript_id = $1")
            .bind::<sql_types::Uuid, _>(transcript.0),
    )
    .get_result(connection)
    .await?;
    Ok(sum.micros)
}

/// What was spent on something.
#[derive(Debug, Clone, PartialEq, serde::Serialize, QueryableByName)]
pub struct CostSum {
    /// The day, queue, model or call; empty where there is none.
    #[diesel(sql_type = sql_types::Text)]
    pub of: String,
    /// Its currency.
    #[diesel(sql_type = sql_types::Text)]
    pub currency: String,
    /// Answers.
    #[diesel(sql_type = sql_types::BigInt)]
    pub answers: i64,
    /// Seconds charged for.
    #[diesel(sql_type = sql_types::Double)]
    pub seconds: f64,
    /// Seconds of silence that were not sent.
    #[diesel(sql_type = sql_types::Double)]
    pub trimmed_seconds: f64,
    /// Millionths of the currency.
    #[diesel(sql_type = sql_types::BigInt)]
    pub amount_micros: i64,
}

/// What was spent in a span of time, the newest or the dearest first.
pub async fn costs(
    connection: &mut Connection,
    by: CostsBy,
    (since, until): (DateTime<Utc>, DateTime<Utc>),
    limit: i64,
) -> Result<Vec<CostSum>, StoreError> {
    let (of, order) = match by {
        CostsBy::Day => ("to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD')", "of DESC"),
        CostsBy::Month => ("to_char(at AT TIME ZONE 'UTC', 'YYYY-MM')", "of DESC"),
        CostsBy::Queue => ("coalesce(queue_name, '')", "amount_micros DESC, of"),
        CostsBy::Model => ("provider || ' ' || model", "amount_micros DESC, of"),
        CostsBy::Call => ("coalesce(session_id, '')", "amount_micros DESC, of"),
    };
    let sums = diesel::sql_query(format!(
        "SELECT {of} AS of, currency, count(*) AS answers, sum(seconds) AS seconds, sum(trimmed_seconds) AS trimmed_seconds,
                sum(amount_micros)::bigint AS amount_micros
         FROM transcription_costs WHERE at >= $1 AND at < $2
         GROUP BY 1, 2 ORDER BY {order} LIMIT $3"
    ))
    .bind::<sql_types::Timestamptz, _>(since)
    .bind::<sql_types::Timestamptz, _>(until)
    .bind::<sql_types::BigInt, _>(limit)
    .load(connection)
    .await?;
    Ok(sums)
}
