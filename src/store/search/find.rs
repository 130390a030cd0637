//! Finding calls by what is said in them, and where in them it is said.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    pg::Pg,
    query_builder::{BoxedSqlQuery, SqlQuery},
    sql_types,
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    domain::SourceName,
    store::{Connection, StoreError},
    transcript::{Turn, read},
};

/// Which calls; nothing given means every call.
#[derive(Debug, Clone, Default)]
pub struct SearchFilter {
    /// Of this vendor.
    pub source: Option<SourceName>,
    /// Whose last queue has this name.
    pub queue: Option<String>,
    /// Began at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Began before this time.
    pub until: Option<DateTime<Utc>>,
}

/// A call in which it is said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoundCall {
    /// The call.
    pub session_id: String,
    /// Which leg of it.
    pub leg: String,
    /// The vendor.
    pub source: String,
    /// When the call began.
    pub started_at: DateTime<Utc>,
    /// Last queue.
    pub queue_name: Option<String>,
    /// Last agent.
    pub agent_name: Option<String>,
    /// The turns in which it is said, the first `TURNS_SHOWN` of them.
    pub turns: Vec<FoundTurn>,
}

/// A turn in which it is said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoundTurn {
    /// Who says it, if anybody knows.
    pub speaker: Option<String>,
    /// Seconds from the start of the audio, if the transcript has times.
    pub start: Option<f64>,
    /// Seconds from the start of the audio.
    pub end: Option<f64>,
    /// What is said around it.
    pub snippet: String,
    /// What was found, as parts of the snippet: from and to, in characters.
    pub marks: Vec<(usize, usize)>,
}

/// Why nothing was searched.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// PostgreSQL could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no word to look for.
    #[error("nothing to search for in `{0}`: give a word that is more than `the` or `and`, and not only what must not be said")]
    NoWords(String),
}

impl From<diesel::result::Error> for SearchError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Transcripts that hold the words, by PostgreSQL's estimate, from which on the latest are looked through first.
const COMMON: f64 = 3_000.0;
/// So many of the latest are looked through; each costs some ten microseconds.
const LOOKED_THROUGH: u32 = 4_000;
/// What a filter asks of a row.
const FILTER: &str = "($2::text IS NULL OR source = $2) AND ($3::text IS NULL OR queue_name = $3)
     AND ($4::timestamptz IS NULL OR started_at >= $4) AND ($5::timestamptz IS NULL OR started_at < $5)";
/// Turns of a call that are shown.
const TURNS_SHOWN: i64 = 3;
/// Characters up to which a turn is shown whole.
const SHORT_TURN: usize = 200;
/// What stands around what was found while PostgreSQL has it; no transcript holds these.
const MARKS: (char, char) = ('\u{2}', '\u{3}');

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = sql_types::Text)]
    text: String,
}

#[derive(QueryableByName)]
struct Plan {
    #[diesel(sql_type = sql_types::Json, column_name = "QUERY PLAN")]
    plan: Value,
}

#[derive(QueryableByName)]
struct CallRow {
    #[diesel(sql_type = sql_types::Uuid)]
    transcript_id: Uuid,
    #[diesel(sql_type = sql_types::Text)]
    session_id: String,
    #[diesel(sql_type = sql_types::Text)]
    leg: String,
    #[diesel(sql_type = sql_types::Text)]
    source: String,
    #[diesel(sql_type = sql_types::Timestamptz)]
    started_at: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    queue_name: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    agent_name: Option<String>,
    #[diesel(sql_type = sql_types::Text)]
    config: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Jsonb>)]
    transcript_json: Option<Value>,
}

#[derive(QueryableByName)]
struct TurnRow {
    #[diesel(sql_type = sql_types::Integer)]
    call: i32,
    #[diesel(sql_type = sql_types::Integer)]
    turn: i32,
    #[diesel(sql_type = sql_types::Text)]
    headline: String,
}

/// The calls in which a query is said, latest first, up to `limit`, with the turns that say it. The query is as people write it to web
/// searches: words that must all be said, `"phrases"`, `or`, `-not`.
///
/// # Errors
/// When the query has no word that could be found, or PostgreSQL cannot answer.
pub async fn find(connection: &mut Connection, query: &str, filter: &SearchFilter, limit: i64) -> Result<Vec<FoundCall>, SearchError> {
    let (query, filter) = (query.to_owned(), filter.clone());
    connection
        .transaction(async move |transaction| {
            let configurations = configurations(transaction).await?;
            if !configurations.is_empty() && !holds_words(transaction, &query, &configurations).await? {
                return Err(SearchError::NoWords(query));
            }
            let calls = calls(transaction, &query, &configurations, &filter, limit).await?;
            Ok(with_turns(transaction, &query, calls).await?)
        })
        .await
}

/// The configurations that any transcript has: a step through the index for each, however many transcripts there are.
async fn configurations(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    let rows: Vec<Text> = diesel::sql_query(
        "WITH RECURSIVE each AS (
             (SELECT config FROM transcript_search ORDER BY config LIMIT 1)
             UNION ALL
             SELECT (SELECT config FROM transcript_search WHERE config > each.config ORDER BY config LIMIT 1) FROM each WHERE each.config IS NOT NULL)
         SELECT config::text AS text FROM each WHERE config IS NOT NULL",
    )
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.text).collect())
}

/// Whether some language has a word of the query that can be looked for.
async fn holds_words(connection: &mut Connection, query: &str, configurations: &[String]) -> Result<bool, StoreError> {
    let rows: Vec<Text> =
        diesel::sql_query("SELECT querytree(websearch_to_tsquery(config::regconfig, $1)) AS text FROM unnest($2::text[]) AS config")
            .bind::<sql_types::Text, _>(query)
            .bind::<sql_types::Array<sql_types::Text>, _>(configurations)
            .load(connection)
            .await?;
    Ok(rows.iter().any(|row| !row.text.is_empty() && row.text != "T"))
}

/// What each language's words are to hold; names of configurations come from the catalogue. `$1` is the query.
fn condition(configurations: &[String]) -> String {
    let each = configurations.iter().map(|name| match configurations.len() {
        1 => format!("words @@ websearch_to_tsquery('{name}', $1)"),
        _ => format!("(config = '{name}'::regconfig AND words @@ websearch_to_tsquery('{name}', $1))"),
    });
    let holds = each.collect::<Vec<_>>().join(" OR ");
    if holds.is_empty() { "$1::text IS NULL".to_owned() } else { format!("({holds})") }
}

/// The calls. What is said in many calls is looked for in the latest of them first, where as many as are shown are soon found; all
/// else, and what is not found there, by the index of words.
async fn calls(
    connection: &mut Connection,
    query: &str,
    configurations: &[String],
    filter: &SearchFilter,
    limit: i64,
) -> Result<Vec<CallRow>, StoreError> {
    let holds = condition(configurations);
    if estimated(connection, query, &holds).await? >= COMMON {
        let latest = format!(
            "latest AS MATERIALIZED (
                 SELECT transcript_id, session_id, leg, source, started_at, queue_name, config FROM (
                     SELECT * FROM transcript_search WHERE {FILTER} ORDER BY started_at DESC, session_id DESC, leg DESC LIMIT {LOOKED_THROUGH}) AS newest
                 WHERE {holds} ORDER BY started_at DESC, session_id DESC, leg DESC LIMIT $6)"
        );
        let found = load(connection, &latest, query, filter, limit).await?;
        if i64::try_from(found.len()).is_ok_and(|found| found >= limit) || !is_more_than_looked_through(connection, filter).await? {
            return Ok(found);
        }
    }
    // the planner does not know that reading `words` of each row costs a look into another table: the index always does less
    diesel::sql_query("SET LOCAL enable_seqscan = off").execute(connection).await?;
    let by_words = format!(
        "said AS MATERIALIZED (
             SELECT transcript_id, session_id, leg, source, started_at, queue_name, config FROM transcript_search WHERE {holds}),
         latest AS MATERIALIZED (SELECT * FROM said WHERE {FILTER} ORDER BY started_at DESC, session_id DESC, leg DESC LIMIT $6)"
    );
    load(connection, &by_words, query, filter, limit).await
}

/// Whether a filter lets more pass than are looked through; of fewer, each was looked at.
async fn is_more_than_looked_through(connection: &mut Connection, filter: &SearchFilter) -> Result<bool, StoreError> {
    // `$1` has its place in the filter's text, and no part in it
    let statement = format!(
        "SELECT $1::text AS text FROM (SELECT count(*) AS rows FROM (
             SELECT FROM transcript_search WHERE {FILTER} LIMIT {LOOKED_THROUGH}) AS passing) AS counted WHERE rows >= {LOOKED_THROUGH}"
    );
    let rows: Vec<Text> = filtered(statement, "", filter).load(connection).await?;
    Ok(!rows.is_empty())
}

/// A statement with its query as `$1` and its filter as `$2` to `$5`.
fn filtered(statement: String, query: &str, filter: &SearchFilter) -> BoxedSqlQuery<'static, Pg, SqlQuery> {
    diesel::sql_query(statement)
        .into_boxed::<Pg>()
        .bind::<sql_types::Text, _>(query.to_owned())
        .bind::<sql_types::Nullable<sql_types::Text>, _>(filter.source.map(SourceName::as_str))
        .bind::<sql_types::Nullable<sql_types::Text>, _>(filter.queue.clone())
        .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(filter.since)
        .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(filter.until)
}

/// Transcripts that PostgreSQL expects to hold the words of a query, whatever their order.
async fn estimated(connection: &mut Connection, query: &str, holds: &str) -> Result<f64, StoreError> {
    let statement = format!("EXPLAIN (FORMAT JSON) SELECT FROM transcript_search WHERE {holds}");
    let plan: Plan = diesel::sql_query(statement).bind::<sql_types::Text, _>(query).get_result(connection).await?;
    Ok(plan.plan.pointer("/0/Plan/Plan Rows").and_then(Value::as_f64).unwrap_or_default())
}

/// The calls of the rows named `latest`.
async fn load(
    connection: &mut Connection,
    latest: &str,
    query: &str,
    filter: &SearchFilter,
    limit: i64,
) -> Result<Vec<CallRow>, StoreError> {
    let statement = format!(
        "WITH {latest}
         SELECT s.transcript_id, s.session_id, s.leg, s.source, s.started_at, s.queue_name, c.agent_name, s.config::text AS config,
                t.transcript_json
         FROM latest AS s JOIN call_interactions AS c USING (session_id) JOIN call_transcripts AS t ON t.id = s.transcript_id
         ORDER BY s.started_at DESC, s.session_id DESC, s.leg DESC"
    );
    Ok(filtered(statement, query, filter).bind::<sql_types::BigInt, _>(limit).load(connection).await?)
}

/// The calls with the turns that say it: one question for all of them.
async fn with_turns(connection: &mut Connection, query: &str, calls: Vec<CallRow>) -> Result<Vec<FoundCall>, StoreError> {
    let documents: Vec<Vec<Turn>> = calls.iter().map(turns_of).collect();
    let (mut of_call, mut of_turn, mut configurations, mut texts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((call, row), turns) in (0_i32..).zip(&calls).zip(&documents) {
        for (at, turn) in (0_i32..).zip(turns) {
            of_call.push(call);
            of_turn.push(at);
            configurations.push(row.config.as_str());
            // the marks are ours alone
            texts.push(turn.text.replace([MARKS.0, MARKS.1], " "));
        }
    }
    // `querytree` leaves out what must not be said; a turn need not hold all that the call holds
    let statement = format!(
        "WITH wanted AS MATERIALIZED (
             SELECT config, replace(querytree(websearch_to_tsquery(config::regconfig, $1)), '&', '|')::tsquery AS query
             FROM (SELECT DISTINCT config FROM unnest($4::text[]) AS config) AS each),
         said AS (
             SELECT t.call, t.turn, t.config, t.text, w.query, row_number() OVER (PARTITION BY t.call ORDER BY t.turn) AS place
             FROM unnest($2::integer[], $3::integer[], $4::text[], $5::text[]) AS t (call, turn, config, text) JOIN wanted AS w USING (config)
             WHERE to_tsvector(t.config::regconfig, t.text) @@ w.query)
         SELECT call, turn, ts_headline(config::regconfig, text, query,
             'StartSel=\"{}\", StopSel=\"{}\", '
             || CASE WHEN length(text) <= {SHORT_TURN} THEN 'HighlightAll=true' ELSE 'MaxFragments=1, MaxWords=28, MinWords=8' END) AS headline
         FROM said WHERE place <= $6 ORDER BY call, turn",
        MARKS.0, MARKS.1
    );
    let rows: Vec<TurnRow> = diesel::sql_query(statement)
        .bind::<sql_types::Text, _>(query)
        .bind::<sql_types::Array<sql_types::Integer>, _>(of_call)
        .bind::<sql_types::Array<sql_types::Integer>, _>(of_turn)
        .bind::<sql_types::Array<sql_types::Text>, _>(configurations)
        .bind::<sql_types::Array<sql_types::Text>, _>(texts)
        .bind::<sql_types::BigInt, _>(TURNS_SHOWN)
        .load(connection)
        .await?;
    let found = (0_i32..).zip(calls).zip(documents).map(|((call, row), turns)| {
        let own = rows.iter().filter(|one| one.call == call);
        let turns = own.filter_map(|one| Some(found_turn(turns.get(usize::try_from(one.turn).ok()?)?, &one.headline))).collect();
        let CallRow { session_id, leg, source, started_at, queue_name, agent_name, .. } = row;
        FoundCall { session_id, leg, source, started_at, queue_name, agent_name, turns }
    });
    Ok(found.collect())
}

/// The turns of a call; none where its document cannot be read, since the call was found all the same.
fn turns_of(row: &CallRow) -> Vec<Turn> {
    let document = row.transcript_json.as_ref().and_then(|json| read(json).ok());
    if document.is_none() {
        tracing::warn!(transcript.id = %row.transcript_id, "a transcript that was found cannot be read");
    }
    document.map(|document| document.turns).unwrap_or_default()
}

/// A turn with its snippet, the marks taken out of it.
fn found_turn(turn: &Turn, headline: &str) -> FoundTurn {
    let (mut snippet, mut marks, mut length, mut open) = (String::new(), Vec::new(), 0, None);
    for character in headline.chars() {
        match character {
            one if one == MARKS.0 => open = Some(length),
            one if one == MARKS.1 => marks.extend(open.take().map(|from| (from, length))),
            one => {
                snippet.push(one);
                length += 1;
            }
        }
    }
    FoundTurn { speaker: turn.speaker.clone(), start: turn.start, end: turn.end, snippet, marks }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_in_characters_of_the_snippet() {
        let turn = Turn { start: Some(1.5), ..Turn::default() };
        let found = found_turn(&turn, "Zürich \u{2}refunds\u{3} the \u{2}fee\u{3}");
        assert_eq!((found.snippet.as_str(), found.marks), ("Zürich refunds the fee", vec![(7, 14), (19, 22)]));
    }
}
