//! What came out, as a table, and where to look next.

use std::io;

use callscribe::store::call_story::CallStory;
use callscribe_simulators::webex::Expected;

use super::{
    judge::{Verdict, Verdicts},
    stage::{SHORTENED, Stage},
};
use crate::{output::Output, table::Table, times::span};

/// First letters of a session id: enough to tell the demo's calls apart, and `calls show` takes them.
const SHORT_ID: usize = 8;
/// First words shown of a transcript.
const FIRST_WORDS: usize = 4;

pub(super) fn table(verdicts: &Verdicts, output: &mut Output) -> io::Result<()> {
    let mut table = Table::new(output, &["call", "way", "length", "audio", "transcript", "first words", "as expected"]).numbers(&[2, 3]);
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
    let id: String = verdict.truth.session_id.to_string().chars().take(SHORT_ID).collect();
    let right = if verdict.is_final && verdict.wrong.is_empty() { "yes" } else { "NO" }.to_owned();
    let Some(story) = &verdict.story else {
        return [id, "-".into(), "-".into(), "-".into(), "not synced".into(), String::new(), right];
    };
    let length = story.call.duration_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds}s"));
    let way = story.call.direction.clone().unwrap_or_else(|| "-".to_owned());
    [id, way, length, size(story), state(story, verdict.truth.expected), first_words(story), right]
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
    let words: Vec<&str> = text.split_whitespace().take(FIRST_WORDS + 1).collect();
    let more = words.len() > FIRST_WORDS;
    let shown = words.into_iter().take(FIRST_WORDS).collect::<Vec<_>>().join(" ");
    if more { format!("{shown} …") } else { shown }
}

pub(super) fn summary(verdicts: &Verdicts, stage: &Stage, output: &mut Output, took: std::time::Duration) -> io::Result<()> {
    let right = verdicts.0.iter().filter(|verdict| verdict.is_final && verdict.wrong.is_empty()).count();
    output.line(format_args!("\n{right} of {} calls ended as the simulators' truth says, after {}", verdicts.0.len(), span(took)))?;
    let shortened: Vec<String> = SHORTENED.iter().map(|(name, value)| format!("{name}={value}")).collect();
    output.line(format_args!("shortened for the demo: {}", shortened.join(" ")))?;
    if !verdicts.all_right() {
        output.line(format_args!("the log is {}", stage.log.display()))?;
    }
    Ok(())
}

pub(super) fn look_around(stage: &Stage, output: &mut Output) -> io::Result<()> {
    let database = stage.environment.get("DATABASE_URL").unwrap_or_default();
    output.line("\neverything still runs; look around from another terminal:")?;
    output.line(format_args!("  export DATABASE_URL='{database}'"))?;
    output.line("  callscribe status")?;
    output.line("  callscribe calls list")?;
    output.line("  callscribe calls show CALL")?;
    output.line(format_args!("  curl http://{}/metrics", stage.api_address))?;
    output.line("Ctrl-C ends it and leaves nothing running")
}
