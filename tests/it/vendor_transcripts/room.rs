//! A simulated Webex and a transcriber, both on one clock that stands, with the workers between them and what they leave behind.

use std::{sync::Arc, time::Duration};

use callscribe::{
    asr::{Transcriber, whisper::Whisper},
    blob::Blob,
    clock::SystemClock,
    config::{RecordingSettings, WhisperSettings},
    domain::{JobKind, LegPolicy, Reason, SourceName, TranscriptId},
    ledger::{
        Claimant, Claimed, Handler, NewJob, Next, Outcome, RunContext, Setback, WorkerIdentity, begin_lease, claim_due, enqueue,
        finish_setbacks, finish_with,
    },
    sources::Source,
    store::Store,
    transcript::Document,
};
use callscribe_simulators::{
    SimulatedClock, When,
    transcriber::{Profile, Transcriber as Server, TranscriberPlan},
    webex::{CallSpec, CallTruth, Fault, WebexPlan},
};
use callscribe_worker_recordings::RecordingHandler;
use callscribe_worker_transcribe::{Recipe, TranscribeHandler, VendorTranscripts};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{self, TestS3},
    transcribe::desk::recipe,
    webex::Office,
};

/// How long the vendor's own transcript is waited for.
pub(super) const WAIT: Duration = Duration::from_hours(6);
const LARGEST_BYTES: u64 = 50_000_000;

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    Later(Reason, Duration),
    Retry(Reason),
    Stop(Reason),
}

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Webex,
    WebexThenWhisper,
}

pub(super) struct Room {
    pub(super) office: Office,
    _s3: TestS3,
    pub(super) blob: Blob,
    server: Server,
    pub(super) store: Store,
    order: Order,
    legs: LegPolicy,
}

#[derive(Debug, QueryableByName)]
pub(super) struct Row {
    #[diesel(sql_type = sql_types::Text)]
    pub(super) status: String,
    #[diesel(sql_type = sql_types::Text)]
    pub(super) call_status: String,
    #[diesel(sql_type = sql_types::Text)]
    pub(super) provider: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub(super) transcript_text: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Jsonb>)]
    transcript_json: Option<serde_json::Value>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub(super) language: Option<String>,
    #[diesel(sql_type = sql_types::Array<sql_types::Text>)]
    pub(super) flags: Vec<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub(super) error_code: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub(super) error_message: Option<String>,
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = sql_types::Text)]
    text: String,
}

impl Row {
    pub(super) fn document(&self) -> Document {
        let json = self.transcript_json.clone().expect("a complete transcript has its document");
        callscribe::transcript::read(&json).expect("it reads back")
    }
}

/// A call that ended ten minutes ago and has a transcript by Webex.
pub(super) fn call() -> CallSpec {
    CallSpec::ago(Duration::from_mins(10)).speaking(Duration::from_secs(25)).transcribed()
}

impl Room {
    /// A room with one call whose recording is stored.
    pub(super) async fn with(faults: impl IntoIterator<Item = Fault>, order: Order) -> Self {
        Self::of(call(), faults, order, LegPolicy::main_only()).await
    }

    pub(super) async fn of(call: CallSpec, faults: impl IntoIterator<Item = Fault>, order: Order, legs: LegPolicy) -> Self {
        let clock = SimulatedClock::standing("2026-06-01T12:00:00Z".parse().unwrap());
        let plan = WebexPlan { clock, ..WebexPlan::new(7, vec![call]) };
        let plan = faults.into_iter().fold(plan, |plan, fault| plan.with(fault, When::Always));
        let (office, s3) = (Office::open(plan).await, harness::s3().await);
        let blob = s3.blob().await;
        let server = Server::start(TranscriberPlan::new(Profile::OpenAi)).await.unwrap();
        let store = office.database.store();
        let room = Self { office, _s3: s3, blob, server, store, order, legs };
        room.expect_the_call().await;
        assert_eq!(room.run(JobKind::Recording).await, Ended::Done);
        room
    }

    pub(super) fn truth(&self) -> CallTruth {
        self.office.vendor.truth_at(0).unwrap()
    }

    /// What sync writes of the call.
    async fn expect_the_call(&self) {
        let (truth, session) = (self.truth(), self.office.session(0));
        let id = TranscriptId::of(SourceName::Webex, &session, callscribe::domain::Leg::Main, 1);
        let mut connection = self.store.connection().await.unwrap();
        diesel::sql_query(
            "WITH call AS (INSERT INTO call_interactions (session_id, source, start_time, end_time, end_time_source, closed, raw_payload, transcript_status)
                           VALUES ($1, 'webex', $2, $3, 'last_updated', true, '{}', 'pending') RETURNING session_id)
             INSERT INTO call_transcripts (id, session_id, provider) SELECT $4, session_id, 'webex' FROM call",
        )
        .bind::<sql_types::Text, _>(session.as_str())
        .bind::<sql_types::Timestamptz, _>(truth.start_time)
        .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(truth.end_time)
        .bind::<sql_types::Uuid, _>(id.0)
        .execute(&mut connection)
        .await
        .unwrap();
        let job = NewJob {
            source: Some(SourceName::Webex),
            session_id: Some(session.clone()),
            transcript_id: Some(id),
            ..NewJob::new(JobKind::Recording, session.as_str())
        };
        enqueue(&mut connection, &[job]).await.unwrap();
    }

    /// A worker that remembers nothing, as after a crash.
    fn handler(&self, kind: JobKind) -> Box<dyn Handler> {
        let source: Arc<dyn Source> = self.office.process();
        if kind == JobKind::Recording {
            let settings = RecordingSettings { poll_schedule: vec![Duration::from_secs(30)], legs: self.legs.clone(), vendor_keeps: None };
            let handler = RecordingHandler::new([source], self.blob.clone(), settings, LARGEST_BYTES, Arc::new(SystemClock));
            return Box::new(handler.transcribing_legs_by("whisper"));
        }
        let mut settings = WhisperSettings::for_base_url(self.server.base_url().parse().unwrap());
        settings.api_key = self.server.api_key().map(|key| key.to_owned().into());
        let whisper: Arc<dyn Transcriber> = Arc::new(Whisper::new(settings, Arc::new(SystemClock)).unwrap());
        let vendor = VendorTranscripts::new([source], WAIT, self.office.clock());
        let chain = if self.order == Order::WebexThenWhisper { vec![whisper] } else { Vec::new() };
        Box::new(TranscribeHandler::new(Recipe { vendor: Some(vendor), ..recipe(chain) }, self.blob.clone()))
    }

    pub(super) async fn claim(&self, kind: JobKind) -> Claimed {
        let mut connection = self.store.connection().await.unwrap();
        let identity = WorkerIdentity { host: "test".to_owned(), pid: 1, kinds: vec![kind] };
        let lease = begin_lease(&mut connection, &identity, Duration::from_mins(10)).await.unwrap();
        let mut claim = claim_due(&mut connection, Claimant { kind, lease, max_attempts: None }, 1).await.unwrap();
        claim.jobs.pop().expect("a job is due")
    }

    /// Runs a job to its outcome, which is not written yet.
    pub(super) async fn outcome(&self, job: &Claimed) -> Outcome {
        let (hints, _) = tokio::sync::mpsc::unbounded_channel();
        let context = RunContext { stop: CancellationToken::new(), store: self.store.clone(), hints };
        self.handler(job.kind).run(job, &context).await
    }

    /// One run of the one job of a kind that is due, finished as the runner does.
    pub(super) async fn run(&self, kind: JobKind) -> Ended {
        let job = self.claim(kind).await;
        let outcome = self.outcome(&job).await;
        let mut connection = self.store.connection().await.unwrap();
        let (ended, next, failure) = match outcome {
            Outcome::Done(effect) => {
                finish_with(&mut connection, &job, &effect).await.unwrap();
                self.office.database.assert_consistent().await;
                return Ended::Done;
            }
            Outcome::Later { wait, why } => (Ended::Later(why.reason, wait), Next::Later(wait), why),
            Outcome::Retry(why) => (Ended::Retry(why.reason), Next::Again(Duration::ZERO), why),
            Outcome::Stop(why) => (Ended::Stop(why.reason), Next::Dead, why),
        };
        assert!(!failure.chain().contains("X-Amz-"), "a link in an error: {}", failure.chain());
        let setback = Setback { id: job.id, run: job.run, next, reason: failure.reason, error: failure.chain(), vendor: failure.vendor };
        finish_setbacks(&mut connection, job.lease, &[setback]).await.unwrap();
        self.office.database.assert_consistent().await;
        ended
    }

    pub(super) async fn transcribe(&self) -> Ended {
        self.run(JobKind::Transcription).await
    }

    /// The clock of the vendor and of the workers moves, and jobs that waited are due.
    pub(super) async fn later(&self, by: Duration) {
        self.office.vendor.clock().advance(by);
        self.sql("UPDATE jobs SET run_at = now() WHERE state = 'ready'").await;
    }

    pub(super) async fn sql(&self, sql: &str) {
        let mut connection = self.store.connection().await.unwrap();
        diesel::sql_query(sql).execute(&mut connection).await.unwrap();
    }

    pub(super) async fn text(&self, query: &str) -> String {
        let mut connection = self.store.connection().await.unwrap();
        let row: Text = diesel::sql_query(query).get_result(&mut connection).await.unwrap();
        row.text
    }

    pub(super) async fn row(&self) -> Row {
        self.row_of("main").await
    }

    pub(super) async fn row_of(&self, leg: &str) -> Row {
        let mut connection = self.store.connection().await.unwrap();
        diesel::sql_query(
            "SELECT t.status, c.transcript_status AS call_status, t.provider, t.transcript_text, t.transcript_json, t.language, t.flags,
                    t.error_code, t.error_message
             FROM call_transcripts t JOIN call_interactions c USING (session_id) WHERE t.leg = $1",
        )
        .bind::<sql_types::Text, _>(leg)
        .get_result(&mut connection)
        .await
        .unwrap()
    }

    /// The vendor's own file as the bucket has it.
    pub(super) async fn vendor_file(&self, key: &str) -> Vec<u8> {
        use futures_util::TryStreamExt;
        self.blob.get(key, None).await.unwrap().bytes.try_collect::<Vec<_>>().await.unwrap().concat()
    }

    /// Recordings that were paid for.
    pub(super) fn paid(&self) -> usize {
        self.server.requests().to("/v1/audio/transcriptions")
    }

    /// Files of transcripts that were fetched.
    pub(super) fn fetched(&self) -> usize {
        self.office.vendor.requests().count(|request| request.path.ends_with("ranscript.json"))
    }
}
