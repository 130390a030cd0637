//! The repository's files as text: finding them, and reading Rust without its comments and strings.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Directories that hold our own Rust.
pub(super) const CRATES: &[&str] = &["src", "audio", "transcript", "workers", "api", "cli", "simulators", "benches", "tests"];

/// The repository's root: `cli/` is one of its members.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate of the executable lies one directory below the root")
}

/// The text of a file, named from the root.
pub(super) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("`{path}` cannot be read: {error}"))
}

/// Every Rust file below `directory`, as paths from the root, sorted.
pub(super) fn rust_files(directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect(&root().join(directory), &mut found);
    let mut names: Vec<_> = found
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The code with comments, strings and characters blanked out, so that what is left are names and punctuation.
pub(super) fn without_comments_and_strings(code: &str) -> String {
    let characters: Vec<char> = code.chars().collect();
    let mut kept = String::with_capacity(code.len());
    let mut at = 0;
    while at < characters.len() {
        let end = end_of_literal(&characters, at);
        if end == at {
            kept.push(characters[at]);
            at += 1;
        } else {
            kept.push(' ');
            at = end;
        }
    }
    kept
}

/// Where the comment, string or character that begins at `at` ends; `at` itself when none begins there.
fn end_of_literal(code: &[char], at: usize) -> usize {
    let next = code.get(at + 1).copied().unwrap_or(' ');
    let after_a_name = at > 0 && (code[at - 1].is_alphanumeric() || code[at - 1] == '_');
    match code[at] {
        '/' if next == '/' => position(code, at, |rest| rest[0] == '\n').unwrap_or(code.len()),
        '/' if next == '*' => end_of_block_comment(code, at),
        '"' => end_of_string(code, at + 1),
        'r' if !after_a_name && (next == '"' || next == '#') => end_of_raw_string(code, at),
        '\'' if next == '\\' => position(code, at + 3, |rest| rest[0] == '\'').map_or(code.len(), |end| end + 1),
        '\'' if code.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    }
}

fn end_of_block_comment(code: &[char], at: usize) -> usize {
    let (mut depth, mut here) = (0_usize, at);
    while here + 1 < code.len() {
        match (code[here], code[here + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') if depth == 1 => return here + 2,
            ('*', '/') => depth -= 1,
            _ => {
                here += 1;
                continue;
            }
        }
        here += 2;
    }
    code.len()
}

fn end_of_string(code: &[char], mut at: usize) -> usize {
    while at < code.len() {
        match code[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    code.len()
}

fn end_of_raw_string(code: &[char], at: usize) -> usize {
    let hashes = code[at + 1..].iter().take_while(|character| **character == '#').count();
    if code.get(at + 1 + hashes) != Some(&'"') {
        return at; // a raw name such as `r#type`
    }
    position(code, at + hashes + 2, |rest| rest[0] == '"' && rest[1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes)
        .map_or(code.len(), |end| end + 1 + hashes)
}

fn position(code: &[char], from: usize, matches: impl Fn(&[char]) -> bool) -> Option<usize> {
    (from..code.len()).find(|at| matches(&code[*at..]))
}

/// The names that follow `path::` in the code, groups such as `path::{a::B, c}` taken apart.
pub(super) fn names_after(code: &str, path: &str) -> Vec<String> {
    let code = without_comments_and_strings(code);
    let pattern = format!("{path}::");
    let mut names = Vec::new();
    for (at, _) in code.match_indices(&pattern) {
        if code[..at].chars().next_back().is_some_and(|before| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let rest = code[at + pattern.len()..].trim_start();
        match rest.strip_prefix('{') {
            Some(group) => names.extend(first_names_of_group(group)),
            None => names.push(leading_name(rest)),
        }
    }
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    names
}

fn first_names_of_group(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut item) = (0_usize, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(leading_name(group[item..at].trim_start()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(leading_name(group[item..at].trim_start()));
                item = at + 1;
            }
            _ => {}
        }
    }
    names
}

fn leading_name(text: &str) -> String {
    text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

#[test]
fn names_are_found_in_code_and_not_in_words_about_code() {
    let code = r##"
        //! Not crate::comment.
        use crate::{domain::{Call, JobId}, store::Connection, /* crate::hidden, */ clock};
        let text = "crate::text"; let raw = r#"crate::raw "quoted""#; let quote = '"';
        fn f<'a>(x: &'a str) -> crate::ledger::Hint { mycrate::other(x) }
    "##;
    assert_eq!(names_after(code, "crate"), ["clock", "domain", "ledger", "store"]);
}
