//! `call_summaries`: what a vendor's assistant made of a call.

use diesel::sql_types;
use diesel_async::RunQueryDsl;

use crate::{
    domain::{CallSummary, SessionId, SourceName},
    store::{Connection, StoreError, calls},
};

/// Stores a call's summary, in place of an earlier one. Its wrap-up code, and a case number that it names, become the call's only
/// while the vendor's record tells none, and give way to what it tells later, however old that version of the record is.
pub async fn keep_summary(
    connection: &mut Connection,
    session: &SessionId,
    source: SourceName,
    summary: &CallSummary,
) -> Result<(), StoreError> {
    let document = serde_json::to_value(summary).map_err(|error| StoreError::Row { table: "call_summaries", what: error.to_string() })?;
    diesel::sql_query(
        "WITH kept AS (
             INSERT INTO call_summaries (session_id, source, summary, chosen_wrap_up_code)
             SELECT session_id, $2, $3, $4 FROM call_interactions WHERE session_id = $1
             ON CONFLICT (session_id) DO UPDATE SET
                 summary = excluded.summary, chosen_wrap_up_code = excluded.chosen_wrap_up_code, stored_at = now()
             RETURNING session_id, chosen_wrap_up_code)
         UPDATE call_interactions AS c
         SET wrap_up_code = kept.chosen_wrap_up_code,
             older_fields = coalesce(c.older_fields, '{}') || jsonb_build_object('wrap_up_code', '-infinity')
         FROM kept
         WHERE c.session_id = kept.session_id AND c.wrap_up_code IS NULL AND kept.chosen_wrap_up_code IS NOT NULL",
    )
    .bind::<sql_types::Text, _>(session.as_str())
    .bind::<sql_types::Text, _>(source.as_str())
    .bind::<sql_types::Jsonb, _>(document)
    .bind::<sql_types::Nullable<sql_types::Text>, _>(summary.chosen_wrap_up_code())
    .execute(connection)
    .await?;
    let guess = summary.named_case_number.as_deref().map(|number| (source, session, number));
    calls::guess_case_numbers(connection, guess.as_slice()).await
}
