//! `callscribe webex`: what is arranged with Webex by hand.

mod subscribe;
mod subscriptions;
mod unsubscribe;
mod vendor;

use clap::{Args, Subcommand};

use super::Ended;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Have Webex tell by webhook when recordings can be fetched and calls end
    Subscribe(subscribe::Arguments),
    /// List the subscriptions to webhooks, and whether they are active
    Subscriptions(subscriptions::Arguments),
    /// Remove a subscription to webhooks
    Unsubscribe(unsubscribe::Arguments),
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    match &arguments.action {
        Action::Subscribe(arguments) => subscribe::run(arguments, output).await,
        Action::Subscriptions(arguments) => subscriptions::run(arguments, output).await,
        Action::Unsubscribe(arguments) => unsubscribe::run(arguments, output).await,
    }
}
