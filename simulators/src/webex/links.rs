//! The presigned links of recordings: signed, short-lived, ranged, and everything that goes wrong on the way.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::answer::xml_error;
use super::fault::Fault;
use super::stream::{End, body_of};
use super::{Shared, Site, transcripts};
use crate::server::Connection;
use crate::speech::Recording;

const DATE: &str = "%Y%m%dT%H%M%SZ";

/// Path and query of a link that lives for `minutes`.
pub(super) fn signed_path(site: &Site, task: Uuid, recording: Uuid, file: &str, minutes: i64) -> String {
    let path = format!("/recordings/{}/{task}/{recording}/{file}", site.org_id);
    let now = DateTime::from_timestamp_millis(site.now_ms()).unwrap_or_default();
    let (date, day, seconds) = (now.format(DATE).to_string(), now.format("%Y%m%d"), minutes * 60);
    let signature = signature(site, &path, &date, &seconds.to_string());
    format!(
        "{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}&X-Amz-SignedHeaders=host&X-Amz-Expires={seconds}\
         &X-Amz-Credential=SIMULATED%2F{day}%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature={signature}"
    )
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn signature(site: &Site, path: &str, date: &str, seconds: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&site.seed.to_be_bytes()).expect("any key length will do");
    mac.update(format!("{path}\n{date}\n{seconds}").as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

type Place = Path<(Uuid, Uuid, Uuid, String)>;

pub(super) async fn download(
    State(site): Shared,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Path((org, task, recording, file)): Place,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let path = format!("/recordings/{org}/{task}/{recording}/{file}");
    if let Some(refused) = refused(&site, &path, task, &query.unwrap_or_default(), &headers) {
        return refused;
    }
    let key = task.to_string();
    let keys = [key.as_str()];
    let strikes = |fault: Fault| site.faults.strikes(&keys, &fault);
    if strikes(Fault::SlowDown503) {
        return xml_error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.", "");
    }
    let gone = strikes(Fault::NoSuchKey) || strikes(Fault::Purged);
    let missing = || {
        let key = format!("<Key>{}</Key>", path.trim_start_matches("/recordings/"));
        xml_error(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.", &key)
    };
    if transcripts::is_transcript(&file) {
        return transcripts::file(&site, task, recording, &file).filter(|_| !gone).unwrap_or_else(missing);
    }
    let found = site.book.find(task, &site.faults).and_then(|call| site.book.recording(&call, recording));
    let Some(file) = found.filter(|_| !gone) else { return missing() };
    if strikes(Fault::HtmlInsteadOfWav) {
        let page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Please sign in</h1></body></html>";
        return (StatusCode::OK, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response();
    }
    if strikes(Fault::ZeroBytes) {
        return (StatusCode::OK, [(header::CONTENT_TYPE, "audio/wav"), (header::CONTENT_LENGTH, "0")], Body::empty()).into_response();
    }
    send(&site, &keys, &file, recording, &headers, connection)
}

/// What the store says before it looks for the object.
fn refused(site: &Site, path: &str, task: Uuid, query: &str, headers: &HeaderMap) -> Option<Response> {
    let of = |name: &str| url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let kind = value.to_str().ok().and_then(|value| value.split(' ').next()).unwrap_or_default();
        let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter \
                       or the Authorization header should be specified";
        let more = format!("<ArgumentName>Authorization</ArgumentName><ArgumentValue>{kind} ...</ArgumentValue>");
        return Some(xml_error(StatusCode::BAD_REQUEST, "InvalidArgument", message, &more));
    }
    let denied = |message: &str, more: &str| Some(xml_error(StatusCode::FORBIDDEN, "AccessDenied", message, more));
    let (Some(date), Some(seconds)) = (of("X-Amz-Date"), of("X-Amz-Expires")) else { return denied("Access Denied", "") };
    if of("X-Amz-Signature").as_deref() != Some(&signature(site, path, &date, &seconds)) {
        let message = "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
        return Some(xml_error(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", message, ""));
    }
    let now = DateTime::from_timestamp_millis(site.now_ms()).unwrap_or_default();
    let signed = NaiveDateTime::parse_from_str(&date, DATE).map(|signed| signed.and_utc()).unwrap_or_default();
    if signed > now + TimeDelta::minutes(15) {
        return denied("Request is not valid yet", "");
    }
    let expires = signed + TimeDelta::seconds(seconds.parse().unwrap_or(0));
    if now >= expires || site.faults.strikes(&[&task.to_string()], &Fault::LinkExpires) {
        let expires = if now >= expires { expires } else { now - TimeDelta::seconds(1) };
        let stamp = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let more =
            format!("<X-Amz-Expires>{seconds}</X-Amz-Expires><Expires>{}</Expires><ServerTime>{}</ServerTime>", stamp(expires), stamp(now));
        return denied("Request has expired", &more);
    }
    None
}

/// Answers with the file or the range asked for, whole or spoilt.
fn send(site: &Site, keys: &[&str], file: &Recording, id: Uuid, headers: &HeaderMap, connection: Connection) -> Response {
    let size = file.size_bytes();
    let etag = format!("\"{}-1\"", id.simple());
    let told = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if told(header::IF_MATCH).is_some_and(|wanted| wanted != "*" && wanted != etag) {
        let message = "At least one of the pre-conditions you specified did not hold";
        return xml_error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message, "<Condition>If-Match</Condition>");
    }
    let range = told(header::RANGE).filter(|_| told(header::IF_RANGE).is_none_or(|wanted| wanted == etag));
    let (first, last) = match range.map(|range| parsed(range, size)) {
        Some(Some(range)) => range,
        Some(None) => {
            let more = format!("<RangeRequested>{}</RangeRequested><ActualObjectSize>{size}</ActualObjectSize>", range.unwrap_or_default());
            let mut answer = xml_error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", "The requested range is not satisfiable", &more);
            insert(&mut answer, header::CONTENT_RANGE, &format!("bytes */{size}"));
            return answer;
        }
        None => (0, size.saturating_sub(1)),
    };
    let length = last + 1 - first;
    let strikes = |fault: Fault| site.faults.strikes(keys, &fault);
    let (end, told_length) = if strikes(Fault::TruncatedBody) {
        (End::Broken { after: length / 2, connection: None }, Some(length))
    } else if strikes(Fault::ResetMidStream) {
        (End::Broken { after: length / 2, connection: Some(connection) }, Some(length))
    } else if strikes(Fault::WrongLength) {
        (End::Whole { length: length * 3 / 4 }, Some(length * 3 / 4))
    } else if strikes(Fault::ChunkedNoLength) {
        (End::Whole { length }, None)
    } else {
        (End::Whole { length }, Some(length))
    };
    let drip =
        site.faults.strike(keys, |fault| if let Fault::SlowDrip { bytes_per_second } = fault { Some(*bytes_per_second) } else { None });
    let mut answer = Response::new(body_of(file.clone(), first, end, drip.map(|pace| pace.max(1))));
    if range.is_some() {
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        insert(&mut answer, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{size}"));
    }
    if let Some(length) = told_length {
        insert(&mut answer, header::CONTENT_LENGTH, &length.to_string());
    }
    insert(&mut answer, header::CONTENT_TYPE, "audio/wav");
    insert(&mut answer, header::ACCEPT_RANGES, "bytes");
    insert(&mut answer, header::ETAG, &etag);
    answer
}

fn insert(answer: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// First and last byte of `bytes=a-b`, `bytes=a-` or `bytes=-n`; `None` when it lies outside.
fn parsed(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let end = size.checked_sub(1)?;
    let (first, last) = match (first.parse::<u64>().ok(), last.parse::<u64>().ok()) {
        (Some(first), Some(last)) => (first, last.min(end)),
        (Some(first), None) if last.is_empty() => (first, end),
        (None, Some(count)) if first.is_empty() => (size.saturating_sub(count), end),
        _ => return None,
    };
    (first <= last && first <= end).then_some((first, last))
}

/// Pause between two drips.
pub(super) const DRIP: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::parsed;

    #[test]
    fn a_range_is_read_as_the_store_reads_it() {
        assert_eq!(parsed("bytes=10-19", 100), Some((10, 19)));
        assert_eq!(parsed("bytes=10-", 100), Some((10, 99)));
        assert_eq!(parsed("bytes=-5", 100), Some((95, 99)));
        assert_eq!(parsed("bytes=90-200", 100), Some((90, 99)));
        assert_eq!(parsed("bytes=100-", 100), None);
        assert_eq!(parsed("bytes=0-", 0), None);
        assert_eq!(parsed("lines=1-2", 100), None);
    }
}
