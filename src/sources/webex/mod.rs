//! Webex Contact Center: tasks and the search's details become calls, captures become recordings. The contract is Cisco's public specification and what
//! others measured against the real service; where the two differ, both are accepted.

mod access;
mod api;
mod captures;
mod case_number;
mod chat_file;
mod chats;
mod check;
mod details;
mod download;
mod errors;
mod gather;
mod keyset;
mod legs;
mod login;
mod number;
mod oauth;
mod renewals;
pub mod search;
mod shelf;
mod subscriptions;
mod summaries;
mod tasks;
mod transcript;
mod translate;
mod vault;
mod webhook;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use secrecy::SecretString;
use url::Url;

pub use self::login::{Invitation, LoggedIn, LoginError, LoginWay, SCOPES_FOR_WEBHOOKS, SCOPES_TO_READ, WebexLogin};
pub use self::{
    access::AccessSeen,
    subscriptions::{Ensured, MOST_SUBSCRIPTIONS, Subscription, Subscriptions},
    webhook::{NotTaken, SIGNATURE_HEADER, WebhookEvent, WebhookReader},
};
use self::{
    api::{Access, Api},
    captures::Capture,
    case_number::CaseNumbers,
    download::Downloads,
    gather::Gatherer,
    oauth::TokenEndpoint,
    search::Search,
    shelf::Shelf,
    tasks::Listing,
    vault::{Token, Vault},
};
use crate::{
    clock::Clock,
    config::{WebexAccess, WebexSettings},
    domain::{CallSummary, OrgId, RecordingOffer, SessionId, SourceName, TranscriptOffer, Window},
    hints::Hints,
    outbound::{Budget, Client, ClientError, Gate, Limits},
    sources::{
        CallPage, DetailsBy, Download, PageCursor, RecordingAnswer, Source, SourceError, UnrecognisedTranscript, VendorTranscript, Webhook,
    },
    store::{SealError, Sealer, Store},
};

/// A token endpoint answers in a second or is ill; a refresh must end well before its claim does.
const TOKEN_LIMITS: Limits =
    Limits { connect: Duration::from_secs(10), idle: Duration::from_secs(20), total: Some(Duration::from_secs(25)), decompress: true };

/// Three hours of words with their times have about 10 MB; nothing that people say has more.
const LARGEST_TRANSCRIPT: usize = 32 * 1024 * 1024;

/// The source cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum WebexError {
    /// No HTTP client.
    #[error("Webex cannot be reached")]
    Client(#[from] ClientError),
    /// No sealing.
    #[error("Webex tokens cannot be kept")]
    Seal(#[from] SealError),
}

/// Webex Contact Center, as one organisation sees it.
#[derive(Debug)]
pub struct Webex {
    api: Arc<Api>,
    listing: Listing,
    search: Search,
    case_numbers: CaseNumbers,
    captures: Arc<Gatherer>,
    downloads: Downloads,
}

impl Webex {
    /// Prepares the source; asks nobody anything yet.
    pub fn new(settings: &WebexSettings, store: &Store, hints: &Hints, clock: Arc<dyn Clock>) -> Result<Self, WebexError> {
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        let limits = Limits { idle: settings.timeout, total: Some(settings.timeout), ..Limits::API };
        let http = Client::through(&settings.network, "webex", limits)?.allowing_plain_http(&settings.base_url);
        let access = access(settings, store, &clock)?;
        let budget = Budget::new(hints.clone(), "webex", settings.budget_per_minute);
        let gate = Gate::circuit(hints.clone(), SourceName::Webex.as_str());
        let api = Arc::new(Api::new(http, settings.base_url.clone(), settings.org_id.clone(), access, (budget, gate), clock));
        let files = settings
            .download_hosts
            .named()
            .fold(Client::through(&settings.network, "webex-files", Limits::DOWNLOAD)?, Client::allowing_plain_host)
            // a link is a key: of it only the host may be told
            .keeping_paths_secret();
        Ok(Self {
            listing: Listing {
                path: settings.tasks_path.clone(),
                page_size: settings.page_size,
                settle: TimeDelta::from_std(settings.settle).unwrap_or(TimeDelta::MAX),
            },
            search: Search::new(Arc::clone(&api)),
            case_numbers: CaseNumbers(settings.case_numbers.clone()),
            captures: Gatherer::new(Arc::clone(&api)),
            downloads: Downloads { http: files, hosts: settings.download_hosts.clone() },
            api,
        })
    }

    /// Every subscription to webhooks that the vendor shows: those made by version 2 of its API.
    pub async fn subscriptions(&self) -> Result<Subscriptions, SourceError> {
        subscriptions::list(&self.api).await
    }

    /// Has the events that something follows from sent to `destination`, signed with `secret`: one subscription per resource, however
    /// often it is asked for.
    pub async fn subscribe(&self, destination: &Url, secret: &SecretString) -> Result<Vec<Ensured>, SourceError> {
        subscriptions::ensure(&self.api, destination, secret).await
    }

    /// Removes a subscription.
    pub async fn unsubscribe(&self, id: &str) -> Result<(), SourceError> {
        subscriptions::remove(&self.api, id).await
    }

    /// Its search, for whoever asks for something else than the details of calls.
    #[must_use]
    pub fn search(&self) -> &Search {
        &self.search
    }

    /// The budget that every process's requests to Webex come from.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.api.budget
    }
}

fn access(settings: &WebexSettings, store: &Store, clock: &Arc<dyn Clock>) -> Result<Access, WebexError> {
    match &settings.access {
        WebexAccess::Fixed(secret) => Ok(Access::Fixed(Token { secret: secret.clone(), version: 0 })),
        WebexAccess::Refreshed { client_id, client_secret, refresh_token, vault } => {
            let endpoint = TokenEndpoint {
                http: Client::through(&settings.network, "webex-tokens", TOKEN_LIMITS)?.allowing_plain_http(&settings.token_url),
                url: settings.token_url.clone(),
                client_id: client_id.clone(),
                client_secret: client_secret.clone(),
                clock: Arc::clone(clock),
            };
            let shelf = Shelf::new(store.clone(), Sealer::new(vault)?, Arc::clone(clock));
            Ok(Access::Kept(Vault::new(shelf, endpoint, refresh_token.clone())))
        }
    }
}

#[async_trait]
impl Source for Webex {
    fn name(&self) -> SourceName {
        SourceName::Webex
    }

    fn org_id(&self) -> &OrgId {
        &self.api.org_id
    }

    async fn calls(&self, window: Window, cursor: Option<&PageCursor>) -> Result<CallPage, SourceError> {
        tasks::page(&self.api, &self.listing, window, cursor).await
    }

    fn tells_details(&self) -> bool {
        true
    }

    async fn details(&self, by: DetailsBy, window: Window, cursor: Option<&PageCursor>) -> Result<CallPage, SourceError> {
        details::page(&self.api, &self.search, &self.case_numbers, by, window, cursor).await
    }

    async fn recordings(&self, session: &SessionId) -> Result<RecordingAnswer, SourceError> {
        let Capture { recordings: offers, trace, .. } = self.captures.capture(session).await?;
        // this API never tells "deleted" from "not yet": only the list of tasks knows what was meant to be recorded
        Ok(if offers.is_empty() { RecordingAnswer::Nothing { trace } } else { RecordingAnswer::Offered { offers, trace } })
    }

    async fn download(&self, offer: &RecordingOffer, from_byte: u64) -> Result<Download, SourceError> {
        self.downloads.open(&offer.link, from_byte).await
    }

    async fn transcripts(&self, session: &SessionId) -> Result<Vec<TranscriptOffer>, SourceError> {
        Ok(self.captures.capture(session).await?.transcripts)
    }

    async fn fetch_transcript(&self, offer: &TranscriptOffer) -> Result<Bytes, SourceError> {
        self.downloads.whole(&offer.link, LARGEST_TRANSCRIPT).await
    }

    async fn summary(&self, session: &SessionId) -> Result<Option<CallSummary>, SourceError> {
        let summary = summaries::ask(&self.api, session).await?;
        Ok(summary.map(|summary| CallSummary { named_case_number: self.case_numbers.named_in(summary.texts()), ..summary }))
    }

    fn read_transcript(&self, offer: &TranscriptOffer, bytes: &[u8]) -> Result<VendorTranscript, UnrecognisedTranscript> {
        transcript::read(offer, bytes)
    }

    async fn webhooks(&self, destination: &str) -> Result<Vec<Webhook>, SourceError> {
        Ok(subscriptions::of_destination(&subscriptions::list(&self.api).await?, destination))
    }

    async fn reactivate_webhook(&self, id: &str) -> Result<(), SourceError> {
        subscriptions::change(&self.api, id, &subscriptions::Change::default()).await.map(drop)
    }
}
