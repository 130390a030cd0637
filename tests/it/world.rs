//! Real processes of `callscribe` and everything outside that they talk to.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use callscribe::config::RedisSettings;
use callscribe_simulators::{
    transcriber::{Transcriber, TranscriberPlan},
    webex::{Webex, WebexPlan},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    harness::{self, PrivateServices, TestDatabase},
    ledger::number,
};

/// Everything outside that the processes talk to.
pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) s3: harness::TestS3,
    pub(crate) webex: Webex,
    pub(crate) transcriber: Transcriber,
    pub(crate) environment: BTreeMap<&'static str, String>,
    dir: PathBuf,
}

impl World {
    pub(crate) async fn new(webex: WebexPlan, transcriber: TranscriberPlan) -> Self {
        let (database, redis) = (harness::database().await, harness::redis().await);
        Self::with(database, redis, webex, transcriber).await
    }

    /// The same on servers of the test's own.
    pub(crate) async fn on(services: &PrivateServices, webex: WebexPlan, transcriber: TranscriberPlan) -> Self {
        Self::with(services.database().await, services.redis(), webex, transcriber).await
    }

    async fn with(database: TestDatabase, redis: RedisSettings, webex: WebexPlan, transcriber: TranscriberPlan) -> Self {
        let s3 = harness::s3().await;
        let webex = Webex::start(webex).await.unwrap();
        let transcriber = Transcriber::start(transcriber).await.unwrap();
        let credentials = webex.credentials().clone();
        let environment = BTreeMap::from([
            ("DATABASE_URL", database.url().to_owned()),
            ("DATABASE_POOL_SIZE", "4".to_owned()),
            ("REDIS_URL", secrecy::ExposeSecret::expose_secret(&redis.url).to_owned()),
            ("REDIS_PREFIX", redis.prefix),
            ("CALL_RECORDING_BUCKET", harness::BUCKET.to_owned()),
            ("AWS_ENDPOINT_URL_S3", s3.endpoint()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", harness::ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", harness::SECRET_KEY.to_owned()),
            ("WEBEX_CC_CLIENT_ID", credentials.client_id),
            ("WEBEX_CC_CLIENT_SECRET", credentials.client_secret),
            ("WEBEX_CC_REFRESH_TOKEN", credentials.refresh_token),
            ("WEBEX_CC_ORG_ID", webex.org_id().to_string()),
            ("WEBEX_CC_BASE_URL", webex.base_url()),
            ("WEBEX_CC_TOKEN_URL", webex.token_url()),
            ("WEBEX_BUDGET_PER_MINUTE", "6000".to_owned()),
            ("RECORDING_DOWNLOAD_HOSTS", "127.0.0.1".to_owned()),
            ("CALLSCRIBE_ENCRYPTION_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned()),
            ("CALL_SYNC_LOOKBACK_MINUTES", "1440".to_owned()),
            ("OPENAI_BASE_URL", transcriber.base_url()),
            ("OPENAI_API_KEY", transcriber.api_key().unwrap_or_default().to_owned()),
            ("JOB_LEASE", "3s".to_owned()),
            ("DRAIN_TIMEOUT", "1s".to_owned()),
            ("BACKOFF_BASE", "200ms".to_owned()),
            ("RECORDING_POLL_SCHEDULE", "200ms,500ms,1s".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
        ]);
        Self { database, s3, webex, transcriber, environment, dir: harness::temp_dir("processes") }
    }

    /// The same with a setting changed.
    pub(crate) fn setting(mut self, name: &'static str, value: &str) -> Self {
        self.environment.insert(name, value.to_owned());
        self
    }

    /// Starts the executable; its log goes to a file beside its working directory.
    pub(crate) fn start(&self, arguments: &[&str]) -> Process {
        let log = (0..).map(|n| self.dir.join(format!("{}.{n}.log", arguments.join("-")))).find(|log| !log.exists()).unwrap();
        let child = self.command(arguments).stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        Process { child, log }
    }

    /// Runs the executable to its end: its exit code and what it printed.
    pub(crate) async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (output.status.code(), text.join("\n"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callscribe"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(&self.environment)
            .current_dir(&self.dir)
            .stdin(Stdio::null());
        command
    }

    /// Every call as the vendor's truth says, each side effect once.
    pub(crate) async fn assert_as_the_truth_says(&self) {
        let store = self.database.store();
        let truth = self.webex.truth();
        let stored = i64::try_from(truth.iter().filter(|call| call.expected.word() == "stored").count()).unwrap();
        assert_eq!(number(&store, "SELECT count(*) FROM call_interactions").await, i64::try_from(truth.len()).unwrap());
        assert_eq!(number(&store, "SELECT count(*) FROM call_transcripts WHERE status = 'complete'").await, stored);
        assert_eq!(number(&store, "SELECT count(*) FROM call_recordings WHERE status = 'stored'").await, stored);
        let audio = self.objects().await.into_iter().filter(|key| key.ends_with(".wav")).count();
        assert_eq!(i64::try_from(audio).unwrap(), stored, "one object a recording");
        let uploads = self.s3.client().list_multipart_uploads().bucket(harness::BUCKET).send().await.unwrap();
        assert!(uploads.uploads().is_empty(), "no part is left behind");
        for call in truth.iter().filter(|call| call.expected.word() == "stored") {
            let sql = format!(
                "SELECT count(*) FROM call_transcripts WHERE session_id = '{}' AND transcript_text ILIKE '%{}%'",
                call.session_id,
                call.words().iter().take(3).map(|said| said.word.to_string()).collect::<Vec<_>>().join(" ")
            );
            assert_eq!(number(&store, &sql).await, 1, "the transcript of {} begins as the call does", call.session_id);
        }
        self.database.assert_consistent().await;
    }

    /// Every object belongs to a recording that is stored.
    pub(crate) async fn assert_no_object_is_an_orphan(&self) {
        let store = self.database.store();
        for key in self.objects().await {
            let (call, _) = key.rsplit_once('.').unwrap();
            let sql = format!("SELECT count(*) FROM call_recordings WHERE status = 'stored' AND object_key LIKE '{call}.%'");
            assert_eq!(number(&store, &sql).await, 1, "whose is {key}?");
        }
    }

    /// The keys of everything in the bucket.
    pub(crate) async fn objects(&self) -> Vec<String> {
        let pages = self.s3.client().list_objects_v2().bucket(harness::BUCKET).into_paginator().send();
        let pages = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
        pages.iter().flat_map(|page| page.contents()).filter_map(|object| object.key().map(str::to_owned)).collect()
    }
}

/// A process that does not outlive its test.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// What it logged so far, line by line; `LOG_FORMAT=json` makes every line an object.
    pub(crate) fn log_lines(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let log = self.log.clone();
        harness::eventually(&format!("the process ends; its log is {}", log.display()), async || self.child.try_wait().unwrap()).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            print_tail(&self.log);
        }
    }
}

fn print_tail(log: &Path) {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    println!("--- {}\n{}", log.display(), lines[lines.len().saturating_sub(20)..].join("\n"));
}
