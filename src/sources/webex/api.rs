//! One authorised exchange with the data API: budget first, then a token, then the request, and a name for whatever comes back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::{Method, StatusCode};
use reqwest::RequestBuilder;
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::{
    errors::Failed,
    renewals::Renewals,
    vault::{Token, Vault},
};
use crate::{
    clock::Clock,
    domain::{OrgId, SourceName},
    ledger::VendorTrace,
    outbound::{Budget, Client, Ending, ErrorBody, Exhausted, Gate, OutboundError, Response, Shut, retry_after, scrub},
    sources::SourceError,
};

/// The longest wait for the shared budget before the work is put off: long enough to be smooth, too short to hold a slot.
const BUDGET_PATIENCE: Duration = Duration::from_secs(2);
/// A page of 1000 calls has about 1 MB; nothing else is as large.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// Characters of an error of the JSON reader that are kept.
const LONGEST_REASON: usize = 300;
/// First and longest wait after a 429 that names none; the first is also the least that is ever waited.
const FIRST_THROTTLE: Duration = Duration::from_secs(1);
const LONGEST_THROTTLE: Duration = Duration::from_mins(1);
/// Wait while nobody is there to ask, until the failures are enough to open the circuit, which then says how long.
const UNREACHABLE_WAIT: Duration = Duration::from_secs(5);

/// Where tokens come from.
#[derive(Debug)]
pub(super) enum Access {
    /// One token, as it is.
    Fixed(Token),
    /// Kept and refreshed.
    Kept(Arc<Vault>),
}

/// A request, without what every request gets.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<Value>,
    /// A smaller request could succeed where this one is too much.
    pub(super) divisible: bool,
}

/// An answer, read.
#[derive(Debug)]
pub(super) struct Answer<T> {
    pub(super) content: T,
    pub(super) trace: VendorTrace,
}

/// A failure, with what only the caller can judge.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: SourceError,
    pub(super) body: ErrorBody,
    /// The vendor's clock.
    pub(super) date: Option<chrono::DateTime<chrono::Utc>>,
}

impl From<SourceError> for Refusal {
    fn from(error: SourceError) -> Self {
        Self { error, body: ErrorBody::default(), date: None }
    }
}

/// The head of an answer.
#[derive(Debug)]
struct Head {
    response: Response,
    request_id: String,
    /// How long to wait, if the vendor is taken for down after this.
    down_for: Option<Duration>,
}

#[derive(Deserialize)]
struct Tenant {
    meta: Option<Meta>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    org_id: Option<String>,
}

/// The data API of one organisation.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) http: Client,
    pub(super) base: Url,
    pub(super) org_id: OrgId,
    pub(super) access: Access,
    pub(super) budget: Budget,
    pub(super) gate: Gate,
    pub(super) clock: Arc<dyn Clock>,
    renewals: Renewals,
    throttled_in_a_row: AtomicU32,
}

impl Api {
    pub(super) fn new(
        http: Client,
        base: Url,
        org_id: OrgId,
        access: Access,
        (budget, gate): (Budget, Gate),
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { http, base, org_id, access, budget, gate, clock, renewals: Renewals::default(), throttled_in_a_row: AtomicU32::new(0) }
    }

    /// Makes the exchange; a token that is refused is renewed once.
    pub(super) async fn ask<T: DeserializeOwned>(&self, ask: &Ask) -> Result<Answer<T>, Refusal> {
        let token = self.token().await?;
        let head = self.exchange(ask, &token).await?;
        if !refuses(&head.response) {
            return match self.read(ask, head).await {
                Err(Refusal { error: SourceError::WrongOrg { .. }, .. }) if let Some(newer) = self.logged_in_since(&token).await? => {
                    let head = self.exchange(ask, &newer).await?;
                    self.read(ask, head).await
                }
                answer => answer,
            };
        }
        let Some(newer) = self.token_instead_of(&token, &ask.url).await? else { return self.read(ask, head).await };
        let head = self.exchange(ask, &newer).await?;
        if refuses(&head.response) {
            self.renewals.was_in_vain(&ask.url, newer.version, Instant::now());
        } else {
            self.renewals.helped(&ask.url);
        }
        self.read(ask, head).await
    }

    /// The same for something that not every tenant has: a 403 is an answer there, and no reason to renew a token that is good
    /// for everything else.
    pub(super) async fn ask_of_extras<T: DeserializeOwned>(&self, ask: &Ask) -> Result<Answer<T>, Refusal> {
        let token = self.token().await?;
        let head = self.exchange(ask, &token).await?;
        if head.response.status() == StatusCode::UNAUTHORIZED {
            return self.ask(ask).await;
        }
        self.read(ask, head).await
    }

    pub(super) async fn token(&self) -> Result<Token, SourceError> {
        match &self.access {
            Access::Fixed(token) => Ok(token.clone()),
            Access::Kept(vault) => vault.token().await,
        }
    }

    /// A token to try after `url` refused this one, if trying makes sense.
    async fn token_instead_of(&self, refused: &Token, url: &Url) -> Result<Option<Token>, SourceError> {
        match &self.access {
            Access::Kept(vault) if self.renewals.are_worth_it(url, Instant::now()) => vault.newer_than(refused.version).await.map(Some),
            Access::Kept(_) | Access::Fixed(_) => self.logged_in_since(refused).await,
        }
    }

    /// A newer token that somebody else stored meanwhile: a login may have mended what `refused` lacks.
    async fn logged_in_since(&self, refused: &Token) -> Result<Option<Token>, SourceError> {
        match &self.access {
            Access::Kept(vault) => vault.stored_since(refused.version).await,
            Access::Fixed(_) => Ok(None),
        }
    }

    /// Asks, if the vendor is not taken for down. The head of the answer tells how the vendor is; what its body says is for the caller.
    async fn exchange(&self, ask: &Ask, token: &Token) -> Result<Head, SourceError> {
        let request_id = format!("CALLSCRIBE_{}", Uuid::new_v4());
        let sent = async {
            self.budget.acquire(BUDGET_PATIENCE).await.map_err(Unsent::Spent)?;
            let request = self.http.request(ask.method.clone(), &ask.url).map_err(Unsent::Failed)?;
            self.http.send(dressed(request, ask, token, &request_id)).await.map_err(Unsent::Failed)
        };
        let (sent, down_for) = self.gate.run(Duration::ZERO, sent, |sent| ending(ask, sent)).await.map_err(|shut| kept_out(&shut))?;
        let response = sent.map_err(|unsent| match unsent {
            Unsent::Spent(exhausted) => spent(exhausted),
            Unsent::Failed(error) => {
                let down_for = down_for.or_else(|| error.is_unreachable().then_some(UNREACHABLE_WAIT));
                down(unreachable(&error, &request_id), down_for)
            }
        })?;
        let request_id = response.header("trackingid").map_or(request_id, str::to_owned);
        tracing::debug!(
            webex.tracking_id = request_id,
            http.status = response.status().as_u16(),
            http.path = ask.url.path(),
            "Webex answered"
        );
        Ok(Head { response, request_id, down_for })
    }

    async fn read<T: DeserializeOwned>(&self, ask: &Ask, head: Head) -> Result<Answer<T>, Refusal> {
        let down_for = head.down_for;
        self.read_answer(ask, head).await.map_err(|refusal| Refusal { error: down(refusal.error, down_for), ..refusal })
    }

    async fn read_answer<T: DeserializeOwned>(&self, ask: &Ask, head: Head) -> Result<Answer<T>, Refusal> {
        let Head { response, request_id, .. } = head;
        let status = response.status();
        let trace = VendorTrace { status: Some(status.as_u16()), request_id: Some(request_id.clone()) };
        if !status.is_success() {
            return Err(self.refusal(ask, response, trace).await);
        }
        self.throttled_in_a_row.store(0, Ordering::Relaxed);
        let body = response.bytes(LARGEST_ANSWER).await.map_err(|error| match error {
            OutboundError::TooLarge { .. } if ask.divisible => {
                SourceError::TooWide { source_name: SourceName::Webex, trace: trace.clone() }
            }
            error => unreachable(&error, &request_id),
        })?;
        self.check_tenant(&body, &trace)?;
        // an answer that says it has no content has none to read
        let content = parse(if status == StatusCode::NO_CONTENT { b"null" } else { &body }, &trace)?;
        Ok(Answer { content, trace })
    }

    async fn refusal(&self, ask: &Ask, response: Response, mut trace: VendorTrace) -> Refusal {
        let status = response.status();
        let asked = retry_after(response.headers(), &*self.clock);
        let date = response.header("date").and_then(|text| httpdate::parse_http_date(text).ok()).map(Into::into);
        let body = response.error_body().await;
        trace.request_id = body.tracking_id.clone().or(trace.request_id);
        let wait = match status {
            StatusCode::TOO_MANY_REQUESTS => Some(asked.unwrap_or_else(|| self.throttle()).max(FIRST_THROTTLE)),
            StatusCode::SERVICE_UNAVAILABLE => asked.map(|wait| wait.max(FIRST_THROTTLE)),
            _ => None,
        };
        if let Some(wait) = wait {
            self.budget.block_for(wait).await;
        }
        Refusal { error: Failed { status, body: &body, trace, wait, divisible: ask.divisible }.into_error(), body, date }
    }

    /// The wait after a 429 that names none: doubled with every one in a row.
    fn throttle(&self) -> Duration {
        let before = self.throttled_in_a_row.fetch_add(1, Ordering::Relaxed);
        FIRST_THROTTLE.saturating_mul(2_u32.saturating_pow(before.min(10))).min(LONGEST_THROTTLE)
    }

    /// Refuses another organisation's answer before anything of it is used.
    fn check_tenant(&self, body: &[u8], trace: &VendorTrace) -> Result<(), SourceError> {
        match told_tenant(body) {
            Some(answered) if !answered.eq_ignore_ascii_case(self.org_id.as_str()) => {
                Err(SourceError::WrongOrg { answered, configured: self.org_id.to_string(), trace: trace.clone() })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Whether the answer may be owed to the token: an expired one shows as 401 or as 403.
fn refuses(response: &Response) -> bool {
    matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// The organisation that an answer says it is of.
pub(super) fn told_tenant(body: &[u8]) -> Option<String> {
    let told = serde_json::from_slice::<Tenant>(body).ok()?.meta?.org_id?;
    Some(told.trim().to_owned()).filter(|told| !told.is_empty())
}

fn dressed(request: RequestBuilder, ask: &Ask, token: &Token, request_id: &str) -> RequestBuilder {
    let request = request.bearer_auth(token.secret.expose_secret()).header("TrackingId", request_id);
    let request = request.header(http::header::ACCEPT, "application/json");
    match &ask.body {
        Some(body) => request.json(body),
        None => request,
    }
}

fn parse<T: DeserializeOwned>(body: &[u8], trace: &VendorTrace) -> Result<T, SourceError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (source_name, trace) = (SourceName::Webex, trace.clone());
        if error.inner().is_eof() {
            let what = "the answer stops half way".to_owned();
            return SourceError::Unavailable { source_name, what, trace };
        }
        // serde quotes what it stumbled over
        let why = scrub(&error.inner().to_string(), LONGEST_REASON);
        let what = match error.path().to_string().as_str() {
            "." => why,
            path => format!("`{path}`: {why}"),
        };
        SourceError::WrongShape { source_name, what, trace }
    })
}

/// Why a request was not answered.
enum Unsent {
    Spent(Exhausted),
    Failed(OutboundError),
}

/// What an exchange tells of the vendor. A request that could be smaller may have been too much for it; the budget's words and 429 are
/// the budget's matter.
fn ending(ask: &Ask, sent: &Result<Response, Unsent>) -> Ending {
    let failed = if ask.divisible { Ending::Unknown } else { Ending::Failed };
    match sent {
        Ok(response) if response.status() == StatusCode::REQUEST_TIMEOUT => failed,
        Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE && response.header("retry-after").is_some() => {
            Ending::Answered
        }
        Ok(response) if response.status().is_server_error() => failed,
        Ok(_) => Ending::Answered,
        Err(Unsent::Spent(_)) => Ending::Unknown,
        Err(Unsent::Failed(error)) if error.is_unreachable() => Ending::Unreachable,
        Err(Unsent::Failed(_)) => failed,
    }
}

/// What failed while the vendor is down failed because of that.
fn down(error: SourceError, down_for: Option<Duration>) -> SourceError {
    match (error, down_for) {
        (SourceError::Unavailable { source_name, what, trace }, Some(wait)) => {
            SourceError::Down { source_name, wait, what, asked: true, trace }
        }
        (error, _) => error,
    }
}

fn kept_out(shut: &Shut) -> SourceError {
    SourceError::Down {
        source_name: SourceName::Webex,
        wait: shut.wait,
        what: shut.to_string(),
        asked: false,
        trace: VendorTrace::default(),
    }
}

fn spent(exhausted: Exhausted) -> SourceError {
    SourceError::RateLimited {
        source_name: SourceName::Webex,
        wait: exhausted.wait,
        own_budget: !exhausted.blocked,
        trace: VendorTrace::default(),
    }
}

fn unreachable(error: &OutboundError, request_id: &str) -> SourceError {
    let trace = VendorTrace { status: None, request_id: Some(request_id.to_owned()) };
    SourceError::Unavailable { source_name: SourceName::Webex, what: error.chain(), trace }
}
