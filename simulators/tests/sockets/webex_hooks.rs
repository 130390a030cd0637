//! Webhooks: what may be subscribed, what is delivered, and what goes wrong on the way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use callscribe_simulators::webex::{CallSpec, Fault, WebexPlan};
use callscribe_simulators::{SimulatedClock, When};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::client::{Caller, read};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[derive(Clone)]
struct Letter {
    headers: HeaderMap,
    body: Bytes,
}

impl Letter {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    fn is_signed(&self) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(&self.body);
        self.headers["x-webexcc-signature"] == hex::encode(mac.finalize().into_bytes())
    }
}

#[derive(Clone)]
struct Letterbox {
    letters: Arc<Mutex<Vec<Letter>>>,
    status: StatusCode,
    hangs: bool,
}

impl Letterbox {
    /// A receiver that answers everything with `status`, or not at all.
    async fn open(status: StatusCode, hangs: bool) -> (Self, String) {
        let letters = Self { letters: Arc::default(), status, hangs };
        let router = axum::Router::new().route("/hooks", post(take)).with_state(letters.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (letters, url)
    }

    fn all(&self) -> Vec<Letter> {
        self.letters.lock().unwrap().clone()
    }
}

async fn take(State(held): State<Letterbox>, headers: HeaderMap, body: Bytes) -> StatusCode {
    held.letters.lock().unwrap().push(Letter { headers, body });
    if held.hangs {
        std::future::pending::<()>().await;
    }
    held.status
}

fn wanted(url: &str) -> Value {
    json!({"name": "hooks", "eventTypes": ["capture:available"], "destinationUrl": url, "secret": SECRET, "resourceVersion": "capture:1.0.0"})
}

fn ended(url: &str) -> Value {
    json!({"name": "hooks", "eventTypes": ["task:ended"], "destinationUrl": url, "secret": SECRET, "resourceVersion": "task:1.0.0"})
}

impl Caller {
    async fn hooks(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let request = self.http.request(method, format!("{}{path}", self.webex.base_url())).bearer_auth(&self.token);
        read(
            match body {
                Some(body) => request.json(body),
                None => request,
            }
            .send()
            .await
            .unwrap(),
        )
        .await
    }

    async fn subscribe(&self, body: &Value) -> (u16, Value) {
        self.hooks(reqwest::Method::POST, "/v2/subscriptions", Some(body)).await
    }

    /// Waits until `count` deliveries were tried.
    async fn delivered(&self, count: usize) {
        for _ in 0..1_000 {
            if self.webex.deliveries().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(self.webex.deliveries().len() >= count, "only {:?}", self.webex.deliveries());
    }
}

/// One call that begins in a second and is over, with its recording, ten seconds later; the clock stands.
fn plan() -> WebexPlan {
    let clock = SimulatedClock::standing("2026-03-02T12:00:00Z".parse().unwrap());
    let call = CallSpec { begins: chrono::TimeDelta::seconds(1), lasts: Duration::from_secs(7), ..CallSpec::ago(Duration::ZERO) };
    WebexPlan { clock, ..WebexPlan::new(1, vec![call]) }.with_loopback_hooks()
}

#[tokio::test]
async fn only_what_the_contract_allows_can_be_subscribed() {
    let caller = Caller::of(WebexPlan::new(1, Vec::new())).await;
    let good = wanted("https://hooks.example.com/webex");
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for bad in [
        with("name", json!("abc")),
        with("name", json!("a".repeat(65))),
        with("description", json!("a".repeat(1_025))),
        with("secret", json!("short")),
        with("secret", json!("a".repeat(257))),
        with("eventTypes", json!([])),
        with("eventTypes", json!(["task:ended"])),
        with("resourceVersion", Value::Null),
        with("resourceVersion", json!("capture:9.9.9")),
        with("destinationUrl", json!("http://127.0.0.1:80/hooks")),
    ] {
        let (status, body) = caller.subscribe(&bad).await;
        assert_eq!((status, &body["error"]["key"]), (400, &json!(400)), "{bad}: {body}");
        assert!(body["trackingId"].as_str().unwrap().starts_with("NOTIFS_"));
    }
    assert_eq!(caller.subscribe(&with("orgId", json!("99999999-9999-4999-8999-999999999999"))).await.0, 403);
    let (status, made) = caller.subscribe(&good).await;
    assert_eq!((status, &made["data"]["status"]), (201, &json!("active")));
    assert!(made["data"].get("secret").is_none(), "a secret is never told");
    let types = caller.hooks(reqwest::Method::GET, "/v2/event-types", None).await;
    assert!(types.0 == 200 && types.1.to_string().contains("capture:1.0.0"));
}

#[tokio::test]
async fn versions_do_not_show_each_other_but_count_together() {
    let caller = Caller::of(WebexPlan::new(1, Vec::new())).await;
    let good = wanted("https://hooks.example.com/webex");
    assert_eq!(caller.hooks(reqwest::Method::POST, "/v1/subscriptions", Some(&good)).await.0, 201);
    for _ in 1..20 {
        assert_eq!(caller.subscribe(&good).await.0, 201);
    }
    let (status, body) = caller.subscribe(&good).await;
    assert_eq!(status, 400, "the twenty-first: {body}");
    let (_, second) = caller.hooks(reqwest::Method::GET, "/v2/subscriptions", None).await;
    assert_eq!((second["data"].as_array().unwrap().len(), &second["meta"]["subscriptionCount"]), (19, &json!(20)));
    let (_, first) = caller.hooks(reqwest::Method::GET, "/v1/subscriptions", None).await;
    assert_eq!(first["data"].as_array().unwrap().len(), 1);
    let one = format!("/v2/subscriptions/{}", second["data"][0]["id"].as_str().unwrap());
    assert_eq!(caller.hooks(reqwest::Method::GET, &one, None).await.0, 200);
    assert_eq!(caller.hooks(reqwest::Method::PATCH, &one, Some(&json!({"status": "inactive"}))).await.1["data"]["status"], "inactive");
    assert_eq!(caller.hooks(reqwest::Method::DELETE, &one, None).await.0, 204);
    assert_eq!(caller.hooks(reqwest::Method::GET, &one, None).await.0, 400);
    caller.webex.faults().on(Fault::WriteScopeMissing403, When::Always);
    assert_eq!(caller.subscribe(&good).await.0, 403);
    assert_eq!(caller.hooks(reqwest::Method::GET, "/v2/subscriptions", None).await.0, 200, "reading needs less");
}

#[tokio::test]
async fn events_are_signed_and_written_as_their_version_has_them() {
    let caller = Caller::of(plan()).await;
    let ((second, url), (first, old_url)) = (Letterbox::open(StatusCode::OK, false).await, Letterbox::open(StatusCode::OK, false).await);
    assert_eq!(caller.subscribe(&wanted(&url)).await.0, 201);
    assert_eq!(caller.subscribe(&ended(&url)).await.0, 201);
    assert_eq!(caller.hooks(reqwest::Method::POST, "/v1/subscriptions", Some(&ended(&old_url))).await.0, 201);
    caller.webex.clock().advance(Duration::from_mins(1));
    caller.delivered(3).await;
    assert!(caller.webex.deliveries().iter().all(|each| each.status == Some(200)));
    let letters = second.all();
    let capture = letters.iter().find(|letter| letter.kind() == "capture:available").unwrap();
    let event = capture.json();
    assert!(letters.iter().all(Letter::is_signed) && capture.headers.contains_key("x-webexcc-webhook-version"));
    assert_eq!(event["data"]["taskId"], json!(caller.webex.session_id(0)));
    assert_eq!(event["comciscoorgid"], json!(caller.webex.org_id()));
    assert_eq!(event["comciscotimestamp"].as_str().unwrap(), capture.headers["x-webexcc-timestamp"]);
    let old = first.all().remove(0);
    assert!(old.is_signed() && old.json().get("comciscotimestamp").is_none() && !old.headers.contains_key("x-webexcc-timestamp"));
}

#[tokio::test]
async fn every_fault_of_delivery_does_what_it_says() {
    let always = |fault: Fault| (fault, When::Always);
    let of_capture = |fault: Fault| (fault, When::For(vec!["capture:available".to_owned()]));
    let cases = [
        (of_capture(Fault::HookMissing), 1),
        (always(Fault::HookDuplicated), 4),
        (always(Fault::HookEndedThrice), 4),
        (always(Fault::HookOutOfOrder), 2),
        (always(Fault::HookBadSignature), 2),
        (always(Fault::HookReserialised), 2),
        (always(Fault::HookTimestampNumber), 2),
        (always(Fault::HookStale { age: Duration::from_hours(1) }), 2),
    ];
    for ((fault, when), count) in cases {
        let caller = Caller::of(plan().with(fault.clone(), when)).await;
        let (letters, url) = Letterbox::open(StatusCode::OK, false).await;
        if fault == Fault::HookOutOfOrder {
            // one subscription gets its events in order, and only version 1 takes both kinds in one
            let mut both = wanted(&url);
            both["eventTypes"] = json!(["capture:available", "task:ended"]);
            assert_eq!(caller.hooks(reqwest::Method::POST, "/v1/subscriptions", Some(&both)).await.0, 201);
        } else {
            assert_eq!((caller.subscribe(&wanted(&url)).await.0, caller.subscribe(&ended(&url)).await.0), (201, 201));
        }
        caller.webex.clock().advance(Duration::from_mins(1));
        caller.delivered(count).await;
        let letters = letters.all();
        let kinds: Vec<String> = letters.iter().map(Letter::kind).collect();
        assert_eq!(letters.len(), count, "{fault:?}: {kinds:?}");
        let ids: std::collections::BTreeSet<String> = letters.iter().map(|each| each.json()["id"].to_string()).collect();
        match fault {
            Fault::HookDuplicated => assert_eq!(ids.len(), 2),
            Fault::HookOutOfOrder => assert_eq!(kinds, ["capture:available", "task:ended"]),
            Fault::HookBadSignature | Fault::HookReserialised => assert!(letters.iter().all(|letter| !letter.is_signed())),
            Fault::HookTimestampNumber => assert!(letters[0].json()["comciscotimestamp"].is_i64()),
            Fault::HookStale { .. } => {
                let sent: i64 = letters[0].json()["comciscotimestamp"].as_str().unwrap().parse().unwrap();
                assert!(letters[0].is_signed() && caller.now() - sent >= 3_600_000);
            }
            _ => assert_eq!(ids.len(), count),
        }
    }
}

#[tokio::test]
async fn a_receiver_that_fails_or_is_slow_is_switched_off_until_it_is_patched() {
    for (status, hangs) in [(StatusCode::BAD_GATEWAY, false), (StatusCode::OK, true)] {
        let caller = Caller::of(
            WebexPlan { hook_patience: Duration::from_millis(200), ..plan() }.with(Fault::HookRepeated { times: 1 }, When::Always),
        )
        .await;
        let (letters, url) = Letterbox::open(status, hangs).await;
        assert_eq!(caller.subscribe(&wanted(&url)).await.0, 201);
        caller.webex.clock().advance(Duration::from_mins(1));
        caller.delivered(2).await;
        assert_eq!(letters.all().len(), 2, "tried once more, as the fault says");
        let mut off = false;
        for _ in 0..100 {
            off = caller.webex.subscriptions().iter().all(|each| !each.active);
            if off {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(off);
        let one = format!("/v2/subscriptions/{}", caller.webex.subscriptions()[0].id);
        assert_eq!(caller.hooks(reqwest::Method::PATCH, &one, Some(&json!({"status": "active"}))).await.0, 200);
        assert!(caller.webex.subscriptions()[0].active);
    }
}
