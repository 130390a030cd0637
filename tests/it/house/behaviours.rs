//! What the Webex contract says can happen (b 1–28) is simulated under a name and met by a test: the table in `simulators/README.md`
//! says which, and is held to the code here.

use super::source_text::{read, root, rust_files, without_comments_and_strings};

const TABLE: &str = "simulators/README.md";
const HEADING: &str = "## Every behaviour of the contract and the tests that meet it";
/// The contract numbers them from 1.
const BEHAVIOURS: usize = 28;

/// The rows: number, what the simulator calls it, tests.
fn rows() -> Vec<[String; 3]> {
    let text = read(TABLE);
    let (_, table) = text.split_once(HEADING).unwrap_or_else(|| panic!("`{TABLE}` has no `{HEADING}`"));
    let table = table.split("\n## ").next().unwrap_or_default();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2).map(cells);
    rows.map(|cells| <[String; 3]>::try_from(cells).unwrap_or_else(|cells| panic!("not three cells: {cells:?}"))).collect()
}

/// The words in backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The variants of the simulator's `Fault`.
fn faults() -> Vec<String> {
    let code = without_comments_and_strings(&read("simulators/src/webex/fault.rs"));
    let (_, body) = code.split_once("pub enum Fault {").expect("the enum");
    let mut depth = 0_i32;
    let mut faults = Vec::new();
    for line in body.lines().map(str::trim) {
        if depth == 0 && line.starts_with(|first: char| first.is_ascii_uppercase()) {
            faults.push(line.chars().take_while(char::is_ascii_alphanumeric).collect());
        }
        depth += i32::try_from(line.matches('{').count()).unwrap() - i32::try_from(line.matches('}').count()).unwrap();
        if depth < 0 {
            break;
        }
    }
    faults
}

#[test]
fn every_fault_of_the_simulator_says_what_a_client_must_do() {
    let text = read(TABLE);
    let faults = faults();
    assert!(faults.len() > 80, "the enum could not be read: {faults:?}");
    for fault in faults {
        assert!(text.contains(&format!("`{fault}`")), "`{TABLE}` does not name `{fault}`");
    }
}

#[test]
fn every_behaviour_of_the_contract_is_simulated_by_name_and_met_by_a_test() {
    let rows = rows();
    let numbers: Vec<String> = rows.iter().map(|[number, ..]| number.clone()).collect();
    assert_eq!(numbers, (1..=BEHAVIOURS).map(|number| number.to_string()).collect::<Vec<_>>());
    let simulator: String = rust_files("simulators/src").iter().map(|path| without_comments_and_strings(&read(path))).collect();
    let names: std::collections::HashSet<&str> = simulator.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    for [number, switches, tests] in &rows {
        assert!(!quoted(switches).is_empty() && !quoted(tests).is_empty(), "nothing is named for {number}");
        for name in quoted(switches).into_iter().flat_map(|switch| switch.split("::")) {
            assert!(names.contains(name), "{number}: the simulator has no `{name}`");
        }
        for test in quoted(tests) {
            assert!(is_a_test(test), "{number}: there is no test `{test}`");
        }
    }
}

/// Whether a path such as `webex::calls::name` leads to a test of `tests/it`, or of the simulators themselves for `sockets::…`.
fn is_a_test(path: &str) -> bool {
    let Some((modules, name)) = path.rsplit_once("::") else { return false };
    let crate_root = if modules.starts_with("sockets") { "simulators/tests" } else { "tests/it" };
    let file = format!("{crate_root}/{}.rs", modules.replace("::", "/"));
    if !root().join(&file).is_file() {
        return false;
    }
    let text = read(&file);
    let lines: Vec<&str> = text.lines().collect();
    let declared = [format!("async fn {name}() {{"), format!("fn {name}() {{")];
    lines.windows(2).any(|pair| declared.iter().any(|fun| pair[1] == fun) && (pair[0].starts_with("#[tokio::test") || pair[0] == "#[test]"))
}
