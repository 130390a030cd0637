//! A machine of its own for a benchmark: private PostgreSQL, Redis and S3, simulated vendors, and real processes of `callscribe`.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use callscribe::{
    blob::{Blob, IfMissing},
    config::{BlobSettings, DatabaseSettings, Environment, Reader},
    embedded::{
        Durability, EmbeddedOptions, Services,
        s3::{EmbeddedS3, EmbeddedS3Options},
    },
    store::{self, Store},
};
use callscribe_simulators::{
    transcriber::{Transcriber, TranscriberPlan},
    webex::{Webex, WebexPlan},
};
use diesel_async::RunQueryDsl;

const BUCKET: &str = "recordings";
const KEY: &str = "bench";
const SECRET: &str = "benchsecret";
/// A benchmark that waits longer has failed.
const LONGEST: Duration = Duration::from_mins(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Everything that the processes talk to.
pub struct Stage {
    services: Services,
    s3: EmbeddedS3,
    _vendors: (Webex, Transcriber),
    /// The ledger.
    pub store: Store,
    environment: BTreeMap<&'static str, String>,
    _dir: tempfile::TempDir,
}

impl Stage {
    /// Starts it, the schema applied and the bucket made.
    pub async fn new(webex: WebexPlan, transcriber: TranscriberPlan) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let options = EmbeddedOptions { data_dir: dir.path().join("engines"), durability: Durability::Durable, max_connections: 100 };
        let services = Services::start(options).await?;
        let s3 = EmbeddedS3::start(EmbeddedS3Options {
            dir: dir.path().join("s3"),
            access_key: KEY.to_owned(),
            secret_key: SECRET.into(),
            durability: Durability::Durable,
        })
        .await?;
        let vendors = (Webex::start(webex).await?, Transcriber::start(transcriber).await?);
        let store = Store::new(DatabaseSettings::for_url(services.database_url()))?;
        store::migrate(&store).await?;
        let environment = environment(&services, &s3, &vendors.0, &vendors.1);
        make_bucket(&environment).await?;
        Ok(Self { services, s3, _vendors: vendors, store, environment, _dir: dir })
    }

    /// The same with a setting changed, for the processes started from now on.
    #[must_use]
    pub fn setting(mut self, name: &'static str, value: &str) -> Self {
        self.environment.insert(name, value.to_owned());
        self
    }

    /// Starts a process of the executable that was built beside the benchmark.
    pub fn start(&self, arguments: &[&str]) -> Result<Process> {
        let executable = executable()?;
        let child = Command::new(&executable)
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start `{}`: run `cargo build --release` first", executable.display()))?;
        Ok(Process(child))
    }

    /// The one number that `sql` selects; 0 for none.
    pub async fn number(&self, sql: &str) -> Result<i64> {
        let row: Number = diesel::sql_query(format!("SELECT coalesce(({sql})::bigint, 0) AS number"))
            .get_result(&mut self.store.connection().await?)
            .await?;
        Ok(row.number)
    }

    /// Waits until `sql` selects at least `least`, and says how long that took.
    pub async fn until(&self, sql: &str, least: i64) -> Result<Duration> {
        let began = Instant::now();
        while self.number(sql).await? < least {
            if began.elapsed() > LONGEST {
                bail!("not after {LONGEST:?}: {sql} >= {least}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(began.elapsed())
    }

    /// Ends everything.
    pub async fn stop(self) {
        self.s3.stop().await;
        self.services.stop().await;
    }
}

/// The executable that was built beside the benchmark.
pub fn executable() -> Result<PathBuf> {
    let bench = std::env::current_exe()?;
    Ok(bench.ancestors().nth(2).context("no target directory")?.join("callscribe"))
}

/// A process that does not outlive its benchmark.
pub struct Process(Child);

impl Process {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Ends it as `kill -9` does.
    pub fn kill(mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    /// CPU seconds, user and system, that it has used.
    pub fn cpu(&self) -> Result<f64> {
        cpu_of(self.id())
    }

    /// The most memory that it ever had in use, in MiB.
    pub fn peak_mebibytes(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("no peak memory")?;
        let kibibytes: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kibibytes / 1_024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CPU seconds, user and system, that a process has used.
pub fn cpu_of(pid: u32) -> Result<f64> {
    /// Linux counts in hundredths of a second (`getconf CLK_TCK`).
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').context("an unknown form of /proc/<pid>/stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<f64>().ok()).context("no CPU time");
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

async fn make_bucket(environment: &BTreeMap<&str, String>) -> Result<()> {
    let environment: Environment = environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let settings = BlobSettings::read(&mut Reader::new(&environment)).context("no bucket is set")?;
    Ok(Blob::connect(&settings).await.ensure_bucket(IfMissing::Create).await?)
}

fn environment(services: &Services, s3: &EmbeddedS3, webex: &Webex, transcriber: &Transcriber) -> BTreeMap<&'static str, String> {
    let credentials = webex.credentials().clone();
    BTreeMap::from([
        ("DATABASE_URL", services.database_url()),
        ("REDIS_URL", services.redis_url()),
        ("CALL_RECORDING_BUCKET", BUCKET.to_owned()),
        ("AWS_ENDPOINT_URL_S3", s3.endpoint_url()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("WEBEX_CC_CLIENT_ID", credentials.client_id),
        ("WEBEX_CC_CLIENT_SECRET", credentials.client_secret),
        ("WEBEX_CC_REFRESH_TOKEN", credentials.refresh_token),
        ("WEBEX_CC_ORG_ID", webex.org_id().to_string()),
        ("WEBEX_CC_BASE_URL", webex.base_url()),
        ("WEBEX_CC_TOKEN_URL", webex.token_url()),
        ("WEBEX_BUDGET_PER_MINUTE", "1000000".to_owned()),
        ("RECORDING_DOWNLOAD_HOSTS", "127.0.0.1".to_owned()),
        ("CALLSCRIBE_ENCRYPTION_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned()),
        ("CALL_SYNC_LOOKBACK_MINUTES", "1440".to_owned()),
        ("OPENAI_BASE_URL", transcriber.base_url()),
        ("OPENAI_API_KEY", transcriber.api_key().unwrap_or_default().to_owned()),
        ("LOG_LEVEL", "error".to_owned()),
    ])
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    number: i64,
}
