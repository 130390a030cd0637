//! One file per command.

pub(crate) mod config;
pub(crate) mod migrate;

use std::process::ExitCode;

use crate::{command_line::Command, failure::Failure, output::Output};

/// How a command that got as far as running ends: 0, or 1 when what it waited for went wrong.
pub(crate) type Ended = Result<ExitCode, Failure>;

/// Runs the command.
pub(crate) async fn run(command: Command, output: &mut Output) -> Ended {
    match command {
        Command::Migrate(arguments) => migrate::run(&arguments, output).await,
        Command::Config(arguments) => config::run(&arguments, output),
    }
}
