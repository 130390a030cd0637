//! Documents that repeat what the code says: generated where they can be, compared where they cannot.
//!
//! `make docs` writes the generated ones; without it the tests here say which one is stale.

use std::fs;

use callscribe::{config::Environment, domain::Reason};

use super::source_text::{read, root};

/// Set by `make docs`: write the generated documents instead of complaining about them.
const WRITE_DOCS: &str = "CALLSCRIBE_WRITE_DOCS";

/// Compares a generated document with the file, or writes the file when `make docs` asks for it.
fn assert_generated(path: &str, expected: &str) {
    if Environment::of_process().get(WRITE_DOCS).is_some() {
        fs::write(root().join(path), expected).unwrap();
    }
    assert!(read(path) == expected, "`{path}` is stale: run `make docs` and commit it");
}

/// A reason as `src/domain/reason.rs` declares it: the comment above its group, what it means, its word.
struct DeclaredReason {
    group: String,
    meaning: String,
    word: String,
}

fn declared_reasons() -> Vec<DeclaredReason> {
    let (mut group, mut meaning, mut declared) = (String::new(), String::new(), Vec::new());
    for line in read("src/domain/reason.rs").lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            text.clone_into(&mut meaning);
        } else if let Some(text) = line.strip_prefix("// ") {
            text.clone_into(&mut group);
        } else if let Some((_, word)) = line.strip_suffix("\",").and_then(|line| line.split_once(" = \"")) {
            declared.push(DeclaredReason { group: group.clone(), meaning: meaning.clone(), word: word.to_owned() });
        }
    }
    declared
}

fn reasons_document() -> String {
    let mut text = String::from(
        "# Why a job waits or died\n\n\
         Generated from `src/domain/reason.rs` by `make docs`.\n\n\
         The word is in `jobs.reason`, `job_attempts.reason` and `call_transcripts.error_code`, in logs, in metrics, and in the filter\n\
         `--reason` of `callscribe jobs list` and `callscribe requeue`.\n",
    );
    let declared = declared_reasons();
    let words: Vec<_> = declared.iter().map(|reason| reason.word.as_str()).collect();
    assert_eq!(words, Reason::ALL.iter().map(|reason| reason.as_str()).collect::<Vec<_>>(), "the declarations could not be read");
    let mut group = "";
    for (reason, declared) in Reason::ALL.iter().zip(&declared) {
        if declared.group != group {
            group = &declared.group;
            text.push_str(&format!("\n## {}\n\n| reason | what happened | what to do |\n|---|---|---|\n", heading(group)));
        }
        text.push_str(&format!("| `{reason}` | {} | {} |\n", declared.meaning, reason.advice()));
    }
    text
}

fn heading(group: &str) -> &str {
    match group {
        "recording" => "Recordings and their storage",
        "vendor" => "The vendor of the calls",
        "provider" => "The transcriber",
        "ours" => "Callscribe itself",
        other => other,
    }
}

#[test]
fn every_reason_is_explained_with_its_advice() {
    assert_generated("docs/REASONS.md", &reasons_document());
}

#[test]
fn every_setting_is_documented() {
    assert_generated("docs/CONFIGURATION.md", &callscribe::config::configuration_page());
    assert_generated(".env.example", &callscribe::config::example_file());
}

/// The targets of the Makefile that a person may call: `name: … ## what it does`, and those without a description.
fn make_targets() -> Vec<(String, Option<String>)> {
    read("Makefile")
        .lines()
        .filter(|line| !line.starts_with(['.', '\t', '#', ' ']))
        .filter_map(|line| line.split_once(':').filter(|(_, rest)| !rest.starts_with('=')))
        .filter(|(name, _)| name.chars().all(|character| character.is_ascii_lowercase() || character == '-'))
        .map(|(name, rest)| (name.to_owned(), rest.split_once("## ").map(|(_, about)| about.to_owned())))
        .collect()
}

#[test]
fn make_help_names_every_target() {
    let targets = make_targets();
    for wanted in ["help", "setup", "demo", "test", "lint", "bench", "docs", "image"] {
        assert!(targets.iter().any(|(name, _)| name == wanted), "the Makefile has no target `{wanted}`: {targets:?}");
    }
    let silent: Vec<_> = targets.iter().filter(|(_, about)| about.is_none()).collect();
    assert!(silent.is_empty(), "`make help` cannot list these, they have no `## what it does`: {silent:?}");
    let help = std::process::Command::new("make").args(["--no-print-directory", "help"]).current_dir(root()).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for (name, about) in targets {
        assert!(help.contains(&name) && help.contains(&about.unwrap()), "`make help` leaves out `{name}`:\n{help}");
    }
}
