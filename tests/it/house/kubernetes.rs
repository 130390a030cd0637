//! deploy/kubernetes against the code: every file is YAML, every command and setting exists, every worker type is there.

use std::{collections::BTreeSet, process::Command, time::Duration};

use callscribe::domain::JobKind;
use callscribe::telemetry::metrics::CATALOGUE;
use yaml_rust2::{Yaml, YamlLoader};

use super::source_text::{read, root};

const DIRECTORY: &str = "deploy/kubernetes";
/// What a process needs after its drain: five seconds to stop what runs, ten to write it down, and some to spare.
const AFTER_THE_DRAIN: Duration = Duration::from_secs(20);

/// Every document of every file, with the file's name.
fn documents() -> Vec<(String, Yaml)> {
    let files = std::fs::read_dir(root().join(DIRECTORY)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let yaml = files.filter(|name| name.ends_with(".yaml"));
    let read_all = |name: String| {
        let text = read(&format!("{DIRECTORY}/{name}"));
        let documents = YamlLoader::load_from_str(&text).unwrap_or_else(|error| panic!("{name} is no YAML: {error}"));
        documents.into_iter().filter(|document| !document.is_null()).map(move |document| (name.clone(), document)).collect::<Vec<_>>()
    };
    yaml.flat_map(read_all).collect()
}

fn of_kind(kind: &str) -> Vec<Yaml> {
    documents().into_iter().map(|(_, document)| document).filter(|document| document["kind"].as_str() == Some(kind)).collect()
}

fn name(document: &Yaml) -> String {
    document["metadata"]["name"].as_str().expect("everything has a name").to_owned()
}

fn texts(list: &Yaml) -> Vec<String> {
    list.as_vec().map(|list| list.iter().map(|item| item.as_str().expect("a text").to_owned()).collect()).unwrap_or_default()
}

fn names_of_workers() -> BTreeSet<String> {
    JobKind::ALL.iter().map(|kind| format!("callscribe-{}", kind.worker())).collect()
}

#[test]
fn kustomize_lists_every_file_and_every_document_has_a_kind_and_a_name() {
    let kustomization = of_kind("Kustomization").remove(0);
    let listed: BTreeSet<String> = texts(&kustomization["resources"]).into_iter().chain(["kustomization.yaml".to_owned()]).collect();
    let there: BTreeSet<String> = documents().into_iter().map(|(file, _)| file).collect();
    assert_eq!(listed, there);
    for (file, document) in documents() {
        assert!(document["apiVersion"].as_str().is_some() && document["kind"].as_str().is_some(), "{file}");
        assert!(document["kind"].as_str() == Some("Kustomization") || !name(&document).is_empty(), "{file}");
    }
}

#[test]
fn every_worker_type_has_a_deployment_an_autoscaler_and_a_disruption_budget() {
    let deployments = of_kind("Deployment");
    let workers: BTreeSet<String> = deployments
        .iter()
        .filter(|deployment| {
            texts(&deployment["spec"]["template"]["spec"]["containers"][0]["args"]).first().is_some_and(|verb| verb == "worker")
        })
        .map(name)
        .collect();
    assert_eq!(workers, names_of_workers());
    let budgets: BTreeSet<String> = of_kind("PodDisruptionBudget").iter().map(name).collect();
    assert_eq!(budgets, deployments.iter().map(name).collect(), "each may be moved by its own rule");
    for scaled in of_kind("ScaledObject") {
        assert_eq!(scaled["spec"]["scaleTargetRef"]["name"].as_str(), Some(name(&scaled).as_str()));
    }
    let scaled: BTreeSet<String> = of_kind("ScaledObject").iter().map(name).collect();
    assert_eq!(scaled, names_of_workers());
}

#[test]
fn autoscalers_ask_for_figures_that_exist_of_the_kind_their_worker_does() {
    for scaled in of_kind("ScaledObject") {
        let query = scaled["spec"]["triggers"][0]["metadata"]["query"].as_str().unwrap();
        let kind = JobKind::ALL.iter().find(|kind| name(&scaled) == format!("callscribe-{}", kind.worker())).unwrap();
        assert!(query.contains(&format!("{{kind=\"{kind}\"}}")), "{query}");
        assert!(CATALOGUE.iter().any(|metric| query.contains(&format!("({}{{", metric.name))), "{query}");
    }
}

#[test]
fn every_container_runs_a_command_that_is_understood_and_is_probed_where_it_listens() {
    for document in of_kind("Deployment").into_iter().chain(of_kind("Job")) {
        let container = &document["spec"]["template"]["spec"]["containers"][0];
        let arguments = texts(&container["args"]);
        let output = Command::new(env!("CARGO_BIN_EXE_callscribe")).args(&arguments).arg("--help").output().unwrap();
        assert!(output.status.success(), "`callscribe {}` is not understood", arguments.join(" "));
        if document["kind"].as_str() == Some("Job") {
            continue;
        }
        let port = if arguments[0] == "api" { 8080 } else { 9090 };
        assert_eq!(container["ports"][0]["containerPort"].as_i64(), Some(port), "{}", name(&document));
        for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
            assert_eq!(container[probe]["httpGet"]["path"].as_str(), Some(path), "{}", name(&document));
        }
    }
}

#[test]
fn settings_exist_and_nobody_is_killed_while_handing_back() {
    let known = read(".env.example");
    let configuration = of_kind("ConfigMap").remove(0);
    let settings = configuration["data"].as_hash().unwrap();
    let unknown: Vec<_> = settings.keys().filter_map(Yaml::as_str).filter(|name| !known.contains(&format!("\n#{name}="))).collect();
    assert!(unknown.is_empty(), "`.env.example` does not list {unknown:?}");
    let drain: u64 = configuration["data"]["DRAIN_TIMEOUT"].as_str().unwrap().trim_end_matches('s').parse().unwrap();
    for deployment in of_kind("Deployment") {
        let grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap();
        let grace = Duration::from_secs(u64::try_from(grace).unwrap());
        assert!(grace >= Duration::from_secs(drain) + AFTER_THE_DRAIN, "{}", name(&deployment));
    }
}
