//! `GET /v1/tasks`: calls by the time they began, oldest first, without a cursor.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::{api_error, compressed};
use super::book::{Call, View};
use super::fault::Fault;
use super::ids::other_id;
use super::platform::{elsewhere, foreign_org, told_org, unauthorised};
use super::{Shared, Site};

const DEFAULT_PAGE: usize = 100;
const LARGEST_PAGE: usize = 1_000;
const DAY_MS: i64 = 86_400_000;
/// `from` may lie this far back: 12 months.
const LOOKBACK_MS: i64 = 366 * DAY_MS;
/// `to - from` may be this long: 184 days.
const SPAN_MS: i64 = 184 * DAY_MS;
/// Bodies from here on are compressed for clients that take gzip.
const GZIP_FROM_BYTES: usize = 1_000_000;

/// An element of a page.
#[derive(Serialize)]
#[serde(untagged)]
enum Element {
    Faithful(Task),
    Spoilt(Value),
}

#[derive(Serialize)]
struct Task {
    id: Uuid,
    attributes: Attributes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<Named>,
    channel_type: &'static str,
    status: &'static str,
    created_time: i64,
    last_updated_time: i64,
    capture_requested: Option<bool>,
    origin: String,
    destination: String,
    direction: &'static str,
}

#[derive(Serialize)]
struct Named {
    id: Uuid,
    name: String,
}

struct Asked {
    from: i64,
    to: i64,
    page: usize,
    /// Calls before the page, when a link was followed.
    skip: usize,
    /// Empty: all.
    channels: Vec<String>,
}

pub(super) async fn tasks(State(site): Shared, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    if let Some(refused) = unauthorised(&site, &headers) {
        return refused;
    }
    let query: HashMap<String, String> = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
    if let Some(foreign) = foreign_org(&site, &headers, query.get("orgId").map(String::as_str)) {
        return foreign;
    }
    if let Some(elsewhere) = elsewhere(&site, &headers) {
        return elsewhere;
    }
    let asked = match asked(&site, &query) {
        Ok(asked) => asked,
        Err((status, why)) => return api_error(&site, &headers, status, why),
    };
    let elements = page(&site, &asked);
    let next =
        (elements.len() >= asked.page && site.faults.strikes(&[], &Fault::NextLink)).then(|| next_link(&query, asked.skip + asked.page));
    let meta = match next {
        Some(next) => json!({"orgId": told_org(&site), "links": {"next": next}}),
        None => json!({"orgId": told_org(&site)}),
    };
    let Ok(page) = serde_json::to_string(&elements) else {
        return api_error(&site, &headers, StatusCode::INTERNAL_SERVER_ERROR, "The page could not be written.");
    };
    let list = if site.faults.strikes(&[], &Fault::WrongShapeItems) { "items" } else { "data" };
    let body = format!("{{\"meta\":{meta},\"{list}\":{page}}}");
    let from_bytes = if site.faults.strikes(&[], &Fault::GzipAlways) { 0 } else { GZIP_FROM_BYTES };
    compressed(&headers, body, from_bytes)
}

/// The path of the page that begins after `skip` calls of the same question.
fn next_link(query: &HashMap<String, String>, skip: usize) -> String {
    let kept = query.iter().filter(|(name, _)| *name != "skip");
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).append_pair("skip", &skip.to_string()).finish();
    format!("/v1/tasks?{query}")
}

fn asked(site: &Site, query: &HashMap<String, String>) -> Result<Asked, (StatusCode, &'static str)> {
    let bad = |why| (StatusCode::BAD_REQUEST, why);
    let number = |name: &str| query.get(name).map(|value| value.parse::<i64>()).transpose();
    let now_ms = site.now_ms();
    let from = number("from").map_err(|_| bad("from should be a number."))?.ok_or_else(|| bad("Required parameter 'from' is missing."))?;
    let to = number("to").map_err(|_| bad("to should be a number."))?;
    if to.is_some_and(|to| to > now_ms) && !site.faults.strikes(&[], &Fault::FutureToClamped) {
        return Err(bad("Error: to timestamp should not be more than the current time."));
    }
    let to = to.unwrap_or(now_ms).min(now_ms);
    if from < now_ms - LOOKBACK_MS {
        return Err(bad("Error: from timestamp should not be older than 12 months."));
    }
    if to - from > SPAN_MS {
        return Err(bad("Error: the time range should not be more than 184 days."));
    }
    let span = Duration::from_millis(u64::try_from(to - from).unwrap_or(0));
    let too_wide = site.faults.strike(&[], |fault| if let Fault::TooWide413 { longest } = fault { Some(*longest) } else { None });
    if too_wide.is_some_and(|longest| span > longest) {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, "The answer is too large; narrow the time range."));
    }
    let page = query.get("pageSize").map_or(Ok(DEFAULT_PAGE), |value| value.parse::<usize>()).ok();
    let page = page.filter(|size| (1..=LARGEST_PAGE).contains(size)).ok_or_else(|| bad("pageSize should be between 1 and 1000."))?;
    let largest = site.faults.strike(&[], |fault| if let Fault::PageTooLarge413 { largest } = fault { Some(*largest) } else { None });
    if largest.is_some_and(|largest| page > largest) {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, "The answer is too large; ask for fewer elements."));
    }
    // only the links of `NextLink` have it: the API takes no offset
    let skip = query.get("skip").and_then(|value| value.parse().ok()).unwrap_or(0);
    let channels = query.get("channelTypes").map(|csv| csv.split(',').map(|each| each.trim().to_owned()).collect());
    Ok(Asked { from, to, page, skip, channels: channels.unwrap_or_default() })
}

fn page(site: &Site, asked: &Asked) -> Vec<Element> {
    let now_ms = site.now_ms();
    let faults = &site.faults;
    let inclusive = faults.strikes(&[], &Fault::BoundaryInclusive);
    let (from, to) = if inclusive { (asked.from, asked.to + 1) } else { (asked.from + 1, asked.to) };
    let mut range = site.book.between(from, to.max(from), faults);
    if !range.is_empty() && faults.strikes(&[], &Fault::DuplicateAcrossPages) {
        range.start = range.start.saturating_sub(1);
    }
    let takes = |call: &Call| asked.channels.is_empty() || asked.channels.iter().any(|channel| channel == call.spec.channel);
    let mut page: Vec<Element> = range
        .filter_map(|number| site.book.call(number, faults))
        .filter(|call| takes(call) && !is_late(site, call, now_ms) && !is_unlisted(site, call))
        .filter_map(|call| element(site, &call, now_ms))
        .skip(asked.skip)
        .take(asked.page)
        .collect();
    if page.len() < asked.page && faults.strikes(&[], &Fault::NonTelephony) {
        page.insert(page.len() / 2, Element::Spoilt(chat(site, asked)));
    }
    if page.len() < asked.page && faults.strikes(&[], &Fault::MalformedElement) {
        page.insert(page.len() / 2, Element::Spoilt(json!({"id": 17, "attributes": "none"})));
    }
    page
}

pub(super) fn is_late(site: &Site, call: &Call, now_ms: i64) -> bool {
    if !site.faults.any() {
        return false;
    }
    let by = site.faults.lasting_for(&call.id.to_string(), |fault| if let Fault::LateArrival { by } = fault { Some(*by) } else { None });
    by.is_some_and(|by| now_ms < call.created_ms + i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4))
}

fn is_unlisted(site: &Site, call: &Call) -> bool {
    site.faults.any() && site.faults.lasting_for(&call.id.to_string(), |fault| (*fault == Fault::UnlistedTask).then_some(())).is_some()
}

/// A call as the page shows it, or that it has not begun.
fn element(site: &Site, call: &Call, now_ms: i64) -> Option<Element> {
    if !site.faults.any() {
        return Some(Element::Faithful(task(site, call, call.view(now_ms)?)));
    }
    let id = call.id.to_string();
    let keys = [id.as_str()];
    let stale = site.faults.strikes(&keys, &Fault::StaleRead);
    let view = call.view(if stale { now_ms.min(call.ended_ms - 1) } else { now_ms })?;
    let mut element = serde_json::to_value(task(site, call, view)).ok()?;
    if let Some(attributes) = element.get_mut("attributes").and_then(Value::as_object_mut) {
        distort(site, &keys, attributes);
    }
    Some(Element::Spoilt(element))
}

fn task(site: &Site, call: &Call, view: View) -> Task {
    let (origin, destination) = call.numbers();
    let named = |(id, name)| Named { id, name };
    Task {
        id: call.id,
        attributes: Attributes {
            owner: view.has_owner.then(|| named(site.book.owner(call))),
            queue: view.has_queue.then(|| named(site.book.queue(call))),
            channel_type: call.spec.channel,
            status: view.status,
            created_time: call.created_ms,
            last_updated_time: view.updated_ms,
            capture_requested: view.capture_requested,
            origin,
            destination,
            direction: call.spec.direction.word(),
        },
    }
}

fn distort(site: &Site, keys: &[&str], attributes: &mut Map<String, Value>) {
    const OPTIONAL: [&str; 5] = ["owner", "queue", "captureRequested", "origin", "destination"];
    if site.faults.strikes(keys, &Fault::MissingFields) {
        OPTIONAL.iter().for_each(|name| drop(attributes.remove(*name)));
    }
    if site.faults.strikes(keys, &Fault::NullFields) {
        OPTIONAL.iter().for_each(|name| drop(attributes.insert((*name).to_owned(), Value::Null)));
    }
    if site.faults.strikes(keys, &Fault::UnknownWords) {
        attributes.insert("status".to_owned(), json!("reimagined"));
        attributes.insert("direction".to_owned(), json!("sideways"));
    }
    if site.faults.strikes(keys, &Fault::ExtraFields) {
        attributes.insert("sentiment".to_owned(), json!({"score": 0.7, "by": ["model"]}));
        attributes.insert("reasonCode".to_owned(), json!("R-12"));
    }
}

fn chat(site: &Site, asked: &Asked) -> Value {
    let moment = asked.from + 1;
    json!({"id": other_id(site.seed, 70, u64::try_from(moment).unwrap_or(0)), "attributes": {
        "channelType": "chat", "status": "completed", "createdTime": moment, "lastUpdatedTime": moment + 60_000,
        "captureRequested": false, "origin": "visitor@example.com", "destination": "Support chat", "direction": "inbound"}})
}
