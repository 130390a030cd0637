//! `callscribe jobs`: what the ledger holds.

mod cancel;
mod clusters;
mod list;
mod show;

use clap::{Args, Subcommand};
pub(crate) use show::{advice, attempt_cause, page};

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
    /// Group jobs by what their last error says
    Clusters(clusters::Arguments),
    /// Call off jobs that wait or are dead
    Cancel(cancel::Arguments),
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    match &arguments.action {
        Action::List(arguments) => list::run(arguments, output).await,
        Action::Show(arguments) => show::run(arguments, output).await,
        Action::Clusters(arguments) => clusters::run(arguments, output).await,
        Action::Cancel(arguments) => cancel::run(arguments, output).await,
    }
}
