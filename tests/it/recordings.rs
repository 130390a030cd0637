//! The recording worker against a faithful Webex, a real PostgreSQL and a real S3: what becomes of each call, whatever happens
//! on the way.

mod anew;
mod forms;
mod legs;
mod storage;

use std::{sync::Arc, time::Duration};

use callscribe::{
    blob::Blob,
    clock::SystemClock,
    config::{DownloadHosts, EncryptionKey, RecordingSettings, VaultSettings, WebexAccess, WebexSettings},
    domain::{JobKind, Leg, LegPolicy, OrgId, PRIORITY_BACKFILL, Reason, SessionId, SourceName, TranscriptId},
    ledger::{
        Claimant, Claimed, Handler, NewJob, Next, Outcome, RunContext, Setback, WorkerIdentity, begin_lease, claim_due, enqueue,
        finish_setbacks, finish_with,
    },
    sources::{Source, webex::Webex as WebexSource},
    store::Store,
};
use callscribe_simulators::{
    When,
    speech::{DataSize, Shape},
    webex::{CallSpec, Fault, Webex, WebexPlan},
};
use callscribe_worker_recordings::RecordingHandler;
use diesel::{QueryableByName, sql_types};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use tokio_util::sync::CancellationToken;

use crate::harness::{self, BUCKET, TestDatabase, TestS3};

const SEED: u64 = 7;
const LARGEST_BYTES: u64 = 50_000_000;

/// A worker with everything around it.
struct Stage {
    database: TestDatabase,
    s3: TestS3,
    blob: Blob,
    webex: Webex,
    handler: RecordingHandler,
    context: RunContext,
}

/// What a run came to, and what the ledger and the call show of it.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    word: &'static str,
    reason: Option<Reason>,
}

impl Stage {
    async fn with(calls: Vec<CallSpec>) -> Self {
        Self::built(WebexPlan::new(SEED, calls), LARGEST_BYTES).await
    }

    async fn built(plan: WebexPlan, largest_bytes: u64) -> Self {
        Self::staged(plan, largest_bytes, LegPolicy::main_only()).await
    }

    async fn staged(plan: WebexPlan, largest_bytes: u64, legs: LegPolicy) -> Self {
        let (database, s3) = (harness::database().await, harness::s3().await);
        let (store, blob) = (database.store(), s3.blob().await);
        let webex = Webex::start(plan).await.unwrap();
        let source = source(&webex, &store).await;
        let settings = RecordingSettings { poll_schedule: vec![Duration::from_secs(30), Duration::from_mins(2)], legs, vendor_keeps: None };
        let handler = RecordingHandler::new([source], blob.clone(), settings, largest_bytes, Arc::new(SystemClock));
        let handler = handler.transcribing_legs_by("whisper");
        let (hints, _) = tokio::sync::mpsc::unbounded_channel();
        let context = RunContext { stop: CancellationToken::new(), store, hints };
        let stage = Self { database, s3, blob, webex, handler, context };
        stage.expect_recordings().await;
        stage
    }

    /// What sync writes for every call of the simulator.
    async fn expect_recordings(&self) {
        let mut connection = self.context.store.connection().await.unwrap();
        for truth in self.webex.truth() {
            let session = SessionId::parse(truth.session_id.to_string()).unwrap();
            let transcript = TranscriptId::of(SourceName::Webex, &session, Leg::Main, 1);
            diesel::sql_query(
                "WITH call AS (INSERT INTO call_interactions (session_id, source, org_id, start_time, closed, raw_payload, transcript_status)
                               VALUES ($1, 'webex', $2, '2026-03-09T23:59:59Z', true, '{}', 'pending') RETURNING session_id)
                 INSERT INTO call_transcripts (id, session_id, provider) SELECT $3, session_id, 'whisper' FROM call",
            )
            .bind::<sql_types::Text, _>(session.as_str())
            .bind::<sql_types::Text, _>(self.webex.org_id().to_string())
            .bind::<sql_types::Uuid, _>(transcript.0)
            .execute(&mut connection)
            .await
            .unwrap();
            let job = NewJob {
                priority: PRIORITY_BACKFILL,
                source: Some(SourceName::Webex),
                session_id: Some(session.clone()),
                transcript_id: Some(transcript),
                ..NewJob::new(JobKind::Recording, session.as_str())
            };
            enqueue(&mut connection, &[job]).await.unwrap();
        }
    }

    async fn claim(&self) -> Claimed {
        self.claim_of(JobKind::Recording).await
    }

    async fn claim_of(&self, kind: JobKind) -> Claimed {
        let mut connection = self.context.store.connection().await.unwrap();
        let identity = WorkerIdentity { host: "test".to_owned(), pid: 1, kinds: vec![kind] };
        let lease = begin_lease(&mut connection, &identity, Duration::from_mins(10)).await.unwrap();
        let claimant = Claimant { kind, lease, max_attempts: None };
        let mut claim = claim_due(&mut connection, claimant, 1).await.unwrap();
        claim.jobs.pop().expect("a job is due")
    }

    /// One run of the one job that is due, finished as the runner does.
    async fn run(&self) -> Ended {
        let job = self.claim().await;
        let outcome = self.handler.run(&job, &self.context).await;
        self.finish(&job, outcome).await
    }

    async fn finish(&self, job: &Claimed, outcome: Outcome) -> Ended {
        let mut connection = self.context.store.connection().await.unwrap();
        let (word, next, failure) = match outcome {
            Outcome::Done(effect) => {
                finish_with(&mut connection, job, &effect).await.unwrap();
                return Ended { word: "done", reason: None };
            }
            Outcome::Later { wait, why } => ("later", Next::Later(wait), why),
            Outcome::Retry(failure) => ("retry", Next::Again(Duration::ZERO), failure),
            Outcome::Stop(failure) => ("stop", Next::Dead, failure),
        };
        let setback =
            Setback { id: job.id, run: job.run, next, reason: failure.reason, error: failure.chain(), vendor: failure.vendor.clone() };
        assert!(!failure.chain().contains("X-Amz-"), "a link in an error: {}", failure.chain());
        finish_setbacks(&mut connection, job.lease, &[setback]).await.unwrap();
        Ended { word, reason: Some(failure.reason) }
    }

    async fn objects(&self) -> Vec<String> {
        let listed = self.s3.client().list_objects_v2().bucket(BUCKET).send().await.unwrap();
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }

    async fn no_parts_are_left(&self) {
        self.blob.settle(Duration::from_secs(10)).await;
        assert_eq!(self.s3.client().list_multipart_uploads().bucket(BUCKET).send().await.unwrap().uploads().len(), 0);
        self.database.assert_consistent().await;
    }

    async fn transcript_status(&self) -> String {
        self.text("SELECT status || '/' || (SELECT transcript_status FROM call_interactions LIMIT 1) AS text FROM call_transcripts").await
    }

    async fn sql(&self, sql: &str) {
        let mut connection = self.context.store.connection().await.unwrap();
        diesel::sql_query(sql).execute(&mut connection).await.unwrap();
    }

    async fn text(&self, query: &str) -> String {
        let mut connection = self.context.store.connection().await.unwrap();
        let row: Text = diesel::sql_query(query).get_result(&mut connection).await.unwrap();
        row.text
    }
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = sql_types::Text)]
    text: String,
}

async fn source(webex: &Webex, store: &Store) -> Arc<dyn Source> {
    let settings = WebexSettings {
        access: WebexAccess::Refreshed {
            client_id: webex.credentials().client_id.clone(),
            client_secret: webex.credentials().client_secret.clone().into(),
            refresh_token: Some(webex.credentials().refresh_token.clone().into()),
            vault: VaultSettings { key: EncryptionKey::new([7; 32]), previous: None },
        },
        org_id: OrgId::parse(webex.org_id().to_string()).unwrap(),
        base_url: webex.base_url().parse().unwrap(),
        token_url: webex.token_url().parse().unwrap(),
        tasks_path: "v1/tasks".to_owned(),
        page_size: 1000,
        settle: Duration::ZERO,
        timeout: Duration::from_secs(10),
        budget_per_minute: 100_000,
        case_numbers: callscribe::config::CaseNumberSettings::default(),
        download_hosts: DownloadHosts::new(["127.0.0.1"]),
        network: callscribe::config::NetworkSettings::default(),
        warnings: Vec::new(),
    };
    Arc::new(WebexSource::new(&settings, store, &harness::hints().await, Arc::new(SystemClock)).unwrap())
}

fn call() -> CallSpec {
    CallSpec::ago(Duration::from_hours(1))
}

const fn done() -> Ended {
    Ended { word: "done", reason: None }
}

const fn ended(word: &'static str, reason: Reason) -> Ended {
    Ended { word, reason: Some(reason) }
}

#[tokio::test]
async fn a_recording_is_stored_byte_for_byte_and_its_transcription_enqueued() {
    let stage = Stage::with(vec![call()]).await;
    let truth = stage.webex.truth_at(0).unwrap();
    assert_eq!(stage.run().await, done());
    let (session, recording) = (truth.session_id, truth.recording_id.unwrap());
    let key = format!("source=webex/org={}/year=2026/month=03/day=09/{session}/{recording}.wav", stage.webex.org_id());
    assert_eq!(stage.objects().await, [key.replace(".wav", ".json"), key.clone()]);
    let row = stage
        .text("SELECT status || ' ' || object_key || ' ' || sha256 || ' ' || size_bytes || ' ' || codec AS text FROM call_recordings")
        .await;
    let (sha256, size) = (truth.sha256().unwrap(), truth.size_bytes().unwrap());
    assert_eq!(row, format!("stored {key} {sha256} {size} mulaw"));
    let url = stage.text("SELECT audio_url || ' ' || recording_id AS text FROM call_transcripts").await;
    assert_eq!(url, format!("s3://{BUCKET}/{key} {recording}"));
    assert_eq!(stage.text("SELECT recording_id AS text FROM call_interactions").await, recording.to_string());
    let next = stage.text("SELECT kind || ' ' || key || ' ' || priority || ' ' || (transcript_id = (SELECT id FROM call_transcripts)) AS text FROM jobs WHERE kind = 'transcription'").await;
    assert_eq!(next, format!("transcription {session} {PRIORITY_BACKFILL} true"));
    assert_eq!(stage.transcript_status().await, "downloading/processing");
    stage.no_parts_are_left().await;
}

#[tokio::test]
async fn the_document_beside_the_audio_holds_no_phone_number_and_no_link() {
    let plan = WebexPlan::new(SEED, vec![call()]).with(Fault::UnmaskedParticipants, When::Always);
    let stage = Stage::built(plan, LARGEST_BYTES).await;
    stage.run().await;
    let truth = stage.webex.truth_at(0).unwrap();
    let key = stage.objects().await.into_iter().find(|key| key.ends_with(".json")).unwrap();
    let document: serde_json::Value = stage.blob.get_json(&key).await.unwrap().unwrap();
    assert_eq!(document["sha256"], truth.sha256().unwrap());
    assert_eq!(document["codec"], "mulaw");
    let text = document.to_string();
    for secret in [truth.ani.as_str(), truth.dnis.as_str(), "X-Amz", "http"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn the_same_call_twice_is_one_object_copied_once() {
    let stage = Stage::with(vec![call()]).await;
    stage.run().await;
    let downloads = || stage.webex.requests().count(|request| request.path.starts_with("/recordings/"));
    let before = (stage.objects().await, downloads());
    again(&stage).await;
    assert_eq!(stage.run().await, done());
    assert_eq!((stage.objects().await, downloads()), before, "it was downloaded again");
    // an object that somebody replaced is copied anew
    let audio = before.0.iter().find(|key| key.ends_with(".wav")).unwrap();
    stage.s3.client().put_object().bucket(BUCKET).key(audio).body(b"other".to_vec().into()).send().await.unwrap();
    again(&stage).await;
    assert_eq!(stage.run().await, done());
    assert_eq!(downloads(), before.1 + 1);
    assert_eq!(stage.blob.head(audio).await.unwrap().unwrap().size, stage.webex.truth_at(0).unwrap().size_bytes().unwrap());
    assert_eq!(stage.text("SELECT count(*)::text AS text FROM jobs WHERE kind = 'transcription'").await, "1");
}

/// The vendor's support asks for the id of a request that said "nothing", too: it is stored, and shown to people.
async fn every_answer_of_nothing_can_be_traced(stage: &Stage, runs: usize) {
    let traced = "SELECT string_agg(vendor_status || ' ' || vendor_request, ',' ORDER BY run) AS text FROM job_attempts";
    let traced = stage.text(traced).await;
    let traced: Vec<&str> = traced.split(',').collect();
    assert_eq!(traced.len(), runs, "{traced:?}");
    let job = stage.text("SELECT id::text AS text FROM jobs WHERE kind = 'recording'").await;
    let mut command = crate::cli::callscribe(&["jobs", "show", &job]);
    command.env("DATABASE_URL", stage.database.url());
    let shown = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    for trace in traced {
        let (status, request) = trace.split_once(' ').unwrap();
        assert_eq!(status, "200");
        assert!(shown.contains(&format!("vendor: HTTP 200, request id {request}\n")), "{request} is not shown:\n{shown}");
    }
}

/// The job is due again, as after a crash between its effect and its end.
async fn again(stage: &Stage) {
    let mut connection = stage.context.store.connection().await.unwrap();
    diesel::sql_query("UPDATE jobs SET state = 'ready', run_at = now(), finished_at = NULL WHERE kind = 'recording'")
        .execute(&mut connection)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_recording_that_is_not_ready_is_waited_for_on_the_schedule_and_then_there_is_none() {
    let stage = Stage::built(WebexPlan::new(SEED, vec![call()]).with(Fault::NeverRecorded, When::Always), LARGEST_BYTES).await;
    for _ in 0..2 {
        assert_eq!(stage.run().await, ended("later", Reason::RecordingNotReady));
        assert_eq!(stage.transcript_status().await, "pending/pending");
        again(&stage).await;
    }
    assert_eq!(stage.run().await, ended("stop", Reason::NoRecording));
    every_answer_of_nothing_can_be_traced(&stage, 3).await;
    assert_eq!(stage.transcript_status().await, "error/error");
    assert_eq!(stage.text("SELECT error_code AS text FROM call_transcripts").await, "no_recording");
}

#[tokio::test]
async fn waiting_for_storage_does_not_use_up_the_patience_for_the_recording() {
    let plan = WebexPlan::new(SEED, vec![call()]).with(Fault::NotReadyFor { polls: 1 }, When::Always);
    let stage = Stage::built(plan, LARGEST_BYTES).await;
    assert_eq!(stage.run().await, ended("later", Reason::RecordingNotReady));
    let Stage { s3, .. } = &stage;
    let down = Blob::connect(&crate::harness::settings("http://127.0.0.1:1")).await;
    let _ = s3;
    again(&stage).await;
    let job = stage.claim().await;
    let settings = RecordingSettings { poll_schedule: vec![Duration::from_secs(30)], legs: LegPolicy::main_only(), vendor_keeps: None };
    let source = source(&stage.webex, &stage.context.store).await;
    let without_storage = RecordingHandler::new([source], down, settings, LARGEST_BYTES, Arc::new(SystemClock));
    let outcome = without_storage.run(&job, &stage.context).await;
    assert_eq!(stage.finish(&job, outcome).await, ended("later", Reason::StorageUnavailable));
    assert_eq!(stage.text("SELECT count(*)::text AS text FROM call_recordings WHERE status = 'stored'").await, "0");
    again(&stage).await;
    assert_eq!(stage.run().await, done());
}

#[tokio::test]
async fn a_download_that_breaks_off_is_taken_up_where_it_ended() {
    for fault in [Fault::TruncatedBody, Fault::ResetMidStream] {
        let stage = Stage::built(WebexPlan::new(SEED, vec![call()]).with(fault, When::First(2)), LARGEST_BYTES).await;
        assert_eq!(stage.run().await, done());
        let truth = stage.webex.truth_at(0).unwrap();
        assert_eq!(stage.text("SELECT sha256 AS text FROM call_recordings").await, truth.sha256().unwrap());
        let resumed = stage.webex.requests().count(|request| request.status == 206);
        assert_eq!(resumed, 2);
    }
}

#[tokio::test]
async fn what_is_no_recording_is_never_stored_and_each_kind_has_its_reason() {
    let faults = [
        (Fault::HtmlInsteadOfWav, Reason::NotAudio),
        (Fault::ZeroBytes, Reason::RecordingEmpty),
        (Fault::WrongLength, Reason::RecordingTruncated),
        (Fault::TruncatedBody, Reason::RecordingTruncated),
        (Fault::NoSuchKey, Reason::RecordingPurged),
        (Fault::SlowDown503, Reason::VendorUnavailable),
    ];
    for (fault, reason) in faults {
        let stage = Stage::built(WebexPlan::new(SEED, vec![call()]).with(fault.clone(), When::Always), LARGEST_BYTES).await;
        assert_eq!(stage.run().await, ended("retry", reason), "{fault:?}");
        assert_eq!(stage.objects().await, Vec::<String>::new(), "{fault:?}");
        stage.no_parts_are_left().await;
        stage.webex.faults().clear();
        again(&stage).await;
        assert_eq!(stage.run().await, done(), "{fault:?}");
    }
}

#[tokio::test]
async fn an_ended_link_is_replaced_by_a_fresh_one_and_costs_no_attempt() {
    let stage = Stage::built(WebexPlan::new(SEED, vec![call()]).with(Fault::LinkExpires, When::First(2)), LARGEST_BYTES).await;
    assert_eq!(stage.run().await, done());
    let stage = Stage::built(WebexPlan::new(SEED, vec![call()]).with(Fault::LinkExpires, When::Always), LARGEST_BYTES).await;
    assert_eq!(stage.run().await, ended("later", Reason::LinkExpired));
}

#[tokio::test]
async fn a_recording_over_the_limit_is_refused_before_it_is_fetched_whole() {
    for fault in [None, Some(Fault::ChunkedNoLength)] {
        let mut plan = WebexPlan::new(SEED, vec![call()]);
        plan.faults.extend(fault.map(|fault| (fault, When::Always)));
        let stage = Stage::built(plan, 1000).await;
        assert_eq!(stage.run().await, ended("stop", Reason::RecordingTooLarge));
        assert_eq!(stage.objects().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_call_is_stored_and_its_consultation_only_noted() {
    let stage = Stage::built(WebexPlan::new(SEED, vec![call()]).with(Fault::SeveralLegs, When::Always), LARGEST_BYTES).await;
    assert_eq!(stage.run().await, done());
    let rows = stage.text("SELECT string_agg(leg || ':' || status, ' ' ORDER BY leg, status) AS text FROM call_recordings").await;
    assert_eq!(rows, "consult:skipped main:skipped main:skipped main:stored");
    let truth = stage.webex.truth_at(0).unwrap();
    assert_eq!(stage.text("SELECT sha256 AS text FROM call_recordings WHERE status = 'stored'").await, truth.sha256().unwrap());
}

#[tokio::test]
async fn a_streamed_header_and_a_file_without_length_are_taken_and_the_header_flagged() {
    let shape = Shape { data_size: DataSize::Max, ..Shape::PCM };
    let plan = WebexPlan::new(SEED, vec![CallSpec { shape, ..call() }]).with(Fault::ChunkedNoLength, When::Always);
    let stage = Stage::built(plan, LARGEST_BYTES).await;
    assert_eq!(stage.run().await, done());
    assert_eq!(stage.text("SELECT codec || ' ' || array_to_string(flags, ',') AS text FROM call_recordings").await, "pcm streamed_header");
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_writes_nothing_in_the_database() {
    let stage = Stage::with(vec![call()]).await;
    let job = stage.claim().await;
    let mut connection = stage.context.store.connection().await.unwrap();
    diesel::sql_query("UPDATE jobs SET run = run + 1").execute(&mut connection).await.unwrap();
    drop(connection);
    let outcome = stage.handler.run(&job, &stage.context).await;
    assert!(matches!(outcome, Outcome::Retry(ref failure) if failure.reason == Reason::LeaseLost), "{outcome:?}");
    assert_eq!(stage.transcript_status().await, "pending/pending");
    assert_eq!(stage.text("SELECT count(*)::text AS text FROM call_recordings").await, "0");
}

#[tokio::test]
async fn a_recording_that_retention_deleted_is_not_fetched_again() {
    let stage = Stage::with(vec![call()]).await;
    assert_eq!(stage.run().await, done());
    for key in stage.objects().await {
        stage.blob.delete(&key).await.unwrap();
    }
    stage.sql("UPDATE call_recordings SET status = 'deleted', deleted_at = now()").await;
    again(&stage).await;
    assert_eq!(stage.run().await, ended("stop", Reason::AudioDeleted));
    assert_eq!(stage.objects().await, [""; 0]);
    assert_eq!(stage.text("SELECT status AS text FROM call_recordings").await, "deleted");
}

#[tokio::test]
async fn a_copy_that_is_asked_for_while_the_audio_is_being_deleted_waits_and_is_told() {
    let stage = Stage::with(vec![call()]).await;
    assert_eq!(stage.run().await, done());
    again(&stage).await;
    let mut retention = stage.context.store.connection().await.unwrap();
    retention.batch_execute("BEGIN; UPDATE call_recordings SET status = 'deleting'").await.unwrap();
    let waiting = "SELECT count(*)::text AS text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let (outcome, ()) = tokio::join!(stage.run(), async {
        harness::eventually("it waits for the decision", async || stage.text(waiting).await == "1").await;
        retention.batch_execute("COMMIT").await.unwrap();
    });
    assert_eq!(outcome, ended("stop", Reason::AudioDeleted));
}
