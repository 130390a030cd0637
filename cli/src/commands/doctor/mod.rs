//! `callscribe doctor`: every dependency and credential, tried before the first job, each with its fix.
//!
//! Each check has a time within which it must end, and all run side by side. Only what is configured is checked. No check prints a
//! secret: errors of the clients name hosts and codes.

mod bucket;
mod clock;
mod finding;
mod machine;
mod postgres;
mod redis;
mod settings;
mod tone;
mod traces;
mod transcriber;
mod webex;

use std::{process::ExitCode, time::Duration};

use clap::Args;
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use serde::Serialize;

use self::{
    finding::{Finding, Level},
    settings::Subject,
};
use super::{Ended, worker};
use crate::{output::Output, setup};

#[derive(Debug, Args)]
#[command(
    after_help = "One line each: `ok`, `warn` (works, and someone should look), `FAIL` (will not work), `off` (not configured). Exit status 1 \
                        with any FAIL. Writes one small object to the bucket and deletes it; fetches a token if the kept one has ended.\n\n\
                        Examples:\n  callscribe doctor\n  callscribe doctor sync recordings\n  \
                        callscribe doctor --deep --json | jq '.findings[] | select(.level == \"FAIL\")'"
)]
pub(crate) struct Arguments {
    /// Only what these workers need: `sync`, `recordings`, `transcribe`, `upkeep`, `enrich`, `chat`, or `all`
    #[arg(value_name = "KIND", value_parser = worker::kind)]
    kinds: Vec<worker::Kinds>,
    /// Also have a second of sound transcribed, which may cost a fraction of a cent
    #[arg(long)]
    deep: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// A check that takes longer has failed: the slowest vendor answers within it, a person waits that long.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same where something is transcribed: models are loaded for the first request.
const DEEP_PATIENCE: Duration = Duration::from_mins(2);

#[derive(Serialize)]
struct Report {
    ok: bool,
    findings: Vec<Finding>,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let environment = setup::environment()?;
    let kinds = worker::kinds_of(&arguments.kinds);
    let (subject, mut findings) = settings::read(&environment, &kinds);
    findings.extend(examine(&subject, arguments.deep).await);
    let report = Report { ok: !findings.iter().any(|finding| finding.level == Level::Fail), findings };
    if arguments.json {
        output.json(&report)?;
    } else {
        print(&report, output)?;
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs every check that the settings call for, side by side; findings come in the order of the checks.
async fn examine(subject: &Subject, deep: bool) -> Vec<Finding> {
    let mut checks: Vec<BoxFuture<'_, Vec<Finding>>> = vec![machine::check(subject).boxed()];
    if let Some(store) = &subject.store {
        checks.push(bounded("postgresql", PATIENCE, postgres::check(store)));
    }
    if let Some(hints) = &subject.hints {
        checks.push(bounded("redis", PATIENCE, redis::check(hints)));
    }
    if let Some(bucket) = &subject.bucket {
        checks.push(bounded("bucket", PATIENCE, bucket::check(bucket)));
    }
    if let (Some(settings), Some(store), Some(hints)) = (&subject.webex, &subject.store, &subject.hints) {
        checks.push(bounded("webex", PATIENCE, webex::check(settings, store, hints)));
    }
    let patience = if deep { DEEP_PATIENCE } else { PATIENCE };
    if let Some(settings) = &subject.transcriber {
        checks.push(bounded("transcriber", patience, transcriber::check(settings, deep)));
    }
    checks.push(bounded("transcriber", patience, transcriber::check_others(&subject.others, deep)));
    if let Some(settings) = &subject.traces {
        checks.push(bounded("traces", PATIENCE, traces::check(settings)));
    }
    join_all(checks).await.into_iter().flatten().collect()
}

/// The check, or that it did not end in time.
fn bounded<'c>(
    name: &'static str,
    patience: Duration,
    check: impl Future<Output = Vec<Finding>> + Send + 'c,
) -> BoxFuture<'c, Vec<Finding>> {
    async move {
        match tokio::time::timeout(patience, check).await {
            Ok(findings) => findings,
            Err(_) => {
                let found = format!("no answer within {} s", patience.as_secs());
                vec![Finding::fail(name, found, "is the address right, and does a firewall let us through?")]
            }
        }
    }
    .boxed()
}

fn print(report: &Report, output: &mut Output) -> std::io::Result<()> {
    let widest = report.findings.iter().map(|finding| finding.check.chars().count()).max().unwrap_or(0);
    for Finding { check, level, found, fix } in &report.findings {
        let word = if *level == Level::Fail { output.red("FAIL") } else { level.word().to_owned() };
        let indent = 4 + 2 + widest + 2;
        output.prose(indent, format_args!("{word:<4}  {check:<widest$}  {found}"))?;
        if let Some(fix) = fix {
            output.prose(indent + 5, format_args!("{:indent$}fix: {fix}", ""))?;
        }
    }
    let count = |level| report.findings.iter().filter(|finding| finding.level == level).count();
    match (count(Level::Fail), count(Level::Warn)) {
        (0, 0) => output.line("\nall is well"),
        (0, warnings) => output.line(format_args!("\nit will work; {warnings} to look at")),
        (failures, _) => output.line(format_args!("\n{failures} must be put right before it works")),
    }
}
