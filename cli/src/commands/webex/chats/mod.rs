//! `callscribe webex chats`: what was written in conversations, as a workbook. It asks Webex itself and needs no worker.

mod patience;
mod reading;
mod report;
mod workbook;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use callscribe::{
    clock::{Clock, SystemClock},
    domain::{ChatChannel, Reason, Window},
    sources::SourceError,
};
use clap::Args;
use tokio::sync::mpsc;

use self::{
    reading::{Seen, Wanted, read},
    report::Tally,
    workbook::{ChatWorkbook, Ending, Told, WorkbookError, Written},
};
use super::vendor::Vendor;
use crate::{commands::Ended, failure::Failure, output::Output, times::moment};

/// What the writer is told.
enum Order {
    /// To add a conversation.
    Add(Box<Told>),
    /// To put the workbook in its place. Without this it is thrown away: a reader that fails or is interrupted hangs up.
    Finish,
}

/// Conversations between the reading and the writing.
const IN_BETWEEN: usize = 32;

#[derive(Debug, Args)]
#[command(
    after_help = "The sheet `Messages` has one row per message, the sheet `Conversations` one per conversation with what became of it. \
                        Times are UTC. A conversation that cannot be read is listed and does not stop the others; then the exit code is 1. \
                        The file appears under its name only when it is whole, and takes the place of one that has it.\n\n\
                        Examples:\n  callscribe webex chats --from 2026-11-01 --to 2026-11-08 --out chats.xlsx\n  \
                        callscribe webex chats --from 7d --queue Q_Support_1 --queue Q_Support_2 --out support.xlsx --json"
)]
pub(super) struct Arguments {
    /// Conversations that began at this time or later: a date, a time in UTC, or `3d` for three days ago
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Conversations that began before this time; now when left out
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Only conversations whose last queue has this name; may be given several times
    #[arg(long, value_name = "NAME")]
    queue: Vec<String>,
    /// Where they were written: `chat`, `social`, `email`; may be given several times
    #[arg(long, value_name = "CHANNEL", default_value = "chat")]
    channel: Vec<ChatChannel>,
    /// The workbook to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let wanted = wanted(arguments)?;
    let vendor = Vendor::connect()?;
    let workbook = ChatWorkbook::create(&arguments.out)
        .map_err(|error| Failure::with_hint(chain(&error), "give `--out` a file in a folder that you may write to"))?;
    let mut tally = Tally::new();
    let read = tokio::select! {
        read = export(&vendor, &wanted, workbook, &mut tally) => read,
        stop = tokio::signal::ctrl_c() => {
            tally.clear();
            stop?;
            return Err(Failure::with_hint("interrupted: nothing was written", "give a shorter window, or let it run on"));
        }
    };
    tally.clear();
    let (written, seen) = read?;
    let stopped_by = seen.stopped_by.as_ref().map(ToString::to_string);
    if arguments.json {
        tally.json(output, &arguments.out, &written, stopped_by.as_deref())?;
    } else {
        tally.tell(output, &arguments.out, &written)?;
        tell_queues(output, &wanted, &seen, &tally)?;
    }
    match seen.stopped_by {
        Some(error) => Err(stopped(&error, &arguments.out)),
        None if tally.is_whole() => Ok(ExitCode::SUCCESS),
        None => Ok(ExitCode::FAILURE),
    }
}

fn wanted(arguments: &Arguments) -> Result<Wanted, Failure> {
    let now = SystemClock.now();
    let wrong = |error: String| Failure::wrong_use(error, "times are UTC unless they name a zone");
    let from = moment(&arguments.from, now).map_err(wrong)?;
    let to = arguments.to.as_ref().map_or(Ok(now), |to| moment(to, now)).map_err(wrong)?;
    let window = Window::new(from, to).map_err(|error| Failure::wrong_use(error, "swap `--from` and `--to`"))?;
    let mut channels = arguments.channel.clone();
    channels.sort_unstable();
    channels.dedup();
    let queues = arguments.queue.iter().map(|name| name.trim().to_lowercase()).collect();
    Ok(Wanted { window, channels, queues })
}

/// Reads and writes at the same time; the workbook is finished when there is anything in it to keep.
async fn export(vendor: &Vendor, wanted: &Wanted, workbook: ChatWorkbook, tally: &mut Tally) -> Result<(Written, Seen), Failure> {
    let (tell, mut heard) = mpsc::channel::<Told>(IN_BETWEEN);
    let (order, orders) = mpsc::channel::<Order>(IN_BETWEEN);
    // files are written where they may block, and where a full disk, which the writer of workbooks does not bear, ends only this
    let writing = tokio::task::spawn_blocking(move || write(workbook, orders));
    let counting = async {
        while let Some(told) = heard.recv().await {
            tally.count(&told);
            if order.send(Order::Add(Box::new(told))).await.is_err() {
                // the writer has failed, and says why; the reader hears that nobody listens
                break;
            }
        }
        drop(heard);
        order
    };
    let (seen, order) = tokio::join!(read(&vendor.webex, wanted, tell), counting);
    if let Some(error) = &seen.stopped_by {
        if tally.is_empty() {
            return Err(Failure::with_hint(format!("{}: nothing was written", chain(error)), error.reason().advice()));
        }
        let told = Told { task_id: String::new(), chat: None, messages: Vec::new(), ending: stop_row(error) };
        tally.count(&told);
        // a writer that has failed says so below
        let _ = order.send(Order::Add(Box::new(told))).await;
    }
    let _ = order.send(Order::Finish).await;
    let ended = writing.await.map_err(|_| {
        Failure::with_hint("the workbook could not be written: nothing was written", "is the disk of the folder of `--out` full?")
    })?;
    let written = ended.map_err(|error| Failure::with_hint(format!("{}: nothing was written", chain(&error)), "is the disk full?"))?;
    let written = written.ok_or_else(|| Failure::with_hint("the workbook was not finished: nothing was written", "a bug: report it"))?;
    Ok((written, seen))
}

/// Does as it is ordered; `None` when it was never told to finish.
fn write(mut workbook: ChatWorkbook, mut orders: mpsc::Receiver<Order>) -> Result<Option<Written>, WorkbookError> {
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Add(told) => workbook.add(&told)?,
            Order::Finish => return workbook.finish().map(Some),
        }
    }
    Ok(None)
}

/// The row that says that the rest is missing.
fn stop_row(error: &SourceError) -> Ending {
    Ending::Failed { reason: error.reason(), error: format!("reading stopped here, the rest is missing: {error}") }
}

fn stopped(error: &SourceError, out: &Path) -> Failure {
    let what = format!("{}: `{}` holds only what was read before", chain(error), out.display());
    Failure::with_hint(
        what,
        match error.reason() {
            Reason::Forbidden => "transcripts need the scope `cjp:config_read` and the role of an administrator or supervisor",
            other => other.advice(),
        },
    )
}

/// Says which queues there are when none of those that were asked for had a conversation.
fn tell_queues(output: &mut Output, wanted: &Wanted, seen: &Seen, tally: &Tally) -> Result<(), Failure> {
    if tally.is_empty() && !wanted.queues.is_empty() && !seen.other_queues.is_empty() {
        let others: Vec<String> = seen.other_queues.iter().map(|queue| format!("`{queue}`")).collect();
        output.line(format_args!("no conversation came through these queues; there are some in {}", others.join(", ")))?;
    }
    Ok(())
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
