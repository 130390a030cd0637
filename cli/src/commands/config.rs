//! `callscribe config`: the documents that are generated from the declarations in src/config.

use std::process::ExitCode;

use callscribe::config::{configuration_page, example_file};
use clap::{Args, Subcommand};

use super::Ended;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    document: Document,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Document {
    /// docs/CONFIGURATION.md
    Docs,
    /// .env.example
    EnvExample,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    output.text(&match arguments.document {
        Document::Docs => configuration_page(),
        Document::EnvExample => example_file(),
    })?;
    Ok(ExitCode::SUCCESS)
}
