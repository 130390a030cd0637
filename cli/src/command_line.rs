//! The command line's shape: which commands there are and how help looks.

use clap::{Parser, Subcommand};

use crate::commands;

/// Every call recorded, transcribed and stored: calls out of Webex Contact Center into PostgreSQL, recordings in S3, transcripts beside them.
#[derive(Debug, Parser)]
#[command(
    name = "callscribe",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "Try it:    callscribe demo\n\
                  Look:      callscribe status · callscribe calls show SESSION\n\
                  Repair:    callscribe requeue --kind transcription --dry-run\n\n\
                  Settings come from the environment and from `.env`; docs/CONFIGURATION.md lists them.\n\
                  Exit status: 0 done, 1 failed, 2 wrong use."
)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See it work: everything on this machine, vendors simulated
    Demo(commands::demo::Arguments),
    /// Run everything in one process, with embedded engines and real vendors
    Standalone(commands::standalone::Arguments),
    /// Bring the database up to this version's schema
    Migrate(commands::migrate::Arguments),
    /// Check every dependency and credential, each with its fix
    Doctor(commands::doctor::Arguments),
    /// Say when calls are asked for, and keep work moving; start two for safety
    Scheduler(commands::scheduler::Arguments),
    /// Work on jobs
    Worker(commands::worker::Arguments),
    /// Answer health, metrics and requests over HTTP
    Api(commands::api::Arguments),
    /// Show how much there is to do, who does it, and what needs a person
    Status(commands::status::Arguments),
    /// Show what needs a person, and whether anybody was told
    Alerts(commands::alerts::Arguments),
    /// Ask for calls now, or for calls of the past
    Sync(commands::sync::Arguments),
    /// Compare what the vendor lists with what is held, and have what is missing made
    Reconcile(commands::reconcile::Arguments),
    /// List, show and cancel jobs
    Jobs(commands::jobs::Arguments),
    /// Make dead jobs due again
    Requeue(commands::requeue::Arguments),
    /// List, show and cancel what was requeued together
    Batch(commands::batch::Arguments),
    /// Pause, resume, scale and drain while everything runs
    Queue(commands::queue::Arguments),
    /// List calls, and show everything that ever happened to one
    Calls(commands::calls::Arguments),
    /// Show what transcription cost
    Costs(commands::costs::Arguments),
    /// Show what retention would delete now
    Retention(commands::retention::Arguments),
    /// Show what retention deleted, object by object
    Deletions(commands::retention::DeletionsArguments),
    /// Log in to Webex Contact Center, and manage what it sends us by itself
    Webex(commands::webex::Arguments),
    /// Print the documents that are generated from the code
    #[command(hide = true)]
    Config(commands::config::Arguments),
}
