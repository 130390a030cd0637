//! The migrated database against the house's rules: everything commented, every vocabulary checked, every migration reversible.

use std::path::Path;

use callscribe::{
    domain::{
        Aging, CallTranscriptStatus, Direction, EndTimeSource, EventKind, EventOutcome, JobState, Leg, RecordingStatus, SourceName,
        TranscriptStatus,
    },
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
        ("call_recordings", "status", words(RecordingStatus::ALL)),
        ("call_deletions", "what", words(Aging::ALL)),
        ("webhook_events", "kind", words(EventKind::ALL)),
        ("webhook_events", "outcome", words(EventOutcome::ALL)),
    ];
    for (table, column, expected) in vocabularies {
        assert_eq!(words_checked(&mut connection, table, column).await, expected, "the CHECK of `{table}.{column}`");
    }
}

/// Everything that a migration may change, in words: columns, constraints, indexes, views, comments, storage.
fn catalogue() -> String {
    format!(
        "SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' ' || a.attgenerated::text
                || ' ' || a.attidentity::text || coalesce(' = ' || pg_get_expr(d.adbin, d.adrelid), '')
                || coalesce(' -- ' || col_description(c.oid, a.attnum), '') AS text
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
         WHERE {OURS} AND a.attnum > 0 AND NOT a.attisdropped
         UNION ALL SELECT c.relname || ' ' || coalesce(c.reloptions::text, '') || coalesce(' -- ' || obj_description(c.oid), '')
         FROM pg_class c WHERE {OURS}
         UNION ALL SELECT c.relname || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid)
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE {OURS}
         UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> '__diesel_schema_migrations'
         UNION ALL SELECT viewname || ' ' || definition FROM pg_views WHERE schemaname = 'public'
         UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
         UNION ALL SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE {OURS} AND NOT t.tgisinternal
         ORDER BY 1"
    )
}

/// Runs a file of a migration the way `callscribe migrate` does: in one go, unless it is not to run in a transaction.
async fn apply(connection: &mut Connection, folder: &Path, file: &str) {
    let sql = std::fs::read_to_string(folder.join(file)).unwrap();
    let metadata = std::fs::read_to_string(folder.join("metadata.toml")).unwrap_or_default();
    let pieces: Vec<&str> = if metadata.contains("run_in_transaction = false") { sql.split_inclusive(";\n").collect() } else { vec![&sql] };
    for piece in pieces {
        connection.batch_execute(piece).await.unwrap_or_else(|error| panic!("`{}/{file}`: {error}", folder.display()));
    }
}

#[tokio::test]
async fn every_migration_can_be_taken_back_to_the_very_schema_before_and_applied_again() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let mut folders: Vec<_> =
        std::fs::read_dir(root().join("migrations")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    let catalogue = catalogue();
    let mut way_down = Vec::new();
    for folder in folders.iter().rev() {
        way_down.push(texts(&mut connection, &catalogue).await);
        apply(&mut connection, folder, "down.sql").await;
    }
    assert_eq!(texts(&mut connection, &catalogue).await, Vec::<String>::new(), "left behind by the way down");
    for folder in &folders {
        apply(&mut connection, folder, "up.sql").await;
        let (now, before) = (texts(&mut connection, &catalogue).await, way_down.pop().unwrap());
        let differing: Vec<_> =
            now.iter().filter(|line| !before.contains(line)).chain(before.iter().filter(|line| !now.contains(line))).collect();
        assert!(differing.is_empty(), "the way down to `{}` left another schema than the way up makes: {differing:#?}", folder.display());
    }
}
