//! `callscribe calls search` and `callscribe calls index`: calls by what is said in them.

use std::{process::ExitCode, time::Duration};

use callscribe::{
    domain::{SourceName, TranscriptId},
    store::search::{FoundCall, FoundTurn, SearchError, SearchFilter, find, index, not_indexed},
    transcript::read,
};
use clap::Args;
use diesel_async::AsyncConnection;

use super::call_times;
use crate::{
    commands::Ended,
    failure::Failure,
    output::{Output, tell_error},
    setup,
    times::minute,
};

/// How to ask, and examples.
const HELP: &str = "\
Words are found in all their forms (refund finds refunded) in the language of each transcript.
All words must be said; \"in quotes\" one after another, `or` between two for either, -word for not.

Examples:
  callscribe calls search refund --queue Q_Support --since 30d
  callscribe calls search \"cancel -upgrade\" --json | jq -r '.[].session_id'";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct SearchArguments {
    /// What is said
    #[arg(value_name = "WORDS", required = true, allow_hyphen_values = false)]
    words: Vec<String>,
    /// Vendor: `webex`
    #[arg(long, value_name = "SOURCE")]
    source: Option<SourceName>,
    /// Last queue of the call, by its name
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Began at this time or later: a date, a time in UTC, or `2h` for two hours ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Began before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Show at most so many calls
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Transcripts are made findable as they become complete. This is for those from before version 20 of the schema, \
                        or after the table was emptied; it may be stopped and run again.\n\nExamples:\n  callscribe calls index\n  \
                        callscribe calls index --limit 10000")]
pub(crate) struct IndexArguments {
    /// Make at most about so many findable
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub(super) async fn search(arguments: &SearchArguments, output: &mut Output) -> Ended {
    let (since, until) = call_times(arguments.since.as_ref(), arguments.until.as_ref())?;
    let filter = SearchFilter { source: arguments.source, queue: arguments.queue.clone(), since, until };
    let store = setup::store()?;
    let query = arguments.words.join(" ");
    let found = match find(&mut *store.connection().await?, &query, &filter, i64::from(arguments.limit)).await {
        Ok(found) => found,
        Err(error @ SearchError::NoWords(_)) => return Err(Failure::wrong_use(error, "`callscribe calls search --help` shows how to ask")),
        Err(SearchError::Store(error)) => return Err(error.into()),
    };
    if arguments.json {
        output.json(&found)?;
    } else if found.is_empty() {
        output.line("nobody says so in any transcript")?;
    }
    for call in found.iter().filter(|_| !arguments.json) {
        output.line(head(call))?;
        for turn in &call.turns {
            let line = line(turn, output.is_terminal());
            output.prose(17, line)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The call, in a line.
fn head(call: &FoundCall) -> String {
    let leg = (call.leg != "main").then_some(call.leg.as_str());
    let rest = [leg, call.queue_name.as_deref(), call.agent_name.as_deref()];
    let rest: String = rest.iter().flatten().map(|part| format!("  {part}")).collect();
    format!("{}  {}{rest}", minute(call.started_at), call.session_id)
}

/// When it is said, by whom, and the words around it; what was found is bold on a terminal and between stars elsewhere.
fn line(turn: &FoundTurn, bold: bool) -> String {
    let (open, close) = if bold { ("\u{1b}[1m", "\u{1b}[0m") } else { ("*", "*") };
    let mut text = String::new();
    for (at, character) in turn.snippet.split_whitespace().collect::<Vec<_>>().join(" ").chars().enumerate() {
        if turn.marks.iter().any(|(from, _)| *from == at) {
            text.push_str(open);
        }
        text.push(character);
        if turn.marks.iter().any(|(_, to)| *to == at + 1) {
            text.push_str(close);
        }
    }
    let at = clock(turn.start);
    let who = turn.speaker.as_ref().map(|speaker| format!("{speaker}: ")).unwrap_or_default();
    format!("  {at:>8}  {who}{text}")
}

/// Seconds as players show them, `1:02:03`; a dash where no time is known.
pub(super) fn clock(seconds: Option<f64>) -> String {
    let Some(time) = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) else { return "-".to_owned() };
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

pub(super) async fn make_findable(arguments: &IndexArguments, output: &mut Output) -> Ended {
    /// Transcripts of a transaction.
    const AT_ONCE: i64 = 100;
    let store = setup::store()?;
    let (mut done, mut unread, mut after) = (0_u32, 0_u32, String::new());
    while done < arguments.limit {
        let connection = &mut *store.connection().await?;
        let page = not_indexed(connection, &after, AT_ONCE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.session_id);
        for one in page {
            match read(&one.transcript_json) {
                Ok(document) => {
                    let indexed = connection.transaction(async |transaction| index(transaction, TranscriptId(one.id), &document).await);
                    indexed.await?;
                    done += 1;
                }
                Err(error) => {
                    tell_error(&format!("call `{}`: {error}", one.session_id));
                    unread += 1;
                }
            }
        }
    }
    output.line(format_args!("{done} transcripts made findable, {unread} that cannot be read"))?;
    Ok(ExitCode::SUCCESS)
}
