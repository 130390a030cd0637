//! `callscribe costs`: what transcription cost, by day, month, queue, model or call.

use std::process::ExitCode;

use callscribe::{
    clock::{Clock, SystemClock},
    config::PriceSettings,
    domain::{CostsBy, amount},
    store::costs::{CostSum, costs, month_of, spent_since},
};
use clap::Args;
use serde_json::json;

use super::Ended;
use crate::failure::Failure;
use crate::{output::Output, setup, table::Table, times::moment};

#[derive(Debug, Args)]
#[command(
    after_help = "By TRANSCRIPTION_PRICES as they were when the answer came. Every answer counts, of failed transcripts too; one that was\n\
                        lost between the provider and us does not. TRIMMED is silence that was not sent.\n\n\
                        Examples:\n  callscribe costs\n  callscribe costs --by queue --since 30d\n  callscribe costs --by call --since 7d --limit 20 --json"
)]
pub(crate) struct Arguments {
    /// Sum by this: day, month, queue, model or call
    #[arg(long, value_name = "WHAT", default_value = "day")]
    by: CostsBy,
    /// Answers since this moment: 2026-11-21, 2026-11-21T10:00, 2026-11-21T10:00:00Z (UTC), or a span such as 2h or 3d: so long ago
    #[arg(long, value_name = "WHEN", default_value = "31d")]
    since: String,
    /// Answers before this moment, likewise
    #[arg(long, value_name = "WHEN", default_value = "now")]
    until: String,
    /// Show at most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let prices = setup::settings(PriceSettings::read)?;
    let (store, now) = (setup::store()?, SystemClock.now());
    let connection = &mut *store.connection().await?;
    let time = |text: &str| moment(text, now).map_err(|error| Failure::wrong_use(error, "times are UTC unless they name a zone"));
    let span = (time(&arguments.since)?, time(&arguments.until)?);
    let sums = costs(connection, arguments.by, span, i64::from(arguments.limit)).await?;
    let this_month = spent_since(connection, month_of(now)).await?;
    if arguments.json {
        let told: Vec<_> = sums.iter().map(of_sum).collect();
        output.json(&json!({
            "by": arguments.by, "since": span.0, "until": span.1, "costs": told, "currency": prices.currency,
            "this_month": amount(this_month), "monthly_cap": prices.cap_micros.map(amount),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if sums.is_empty() {
        output.line("no provider has answered in this time")?;
    } else {
        output.line(table(&sums, arguments.by, output))?;
    }
    let cap = prices.cap().map(|cap| format!(" of {cap}")).unwrap_or_default();
    output.line(format_args!("this month: {} {}{cap}", amount(this_month), prices.currency))?;
    Ok(ExitCode::SUCCESS)
}

fn of_sum(sum: &CostSum) -> serde_json::Value {
    json!({
        "of": sum.of, "answers": sum.answers, "seconds": sum.seconds, "trimmed_seconds": sum.trimmed_seconds,
        "amount": amount(sum.amount_micros), "currency": sum.currency,
    })
}

fn table(sums: &[CostSum], by: CostsBy, output: &Output) -> Table {
    let name = by.as_str().to_uppercase();
    let mut table = Table::new(output, &[name.as_str(), "ANSWERS", "MINUTES", "TRIMMED", "COST", ""]).numbers(&[1, 2, 3, 4]);
    for sum in sums {
        table.row([
            if sum.of.is_empty() { "(none)".to_owned() } else { sum.of.clone() },
            sum.answers.to_string(),
            format!("{:.1}", sum.seconds / 60.0),
            format!("{:.1}", sum.trimmed_seconds / 60.0),
            amount(sum.amount_micros),
            sum.currency.clone(),
        ]);
    }
    table
}
