//! `callscribe reconcile`: what the vendor lists against what is held, day by day, and what is missing by name.

use std::{process::ExitCode, time::Duration};

use callscribe::{
    clock::{Clock, SystemClock},
    config::ReconcileSettings,
    domain::{JobId, Repair, SourceName, Window},
    ledger::{JobFilter, JobSeen, list_jobs},
    schedule::enqueue_reconcile,
    store::{
        Store,
        completeness::{DaySeen, GapSeen, days_seen, gaps_seen},
    },
};
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use clap::Args;
use serde::Serialize;
use tokio::time::sleep;

use super::Ended;
use crate::{
    commands::jobs::advice,
    failure::Failure,
    output::Output,
    setup,
    table::Table,
    times::{minute, moment},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Whole days (UTC) are compared: every call that the vendor lists with what is held, then the recordings and transcripts \
                        of the calls that are held. `callscribe worker upkeep` does it, behind fresh work; without `--wait` the last \
                        comparison is shown. What is missing for good, such as a recording that the vendor never made, is explained \
                        and no gap. With `--fix` exactly what is missing is enqueued: the next comparison shows whether it came.\n\n\
                        Exit status: 0 nothing is missing, 1 gaps remain or a day was never compared, 2 wrong use.\n\n\
                        Examples:\n  callscribe reconcile --wait\n  callscribe reconcile --from 2026-11-01 --to 2026-12-01 --wait\n  \
                        callscribe reconcile --from 7d --fix --wait"
)]
pub(crate) struct Arguments {
    /// Vendor
    #[arg(long, value_name = "SOURCE", default_value = "webex")]
    source: SourceName,
    /// First day: a date, a time in UTC, or `3d` for three days ago; `RECONCILE_DAYS` ago when left out
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Days before this time; now when left out
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Have what is missing synced, copied and transcribed
    #[arg(long)]
    fix: bool,
    /// Compare now, wait until it is done, then show it
    #[arg(long)]
    wait: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// How often a waiting command looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Gaps named in the table; JSON names ten thousand.
const MOST_NAMED: i64 = 20;
const MOST_IN_JSON: i64 = 10_000;

#[derive(Serialize)]
struct Report {
    job_id: Option<JobId>,
    days: Vec<DaySeen>,
    /// Days of the window that were never compared.
    days_not_compared: Vec<DateTime<Utc>>,
    gaps: Vec<GapSeen>,
    missing: i64,
    under_way: i64,
    complete: bool,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let window = window(arguments)?;
    let store = setup::store()?;
    let job = if arguments.wait || arguments.fix { Some(compare(&store, arguments, window).await?) } else { None };
    if let (true, Some(job)) = (arguments.wait, job) {
        let ended = wait(&store, job).await?;
        if ended.state != "done" {
            let why = ended.reason.as_deref().unwrap_or("-");
            let what = format!("the comparison, job {job}, is {}: {why}", ended.state);
            return Err(Failure::with_hint(what, advice(why).unwrap_or("`callscribe jobs show` tells every attempt")));
        }
    }
    let report = report(&store, arguments, window, job).await?;
    if arguments.json {
        output.json(&report)?;
    } else {
        tell(&report, arguments, output)?;
    }
    Ok(if report.complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The days asked for, from midnight to midnight.
fn window(arguments: &Arguments) -> Result<Window, Failure> {
    let now = SystemClock.now();
    let wrong = |error: String| Failure::wrong_use(error, "times are UTC unless they name a zone");
    let read = |text: &Option<String>| text.as_ref().map(|text| moment(text, now)).transpose().map_err(wrong);
    let from = match read(&arguments.from)? {
        Some(from) => from,
        None => now - TimeDelta::days(setup::settings(ReconcileSettings::read)?.days.into()),
    };
    let to = read(&arguments.to)?.unwrap_or(now).min(now);
    let window =
        Window::new(from, to).map_err(|error| Failure::wrong_use(error, "swap `--from` and `--to`; the future is not to be had"))?;
    Ok(Window { from: midnight(window.from), to: window.to })
}

fn midnight(of: DateTime<Utc>) -> DateTime<Utc> {
    of.date_naive().and_time(NaiveTime::MIN).and_utc()
}

async fn compare(store: &Store, arguments: &Arguments, window: Window) -> Result<JobId, Failure> {
    let repair = if arguments.fix { Repair::Everything } else { Repair::Nothing };
    // whole days, so that the same command a minute later names the same job
    let days = Window { from: window.from, to: midnight(window.to) + TimeDelta::days(i64::from(midnight(window.to) != window.to)) };
    let connection = &mut *store.connection().await?;
    let run = enqueue_reconcile(connection, arguments.source, days, repair, &setup::actor()).await?;
    if run.created {
        setup::push_hints(&[run.hint()]).await;
    }
    Ok(run.id)
}

async fn wait(store: &Store, job: JobId) -> Result<JobSeen, Failure> {
    let filter = JobFilter { ids: vec![job], ..JobFilter::default() };
    loop {
        let seen = list_jobs(&mut *store.connection().await?, &filter, 1).await?.pop();
        let seen = seen.ok_or_else(|| Failure::with_hint(format!("job {job} is gone"), "ask again"))?;
        if seen.finished_at.is_some() {
            return Ok(seen);
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn report(store: &Store, arguments: &Arguments, window: Window, job_id: Option<JobId>) -> Result<Report, Failure> {
    let connection = &mut *store.connection().await?;
    let days = days_seen(connection, arguments.source, window).await?;
    let most = if arguments.json { MOST_IN_JSON } else { MOST_NAMED };
    let gaps = gaps_seen(connection, arguments.source, window, most).await?;
    let today = midnight(SystemClock.now());
    // today may be too young to be compared
    let not_compared = |day: &Window| day.from < today && !days.iter().any(|seen| midnight(seen.window_from) == day.from);
    let days_not_compared: Vec<_> = window.days().filter(not_compared).map(|day| day.from).collect();
    let missing = days.iter().map(DaySeen::missing).sum();
    let under_way = days.iter().map(DaySeen::under_way).sum();
    Ok(Report { job_id, complete: missing == 0 && days_not_compared.is_empty(), missing, under_way, days_not_compared, days, gaps })
}

fn tell(report: &Report, arguments: &Arguments, output: &mut Output) -> std::io::Result<()> {
    let headings = ["day", "calls", "recordings", "transcripts", "explained", "under way", "missing"];
    let mut table = Table::new(output, &headings).numbers(&[1, 2, 3, 4, 5, 6]);
    for day in &report.days {
        let cells = [
            day.window_from.format("%Y-%m-%d").to_string(),
            format!("{}/{}", day.calls_listed - day.calls_missing.min(day.calls_listed), day.calls_listed),
            format!("{}/{}", day.recordings_stored, day.recordings_expected),
            format!("{}/{}", day.transcripts_complete, day.transcripts_expected),
            (day.recordings_explained + day.transcripts_explained).to_string(),
            day.under_way().to_string(),
            missing(day),
        ];
        if day.missing() > 0 { table.red_row(cells) } else { table.row(cells) }
    }
    if !table.is_empty() {
        output.line(&table)?;
    }
    if let (Some(first), Some(last)) = (report.days_not_compared.first(), report.days_not_compared.last()) {
        let (count, first, last) = (report.days_not_compared.len(), first.format("%Y-%m-%d"), last.format("%Y-%m-%d"));
        output.prose(0, format_args!("{count} days from {first} to {last} were never compared: add `--wait`"))?;
    }
    gaps(report, output)?;
    output.prose(0, verdict(report, arguments))
}

/// `3 calls, 1 transcript`, or `-`.
fn missing(day: &DaySeen) -> String {
    let parts = [(day.calls_missing, "calls"), (day.recordings_missing, "recordings"), (day.transcripts_missing, "transcripts")];
    let parts: Vec<_> = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

fn gaps(report: &Report, output: &mut Output) -> std::io::Result<()> {
    if report.gaps.is_empty() {
        return Ok(());
    }
    output.line("")?;
    let mut table = Table::new(output, &["missing", "call", "began", "reason", "repair"]);
    for gap in &report.gaps {
        let repair = gap.repaired_at.map_or("-", |_| "enqueued");
        table.row([gap.kind.as_str(), output.session(&gap.subject), &minute(gap.start_time), &gap.reason, repair]);
    }
    output.line(&table)?;
    let named = i64::try_from(report.gaps.len()).unwrap_or(i64::MAX);
    if named >= MOST_NAMED && report.missing > named {
        output.line(format_args!("and {} more: `--json` names them", report.missing - named))?;
    }
    output.line("")
}

fn verdict(report: &Report, arguments: &Arguments) -> String {
    let job = report.job_id.filter(|_| !arguments.wait).map(|job| format!("; job {job} compares anew")).unwrap_or_default();
    if report.missing > 0 {
        let next = if arguments.fix { "what can be made was enqueued: compare again when it is done" } else { "`--fix` has them made" };
        return format!("{} missing: {next}{job}", report.missing);
    }
    if !report.days_not_compared.is_empty() || report.days.is_empty() {
        return format!("nothing is known to be missing{job}");
    }
    if report.under_way > 0 {
        return format!("nothing is missing, {} under way{job}", report.under_way);
    }
    format!("complete{job}")
}
