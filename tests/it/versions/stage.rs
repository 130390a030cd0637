//! Calls with a complete first version, and what becomes of the versions that batches ask for.

use callscribe::{
    domain::{TranscriptId, Wishes},
    ledger::{ByHand, ByHandError, Changed, JobFilter, requeue},
    store::{
        Store,
        search::{SearchFilter, find, index},
        transcriptions::{MadeTranscript, complete_transcript},
    },
    transcript::{Document, read, text},
};
use diesel::{QueryableByName, sql_types};
use diesel_async::{AsyncConnection, RunQueryDsl};
use tokio::sync::mpsc::unbounded_channel;

use crate::{
    harness::{self, TestDatabase},
    ledger_rows::{dead_transcriptions, number, run},
};

/// A database with calls `s1`, `s2`, …
pub(super) struct Stage {
    pub(super) database: TestDatabase,
    pub(super) store: Store,
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    text: Option<String>,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = sql_types::Uuid)]
    id: uuid::Uuid,
}

/// A document in which `said` is said.
fn document(said: &str, model: &str) -> Document {
    read(&serde_json::json!({
        "version": 2, "provider": "whisper", "model": model, "language": "en", "audio_seconds": 10.0,
        "turns": [{"speaker": "customer", "start": 0.0, "end": 9.0, "text": said}], "repairs": 0, "checks": {"flags": [], "measures": {}}
    }))
    .unwrap()
}

/// Requeues what is done, again and on trial, as batch `name`.
pub(super) fn trial(name: &str) -> ByHand {
    let wishes = Wishes { model: Some("large-v3".to_owned()), ..Wishes::default() };
    let filter = JobFilter { kinds: vec!["transcription".to_owned()], ..JobFilter::default() };
    ByHand { name: Some(name.to_owned()), again: true, trial: true, wishes, ..ByHand::new(filter, "ada@desk") }
}

impl Stage {
    /// So many calls, in each of which `said` is said, by a first version that is complete, counts and is found.
    pub(super) async fn new(calls: u32, said: &str) -> Self {
        let database = harness::database().await;
        let store = database.store();
        dead_transcriptions(&store, calls, "provider_unavailable").await;
        run(
            &store,
            "UPDATE call_transcripts SET status = 'pending', error_code = NULL; UPDATE jobs SET state = 'ready', reason = NULL, finished_at = NULL",
        )
        .await;
        let stage = Self { database, store };
        for call in 1..=calls {
            stage.complete(&format!("s{call}"), 1, "whisper-1", said).await;
        }
        stage
    }

    /// What the worker does when it has transcribed: the transcript complete, findable if it counts, its job done.
    pub(super) async fn complete(&self, session: &str, version: i32, model: &str, said: &str) {
        let id = self.id(session, version).await;
        let document = document(said, model);
        let made = MadeTranscript {
            id,
            provider: "whisper",
            model: model.to_owned(),
            text: text(&document),
            document: serde_json::to_value(&document).unwrap(),
            language: Some("en".to_owned()),
            flags: Vec::new(),
            audio_seconds: 10.0,
            provider_request_id: None,
        };
        let connection = &mut *self.store.connection().await.unwrap();
        let kept = connection.transaction::<_, callscribe::store::StoreError, _>(async |transaction| {
            let complete = complete_transcript(transaction, &made).await?;
            index(transaction, id, &document).await?;
            Ok(complete)
        });
        assert!(kept.await.unwrap(), "{session} version {version} was complete before");
        let done = format!("UPDATE jobs SET state = 'done', finished_at = clock_timestamp() WHERE transcript_id = '{}'", id.0);
        run(&self.store, &done).await;
    }

    pub(super) async fn id(&self, session: &str, version: i32) -> TranscriptId {
        let row: Id = diesel::sql_query("SELECT id FROM call_transcripts WHERE session_id = $1 AND version = $2")
            .bind::<sql_types::Text, _>(session)
            .bind::<sql_types::Integer, _>(version)
            .get_result(&mut *self.store.connection().await.unwrap())
            .await
            .unwrap();
        TranscriptId(row.id)
    }

    /// Carries out an order.
    pub(super) async fn requeue(&self, order: &ByHand) -> Result<Changed, ByHandError> {
        let (sender, _) = unbounded_channel();
        requeue(&self.store, order, &sender).await
    }

    /// A trial of all calls, each of them complete with `said`.
    pub(super) async fn tried(name: &str, calls: u32, before: &str, said: &str) -> Self {
        let stage = Self::new(calls, before).await;
        assert_eq!(stage.requeue(&trial(name)).await.unwrap().jobs, i64::from(calls));
        for call in 1..=calls {
            stage.complete(&format!("s{call}"), 2, "large-v3", said).await;
        }
        stage
    }

    /// The calls in which this is found, in order.
    pub(super) async fn found(&self, words: &str) -> Vec<String> {
        let found = find(&mut self.store.connection().await.unwrap(), words, &SearchFilter::default(), 1_000).await.unwrap();
        let mut sessions: Vec<_> = found.into_iter().map(|call| call.session_id).collect();
        sessions.sort();
        sessions
    }

    /// The version that counts of each call.
    pub(super) async fn counting(&self) -> String {
        self.text("SELECT string_agg(session_id || '=' || version, ' ' ORDER BY session_id) AS text FROM current_transcripts").await
    }

    /// The one text that `sql` selects `AS text`.
    pub(super) async fn text(&self, sql: &str) -> String {
        let row: Text = diesel::sql_query(sql).get_result(&mut *self.store.connection().await.unwrap()).await.unwrap();
        row.text.unwrap_or_default()
    }

    /// The one number that `sql` selects `AS number`.
    pub(super) async fn number(&self, sql: &str) -> i64 {
        number(&self.store, sql).await
    }

    /// Runs statements.
    pub(super) async fn run(&self, sql: &str) {
        run(&self.store, sql).await;
    }

    /// Fails unless exactly what counts is searched, and calls say what their transcripts are.
    pub(super) async fn assert_searched(&self) {
        let differing = "SELECT count(*) AS number FROM current_transcripts AS t FULL JOIN transcript_search AS s ON s.transcript_id = t.id
                         WHERE t.id IS NULL OR s.transcript_id IS NULL OR s.version <> t.version";
        assert_eq!(self.number(differing).await, 0, "something else is searched than what counts");
        self.database.assert_consistent().await;
    }
}
