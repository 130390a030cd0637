//! Who may name whom, how a module opens, how long a file may be.

use super::source_text::{CRATES, names_after, read, root, rust_files, without_comments_and_strings};

/// Half again as long as the 300 lines at which a reviewer begins to ask: a file this long is two files.
const LONGEST_FILE_LINES: usize = 450;

/// Rooms side by side that never name each other, though the order alone would let the later name the earlier.
const NEIGHBOURS: &[(&str, &str)] = &[("sources", "asr"), ("sources", "notify"), ("asr", "notify")];

/// The rooms of the library, lowest first, as `src/lib.rs` lists them.
fn rooms() -> Vec<String> {
    let list = read("src/lib.rs");
    let rooms: Vec<_> = list.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';').map(str::to_owned)).collect();
    assert!(rooms.len() > 10, "`src/lib.rs` no longer lists the rooms as `pub mod name;` lines: {rooms:?}");
    rooms
}

/// The room a file of `src/` belongs to: `src/clock.rs` and `src/store/pool.rs` are of `clock` and `store`.
fn room_of(file: &str) -> &str {
    let inside = file.strip_prefix("src/").unwrap();
    inside.split('/').next().unwrap().trim_end_matches(".rs")
}

/// How many `super::` lead from the top of a file to the root of its crate: 1 for `src/clock.rs` and `src/store/mod.rs`.
fn depth_of(file: &str) -> usize {
    let inside = file.strip_prefix("src/").unwrap();
    inside.matches('/').count() + usize::from(!inside.ends_with("/mod.rs"))
}

/// Rooms named from a file, by `crate::…` or by enough `super::…` to leave the room.
fn rooms_named(file: &str, rooms: &[String]) -> Vec<String> {
    let code = read(file);
    let mut named = names_after(&code, "crate");
    let out_of_the_room = vec!["super"; depth_of(file)].join("::");
    named.extend(names_after(&code, &out_of_the_room));
    named.retain(|name| rooms.contains(name) && name != room_of(file));
    named
}

#[test]
fn a_room_names_only_rooms_below_it() {
    let rooms = rooms();
    let height = |room: &str| rooms.iter().position(|known| known == room);
    let mut broken = Vec::new();
    for file in rust_files("src").iter().filter(|file| *file != "src/lib.rs") {
        let Some(own) = height(room_of(file)) else {
            broken.push(format!("`{file}` is in no room that `src/lib.rs` lists"));
            continue;
        };
        for named in rooms_named(file, &rooms).iter().filter(|named| height(named) > Some(own)) {
            broken.push(format!("`{file}` names `{named}`, which `src/lib.rs` lists after its own room"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn neighbours_never_name_each_other() {
    let rooms = rooms();
    let mut broken = Vec::new();
    for file in rust_files("src") {
        for named in rooms_named(&file, &rooms) {
            let own = room_of(&file);
            if NEIGHBOURS.iter().any(|(one, other)| (own == *one && named == *other) || (own == *other && named == *one)) {
                broken.push(format!("`{file}` names `{named}`"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Who must not name whom across crates: directory, and the crates whose names must not appear there.
const APART: &[(&str, &[&str])] = &[
    ("audio", &["callscribe::", "callscribe_worker", "callscribe_api", "callscribe_cli", "callscribe_simulators", "callscribe_benches"]),
    ("src", &["callscribe_worker", "callscribe_api", "callscribe_cli", "callscribe_simulators", "callscribe_benches"]),
    (
        "transcript",
        &["callscribe::", "callscribe_worker", "callscribe_api", "callscribe_cli", "callscribe_simulators", "callscribe_benches"],
    ),
    ("workers", &["callscribe_worker", "callscribe_api", "callscribe_cli", "callscribe_simulators"]),
    ("api", &["callscribe_worker", "callscribe_cli", "callscribe_simulators"]),
    ("simulators", &["callscribe::", "callscribe_worker", "callscribe_api", "callscribe_cli"]),
];

#[test]
fn crates_name_only_crates_below_them() {
    let mut broken = Vec::new();
    for (directory, forbidden) in APART {
        for file in rust_files(directory) {
            let code = without_comments_and_strings(&read(&file));
            for name in forbidden.iter().filter(|name| code.contains(*name)) {
                broken.push(format!("`{file}` names `{name}`"));
            }
        }
    }
    for line in read("simulators/Cargo.toml").lines().filter(|line| line.starts_with("callscribe.") || line.starts_with("callscribe =")) {
        broken.push(format!(
            "`simulators/Cargo.toml` depends on the product (`{line}`): a simulator that shares code with it shares its mistakes"
        ));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_module_opens_with_what_lives_in_it() {
    let silent: Vec<_> =
        CRATES.iter().flat_map(|directory| rust_files(directory)).filter(|file| !read(file).trim_start().starts_with("//!")).collect();
    assert!(silent.is_empty(), "these begin without `//!`: {silent:#?}");
}

#[test]
fn no_file_is_too_long_to_read_in_one_sitting() {
    let mut lengths: Vec<_> =
        CRATES.iter().flat_map(|directory| rust_files(directory)).map(|file| (read(&file).lines().count(), file)).collect();
    lengths.sort();
    let median = lengths.get(lengths.len() / 2).map_or(0, |(lines, _)| *lines);
    println!("{} files, median {median} lines; the longest:", lengths.len());
    for (lines, file) in lengths.iter().rev().take(10) {
        println!("{lines:6} {file}");
    }
    let too_long: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > LONGEST_FILE_LINES).collect();
    assert!(too_long.is_empty(), "over {LONGEST_FILE_LINES} lines; split by subject: {too_long:#?}");
}

#[test]
fn every_migration_goes_up_and_down() {
    let folders: Vec<_> =
        std::fs::read_dir(root().join("migrations")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    assert!(!folders.is_empty());
    for folder in folders {
        for name in ["up.sql", "down.sql"] {
            let text = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            assert!(!text.trim().is_empty(), "`{}` is missing or empty in `{}`", name, folder.display());
        }
    }
}

/// Where figures are named and recorded.
const METRICS: &str = "src/telemetry/metrics.rs";

#[test]
fn every_figure_is_one_of_the_catalogue_and_is_recorded_somewhere() {
    let product: Vec<(String, String)> = ["src", "workers", "api", "cli"]
        .iter()
        .flat_map(|directory| rust_files(directory))
        .filter(|file| file != METRICS)
        .map(|file| (without_comments_and_strings(&read(&file)), file))
        .collect();
    let loose: Vec<_> = product
        .iter()
        .filter(|(code, _)| ["counter!(", "gauge!(", "histogram!("].iter().any(|macro_call| code.contains(macro_call)))
        .map(|(_, file)| file)
        .collect();
    assert!(loose.is_empty(), "these record figures that the catalogue in `{METRICS}` does not know: {loose:?}");
    let functions = read(METRICS);
    let idle: Vec<_> = functions
        .lines()
        .filter_map(|line| line.strip_prefix("pub fn ")?.split('(').next())
        .filter(|name| !product.iter().any(|(code, _)| code.contains(&format!("{name}("))))
        .collect();
    assert!(idle.is_empty(), "nobody calls these of `{METRICS}`: {idle:?}");
}
