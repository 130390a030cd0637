//! `transcript_search`: what was said in calls, found by words of any of PostgreSQL's languages, newest call first.

mod find;
mod follow;
mod languages;

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use uuid::Uuid;

pub(in crate::store) use follow::show_what_counts;

pub use find::{FoundCall, FoundTurn, SearchError, SearchFilter, find};

use crate::{
    domain::TranscriptId,
    store::{Connection, Prepared, StoreError},
    transcript::Document,
};

/// Bytes of a transcript that are searched: PostgreSQL refuses a megabyte of different words, and six hours of talk are half of it.
const MOST_BYTES: usize = 900_000;

/// What is hashed, with a leg, to the number of the lock under which its row is written.
const LOCK: &str = "transcript_search";

/// What the view `current_transcripts` says of its rows, of a version `t` that is known: asked of the view by the version's id it would be
/// found out of all others first.
const IS_CURRENT: &str = "t.status = 'complete' AND t.counts AND NOT EXISTS (
    SELECT FROM call_transcripts AS n WHERE n.session_id = t.session_id AND n.leg = t.leg AND n.version > t.version AND n.status = 'complete' AND n.counts)";

/// Makes the transcript that counts of its leg findable, in place of any other version. Does nothing when the transcript is not complete,
/// is on trial or switched back, or a newer version counts; may run any number of times. Of those who write the row of one leg each
/// waits for the end of the other's transaction and then sees what counts: call it within a transaction.
pub async fn index(transaction: &mut Connection, id: TranscriptId, document: &Document) -> Result<(), StoreError> {
    // a statement of its own: the next one must see what was committed while this one waited
    let lock = diesel::sql_query(
        "SELECT pg_advisory_xact_lock(hashtextextended($2 || ' ' || leg || ' ' || session_id, 0)) FROM call_transcripts WHERE id = $1",
    );
    Prepared(lock.bind::<sql_types::Uuid, _>(id.0).bind::<sql_types::Text, _>(LOCK)).execute(transaction).await?;
    let statement = diesel::sql_query(format!(
        "INSERT INTO transcript_search (transcript_id, session_id, leg, version, started_at, queue_name, source, config, words)
         SELECT t.id, t.session_id, t.leg, t.version, c.start_time, c.queue_name, c.source, $2::text::regconfig, to_tsvector($2::text::regconfig, $3)
         FROM call_transcripts AS t JOIN call_interactions AS c USING (session_id)
         WHERE t.id = $1 AND {IS_CURRENT}
         ON CONFLICT ON CONSTRAINT one_search_row_per_leg DO UPDATE
         SET transcript_id = excluded.transcript_id, version = excluded.version, started_at = excluded.started_at,
             queue_name = excluded.queue_name, source = excluded.source, config = excluded.config, words = excluded.words"
    ))
    .bind::<sql_types::Uuid, _>(id.0)
    .bind::<sql_types::Text, _>(languages::configuration(document.language.as_deref()))
    .bind::<sql_types::Text, _>(said(document));
    Prepared(statement).execute(transaction).await?;
    Ok(())
}

/// What is said, a line per turn, as far as it is searched.
fn said(document: &Document) -> String {
    let mut text = document.turns.iter().map(|turn| turn.text.as_str()).collect::<Vec<_>>().join("\n");
    text.truncate(text.floor_char_boundary(MOST_BYTES));
    text
}

/// A transcript that counts and is not findable.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct NotIndexed {
    /// The transcript.
    #[diesel(sql_type = sql_types::Uuid)]
    pub id: Uuid,
    /// The call.
    #[diesel(sql_type = sql_types::Text)]
    pub session_id: String,
    /// The document.
    #[diesel(sql_type = sql_types::Jsonb)]
    pub transcript_json: Value,
}

/// The next transcripts that count and are not findable, such as those from before the table was there; in order of their calls after
/// the session id `after`, up to `limit` of them and at least all of one call.
pub async fn not_indexed(connection: &mut Connection, after: &str, limit: i64) -> Result<Vec<NotIndexed>, StoreError> {
    Ok(diesel::sql_query(
        "SELECT t.id, t.session_id, t.transcript_json FROM current_transcripts AS t
         WHERE t.session_id > $1 AND NOT EXISTS (SELECT FROM transcript_search AS s WHERE s.transcript_id = t.id)
         ORDER BY t.session_id FETCH FIRST $2 ROWS WITH TIES",
    )
    .bind::<sql_types::Text, _>(after)
    .bind::<sql_types::BigInt, _>(limit)
    .load(connection)
    .await?)
}
