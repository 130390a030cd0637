//! What came out, as a table, and where to look next.

use std::{io, path::Path, time::Duration};

use callscribe::store::call_story::CallStory;
use callscribe_simulators::webex::Expected;

use super::{
    judge::{Verdict, Verdicts},
    stage::{SHORTENED, Stage},
};
use crate::{output::Output, table::Table, times::span};

/// First letters of a session id: enough to tell the demo's calls apart, and `calls show` takes them.
const SHORT_ID: usize = 8;
/// Letters shown of a transcript: as many as fit a line of 80 beside the rest.
const FIRST_LETTERS: usize = 26;

pub(super) fn table(verdicts: &Verdicts, output: &mut Output) -> io::Result<()> {
    let mut table = Table::new(output, &["call", "way", "length", "audio", "transcript", "first words", "right"]).numbers(&[2, 3]);
    for verdict in &verdicts.0 {
        table.row(row(verdict));
    }
    output.line(&table)?;
    for verdict in verdicts.0.iter().filter(|verdict| !verdict.wrong.is_empty()) {
        output.line(format_args!("{} is not as expected:", verdict.truth.session_id))?;
        for wrong in &verdict.wrong {
            output.line(format_args!("  {wrong}"))?;
        }
    }
    Ok(())
}

fn row(verdict: &Verdict) -> [String; 7] {
    let id = short(&verdict.truth.session_id.to_string());
    let right = if verdict.is_final && verdict.wrong.is_empty() { "yes" } else { "NO" }.to_owned();
    let Some(story) = &verdict.story else {
        return [id, "-".into(), "-".into(), "-".into(), "not synced".into(), String::new(), right];
    };
    let length = story.call.duration_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds}s"));
    let way = match story.call.direction.as_deref() {
        Some("inbound") => "in",
        Some("outbound") => "out",
        _ => "-",
    };
    [id, way.to_owned(), length, size(story), state(story, verdict.truth.expected), first_words(story), right]
}

fn size(story: &CallStory) -> String {
    let stored = story.recordings.iter().filter(|recording| recording.status == "stored").filter_map(|recording| recording.size_bytes);
    match stored.max() {
        Some(bytes) => format!("{} KiB", bytes / 1024),
        None => "-".to_owned(),
    }
}

fn state(story: &CallStory, expected: Expected) -> String {
    match (story.call.transcript_status.as_str(), &story.call.error_code, expected) {
        ("error", Some(reason), _) => reason.clone(),
        ("none", _, Expected::NotRequested) => "not recorded".to_owned(),
        (status, ..) => status.to_owned(),
    }
}

fn first_words(story: &CallStory) -> String {
    let text = story.transcripts.last().and_then(|transcript| transcript.transcript_text.as_deref()).unwrap_or_default();
    let mut shown = String::new();
    for word in text.split_whitespace() {
        if shown.chars().count() + word.chars().count() + 3 > FIRST_LETTERS {
            return shown + "…";
        }
        shown.push_str(word);
        shown.push(' ');
    }
    shown.trim_end().to_owned()
}

pub(super) fn summary(verdicts: &Verdicts, stage: &Stage, output: &mut Output, took: Duration) -> io::Result<()> {
    let right = verdicts.0.iter().filter(|verdict| verdict.is_final && verdict.wrong.is_empty()).count();
    let all = verdicts.0.len();
    output.line("")?;
    output.prose(0, format_args!("{right} of {all} calls ended as the simulators' truth says, after {}.", span(took)))?;
    output.prose(0, "`right` compares call, bytes, checksum and every word; some calls were made to go wrong, and `right` they must.")?;
    output.line("shortened for the demo:")?;
    for (name, value) in SHORTENED {
        output.line(format_args!("  {name}={value}"))?;
    }
    if !verdicts.all_right() {
        output.line(format_args!("the log is {}", stage.log.display()))?;
    }
    Ok(())
}

pub(super) fn look_around(verdicts: &Verdicts, stage: &Stage, output: &mut Output) -> io::Result<()> {
    let database = stage.environment.get("DATABASE_URL").unwrap_or_default();
    let program = program();
    output.line("\neverything still runs; look around from another terminal:")?;
    output.line(format_args!("  export DATABASE_URL='{database}'"))?;
    output.line(format_args!("  {program} status"))?;
    output.line(format_args!("  {program} calls list"))?;
    // one with something to tell
    let troubled = verdicts.0.iter().filter_map(|verdict| verdict.story.as_ref()).find(|story| story.call.error_code.is_some());
    if let Some(story) = troubled {
        output.line(format_args!("  {program} calls show {}", short(&story.call.session_id)))?;
    }
    output.line(format_args!("  curl http://{}/metrics", stage.api_address))?;
    output.line("Ctrl-C ends it and leaves nothing running")
}

fn short(session: &str) -> String {
    session.chars().take(SHORT_ID).collect()
}

/// This executable as the person at the terminal can call it.
fn program() -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "callscribe".into());
    let here = std::env::current_dir().ok().and_then(|here| program.strip_prefix(here).ok().map(Path::to_path_buf));
    here.unwrap_or(program).display().to_string()
}
