//! `callscribe retention`: what would be deleted now, and what is kept; `callscribe deletions`: what was deleted.

use std::process::ExitCode;

use callscribe::{
    clock::{Clock, SystemClock},
    config::RetentionSettings,
    domain::{Aging, RetentionVerdict},
    store::retention::{AgedCalls, AgedQueue, Report, aged_calls_by_queue, aged_queues, call_deletions, deletions, last_report},
};
use clap::Args;
use serde_json::json;

use super::Ended;
use crate::{
    output::Output,
    setup,
    table::Table,
    times::{relative, stamp},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Deletes nothing: the worker `upkeep` does, once a day. VERDICT tells what becomes of audio older than its queue's age:\n\
                        due: it goes at the next run; held: `callscribe calls release` lets it go; untranscribed: it is kept until its\n\
                        transcript is complete, or for RETENTION_AUDIO_UNTRANSCRIBED; in_use: a job of its call is due or running;\n\
                        has_audio: a call stays as long as its audio.\n\n\
                        Examples:\n  callscribe retention\n  callscribe retention --audio 90d --metadata 2y --json"
)]
pub(crate) struct Arguments {
    /// As if RETENTION_AUDIO were this
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    audio: Option<std::time::Duration>,
    /// As if RETENTION_METADATA were this
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    metadata: Option<std::time::Duration>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let mut settings = setup::settings(RetentionSettings::read)?;
    settings.audio.others = arguments.audio.or(settings.audio.others);
    settings.metadata.others = arguments.metadata.or(settings.metadata.others);
    let store = setup::store()?;
    let connection = &mut *store.connection().await?;
    let mut rows = Vec::new();
    for aging in Aging::ALL {
        rows.extend(aged_calls_by_queue(connection, &settings, *aging).await?.into_iter().map(|queue| (*aging, queue)));
    }
    let calls: i64 = rows.iter().filter(|(_, queue)| queue.verdict == RetentionVerdict::Due.as_str()).map(|(_, queue)| queue.calls).sum();
    let (queues, last) = (aged_queues(connection, &settings).await?, last_report(connection).await?);
    let due = queues.iter().filter(|queue| queue.verdict == RetentionVerdict::Due.as_str());
    let (recordings, bytes) = due.fold((0, 0), |(recordings, bytes), queue| (recordings + queue.recordings, bytes + queue.bytes));
    if arguments.json {
        let queues: Vec<_> = queues.iter().map(|queue| of_queue(queue, &settings)).collect();
        let rows: Vec<_> = rows.iter().map(|(aging, queue)| of_calls(*aging, queue, &settings)).collect();
        let told = json!({
            "deletes": settings.deletes(), "recordings": recordings, "bytes": bytes, "queues": queues, "calls": calls, "rows": rows,
            "last_run": last,
        });
        output.json(&told)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !settings.deletes() {
        output.line("nothing is ever deleted: RETENTION_AUDIO and RETENTION_METADATA are `forever`, and no queue has an age of its own")?;
    }
    if !queues.is_empty() {
        output.line(table(&queues, &settings, output))?;
    }
    if !rows.is_empty() {
        output.line(table_of_calls(&rows, &settings, output))?;
    }
    output.line(format_args!("would delete {recordings} recordings, {bytes} bytes, and the rows of {calls} calls and conversations"))?;
    if let Some(Report { at: Some(at), recordings, untranscribed, held, calls, .. }) = last {
        output.line(format_args!(
            "last run {}: {recordings} recordings and {calls} calls deleted or announced, {untranscribed} recordings kept as not transcribed, {held} held",
            stamp(at)
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn of_queue(queue: &AgedQueue, settings: &RetentionSettings) -> serde_json::Value {
    json!({
        "queue": queue.queue_name, "verdict": queue.verdict, "recordings": queue.recordings, "bytes": queue.bytes,
        "oldest": queue.oldest, "policy": settings.audio_policy(queue.queue_name.as_deref()),
    })
}

fn table(queues: &[AgedQueue], settings: &RetentionSettings, output: &Output) -> Table {
    let mut table = Table::new(output, &["QUEUE", "VERDICT", "RECORDINGS", "BYTES", "OLDEST", "POLICY"]).numbers(&[2, 3]);
    for queue in queues {
        table.row([
            queue.queue_name.clone().unwrap_or_else(|| "(none)".to_owned()),
            queue.verdict.clone(),
            queue.recordings.to_string(),
            queue.bytes.to_string(),
            relative(queue.oldest, SystemClock.now()),
            settings.audio_policy(queue.queue_name.as_deref()),
        ]);
    }
    table
}

fn of_calls(aging: Aging, queue: &AgedCalls, settings: &RetentionSettings) -> serde_json::Value {
    json!({
        "what": aging, "queue": queue.queue_name, "verdict": queue.verdict, "calls": queue.calls, "oldest": queue.oldest,
        "policy": settings.metadata_policy(queue.queue_name.as_deref()),
    })
}

fn table_of_calls(rows: &[(Aging, AgedCalls)], settings: &RetentionSettings, output: &Output) -> Table {
    let mut table = Table::new(output, &["ROWS OF", "QUEUE", "VERDICT", "CALLS", "OLDEST", "POLICY"]).numbers(&[3]);
    for (aging, queue) in rows {
        table.row([
            aging.to_string(),
            queue.queue_name.clone().unwrap_or_else(|| "(none)".to_owned()),
            queue.verdict.clone(),
            queue.calls.to_string(),
            relative(queue.oldest, SystemClock.now()),
            settings.metadata_policy(queue.queue_name.as_deref()),
        ]);
    }
    table
}

#[derive(Debug, Args)]
#[command(after_help = "One row per object that retention deleted, latest first; it stays when its call is gone. With --calls one row\n\
                        per batch of calls or conversations whose rows were deleted, which names none of them.\n\n\
                        Examples:\n  callscribe deletions --session 6a1f0f1e\n  callscribe deletions --calls --limit 1000 --json")]
pub(crate) struct DeletionsArguments {
    /// Only of this call: its session id, or the beginning of it
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// Rows of calls and conversations, in place of objects
    #[arg(long, conflicts_with = "session")]
    calls: bool,
    /// Show at most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run_deletions(arguments: &DeletionsArguments, output: &mut Output) -> Ended {
    if arguments.calls {
        return run_call_deletions(arguments, output).await;
    }
    let store = setup::store()?;
    let rows = deletions(&mut *store.connection().await?, arguments.session.as_deref(), i64::from(arguments.limit)).await?;
    if arguments.json {
        output.json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        output.line("nothing was deleted")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(output, &["DELETED", "WHAT", "BYTES", "POLICY", "JOB", "OBJECT"]).numbers(&[2]);
    for row in rows {
        table.row([
            row.deleted_at.map_or_else(|| "under way".to_owned(), stamp),
            row.what,
            row.size_bytes.map(|bytes| bytes.to_string()).unwrap_or_default(),
            row.policy,
            row.job_id.to_string(),
            row.object_key,
        ]);
    }
    output.line(table)?;
    Ok(ExitCode::SUCCESS)
}

async fn run_call_deletions(arguments: &DeletionsArguments, output: &mut Output) -> Ended {
    let rows = call_deletions(&mut *setup::store()?.connection().await?, i64::from(arguments.limit)).await?;
    if arguments.json {
        output.json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        output.line("nothing was deleted")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table =
        Table::new(output, &["DELETED", "WHAT", "HOW MANY", "TRANSCRIPTS", "BEGAN FROM", "TO", "POLICY", "JOB"]).numbers(&[2, 3]);
    for row in rows {
        table.row([
            stamp(row.deleted_at),
            format!("{} of {}", row.what, row.source),
            row.calls.to_string(),
            row.transcripts.to_string(),
            stamp(row.began_from),
            stamp(row.began_to),
            row.policy,
            row.job_id.to_string(),
        ]);
    }
    output.line(table)?;
    Ok(ExitCode::SUCCESS)
}
