//! What Webex takes as a subscription, and the words with which it refuses.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use serde::Deserialize;
use url::Url;

/// The event types of each resource, by its version.
pub(super) const RESOURCES: &[(&str, &[&str])] = &[
    ("capture:1.0.0", &["capture:available"]),
    (
        "task:1.0.0",
        &[
            "task:new",
            "task:connect",
            "task:connected",
            "task:parked",
            "task:on-hold",
            "task:hold-done",
            "task:consulting",
            "task:consult-done",
            "task:conferencing",
            "task:conference-done",
            "task:conference-transferred",
            "task:ended",
            "task:failed",
            "task:origin-updated",
        ],
    ),
    ("task-message:1.0.0", &["task-message:created", "task-message:appended"]),
    ("agent:1.0.0", &["agent:login", "agent:logout", "agent:state_change"]),
    ("agent:2.0.0", &["agent:login", "agent:logout", "agent:channel_state_change", "agent:channelType_state_change"]),
];
const NAME: RangeInclusive<usize> = 4..=64;
const DESCRIPTION: RangeInclusive<usize> = 0..=1_024;
const EVENT_TYPES: RangeInclusive<usize> = 1..=32;
const SECRET: RangeInclusive<usize> = 32..=256;
/// Last labels that no registrar sells.
const NO_DOMAINS: &[&str] = &["local", "localhost", "internal", "lan", "home", "corp", "test", "invalid", "example"];

/// The body of a creation or of a change; what a change leaves out stays.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wanted {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) event_types: Option<Vec<String>>,
    pub(super) destination_url: Option<String>,
    pub(super) secret: Option<String>,
    pub(super) org_id: Option<String>,
    pub(super) resource_version: Option<String>,
    pub(super) status: Option<String>,
}

impl Wanted {
    /// Checks what is there. `loopback` lets a plain-http destination on this machine through.
    pub(super) fn check(&self, loopback: bool) -> Result<(), String> {
        length("name", self.name.as_deref(), &NAME)?;
        length("description", self.description.as_deref(), &DESCRIPTION)?;
        length("secret", self.secret.as_deref(), &SECRET)?;
        if let Some(types) = &self.event_types
            && !EVENT_TYPES.contains(&types.len())
        {
            return Err("eventTypes: size must be between 1 and 32".to_owned());
        }
        if let Some(status) = self.status.as_deref().filter(|status| !["active", "inactive"].contains(status)) {
            return Err(format!("status: '{status}' is not one of active, inactive"));
        }
        self.destination_url.as_deref().map_or(Ok(()), |destination| check_destination(destination, loopback))
    }

    /// What only a creation needs.
    pub(super) fn check_complete(&self, version_1: bool) -> Result<(), String> {
        let needed = [
            ("name", self.name.is_some()),
            ("eventTypes", self.event_types.is_some()),
            ("destinationUrl", self.destination_url.is_some()),
            ("resourceVersion", version_1 || self.resource_version.is_some()),
        ];
        needed.into_iter().find(|(_, there)| !there).map_or(Ok(()), |(name, _)| Err(format!("{name}: must not be null")))
    }
}

/// Whether the events exist and belong to one resource of this version.
pub(super) fn check_events(types: &[String], resource_version: Option<&str>) -> Result<(), String> {
    if let Some(version) = resource_version {
        let known = RESOURCES.iter().find(|(known, _)| *known == version);
        let (_, known) = known.ok_or_else(|| format!("resourceVersion: '{version}' is not supported"))?;
        return match types.iter().find(|each| !known.contains(&each.as_str())) {
            Some(foreign) => Err(format!("eventTypes: '{foreign}' does not belong to resourceVersion {version}")),
            None => Ok(()),
        };
    }
    let unknown = types.iter().find(|each| !RESOURCES.iter().any(|(_, known)| known.contains(&each.as_str())));
    unknown.map_or(Ok(()), |unknown| Err(format!("eventTypes: '{unknown}' is not supported")))
}

fn length(name: &str, text: Option<&str>, allowed: &RangeInclusive<usize>) -> Result<(), String> {
    match text {
        Some(text) if !allowed.contains(&text.chars().count()) => {
            Err(format!("{name}: size must be between {} and {}", allowed.start(), allowed.end()))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_destination(destination: &str, loopback: bool) -> Result<(), String> {
    let bad = |what: &str| Err(format!("destinationUrl: {what}"));
    let Ok(url) = Url::parse(destination) else { return bad("must be a valid URL") };
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return bad("must not have a query, a fragment or user info");
    }
    if url.path().trim_matches('/').is_empty() {
        return bad("must have a path");
    }
    if loopback && is_loopback(&url) {
        return Ok(());
    }
    if url.scheme() != "https" {
        return bad("must be https");
    }
    if url.port().is_some() {
        return bad("must not name a port");
    }
    let top = url.domain().and_then(|domain| domain.rsplit_once('.')).map(|(_, top)| top.to_ascii_lowercase());
    let is_domain = top.is_some_and(|top| {
        top.len() >= 2 && top.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-') && !NO_DOMAINS.contains(&top.as_str())
    });
    if is_domain { Ok(()) } else { bad("must have a host with a valid top level domain") }
}

/// Whether events can be sent there: this machine, without TLS.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "http" && (host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_https_with_a_path_and_nothing_else() {
        assert_eq!(check_destination("https://hooks.example.com/webex", false), Ok(()));
        for bad in [
            "http://hooks.example.com/webex",
            "https://hooks.example.com/",
            "https://hooks.example.com:8443/webex",
            "https://hooks.example.com/webex?a=1",
            "https://hooks.example.com/webex#a",
            "https://me@hooks.example.com/webex",
            "https://hooks.internal/webex",
            "https://192.0.2.1/webex",
            "http://127.0.0.1:80/webex",
            "webex",
        ] {
            assert!(check_destination(bad, false).is_err(), "{bad}");
        }
        assert_eq!(check_destination("http://127.0.0.1:8080/webex", true), Ok(()));
    }

    #[test]
    fn events_of_two_resources_need_two_subscriptions() {
        let both = ["capture:available".to_owned(), "task:ended".to_owned()];
        assert!(check_events(&both, Some("capture:1.0.0")).unwrap_err().contains("task:ended"));
        assert_eq!(check_events(&both, None), Ok(()), "version 1 knows no resources");
        assert!(check_events(&["task:exploded".to_owned()], None).is_err());
        assert!(check_events(&[], Some("task:9.0.0")).is_err());
    }
}
