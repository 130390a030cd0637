//! `callscribe webex subscribe`.

use std::process::ExitCode;

use clap::Args;
use url::Url;

use super::vendor::{Vendor, refusal};
use crate::{commands::Ended, failure::Failure, output::Output, table::Table};

/// Where `callscribe api` takes events.
const PATH: &str = "/api/webhooks/webex";

#[derive(Debug, Args)]
#[command(
    after_help = "One subscription per resource: recordings that can be fetched, calls that ended. Run again, it makes no second one: \
                        it gives those that are there the present WEBEX_CC_WEBHOOK_SECRET and switches them on. \
                        Needs the scopes cjp:config and cjp:config_write.\n\n\
                        Example:\n  callscribe webex subscribe --url https://hooks.example.com/api/webhooks/webex"
)]
pub(super) struct Arguments {
    /// Address of `callscribe api` as Webex reaches it; without a path, `/api/webhooks/webex` is added
    #[arg(long)]
    url: String,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let vendor = Vendor::connect()?;
    let destination = destination(&arguments.url, vendor.on_loopback)?;
    let Some(secret) = vendor.webhook.secrets.first() else {
        let hint = "make one with `openssl rand -hex 32`, and give it to `callscribe api` as well";
        return Err(Failure::with_hint("`WEBEX_CC_WEBHOOK_SECRET` is not set: events could not be told from forgeries", hint));
    };
    // remembered first: a command that dies half way leaves nothing that nobody looks after
    vendor.remember(Some(destination.as_str())).await?;
    let ensured = vendor.webex.subscribe(&destination, secret).await.map_err(refusal)?;
    if arguments.json {
        output.json(&ensured)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(output, &["resource", "events", "state", "id", ""]);
    for each in &ensured {
        let subscription = &each.subscription;
        let done = if each.made { "made" } else { "was there" };
        table.row([subscription.resource(), &subscription.event_types.join(", "), &subscription.status, &subscription.id, done]);
    }
    output.line(&table)?;
    Ok(ExitCode::SUCCESS)
}

/// What Webex will take as a destination, checked here so that the answer says which part is wrong.
fn destination(text: &str, loopback: bool) -> Result<Url, Failure> {
    let example = "such as `https://hooks.example.com/api/webhooks/webex`";
    let wrong =
        |what: &str| Failure::wrong_use(format_args!("`{text}` cannot be a destination: {what}"), format!("give an address {example}"));
    let mut url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    let plain = url.scheme() == "http" && loopback;
    if url.scheme() != "https" && !plain {
        return Err(wrong("Webex sends events over https only"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it may have no query, fragment or user"));
    }
    if url.port().is_some() && !plain {
        return Err(wrong("Webex takes no port but 443"));
    }
    if url.path().trim_matches('/').is_empty() {
        url.set_path(PATH);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_what_webex_takes() {
        assert_eq!(destination("https://hooks.example.com", false).unwrap().as_str(), "https://hooks.example.com/api/webhooks/webex");
        assert_eq!(destination("https://hooks.example.com/a/b", false).unwrap().path(), "/a/b");
        for wrong in ["hooks.example.com", "http://hooks.example.com", "https://hooks.example.com:8443/a", "https://hooks.example.com/a?b"]
        {
            assert!(destination(wrong, false).is_err(), "{wrong}");
        }
        assert!(destination("http://127.0.0.1:8080", true).is_ok(), "a simulator's");
    }
}
