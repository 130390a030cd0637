//! `callscribe status`: how much there is to do, who does it, and what needs a person.

mod alerts;
mod picture;
mod text;
mod watch;

use std::{process::ExitCode, time::Duration};

use callscribe::ledger::COUNTED;
use clap::Args;

use self::picture::Asker;
use super::Ended;
use crate::output::Output;

#[derive(Debug, Args)]
#[command(after_help = "`due` waits for a worker, `later` for its time, `dead` for a person.\n\n\
                        Examples:\n  callscribe status\n  callscribe status --watch\n  \
                        callscribe status --json | jq '.kinds[] | select(.dead.jobs > 0)'")]
pub(crate) struct Arguments {
    /// Count to the end, however long it takes, instead of stopping at 20000
    #[arg(long)]
    exact: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    /// Keep looking: a dashboard on a terminal, a block of lines per look elsewhere
    #[arg(long, conflicts_with_all = ["json", "exact"])]
    watch: bool,
    /// How often to look
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = every, requires = "watch")]
    every: Duration,
}

/// More often than this is no use to eyes and work for PostgreSQL.
const OFTENEST: Duration = Duration::from_millis(500);

fn every(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|_| format!("`{text}` is not a span: give `2s` or `1m`"))?;
    if span < OFTENEST { Err("looks come half a second apart at the least".to_owned()) } else { Ok(span) }
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let most = if arguments.exact { i64::MAX } else { COUNTED };
    let asker = Asker::from_settings(most)?;
    if arguments.watch {
        return watch::run(asker, arguments.every, output).await;
    }
    let picture = asker.ask().await?;
    if arguments.json {
        output.json(&picture)?
    } else {
        text::print(&picture, output)?
    }
    Ok(ExitCode::SUCCESS)
}
