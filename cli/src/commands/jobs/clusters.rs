//! `callscribe jobs clusters`: jobs grouped by what their last error says, whatever numbers, ids and names it holds.

use std::process::ExitCode;

use callscribe::{
    clock::{Clock, SystemClock},
    domain::JobState,
    ledger::{Cluster, MOST_CLUSTERED, clusters},
};
use clap::Args;
use serde::Serialize;

use super::{advice, page};
use crate::{commands::Ended, filter_arguments::FilterArguments, output::Output, setup, times::relative};

#[derive(Debug, Args)]
#[command(after_help = "Dead jobs are meant unless `--state` names others.\n\n\
                        Examples:\n  callscribe jobs clusters --since 2h\n  \
                        callscribe requeue --error \"connection reset\" --dry-run     # those of one cluster, by a part of its text")]
pub(crate) struct Arguments {
    #[command(flatten)]
    filter: FilterArguments,
    /// Show at most so many, those of most jobs first
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    limit: u16,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'c> {
    #[serde(flatten)]
    cluster: &'c Cluster,
    advice: Option<&'static str>,
    page: Option<String>,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let mut filter = arguments.filter.filter()?;
    setup::warn_of(&arguments.filter.doubts());
    if filter.states.is_empty() {
        filter.states = vec![JobState::Dead];
    }
    let store = setup::store()?;
    let found = clusters(&mut *store.connection().await?, &filter).await?;
    let shown = found.clusters.iter().take(usize::from(arguments.limit));
    if arguments.json {
        let shown: Vec<_> = shown.map(|cluster| Shown { cluster, advice: advice(&cluster.reason), page: page(&cluster.reason) }).collect();
        output.json(&serde_json::json!({ "clusters": shown, "jobs": found.jobs, "newest_only": found.newest_only }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if found.clusters.is_empty() {
        output.line("no job with an error is like this")?;
    }
    let now = SystemClock.now();
    for cluster in shown {
        output.prose(2, format_args!("{} × {} ({})", cluster.jobs, cluster.pattern, cluster.reason))?;
        let seen = format!("first {}, last {}", relative(cluster.first_seen, now), relative(cluster.last_seen, now));
        let kinds = cluster.kinds.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        output.prose(4, format_args!("    {kinds}; {seen}; one of them: callscribe jobs show {}", cluster.example))?;
        if let Some(advice) = advice(&cluster.reason) {
            output.prose(4, format_args!("    {advice}"))?;
        }
        if let Some(page) = page(&cluster.reason) {
            output.line(format_args!("    {page}"))?;
        }
    }
    if found.newest_only {
        output.line(format_args!("\nof the newest {MOST_CLUSTERED} jobs; filters find others"))?;
    }
    Ok(ExitCode::SUCCESS)
}
