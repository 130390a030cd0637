//! `/v2/subscriptions` and `/v2/event-types`, and the same under `/v1`, which knows no `resourceVersion`.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Subscription;
use super::checks::{RESOURCES, Wanted, check_events};
use crate::webex::answer::{json_answer, tracking_id};
use crate::webex::fault::Fault;
use crate::webex::ids::other_id;
use crate::webex::platform::{foreign_org, told_org, unauthorised};
use crate::webex::{Shared, Site};

/// Subscriptions of a tenant, of both versions together.
const MOST: usize = 20;
/// Kind of the ids of subscriptions.
const SUBSCRIPTION_IDS: u64 = 40;

/// An error of this part of the API: its `key` is a number, its tracking id has a prefix.
fn refusal(site: &Site, headers: &HeaderMap, status: StatusCode, description: &str) -> Response {
    let mut body = json!({"error": {"key": status.as_u16(), "message": [{"description": description}]}});
    if let (Some(id), Some(object)) = (tracking_id(site, headers), body.as_object_mut()) {
        object.insert("trackingId".into(), json!(format!("NOTIFS_{id}")));
    }
    json_answer(status, &body)
}

/// Refuses a caller who may not, or another tenant's.
fn refused(site: &Site, headers: &HeaderMap, org_id: Option<&str>, writes: bool) -> Option<Response> {
    if let Some(answer) = unauthorised(site, headers).or_else(|| foreign_org(site, headers, org_id)) {
        let what = if answer.status() == StatusCode::FORBIDDEN { "Access is denied." } else { "Incorrect Credentials." };
        return Some(refusal(site, headers, answer.status(), what));
    }
    let lacks = writes && site.faults.strikes(&[], &Fault::WriteScopeMissing403);
    lacks.then(|| refusal(site, headers, StatusCode::FORBIDDEN, "Access is denied."))
}

fn is_version_1(version: &str) -> bool {
    version == "v1"
}

fn told(subscription: &Subscription) -> Value {
    let mut told = json!({
        "id": subscription.id,
        "name": subscription.name,
        "eventTypes": subscription.event_types,
        "destinationUrl": subscription.destination,
        "createdTime": subscription.created_ms,
        "createdBy": "admin@example.com",
        "status": if subscription.active { "active" } else { "inactive" },
        "lastUpdatedTime": subscription.updated_ms,
        "lastUpdatedBy": "admin@example.com",
    });
    if let Some(object) = told.as_object_mut() {
        let optional = [("description", &subscription.description), ("resourceVersion", &subscription.resource_version)];
        for (name, value) in optional {
            if let Some(value) = value {
                object.insert(name.to_owned(), json!(value));
            }
        }
    }
    told
}

fn answer(site: &Site, status: StatusCode, data: &Value) -> Response {
    json_answer(status, &json!({"meta": {"orgId": told_org(site)}, "data": data}))
}

pub(super) async fn event_types(State(site): Shared, Path(version): Path<String>, headers: HeaderMap) -> Response {
    if let Some(refused) = refused(&site, &headers, None, false) {
        return refused;
    }
    let resource = |(resource_version, types): &(&str, &[&str])| {
        if is_version_1(&version) {
            json!({"eventTypes": types})
        } else {
            json!({"resourceVersion": resource_version, "eventTypes": types})
        }
    };
    answer(&site, StatusCode::OK, &RESOURCES.iter().map(resource).collect())
}

pub(super) async fn list(State(site): Shared, Path(version): Path<String>, headers: HeaderMap) -> Response {
    if let Some(refused) = refused(&site, &headers, None, false) {
        return refused;
    }
    let (count, data) = site.hooks.with(|state| {
        let of_version = state.subscriptions.iter().filter(|each| each.resource_version.is_none() == is_version_1(&version));
        (state.subscriptions.len(), of_version.map(told).collect::<Vec<_>>())
    });
    json_answer(StatusCode::OK, &json!({"meta": {"orgId": told_org(&site), "subscriptionCount": count}, "data": data}))
}

pub(super) async fn create(State(site): Shared, Path(version): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let wanted: Result<Wanted, _> = serde_json::from_slice(&body);
    let org_id = wanted.as_ref().ok().and_then(|wanted| wanted.org_id.clone());
    if let Some(refused) = refused(&site, &headers, org_id.as_deref(), true) {
        return refused;
    }
    let bad = |why: &str| refusal(&site, &headers, StatusCode::BAD_REQUEST, why);
    let Ok(wanted) = wanted else { return bad("The request body could not be read.") };
    // version 1 knows no such field, and passes over it
    let resource_version = wanted.resource_version.clone().filter(|_| !is_version_1(&version));
    let checked = wanted
        .check_complete(is_version_1(&version))
        .and_then(|()| wanted.check(site.loopback_hooks))
        .and_then(|()| check_events(wanted.event_types.as_deref().unwrap_or_default(), resource_version.as_deref()));
    if let Err(why) = checked {
        return bad(&why);
    }
    let now_ms = site.now_ms();
    let made = site.hooks.with(|state| {
        if state.subscriptions.len() >= MOST {
            return None;
        }
        state.made += 1;
        let subscription = Subscription {
            id: other_id(site.seed, SUBSCRIPTION_IDS, state.made),
            name: wanted.name.unwrap_or_default(),
            description: wanted.description,
            event_types: wanted.event_types.unwrap_or_default(),
            destination: wanted.destination_url.unwrap_or_default(),
            secret: wanted.secret.unwrap_or_default(),
            resource_version,
            active: true,
            created_ms: now_ms,
            updated_ms: now_ms,
        };
        state.subscriptions.push(subscription.clone());
        Some(subscription)
    });
    match made {
        Some(made) => answer(&site, StatusCode::CREATED, &told(&made)),
        None => bad("Maximum number of subscriptions reached for the organization."),
    }
}

pub(super) async fn show(State(site): Shared, Path((_, id)): Path<(String, Uuid)>, headers: HeaderMap) -> Response {
    if let Some(refused) = refused(&site, &headers, None, false) {
        return refused;
    }
    match site.hooks.change(id, |subscription| told(subscription)) {
        Some(told) => answer(&site, StatusCode::OK, &told),
        None => unknown(&site, &headers),
    }
}

pub(super) async fn change(State(site): Shared, Path((_, id)): Path<(String, Uuid)>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refused) = refused(&site, &headers, None, true) {
        return refused;
    }
    let bad = |why: &str| refusal(&site, &headers, StatusCode::BAD_REQUEST, why);
    let Ok(wanted) = serde_json::from_slice::<Wanted>(&body) else { return bad("The request body could not be read.") };
    if let Err(why) = wanted.check(site.loopback_hooks) {
        return bad(&why);
    }
    let now_ms = site.now_ms();
    let changed = site.hooks.change(id, |held| {
        let version = wanted.resource_version.as_ref().or(held.resource_version.as_ref());
        check_events(wanted.event_types.as_ref().unwrap_or(&held.event_types), version.map(String::as_str))?;
        held.name = wanted.name.unwrap_or_else(|| held.name.clone());
        held.description = wanted.description.or_else(|| held.description.clone());
        held.event_types = wanted.event_types.unwrap_or_else(|| held.event_types.clone());
        held.destination = wanted.destination_url.unwrap_or_else(|| held.destination.clone());
        held.secret = wanted.secret.unwrap_or_else(|| held.secret.clone());
        held.active = wanted.status.map_or(held.active, |status| status == "active");
        held.updated_ms = now_ms;
        Ok::<_, String>(told(held))
    });
    match changed {
        Some(Ok(told)) => answer(&site, StatusCode::OK, &told),
        Some(Err(why)) => bad(&why),
        None => unknown(&site, &headers),
    }
}

pub(super) async fn remove(State(site): Shared, Path((_, id)): Path<(String, Uuid)>, headers: HeaderMap) -> Response {
    if let Some(refused) = refused(&site, &headers, None, true) {
        return refused;
    }
    let removed = site.hooks.with(|state| {
        let before = state.subscriptions.len();
        state.subscriptions.retain(|each| each.id != id);
        state.subscriptions.len() < before
    });
    if removed { StatusCode::NO_CONTENT.into_response() } else { unknown(&site, &headers) }
}

/// The specification lists no 404 here.
fn unknown(site: &Site, headers: &HeaderMap) -> Response {
    refusal(site, headers, StatusCode::BAD_REQUEST, "The subscription does not exist.")
}
