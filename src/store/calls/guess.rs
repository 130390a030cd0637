//! Case numbers that nothing told and something named: kept where the row has none, and below whatever is told later.

use diesel::sql_types;
use diesel_async::RunQueryDsl;

use crate::{
    domain::{Call, SessionId, SourceName},
    store::{Connection, StoreError},
};

/// A number that something names, the call and its vendor.
pub(in crate::store) type Guess<'g> = (SourceName, &'g SessionId, &'g str);

/// Keeps a number for each of these calls that has none. The first guess stays until something is told.
///
/// Its time is older than every version of the record, so that any version that tells a number wins.
pub(in crate::store) async fn guess_case_numbers(connection: &mut Connection, guesses: &[Guess<'_>]) -> Result<(), StoreError> {
    if guesses.is_empty() {
        return Ok(());
    }
    diesel::sql_query(
        "UPDATE call_interactions AS c
         SET case_number = guessed.case_number,
             older_fields = coalesce(c.older_fields, '{}') || jsonb_build_object('case_number', '-infinity')
         FROM unnest($1::text[], $2::text[], $3::text[]) AS guessed (source, session_id, case_number)
         WHERE c.session_id = guessed.session_id AND c.source = guessed.source AND c.case_number IS NULL",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(guesses.iter().map(|(source, ..)| source.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(guesses.iter().map(|(_, session, _)| session.as_str()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::Text>, _>(guesses.iter().map(|(.., number)| *number).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// The numbers that versions of calls name without telling them, of calls that were just written.
pub(super) async fn guess_of(connection: &mut Connection, calls: &[&Call]) -> Result<(), StoreError> {
    let guesses: Vec<Guess<'_>> = calls
        .iter()
        .filter_map(|call| Some((call.source, &call.session_id, call.details.as_ref()?.guessed_case_number.as_deref()?)))
        .collect();
    guess_case_numbers(connection, &guesses).await
}
