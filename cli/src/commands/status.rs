//! `callscribe status`: how much there is to do, who does it, and what needs a person.

use std::{io, process::ExitCode, time::Duration};

use callscribe::{
    clock::{Clock, SystemClock},
    domain::JobKind,
    ledger::{COUNTED, Count, DeadReason, Depth, Setbacks, WorkerSeen, dead_reasons, depths, recent_setbacks, workers_seen},
    store::{
        Connection, StoreError,
        backfills::{BackfillSeen, backfills_seen},
        completeness::{Accounts, accounts},
        logins::{CredentialSeen, credentials},
        sync_state::{SyncState, sync_states},
    },
};
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::Ended;
use crate::{
    commands::{jobs::advice, sync},
    output::Output,
    setup,
    table::Table,
    times::{relative, span, stamp},
};

#[derive(Debug, Args)]
#[command(after_help = "`due` waits for a worker, `later` for its time, `dead` for a person.\n\n\
                        Examples:\n  callscribe status\n  callscribe status --json | jq '.kinds[] | select(.dead.jobs > 0)'")]
pub(crate) struct Arguments {
    /// Count to the end, however long it takes, instead of stopping at 50000
    #[arg(long)]
    exact: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// How far back setbacks are told.
const LATELY: Duration = Duration::from_mins(10);

#[derive(Serialize)]
struct Status {
    at: DateTime<Utc>,
    kinds: Vec<Depth>,
    workers: Vec<WorkerSeen>,
    dead: Vec<DeadReason>,
    setbacks_of_10_minutes: Vec<Setbacks>,
    sources: Vec<SyncState>,
    credentials: Vec<CredentialSeen>,
    backfills: Vec<Backfill>,
    completeness: Vec<Accounts>,
}

/// A backfill and what follows from its figures.
#[derive(Serialize)]
struct Backfill {
    #[serde(flatten)]
    seen: BackfillSeen,
    days_per_minute: Option<f64>,
    seconds_left: Option<u64>,
}

impl From<BackfillSeen> for Backfill {
    fn from(seen: BackfillSeen) -> Self {
        Self { days_per_minute: seen.days_per_minute(), seconds_left: seen.time_left().map(|left| left.as_secs()), seen }
    }
}

impl Status {
    async fn ask(connection: &mut Connection, most: i64) -> Result<Self, StoreError> {
        let mut kinds = depths(connection, most).await?;
        for known in JobKind::ALL {
            if !kinds.iter().any(|depth| depth.kind == known.as_str()) {
                kinds.push(Depth { kind: known.as_str().to_owned(), known: true, ..Depth::default() });
            }
        }
        // known kinds in the order of a call's life, then those of newer versions
        kinds.sort_by_key(|depth| (depth.kind.parse::<JobKind>().map_or(usize::MAX, position), depth.kind.clone()));
        Ok(Self {
            at: SystemClock.now(),
            kinds,
            workers: workers_seen(connection).await?,
            dead: dead_reasons(connection).await?,
            setbacks_of_10_minutes: recent_setbacks(connection, LATELY).await?,
            sources: sync_states(connection).await?,
            credentials: credentials(connection).await?,
            completeness: accounts(connection).await?,
            backfills: backfills_seen(connection, None).await?.into_iter().map(Backfill::from).collect(),
        })
    }
}

fn position(kind: JobKind) -> usize {
    JobKind::ALL.iter().position(|known| *known == kind).unwrap_or(usize::MAX)
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let store = setup::store()?;
    let most = if arguments.exact { i64::MAX } else { COUNTED };
    let status = Status::ask(&mut *store.connection().await?, most).await?;
    if arguments.json {
        output.json(&status)?;
        return Ok(ExitCode::SUCCESS);
    }
    logins(&status, output)?;
    kinds(&status, output)?;
    workers(&status, output)?;
    sources(&status, output)?;
    backfills(&status, output)?;
    completeness(&status, output)?;
    setbacks(&status, output)?;
    dead(&status, output)?;
    Ok(ExitCode::SUCCESS)
}

/// Nothing else matters as much: without a login no job of the vendor does anything.
fn logins(status: &Status, output: &mut Output) -> io::Result<()> {
    for credential in &status.credentials {
        if let Some(since) = credential.refused_since {
            let (name, ago) = (&credential.name, relative(since, status.at));
            output.prose(
                2,
                format_args!("LOG IN AGAIN: {name} refuses our tokens, since {ago}: `callscribe webex login`; its jobs wait\n"),
            )?;
        } else if let Some(ends) = credential.refresh_expires_at.filter(|_| credential.ends_soon(status.at)) {
            let (name, when) = (&credential.name, relative(ends, status.at));
            output.prose(2, format_args!("warning: the login to {name} ends {when}: `callscribe webex login` before\n"))?;
        }
    }
    Ok(())
}

fn kinds(status: &Status, output: &mut Output) -> io::Result<()> {
    let mut table = Table::new(output, &["kind", "due", "running", "later", "dead", "oldest due"]).numbers(&[1, 2, 3, 4, 5]);
    for depth in &status.kinds {
        let oldest = if depth.due == Count::default() { "-".to_owned() } else { span(depth.oldest_due()) };
        let name = if depth.known { depth.kind.clone() } else { format!("{} (parked)", depth.kind) };
        table.row([name, depth.due.to_string(), depth.running.to_string(), depth.later.to_string(), depth.dead.to_string(), oldest]);
    }
    output.line(&table)?;
    if status.kinds.iter().any(|depth| !depth.known) {
        output.prose(0, "parked kinds belong to a newer version: its workers do them, this one leaves them alone")?;
    }
    Ok(())
}

fn workers(status: &Status, output: &mut Output) -> io::Result<()> {
    let alive = status.workers.iter().filter(|worker| worker.alive).count();
    output.line(format_args!("\nworkers: {alive} alive"))?;
    if !status.workers.is_empty() {
        let mut table = Table::new(output, &["  worker", "kinds", "version", "since"]);
        for worker in &status.workers {
            let since = relative(worker.started_at, status.at);
            let since = if worker.alive { since } else { format!("{since}, silent: its jobs go to others") };
            table.row([&format!("  {}", worker.name), &worker.kinds.join(", "), &worker.version, &since]);
        }
        output.line(&table)?;
    }
    for depth in status.kinds.iter().filter(|depth| depth.known && depth.due.jobs > 0) {
        if !status.workers.iter().any(|worker| worker.alive && worker.kinds.contains(&depth.kind)) {
            let worker = depth.kind.parse::<JobKind>().map_or_else(|_| depth.kind.clone(), |kind| kind.worker().to_owned());
            output.prose(2, format_args!("hint: nobody works on `{}`: start `callscribe worker {worker}`", depth.kind))?;
        }
    }
    Ok(())
}

fn sources(status: &Status, output: &mut Output) -> io::Result<()> {
    for source in &status.sources {
        if let Some(known) = source.watermark {
            let ago = relative(known, status.at);
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
                    relative(told, status.at)
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

fn backfills(status: &Status, output: &mut Output) -> io::Result<()> {
    for Backfill { seen, .. } in &status.backfills {
        output.line("")?;
        output.prose(4, format_args!("  backfill {} of {}, {}: {}", seen.id, seen.source, seen.name, sync::line(seen)))?;
    }
    Ok(())
}

/// How complete everything is, as the last comparisons with the vendor's lists found it.
fn completeness(status: &Status, output: &mut Output) -> io::Result<()> {
    for account in &status.completeness {
        let ago = relative(account.compared_at, status.at);
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

fn setbacks(status: &Status, output: &mut Output) -> io::Result<()> {
    if status.setbacks_of_10_minutes.is_empty() {
        return Ok(());
    }
    output.line("\nruns of the last 10 minutes that did not simply succeed")?;
    let mut table = Table::new(output, &["  kind", "ended", "reason", "runs"]).numbers(&[3]);
    for row in &status.setbacks_of_10_minutes {
        table.row([&format!("  {}", row.kind), &row.outcome, &row.reason, &row.runs.to_string()]);
    }
    output.line(&table)
}

fn dead(status: &Status, output: &mut Output) -> io::Result<()> {
    if status.dead.is_empty() {
        return output.line("\nnothing is dead");
    }
    output.line("\ndead, by reason")?;
    for row in &status.dead {
        let last = relative(row.last_at, status.at);
        output.line(format_args!("  {} {} {}, last {last}", row.jobs, row.kind, row.reason))?;
        if let Some(advice) = advice(&row.reason) {
            output.prose(6, format_args!("      {advice}"))?;
        }
    }
    if let Some(first) = status.dead.first() {
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
