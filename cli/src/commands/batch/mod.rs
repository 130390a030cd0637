//! `callscribe batch`: what became of jobs that were requeued together.

mod cancel;
mod compare;
mod list;
pub(crate) mod show;
mod switch;

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
    /// List the latest batches
    List(list::Arguments),
    /// Show how far one is, and why jobs of it died again
    Show(show::Arguments),
    /// Compare what one made with the transcripts that counted before
    Compare(compare::Arguments),
    /// Make what one made count, or what counted before
    Switch(switch::Arguments),
    /// Call off what waits of one
    Cancel(cancel::Arguments),
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    match &arguments.action {
        Action::List(arguments) => list::run(arguments, output).await,
        Action::Show(arguments) => show::run(arguments, output).await,
        Action::Compare(arguments) => compare::run(arguments, output).await,
        Action::Switch(arguments) => switch::run(arguments, output).await,
        Action::Cancel(arguments) => cancel::run(arguments, output).await,
    }
}
