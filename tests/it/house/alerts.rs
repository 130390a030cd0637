//! The alert rules, their tests, the board and the runbooks against each other and against the catalogue of metrics.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use callscribe::telemetry::metrics::{CATALOGUE, MetricType};
use regex::Regex;
use yaml_rust2::{Yaml, YamlLoader};

use super::source_text::{read, root};

const RULES: &str = "deploy/prometheus/alerts.yml";
const RULE_TESTS: &str = "deploy/prometheus/alerts_test.yml";
const BOARD: &str = "deploy/grafana/callscribe.json";
const RUNBOOKS: &str = "docs/runbooks";

/// The pages of the runbooks, as paths from the root, without their index.
pub(super) fn runbooks() -> Vec<String> {
    let mut pages: Vec<_> = std::fs::read_dir(root().join(RUNBOOKS))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .map(|name| format!("{RUNBOOKS}/{name}"))
        .collect();
    pages.sort();
    pages
}

fn yaml(path: &str) -> Yaml {
    let mut documents = YamlLoader::load_from_str(&read(path)).unwrap_or_else(|error| panic!("`{path}` is not YAML: {error}"));
    assert_eq!(documents.len(), 1, "`{path}` is one document");
    documents.remove(0)
}

struct Alert {
    name: String,
    expression: String,
    severity: String,
    runbook: String,
}

fn alerts() -> Vec<Alert> {
    let rules = yaml(RULES);
    let groups = rules["groups"].as_vec().expect("groups");
    let text = |yaml: &Yaml, what: &str| yaml.as_str().unwrap_or_else(|| panic!("`{RULES}`: a rule without {what}")).to_owned();
    groups
        .iter()
        .flat_map(|group| group["rules"].as_vec().expect("rules"))
        .map(|rule| Alert {
            name: text(&rule["alert"], "a name"),
            expression: text(&rule["expr"], "an expression"),
            severity: text(&rule["labels"]["severity"], "a severity"),
            runbook: text(&rule["annotations"]["runbook_url"], "a runbook_url"),
        })
        .collect()
}

/// Metrics and labels of ours that an expression names, such as (`callscribe_jobs`, [`state`]), that the catalogue does not know.
fn unknown(expression: &str) -> Vec<String> {
    let metric = Regex::new(r"(callscribe_[a-z_]+)(?:\{([^}]*)\})?").unwrap();
    let label = Regex::new(r"([a-z_]+)\s*(?:=~|!~|!=|=)").unwrap();
    let mut unknown = Vec::new();
    for found in metric.captures_iter(expression) {
        let name = &found[1];
        let series = |kind, base: &str| CATALOGUE.iter().find(|metric| metric.kind == kind && metric.name == base);
        let plain = series(MetricType::Counter, name).or_else(|| series(MetricType::Gauge, name));
        let of_histogram = || ["_bucket", "_sum", "_count"].iter().find_map(|end| series(MetricType::Histogram, name.strip_suffix(end)?));
        let Some(metric) = plain.or_else(of_histogram) else {
            unknown.push(format!("`{name}`"));
            continue;
        };
        let labels = found.get(2).map_or("", |labels| labels.as_str());
        let strange = label.captures_iter(labels).map(|label| label[1].to_owned()).filter(|label| !metric.labels.contains(&label.as_str()));
        unknown.extend(strange.map(|label| format!("`{name}` has no label `{label}`")));
    }
    unknown
}

#[test]
fn rules_and_board_name_only_metrics_that_exist() {
    let mut expressions: Vec<(String, String)> = alerts().into_iter().map(|alert| (alert.name, alert.expression)).collect();
    let board: serde_json::Value = serde_json::from_str(&read(BOARD)).unwrap();
    for panel in board["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().into_iter().flatten();
        expressions.extend(targets.map(|target| (format!("board, {title}"), target["expr"].as_str().unwrap().to_owned())));
    }
    assert!(expressions.len() > 50, "only {} expressions found", expressions.len());
    let broken: Vec<_> =
        expressions.iter().flat_map(|(place, text)| unknown(text).into_iter().map(move |what| format!("{place}: {what}"))).collect();
    assert!(broken.is_empty(), "the catalogue of metrics does not know these:\n{}", broken.join("\n"));
    assert_eq!(
        unknown("rate(callscribe_jobs{kind=\"a\",colour=\"red\"}[5m]) + callscribe_moods"),
        ["`callscribe_jobs` has no label `colour`", "`callscribe_moods`"]
    );
}

#[test]
fn every_panel_of_the_board_has_an_id_and_a_place_of_its_own() {
    let board: serde_json::Value = serde_json::from_str(&read(BOARD)).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let number = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(number("x") + number("w") <= 24, "{} leaves the board", panel["title"]);
        for x in number("x")..number("x") + number("w") {
            for y in number("y")..number("y") + number("h") {
                assert!(taken.insert((x, y)), "{} lies on another panel", panel["title"]);
            }
        }
    }
}

#[test]
fn every_alert_has_a_runbook_an_entry_in_the_index_and_a_test_and_no_page_is_left_over() {
    let alerts = alerts();
    let index = read(&format!("{RUNBOOKS}/README.md"));
    let tests = yaml(RULE_TESTS);
    let tested: BTreeSet<String> = tests["tests"]
        .as_vec()
        .unwrap()
        .iter()
        .flat_map(|test| test["alert_rule_test"].as_vec().unwrap())
        .filter(|case| case["exp_alerts"].as_vec().is_some_and(|fires| !fires.is_empty()))
        .map(|case| case["alertname"].as_str().unwrap().to_owned())
        .collect();
    let names: BTreeSet<String> = alerts.iter().map(|alert| alert.name.clone()).collect();
    assert_eq!(names.len(), alerts.len(), "an alert is declared twice");
    assert_eq!(names, tested, "(alerts, alerts that `{RULE_TESTS}` sees fire)");
    for alert in &alerts {
        let page = format!("{RUNBOOKS}/{}.md", alert.name);
        assert_eq!(alert.runbook, page);
        let text = read(&page);
        for part in [&format!("# {}\n", alert.name), "\n## What it means\n", "\n## See it\n", "\n## Do, in this order\n\n1. "] {
            assert!(text.contains(part), "`{page}` lacks `{}`", part.trim());
        }
        assert!(["critical", "warning"].contains(&alert.severity.as_str()), "{}", alert.name);
        assert!(index.contains(&format!("| [{0}]({0}.md) | {1} |", alert.name, alert.severity)), "the index lacks {}", alert.name);
    }
    let pages: BTreeSet<String> = runbooks().iter().map(|page| page.replace(&format!("{RUNBOOKS}/"), "").replace(".md", "")).collect();
    assert_eq!(pages, names, "(pages, alerts)");
}

#[test]
fn every_link_of_a_runbook_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)#]+)(?:#([^)]*))?\)").unwrap();
    let mut broken = Vec::new();
    for page in runbooks().into_iter().chain([format!("{RUNBOOKS}/README.md")]) {
        for found in link.captures_iter(&read(&page)) {
            let target = root().join(RUNBOOKS).join(&found[1]);
            let Ok(text) = std::fs::read_to_string(&target) else {
                broken.push(format!("{page}: {}", &found[1]));
                continue;
            };
            let anchor = |line: &str| {
                let title = line.trim_start_matches('#').trim().to_lowercase();
                title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
            };
            if found.get(2).is_some_and(|wanted| !text.lines().any(|line| line.starts_with('#') && anchor(line) == wanted.as_str())) {
                broken.push(format!("{page}: {}", &found[0]));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Prometheus's own tool: installed, or where `make setup` puts it.
fn promtool() -> Option<PathBuf> {
    let own = root().join(".tools/promtool");
    [own, PathBuf::from("promtool")]
        .into_iter()
        .find(|tool| Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success()))
}

#[test]
fn the_rules_parse_and_fire_when_they_should_and_only_then() {
    let Some(promtool) = promtool() else {
        eprintln!("SKIPPED: `promtool` is not here, so the alert rules were read and not run; `make setup` gets it");
        return;
    };
    for arguments in [["check", "rules", RULES], ["test", "rules", RULE_TESTS]] {
        let output = Command::new(&promtool).args(arguments).current_dir(root()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "promtool {}:\n{}", arguments.join(" "), String::from_utf8_lossy(&said));
    }
}
