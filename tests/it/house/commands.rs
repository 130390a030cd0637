//! Every command that a document or a help text shows is one that the executable understands.

use std::{
    collections::BTreeSet,
    process::{Command, Output},
};

use super::{
    alerts::runbooks,
    source_text::{read, root},
};

/// Documents for people at a terminal.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "docker-compose.yml",
    "docs/CONFIGURATION.md",
    "docs/LOGGING.md",
    "docs/OPERATIONS.md",
    "docs/REASONS.md",
    "docs/WEBEX.md",
    "docs/state-machine.md",
    "migrations/README.md",
];

/// How a document may call the executable.
const PREFIXES: &[&str] = &["callscribe ", "docker compose run --rm cli "];

/// What stands for something of the reader's own, and what to take for it.
const PLACEHOLDERS: &[(&str, &str)] = &[
    ("SESSION", "f3a1"),
    ("ID", "4711"),
    ("KIND", "transcription"),
    ("TIME", "2026-11-01"),
    ("--since …", "--since 2026-11-01"),
    ("--until …", "--until 2026-11-02"),
    ("--from …", "--from 2026-11-01"),
    ("--to …", "--to 2026-11-02"),
    ("--reason …", "--reason low_coverage"),
    (" …", ""),
];

/// The commands in a document: lines of `sh` blocks and of comments, and everything between back-ticks.
fn commands_shown(document: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut in_block = false;
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if in_block {
            commands.push(line.to_owned());
        } else {
            commands.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
            commands.push(line.trim_start_matches(['#', ' ']).to_owned());
        }
    }
    commands.iter().filter_map(|line| arguments(line)).collect()
}

/// What follows the executable's name, without comments and with placeholders filled in.
fn arguments(line: &str) -> Option<String> {
    let rest = PREFIXES.iter().find_map(|prefix| line.trim().strip_prefix(prefix))?;
    let rest = [" #", "  ", " | ", " && ", " < "].iter().fold(rest, |rest, end| rest.split(end).next().unwrap_or(rest)).trim();
    Some(PLACEHOLDERS.iter().fold(rest.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value)))
}

/// Splits at spaces, double quotes kept together.
fn words(arguments: &str) -> Vec<String> {
    let outside_and_inside = arguments.split('"').enumerate();
    outside_and_inside
        .flat_map(|(part, text)| match part % 2 {
            0 => text.split_whitespace().map(str::to_owned).collect(),
            _ => vec![text.to_owned()],
        })
        .collect()
}

/// What the executable says to `arguments` and how it ends.
fn run(arguments: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_callscribe")).args(arguments).current_dir(root()).output().unwrap()
}

/// Why the executable does not understand the command; `--help` ends the run once everything before it was understood.
fn refusal(command: &str) -> Option<String> {
    let output = run(&[words(command), vec!["--help".to_owned()]].concat());
    let why = || String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("no message").to_owned();
    (!output.status.success()).then(why)
}

/// The help of the executable, of its commands, and of theirs.
fn help_texts() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let mut to_ask = vec![Vec::new()];
    while let Some(command) = to_ask.pop() {
        let text = String::from_utf8(run(&[command.clone(), vec!["--help".to_owned()]].concat()).stdout).unwrap();
        let listed = text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.trim().is_empty());
        let names = listed.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next().filter(|_| !line.starts_with("   ")));
        to_ask.extend(names.filter(|name| *name != "help").map(|name| [command.clone(), vec![name.to_owned()]].concat()));
        texts.push((format!("callscribe {} --help", command.join(" ")), text));
    }
    texts
}

#[test]
fn every_command_shown_is_understood() {
    let pages = callscribe::domain::Reason::ALL.iter().map(|reason| reason.page()).chain(runbooks());
    let documents =
        DOCUMENTS.iter().map(|document| (*document).to_owned()).chain(pages).map(|document| (document.clone(), read(&document)));
    let shown: BTreeSet<(String, String)> = documents
        .chain(help_texts())
        .flat_map(|(name, text)| commands_shown(&text).into_iter().map(move |command| (name.clone(), command)))
        .collect();
    assert!(shown.len() > 40, "only {} commands found: has the way they are shown changed?", shown.len());
    let refused: Vec<_> = shown
        .iter()
        .filter_map(|(document, command)| refusal(command).map(|why| format!("{document}: `callscribe {command}`: {why}")))
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
