//! `callscribe calls`: the calls, and all that ever happened to one.

mod compare;
mod export;
mod hold;
mod list;
mod of_run;
mod search;
mod show;
mod switch;
mod timeline;

use callscribe::{
    clock::{Clock, SystemClock},
    domain::SessionId,
    store::{Connection, call_story::sessions_like},
};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::Ended;
use crate::{failure::Failure, output::Output, times::moment};

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
    /// Write transcripts as json, jsonl, txt, srt, vtt, vcon or csv
    Export(export::Arguments),
    /// Find calls by what is said in them
    Search(search::SearchArguments),
    /// Make older transcripts findable
    Index(search::IndexArguments),
    /// Compare two versions of a call's transcript
    Compare(compare::Arguments),
    /// Make another version of a call's transcript count
    Switch(switch::Arguments),
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
        Action::Export(arguments) => export::run(arguments, output).await,
        Action::Search(arguments) => search::search(arguments, output).await,
        Action::Index(arguments) => search::make_findable(arguments, output).await,
        Action::Compare(arguments) => compare::run(arguments, output).await,
        Action::Switch(arguments) => switch::run(arguments, output).await,
        Action::Hold(arguments) => hold::hold(arguments, output).await,
        Action::Release(arguments) => hold::release(arguments, output).await,
        Action::Holds(arguments) => hold::list(arguments, output).await,
    }
}

/// The call whose session id a person gave, or the beginning of it.
async fn find(connection: &mut Connection, text: &str) -> Result<SessionId, Failure> {
    /// Enough to show that the beginning given is that of several.
    const NEAR: i64 = 3;
    let found = sessions_like(connection, text, NEAR).await?;
    match found.as_slice() {
        [one] => Ok(SessionId::parse(one.as_str())?),
        [] => Err(Failure::with_hint(format_args!("there is no call `{text}`"), "`callscribe calls list` shows session ids")),
        several => Err(Failure::with_hint(format_args!("several calls begin with `{text}`: {}, …", several.join(", ")), "give more of it")),
    }
}

/// Two ends of a time, each of them given or not.
type Times = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// What `--since` and `--until` mean.
fn call_times(since: Option<&String>, until: Option<&String>) -> Result<Times, Failure> {
    let now = SystemClock.now();
    let time = |text: Option<&String>| {
        let wrong = |error| Failure::wrong_use(error, "times are UTC unless they name a zone");
        text.map(|text| moment(text, now).map_err(wrong)).transpose()
    };
    Ok((time(since)?, time(until)?))
}
