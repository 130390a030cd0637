//! The whole pipeline, real processes and real parts, vendor and transcriber answering at once:
//! `cargo build --release && cargo bench -p callscribe-benches --bench pipeline`.
//!
//! What is left when nobody else takes time is ours: calls per second, CPU per call, time per stage. Afterwards the same
//! processes are watched with nothing to do. The baseline of the same run is the transcriber's and the vendor's own share: the
//! simulators' CPU, measured in the process that runs them.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a terminal")]

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
    transcriber::{Profile, Transcriber, TranscriberPlan},
    webex::{Webex, WebexPlan},
};
use diesel_async::RunQueryDsl;

/// Calls of one measurement.
const CALLS: u32 = 2_000;
/// How long the idle processes are watched.
const IDLE: Duration = Duration::from_secs(10);
/// The run has failed when it takes longer.
const LONGEST: Duration = Duration::from_mins(10);
const BUCKET: &str = "recordings";
const KEY: &str = "bench";
const SECRET: &str = "benchsecret";

#[tokio::main]
async fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let options = EmbeddedOptions { data_dir: dir.path().join("engines"), durability: Durability::Durable, max_connections: 60 };
    let services = Services::start(options).await?;
    let s3 = EmbeddedS3::start(EmbeddedS3Options {
        dir: dir.path().join("s3"),
        access_key: KEY.to_owned(),
        secret_key: SECRET.into(),
        durability: Durability::Durable,
    })
    .await?;
    let webex = Webex::start(WebexPlan::bench(CALLS)).await?;
    let transcriber = Transcriber::start(TranscriberPlan { answer_at_once: true, ..TranscriberPlan::new(Profile::OpenAi) }).await?;
    let store = Store::new(DatabaseSettings::for_url(services.database_url()))?;
    store::migrate(&store).await?;
    let environment = environment(&services, &s3, &webex, &transcriber);
    make_bucket(&environment).await?;
    run(&store, &environment).await?;
    s3.stop().await;
    services.stop().await;
    Ok(())
}

async fn make_bucket(environment: &BTreeMap<&str, String>) -> Result<()> {
    let environment: Environment = environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let settings = BlobSettings::read(&mut Reader::new(&environment)).context("no bucket is set")?;
    Ok(Blob::connect(&settings).await.ensure_bucket(IfMissing::Create).await?)
}

async fn run(store: &Store, environment: &BTreeMap<&str, String>) -> Result<()> {
    let began = Instant::now();
    let own = cpu_of(std::process::id())?;
    let scheduler = Process::start(environment, &["scheduler"])?;
    let workers = Process::start(environment, &["worker", "all"])?;
    while number(store, "SELECT count(*) FROM call_interactions").await? == 0
        || number(store, "SELECT count(*) FROM jobs WHERE open").await? > 0
    {
        if began.elapsed() > LONGEST {
            bail!("not done after {LONGEST:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = began.elapsed().as_secs_f64();
    let complete = number(store, "SELECT count(*) FROM call_transcripts WHERE status = 'complete'").await?;
    let (worker_cpu, simulators_cpu) = (cpu_of(workers.child.id())?, cpu_of(std::process::id())? - own);
    let per_call = |seconds: f64| seconds * 1_000.0 / f64::from(CALLS);
    println!("{complete} of {CALLS} calls transcribed in {took:.1} s: {:.0} calls/s", f64::from(CALLS) / took);
    println!("CPU per call: workers {:.2} ms; simulators and S3 server {:.2} ms", per_call(worker_cpu), per_call(simulators_cpu));
    println!("peak memory of the worker process: {:.1} MiB", peak_mebibytes(workers.child.id())?);
    for kind in ["sync", "recording", "transcription"] {
        let sql = format!(
            "SELECT (avg(extract(epoch FROM finished_at - started_at)) * 1000000) FROM jobs WHERE kind = '{kind}' AND state = 'done'"
        );
        println!("a run of `{kind}`: {:.2} ms on average", f64::from(i32::try_from(number(store, &sql).await?)?) / 1_000.0);
    }
    let (scheduler_before, workers_before) = (cpu_of(scheduler.child.id())?, cpu_of(workers.child.id())?);
    tokio::time::sleep(IDLE).await;
    let share = |before: f64, pid: u32| cpu_of(pid).map(|now| (now - before) / IDLE.as_secs_f64() * 100.0);
    println!(
        "idle: scheduler {:.2} % of a core, worker {:.2} %; {} connections to PostgreSQL",
        share(scheduler_before, scheduler.child.id())?,
        share(workers_before, workers.child.id())?,
        number(store, "SELECT count(*) - 1 FROM pg_stat_activity WHERE application_name = 'callscribe'").await?
    );
    Ok(())
}

fn environment<'e>(services: &Services, s3: &EmbeddedS3, webex: &Webex, transcriber: &Transcriber) -> BTreeMap<&'e str, String> {
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
        ("LOG_LEVEL", "warn".to_owned()),
    ])
}

/// A process of the executable that was built beside this benchmark; it does not outlive it.
struct Process {
    child: Child,
}

impl Process {
    fn start(environment: &BTreeMap<&str, String>, arguments: &[&str]) -> Result<Self> {
        let bench = std::env::current_exe()?;
        let executable: PathBuf = bench.ancestors().nth(2).context("no target directory")?.join("callscribe");
        let child = Command::new(&executable)
            .args(arguments)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start `{}`: run `cargo build --release` first", executable.display()))?;
        Ok(Self { child })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU seconds, user and system, that a process has used.
fn cpu_of(pid: u32) -> Result<f64> {
    /// Linux counts in hundredths of a second (`getconf CLK_TCK`).
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').context("an unknown form of /proc/<pid>/stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<f64>().ok()).context("no CPU time");
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

fn peak_mebibytes(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("no peak memory")?;
    let kibibytes: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kibibytes / 1_024.0)
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    number: i64,
}

async fn number(store: &Store, sql: &str) -> Result<i64> {
    let row: Number =
        diesel::sql_query(format!("SELECT coalesce(({sql})::bigint, 0) AS number")).get_result(&mut store.connection().await?).await?;
    Ok(row.number)
}
