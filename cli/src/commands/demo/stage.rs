//! What the demo plays on: engines in a directory of their own, vendors on loopback, and the pipeline between them.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use callscribe::{
    blob::IfMissing,
    clock::{Clock, SystemClock},
    config::{self, Environment, ProcessSettings},
    domain::{JobKind, SourceName},
    embedded::Durability,
    store::Store,
    telemetry::{metrics::start_recording, start_logging_to},
};
use callscribe_simulators::{
    transcriber::{Profile, Transcriber, TranscriberPlan},
    webex::{Webex, WebexPlan},
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use crate::{
    failure::Failure,
    process::{Engines, Home, Whole, WholeOptions, shutdown_on_signal},
};

/// Everything the demo started.
pub(super) struct Stage {
    pub(super) webex: Webex,
    pub(super) store: Store,
    pub(super) shutdown: CancellationToken,
    pub(super) api_address: std::net::SocketAddr,
    pub(super) environment: Environment,
    pub(super) log: PathBuf,
    pub(super) kept: bool,
    pub(super) whole: Whole,
    home: Home,
    // removed with everything in it when it is dropped, after the engines have stopped
    temporary: Option<TempDir>,
    _transcriber: Transcriber,
}

/// One number, so that every demo is the same.
const SEED: u64 = 7;
/// What differs from the defaults, so that a demo takes seconds where a day takes hours: name, value, and why.
pub(super) const SHORTENED: &[(&str, &str)] =
    &[("RECORDING_POLL_SCHEDULE", "1s,1s,1s,2s"), ("BACKOFF_BASE", "1s"), ("BACKOFF_MAX", "4s"), ("DRAIN_TIMEOUT", "5s")];
/// The first sync looks back over all calls of the plan, which are a minute apart, and some more.
const LOOK_BACK_MINUTES: u32 = 30;

impl Stage {
    /// Starts everything; what was started before a failure is stopped again.
    pub(super) async fn set(calls: u32, data_dir: Option<&Path>, progress: &Progress) -> Result<Self, Failure> {
        let shutdown = shutdown_on_signal()?;
        let temporary = match data_dir {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("callscribe-demo-").tempdir()?),
        };
        let dir = data_dir.or(temporary.as_ref().map(TempDir::path)).unwrap_or(Path::new("."));
        let mut home = Home::open(dir)?;
        let log = home.dir().join("callscribe.log");
        start_logging(&log)?;
        progress.say("starting PostgreSQL, Redis and S3 for the demo alone");
        let mut environment = Environment::default();
        home.provide(&mut environment, Durability::Throwaway).await?;
        progress.say("starting simulated vendors: Webex Contact Center and a transcriber");
        let started = Self::play(calls, &mut environment, &shutdown).await;
        match started {
            Ok((webex, transcriber, whole, store, api_address)) => Ok(Self {
                webex,
                store,
                shutdown,
                api_address,
                environment,
                log,
                kept: temporary.is_none(),
                whole,
                home,
                temporary,
                _transcriber: transcriber,
            }),
            Err(failure) => {
                shutdown.cancel();
                home.close(None).await;
                Err(failure)
            }
        }
    }

    async fn play(
        calls: u32,
        environment: &mut Environment,
        shutdown: &CancellationToken,
    ) -> Result<(Webex, Transcriber, Whole, Store, std::net::SocketAddr), Failure> {
        let webex = Webex::start(WebexPlan::demo(SEED, calls)).await?;
        let transcriber = Transcriber::start(TranscriberPlan::new(Profile::OpenAi)).await?;
        describe(environment, &webex, &transcriber, calls);
        let settings = config::read(environment, |reader| ProcessSettings::read(reader, JobKind::ALL))?;
        let engines = Engines::new(settings.database.clone(), &settings.redis)?;
        let store = engines.store.clone();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let api_address = listener.local_addr()?;
        let whole = Whole::start(WholeOptions {
            settings,
            engines,
            registry: start_recording(SystemClock.now())?,
            sources: vec![SourceName::Webex],
            if_bucket_is_missing: IfMissing::Create,
            listener,
            shutdown: shutdown.clone(),
        })
        .await?;
        Ok((webex, transcriber, whole, store, api_address))
    }

    /// Waits until the pipeline ends, which only the shutdown or a failure makes it.
    pub(super) async fn ended(&mut self) -> Result<(), Failure> {
        Ok(self.whole.ended().await?)
    }

    /// Stops everything, the pipeline first and what it stands on last.
    pub(super) async fn strike(mut self) -> Result<(), Failure> {
        self.shutdown.cancel();
        let ended = self.whole.ended().await;
        self.home.close(Some(&self.whole.blob)).await;
        drop(self.temporary.take());
        Ok(ended?)
    }

    /// Keeps the directory although it was meant to be removed: someone has to look into it.
    pub(super) fn keep(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            let _kept = temporary.keep();
            self.kept = true;
        }
    }
}

/// The settings of the demo, as a person would write them.
fn describe(environment: &mut Environment, webex: &Webex, transcriber: &Transcriber, calls: u32) {
    let credentials = webex.credentials();
    let base_url = webex.base_url();
    let pairs = [
        ("WEBEX_CC_CLIENT_ID", credentials.client_id.clone()),
        ("WEBEX_CC_CLIENT_SECRET", credentials.client_secret.clone()),
        ("WEBEX_CC_REFRESH_TOKEN", credentials.refresh_token.clone()),
        ("WEBEX_CC_ORG_ID", webex.org_id().to_string()),
        ("WEBEX_CC_TOKEN_URL", webex.token_url()),
        ("WEBEX_CC_CASE_VARIABLE", "CaseNumber".to_owned()),
        ("WEBEX_CC_CASE_PATTERN", r"CS\d{7}".to_owned()),
        ("RECORDING_DOWNLOAD_HOSTS", "127.0.0.1".to_owned()),
        ("WEBEX_CC_BASE_URL", base_url),
        ("CALL_SYNC_LOOKBACK_MINUTES", (calls + LOOK_BACK_MINUTES).to_string()),
        ("OPENAI_BASE_URL", transcriber.base_url()),
        ("OPENAI_API_KEY", transcriber.api_key().unwrap_or_default().to_owned()),
        // one process does everything here
        ("DATABASE_POOL_SIZE", "24".to_owned()),
    ];
    for (name, value) in pairs {
        environment.set(name, value);
    }
    for (name, value) in SHORTENED {
        environment.set(name, *value);
    }
}

/// The demo's screen is for the demo: logs go beside the data.
fn start_logging(log: &Path) -> Result<(), Failure> {
    let telemetry = config::read(&Environment::of_process(), callscribe::config::TelemetrySettings::read)?;
    let file = fs::OpenOptions::new().create(true).append(true).open(log)?;
    Ok(start_logging_to(&telemetry, file)?)
}
