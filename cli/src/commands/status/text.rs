//! The picture as text: tables and sentences.

use std::{io, time::Duration};

use callscribe::{ledger::Count, outbound::GateSeen};

use super::{
    alerts::{Urgency, alerts},
    picture::{Backfill, Pace, Picture},
};
use crate::{
    commands::{
        jobs::{advice, page},
        queue, sync,
    },
    output::Output,
    table::Table,
    times::{relative, span, stamp},
};

/// Prints everything, what needs a person first.
pub(super) fn print(picture: &Picture, output: &mut Output) -> io::Result<()> {
    pressing(picture, output)?;
    kinds(picture, output)?;
    pace(picture, output)?;
    controls(picture, output)?;
    workers(picture, output)?;
    budgets(picture, output)?;
    sources(picture, output)?;
    backfills(picture, output)?;
    completeness(picture, output)?;
    setbacks(picture, output)?;
    dead(picture, output)
}

/// What people scaled, and who drains; what they paused is said before everything else.
fn controls(picture: &Picture, output: &mut Output) -> io::Result<()> {
    for line in queue::scaled_and_draining(&picture.controls, picture.at) {
        output.prose(2, line)?;
    }
    Ok(())
}

/// What needs a person, before everything else.
fn pressing(picture: &Picture, output: &mut Output) -> io::Result<()> {
    for alert in alerts(picture) {
        match alert.urgency {
            Urgency::Alert => output.prose(2, &alert.text)?,
            Urgency::Warning => output.prose(2, format_args!("warning: {}", alert.text))?,
        }
    }
    Ok(())
}

/// How fast it goes, and how many workers would do. Kinds without any work for half an hour are left out.
fn pace(picture: &Picture, output: &mut Output) -> io::Result<()> {
    let shown: Vec<&Pace> =
        picture.pace.iter().filter(|pace| pace.rate.slot_seconds_per_job.is_some() || !pace.oldest.is_empty()).collect();
    if shown.is_empty() {
        return Ok(());
    }
    output.line("\npace of the last 5 minutes")?;
    let headings = ["  kind", "in/min", "done/min", "busy slots", "per job", "oldest", "goal", "empty in", "would do"];
    let mut table = Table::new(output, &headings).numbers(&[1, 2, 3, 4, 5, 6, 7]);
    for pace in shown {
        let rate = &pace.rate;
        let per_minute = |per_second: f64| format!("{:.1}", per_second * 60.0);
        let seconds = |seconds: f64| span(Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_SHOWN)));
        let row = [
            format!("  {}", pace.kind),
            per_minute(rate.arrived_per_second),
            per_minute(rate.done_per_second),
            format!("{:.1}", rate.busy_slots),
            rate.slot_seconds_per_job.map_or_else(|| "-".to_owned(), seconds),
            pace.oldest_age().map_or_else(|| "-".to_owned(), span),
            pace.goal().map_or_else(|| "-".to_owned(), span),
            if pace.advice.growing { "grows".to_owned() } else { pace.advice.empty_in_seconds.map_or_else(|| "-".to_owned(), seconds) },
            would_do(pace),
        ];
        if pace.is_late() { table.red_row(row) } else { table.row(row) }
    }
    output.line(&table)
}

/// A backlog that lasts longer than a year is as good as one for ever.
const LONGEST_SHOWN: f64 = 365.0 * 86_400.0;

/// The advice in a few words.
pub(super) fn would_do(pace: &Pace) -> String {
    match (pace.advice.workers, pace.advice.slots) {
        (Some(0), _) => "none".to_owned(),
        (Some(1), Some(slots)) => format!("1 worker ({slots} slots)"),
        (Some(workers), Some(slots)) => format!("{workers} workers ({slots} slots)"),
        (None, _) | (_, None) => "not known yet".to_owned(),
    }
}

fn budgets(picture: &Picture, output: &mut Output) -> io::Result<()> {
    for budget in &picture.budgets {
        let state = match budget.blocked_seconds {
            Some(seconds) => format!("closed by the vendor for {}", span(Duration::from_secs(seconds))),
            None => format!("{:.0} requests at once now", budget.remaining),
        };
        output.line(format_args!("\n{} budget: {} a minute, {state}", budget.name, budget.per_minute))?;
    }
    for service in &picture.services {
        output.prose(2, service_line(service))?;
    }
    Ok(())
}

/// How an outside service is, in a line.
pub(super) fn service_line(service: &GateSeen) -> String {
    let seconds = |seconds| span(Duration::from_secs(seconds));
    let mut told = vec![match service.open_seconds {
        Some(open) => format!("circuit OPEN for {}", seconds(open)),
        None => "circuit closed".to_owned(),
    }];
    if let Some(limit) = service.limit {
        told.push(format!("{} requests under way of {limit} that it bears", service.in_use));
    }
    if service.blocked_seconds > 0 {
        told.push(format!("it wants everyone to wait {}", seconds(service.blocked_seconds)));
    }
    format!("{}: {}", service.service, told.join(", "))
}

fn kinds(picture: &Picture, output: &mut Output) -> io::Result<()> {
    let mut table = Table::new(output, &["kind", "due", "running", "later", "dead", "oldest due"]).numbers(&[1, 2, 3, 4, 5]);
    for depth in &picture.kinds {
        let oldest = if depth.due == Count::default() { "-".to_owned() } else { span(depth.oldest_due()) };
        let name = if depth.known { depth.kind.clone() } else { format!("{} (parked)", depth.kind) };
        table.row([name, depth.due.to_string(), depth.running.to_string(), depth.later.to_string(), depth.dead.to_string(), oldest]);
    }
    output.line(&table)?;
    if picture.kinds.iter().any(|depth| !depth.known) {
        output.prose(0, "parked kinds belong to a newer version: its workers do them, this one leaves them alone")?;
    }
    Ok(())
}

fn workers(picture: &Picture, output: &mut Output) -> io::Result<()> {
    let alive = picture.workers.iter().filter(|worker| worker.alive).count();
    output.line(format_args!("\nworkers: {alive} alive"))?;
    if !picture.workers.is_empty() {
        let mut table = Table::new(output, &["  worker", "kinds", "running", "oldest run", "version", "since"]).numbers(&[2, 3]);
        for worker in &picture.workers {
            let since = relative(worker.started_at, picture.at);
            let since = if worker.alive { since } else { format!("{since}, silent: its jobs go to others") };
            let (running, oldest) = picture.held_by(worker);
            let oldest = oldest.map_or_else(|| "-".to_owned(), span);
            table.row([&format!("  {}", worker.name), &worker.kinds.join(", "), &running.to_string(), &oldest, &worker.version, &since]);
        }
        output.line(&table)?;
    }
    Ok(())
}

fn sources(picture: &Picture, output: &mut Output) -> io::Result<()> {
    for source in &picture.sources {
        if let Some(known) = source.watermark {
            let ago = relative(known, picture.at);
            output.line("")?;
            output.prose(2, format_args!("{} {}: calls known up to {} ({ago})", source.source, source.org_id, stamp(known)))?;
        }
        if let Some(told) = source.details {
            output.prose(
                2,
                format_args!(
                    "{} {}: details told of calls that ended up to {} ({})",
                    source.source,
                    source.org_id,
                    stamp(told),
                    relative(told, picture.at)
                ),
            )?;
        }
        if source.gaps > 0 {
            output.prose(
                4,
                format_args!(
                    "  {} moments around which the vendor may not have told everything: `callscribe sync --from … --to …`",
                    source.gaps
                ),
            )?;
        }
    }
    Ok(())
}

fn backfills(picture: &Picture, output: &mut Output) -> io::Result<()> {
    for Backfill { seen, .. } in &picture.backfills {
        output.line("")?;
        output.prose(4, format_args!("  backfill {} of {}, {}: {}", seen.id, seen.source, seen.name, sync::line(seen)))?;
    }
    Ok(())
}

/// How complete everything is, as the last comparisons with the vendor's lists found it.
fn completeness(picture: &Picture, output: &mut Output) -> io::Result<()> {
    for account in &picture.completeness {
        let ago = relative(account.compared_at, picture.at);
        let missing: Vec<_> =
            account.gaps().iter().filter(|count| count.gaps > 0).map(|count| format!("{} {}", count.gaps, count.kind)).collect();
        output.line("")?;
        let compared = format!("  {}: compared up to {} ({ago})", account.source, stamp(account.compared_to));
        if missing.is_empty() {
            output.prose(4, format_args!("{compared}: nothing is missing"))?;
        } else {
            output.prose(
                4,
                format_args!("{compared}: {}: `callscribe reconcile` names them", output.red(&format!("missing {}", missing.join(", ")))),
            )?;
        }
    }
    Ok(())
}

fn setbacks(picture: &Picture, output: &mut Output) -> io::Result<()> {
    if picture.setbacks_of_10_minutes.is_empty() {
        return Ok(());
    }
    output.line("\nruns of the last 10 minutes that did not simply succeed")?;
    let mut table = Table::new(output, &["  kind", "ended", "reason", "runs"]).numbers(&[3]);
    for row in &picture.setbacks_of_10_minutes {
        table.row([&format!("  {}", row.kind), &row.outcome, &row.reason, &row.runs.to_string()]);
    }
    output.line(&table)
}

fn dead(picture: &Picture, output: &mut Output) -> io::Result<()> {
    if picture.dead.is_empty() {
        return output.line("\nnothing is dead");
    }
    output.line("\ndead, by reason")?;
    for row in &picture.dead {
        let last = relative(row.last_at, picture.at);
        output.line(format_args!("  {} {} {}, last {last}", row.jobs, row.kind, row.reason))?;
        if let Some(advice) = advice(&row.reason) {
            output.prose(6, format_args!("      {advice}"))?;
        }
        if let Some(page) = page(&row.reason) {
            output.prose(6, format_args!("      read {page}"))?;
        }
    }
    if let Some(first) = picture.dead.first() {
        output.prose(
            2,
            format_args!(
                "hint: `callscribe requeue --kind {} --reason {} --dry-run` counts what would come back",
                first.kind, first.reason
            ),
        )?;
    }
    Ok(())
}
