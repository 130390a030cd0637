//! A Webex Contact Center on loopback: logins, tokens, tasks, the search, captures with the links of recordings and transcripts,
//! summaries, webhooks, with everything that goes wrong.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use uuid::Uuid;

use crate::clock::SimulatedClock;
use crate::faults::Faults;
use crate::requests::Requests;
use crate::server::Server;

mod answer;
mod authorize;
mod book;
mod captures;
mod chats;
mod fault;
mod hooks;
mod ids;
mod legs;
mod links;
mod plan;
mod platform;
mod search;
mod stream;
mod summaries;
mod tasks;
mod tokens;
mod transcript_files;
mod transcripts;
mod truth;

pub use chats::MessageTruth;
pub use fault::{Endpoint, ErrorBody, Fault, GrantError, RetryAfter};
pub use hooks::{Delivery, SubscriptionSeen};
pub use legs::Leg;
pub use plan::{CallSpec, Calls, Credentials, Direction, WebexPlan};
pub use summaries::Summary;
pub use truth::{CallTruth, Expected};

type Shared = State<Arc<Site>>;

/// What every handler knows.
#[derive(Debug)]
struct Site {
    seed: u64,
    org_id: Uuid,
    clock: SimulatedClock,
    credentials: Credentials,
    faults: Faults<Fault>,
    requests: Requests,
    tokens: tokens::Tokens,
    book: book::Book,
    pace: platform::Pace,
    polls: platform::Polls,
    hooks: hooks::Hooks,
    loopback_hooks: bool,
    hook_patience: Duration,
    searches: search::Searches,
}

impl Site {
    /// The server's time: the clock's, and what it is off by.
    fn now_ms(&self) -> i64 {
        let skew =
            self.faults.any().then(|| self.faults.lasting_for("", |fault| if let Fault::ClockSkew(by) = fault { Some(*by) } else { None }));
        self.clock.now_ms() + skew.flatten().map_or(0, |by| by.num_milliseconds())
    }
}

/// A running Webex, stopped when dropped.
#[derive(Debug)]
pub struct Webex {
    server: Server,
    site: Arc<Site>,
    _poster: hooks::Poster,
}

impl Webex {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(plan: WebexPlan) -> io::Result<Self> {
        let now_ms = plan.clock.now_ms();
        let site = Arc::new(Site {
            seed: plan.seed,
            org_id: plan.org_id,
            tokens: tokens::Tokens::with_refresh(&plan.credentials.refresh_token, plan.org_id, now_ms),
            clock: plan.clock,
            credentials: plan.credentials,
            faults: Faults::new(plan.seed, plan.faults),
            requests: Requests::default(),
            book: book::Book::new(plan.seed, now_ms, plan.calls),
            pace: platform::Pace::default(),
            polls: platform::Polls::default(),
            hooks: hooks::Hooks::default(),
            loopback_hooks: plan.loopback_hooks,
            hook_patience: plan.hook_patience,
            searches: search::Searches::default(),
        });
        let router = Router::new()
            .route("/v1/authorize", get(authorize::authorize))
            .route("/v1/access_token", post(tokens::access_token))
            .route("/v1/tasks", get(tasks::tasks))
            .route("/v1/captures/query", post(captures::query))
            .route("/generated-summaries/search", post(summaries::search))
            .route("/search", post(search::search))
            .route("/recordings/{org}/{task}/{recording}/{file}", get(links::download))
            .merge(hooks::routes())
            .fallback(|| async { StatusCode::NOT_FOUND })
            .layer(axum::middleware::from_fn_with_state(Arc::clone(&site), platform::guard))
            .with_state(Arc::clone(&site));
        Ok(Self { server: Server::start(router).await?, _poster: hooks::Poster::start(Arc::clone(&site)), site })
    }

    /// Where the data API is: `http://127.0.0.1:<port>`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.server.url()
    }

    /// Where tokens are refreshed.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("{}/v1/access_token", self.server.url())
    }

    /// Where a person's browser is sent to log in.
    #[must_use]
    pub fn authorize_url(&self) -> String {
        format!("{}/v1/authorize", self.server.url())
    }

    /// What a client must present.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.site.credentials
    }

    /// The tenant.
    #[must_use]
    pub fn org_id(&self) -> Uuid {
        self.site.org_id
    }

    /// The time that Webex believes it is.
    #[must_use]
    pub fn clock(&self) -> &SimulatedClock {
        &self.site.clock
    }

    /// The faults, to switch.
    #[must_use]
    pub fn faults(&self) -> &Faults<Fault> {
        &self.site.faults
    }

    /// What was asked so far.
    #[must_use]
    pub fn requests(&self) -> &Requests {
        &self.site.requests
    }

    /// The session id of a call by its number; calls are numbered by their beginning, the first being 0.
    #[must_use]
    pub fn session_id(&self, number: u32) -> Uuid {
        ids::session_id(self.site.seed, number)
    }

    /// Makes every access token that is out expire.
    pub fn expire_access_tokens(&self) {
        self.site.tokens.expire_all();
    }

    /// The tenant's subscriptions to webhooks, oldest first.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<SubscriptionSeen> {
        self.site.hooks.seen()
    }

    /// Every attempt to deliver an event so far, oldest first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.site.hooks.deliveries()
    }

    /// Makes every subscription inactive, as Webex does in error scenarios.
    pub fn deactivate_subscriptions(&self) {
        self.site.hooks.deactivate();
    }

    /// Kills every refresh token that is out, as when the person who logged in loses the role. New logins work.
    pub fn revoke_refresh_tokens(&self) {
        self.site.tokens.revoke_refresh();
    }

    /// A refresh token of a service app, as the developer portal shows it once.
    #[must_use]
    pub fn mint_refresh_token(&self) -> String {
        self.site.tokens.minted(&self.site, self.site.org_id)
    }

    /// The same of a service app that another tenant authorised.
    #[must_use]
    pub fn mint_foreign_refresh_token(&self) -> String {
        self.site.tokens.minted(&self.site, authorize::OTHER_ORG)
    }
}
