//! `callscribe calls`: the calls, and all that ever happened to one.

mod list;
mod of_run;
mod show;
mod timeline;

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
    /// List calls, latest first
    List(list::Arguments),
    /// Show everything that ever happened to one call
    Show(show::Arguments),
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    match &arguments.action {
        Action::List(arguments) => list::run(arguments, output).await,
        Action::Show(arguments) => show::run(arguments, output).await,
    }
}
