//! `callscribe batch show`: how far one is.

use std::process::ExitCode;

use callscribe::{
    clock::{Clock, SystemClock},
    ledger::{BatchId, BatchSeen, Tally, batch_failures, batches_seen},
    store::Connection,
};
use clap::Args;
use serde::Serialize;

use crate::{
    commands::{Ended, jobs::advice},
    failure::Failure,
    output::Output,
    setup,
    table::Table,
    times::{relative, span, stamp},
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  callscribe batch show requeue-12")]
pub(crate) struct Arguments {
    /// The batch
    name: String,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'b> {
    #[serde(flatten)]
    batch: &'b BatchSeen,
    total: i64,
    percent: i64,
    per_minute: Option<f64>,
    seconds_left: Option<u64>,
    failures: &'b [Tally],
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let store = setup::store()?;
    tell(&mut *store.connection().await?, &arguments.name, arguments.json, output).await?;
    Ok(ExitCode::SUCCESS)
}

/// There is no batch of that name.
pub(super) fn unknown(name: &str) -> Failure {
    Failure::with_hint(format_args!("there is no batch `{name}`"), "`callscribe batch list` shows the latest")
}

/// Prints how far the batch is.
pub(crate) async fn tell(connection: &mut Connection, name: &str, json: bool, output: &mut Output) -> Result<(), Failure> {
    let found = batches_seen(connection, Some(name), 1).await?;
    let Some(batch) = found.first() else { return Err(unknown(name)) };
    let failures = batch_failures(connection, BatchId(batch.id)).await?;
    let now = SystemClock.now();
    let (per_minute, left) = (batch.per_minute(now), batch.time_left(now));
    if json {
        let seconds_left = left.map(|left| left.as_secs());
        let (total, percent) = (batch.total(), batch.percent());
        return Ok(output.json(&Shown { batch, total, percent, per_minute, seconds_left, failures: &failures })?);
    }
    output.line(format_args!("batch {}  {}", batch.name, batch.state))?;
    let mut field = |name: &str, value: Option<String>| match value {
        Some(value) => output.prose(12, format_args!("  {name:<9} {value}")),
        None => Ok(()),
    };
    field("asked by", Some(format!("{}, {} ({})", batch.actor, stamp(batch.created_at), relative(batch.created_at, now))))?;
    field("why", batch.why.clone())?;
    field(
        "sample",
        batch.canary_jobs.zip(batch.canary_percent).map(|(jobs, percent)| format!("{jobs} first, {percent} % of them must be done")),
    )?;
    field("stopped", batch.stopped_because.clone())?;
    let compared = format!("its versions do not count: callscribe batch compare {}", batch.name);
    field("on trial", (!batch.counts).then_some(compared))?;
    field("progress", Some(format!("{} of {} ended, {} %", batch.ended(), batch.total(), batch.percent())))?;
    field("rate", per_minute.map(|rate| format!("{rate:.1} a minute")))?;
    field("left", left.map(span))?;
    let mut table = Table::new(output, &["waiting", "running", "done", "dead again", "cancelled"]).numbers(&[0, 1, 2, 3, 4]);
    table.row([batch.waiting, batch.running, batch.done, batch.dead, batch.cancelled]);
    output.line(format_args!("\n{table}"))?;
    Ok(tell_failures(&failures, output)?)
}

fn tell_failures(failures: &[Tally], output: &mut Output) -> std::io::Result<()> {
    if failures.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(output, &["jobs", "kind", "ended again with", "what to do"]).numbers(&[0]);
    for tally in failures {
        let reason = tally.reason.as_deref().unwrap_or("-");
        table.row([&tally.jobs.to_string(), &tally.kind, reason, advice(reason).unwrap_or("-")]);
    }
    output.line(format_args!("\n{table}"))
}
