//! `callscribe calls compare`: two versions of a transcript, word by word.

use std::process::ExitCode;

use callscribe::{
    store::current_transcripts::{CompleteVersion, complete_versions},
    transcript::{Comparison, Document, Passage, compare, read},
};
use clap::Args;
use serde::Serialize;

use super::{find, search::clock};
use crate::{commands::Ended, failure::Failure, output::Output, setup, times::stamp};

/// What is compared, and examples.
const HELP: &str = "\
The first version is taken for the truth: the word error rate is how many of its words the second has otherwise, lacks or adds.
Case, punctuation and speakers are not compared. [-words-] are only in the first, {+words+} only in the second.

Examples:
  callscribe calls compare 6a1f0f1e
  callscribe calls compare 6a1f0f1e --from 1 --to 3 --json | jq .comparison.word_error_rate";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    /// Session id of the call, or its beginning
    #[arg(value_name = "SESSION")]
    session: String,
    /// Version taken for the truth; the one that counted before `--to` when left out
    #[arg(long, value_name = "VERSION")]
    from: Option<i32>,
    /// Version compared with it, on trial or not; the newest when left out
    #[arg(long, value_name = "VERSION")]
    to: Option<i32>,
    /// Leg of the call
    #[arg(long, value_name = "LEG", default_value = "main")]
    leg: String,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// A version that is compared, without its words.
#[derive(Serialize)]
struct Compared<'c> {
    version: i32,
    provider: &'c str,
    model: Option<&'c str>,
    completed_at: chrono::DateTime<chrono::Utc>,
    counts: bool,
}

#[derive(Serialize)]
struct Shown<'s> {
    session_id: &'s str,
    leg: &'s str,
    from: Compared<'s>,
    to: Compared<'s>,
    comparison: &'s Comparison,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let store = setup::store()?;
    let connection = &mut *store.connection().await?;
    let session = find(connection, &arguments.session).await?;
    let versions = complete_versions(connection, &session, &arguments.leg).await?;
    let (first, second) = chosen(&versions, arguments)?;
    let comparison = compare(&document(first)?, &document(second)?);
    if arguments.json {
        let (leg, session_id) = (arguments.leg.as_str(), session.as_str());
        output.json(&Shown { session_id, leg, from: meta(first), to: meta(second), comparison: &comparison })?;
        return Ok(ExitCode::SUCCESS);
    }
    for (name, version) in [("from", first), ("to", second)] {
        let model = version.model.as_deref().unwrap_or("-");
        output.line(format_args!(
            "{name:<5} version {}, {} {model}, {}{}",
            version.version,
            version.provider,
            stamp(version.completed_at),
            if version.counts { "" } else { ", on trial" }
        ))?;
    }
    let Comparison { words, substitutions, deletions, insertions, .. } = comparison;
    let rate = comparison.word_error_rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.1} %", rate * 100.0));
    output
        .line(format_args!("word error rate {rate}: of {words} words {substitutions} replaced, {deletions} missing, {insertions} added"))?;
    for (at, passage) in comparison.passages.iter().enumerate().filter(|(_, passage)| !passage.same) {
        let beside = |at: Option<usize>| at.and_then(|at| comparison.passages.get(at)).map_or("", |passage| passage.second.as_str());
        output.prose(12, line(passage, beside(at.checked_sub(1)), beside(at.checked_add(1))))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The two versions that are meant.
fn chosen<'v>(versions: &'v [CompleteVersion], arguments: &Arguments) -> Result<(&'v CompleteVersion, &'v CompleteVersion), Failure> {
    let there = || versions.iter().map(|version| version.version.to_string()).collect::<Vec<_>>().join(", ");
    let of = |number: i32| {
        let missing = || Failure::with_hint(format_args!("there is no complete version {number}"), format!("complete are: {}", there()));
        versions.iter().find(|version| version.version == number).ok_or_else(missing)
    };
    let too_few = || {
        let what = format_args!("leg `{}` of this call has {} complete versions, and two are compared", arguments.leg, versions.len());
        Failure::with_hint(what, "`callscribe requeue --again` with `--model` or `--provider` makes another version")
    };
    let to = arguments.to.map_or_else(|| versions.last().ok_or_else(too_few), of)?;
    let lower = || versions.iter().filter(|version| version.version < to.version);
    let before = || lower().rfind(|version| version.counts).or_else(|| lower().next_back()).ok_or_else(too_few);
    Ok((arguments.from.map_or_else(before, of)?, to))
}

fn document(version: &CompleteVersion) -> Result<Document, Failure> {
    Ok(read(&version.transcript_json)?)
}

fn meta(version: &CompleteVersion) -> Compared<'_> {
    let CompleteVersion { version, provider, model, completed_at, counts, .. } = version;
    Compared { version: *version, provider, model: model.as_deref(), completed_at: *completed_at, counts: *counts }
}

/// What differs, with a few words of what stands around it.
fn line(passage: &Passage, before: &str, after: &str) -> String {
    /// Words on either side.
    const AROUND: usize = 4;
    let words: Vec<&str> = before.split_whitespace().collect();
    let before = words.get(words.len().saturating_sub(AROUND)..).unwrap_or_default().join(" ");
    let after = after.split_whitespace().take(AROUND).collect::<Vec<_>>().join(" ");
    let only = |open: &str, words: &str, close: &str| if words.is_empty() { String::new() } else { format!("{open}{words}{close}") };
    let (first, second) = (only("[-", &passage.first, "-]"), only("{+", &passage.second, "+}"));
    let parts = [before, first, second, after];
    let text = parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ");
    format!("  {:>8}  {text}", clock(passage.start))
}
