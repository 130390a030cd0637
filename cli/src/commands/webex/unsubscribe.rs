//! `callscribe webex unsubscribe`.

use std::process::ExitCode;

use clap::Args;

use super::vendor::{Vendor, refusal};
use crate::{commands::Ended, failure::Failure, output::Output};

#[derive(Debug, Args)]
#[command(after_help = "Calls are found all the same: at the next sync instead of at once.\n\n\
                        Example:\n  callscribe webex unsubscribe 41e92806-331d-4802-bc12-674f92d4a6f7")]
pub(super) struct Arguments {
    /// As `callscribe webex subscriptions` shows it
    #[arg(value_name = "ID")]
    id: String,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let vendor = Vendor::connect()?;
    let before = vendor.webex.subscriptions().await.map_err(refusal)?;
    let Some(found) = before.listed.iter().find(|each| each.id == arguments.id) else {
        let what = format!("there is no subscription `{}`", arguments.id);
        return Err(Failure::with_hint(what, "`callscribe webex subscriptions` lists them"));
    };
    vendor.webex.unsubscribe(&found.id).await.map_err(refusal)?;
    let others = before.listed.iter().any(|each| each.id != found.id && each.destination_url == found.destination_url);
    if !others && vendor.remembered().await?.as_deref() == Some(found.destination_url.as_str()) {
        vendor.remember(None).await?;
    }
    if arguments.json {
        output.json(&serde_json::json!({ "removed": found }))?;
    } else {
        output.line(format_args!("removed {} (`{}`, {})", found.id, found.name, found.destination_url))?;
    }
    Ok(ExitCode::SUCCESS)
}
