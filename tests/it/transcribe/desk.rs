//! A desk to transcribe at: a database, a bucket, a transcriber and the worker's handler, and what lies on it afterwards.

use std::{sync::Arc, time::Duration};

use callscribe::{
    asr::whisper::Whisper,
    blob::Blob,
    clock::SystemClock,
    config::{TranscribingSettings, WhisperSettings},
    domain::{JobKind, LeaseId, Leg, SessionId, SourceName, TranscriptId},
    ledger::{
        Claimant, Claimed, Failure, Finished, Handler, NewJob, Outcome, RunContext, WorkerIdentity, begin_lease, claim_due, enqueue,
        finish_with,
    },
    store::{
        Store,
        transcripts::{Asked, next_versions},
    },
    transcript::{Document, Word},
};
use callscribe_simulators::{
    speech::{Length, Recording, Script, Shape},
    transcriber::{Transcriber, TranscriberPlan},
};
use callscribe_worker_transcribe::{Recipe, TranscribeHandler};
use diesel::{OptionalExtension, QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::harness::{self, TestDatabase, TestS3};

/// Longer than any test.
const LEASE: Duration = Duration::from_mins(10);
/// Bytes pushed into S3 at once.
const PIECE: usize = 256 * 1024;

#[derive(Clone)]
pub(super) struct Desk {
    pub(super) database: Arc<TestDatabase>,
    pub(super) store: Store,
    /// Held so that it lives as long as the desk.
    _s3: Arc<TestS3>,
    pub(super) blob: Blob,
    pub(super) server: Arc<Transcriber>,
    pub(super) handler: Arc<TranscribeHandler>,
    whisper: Arc<Whisper>,
    pub(super) stop: CancellationToken,
    lease: LeaseId,
}

/// A call whose recording is stored and waits to be transcribed.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) id: TranscriptId,
    pub(super) object_key: String,
}

#[derive(Debug, QueryableByName)]
pub(super) struct Row {
    #[diesel(sql_type = sql_types::Text)]
    pub(super) status: String,
    #[diesel(sql_type = sql_types::Text)]
    pub(super) call_status: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub(super) transcript_text: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Jsonb>)]
    transcript_json: Option<serde_json::Value>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub(super) language: Option<String>,
    #[diesel(sql_type = sql_types::Array<sql_types::Text>)]
    pub(super) flags: Vec<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub(super) audio_seconds: Option<f64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub(super) provider_request_id: Option<String>,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = sql_types::BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = sql_types::Text)]
    text: String,
}

impl Row {
    pub(super) fn document(&self) -> Document {
        let json = self.transcript_json.clone().expect("a complete transcript has its document");
        callscribe::transcript::read(&json).expect("the document reads back")
    }

    /// The words of all turns, in the order in which they were said.
    pub(super) fn words(&self) -> Vec<String> {
        words_of(&self.document())
    }
}

/// A call of so many seconds in a shape; every number is another call.
pub(super) fn call(number: u64, seconds: u64, shape: Shape) -> Recording {
    Recording::new(Arc::new(Script::compose(7, number, Length::Spoken(Duration::from_secs(seconds)))), shape)
}

/// So many seconds in which nobody speaks.
pub(super) fn silence(seconds: u64) -> Recording {
    Recording::new(Arc::new(Script::compose(7, 1, Length::Silent(Duration::from_secs(seconds)))), Shape::ULAW)
}

/// The words of a document and their channels, in the order in which they were said.
pub(crate) fn spoken(document: &Document) -> Vec<(Option<u8>, Word)> {
    let mut words: Vec<_> = document.turns.iter().flat_map(|turn| turn.words.iter().map(|word| (turn.channel, word.clone()))).collect();
    words.sort_by(|(one_channel, one), (other_channel, other)| one.start.total_cmp(&other.start).then(one_channel.cmp(other_channel)));
    words
}

/// The words of a document, in the order in which they were said.
pub(crate) fn words_of(document: &Document) -> Vec<String> {
    spoken(document).into_iter().map(|(_, word)| word.text).collect()
}

/// What a text says, whoever says it, in alphabetical order.
pub(crate) fn bag(text: &str) -> Vec<String> {
    let said = text.lines().map(|line| line.split_once(": ").map_or(line, |(_, said)| said));
    let mut words: Vec<String> = said.flat_map(str::split_whitespace).map(str::to_owned).collect();
    words.sort();
    words
}

/// Transcribers, asked with the usual settings.
pub(crate) fn recipe(chain: Vec<Arc<dyn callscribe::asr::Transcriber>>) -> Recipe {
    Recipe { vendor: None, chain, settings: TranscribingSettings::default(), clock: Arc::new(SystemClock) }
}

/// The words of a call as its script has them.
pub(super) fn truth(recording: &Recording) -> Vec<String> {
    recording.words().into_iter().map(|said| said.word).collect()
}

pub(super) async fn desk(plan: TranscriberPlan) -> Desk {
    desk_with(plan, |_| ()).await
}

pub(super) async fn desk_with(plan: TranscriberPlan, change: impl FnOnce(&mut WhisperSettings)) -> Desk {
    let s3 = harness::s3().await;
    let blob = s3.blob().await;
    desk_at(s3, blob, plan, change).await
}

/// A desk whose worker reaches S3 through `blob`.
pub(super) async fn desk_at(s3: TestS3, blob: Blob, plan: TranscriberPlan, change: impl FnOnce(&mut WhisperSettings)) -> Desk {
    let database = harness::database().await;
    let store = database.store();
    let server = Transcriber::start(plan).await.expect("the transcriber starts");
    let mut settings = WhisperSettings::for_base_url(server.base_url().parse().expect("a URL"));
    settings.api_key = server.api_key().map(|key| key.to_owned().into());
    change(&mut settings);
    let whisper = Arc::new(Whisper::new(settings, Arc::new(SystemClock)).expect("the client is built"));
    let handler = Arc::new(TranscribeHandler::new(recipe(vec![whisper.clone()]), blob.clone()));
    let identity = WorkerIdentity { host: "test".to_owned(), pid: 1, kinds: vec![JobKind::Transcription] };
    let mut connection = store.connection().await.expect("a connection");
    let lease = begin_lease(&mut connection, &identity, LEASE).await.expect("a lease");
    drop(connection);
    Desk {
        database: Arc::new(database),
        store,
        _s3: Arc::new(s3),
        blob,
        server: Arc::new(server),
        handler,
        whisper,
        stop: CancellationToken::new(),
        lease,
    }
}

impl Desk {
    /// The same desk with another worker, which has these prices.
    pub(super) fn with_prices(self, prices: callscribe::config::PriceSettings) -> Self {
        let chain = vec![self.whisper()];
        self.with_chain(chain, TranscribingSettings { prices, ..TranscribingSettings::default() })
    }

    /// The same desk with another worker, which asks these.
    pub(super) fn with_chain(mut self, chain: Vec<Arc<dyn callscribe::asr::Transcriber>>, settings: TranscribingSettings) -> Self {
        self.handler = Arc::new(TranscribeHandler::new(Recipe { settings, ..recipe(chain) }, self.blob.clone()));
        self
    }

    /// The client of the desk's own server.
    pub(super) fn whisper(&self) -> Arc<dyn callscribe::asr::Transcriber> {
        self.whisper.clone()
    }

    /// Puts a call on the desk as the recordings worker leaves it: object stored, row told, job enqueued.
    pub(super) async fn put(&self, recording: &Recording) -> Waiting {
        let (size, sha256) = (recording.size_bytes(), recording.sha256());
        let session = SessionId::parse(format!("call-{}", &sha256[..16])).expect("an id");
        let object_key = format!("test/{session}.wav");
        let mut upload = self.blob.upload(object_key.clone(), callscribe::blob::ObjectDescription::default());
        let mut at = 0;
        while at < size {
            let piece = recording.read(at, PIECE);
            at += u64::try_from(piece.len()).expect("a length");
            upload.push(piece).await.expect("S3 takes a piece");
        }
        upload.finish().await.expect("S3 has the object");
        let id = TranscriptId::of(SourceName::Webex, &session, Leg::Main, 1);
        self.insert(&session, id, &object_key, size, &sha256).await;
        Waiting { id, object_key }
    }

    /// A call whose recording is an object that lies in the bucket.
    pub(super) async fn put_object(&self, object_key: &str) -> Waiting {
        let mut reading = self.blob.get(object_key, None).await.expect("S3 has the object");
        let (mut hash, mut size) = (Sha256::new(), 0);
        while let Some(piece) = reading.bytes.next().await {
            let piece = piece.expect("bytes");
            size += u64::try_from(piece.len()).expect("a length");
            hash.update(&piece);
        }
        let sha256 = hex::encode(hash.finalize());
        let session = SessionId::parse(format!("copy-{}", &sha256[..16])).expect("an id");
        let id = TranscriptId::of(SourceName::Webex, &session, Leg::Main, 1);
        self.insert(&session, id, object_key, size, &sha256).await;
        // another recording than the one it is a copy of
        self.sql(&format!("UPDATE call_recordings SET recording_id = 'copy' WHERE session_id = '{session}'")).await;
        self.sql(&format!("UPDATE call_transcripts SET recording_id = 'copy' WHERE session_id = '{session}'")).await;
        Waiting { id, object_key: object_key.to_owned() }
    }

    /// The same desk with a worker that transcribes and nothing else.
    pub(super) fn with_whisper_alone(&self) -> Self {
        let handler = TranscribeHandler::new(recipe(vec![self.whisper()]), self.blob.clone());
        Self { handler: Arc::new(handler), ..self.clone() }
    }

    /// The next version of a complete transcript, whose job is due.
    pub(super) async fn next_version(&self, of: &Waiting) -> Waiting {
        let mut connection = self.store.connection().await.expect("a connection");
        let versions = next_versions(&mut connection, &[of.id], Asked::TO_COUNT).await.expect("a version");
        let (_, id) = versions[0];
        let sql = format!(
            "UPDATE jobs SET state = 'ready', attempt = 0, finished_at = NULL, run_at = now(), transcript_id = '{}'
             WHERE kind = 'transcription'",
            id.0
        );
        diesel::sql_query(sql).execute(&mut connection).await.expect("the job is due");
        Waiting { id, object_key: of.object_key.clone() }
    }

    /// Runs the one job of upkeep that is due.
    pub(super) async fn keep_house(&self) -> Outcome {
        let job = self.claim_of(JobKind::Upkeep).await;
        let house = callscribe_worker_upkeep::UpkeepHandler::new(Vec::new(), crate::upkeep::house(), Arc::new(SystemClock));
        let (hints, _) = tokio::sync::mpsc::unbounded_channel();
        let context = RunContext { stop: self.stop.clone(), store: self.store.clone(), hints };
        let outcome = house.keeping(Some(self.blob.clone())).run(&job, &context).await;
        if let Outcome::Done(effect) = &outcome {
            let mut connection = self.store.connection().await.expect("a connection");
            finish_with(&mut connection, &job, effect).await.expect("the finish is written");
        }
        outcome
    }

    async fn insert(&self, session: &SessionId, id: TranscriptId, object_key: &str, size: u64, sha256: &str) {
        let mut connection = self.store.connection().await.expect("a connection");
        let statements = [
            "INSERT INTO call_interactions (session_id, source, start_time, closed, transcript_status, raw_payload)
             VALUES ($1, 'webex', now(), true, 'processing', '{}')",
            "INSERT INTO call_recordings (session_id, recording_id, status, object_key, size_bytes, sha256, stored_at)
             VALUES ($1, 'r1', 'stored', $2, $3, $4, now())",
            "INSERT INTO call_transcripts (id, session_id, recording_id, provider, status) VALUES ($5, $1, 'r1', 'whisper', 'downloading')",
        ];
        for statement in statements {
            // every statement sees every parameter, so that one loop serves all three
            let with_all = format!("WITH given AS (SELECT $1::text, $2::text, $3::bigint, $4::text, $5::uuid) {statement}");
            diesel::sql_query(with_all)
                .bind::<sql_types::Text, _>(session.as_str())
                .bind::<sql_types::Text, _>(object_key)
                .bind::<sql_types::BigInt, _>(i64::try_from(size).expect("a size"))
                .bind::<sql_types::Text, _>(sha256)
                .bind::<sql_types::Uuid, _>(id.0)
                .execute(&mut connection)
                .await
                .expect("a row");
        }
        let job =
            NewJob { session_id: Some(session.clone()), transcript_id: Some(id), ..NewJob::new(JobKind::Transcription, session.as_str()) };
        enqueue(&mut connection, &[job]).await.expect("a job");
    }

    /// Claims the one job that is due.
    pub(super) async fn claim(&self) -> Claimed {
        self.claim_of(JobKind::Transcription).await
    }

    async fn claim_of(&self, kind: JobKind) -> Claimed {
        let mut connection = self.store.connection().await.expect("a connection");
        let claimant = Claimant { kind, lease: self.lease, max_attempts: None };
        let claim = claim_due(&mut connection, claimant, 1).await.expect("a claim");
        claim.jobs.into_iter().next().expect("a job is due")
    }

    /// Runs a job to its outcome, which is not written yet.
    pub(super) async fn run(&self, job: &Claimed) -> Outcome {
        let (hints, _) = tokio::sync::mpsc::unbounded_channel();
        let context = RunContext { stop: self.stop.clone(), store: self.store.clone(), hints };
        self.handler.run(job, &context).await
    }

    /// Claims and runs the one job that is due.
    pub(super) async fn outcome(&self) -> Outcome {
        let job = self.claim().await;
        self.run(&job).await
    }

    /// Claims the one job that is due, runs it, and ends it with its effect.
    pub(super) async fn complete(&self) {
        let why = self.step().await;
        assert!(why.is_none(), "not done: {why:?}");
    }

    /// Claims the one job that is due and runs it; ends it with its effect, or says why it is not done.
    pub(super) async fn step(&self) -> Option<Failure> {
        let job = self.claim().await;
        match self.run(&job).await {
            Outcome::Done(effect) => {
                let mut connection = self.store.connection().await.expect("a connection");
                let finished = finish_with(&mut connection, &job, &effect).await.expect("the finish is written");
                assert!(matches!(finished, Finished::Written(_)), "{finished:?}");
                drop(connection);
                self.database.assert_consistent().await;
                None
            }
            Outcome::Later { why, .. } | Outcome::Retry(why) | Outcome::Stop(why) => Some(why),
        }
    }

    /// The transcript's row and its call's status.
    pub(super) async fn row(&self, waiting: &Waiting) -> Row {
        let mut connection = self.store.connection().await.expect("a connection");
        diesel::sql_query(
            "SELECT t.status, c.transcript_status AS call_status, t.transcript_text, t.transcript_json, t.language, t.flags, t.audio_seconds,
                    t.provider_request_id
             FROM call_transcripts t JOIN call_interactions c USING (session_id) WHERE t.id = $1",
        )
        .bind::<sql_types::Uuid, _>(waiting.id.0)
        .get_result(&mut connection)
        .await
        .optional()
        .expect("the row is read")
        .expect("the row is there")
    }

    /// Transactions that somebody else has open in this database now.
    pub(super) async fn open_transactions(&self) -> i64 {
        let open = "SELECT count(*) AS count FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";
        self.count(open).await
    }

    /// The `text` that a query tells.
    pub(super) async fn text(&self, query: &str) -> String {
        let mut connection = self.store.connection().await.expect("a connection");
        let told: Text = diesel::sql_query(query).get_result(&mut connection).await.expect("the text");
        told.text
    }

    /// The `count` that a query tells.
    pub(super) async fn count(&self, query: &str) -> i64 {
        let mut connection = self.store.connection().await.expect("a connection");
        let told: Count = diesel::sql_query(query).get_result(&mut connection).await.expect("the count");
        told.count
    }

    /// Runs one statement.
    pub(super) async fn sql(&self, sql: &str) {
        let mut connection = self.store.connection().await.expect("a connection");
        diesel::sql_query(sql).execute(&mut connection).await.expect("the statement runs");
    }

    /// Requests that carried audio so far.
    pub(super) fn asked(&self) -> usize {
        self.server.requests().to("/v1/audio/transcriptions")
    }
}
