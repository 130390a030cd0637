//! `callscribe calls`: the calls, and all that ever happened to one.

mod hold;
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
    /// Keep a call whatever retention says
    Hold(hold::HoldArguments),
    /// Let retention apply to a held call again
    Release(hold::ReleaseArguments),
    /// Show which calls are held, by whom and why
    Holds(hold::HoldsArguments),
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    match &arguments.action {
        Action::List(arguments) => list::run(arguments, output).await,
        Action::Show(arguments) => show::run(arguments, output).await,
        Action::Hold(arguments) => hold::hold(arguments, output).await,
        Action::Release(arguments) => hold::release(arguments, output).await,
        Action::Holds(arguments) => hold::list(arguments, output).await,
    }
}
