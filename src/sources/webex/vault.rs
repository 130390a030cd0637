//! Who refreshes when: one process at a time, everyone else uses what it brought.
//!
//! Tokens are kept sealed in PostgreSQL. A refresh is claimed by compare-and-set, made outside any transaction, and stored from
//! the version it read. A refresher that dies is replaced when its claim runs out. What one crash can still cost is a rotated
//! refresh token that the vendor gave and nobody stored; then a person logs in again, and the error says so.
//!
//! A refresh token that the vendor refuses opens a circuit, in the row and so for everyone: nobody asks the token endpoint but one
//! process every few minutes, in case the vendor was wrong. It is told once. A login, by whatever way, closes it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use ring::digest;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    oauth::{RefreshError, TokenEndpoint},
    shelf::{NAME, Shelf},
};
use crate::{
    clock::Clock,
    domain::{Reason, SourceName},
    ledger::VendorTrace,
    sources::SourceError,
    store::tokens::{RefreshClaim, Refusal, TokenRow},
    telemetry::metrics,
};

/// Tokens are renewed this long before they end, against clocks that differ; or in the last tenth of a shorter life.
const EARLY: TimeDelta = TimeDelta::minutes(5);
/// A refresh may hold the row this long: more than its request may take, so that nobody asks twice with one token.
const REFRESH_LEASE: Duration = Duration::from_secs(45);
/// How long to wait for another process to refresh before the work is put off.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// First and longest pause between looks at the row while another process refreshes.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LAST_LOOK: Duration = Duration::from_secs(1);
/// After this a refused token is tried again, in case the vendor was wrong.
const REFUSED_FOR: Duration = Duration::from_mins(5);

/// A token to send, and which version it is, so that a refusal is counted against the right one.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) secret: SecretString,
    pub(super) version: i64,
}

#[derive(Clone, Debug)]
struct Kept {
    token: Token,
    ends_at: DateTime<Utc>,
    renew_at: DateTime<Utc>,
}

impl Kept {
    fn new(token: Token, ends_at: DateTime<Utc>, stored_at: DateTime<Utc>) -> Self {
        let tenth = (ends_at - stored_at).max(TimeDelta::zero()) / 10;
        Self { token, ends_at, renew_at: ends_at - tenth.min(EARLY) }
    }
}

/// The keeper of one credential.
#[derive(Debug)]
pub(super) struct Vault {
    shelf: Shelf,
    endpoint: TokenEndpoint,
    clock: Arc<dyn Clock>,
    /// This keeper, among all processes.
    holder: String,
    /// The refresh token of the settings, if there is one.
    seed: Option<SecretString>,
    kept: Mutex<Option<Kept>>,
    /// One look at the row at a time in this process; tells whether the settings' token was offered to the row.
    offered: tokio::sync::Mutex<bool>,
}

impl Vault {
    pub(super) fn new(shelf: Shelf, endpoint: TokenEndpoint, seed: Option<SecretString>) -> Arc<Self> {
        let clock = Arc::clone(&endpoint.clock);
        let holder = Uuid::new_v4().to_string();
        Arc::new(Self { shelf, endpoint, clock, holder, seed, kept: Mutex::default(), offered: tokio::sync::Mutex::default() })
    }

    /// A token that should work.
    pub(super) async fn token(self: &Arc<Self>) -> Result<Token, SourceError> {
        self.newer_than(0).await
    }

    /// A token newer than `version`, which was refused.
    pub(super) async fn newer_than(self: &Arc<Self>, version: i64) -> Result<Token, SourceError> {
        if let Some(kept) = self.kept_for(version) {
            return Ok(kept);
        }
        let mut offered = self.offered.lock().await;
        if let Some(kept) = self.kept_for(version) {
            return Ok(kept);
        }
        if !*offered {
            self.offer_seed().await?;
            *offered = true;
        }
        self.shelf.save_leftover().await?;
        self.find(version).await
    }

    /// A token newer than `version` if one is stored already, as after a login; asks no vendor.
    pub(super) async fn stored_since(self: &Arc<Self>, version: i64) -> Result<Option<Token>, SourceError> {
        let Some(row) = self.shelf.row().await? else { return Ok(None) };
        let newer = self.open(&row)?.filter(|kept| kept.token.version > version && self.clock.now() < kept.ends_at);
        Ok(newer.map(|kept| self.keep(kept)))
    }

    fn kept_for(&self, version: i64) -> Option<Token> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        kept.as_ref().filter(|kept| kept.token.version > version && now < kept.renew_at).map(|kept| kept.token.clone())
    }

    async fn offer_seed(&self) -> Result<(), SourceError> {
        match &self.seed {
            Some(seed) => self.shelf.offer(seed, &fingerprint(&self.endpoint.client_id, seed)).await,
            None => Ok(()),
        }
    }

    /// Reads the row until it has a token newer than `version`, refreshing it when nobody else does.
    async fn find(self: &Arc<Self>, version: i64) -> Result<Token, SourceError> {
        let deadline = Instant::now() + LONGEST_WAIT;
        let mut pause = FIRST_LOOK;
        loop {
            let row = self.row().await?;
            let kept = self.open(&row)?.filter(|kept| kept.token.version > version && self.clock.now() < kept.ends_at);
            if let Some(kept) = &kept
                && (self.clock.now() < kept.renew_at || is_held(&row) || is_refused(&row))
            {
                return Ok(self.keep(kept.clone()));
            }
            if is_refused(&row) {
                return Err(refused(row.refused_why.unwrap_or_default(), VendorTrace::default()));
            }
            if is_held(&row) && row.refreshing_by.is_none() {
                return Err(cooling_down(&row));
            }
            if !is_held(&row) && self.shelf.claim(row.version, self.refresh_claim()).await? {
                match self.refresh(row).await {
                    Ok(Some(token)) => return Ok(token),
                    // another version came in between: look again
                    Ok(None) => {}
                    // the present token is good for a while yet
                    Err(SourceError::Unavailable { .. } | SourceError::RateLimited { .. }) if kept.is_some() => {}
                    Err(error) => return Err(error),
                }
            } else if Instant::now() >= deadline {
                return Err(pending("another process renews them and has not finished", LAST_LOOK));
            } else {
                tokio::time::sleep(pause + self.jitter()).await;
                pause = (pause * 2).min(LAST_LOOK);
            }
        }
    }

    fn refresh_claim(&self) -> RefreshClaim<'_> {
        RefreshClaim { holder: &self.holder, lease: REFRESH_LEASE, probe_after: REFUSED_FOR }
    }

    /// Up to 50 ms that differ from process to process, so that those who wait do not look in step.
    fn jitter(&self) -> Duration {
        Duration::from_millis(self.holder.bytes().map(u64::from).sum::<u64>() % 50)
    }

    async fn row(&self) -> Result<TokenRow, SourceError> {
        if let Some(row) = self.shelf.row().await? {
            return Ok(row);
        }
        // someone removed the row: begin again from the settings
        self.offer_seed().await?;
        let nobody = || refused("nobody has logged in: run `callscribe webex login`".to_owned(), VendorTrace::default());
        self.shelf.row().await?.ok_or_else(nobody)
    }

    fn open(&self, row: &TokenRow) -> Result<Option<Kept>, SourceError> {
        let opened = self.shelf.access_token(row)?;
        Ok(opened.map(|(secret, ends_at)| Kept::new(Token { secret, version: row.version }, ends_at, row.updated_at)))
    }

    /// Refreshes in a task of its own: a job that is cancelled meanwhile must not take a rotated token with it.
    async fn refresh(self: &Arc<Self>, row: TokenRow) -> Result<Option<Token>, SourceError> {
        let vault = Arc::clone(self);
        let task = tokio::spawn(async move { vault.refresh_claimed(row).await });
        task.await.unwrap_or_else(|error| Err(unavailable(format!("the refresh ended early: {error}"), VendorTrace::default())))
    }

    /// `None` when another version came in between.
    async fn refresh_claimed(&self, row: TokenRow) -> Result<Option<Token>, SourceError> {
        let refresh_token = self.shelf.refresh_token(&row)?;
        match self.endpoint.refresh(&refresh_token).await {
            Ok(pair) => {
                count("refreshed");
                if !self.shelf.store(row.version, &pair).await? {
                    return Ok(None);
                }
                let token = Token { secret: pair.access_token, version: row.version + 1 };
                Ok(Some(self.keep(Kept::new(token, pair.access_expires_at, self.clock.now()))))
            }
            Err(RefreshError::Refused { what, trace }) => {
                count("refused");
                match self.shelf.refuse(row.version, &what).await? {
                    Refusal::Late => return Ok(None),
                    Refusal::Again => tracing::info!(credential = NAME, what, "Webex still refuses our refresh token"),
                    Refusal::First => tracing::error!(
                        credential = NAME,
                        what,
                        hint = Reason::LoginNeeded.advice(),
                        "Webex refuses our refresh token: run `callscribe webex login`"
                    ),
                }
                Err(refused(what, trace))
            }
            Err(RefreshError::Failed { what, pause, throttled, trace }) => {
                count("failed");
                self.shelf.cool_down(row.version, &self.holder, pause).await?;
                if throttled {
                    return Err(SourceError::RateLimited { source_name: SourceName::Webex, wait: pause, own_budget: false, trace });
                }
                Err(unavailable(what, trace))
            }
        }
    }

    fn keep(&self, kept: Kept) -> Token {
        let token = kept.token.clone();
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        token
    }
}

fn is_held(row: &TokenRow) -> bool {
    row.held_milliseconds > 0
}

fn is_refused(row: &TokenRow) -> bool {
    row.refused_milliseconds_ago.and_then(|ago| u64::try_from(ago).ok()).is_some_and(|ago| Duration::from_millis(ago) < REFUSED_FOR)
}

fn count(outcome: &'static str) {
    metrics::token_refreshed(NAME, outcome);
}

/// By what a refresh token is known without being known: a setting that was taken once is not taken again.
pub(super) fn fingerprint(client_id: &str, refresh_token: &SecretString) -> String {
    let identity = [client_id.as_bytes(), refresh_token.expose_secret().as_bytes()].join(&0);
    hex::encode(digest::digest(&digest::SHA256, &identity))
}

fn refused(what: String, trace: VendorTrace) -> SourceError {
    SourceError::LoginNeeded { source_name: SourceName::Webex, what, trace }
}

fn unavailable(what: String, trace: VendorTrace) -> SourceError {
    SourceError::Unavailable { source_name: SourceName::Webex, what, trace }
}

fn cooling_down(row: &TokenRow) -> SourceError {
    pending("the token endpoint failed just now", Duration::from_millis(u64::try_from(row.held_milliseconds).unwrap_or_default()))
}

fn pending(what: &'static str, wait: Duration) -> SourceError {
    SourceError::RenewalPending { source_name: SourceName::Webex, what, wait }
}
