//! docker-compose.yml against the code: one service per worker type, no setting that does not exist.

use callscribe::domain::JobKind;

use super::source_text::read;

/// A service of docker-compose.yml: its name and its command, if it is written on one line.
#[derive(Debug)]
struct Service {
    name: String,
    command: Vec<String>,
}

/// Reads the few shapes that docker-compose.yml uses; a service is indented by two, its keys by four.
fn services() -> Vec<Service> {
    let compose = read("docker-compose.yml");
    let mut services: Vec<Service> = Vec::new();
    for line in compose.lines().skip_while(|line| *line != "services:").skip(1).take_while(|line| *line != "volumes:") {
        if let Some(name) = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':')).filter(|name| !name.starts_with([' ', '#'])) {
            services.push(Service { name: name.to_owned(), command: Vec::new() });
        } else if let Some(words) = line.strip_prefix("    command: [").and_then(|rest| rest.strip_suffix(']')) {
            let command = words.split(',').map(|word| word.trim().trim_matches('"').to_owned()).collect();
            services.last_mut().expect("a command belongs to a service").command = command;
        }
    }
    services
}

#[test]
fn compose_runs_one_service_per_worker_type() {
    let workers: Vec<_> = services()
        .into_iter()
        .filter(|service| service.command.first().is_some_and(|verb| verb == "worker"))
        .map(|service| (service.name, service.command[1..].to_vec()))
        .collect();
    let expected: Vec<_> = JobKind::ALL.iter().map(|kind| (kind.worker().to_owned(), vec![kind.worker().to_owned()])).collect();
    assert_eq!(workers, expected, "(service, worker type) in docker-compose.yml, in the order of `JobKind::ALL`");
}

#[test]
fn nothing_stops_a_service_from_being_scaled() {
    let compose = read("docker-compose.yml");
    assert!(!compose.contains("container_name:"), "a fixed name allows one container only");
    let published: Vec<_> = compose.lines().filter(|line| line.trim_start().starts_with("ports:")).collect();
    assert_eq!(published.len(), 1, "only `api` publishes a port: {published:?}");
}

#[test]
fn compose_sets_only_settings_that_exist() {
    let known = read(".env.example");
    let compose = read("docker-compose.yml");
    let ours =
        compose.lines().skip_while(|line| !line.contains("environment: &environment")).skip(1).take_while(|line| line.starts_with("    "));
    let unknown: Vec<_> = ours
        .filter_map(|line| line.trim().split_once(": ").map(|(name, _)| name))
        .filter(|name| !known.contains(&format!("\n#{name}=")))
        .collect();
    assert!(unknown.is_empty(), "`.env.example` does not list these, which docker-compose.yml sets: {unknown:?}");
}

#[test]
fn the_image_is_built_from_every_crate() {
    let ignored = read(".dockerignore");
    let manifest = read("Cargo.toml");
    let (_, after) = manifest.split_once("\nmembers = [").expect("the workspace names its members");
    let (members, _) = after.split_once(']').expect("the list ends");
    let folders = members.split(',').map(|member| member.trim().trim_matches('"').trim_end_matches("/*"));
    let missing: Vec<&str> = folders.filter(|folder| *folder != "." && !ignored.lines().any(|line| line == format!("!{folder}"))).collect();
    assert!(missing.is_empty(), ".dockerignore keeps these out of the build: {missing:?}");
}
