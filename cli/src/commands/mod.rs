//! One file per command.

pub(crate) mod alerts;
pub(crate) mod api;
pub(crate) mod batch;
pub(crate) mod calls;
pub(crate) mod config;
pub(crate) mod costs;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod jobs;
pub(crate) mod migrate;
pub(crate) mod queue;
pub(crate) mod reconcile;
pub(crate) mod requeue;
pub(crate) mod retention;
pub(crate) mod scheduler;
pub(crate) mod standalone;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod webex;
pub(crate) mod worker;

use std::process::ExitCode;

use crate::{command_line::Command, failure::Failure, output::Output};

/// How a command that got as far as running ends: 0, or 1 when what it waited for went wrong.
pub(crate) type Ended = Result<ExitCode, Failure>;

/// Runs the command.
pub(crate) async fn run(command: Command, output: &mut Output) -> Ended {
    match command {
        Command::Demo(arguments) => demo::run(&arguments, output).await,
        Command::Standalone(arguments) => standalone::run(&arguments).await,
        Command::Scheduler(arguments) => scheduler::run(&arguments).await,
        Command::Worker(arguments) => worker::run(&arguments).await,
        Command::Api(arguments) => api::run(&arguments).await,
        Command::Doctor(arguments) => doctor::run(&arguments, output).await,
        Command::Migrate(arguments) => migrate::run(&arguments, output).await,
        Command::Status(arguments) => status::run(&arguments, output).await,
        Command::Alerts(arguments) => alerts::run(&arguments, output).await,
        Command::Sync(arguments) => sync::run(&arguments, output).await,
        Command::Costs(arguments) => costs::run(&arguments, output).await,
        Command::Retention(arguments) => retention::run(&arguments, output).await,
        Command::Deletions(arguments) => retention::run_deletions(&arguments, output).await,
        Command::Reconcile(arguments) => reconcile::run(&arguments, output).await,
        Command::Jobs(arguments) => jobs::run(&arguments, output).await,
        Command::Batch(arguments) => batch::run(&arguments, output).await,
        Command::Requeue(arguments) => requeue::run(&arguments, output).await,
        Command::Queue(arguments) => queue::run(&arguments, output).await,
        Command::Calls(arguments) => calls::run(&arguments, output).await,
        Command::Webex(arguments) => webex::run(&arguments, output).await,
        Command::Config(arguments) => config::run(&arguments, output),
    }
}
