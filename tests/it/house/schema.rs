//! The migrated database against the house's rules: everything commented, every vocabulary checked, every migration reversible.

use callscribe::{
    domain::{CallTranscriptStatus, Direction, EndTimeSource, EventKind, EventOutcome, JobState, Leg, SourceName, TranscriptStatus},
    store::Connection,
};
use diesel::{QueryableByName, sql_types};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use super::source_text::root;
use crate::harness;

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = sql_types::Text)]
    text: String,
}

/// The first column, named `text`, of every row that `sql` finds.
async fn texts(connection: &mut Connection, sql: &str) -> Vec<String> {
    let rows: Vec<Text> = diesel::sql_query(sql).load(connection).await.expect("the catalogue answers");
    rows.into_iter().map(|row| row.text).collect()
}

/// Our own tables; diesel keeps one of its own for the migrations.
const OURS: &str = "c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND c.relname <> '__diesel_schema_migrations'";

#[tokio::test]
async fn every_table_and_column_says_what_it_is() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let tables = texts(&mut connection, &format!("SELECT relname::text AS text FROM pg_class c WHERE {OURS}")).await;
    assert!(tables.len() >= 8, "only {tables:?}");
    let silent = texts(
        &mut connection,
        &format!(
            "SELECT c.relname::text AS text FROM pg_class c WHERE {OURS} AND obj_description(c.oid, 'pg_class') IS NULL
             UNION ALL
             SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE {OURS} AND a.attnum > 0 AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NULL"
        ),
    )
    .await;
    assert!(silent.is_empty(), "these have no `COMMENT ON`: {silent:?}");
}

fn words<T: Copy + ToString>(all: &[T]) -> Vec<String> {
    let mut words: Vec<_> = all.iter().map(T::to_string).collect();
    words.sort();
    words
}

/// The words that the CHECK on this column alone allows, sorted.
async fn words_checked(connection: &mut Connection, table: &str, column: &str) -> Vec<String> {
    let mut words = texts(
        connection,
        &format!(
            "SELECT DISTINCT word[1] AS text
             FROM pg_constraint k, regexp_matches(pg_get_constraintdef(k.oid), '''([a-z_-]+)''::text', 'g') AS word
             WHERE k.contype = 'c' AND k.conrelid = '{table}'::regclass
               AND k.conkey = ARRAY[(SELECT attnum FROM pg_attribute WHERE attrelid = k.conrelid AND attname = '{column}')]"
        ),
    )
    .await;
    words.sort();
    words
}

#[tokio::test]
async fn the_schema_allows_exactly_the_words_the_code_knows() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let vocabularies = [
        ("jobs", "state", words(JobState::ALL)),
        ("call_transcripts", "status", words(TranscriptStatus::ALL)),
        ("call_interactions", "transcript_status", words(CallTranscriptStatus::ALL)),
        ("call_interactions", "source", words(SourceName::ALL)),
        ("call_interactions", "direction", words(Direction::ALL)),
        ("call_interactions", "end_time_source", words(EndTimeSource::ALL)),
        ("call_recordings", "leg", words(Leg::ALL)),
        ("webhook_events", "kind", words(EventKind::ALL)),
        ("webhook_events", "outcome", words(EventOutcome::ALL)),
    ];
    for (table, column, expected) in vocabularies {
        assert_eq!(words_checked(&mut connection, table, column).await, expected, "the CHECK of `{table}.{column}`");
    }
}

#[tokio::test]
async fn every_migration_can_be_taken_back_and_applied_again() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let mut folders: Vec<_> =
        std::fs::read_dir(root().join("migrations")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    let everything = format!(
        "SELECT c.relname || '.' || a.attname AS text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE {OURS} AND a.attnum > 0 ORDER BY 1"
    );
    let before = texts(&mut connection, &everything).await;
    for folder in folders.iter().rev() {
        let down = std::fs::read_to_string(folder.join("down.sql")).unwrap();
        connection.batch_execute(&down).await.unwrap_or_else(|error| panic!("`{}/down.sql`: {error}", folder.display()));
    }
    assert_eq!(texts(&mut connection, &everything).await, Vec::<String>::new(), "left behind by the way down");
    for folder in &folders {
        let up = std::fs::read_to_string(folder.join("up.sql")).unwrap();
        connection.batch_execute(&up).await.unwrap_or_else(|error| panic!("`{}/up.sql`: {error}", folder.display()));
    }
    assert_eq!(texts(&mut connection, &everything).await, before, "the way up after the way down");
}
