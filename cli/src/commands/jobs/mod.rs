//! `callscribe jobs`: what the ledger holds.

mod cancel;
mod list;
mod show;

use clap::{Args, Subcommand};
pub(crate) use show::{advice, attempt_cause};

use super::Ended;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List jobs, newest first
    List(list::Arguments),
    /// Show one job with every attempt
    Show(show::Arguments),
    /// Call off jobs that wait or are dead
    Cancel(cancel::Arguments),
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    match &arguments.action {
        Action::List(arguments) => list::run(arguments, output).await,
        Action::Show(arguments) => show::run(arguments, output).await,
        Action::Cancel(arguments) => cancel::run(arguments, output).await,
    }
}
