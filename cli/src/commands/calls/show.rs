//! `callscribe calls show`: the vendor's record, recordings, transcripts, and everything that ever happened, in order of time.

use std::{io, process::ExitCode};

use callscribe::{
    config::TraceSettings,
    domain::{CallSummary, JobId},
    ledger::{AttemptSeen, JobFilter, JobSeen, attempts, list_jobs},
    store::call_story::{CallSeen, CallStory, TranscriptSeen, call_story},
};
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::{
    find,
    list::length,
    timeline::{self, Event, timeline},
};
use crate::{
    commands::{
        Ended,
        jobs::{advice, page},
    },
    failure::Failure,
    output::Output,
    setup,
    table::Table,
    times::{span, stamp},
};

/// What `--json` prints, and examples.
const HELP: &str = "\
JSON: one object. The call's own fields are under `call`, what the vendor sent under
`vendor_record`, then `recordings`, `summary`, `transcripts` (`current`: the version that counts;
`counts` is false of those on trial), `hold`, `jobs`, `attempts` (the runs that did not simply succeed) and `timeline`, whose events have
  at, subject, what     when, to what (call, recording, transcript or a kind of job), what happened
  job_id, run, outcome  of a run: done, running, later, failed, dead, lost or handed_back
  worker, host          who ran it, and on which machine
  started_at, ended_at, seconds, bytes, next_run_at
  reason, error, advice, page, vendor_status, vendor_request
  recording_id, object_key, leg, version, provider, model, current, counts, state
  batch, case_number
  trace_id              of a run, where OTEL_EXPORTER_OTLP_ENDPOINT is set for this command as well
and leave out what is not known. Times are UTC.

Examples:
  callscribe calls show 6a1f0f1e
  callscribe calls show 6a1f0f1e --text
  callscribe calls show 6a1f0f1e --json | jq '.timeline[] | select(.vendor_request)'";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    /// Session id of the call, or its beginning
    session: String,
    /// Print the transcript's text, all of it, and nothing else
    #[arg(long, conflicts_with = "json")]
    text: bool,
    /// Print as JSON, the vendor's record included
    #[arg(long)]
    json: bool,
}

/// Jobs of one call: one per kind, and later versions' kinds.
const MOST_JOBS: i64 = 100;
/// The leg that is the call itself.
const MAIN: &str = "main";
/// Characters of the transcript shown beside the rest.
const EXCERPT: usize = 600;

#[derive(Serialize)]
struct Shown<'s> {
    #[serde(flatten)]
    story: &'s CallStory,
    jobs: &'s [JobSeen],
    attempts: &'s [AttemptSeen],
    timeline: &'s [Event],
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let store = setup::store()?;
    let connection = &mut *store.connection().await?;
    let session = find(connection, &arguments.session).await?;
    let Some(story) = call_story(connection, &session).await? else {
        return Err(Failure::with_hint(format_args!("call `{session}` has just been removed"), "`callscribe calls list` shows the others"));
    };
    if arguments.text {
        return text(&story, output);
    }
    let jobs = list_jobs(connection, &JobFilter::of_session(session), MOST_JOBS).await?;
    let attempts = attempts(connection, &jobs.iter().map(|job| JobId(job.id)).collect::<Vec<_>>()).await?;
    let mut events = timeline(&story, &jobs, &attempts);
    if setup::optional_settings(TraceSettings::read).flatten().is_some() {
        timeline::name_traces(&mut events);
    }
    if arguments.json {
        output.json(&Shown { story: &story, jobs: &jobs, attempts: &attempts, timeline: &events })?;
        return Ok(ExitCode::SUCCESS);
    }
    head(&story, output)?;
    recordings(&story, output)?;
    transcripts(&story, output)?;
    timeline::print(&events, output)?;
    excerpt(&story, output)?;
    summary(&story, output)?;
    Ok(ExitCode::SUCCESS)
}

fn head(story: &CallStory, output: &mut Output) -> io::Result<()> {
    let call = &story.call;
    let way = call.direction.as_deref().unwrap_or(&call.channel);
    output.line(format_args!("call {}", call.session_id))?;
    let mut field = |name: &str, value: Option<String>| match value {
        Some(value) => output.prose(14, format_args!("  {name:<11} {value}")),
        None => Ok(()),
    };
    field("source", Some(format!("{}, {way}, {}", call.source, length(call))))?;
    field("from", call.ani.clone())?;
    field("to", call.dnis.clone())?;
    field("agent", call.agent_name.clone())?;
    field("queue", call.queue_name.clone())?;
    field("team", joined(&[call.team_name.as_deref(), call.site_name.as_deref(), call.entry_point_name.as_deref()]))?;
    let guessed = if call.case_number_guessed { " (a guess: named by the call's record or summary)" } else { "" };
    field("case", call.case_number.as_ref().map(|number| format!("{number}{guessed}")))?;
    field("began", Some(stamp(call.start_time)))?;
    field("ended", call.end_time.map(|end| ended(call, end)))?;
    field("spent", spent(call))?;
    field("wrap-up", call.wrap_up_code.clone())?;
    field("about", call.contact_reason.clone())?;
    field("rating", joined(&[call.csat_score.map(|score| score.to_string()).as_deref(), call.auto_csat.as_deref()]))?;
    field("details", call.enriched_at.map(|at| format!("as of {}", stamp(at))))?;
    field("transcript", Some(transcript_state(story)))?;
    field("held", story.hold.as_ref().map(|hold| format!("since {} by {}: {}", stamp(hold.held_at), hold.held_by, hold.why)))?;
    let of_call = story.transcripts.iter().rfind(|transcript| transcript.leg == MAIN && transcript.counts);
    let failed = of_call.filter(|transcript| transcript.status == "error");
    field("why", failed.and_then(|transcript| transcript.error_message.clone()))?;
    field("what to do", failed.and_then(|transcript| advice(transcript.error_code.as_deref()?)).map(str::to_owned))?;
    field("read", failed.and_then(|transcript| page(transcript.error_code.as_deref()?)))
}

/// When a call ended, how far that is known, and by whom.
fn ended(call: &CallSeen, end: DateTime<Utc>) -> String {
    let inferred = (call.end_time_source.as_deref() == Some("last_updated")).then_some("at the latest");
    joined(&[Some(&stamp(end)), inferred, call.terminated_by.as_deref(), call.termination_reason.as_deref()]).unwrap_or_default()
}

/// Where the time of a call went.
fn spent(call: &CallSeen) -> Option<String> {
    let part = |name: &str, seconds: Option<i32>| {
        let seconds = u64::try_from(seconds?).ok().filter(|seconds| *seconds > 0)?;
        Some(format!("{name} {}", span(std::time::Duration::from_secs(seconds))))
    };
    let parts = [
        part("talk", call.talk_seconds),
        part("queue", call.queue_seconds),
        part("hold", call.hold_seconds),
        part("wrap-up", call.wrap_up_seconds),
    ];
    joined(&parts.each_ref().map(|part| part.as_deref()))
}

/// What is there of several things, with commas between.
fn joined(parts: &[Option<&str>]) -> Option<String> {
    let there: Vec<&str> = parts.iter().copied().flatten().collect();
    (!there.is_empty()).then(|| there.join(", "))
}

/// The state of the transcript, with the reason code when it failed: the word that filters take.
fn transcript_state(story: &CallStory) -> String {
    match (story.call.transcript_status.as_str(), &story.call.error_code) {
        ("error", Some(reason)) => format!("error: {reason}"),
        (status, _) => status.to_owned(),
    }
}

fn recordings(story: &CallStory, output: &mut Output) -> io::Result<()> {
    let mut table = Table::new(output, &["recording", "leg", "state", "bytes", "plays", "audio"]).numbers(&[3]);
    for recording in &story.recordings {
        let plays = recording.duration_ms.and_then(|ms| u64::try_from(ms).ok()).map(|ms| span(std::time::Duration::from_millis(ms)));
        let audio = match (&recording.codec, recording.sample_rate_hz, recording.channels) {
            (Some(codec), Some(rate), Some(channels)) => format!("{codec} {rate} Hz, {channels} ch"),
            _ => "-".to_owned(),
        };
        let bytes = recording.size_bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        table.row([&recording.recording_id, &recording.leg, &recording.status, &bytes, plays.as_deref().unwrap_or("-"), &audio]);
    }
    if table.is_empty() {
        return Ok(());
    }
    output.line(format_args!("\n{table}"))?;
    for recording in &story.recordings {
        match (&recording.object_key, recording.deleted_at) {
            (Some(key), None) => output.line(format_args!("  stored as {key}"))?,
            (Some(key), Some(at)) => output.line(format_args!("  deleted by retention on {}, was {key}", stamp(at)))?,
            (None, _) => {}
        }
        if let (Some(key), None) = (&recording.muted_key, recording.deleted_at) {
            output.line(format_args!("  muted copy is {key}"))?;
        }
    }
    Ok(())
}

/// Each leg's transcripts, when there are more than the call's own.
fn transcripts(story: &CallStory, output: &mut Output) -> io::Result<()> {
    if story.transcripts.len() < 2 {
        return Ok(());
    }
    let mut table = Table::new(output, &["transcript of", "version", "provider", "state", "counts", "language", "flags"]);
    for transcript in &story.transcripts {
        let state = transcript.error_code.as_ref().map_or_else(|| transcript.status.clone(), |reason| format!("error: {reason}"));
        let flags = if transcript.flags.is_empty() { "-".to_owned() } else { transcript.flags.join(", ") };
        let language = transcript.language.as_deref().unwrap_or("-");
        let counts = match (transcript.current, transcript.counts) {
            (true, _) => "yes",
            (false, true) => "-",
            (false, false) => "on trial",
        };
        table.row([&transcript.leg, &transcript.version.to_string(), &transcript.provider, &state, counts, language, &flags]);
    }
    output.line(format_args!("\n{table}"))
}

/// What the vendor's assistant noted.
fn summary(story: &CallStory, output: &mut Output) -> io::Result<()> {
    let Some(summary) = &story.summary else { return Ok(()) };
    let Ok(CallSummary { post_call, mid_call, named_case_number: _ }) = serde_json::from_value(summary.clone()) else {
        return output.line("\nsummary in the form of another version: `--json` prints it");
    };
    output.line(format_args!("\nsummary by {}", story.call.source))?;
    for (note, when) in post_call.iter().map(|note| (note, "")).chain(mid_call.iter().map(|note| (note, " (handing on)"))) {
        let told = [
            ("reason", &note.initial_contact_reason),
            ("handed on", &note.reason_for_transfer_or_consult),
            ("more reasons", &note.additional_contact_reasons),
            ("context", &note.additional_context),
            ("done", &note.key_actions_taken),
            ("next", &note.next_steps),
            ("wrap-up", &note.chosen_wrap_up_code),
        ];
        for (name, text) in told.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?))) {
            for (line, first) in text.lines().zip(std::iter::once(true).chain(std::iter::repeat(false))) {
                output.prose(16, format_args!("  {:<13} {line}{}", if first { name } else { "" }, if first { when } else { "" }))?;
            }
        }
    }
    Ok(())
}

/// The version of the main leg that counts.
fn complete(story: &CallStory) -> Option<(&TranscriptSeen, &str)> {
    let counts = |transcript: &&TranscriptSeen| transcript.current && transcript.leg == MAIN;
    let transcript = story.transcripts.iter().find(counts)?;
    Some((transcript, transcript.transcript_text.as_deref().unwrap_or_default()))
}

fn excerpt(story: &CallStory, output: &mut Output) -> io::Result<()> {
    let Some((transcript, text)) = complete(story) else { return Ok(()) };
    let language = transcript.language.as_deref().unwrap_or("language unknown");
    let flags = if transcript.flags.is_empty() { String::new() } else { format!(", {}", transcript.flags.join(", ")) };
    let version = if transcript.version > 1 { format!("version {}, ", transcript.version) } else { String::new() };
    output.line(format_args!("\ntranscript ({version}{}, {language}{flags})", transcript.provider))?;
    let shown: String = text.chars().take(EXCERPT).collect();
    let rest = if shown.len() < text.len() { " … (`--text` prints it all)" } else { "" };
    output.prose(2, format_args!("  {}{rest}", if shown.is_empty() { "[nobody spoke]" } else { &shown }))
}

fn text(story: &CallStory, output: &mut Output) -> Ended {
    let Some((_, text)) = complete(story) else {
        let hint = "`callscribe calls show` without `--text` tells why";
        return Err(Failure::with_hint(format_args!("call `{}` has no complete transcript", story.call.session_id), hint));
    };
    output.line(text)?;
    Ok(ExitCode::SUCCESS)
}
