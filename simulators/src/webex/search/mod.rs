//! `POST /search`: what calls turned out to be, asked for in GraphQL. Of its roots only `taskDetails` is here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use self::query::{Asked, Refusal};
use super::answer::{api_error, compressed, json_answer};
use super::book::Call;
use super::fault::Fault;
use super::platform::{foreign_org, unauthorised};
use super::tasks::is_late;
use super::{Shared, Site};
use crate::requests::Entry;

mod details;
mod filter;
mod query;
mod schema;

/// Rows on a page; no parameter changes it.
const PAGE: u64 = 250;
/// Rows that paging reaches.
const CAP: u64 = 100_000;
/// Milliseconds since the epoch begin here; less are seconds, and find nothing.
const MILLISECONDS_BEGIN: i64 = 1_000_000_000_000;
const DAY_MS: i64 = 86_400_000;
/// `from` may lie 36 months back, and `to` 365 days after it.
const LOOKBACK_MS: i64 = 1_096 * DAY_MS;
const SPAN_MS: i64 = 365 * DAY_MS;
/// Bodies from here on are compressed for clients that take gzip.
const GZIP_FROM_BYTES: usize = 1_000_000;

/// How many requests the search has answered.
#[derive(Debug, Default)]
pub(super) struct Searches(AtomicU64);

pub(super) async fn search(
    State(site): Shared,
    Extension(entry): Extension<Arc<Entry>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    entry.note(|logged| logged.bytes_received = u64::try_from(body.len()).unwrap_or(u64::MAX));
    if let Some(refused) = unauthorised(&site, &headers) {
        return refused;
    }
    let org = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().find(|(name, _)| name == "orgId");
    if let Some(foreign) = foreign_org(&site, &headers, org.map(|(_, id)| id).as_deref()) {
        return foreign;
    }
    let number = site.searches.0.fetch_add(1, Ordering::Relaxed) + 1;
    match query::read(&body, missing_from_schema(&site)).and_then(|asked| answer(&site, &asked, number)) {
        Ok(body) => {
            let from_bytes = if site.faults.strikes(&[], &Fault::GzipAlways) { 0 } else { GZIP_FROM_BYTES };
            compressed(&headers, body.to_string(), from_bytes)
        }
        Err(Refusal::Bad(why)) => api_error(&site, &headers, StatusCode::BAD_REQUEST, &why),
        Err(Refusal::Invalid(errors)) => json_answer(StatusCode::OK, &json!({ "errors": errors })),
    }
}

/// The fields that this tenant's schema lacks.
fn missing_from_schema(site: &Site) -> Vec<&'static str> {
    let mut missing = Vec::new();
    // asked one by one, since one strike gives one fault
    while let Some(field) = site.faults.strike(&[], |fault| match fault {
        Fault::FieldUndefined { field } if !missing.contains(field) => Some(*field),
        _ => None,
    }) {
        missing.push(field);
    }
    missing
}

fn answer(site: &Site, asked: &Asked, number: u64) -> Result<Value, Refusal> {
    let now_ms = site.now_ms();
    if site.faults.strikes(&[], &Fault::SearchFailed) {
        return Ok(json!({"data": {"taskDetails": null}, "errors": [failed()]}));
    }
    if asked.from < MILLISECONDS_BEGIN {
        return Ok(page(asked, Vec::new(), None));
    }
    let to = asked.to.min(now_ms);
    if asked.from < now_ms - LOOKBACK_MS {
        return Err(Refusal::Bad("from should not be older than 36 months.".to_owned()));
    }
    if to - asked.from > SPAN_MS {
        return Err(Refusal::Bad("The time range should not be more than 365 days.".to_owned()));
    }
    let rows = rows(site, asked, to, now_ms, number);
    let size = limit(site, PAGE, |fault| if let Fault::SearchPagesOf { rows } = fault { Some(*rows) } else { None });
    let cap = limit(site, CAP, |fault| if let Fault::SearchCap { rows } = fault { Some(*rows) } else { None });
    let (first, reached) = (size.saturating_mul(asked.page), rows.len().min(cap));
    let here: Vec<Call> = rows.into_iter().take(cap).skip(first).take(size).collect();
    let next = (first + here.len() < reached).then(|| (asked.page + 1).to_string());
    let mut tasks: Vec<Value> = here.iter().map(|call| query::project(&asked.tasks, &details::of(site, call, now_ms))).collect();
    if !tasks.is_empty() && site.faults.strikes(&[], &Fault::MalformedDetails) {
        tasks.insert(tasks.len() / 2, json!({"id": 17}));
    }
    if site.faults.strikes(&[], &Fault::PartialData) {
        tasks.truncate(tasks.len() / 2);
        let mut body = page(asked, tasks, next);
        if let Some(body) = body.as_object_mut() {
            body.insert("errors".to_owned(), json!([failed()]));
        }
        return Ok(body);
    }
    Ok(page(asked, tasks, next))
}

fn page(asked: &Asked, tasks: Vec<Value>, next: Option<String>) -> Value {
    let info = json!({"hasNextPage": next.is_some(), "endCursor": next});
    let mut answer = serde_json::Map::new();
    answer.insert(asked.tasks_key.clone(), Value::Array(tasks));
    if let Some((key, fields)) = &asked.page_info {
        answer.insert(key.clone(), query::project(fields, &info));
    }
    json!({"data": {asked.root_key.as_str(): answer}})
}

fn limit(site: &Site, usual: u64, pick: impl Fn(&Fault) -> Option<u64>) -> usize {
    let rows = site.faults.strike(&[], pick).unwrap_or(usual).max(1);
    usize::try_from(rows).unwrap_or(usize::MAX)
}

/// The calls that were asked for, in order: the youngest first unless `createdTime(sort: asc)` was asked for.
fn rows(site: &Site, asked: &Asked, to: i64, now_ms: i64, number: u64) -> Vec<Call> {
    let inclusive = i64::from(site.faults.strikes(&[], &Fault::BoundaryInclusive));
    let within = |moment: i64| moment > asked.from - inclusive && moment < to + inclusive;
    let oldest = if asked.by_end { asked.from - site.book.longest_ms() } else { asked.from };
    let begun = site.book.between(oldest, to + 1, &site.faults).filter_map(|number| site.book.call(number, &site.faults));
    let mut rows: Vec<Call> = begun
        .filter(|call| call.created_ms <= now_ms && is_told(site, call, number) && !is_late(site, call, now_ms))
        .filter(|call| if asked.by_end { details::ended_ms(site, call, now_ms).is_some_and(within) } else { within(call.created_ms) })
        .filter(|call| filter::takes(&asked.filter, &details::of(site, call, now_ms)))
        .collect();
    if !asked.ascending {
        rows.reverse();
    }
    rows
}

/// Whether the `number`th request to the search sees the call.
fn is_told(site: &Site, call: &Call, number: u64) -> bool {
    let told = site.faults.lasting_for(&call.id.to_string(), |fault| match fault {
        Fault::ShiftingPages { first, last } => Some((*first..=*last).contains(&number)),
        _ => None,
    });
    told.unwrap_or(true)
}

fn failed() -> Value {
    json!({"message": "Exception while fetching data (/taskDetails) : upstream request timeout", "path": ["taskDetails"],
           "extensions": {"classification": "DataFetchingException"}})
}
