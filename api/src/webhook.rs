//! `POST /api/webhooks/webex`: events as Webex sends them. Checked, kept with what follows from them in one transaction, answered.
//!
//! Nothing is worked on here and nobody is asked anything but PostgreSQL. An answer comes within [`ANSWER_WITHIN`], whatever PostgreSQL
//! does: Webex makes a subscription inactive whose receiver is slow.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
};
use callscribe::{
    clock::Clock,
    config::WebhookSettings,
    domain::{EventKind, SourceName},
    ledger::Hint,
    queue::push_hints,
    schedule::{EventTaken, take_event},
    sources::webex::{NotTaken, SIGNATURE_HEADER, WebhookEvent, WebhookReader},
    store::{Store, StoreError, quarantine::quarantine, webhook_events::NewEvent},
    telemetry::{chain, metrics},
};
use serde::Serialize;
use tokio::time::timeout;

use crate::{ApiState, LARGEST_BODY_BYTES, answer::Refusal};

/// Webex waits five seconds; two are left for the network.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// The body must be here in this time, so that a slow sender cannot use up what PostgreSQL needs.
const BODY_WITHIN: Duration = Duration::from_secs(1);
/// The dispatcher finds within a second what is not hinted in this time.
const HINT_PATIENCE: Duration = Duration::from_millis(200);
/// What is left of it for PostgreSQL.
const KEEP_WITHIN: Duration = ANSWER_WITHIN.saturating_sub(BODY_WITHIN).saturating_sub(HINT_PATIENCE);

/// What the receiver works with.
#[derive(Debug, Clone)]
pub(crate) struct Webhooks {
    reader: Arc<WebhookReader>,
    sync_every: Duration,
    clock: Arc<dyn Clock>,
}

impl Webhooks {
    /// `None` when no secret is set.
    pub(crate) fn new(settings: &WebhookSettings, clock: Arc<dyn Clock>) -> Option<Self> {
        Some(Self { reader: Arc::new(WebhookReader::new(settings)?), sync_every: settings.sync_every, clock })
    }
}

/// That an event was taken.
#[derive(Debug, Serialize)]
pub(crate) struct Taken {
    /// `kept`, `duplicate` or `quarantined`.
    result: &'static str,
}

pub(crate) async fn receive(State(state): State<ApiState>, request: Request) -> Result<Json<Taken>, Refusal> {
    let Some(webhooks) = &state.webhooks else {
        let error = "this endpoint is switched off: `WEBEX_CC_WEBHOOK_SECRET` is not set";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error, "set it for the process `api`, see docs/WEBEX.md"));
    };
    let (head, body) = request.into_parts();
    let body = whole(body).await?;
    let signature = signature(&head.headers);
    match webhooks.reader.read(&body, signature, webhooks.clock.now()) {
        Ok(event) => keep(&state, webhooks, event).await,
        Err(NotTaken::Unreadable { what, raw }) => set_aside(&state.store, &raw, &what).await,
        Err(refused) => Err(refuse(&refused)),
    }
}

async fn whole(body: Body) -> Result<Bytes, Refusal> {
    let too_large = "the body is larger than any event, or broke off";
    match timeout(BODY_WITHIN, to_bytes(body, LARGEST_BODY_BYTES)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => {
            metrics::webhook_event(EventKind::Other, "too_large");
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, too_large, "events have a few kilobytes"))
        }
        Err(_) => {
            metrics::webhook_event(EventKind::Other, "too_slow");
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time", "send it at once"))
        }
    }
}

/// The one signature; two are none.
fn signature(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(SIGNATURE_HEADER).iter();
    let first = all.next()?;
    all.next().is_none().then_some(first.as_bytes())
}

async fn keep(state: &ApiState, webhooks: &Webhooks, event: WebhookEvent) -> Result<Json<Taken>, Refusal> {
    let kind = event.kind;
    let new = NewEvent {
        source: SourceName::Webex,
        event_id: event.id,
        kind,
        word: event.word,
        subscription_id: event.subscription_id,
        session_id: event.session_id,
        sent_at: event.sent_at,
        payload: event.raw,
    };
    let kept = async {
        let mut connection = state.store.connection().await?;
        take_event(&mut connection, &new, webhooks.sync_every).await
    };
    let (taken, hints) = in_time(kept).await.inspect_err(|_| metrics::webhook_event(kind, "unavailable"))?;
    let result = match taken {
        EventTaken::Duplicate => "duplicate",
        EventTaken::Kept(outcome) => {
            let outcome = outcome.map_or("waiting", |outcome| outcome.as_str());
            let session = new.session_id.as_ref().map(ToString::to_string).unwrap_or_default();
            tracing::info!(
                call.session_id = session,
                event.id = new.event_id,
                event.word = new.word,
                event.outcome = outcome,
                "event kept"
            );
            "kept"
        }
    };
    metrics::webhook_event(kind, result);
    hint(state, &hints).await;
    Ok(Json(Taken { result }))
}

/// Signed by Webex and not an event as we know them: kept for a person to look at. A refusal would make the subscription inactive.
async fn set_aside(store: &Store, raw: &serde_json::Value, what: &str) -> Result<Json<Taken>, Refusal> {
    metrics::webhook_event(EventKind::Other, "unreadable");
    tracing::warn!(what, "an event signed by Webex cannot be read: it is in `quarantined_payloads`");
    let kept = async {
        let mut connection = store.connection().await?;
        quarantine(&mut connection, SourceName::Webex, [(raw, what)]).await
    };
    in_time(kept).await?;
    Ok(Json(Taken { result: "quarantined" }))
}

/// Given up in time, the connection is thrown away with its transaction: the event is kept with all that follows from it, or not at all.
async fn in_time<T>(kept: impl Future<Output = Result<T, StoreError>>) -> Result<T, Refusal> {
    let why = match timeout(KEEP_WITHIN, kept).await {
        Ok(Ok(kept)) => return Ok(kept),
        Ok(Err(error)) => chain(&error).to_string(),
        Err(_) => format!("no answer within {} ms", KEEP_WITHIN.as_millis()),
    };
    tracing::warn!(error = why, "an event could not be kept: PostgreSQL did not take it; polling finds what it told");
    Err(Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the event could not be kept just now",
        "send it again; `/readyz` tells when it can be",
    ))
}

fn refuse(refused: &NotTaken) -> Refusal {
    let (status, outcome, hint) = match refused {
        NotTaken::BadSignature => (StatusCode::UNAUTHORIZED, "bad_signature", "sign the body with `WEBEX_CC_WEBHOOK_SECRET`"),
        NotTaken::Stale { .. } => (StatusCode::UNAUTHORIZED, "stale", "old events are not taken again; check both clocks if it is new"),
        NotTaken::WrongOrg { .. } => (StatusCode::FORBIDDEN, "wrong_org", "subscribe with a token of the right organisation"),
        NotTaken::NotJson | NotTaken::Unreadable { .. } => (StatusCode::BAD_REQUEST, "not_json", "send an event as Webex writes it"),
    };
    metrics::webhook_event(EventKind::Other, outcome);
    tracing::warn!(error = %refused, "an event was refused");
    Refusal::new(status, refused.to_string(), hint)
}

async fn hint(state: &ApiState, due: &[Hint]) {
    let Some(hints) = state.hints.as_ref().filter(|_| !due.is_empty()) else { return };
    if !matches!(timeout(HINT_PATIENCE, push_hints(hints, due)).await, Ok(Ok(()))) {
        tracing::debug!("the hints were lost; the dispatcher sends them again");
    }
}
