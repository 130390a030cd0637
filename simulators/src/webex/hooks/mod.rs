//! Webhooks: the tenant's subscriptions, and the events that are sent to them.
//!
//! A plain-http destination is refused as by the real service unless the plan says `loopback_hooks`; events are sent to loopback only.

mod checks;
mod deliver;
mod events;
mod manage;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::routing::get;
use uuid::Uuid;

use super::Site;

pub(super) use deliver::Poster;

/// Longest log of deliveries that is kept.
const LOG_LIMIT: usize = 100_000;

/// A subscription as the tenant holds it.
#[derive(Debug, Clone)]
struct Subscription {
    id: Uuid,
    name: String,
    description: Option<String>,
    event_types: Vec<String>,
    destination: String,
    secret: String,
    /// `None`: made by version 1 of the API, which knows no such thing.
    resource_version: Option<String>,
    active: bool,
    created_ms: i64,
    updated_ms: i64,
}

/// A subscription as tests see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionSeen {
    /// Its id.
    pub id: Uuid,
    /// Where events go.
    pub destination: String,
    /// Which events.
    pub event_types: Vec<String>,
    /// `capture:1.0.0`; `None` for one made by version 1 of the API.
    pub resource_version: Option<String>,
    /// Whether events are sent.
    pub active: bool,
}

/// One attempt to deliver an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Id of the event.
    pub event_id: Uuid,
    /// `capture:available`, …
    pub event_type: &'static str,
    /// The call.
    pub session_id: Uuid,
    /// Whose event it was.
    pub subscription_id: Uuid,
    /// How the receiver answered; `None` when it did not within the patience.
    pub status: Option<u16>,
}

#[derive(Debug, Default)]
struct State {
    subscriptions: Vec<Subscription>,
    made: u64,
    deliveries: Vec<Delivery>,
    told_until_ms: Option<i64>,
}

/// The subscriptions of the tenant and what was sent to them.
#[derive(Debug, Default)]
pub(super) struct Hooks(Mutex<State>);

impl Hooks {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, id: Uuid, act: impl FnOnce(&mut Subscription) -> T) -> Option<T> {
        self.with(|state| state.subscriptions.iter_mut().find(|each| each.id == id).map(act))
    }

    pub(super) fn seen(&self) -> Vec<SubscriptionSeen> {
        let seen = |each: &Subscription| SubscriptionSeen {
            id: each.id,
            destination: each.destination.clone(),
            event_types: each.event_types.clone(),
            resource_version: each.resource_version.clone(),
            active: each.active,
        };
        self.with(|state| state.subscriptions.iter().map(seen).collect())
    }

    pub(super) fn deliveries(&self) -> Vec<Delivery> {
        self.with(|state| state.deliveries.clone())
    }

    /// Switches every subscription off, as Webex does in error scenarios.
    pub(super) fn deactivate(&self) {
        self.with(|state| state.subscriptions.iter_mut().for_each(|each| each.active = false));
    }

    fn note(&self, delivery: Delivery) {
        self.with(|state| {
            if state.deliveries.len() < LOG_LIMIT {
                state.deliveries.push(delivery);
            }
        });
    }

    /// The span of time whose events are to be sent now; each span once.
    fn advance(&self, now_ms: i64) -> Option<(i64, i64)> {
        self.with(|state| {
            let told = state.told_until_ms.unwrap_or(now_ms);
            state.told_until_ms = Some(told.max(now_ms));
            (now_ms > told && !state.subscriptions.is_empty()).then_some((told, now_ms))
        })
    }

    fn active(&self) -> Vec<Subscription> {
        self.with(|state| state.subscriptions.iter().filter(|each| each.active).cloned().collect())
    }
}

/// The endpoints, of both versions.
pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/{version}/event-types", get(manage::event_types))
        .route("/{version}/subscriptions", get(manage::list).post(manage::create))
        .route("/{version}/subscriptions/{id}", get(manage::show).patch(manage::change).delete(manage::remove))
}
