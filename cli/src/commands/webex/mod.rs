//! `callscribe webex`: what is arranged with Webex by hand.

mod chats;
mod login;
mod subscribe;
mod subscriptions;
mod token;
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
    /// Write what was written in chats into a workbook for Excel
    Chats(chats::Arguments),
    /// Log in, in a browser, by pasting a code, or with the refresh token of a service app
    Login(login::Arguments),
    /// Show whose the tokens are, what they allow and when they end
    Token(token::Arguments),
    /// Have Webex tell by webhook when recordings can be fetched and calls end
    Subscribe(subscribe::Arguments),
    /// List the subscriptions to webhooks, and whether they are active
    Subscriptions(subscriptions::Arguments),
    /// Remove a subscription to webhooks
    Unsubscribe(unsubscribe::Arguments),
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    match &arguments.action {
        Action::Chats(arguments) => chats::run(arguments, output).await,
        Action::Login(arguments) => login::run(arguments, output).await,
        Action::Token(arguments) => token::run(arguments, output).await,
        Action::Subscribe(arguments) => subscribe::run(arguments, output).await,
        Action::Subscriptions(arguments) => subscriptions::run(arguments, output).await,
        Action::Unsubscribe(arguments) => unsubscribe::run(arguments, output).await,
    }
}
