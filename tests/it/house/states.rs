//! States and their moves are said in three places, which must agree: the enums, the diagrams, the CHECKs of the schema.

use std::{collections::BTreeSet, fmt::Display};

use callscribe::domain::{JobState, RecordingStatus, TranscriptStatus};

use super::source_text::read;

const DIAGRAMS: &str = "docs/state-machine.md";

/// The moves drawn in the mermaid diagram that is marked `%% <name>`, with those from and to `[*]` left out.
fn moves_drawn(name: &str) -> BTreeSet<(String, String)> {
    let document = read(DIAGRAMS);
    let marker = format!("%% {name}");
    let diagram = document
        .split("```mermaid")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .find(|diagram| diagram.lines().any(|line| line.trim() == marker))
        .unwrap_or_else(|| panic!("`{DIAGRAMS}` has no mermaid diagram with the line `{marker}`"));
    diagram
        .lines()
        .filter_map(|line| line.trim().split_once("-->"))
        .map(|(from, to)| (from.trim().to_owned(), to.split(':').next().unwrap().trim().to_owned()))
        .filter(|(from, to)| from != "[*]" && to != "[*]")
        .collect()
}

/// The moves between different states that the code allows.
fn moves_allowed<S: Copy + PartialEq + Display>(states: &[S], may_become: impl Fn(S, S) -> bool) -> BTreeSet<(String, String)> {
    let pairs = states.iter().flat_map(|from| states.iter().map(move |to| (*from, *to)));
    pairs.filter(|(from, to)| from != to && may_become(*from, *to)).map(|(from, to)| (from.to_string(), to.to_string())).collect()
}

#[test]
fn the_diagram_of_jobs_draws_the_moves_the_code_allows() {
    assert_eq!(moves_drawn("jobs.state"), moves_allowed(JobState::ALL, JobState::may_become));
}

#[test]
fn the_diagram_of_transcripts_draws_the_moves_the_code_allows() {
    assert_eq!(moves_drawn("call_transcripts.status"), moves_allowed(TranscriptStatus::ALL, TranscriptStatus::may_become));
}

#[test]
fn the_diagram_of_recordings_draws_the_moves_the_code_allows() {
    assert_eq!(moves_drawn("call_recordings.status"), moves_allowed(RecordingStatus::ALL, RecordingStatus::may_become));
}
