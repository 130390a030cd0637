//! Webhooks of Webex: what the receiver takes and refuses, what follows from an event, and the subscriptions.

mod follows;
mod receiver;
mod skew;
pub(crate) mod subscriptions;
mod upkeep;
mod whole;

use std::{sync::Arc, time::Duration};

use callscribe::{
    clock::ManualClock,
    config::WebhookSettings,
    domain::OrgId,
    schedule::{self, SchedulerOptions},
    store::Store,
};
use callscribe_api::ApiState;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{Api, client, registry},
    harness::{self, TestDatabase},
    ledger_rows::{number, run},
};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
const PREVIOUS: &str = "fedcba9876543210fedcba9876543210";
const ORG: &str = "11111111-2222-4333-8444-555555555555";

fn noon() -> DateTime<Utc> {
    "2026-03-02T12:00:00Z".parse().unwrap()
}

fn settings() -> WebhookSettings {
    WebhookSettings {
        secrets: vec![SECRET.into(), PREVIOUS.into()],
        org_id: Some(OrgId::parse(ORG).unwrap()),
        ..WebhookSettings::default()
    }
}

/// A database and a receiver whose clock stands at noon.
struct Scene {
    database: TestDatabase,
    store: Store,
    api: Api,
}

impl Scene {
    async fn new() -> Self {
        let database = harness::database().await;
        let store = database.store();
        Self { api: receiver(store.clone()).await, database, store }
    }

    async fn number(&self, sql: &str) -> i64 {
        number(&self.store, sql).await
    }

    async fn run(&self, sql: &str) {
        run(&self.store, sql).await;
    }

    async fn send(&self, event: &Value) -> StatusCode {
        send(&self.api, event).await
    }

    /// A call whose recording job is as `job` says: assignments of columns.
    async fn recording(&self, session: &str, state: &str, columns: &str, values: &str) {
        self.run(&format!(
            "INSERT INTO call_interactions (session_id, source, start_time, closed, transcript_status, raw_payload)
                 VALUES ('{session}', 'webex', now() - interval '1 hour', true, 'pending', '{{}}');
             INSERT INTO call_transcripts (id, session_id, provider) VALUES (md5('{session}')::uuid, '{session}', 'whisper');
             INSERT INTO jobs (kind, key, max_attempts, source, session_id, transcript_id, state, {columns})
                 VALUES ('recording', '{session}', 8, 'webex', '{session}', md5('{session}')::uuid, '{state}', {values})"
        ))
        .await;
    }

    async fn outcome_of(&self, event: &str, outcome: &str) -> bool {
        self.number(&format!("SELECT count(*) AS number FROM webhook_events WHERE event_id = '{event}' AND outcome = '{outcome}'")).await
            == 1
    }
}

async fn receiver(store: Store) -> Api {
    let clock = Arc::new(ManualClock::at(noon()));
    Api::start(ApiState::new(store, registry()).with_hints(harness::hints().await).with_webhooks(&settings(), clock)).await
}

/// A scheduler that settles events and asks for no syncs of its own.
fn scheduler(database: &TestDatabase, hints: callscribe::hints::Hints, webhook: WebhookSettings) -> (CancellationToken, JoinHandle<()>) {
    let shutdown = CancellationToken::new();
    let options = SchedulerOptions {
        store: database.store(),
        hints,
        sources: Vec::new(),
        sync_interval: Duration::from_mins(10),
        enrich_interval: None,
        chat_channels: Vec::new(),
        webhook,
        keep: crate::keep::keeping_audio(),
        reconcile: callscribe::config::ReconcileSettings::default(),
        lease: Duration::from_secs(3),
        shutdown: shutdown.clone(),
    };
    (shutdown, tokio::spawn(schedule::run_scheduler(options)))
}

/// An event as Webex writes it, sent `off` from noon.
fn event(id: &str, kind: &str, session: &str, off: TimeDelta) -> Value {
    json!({"id": id, "specversion": "1.0", "type": kind, "source": "/com/cisco/wxcc/41e92806", "comciscoorgid": ORG,
           "comciscotimestamp": (noon() + off).timestamp_millis().to_string(), "datacontenttype": "application/json",
           "data": {"taskId": session, "filePath": "http://127.0.0.1:1/never", "createdTime": noon().timestamp_millis()}})
}

fn available(id: &str, session: &str) -> Value {
    event(id, "capture:available", session, TimeDelta::zero())
}

fn sign(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

async fn send(api: &Api, event: &Value) -> StatusCode {
    let body = event.to_string();
    post(api, body.clone(), Some(&sign(SECRET, &body))).await
}

async fn post(api: &Api, body: String, signature: Option<&str>) -> StatusCode {
    let request = client().post(format!("{}/api/webhooks/webex", api.url)).body(body);
    let request = match signature {
        Some(signature) => request.header("X-WebexCC-Signature", signature),
        None => request,
    };
    request.send().await.unwrap().status()
}
