//! Many worker processes: `cargo build --release && cargo bench -p callscribe-benches --bench processes`.
//!
//! First the curve: transcriptions a second with one to eight worker processes, each with eight jobs at once, the transcriber
//! taking one second a call. The baseline is what the transcriber's second allows: eight a second for each process. Then deaths: how
//! long after a `kill -9` the dead worker's jobs are known to be lost, and how long until all of them run elsewhere.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a terminal")]

use std::time::{Duration, Instant};

use anyhow::Result;
use callscribe_benches::stage::{Process, Stage};
use callscribe_simulators::{
    transcriber::{Profile, TranscriberPlan},
    webex::{CallSpec, Calls, WebexPlan},
};

/// Enough for every point of the curve.
const CALLS: u32 = 2_400;
const TRANSCRIBER_TAKES: Duration = Duration::from_secs(1);
const SPEECH: Duration = Duration::from_secs(4);
const AT_ONCE: u32 = 8;
/// Over which time the rate of a point is taken.
const WATCHED: Duration = Duration::from_secs(10);
/// Times that a worker is killed, for each length of the lease.
const DEATHS: usize = 3;
/// Longer than a death is noticed, so that a killed worker's jobs are not done when it dies.
const LONG_TRANSCRIPTION: Duration = Duration::from_mins(5);

const DONE: &str = "SELECT count(*) FROM jobs WHERE kind = 'transcription' AND state = 'done'";
const RUNNING: &str = "SELECT count(*) FROM jobs WHERE kind = 'transcription' AND state = 'running'";

#[tokio::main]
async fn main() -> Result<()> {
    scaling().await?;
    for lease in [None, Some("5s")] {
        deaths(lease).await?;
    }
    Ok(())
}

async fn stage(calls: u32, takes: Duration) -> Result<Stage> {
    // long enough for words: what is heard to be silent is asked of nobody
    let like = CallSpec::ago(Duration::ZERO).speaking(SPEECH);
    let plan = WebexPlan { calls: Calls::Many { count: calls, spacing: SPEECH, like: Box::new(like) }, ..WebexPlan::bench(0) };
    let stage = Stage::new(plan, TranscriberPlan { takes, ..TranscriberPlan::new(Profile::OpenAi) }).await?;
    // the youngest calls are left for the second run
    Ok(stage.setting("SYNC_INTERVAL", "5s").setting("DATABASE_POOL_SIZE", "3"))
}

/// Has every transcription enqueued and nobody to do it.
async fn fill(stage: &Stage, calls: u32) -> Result<Process> {
    let scheduler = stage.start(&["scheduler"])?;
    let first_stages = stage.start(&["worker", "sync", "recordings"])?;
    stage.until("SELECT count(*) FROM jobs WHERE kind = 'transcription'", i64::from(calls)).await?;
    first_stages.kill()?;
    Ok(scheduler)
}

fn transcribers(stage: &Stage, count: u32) -> Result<Vec<Process>> {
    (0..count).map(|_| stage.start(&["worker", "transcribe", "--concurrency", &AT_ONCE.to_string()])).collect()
}

async fn scaling() -> Result<()> {
    let stage = stage(CALLS, TRANSCRIBER_TAKES).await?;
    let _scheduler = fill(&stage, CALLS).await?;
    println!("workers  transcriptions/s  of what the transcriber's second allows  CPU of the workers");
    for count in [1, 2, 4, 8] {
        let workers = transcribers(&stage, count)?;
        stage.until(RUNNING, i64::from(count * AT_ONCE)).await?;
        let (before, began) = (stage.number(DONE).await?, Instant::now());
        let cpu = |workers: &[Process]| workers.iter().map(Process::cpu).sum::<Result<f64>>();
        let cpu_before = cpu(&workers)?;
        tokio::time::sleep(WATCHED).await;
        let (done, took) = (stage.number(DONE).await? - before, began.elapsed().as_secs_f64());
        let rate = f64::from(i32::try_from(done)?) / took;
        let busy = (cpu(&workers)? - cpu_before) / took * 100.0;
        println!("{count:>7}  {rate:>16.1}  {:>39.2}  {busy:>15.1} %", rate / f64::from(count * AT_ONCE));
        workers.into_iter().try_for_each(Process::kill)?;
        stage.until("SELECT 1 - least(1, count(*)) FROM jobs WHERE state = 'running'", 1).await?;
    }
    stage.stop().await;
    Ok(())
}

async fn deaths(lease: Option<&str>) -> Result<()> {
    const JOBS: u32 = 50;
    let mut stage = stage(JOBS, LONG_TRANSCRIPTION).await?;
    if let Some(lease) = lease {
        stage = stage.setting("JOB_LEASE", lease);
    }
    let _scheduler = fill(&stage, JOBS).await?;
    let mut worker = stage.start(&["worker", "transcribe", "--concurrency", &JOBS.to_string()])?;
    let (mut noticed, mut taken_over) = (Duration::ZERO, Duration::ZERO);
    for death in 1..=DEATHS {
        let ran_so_often = format!("SELECT count(*) FROM jobs WHERE kind = 'transcription' AND state = 'running' AND run = {death}");
        stage.until(&ran_so_often, i64::from(JOBS)).await?;
        worker.kill()?;
        let began = Instant::now();
        worker = stage.start(&["worker", "transcribe", "--concurrency", &JOBS.to_string()])?;
        let lost = format!("SELECT count(*) FROM job_attempts WHERE outcome = 'lost' AND run = {death}");
        stage.until(&lost, i64::from(JOBS)).await?;
        noticed = noticed.max(began.elapsed());
        let again = format!("SELECT count(*) FROM jobs WHERE kind = 'transcription' AND state = 'running' AND run = {}", death + 1);
        stage.until(&again, i64::from(JOBS)).await?;
        taken_over = taken_over.max(began.elapsed());
    }
    let lease = lease.unwrap_or("default");
    println!(
        "JOB_LEASE {lease}: of {DEATHS} deaths with {JOBS} jobs each, all noticed within {:.1} s, all running elsewhere within {:.1} s",
        noticed.as_secs_f64(),
        taken_over.as_secs_f64()
    );
    worker.kill()?;
    stage.stop().await;
    Ok(())
}
