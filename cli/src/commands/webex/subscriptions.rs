//! `callscribe webex subscriptions`.

use std::process::ExitCode;

use callscribe::sources::webex::MOST_SUBSCRIPTIONS;
use clap::Args;

use super::vendor::{Vendor, refusal};
use crate::{commands::Ended, output::Output, table::Table};

#[derive(Debug, Args)]
#[command(
    after_help = "Webex makes a subscription inactive when its destination is slow or fails; `callscribe worker upkeep` switches ours \
                        on again now and then, `callscribe webex subscribe` at once.\n\nExample:\n  callscribe webex subscriptions --json"
)]
pub(super) struct Arguments {
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let vendor = Vendor::connect()?;
    let ours = vendor.remembered().await?;
    let subscriptions = vendor.webex.subscriptions().await.map_err(refusal)?;
    if arguments.json {
        output.json(&serde_json::json!({ "count": subscriptions.count, "destination": ours, "subscriptions": subscriptions.listed }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if subscriptions.listed.is_empty() {
        output.line("nothing is subscribed; `callscribe webex subscribe --url https://…` does")?;
    } else {
        let mut table = Table::new(output, &["id", "resource", "events", "state", "destination", "ours"]);
        for each in &subscriptions.listed {
            let own = if ours.as_deref() == Some(each.destination_url.as_str()) { "yes" } else { "-" };
            table.row([&each.id, each.resource(), &each.event_types.join(", "), &each.status, &each.destination_url, own]);
        }
        output.line(&table)?;
    }
    let hidden = usize::try_from(subscriptions.count).unwrap_or(usize::MAX).saturating_sub(subscriptions.listed.len());
    if hidden > 0 {
        output.line(format_args!("{hidden} more were made by version 1 of the API, which does not show them here"))?;
    }
    output.line(format_args!("{} of {MOST_SUBSCRIPTIONS} that the organisation may have", subscriptions.count))?;
    Ok(ExitCode::SUCCESS)
}
