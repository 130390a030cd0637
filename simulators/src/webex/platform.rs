//! What happens to a request before its endpoint sees it: the log, waits, limits, failures and the token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use chrono::DateTime;
use serde_json::json;
use uuid::Uuid;

use super::answer::{api_error, json_answer, server_error, tracking_id};
use super::fault::{Endpoint, Fault, RetryAfter};
use super::tokens::Verdict;
use super::{Shared, Site};
use crate::requests::Request as Logged;
use crate::requests::Watched;

/// How much of the present window's rate limit is used.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Option<(Instant, u64)>>);

impl Pace {
    /// Counts a request; tells how long to wait when it is one too many.
    fn exceeded(&self, requests: u64, per: Duration) -> Option<Duration> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (began, used) = window.filter(|(began, _)| now.duration_since(*began) < per).unwrap_or((now, 0));
        if used >= requests {
            return Some(per.saturating_sub(now.duration_since(began)));
        }
        *window = Some((began, used + 1));
        None
    }
}

/// How often each call was asked for while a fault counted it.
#[derive(Debug, Default)]
pub(super) struct Polls(Mutex<HashMap<Uuid, u64>>);

impl Polls {
    /// Counts one more and gives the count.
    pub(super) fn count(&self, id: Uuid) -> u64 {
        let mut polls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = polls.entry(id).or_default();
        *count += 1;
        *count
    }
}

pub(super) async fn guard(State(site): Shared, mut request: Request, next: Next) -> Response {
    let endpoint = Endpoint::of_path(request.uri().path());
    let headers = request.headers().clone();
    let entry = Arc::new(site.requests.begin(logged(&site, &request)));
    let mut answer = match misfortune(&site, endpoint, request.uri().path(), &headers).await {
        Some(answer) => answer,
        None => {
            request.extensions_mut().insert(Arc::clone(&entry));
            next.run(request).await
        }
    };
    entry.note(|logged| logged.status = answer.status().as_u16());
    if endpoint != Endpoint::Links
        && let Some(value) = tracking_id(&site, &headers).and_then(|id| HeaderValue::from_str(&id).ok())
    {
        answer.headers_mut().insert("trackingid", value);
    }
    if let Some(date) = DateTime::from_timestamp_millis(site.now_ms()).and_then(|now| http_date(now.timestamp())) {
        answer.headers_mut().insert(header::DATE, date);
    }
    answer.map(|body| Body::new(Watched::new(body, entry)))
}

fn logged(site: &Site, request: &Request) -> Logged {
    let query = request.uri().query().unwrap_or_default();
    let org_id = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "orgId").map(|(_, value)| value.into_owned());
    Logged {
        at: site.clock.now(),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: query.to_owned(),
        status: 0,
        org_id,
        had_authorization: request.headers().contains_key(header::AUTHORIZATION),
        range: request.headers().get(header::RANGE).and_then(|value| value.to_str().ok()).map(str::to_owned),
        bytes_received: 0,
    }
}

/// The platform's faults, in the order in which a request meets them.
async fn misfortune(site: &Site, endpoint: Endpoint, path: &str, headers: &HeaderMap) -> Option<Response> {
    if !site.faults.any() {
        return None;
    }
    // a link names its call
    let keys: Vec<&str> = if endpoint == Endpoint::Links { path.split('/').skip(3).take(1).collect() } else { Vec::new() };
    let late = site.faults.strike(&keys, |fault| match fault {
        Fault::Latency { at, by } if at.covers(endpoint) => Some(*by),
        _ => None,
    });
    if let Some(by) = late {
        tokio::time::sleep(by).await;
    }
    let hangs = site.faults.strike(&keys, |fault| matches!(fault, Fault::Hang { at } if at.covers(endpoint)).then_some(()));
    if hangs.is_some() {
        // until the client gives up or the simulator stops
        std::future::pending::<()>().await;
    }
    let failed = site.faults.strike(&keys, |fault| match fault {
        Fault::ServerError { at, status, body } if at.covers(endpoint) => Some((*status, *body)),
        _ => None,
    });
    if let Some((status, body)) = failed {
        return Some(server_error(site, headers, status, body));
    }
    if endpoint == Endpoint::Links {
        return None;
    }
    let throttled = site.faults.strike(&keys, |fault| match fault {
        Fault::Throttled { seconds, retry_after } => Some((Duration::from_secs(*seconds), *retry_after)),
        _ => None,
    });
    let limited = site.faults.strike(&keys, |fault| match fault {
        Fault::RateLimit { requests, per, retry_after } => Some((*requests, *per, *retry_after)),
        _ => None,
    });
    let over = limited.and_then(|(requests, per, style)| Some((site.pace.exceeded(requests, per)?, style)));
    throttled.or(over).map(|(wait, style)| too_many(site, headers, wait, style))
}

fn too_many(site: &Site, headers: &HeaderMap, wait: Duration, style: RetryAfter) -> Response {
    let mut answer = api_error(site, headers, StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let told = match style {
        RetryAfter::Seconds => HeaderValue::from_str(&seconds.to_string()).ok(),
        RetryAfter::HttpDate => http_date(site.now_ms() / 1_000 + i64::try_from(seconds).unwrap_or(0) + 1),
        RetryAfter::Absent => None,
    };
    if let Some(told) = told {
        answer.headers_mut().insert(header::RETRY_AFTER, told);
    }
    answer
}

fn http_date(seconds: i64) -> Option<HeaderValue> {
    let since = Duration::from_secs(u64::try_from(seconds).ok()?);
    HeaderValue::from_str(&httpdate::fmt_http_date(std::time::UNIX_EPOCH + since)).ok()
}

/// Checks the token of a data request: the answer to give when it is refused.
pub(super) fn unauthorised(site: &Site, headers: &HeaderMap) -> Option<Response> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Some(api_error(site, headers, StatusCode::UNAUTHORIZED, "Incorrect Credentials."));
    };
    let Some(token) = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer ")).filter(|token| !token.is_empty()) else {
        return Some(api_error(site, headers, StatusCode::BAD_REQUEST, "Malformed Authorization header."));
    };
    for (fault, status) in [(Fault::ExpiredAccess401, StatusCode::UNAUTHORIZED), (Fault::ExpiredAccess403, StatusCode::FORBIDDEN)] {
        if site.faults.strikes(&[], &fault) {
            site.tokens.refuse(token, status);
        }
    }
    match site.tokens.check(token, site.now_ms()) {
        Verdict::Refused(status) => Some(api_error(site, headers, status, "Incorrect Credentials.")),
        Verdict::Good if !site.faults.strikes(&[], &Fault::ScopeMissing403) => None,
        Verdict::Good | Verdict::LacksScope => {
            Some(api_error(site, headers, StatusCode::FORBIDDEN, "Access is denied: the token lacks the scope cjp:config_read."))
        }
    }
}

/// The tenant for which the token of a request speaks, when it is another than ours.
fn other_tenant(site: &Site, headers: &HeaderMap) -> Option<Uuid> {
    let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    site.tokens.org_of(token).filter(|org| *org != site.org_id)
}

/// The answer to a token of another tenant, which has no calls.
pub(super) fn elsewhere(site: &Site, headers: &HeaderMap) -> Option<Response> {
    let org = other_tenant(site, headers)?;
    Some(json_answer(StatusCode::OK, &json!({"meta": {"orgId": org}, "data": []})))
}

/// Refuses another tenant than the token's.
pub(super) fn foreign_org(site: &Site, headers: &HeaderMap, org_id: Option<&str>) -> Option<Response> {
    let of_token = other_tenant(site, headers).unwrap_or(site.org_id).to_string();
    let foreign = org_id.is_some_and(|org_id| !org_id.eq_ignore_ascii_case(&of_token));
    foreign.then(|| api_error(site, headers, StatusCode::FORBIDDEN, "The organization does not match the token."))
}

/// The tenant as the answers name it.
pub(super) fn told_org(site: &Site) -> String {
    let wrong = site.faults.strikes(&[], &Fault::WrongOrg);
    if wrong { "99999999-9999-4999-8999-999999999999".to_owned() } else { site.org_id.to_string() }
}
