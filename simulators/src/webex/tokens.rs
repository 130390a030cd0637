//! `POST /v1/access_token`, and which tokens are good. How a person comes by a code is `authorize.rs`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::answer::{json_answer, platform_error};
use super::fault::{Fault, GrantError};
use super::{Shared, Site};
use crate::chance::Chance;

/// 14 days, less the second that Webex takes off.
const ACCESS_SECONDS: i64 = 1_209_599;
/// 90 days, less the second that Webex takes off.
const REFRESH_SECONDS: i64 = 7_775_999;

/// What a token without which nothing can be read would have to allow.
pub(super) const READ_SCOPE: &str = "cjp:config_read";
/// What the application of the plan was given when nobody asked for anything else.
const USUAL_SCOPE: &str = "cjp:config_read cjp:config";
/// A code is good for this long.
const CODE_SECONDS: i64 = 600;

/// Whether an access token is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    /// Good, and not for this.
    LacksScope,
    Refused(StatusCode),
}

/// For whom a token speaks, and what it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) org: Uuid,
    pub(super) scope: String,
}

/// What a code was given for.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) grant: Grant,
    pub(super) redirect_uri: String,
    /// PKCE, method S256, when the client asked for it.
    pub(super) challenge: Option<String>,
}

#[derive(Debug)]
struct Access {
    expires_ms: i64,
    refused: Option<StatusCode>,
    grant: Grant,
}

#[derive(Debug, Clone)]
struct Refresh {
    dies_ms: i64,
    grant: Grant,
}

#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<Pairs>);

#[derive(Debug, Default)]
struct Pairs {
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
    /// With the moment each dies, in epoch milliseconds.
    codes: HashMap<String, (i64, Code)>,
    made: u64,
}

impl Tokens {
    pub(super) fn with_refresh(token: &str, org: Uuid, now_ms: i64) -> Self {
        let tokens = Self::default();
        let grant = Grant { org, scope: USUAL_SCOPE.to_owned() };
        tokens.with(|pairs| pairs.refresh.insert(token.to_owned(), Refresh { dies_ms: now_ms + REFRESH_SECONDS * 1_000, grant }));
        tokens
    }

    /// A refresh token as the developer portal shows it once, of a service app in this tenant.
    pub(super) fn minted(&self, site: &Site, org: Uuid) -> String {
        let grant = Grant { org, scope: USUAL_SCOPE.to_owned() };
        self.with(|pairs| pairs.new_refresh(site, grant))
    }

    /// A code for the browser to carry back.
    pub(super) fn new_code(&self, site: &Site, code: Code) -> String {
        self.with(|pairs| {
            pairs.made += 1;
            let name = format!("simulated-code-{:016x}", Chance::of(site.seed, &[92, pairs.made]).next());
            pairs.codes.insert(name.clone(), (site.now_ms() + CODE_SECONDS * 1_000, code));
            name
        })
    }

    /// Takes a code: it works once, even when what comes with it is wrong.
    fn take_code(&self, name: &str, now_ms: i64) -> Option<Code> {
        self.with(|pairs| pairs.codes.remove(name)).filter(|(dies_ms, _)| now_ms < *dies_ms).map(|(_, code)| code)
    }

    /// For whom an access token speaks.
    pub(super) fn org_of(&self, token: &str) -> Option<Uuid> {
        self.with(|pairs| pairs.access.get(token).map(|access| access.grant.org))
    }

    /// From now on every refresh token that is out is dead.
    pub(super) fn revoke_refresh(&self) {
        self.with(|pairs| pairs.refresh.clear());
    }

    fn with<T>(&self, act: impl FnOnce(&mut Pairs) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn check(&self, token: &str, now_ms: i64) -> Verdict {
        self.with(|pairs| match pairs.access.get(token) {
            Some(Access { refused: Some(status), .. }) => Verdict::Refused(*status),
            Some(access) if now_ms < access.expires_ms && !allows(&access.grant.scope, READ_SCOPE) => Verdict::LacksScope,
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
    fn issue(&self, site: &Site, grant: &Grant) -> String {
        let opaque = lasts(site, &Fault::OpaqueTokens);
        self.with(|pairs| {
            pairs.made += 1;
            let number = Chance::of(site.seed, &[90, pairs.made]).next();
            let token = if opaque { format!("opaque.{number:016x}.token") } else { format!("{number:016x}_PF84_{}", grant.org) };
            let access = Access { expires_ms: site.now_ms() + ACCESS_SECONDS * 1_000, refused: None, grant: grant.clone() };
            pairs.access.insert(token.clone(), access);
            token
        })
    }

    /// A refresh token that is alive.
    fn alive(&self, token: &str, now_ms: i64) -> Option<Refresh> {
        self.with(|pairs| pairs.refresh.get(token).filter(|refresh| now_ms < refresh.dies_ms).cloned())
    }

    /// A new refresh token; `None` when a parallel refresh killed the old one in the meantime.
    fn rotate(&self, site: &Site, old: &str, old_dies_ms: i64) -> Option<String> {
        self.with(|pairs| {
            let refresh = pairs.refresh.get_mut(old).filter(|refresh| site.now_ms() < refresh.dies_ms)?;
            refresh.dies_ms = old_dies_ms.min(refresh.dies_ms);
            let grant = refresh.grant.clone();
            Some(pairs.new_refresh(site, grant))
        })
    }

    fn first(&self, site: &Site, grant: &Grant) -> String {
        self.with(|pairs| pairs.new_refresh(site, grant.clone()))
    }

    fn extend(&self, token: &str, dies_ms: i64) {
        self.with(|pairs| {
            if let Some(refresh) = pairs.refresh.get_mut(token) {
                refresh.dies_ms = dies_ms;
            }
        });
    }
}

impl Pairs {
    fn new_refresh(&mut self, site: &Site, grant: Grant) -> String {
        self.made += 1;
        let token = format!("simulated-refresh-{:016x}", Chance::of(site.seed, &[91, self.made]).next());
        self.refresh.insert(token.clone(), Refresh { dies_ms: site.now_ms() + REFRESH_SECONDS * 1_000, grant });
        token
    }
}

fn allows(scope: &str, wanted: &str) -> bool {
    scope.split_whitespace().any(|each| each == wanted)
}

/// Whether a fault describes a state that lasts.
pub(super) fn lasts(site: &Site, fault: &Fault) -> bool {
    site.faults.any() && site.faults.lasting_for("", |each| (each == fault).then_some(())).is_some()
}

pub(super) async fn access_token(State(site): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    if !client_is_known(&site, &headers, &form) {
        return platform_error(&site, &headers, StatusCode::UNAUTHORIZED, "Client authentication failed.", "invalid_client");
    }
    match form.get("grant_type").map(String::as_str) {
        Some("refresh_token") => refresh(&site, &headers, form.get("refresh_token").map_or("", String::as_str)),
        Some("authorization_code") => exchange(&site, &headers, &form),
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

/// A code for a pair of tokens: only to whom it was given, with the secret half of PKCE, once.
fn exchange(site: &Site, headers: &HeaderMap, form: &HashMap<String, String>) -> Response {
    let told = |name: &str| form.get(name).map_or("", String::as_str);
    let name = told("code");
    let grant = if name == site.credentials.authorization_code {
        Some(Grant { org: site.org_id, scope: USUAL_SCOPE.to_owned() })
    } else {
        let fits = |code: &Code| {
            let verified = code.challenge.as_deref().is_none_or(|challenge| challenge == challenge_of(told("code_verifier")));
            code.redirect_uri == told("redirect_uri") && verified
        };
        site.tokens.take_code(name, site.now_ms()).filter(fits).map(|code| code.grant)
    };
    let Some(grant) = grant else {
        return platform_error(
            site,
            headers,
            StatusCode::BAD_REQUEST,
            "The request could not be understood by the server due to malformed syntax.",
            "The authorization code provided is expired, was used before, or was given for something else.",
        );
    };
    let refresh = site.tokens.first(site, &grant);
    granted(site, &grant, Some((&refresh, REFRESH_SECONDS)))
}

/// S256 of RFC 7636.
fn challenge_of(verifier: &str) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

fn refresh(site: &Site, headers: &HeaderMap, token: &str) -> Response {
    let dead = site.faults.strike(&[], |fault| if let Fault::InvalidGrant(shape) = fault { Some(*shape) } else { None });
    let now_ms = site.now_ms();
    let Some(Refresh { dies_ms, grant }) = site.tokens.alive(token, now_ms) else {
        return refused(site, headers, dead.unwrap_or(GrantError::Platform));
    };
    if let Some(shape) = dead {
        return refused(site, headers, shape);
    }
    let rotates =
        site.faults.strike(&[], |fault| if let Fault::RefreshRotates { old_dies_after } = fault { Some(*old_dies_after) } else { None });
    if let Some(after) = rotates {
        let after_ms = i64::try_from(after.as_millis()).unwrap_or(i64::MAX / 4);
        return match site.tokens.rotate(site, token, now_ms + after_ms) {
            Some(new) => granted(site, &grant, Some((&new, REFRESH_SECONDS))),
            None => refused(site, headers, GrantError::Platform),
        };
    }
    if site.faults.strikes(&[], &Fault::RefreshAbsent) {
        return granted(site, &grant, None);
    }
    if site.faults.strikes(&[], &Fault::RefreshCountsDown) {
        return granted(site, &grant, Some((token, (dies_ms - now_ms) / 1_000)));
    }
    // "same": the clock of the one token starts anew
    site.tokens.extend(token, now_ms + REFRESH_SECONDS * 1_000);
    granted(site, &grant, Some((token, REFRESH_SECONDS)))
}

fn granted(site: &Site, grant: &Grant, refresh: Option<(&str, i64)>) -> Response {
    let mut body = json!({
        "access_token": site.tokens.issue(site, grant),
        "expires_in": ACCESS_SECONDS,
        "token_type": "Bearer",
    });
    let Some(object) = body.as_object_mut() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    if !lasts(site, &Fault::ScopeUntold) {
        object.insert("scope".into(), json!(grant.scope));
    }
    if let Some((token, seconds)) = refresh {
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
