//! `callscribe queue`: live control. What is said here reaches running processes within a second or two, and those that start later
//! from their first job on.

mod tell;

use std::process::ExitCode;

use callscribe::{
    clock::{Clock, SystemClock},
    domain::JobKind,
    ledger::{self, ControlTarget, WhoAndWhy, controls_seen, workers_seen},
    store::Connection,
};
use clap::{Args, Subcommand};
use serde_json::json;

pub(crate) use self::tell::{paused, scaled_and_draining, tell};
use super::Ended;
use crate::{failure::Failure, output::Output, setup};

#[derive(Debug, Args)]
#[command(after_help = "Everything said here is in the audit log, is kept in PostgreSQL until it is taken back, and is shown by \
                        `callscribe status`.\n\n\
                        Examples:\n  callscribe queue pause transcribe --why \"provider bills twice\"\n  callscribe queue pause webex\n  \
                        callscribe queue scale transcribe 8\n  callscribe queue scale transcribe default\n  \
                        callscribe queue drain worker-7-4711\n  callscribe queue show")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Claim no more jobs of a kind, of a source, or at all; what runs goes on to its end
    #[command(
        after_help = "Jobs stay as they are: no attempt is spent, and they start where they would have when the pause is lifted.\n\nExamples:\n  callscribe queue pause transcribe --why \"provider bills twice\"\n  callscribe queue pause webex\n  callscribe queue pause all"
    )]
    Pause(Pausing),
    /// Lift that very pause, and no other
    #[command(after_help = "Examples:\n  callscribe queue resume transcribe\n  callscribe queue resume all")]
    Resume(Pausing),
    /// Set how many jobs of a kind each process runs at once
    #[command(
        after_help = "Running processes take it over within a second or two, later ones from the start; fewer at once waits for what runs.\n\nExamples:\n  callscribe queue scale transcribe 8\n  callscribe queue scale transcribe default"
    )]
    Scale(Scaling),
    /// Have one worker process take nothing new, finish, and exit with 0, as on SIGTERM
    #[command(
        after_help = "What does not end within DRAIN_TIMEOUT is handed back without using an attempt. A supervisor that starts it again replaces it.\n\nExamples:\n  callscribe queue drain worker-7-4711 --why \"new node\""
    )]
    Drain(Draining),
    /// Show what is paused, scaled and draining, since when, by whom and why
    #[command(after_help = "Examples:\n  callscribe queue show\n  callscribe queue show --json | jq .paused")]
    Show(Showing),
}

#[derive(Debug, Args)]
struct Pausing {
    /// `all`, a kind or its worker's name (`transcription`, `transcribe`), or a source (`webex`)
    #[arg(value_name = "KIND|SOURCE|all", value_parser = str::parse::<ControlTarget>)]
    target: ControlTarget,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct Scaling {
    /// A kind of job or its worker's name
    #[arg(value_parser = kind)]
    kind: JobKind,
    /// Jobs at once in each process, or `default` for what the processes' own settings say
    #[arg(value_name = "N|default", value_parser = jobs_at_once)]
    jobs: JobsAtOnce,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct Draining {
    /// The worker's name, `host-pid`, as `callscribe status` shows it
    worker: String,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct Showing {
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct How {
    /// Why, for the audit log and for whoever wonders
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy)]
enum JobsAtOnce {
    AsConfigured,
    Jobs(u16),
}

fn kind(word: &str) -> Result<JobKind, String> {
    match word.parse() {
        Ok(ControlTarget::Kind(kind)) => Ok(kind),
        Ok(ControlTarget::All | ControlTarget::Source(_)) | Err(_) => Err(format!("`{word}` is no kind of job")),
    }
}

fn jobs_at_once(word: &str) -> Result<JobsAtOnce, String> {
    /// As `CONCURRENCY_<KIND>` and `--concurrency` have it.
    const MOST: u16 = 1024;
    match word.parse() {
        Ok(jobs) if (1..=MOST).contains(&jobs) => Ok(JobsAtOnce::Jobs(jobs)),
        Ok(0) => Err("0 jobs at once is a pause: `callscribe queue pause`".to_owned()),
        _ if word == "default" => Ok(JobsAtOnce::AsConfigured),
        _ => Err(format!("expected 1 to {MOST}, or `default`")),
    }
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let store = setup::store()?;
    let connection = &mut *store.connection().await?;
    match &arguments.action {
        Action::Pause(pausing) => pause(pausing, connection, output).await,
        Action::Resume(pausing) => resume(pausing, connection, output).await,
        Action::Scale(scaling) => scale(scaling, connection, output).await,
        Action::Drain(draining) => drain(draining, connection, output).await,
        Action::Show(showing) => {
            let controls = controls_seen(connection).await?;
            if showing.json {
                output.json(&controls)?;
            } else if controls.is_empty() {
                output.line("nothing is paused, scaled or draining")?;
            } else {
                tell(&controls, SystemClock.now(), output)?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn pause(pausing: &Pausing, connection: &mut Connection, output: &mut Output) -> Ended {
    let (target, actor) = (pausing.target, setup::actor());
    let changed = ledger::pause(connection, target, WhoAndWhy { actor: &actor, why: pausing.how.why.as_deref() }).await?;
    if pausing.how.json {
        output.json(&json!({ "scope": target.scope(), "subject": target.subject(), "paused": true, "changed": changed }))?;
    } else if changed {
        output.line(format_args!("paused {target}: nothing of it is claimed from now on; what runs goes on to its end"))?;
    } else {
        output.line(format_args!("{target} was paused already"))?;
        tell(&controls_seen(connection).await?, SystemClock.now(), output)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn resume(pausing: &Pausing, connection: &mut Connection, output: &mut Output) -> Ended {
    let (target, actor) = (pausing.target, setup::actor());
    let changed = ledger::resume(connection, target, WhoAndWhy { actor: &actor, why: pausing.how.why.as_deref() }).await?;
    let left = controls_seen(connection).await?;
    if pausing.how.json {
        output.json(&json!({
            "scope": target.scope(), "subject": target.subject(), "paused": false, "changed": changed, "still_paused": left.paused,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line(format_args!("{target} {}", if changed { "resumed" } else { "was not paused" }))?;
    if !left.paused.is_empty() {
        output.line("other pauses are in force")?;
        tell(&left, SystemClock.now(), output)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn scale(scaling: &Scaling, connection: &mut Connection, output: &mut Output) -> Ended {
    let (kind, actor) = (scaling.kind, setup::actor());
    let jobs = match scaling.jobs {
        JobsAtOnce::AsConfigured => None,
        JobsAtOnce::Jobs(jobs) => Some(jobs),
    };
    let was = ledger::scale(connection, kind, jobs, WhoAndWhy { actor: &actor, why: scaling.how.why.as_deref() }).await?;
    if scaling.how.json {
        output.json(&json!({ "kind": kind.as_str(), "jobs_at_once": jobs, "was": was }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let words = |jobs: Option<u16>| jobs.map_or_else(|| "as each process is configured".to_owned(), |jobs| format!("{jobs} at once"));
    output.line(format_args!("`{kind}` in each process: {} (was: {})", words(jobs), words(was)))?;
    Ok(ExitCode::SUCCESS)
}

async fn drain(draining: &Draining, connection: &mut Connection, output: &mut Output) -> Ended {
    let (worker, actor) = (draining.worker.as_str(), setup::actor());
    let leases = ledger::drain(connection, worker, WhoAndWhy { actor: &actor, why: draining.how.why.as_deref() }).await?;
    if leases.is_empty() {
        let names: Vec<_> = workers_seen(connection).await?.into_iter().map(|seen| seen.name).collect();
        let hint = if names.is_empty() { "no worker is alive".to_owned() } else { format!("these are alive: {}", names.join(", ")) };
        return Err(Failure::with_hint(format_args!("no living worker is named `{worker}`"), hint));
    }
    if draining.how.json {
        output.json(&json!({ "worker": worker, "leases": leases }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line(format_args!("told `{worker}` to drain: it takes nothing new, ends what it runs within DRAIN_TIMEOUT and exits with 0"))?;
    if leases.len() > 1 {
        output.line(format_args!("{} processes bear that name; all were told", leases.len()))?;
    }
    Ok(ExitCode::SUCCESS)
}
