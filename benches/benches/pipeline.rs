//! The whole pipeline, real processes and real parts, vendor and transcriber answering at once:
//! `cargo build --release && cargo bench -p callscribe-benches --bench pipeline`.
//!
//! What is left when nobody else takes time is ours: calls per second, CPU per call, time per stage. Afterwards the same
//! processes are watched with nothing to do. The baseline of the same run is the transcriber's and the vendor's own share: the
//! simulators' CPU, measured in the process that runs them.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a terminal")]

use std::time::{Duration, Instant};

use anyhow::Result;
use callscribe_benches::stage::{Process, Stage, cpu_of};
use callscribe_simulators::{
    transcriber::{Profile, TranscriberPlan},
    webex::WebexPlan,
};

/// Calls of one measurement.
const CALLS: u32 = 2_000;
/// How long the idle processes are watched.
const IDLE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<()> {
    let transcriber = TranscriberPlan { answer_at_once: true, ..TranscriberPlan::new(Profile::OpenAi) };
    // the youngest calls are left for the second run
    let stage = Stage::new(WebexPlan::bench(CALLS), transcriber).await?.setting("SYNC_INTERVAL", "5s");
    run(&stage).await?;
    stage.stop().await;
    Ok(())
}

async fn run(stage: &Stage) -> Result<()> {
    let (began, own) = (Instant::now(), cpu_of(std::process::id())?);
    let (scheduler, workers) = (stage.start(&["scheduler"])?, stage.start(&["worker", "all"])?);
    let mut reached = Vec::new();
    for (what, sql) in [
        ("synced", "SELECT count(*) FROM call_interactions"),
        ("copied", "SELECT count(*) FROM call_recordings WHERE status = 'stored'"),
        ("transcribed", "SELECT count(*) FROM call_transcripts WHERE status IN ('complete', 'error')"),
    ] {
        for share in [CALLS / 2, CALLS] {
            stage.until(sql, i64::from(share)).await?;
            reached.push(format!("{share} {what} after {:.1} s", began.elapsed().as_secs_f64()));
        }
    }
    let took = began.elapsed().as_secs_f64();
    let complete = stage.number("SELECT count(*) FROM call_transcripts WHERE status = 'complete'").await?;
    let (worker_cpu, simulators_cpu) = (workers.cpu()?, cpu_of(std::process::id())? - own);
    let per_call = |seconds: f64| seconds * 1_000.0 / f64::from(CALLS);
    println!("{complete} of {CALLS} calls transcribed in {took:.1} s: {:.0} calls/s", f64::from(CALLS) / took);
    println!("{}", reached.join(", "));
    println!("CPU per call: workers {:.2} ms; simulators and S3 server {:.2} ms", per_call(worker_cpu), per_call(simulators_cpu));
    println!("peak memory of the worker process: {:.1} MiB", workers.peak_mebibytes()?);
    for kind in ["sync", "recording", "transcription"] {
        let sql = format!(
            "SELECT (avg(extract(epoch FROM finished_at - started_at)) * 1000000) FROM jobs WHERE kind = '{kind}' AND state = 'done'"
        );
        println!("a run of `{kind}`: {:.2} ms on average", f64::from(i32::try_from(stage.number(&sql).await?)?) / 1_000.0);
    }
    let (scheduler_before, workers_before) = (scheduler.cpu()?, workers.cpu()?);
    tokio::time::sleep(IDLE).await;
    let share = |before: f64, process: &Process| process.cpu().map(|now| (now - before) / IDLE.as_secs_f64() * 100.0);
    println!(
        "idle: scheduler {:.2} % of a core, worker {:.2} %; {} connections to PostgreSQL",
        share(scheduler_before, &scheduler)?,
        share(workers_before, &workers)?,
        stage.number("SELECT count(*) - 1 FROM pg_stat_activity WHERE application_name = 'callscribe'").await?
    );
    Ok(())
}
