//! A bucket and a database with calls of several queues and ages, and the worker that keeps them.

use std::{sync::Arc, time::Duration};

use callscribe::{
    blob::{Blob, ObjectDescription},
    clock::SystemClock,
    config::{Ages, RetentionSettings},
    domain::JobKind,
    ledger::{self, Claimant, Claimed, Handler, NewJob, Outcome, RunContext, WorkerIdentity},
    store::{
        Store,
        retention::{AgedAudio, PlannedDeletion, deletions},
    },
};
use callscribe_worker_upkeep::{House, UpkeepHandler};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{self, BUCKET, TestDatabase, TestS3},
    ledger::{execute, number},
};

pub(super) const DAY: Duration = Duration::from_hours(24);

pub(super) struct Archive {
    pub(super) database: TestDatabase,
    pub(super) store: Store,
    pub(super) s3: TestS3,
    pub(super) blob: Blob,
}

/// Thirty days, ninety for `Sales`, for ever for `Legal`, from the first day on.
pub(super) fn policy() -> RetentionSettings {
    let queues = vec![("Sales".to_owned(), Some(90 * DAY)), ("Legal".to_owned(), None)];
    RetentionSettings { audio: Ages { others: Some(30 * DAY), queues }, notice: Duration::ZERO, ..RetentionSettings::default() }
}

/// The three objects of a call's recording.
pub(super) fn keys(session: &str) -> [String; 3] {
    ["r.json", "r.transcript-0123456789abcdef.json", "r.wav"].map(|key| format!("{session}/{key}"))
}

/// The same as they are written down.
pub(super) fn planned(session: &str) -> [PlannedDeletion; 3] {
    keys(session).map(|object_key| PlannedDeletion {
        what: if object_key.ends_with(".wav") { "audio" } else { "sidecar" },
        object_key,
        size_bytes: Some(4),
        sha256: None,
    })
}

impl Archive {
    pub(super) async fn new() -> Self {
        let (database, s3) = (harness::database().await, harness::s3().await);
        let (store, blob) = (database.store(), s3.blob().await);
        Self { database, store, s3, blob }
    }

    /// A call whose recording was stored so many days ago, with the documents beside it.
    pub(super) async fn call(&self, session: &str, queue: Option<&str>, days: u32) {
        self.row(session, queue, days).await;
        for key in ["r.wav", "r.json", "r.transcript-0123456789abcdef.json", "r2.wav"] {
            self.put(&format!("{session}/{key}")).await;
        }
    }

    /// The same without its objects.
    pub(super) async fn row(&self, session: &str, queue: Option<&str>, days: u32) {
        let queue = queue.map_or("NULL".to_owned(), |queue| format!("'{queue}'"));
        execute(
            &self.store,
            &format!(
                "WITH call AS (INSERT INTO call_interactions (session_id, source, org_id, queue_name, start_time, closed, capture_requested, raw_payload)
                               VALUES ('{session}', 'webex', 'org-1', {queue}, now() - interval '{days} days', true, true, '{{}}') RETURNING session_id)
                 INSERT INTO call_recordings (session_id, recording_id, status, object_key, size_bytes, sha256, stored_at)
                 SELECT session_id, 'r', 'stored', session_id || '/r.wav', 4, repeat('a', 64), now() - interval '{days} days' FROM call"
            ),
        )
        .await;
    }

    /// The call's transcript, as it stands.
    pub(super) async fn transcript(&self, session: &str, status: &str) {
        let (text, reason) = match status {
            "complete" => ("'text', '{}', now()", "NULL"),
            "error" => ("NULL, NULL, NULL", "'provider_unavailable'"),
            _ => ("NULL, NULL, NULL", "NULL"),
        };
        execute(
            &self.store,
            &format!(
                "INSERT INTO call_transcripts (id, session_id, provider, recording_id, status, transcript_text, transcript_json, completed_at, error_code)
                 SELECT gen_random_uuid(), '{session}', 'whisper', 'r', '{status}', {text}, {reason}"
            ),
        )
        .await;
    }

    pub(super) async fn put(&self, key: &str) {
        let mut upload = self.blob.upload(key, ObjectDescription::default());
        upload.push(bytes::Bytes::from_static(b"abcd")).await.unwrap();
        upload.finish().await.unwrap();
    }

    /// Objects of a call; the recording whose name merely begins the same is none of it.
    pub(super) async fn objects_of(&self, session: &str) -> usize {
        let listed = self.s3.client().list_objects_v2().bucket(BUCKET).send().await.unwrap();
        let objects: Vec<_> = listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect();
        assert!(objects.contains(&format!("{session}/r2.wav")), "another recording's object is gone");
        objects.iter().filter(|key| key.starts_with(&format!("{session}/r."))).count()
    }

    pub(super) async fn status(&self, session: &str) -> String {
        for status in ["stored", "deleting", "deleted"] {
            let sql = format!("SELECT count(*) FROM call_recordings WHERE session_id = '{session}' AND status = '{status}'");
            if number(&self.store, &sql).await == 1 {
                return status.to_owned();
            }
        }
        "none".to_owned()
    }

    /// What became of a call: the status of its recording, and its objects.
    pub(super) async fn fate(&self, session: &str) -> (String, usize) {
        (self.status(session).await, self.objects_of(session).await)
    }

    /// Keys of the objects that are proven to be deleted, once for each proof.
    pub(super) async fn proven(&self) -> Vec<String> {
        let rows = deletions(&mut self.store.connection().await.unwrap(), None, 1_000).await.unwrap();
        let mut keys: Vec<_> = rows.into_iter().filter(|row| row.deleted_at.is_some()).map(|row| row.object_key).collect();
        keys.sort();
        keys
    }

    pub(super) async fn under_way(&self) -> i64 {
        number(&self.store, "SELECT count(*) FROM deletions WHERE deleted_at IS NULL").await
    }

    pub(super) async fn claim(&self) -> Claimed {
        let mut connection = self.store.connection().await.unwrap();
        let payload = json!({ "task": "retention" });
        let job = NewJob { payload, ..NewJob::new(JobKind::Upkeep, format!("retention/{}", uuid::Uuid::new_v4())) };
        ledger::enqueue(&mut connection, &[job]).await.unwrap();
        let worker = WorkerIdentity { host: "test".to_owned(), pid: 1, kinds: vec![JobKind::Upkeep] };
        let lease = ledger::begin_lease(&mut connection, &worker, Duration::from_mins(1)).await.unwrap();
        ledger::claim_due(&mut connection, Claimant { kind: JobKind::Upkeep, lease, max_attempts: None }, 1)
            .await
            .unwrap()
            .jobs
            .pop()
            .unwrap()
    }

    /// One run of one job, with a bucket reached through `blob`.
    pub(super) async fn run_with(&self, blob: Option<Blob>, retention: RetentionSettings) -> Outcome {
        self.run_claimed(self.claim().await, blob, retention).await
    }

    /// The same of a job that is claimed.
    pub(super) async fn run_claimed(&self, job: Claimed, blob: Option<Blob>, retention: RetentionSettings) -> Outcome {
        let house = House { retention, ..crate::upkeep::house() };
        let handler = UpkeepHandler::new(Vec::new(), house, Arc::new(SystemClock)).keeping(blob);
        let (hints, _) = tokio::sync::mpsc::unbounded_channel();
        handler.run(&job, &RunContext { stop: CancellationToken::new(), store: self.store.clone(), hints }).await
    }

    pub(super) async fn run_by(&self, retention: RetentionSettings) {
        let outcome = self.run_with(Some(self.blob.clone()), retention).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }

    pub(super) async fn run(&self) {
        self.run_by(policy()).await;
    }

    /// The only recording that is old enough.
    pub(super) async fn aged(&self) -> AgedAudio {
        let mut connection = self.store.connection().await.unwrap();
        let aged = callscribe::store::retention::aged_audio(&mut connection, &policy(), None, 9).await.unwrap();
        assert_eq!(aged.len(), 1, "{aged:?}");
        aged.into_iter().next().unwrap().audio
    }

    /// Until somebody waits for somebody else's row.
    pub(super) async fn somebody_waits(&self) {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        harness::eventually("somebody waits for a row", async || number(&self.store, waiting).await == 1).await;
    }
}
