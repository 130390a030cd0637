//! Subscriptions as `callscribe webex` manages them, against the simulator.

use std::process::Output;

use callscribe::sources::webex::Webex;
use callscribe_simulators::{
    When,
    webex::{Fault, WebexPlan},
};
use secrecy::ExposeSecret;
use url::Url;

use super::*;
use crate::{cli::callscribe, webex::Office};

/// The key that the office seals its tokens with, in base64.
const OFFICES_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

pub(super) async fn office() -> Office {
    Office::open(WebexPlan::new(7, Vec::new()).with_loopback_hooks()).await
}

pub(super) fn destination() -> Url {
    "http://127.0.0.1:9/api/webhooks/webex".parse().unwrap()
}

async fn subscribe(webex: &Webex) -> Vec<bool> {
    webex.subscribe(&destination(), &SECRET.into()).await.unwrap().iter().map(|each| each.made).collect()
}

/// `callscribe webex …` as a person calls it.
pub(crate) async fn webex(office: &Office, arguments: &[&str]) -> (i32, String, String) {
    let mut command = callscribe(&[&["webex"], arguments].concat());
    let (credentials, redis) = (office.vendor.credentials().clone(), harness::redis().await);
    command
        .env("DATABASE_URL", office.database.url())
        .env("REDIS_URL", redis.url.expose_secret())
        .env("REDIS_PREFIX", redis.prefix)
        .env("WEBEX_CC_CLIENT_ID", credentials.client_id)
        .env("WEBEX_CC_CLIENT_SECRET", credentials.client_secret)
        .env("WEBEX_CC_REFRESH_TOKEN", credentials.refresh_token)
        .env("WEBEX_CC_ORG_ID", office.vendor.org_id().to_string())
        .env("WEBEX_CC_BASE_URL", office.vendor.base_url())
        .env("WEBEX_CC_TOKEN_URL", office.vendor.token_url())
        .env("WEBEX_CC_WEBHOOK_SECRET", SECRET)
        .env("RECORDING_DOWNLOAD_HOSTS", "127.0.0.1")
        .env("CALLSCRIBE_ENCRYPTION_KEY", OFFICES_KEY);
    let Output { status, stdout, stderr } = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn subscribing_twice_makes_one_subscription_per_resource_and_switches_it_on_again() {
    let office = office().await;
    let source = office.process();
    assert_eq!(subscribe(&source).await, [true, true]);
    office.vendor.deactivate_subscriptions();
    assert!(source.subscriptions().await.unwrap().listed.iter().all(|each| !each.is_active()));
    assert_eq!(subscribe(&source).await, [false, false]);
    let seen = office.vendor.subscriptions();
    assert!(seen.len() == 2 && seen.iter().all(|each| each.active), "{seen:?}");
    let events: Vec<_> = seen.iter().flat_map(|each| each.event_types.clone()).collect();
    assert_eq!(events, ["capture:available", "task:ended"]);
}

#[tokio::test]
async fn two_who_subscribe_at_once_leave_one_subscription_per_resource() {
    let office = office().await;
    let (first, second) = (office.process(), office.process());
    tokio::join!(subscribe(&first), subscribe(&second));
    // what a command that died half way may have left is put right by the next
    subscribe(&first).await;
    assert_eq!(office.vendor.subscriptions().len(), 2);
}

#[tokio::test]
async fn the_twenty_first_subscription_is_refused_with_what_to_do() {
    let office = office().await;
    let source = office.process();
    for number in 0..10 {
        let url: Url = format!("http://127.0.0.1:9/{number}").parse().unwrap();
        source.subscribe(&url, &SECRET.into()).await.unwrap();
    }
    let (status, _, stderr) = webex(&office, &["subscribe", "--url", destination().as_str()]).await;
    assert_eq!(status, 1, "{stderr}");
    assert!(stderr.contains("may have 20 subscriptions") && stderr.contains("has 20"), "{stderr}");
    assert!(stderr.contains("callscribe webex unsubscribe ID"), "{stderr}");
    assert_eq!(office.vendor.subscriptions().len(), 20);
}

#[tokio::test]
async fn a_token_that_may_only_read_is_told_which_scope_it_lacks() {
    let office = office().await;
    office.vendor.faults().on(Fault::WriteScopeMissing403, When::Always);
    let (status, _, stderr) = webex(&office, &["subscribe", "--url", destination().as_str()]).await;
    assert_eq!(status, 1, "{stderr}");
    assert!(stderr.contains("cjp:config_write") && stderr.contains("callscribe webex login --webhooks"), "{stderr}");
    let (status, stdout, stderr) = webex(&office, &["subscriptions"]).await;
    assert_eq!(status, 0, "reading needs no more than `cjp:config_read`: {stderr}");
    assert!(stdout.contains("0 of 20"), "{stdout}");
}

#[tokio::test]
async fn subscriptions_are_made_listed_and_removed_from_the_command_line() {
    let office = office().await;
    let (status, stdout, stderr) = webex(&office, &["subscribe", "--url", destination().as_str(), "--json"]).await;
    assert_eq!(status, 0, "{stderr}");
    let made: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(made.as_array().unwrap().len(), 2);
    let (_, listed, _) = webex(&office, &["subscriptions", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed["count"], &listed["destination"]), (&json!(2), &json!(destination())));
    for each in made.as_array().unwrap() {
        let id = each["subscription"]["id"].as_str().unwrap();
        let (status, stdout, stderr) = webex(&office, &["unsubscribe", id]).await;
        assert!(status == 0 && stdout.contains(id), "{stderr}");
    }
    let (_, listed, _) = webex(&office, &["subscriptions", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&listed).unwrap(), json!({"count": 0, "destination": null, "subscriptions": []}));
    let (status, _, stderr) = webex(&office, &["unsubscribe", "no-such-id"]).await;
    assert!(status == 1 && stderr.contains("there is no subscription `no-such-id`"), "{stderr}");
    let (status, _, stderr) = webex(&office, &["subscribe", "--url", "https://hooks.example.com:8443/a"]).await;
    assert!(status == 2 && stderr.contains("443"), "{stderr}");
}
