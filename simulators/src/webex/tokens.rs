//! `POST /v1/access_token`, and which tokens are good.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use base64::Engine;
use serde_json::json;

use super::answer::{json_answer, platform_error};
use super::fault::{Fault, GrantError};
use super::{Shared, Site};
use crate::chance::Chance;

/// 14 days, less the second that Webex takes off.
const ACCESS_SECONDS: i64 = 1_209_599;
/// 90 days, less the second that Webex takes off.
const REFRESH_SECONDS: i64 = 7_775_999;

/// Whether an access token is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Refused(StatusCode),
}

#[derive(Debug)]
struct Access {
    expires_ms: i64,
    refused: Option<StatusCode>,
}

#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<Pairs>);

#[derive(Debug, Default)]
struct Pairs {
    access: HashMap<String, Access>,
    /// With the moment each dies, in epoch milliseconds.
    refresh: HashMap<String, i64>,
    made: u64,
}

impl Tokens {
    pub(super) fn with_refresh(token: &str, now_ms: i64) -> Self {
        let tokens = Self::default();
        tokens.with(|pairs| pairs.refresh.insert(token.to_owned(), now_ms + REFRESH_SECONDS * 1_000));
        tokens
    }

    fn with<T>(&self, act: impl FnOnce(&mut Pairs) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn check(&self, token: &str, now_ms: i64) -> Verdict {
        self.with(|pairs| match pairs.access.get(token) {
            Some(Access { refused: Some(status), .. }) => Verdict::Refused(*status),
            Some(access) if now_ms < access.expires_ms => Verdict::Good,
            _ => Verdict::Refused(StatusCode::UNAUTHORIZED),
        })
    }

    /// From now on `token` is refused with `status`.
    pub(super) fn refuse(&self, token: &str, status: StatusCode) {
        self.with(|pairs| {
            if let Some(access) = pairs.access.get_mut(token) {
                access.refused = Some(status);
            }
        });
    }

    /// From now on every access token that is out is refused.
    pub(super) fn expire_all(&self) {
        self.with(|pairs| pairs.access.values_mut().for_each(|access| access.refused = Some(StatusCode::UNAUTHORIZED)));
    }

    /// A new access token.
    fn issue(&self, site: &Site) -> String {
        self.with(|pairs| {
            pairs.made += 1;
            let token = format!("{:016x}_PF84_{}", Chance::of(site.seed, &[90, pairs.made]).next(), site.org_id);
            pairs.access.insert(token.clone(), Access { expires_ms: site.now_ms() + ACCESS_SECONDS * 1_000, refused: None });
            token
        })
    }

    /// When a refresh token dies, if it is alive.
    fn alive_until(&self, token: &str, now_ms: i64) -> Option<i64> {
        self.with(|pairs| pairs.refresh.get(token).copied().filter(|dies_ms| now_ms < *dies_ms))
    }

    /// A new refresh token; `None` when a parallel refresh killed the old one in the meantime.
    fn rotate(&self, site: &Site, old: Option<&str>, old_dies_ms: i64) -> Option<String> {
        self.with(|pairs| {
            let alive = |old: &str| pairs.refresh.get(old).is_some_and(|dies_ms| site.now_ms() < *dies_ms);
            if !old.is_none_or(alive) {
                return None;
            }
            pairs.made += 1;
            let token = format!("simulated-refresh-{:016x}", Chance::of(site.seed, &[91, pairs.made]).next());
            if let Some(dies_ms) = old.and_then(|old| pairs.refresh.get_mut(old)) {
                *dies_ms = old_dies_ms.min(*dies_ms);
            }
            pairs.refresh.insert(token.clone(), site.now_ms() + REFRESH_SECONDS * 1_000);
            Some(token)
        })
    }

    fn extend(&self, token: &str, dies_ms: i64) {
        self.with(|pairs| pairs.refresh.insert(token.to_owned(), dies_ms));
    }
}

pub(super) async fn access_token(State(site): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    if !client_is_known(&site, &headers, &form) {
        return platform_error(&site, &headers, StatusCode::UNAUTHORIZED, "Client authentication failed.", "invalid_client");
    }
    match form.get("grant_type").map(String::as_str) {
        Some("refresh_token") => refresh(&site, &headers, form.get("refresh_token").map_or("", String::as_str)),
        Some("authorization_code") if form.get("code") == Some(&site.credentials.authorization_code) => {
            let refresh = site.tokens.rotate(&site, None, 0);
            granted(&site, refresh.as_deref().map(|refresh| (refresh, REFRESH_SECONDS)))
        }
        Some("authorization_code") => refused(&site, &headers, GrantError::Platform),
        Some(_) => platform_error(&site, &headers, StatusCode::BAD_REQUEST, "Unsupported grant type.", "unsupported_grant_type"),
        None => platform_error(&site, &headers, StatusCode::BAD_REQUEST, "Missing grant type.", "invalid_request"),
    }
}

fn client_is_known(site: &Site, headers: &HeaderMap, form: &HashMap<String, String>) -> bool {
    let wanted = format!("{}:{}", site.credentials.client_id, site.credentials.client_secret);
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    match basic {
        Some(encoded) => base64::engine::general_purpose::STANDARD.decode(encoded).is_ok_and(|decoded| decoded == wanted.as_bytes()),
        None => form.get("client_id").zip(form.get("client_secret")).is_some_and(|(id, secret)| format!("{id}:{secret}") == wanted),
    }
}

fn refresh(site: &Site, headers: &HeaderMap, token: &str) -> Response {
    let dead = site.faults.strike(&[], |fault| if let Fault::InvalidGrant(shape) = fault { Some(*shape) } else { None });
    let now_ms = site.now_ms();
    let Some(dies_ms) = site.tokens.alive_until(token, now_ms) else { return refused(site, headers, dead.unwrap_or(GrantError::Platform)) };
    if let Some(shape) = dead {
        return refused(site, headers, shape);
    }
    let rotates =
        site.faults.strike(&[], |fault| if let Fault::RefreshRotates { old_dies_after } = fault { Some(*old_dies_after) } else { None });
    if let Some(after) = rotates {
        let after_ms = i64::try_from(after.as_millis()).unwrap_or(i64::MAX / 4);
        return match site.tokens.rotate(site, Some(token), now_ms + after_ms) {
            Some(new) => granted(site, Some((&new, REFRESH_SECONDS))),
            None => refused(site, headers, GrantError::Platform),
        };
    }
    if site.faults.strikes(&[], &Fault::RefreshAbsent) {
        return granted(site, None);
    }
    if site.faults.strikes(&[], &Fault::RefreshCountsDown) {
        return granted(site, Some((token, (dies_ms - now_ms) / 1_000)));
    }
    site.tokens.extend(token, now_ms + REFRESH_SECONDS * 1_000);
    granted(site, Some((token, REFRESH_SECONDS)))
}

fn granted(site: &Site, refresh: Option<(&str, i64)>) -> Response {
    let mut body = json!({
        "access_token": site.tokens.issue(site),
        "expires_in": ACCESS_SECONDS,
        "token_type": "Bearer",
        "scope": "cjp:config_read cjp:config",
    });
    if let (Some((token, seconds)), Some(object)) = (refresh, body.as_object_mut()) {
        object.insert("refresh_token".into(), json!(token));
        object.insert("refresh_token_expires_in".into(), json!(seconds));
    }
    json_answer(StatusCode::OK, &body)
}

fn refused(site: &Site, headers: &HeaderMap, shape: GrantError) -> Response {
    match shape {
        GrantError::Platform => platform_error(
            site,
            headers,
            StatusCode::BAD_REQUEST,
            "The request could not be understood by the server due to malformed syntax.",
            "The refresh token provided is expired, revoked, malformed, or invalid.",
        ),
        GrantError::Rfc => {
            json_answer(StatusCode::BAD_REQUEST, &json!({"error": "invalid_grant", "error_description": "The refresh token is expired"}))
        }
    }
}
