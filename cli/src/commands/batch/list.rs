//! `callscribe batch list`.

use std::process::ExitCode;

use callscribe::{
    clock::{Clock, SystemClock},
    ledger::batches_seen,
};
use clap::Args;

use crate::{commands::Ended, output::Output, setup, table::Table, times::relative};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  callscribe batch list --limit 5")]
pub(crate) struct Arguments {
    /// Show at most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    limit: u16,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let store = setup::store()?;
    let batches = batches_seen(&mut *store.connection().await?, None, i64::from(arguments.limit)).await?;
    if arguments.json {
        output.json(&batches)?;
        return Ok(ExitCode::SUCCESS);
    }
    if batches.is_empty() {
        output.line("nothing was requeued yet")?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = SystemClock.now();
    let mut table = Table::new(output, &["batch", "state", "made", "jobs", "open", "done", "dead", "%"]).numbers(&[3, 4, 5, 6, 7]);
    for batch in &batches {
        let numbers =
            [batch.total(), batch.total() - batch.ended(), batch.done, batch.dead, batch.percent()].map(|number| number.to_string());
        let made = relative(batch.created_at, now);
        table.row([batch.name.as_str(), batch.state.as_str(), made.as_str()].into_iter().chain(numbers.iter().map(String::as_str)));
    }
    output.line(&table)?;
    Ok(ExitCode::SUCCESS)
}
