//! Calls found by what is said in them.

use callscribe::{
    domain::TranscriptId,
    store::search::{SearchError, SearchFilter, find, index, not_indexed},
    transcript::read,
};

use super::transcribed_call;
use crate::{
    cli::{json, on},
    harness::{self, TestDatabase},
    ledger::execute,
};

/// Three calls, none of them findable yet.
async fn three_calls() -> TestDatabase {
    let database = harness::database().await;
    let turns = [
        ("agent", 0.0, 2.0, "How can I help?"),
        ("customer", 2.5, 6.0, "I was refunded twice for the same order."),
        ("agent", 6.5, 8.0, "I see."),
    ];
    transcribed_call(&database, "c1", 0, 1, &turns).await;
    let turns = [("customer", 65.0, 70.0, "Please send the refund today."), ("agent", 71.0, 73.0, "The refund is on its way.")];
    transcribed_call(&database, "c2", 5, 1, &turns).await;
    transcribed_call(&database, "c3", 10, 1, &[("customer", 0.0, 2.0, "Where is my parcel? The order is late.")]).await;
    database
}

/// Makes all of them findable, and tells how many that were.
async fn make_findable(database: &TestDatabase) -> usize {
    let store = database.store();
    let connection = &mut store.connection().await.unwrap();
    let missing = not_indexed(connection, "", 100).await.unwrap();
    for one in &missing {
        index(connection, TranscriptId(one.id), &read(&one.transcript_json).unwrap()).await.unwrap();
    }
    missing.len()
}

async fn sessions(database: &TestDatabase, query: &str, filter: &SearchFilter) -> Vec<String> {
    let store = database.store();
    let found = find(&mut store.connection().await.unwrap(), query, filter, 10).await.unwrap();
    found.into_iter().map(|call| call.session_id).collect()
}

#[tokio::test]
async fn words_are_found_in_all_their_forms_latest_call_first() {
    let database = three_calls().await;
    assert_eq!(make_findable(&database).await, 3);
    let all = SearchFilter::default();
    assert_eq!(sessions(&database, "refund", &all).await, ["c2", "c1"]);
    assert_eq!(sessions(&database, "refunds order", &all).await, ["c1"]);
    assert_eq!(sessions(&database, "order -refund", &all).await, ["c3"]);
    assert_eq!(sessions(&database, "\"same order\" or parcel", &all).await, ["c3", "c1"]);
    assert_eq!(sessions(&database, "customer", &all).await, Vec::<String>::new(), "the names of speakers are not said");
    let later = SearchFilter { since: Some("2026-11-02T09:03:00Z".parse().unwrap()), ..SearchFilter::default() };
    assert_eq!(sessions(&database, "refund", &later).await, ["c2"]);
    let elsewhere = SearchFilter { queue: Some("Q_Sales".to_owned()), ..SearchFilter::default() };
    assert_eq!(sessions(&database, "refund", &elsewhere).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_search_for_nothing_is_told() {
    let database = three_calls().await;
    make_findable(&database).await;
    let store = database.store();
    for query in ["the", "-refund", "  "] {
        let found = find(&mut store.connection().await.unwrap(), query, &SearchFilter::default(), 10).await;
        assert!(matches!(found, Err(SearchError::NoWords(_))), "`{query}`: {found:?}");
    }
}

#[tokio::test]
async fn a_newer_version_takes_the_older_ones_place_and_never_the_other_way_round() {
    let database = three_calls().await;
    make_findable(&database).await;
    let store = database.store();
    let connection = &mut store.connection().await.unwrap();
    let older = not_indexed(connection, "", 10).await.unwrap();
    assert_eq!(older, [], "all are findable");
    transcribed_call(&database, "c2", 5, 2, &[("customer", 0.0, 1.0, "It is about the invoice.")]).await;
    assert_eq!(make_findable(&database).await, 1);
    assert_eq!(make_findable(&database).await, 0);
    let all = SearchFilter::default();
    assert_eq!(
        (sessions(&database, "refund", &all).await, sessions(&database, "invoice", &all).await),
        (vec!["c1".to_owned()], vec!["c2".to_owned()])
    );
    // the older version comes late
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: uuid::Uuid,
        #[diesel(sql_type = diesel::sql_types::Jsonb)]
        transcript_json: serde_json::Value,
    }
    let sql = "SELECT id, transcript_json FROM call_transcripts WHERE session_id = 'c2' AND version = 1";
    let row: Row = diesel_async::RunQueryDsl::get_result(diesel::sql_query(sql), connection).await.unwrap();
    index(connection, TranscriptId(row.id), &read(&row.transcript_json).unwrap()).await.unwrap();
    assert_eq!(sessions(&database, "invoice", &all).await, ["c2"]);
    execute(&store, "DELETE FROM call_transcripts WHERE session_id = 'c2'").await;
    assert_eq!(sessions(&database, "invoice", &all).await, Vec::<String>::new(), "what is deleted is not found");
}

#[tokio::test]
async fn each_transcript_is_searched_in_its_own_language() {
    let database = three_calls().await;
    transcribed_call(&database, "c4", 20, 1, &[("agent", 0.0, 1.0, "Die Rechnungen wurden bezahlt.")]).await;
    execute(
        &database.store(),
        "UPDATE call_transcripts SET transcript_json = transcript_json || '{\"language\": \"de\"}' WHERE session_id = 'c4'",
    )
    .await;
    make_findable(&database).await;
    let all = SearchFilter::default();
    assert_eq!(sessions(&database, "Rechnung", &all).await, ["c4"]);
    assert_eq!(sessions(&database, "refund", &all).await, ["c2", "c1"]);
}

#[tokio::test]
async fn the_command_shows_when_it_is_said_and_programs_have_it_in_fields() {
    let database = three_calls().await;
    let indexed = on(&database, &["calls", "index"]).await;
    assert_eq!(
        (indexed.status, indexed.stdout.as_str()),
        (0, "3 transcripts made findable, 0 that cannot be read\n"),
        "{}",
        indexed.stderr
    );
    let told = on(&database, &["calls", "search", "refund", "--queue", "Q_Support", "--since", "2026-11-01"]).await;
    assert_eq!(told.status, 0, "{}", told.stderr);
    let expected = "2026-11-02 09:05  c2  Q_Support\n      1:05  customer: Please send the *refund* today.\n      1:11  agent: The *refund* is on its way.\n\
                    2026-11-02 09:00  c1  Q_Support\n      0:02  customer: I was *refunded* twice for the same order.\n";
    assert_eq!(told.stdout, expected);
    let told = json(&on(&database, &["calls", "search", "refund", "--limit", "1", "--json"]).await);
    assert_eq!(told.as_array().unwrap().len(), 1);
    assert_eq!((&told[0]["session_id"], &told[0]["turns"][0]["start"]), (&"c2".into(), &65.0.into()));
    assert_eq!(told[0]["turns"][0]["marks"], serde_json::json!([[16, 22]]));
    let none = on(&database, &["calls", "search", "zebra"]).await;
    assert_eq!((none.status, none.stdout.as_str()), (0, "nobody says so in any transcript\n"));
    let nothing = on(&database, &["calls", "search", "the"]).await;
    assert!(nothing.status == 2 && nothing.stderr.contains("nothing to search for in `the`"), "{}", nothing.stderr);
}

#[tokio::test]
async fn what_is_said_in_most_calls_is_found_among_the_latest_and_else_by_its_words() {
    let database = harness::database().await;
    let store = database.store();
    let many = [
        "INSERT INTO call_interactions (session_id, source, start_time, closed, transcript_status, queue_name, raw_payload)
         SELECT 'c' || n, 'webex', timestamptz '2026-11-01' - n * interval '1 minute', true, 'complete',
                CASE n WHEN 4900 THEN 'Q_Old' ELSE 'Q_New' END, '{}' FROM generate_series(1, 5000) AS n",
        "INSERT INTO call_transcripts (id, session_id, provider, status, transcript_text, transcript_json, completed_at)
         SELECT gen_random_uuid(), 'c' || n, 'whisper', 'complete', '', '{}', now() FROM generate_series(1, 5000) AS n",
        "INSERT INTO transcript_search (transcript_id, session_id, leg, version, started_at, queue_name, source, config, words)
         SELECT t.id, session_id, t.leg, 1, c.start_time, c.queue_name, c.source, 'english', to_tsvector('english', 'thank you for calling')
         FROM call_transcripts AS t JOIN call_interactions AS c USING (session_id)",
        "ANALYZE transcript_search",
    ];
    for sql in many {
        execute(&store, sql).await;
    }
    let latest: Vec<String> = (1..=10).map(|n| format!("c{n}")).collect();
    assert_eq!(sessions(&database, "calls", &SearchFilter::default()).await, latest);
    let old = SearchFilter { queue: Some("Q_Old".to_owned()), ..SearchFilter::default() };
    assert_eq!(sessions(&database, "calls", &old).await, ["c4900"], "fewer than are shown: all of them are looked for");
    assert_eq!(sessions(&database, "\"calling thank\"", &SearchFilter::default()).await, Vec::<String>::new());
}
