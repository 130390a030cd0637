//! The executable: reads the command line and the settings, runs one command, tells how it went.
//!
//! One file per command lives in `commands/`. What does not live here: anything a library could do.

mod command_line;
mod commands;
mod failure;
mod filter_arguments;
mod output;
mod process;
mod rate;
mod setup;
mod table;
mod times;

use std::process::ExitCode;

use clap::Parser;

use crate::{command_line::CommandLine, failure::Failure, output::Output};

fn main() -> ExitCode {
    // every TLS connection of the process uses ring; a second installation, in tests, finds the first and changes nothing
    let _ = rustls::crypto::ring::default_provider().install_default();
    let command_line = CommandLine::parse();
    let mut output = Output::of_process();
    let ended = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::from).and_then(|runtime| {
        runtime.block_on(async {
            let ended = commands::run(command_line.command, &mut output).await;
            process::deliver_traces().await;
            ended
        })
    });
    match ended {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}
