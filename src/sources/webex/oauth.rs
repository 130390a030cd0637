//! The token endpoint: a refresh token or a login's code in, a token pair out. Who refreshes when, and where the pair is kept, is
//! `vault.rs`; how a person comes by a code is `login.rs`.

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::number::number_or_text;
use crate::{
    clock::Clock,
    ledger::VendorTrace,
    outbound::{Client, OutboundError, Response, retry_after},
};

/// Bodies of token endpoints have a few hundred bytes.
const LARGEST_ANSWER: usize = 64 * 1024;
/// How long to leave the endpoint alone after it failed without saying how long.
const PAUSE: Duration = Duration::from_secs(5);
/// An access token whose end is not told is taken for one of the shortest kind seen (12 hours in 2022), halved.
const UNTOLD_LIFE_SECONDS: i64 = 6 * 60 * 60;
/// The longest life believed: ten years. Anything above would not fit a date.
const LONGEST_LIFE_SECONDS: i64 = 10 * 365 * 24 * 60 * 60;

/// What the endpoint gave.
pub(super) struct TokenPair {
    pub(super) access_token: SecretString,
    pub(super) access_expires_at: DateTime<Utc>,
    /// Absent: the old one goes on.
    pub(super) refresh_token: Option<SecretString>,
    pub(super) refresh_expires_at: Option<DateTime<Utc>>,
    pub(super) scope: Option<String>,
}

impl fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenPair").field("access_expires_at", &self.access_expires_at).finish_non_exhaustive()
    }
}

/// Why there is no pair.
#[derive(Debug)]
pub(super) enum RefreshError {
    /// The token or the client is refused, and will be until a person does something.
    Refused { what: String, trace: VendorTrace },
    /// It may work later.
    Failed { what: String, pause: Duration, throttled: bool, trace: VendorTrace },
}

/// A client of the token endpoint.
#[derive(Debug, Clone)]
pub(super) struct TokenEndpoint {
    pub(super) http: Client,
    pub(super) url: Url,
    pub(super) client_id: String,
    pub(super) client_secret: SecretString,
    pub(super) clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
struct WirePair {
    access_token: String,
    #[serde(default, deserialize_with = "number_or_text")]
    expires_in: Option<i64>,
    refresh_token: Option<String>,
    #[serde(default, deserialize_with = "number_or_text")]
    refresh_token_expires_in: Option<i64>,
    scope: Option<String>,
}

impl TokenEndpoint {
    /// Exchanges `refresh_token` for a pair. Asks once; the caller makes sure that nobody else asks meanwhile.
    pub(super) async fn refresh(&self, refresh_token: &SecretString) -> Result<TokenPair, RefreshError> {
        self.grant(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())]).await
    }

    /// Exchanges the code that a login ended with, which the vendor takes once.
    pub(super) async fn exchange(&self, code: &str, verifier: &SecretString, redirect_uri: &str) -> Result<TokenPair, RefreshError> {
        let verifier = verifier.expose_secret();
        let form = [("grant_type", "authorization_code"), ("code", code), ("code_verifier", verifier), ("redirect_uri", redirect_uri)];
        self.grant(&form).await
    }

    async fn grant(&self, form: &[(&str, &str)]) -> Result<TokenPair, RefreshError> {
        let asked_at = self.clock.now();
        let client = [("client_id", self.client_id.as_str()), ("client_secret", self.client_secret.expose_secret())];
        let form: Vec<_> = form.iter().chain(&client).collect();
        let request = self.http.request(Method::POST, &self.url).map_err(|error| failed(&error, VendorTrace::default()))?;
        let request_id = format!("CALLSCRIBE_{}", Uuid::new_v4());
        let request = request.header("TrackingId", &request_id).form(&form);
        let unanswered = VendorTrace { status: None, request_id: Some(request_id) };
        let response = self.http.send(request).await.map_err(|error| failed(&error, unanswered))?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let trace = trace_of(&response);
        let body = response.bytes(LARGEST_ANSWER).await.map_err(|error| failed(&error, trace.clone()))?;
        let wire: WirePair = serde_json::from_slice(&body).map_err(|error| RefreshError::Failed {
            // the error of serde tells where, never what
            what: format!("the token endpoint answered with something else than tokens (line {}, column {})", error.line(), error.column()),
            pause: PAUSE,
            throttled: false,
            trace,
        })?;
        Ok(pair(wire, asked_at))
    }

    async fn refusal(&self, response: Response) -> RefreshError {
        let status = response.status();
        let asked = retry_after(response.headers(), &*self.clock);
        let mut trace = trace_of(&response);
        let body = response.error_body().await;
        trace.request_id = body.tracking_id.clone().or(trace.request_id);
        let what = format!("the token endpoint answered {}: {}", status.as_u16(), body.summary());
        match status {
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RefreshError::Refused { what, trace },
            StatusCode::TOO_MANY_REQUESTS => RefreshError::Failed { what, pause: asked.unwrap_or(PAUSE), throttled: true, trace },
            _ => RefreshError::Failed { what, pause: asked.unwrap_or(PAUSE), throttled: false, trace },
        }
    }
}

fn failed(error: &OutboundError, trace: VendorTrace) -> RefreshError {
    RefreshError::Failed { what: format!("the token endpoint: {}", error.chain()), pause: PAUSE, throttled: false, trace }
}

fn trace_of(response: &Response) -> VendorTrace {
    VendorTrace { status: Some(response.status().as_u16()), request_id: response.header("trackingid").map(str::to_owned) }
}

fn pair(wire: WirePair, asked_at: DateTime<Utc>) -> TokenPair {
    let ends = |seconds: i64| asked_at + TimeDelta::seconds(seconds.clamp(0, LONGEST_LIFE_SECONDS));
    TokenPair {
        access_token: wire.access_token.into(),
        access_expires_at: ends(wire.expires_in.unwrap_or(UNTOLD_LIFE_SECONDS)),
        refresh_token: wire.refresh_token.filter(|token| !token.trim().is_empty()).map(SecretString::from),
        refresh_expires_at: wire.refresh_token_expires_in.map(ends),
        scope: wire.scope,
    }
}
