//! Who refreshes when: one process at a time, everyone else uses what it brought.
//!
//! Tokens are kept sealed in PostgreSQL. A refresh is claimed by compare-and-set, made outside any transaction, and stored from
//! the version it read. A refresher that dies is replaced when its claim runs out. What one crash can still cost is a rotated
//! refresh token that the vendor gave and nobody stored; then a person logs in again, and the error says so.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use ring::digest;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use uuid::Uuid;

use super::oauth::{RefreshError, TokenEndpoint, TokenPair};
use crate::{
    clock::Clock,
    domain::SourceName,
    ledger::VendorTrace,
    outbound::Client,
    sources::SourceError,
    store::{
        SealError, Sealer, Store, StoreError,
        tokens::{self, SealedPair, TokenRow},
    },
};

/// The row of `oauth_tokens`.
const NAME: &str = "webex";
/// What each token is sealed for: one does not open in the other's place.
const ACCESS: &str = "oauth_tokens/webex/access_token";
const REFRESH: &str = "oauth_tokens/webex/refresh_token";
/// Tokens are renewed this long before they end, against clocks that differ; or in the last tenth of a shorter life.
const EARLY: TimeDelta = TimeDelta::minutes(5);
/// A refresh may hold the row this long: more than its request may take, so that nobody asks twice with one token.
const REFRESH_LEASE: Duration = Duration::from_secs(45);
/// How long to wait for another process to refresh before the work is put off.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// First and longest pause between looks at the row while another process refreshes.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LAST_LOOK: Duration = Duration::from_secs(1);
/// A refused token is tried again this often, in case the vendor was wrong.
const REFUSED_FOR: i64 = 5 * 60 * 1000;
/// Tries to store a pair that the vendor gave: it may be the only one that works.
const STORE_TRIES: u32 = 8;
/// Time to log in again before the refresh token ends.
const LOGIN_SOON: TimeDelta = TimeDelta::days(14);

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

/// The keeper of one credential.
#[derive(Debug)]
pub(super) struct Vault {
    store: Store,
    sealer: Sealer,
    endpoint: TokenEndpoint,
    clock: Arc<dyn Clock>,
    /// This keeper, among all processes.
    holder: String,
    seed: SecretString,
    kept: Mutex<Option<Kept>>,
    /// A pair that the vendor gave for this version and PostgreSQL did not take yet.
    unsaved: Mutex<Option<(i64, SealedPair)>>,
    /// One look at the row at a time in this process; tells whether the settings' token was offered to the row.
    seeded: tokio::sync::Mutex<bool>,
}

/// What the keeper is made of.
pub(super) struct VaultParts {
    pub(super) store: Store,
    pub(super) sealer: Sealer,
    pub(super) http: Client,
    pub(super) token_url: url::Url,
    pub(super) client_id: String,
    pub(super) client_secret: SecretString,
    pub(super) refresh_token: SecretString,
    pub(super) clock: Arc<dyn Clock>,
}

impl Vault {
    pub(super) fn new(parts: VaultParts) -> Arc<Self> {
        let VaultParts { store, sealer, http, token_url, client_id, client_secret, refresh_token, clock } = parts;
        Arc::new(Self {
            store,
            sealer,
            endpoint: TokenEndpoint { http, url: token_url, client_id, client_secret, clock: Arc::clone(&clock) },
            clock,
            holder: Uuid::new_v4().to_string(),
            seed: refresh_token,
            kept: Mutex::default(),
            unsaved: Mutex::default(),
            seeded: tokio::sync::Mutex::default(),
        })
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
        let mut seeded = self.seeded.lock().await;
        if let Some(kept) = self.kept_for(version) {
            return Ok(kept);
        }
        if !*seeded {
            self.seed().await?;
            *seeded = true;
        }
        self.save_leftover().await?;
        self.find(version).await
    }

    fn kept_for(&self, version: i64) -> Option<Token> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        kept.as_ref().filter(|kept| kept.token.version > version && now < kept.renew_at).map(|kept| kept.token.clone())
    }

    async fn seed(&self) -> Result<(), SourceError> {
        let identity = [self.endpoint.client_id.as_bytes(), self.seed.expose_secret().as_bytes()].join(&0);
        let fingerprint = hex::encode(digest::digest(&digest::SHA256, &identity));
        let sealed = self.sealer.seal(REFRESH, self.seed.expose_secret()).map_err(unsealed)?;
        let mut connection = self.store.connection().await.map_err(unreachable)?;
        if tokens::seed(&mut connection, NAME, &sealed, &fingerprint).await.map_err(unreachable)? {
            tracing::info!(credential = NAME, "took the refresh token from the settings");
        }
        Ok(())
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
            if !is_held(&row) && self.claim(row.version).await? {
                match self.refresh(row).await {
                    Ok(Some(token)) => return Ok(token),
                    // another version came in between: look again
                    Ok(None) => {}
                    Err(SourceError::Unavailable { .. } | SourceError::RateLimited { .. }) if kept.is_some() => {}
                    Err(error) => return Err(error),
                }
            } else if Instant::now() >= deadline {
                return Err(unavailable(
                    "another process is refreshing the tokens and has not finished".to_owned(),
                    VendorTrace::default(),
                ));
            } else {
                tokio::time::sleep(pause + self.jitter()).await;
                pause = (pause * 2).min(LAST_LOOK);
            }
        }
    }

    /// Up to 50 ms that differ from process to process, so that those who wait do not look in step.
    fn jitter(&self) -> Duration {
        Duration::from_millis(self.holder.bytes().map(u64::from).sum::<u64>() % 50)
    }

    async fn row(&self) -> Result<TokenRow, SourceError> {
        let mut connection = self.store.connection().await.map_err(unreachable)?;
        if let Some(row) = tokens::token_row(&mut connection, NAME).await.map_err(unreachable)? {
            return Ok(row);
        }
        drop(connection);
        // someone removed the row: begin again from the settings
        self.seed().await?;
        let mut connection = self.store.connection().await.map_err(unreachable)?;
        let row = tokens::token_row(&mut connection, NAME).await.map_err(unreachable)?;
        row.ok_or_else(|| unreachable(StoreError::Row { table: "oauth_tokens", what: "the row of `webex` does not stay".to_owned() }))
    }

    async fn claim(&self, version: i64) -> Result<bool, SourceError> {
        let mut connection = self.store.connection().await.map_err(unreachable)?;
        tokens::claim_refresh(&mut connection, NAME, version, &self.holder, REFRESH_LEASE).await.map_err(unreachable)
    }

    /// Refreshes in a task of its own: a job that is cancelled meanwhile must not take a rotated token with it.
    async fn refresh(self: &Arc<Self>, row: TokenRow) -> Result<Option<Token>, SourceError> {
        let vault = Arc::clone(self);
        let task = tokio::spawn(async move { vault.refresh_claimed(row).await });
        task.await.unwrap_or_else(|error| Err(unavailable(format!("the refresh ended early: {error}"), VendorTrace::default())))
    }

    async fn refresh_claimed(&self, row: TokenRow) -> Result<Option<Token>, SourceError> {
        let refresh_token = self.sealer.open(REFRESH, &row.refresh_token).map_err(unsealed)?;
        match self.endpoint.refresh(&refresh_token).await {
            Ok(pair) => {
                let version = row.version;
                if !self.store_pair(version, &pair).await? {
                    return Ok(None);
                }
                metrics::counter!("callscribe_token_refreshes_total", "credential" => NAME, "outcome" => "refreshed").increment(1);
                warn_before_the_end(pair.refresh_expires_at.or(row.refresh_expires_at), self.clock.now());
                let token = Token { secret: pair.access_token, version: version + 1 };
                Ok(Some(self.keep(kept(token, pair.access_expires_at, self.clock.now()))))
            }
            Err(RefreshError::Refused { what, trace }) => {
                metrics::counter!("callscribe_token_refreshes_total", "credential" => NAME, "outcome" => "refused").increment(1);
                let mut connection = self.store.connection().await.map_err(unreachable)?;
                let stands = tokens::refuse(&mut connection, NAME, row.version, &what).await.map_err(unreachable)?;
                if !stands {
                    return Ok(None);
                }
                tracing::error!(
                    credential = NAME,
                    what,
                    "Webex refuses our refresh token: log in again and set the new `WEBEX_CC_REFRESH_TOKEN`"
                );
                Err(refused(what, trace))
            }
            Err(RefreshError::Failed { what, pause, throttled, trace }) => {
                metrics::counter!("callscribe_token_refreshes_total", "credential" => NAME, "outcome" => "failed").increment(1);
                let mut connection = self.store.connection().await.map_err(unreachable)?;
                tokens::cool_down(&mut connection, NAME, row.version, &self.holder, pause).await.map_err(unreachable)?;
                if throttled {
                    return Err(SourceError::RateLimited { source_name: SourceName::Webex, wait: pause, own_budget: false });
                }
                Err(unavailable(what, trace))
            }
        }
    }

    /// Stores what the vendor gave, patiently: if it rotated the refresh token, this pair is the only one that works.
    async fn store_pair(&self, version: i64, pair: &TokenPair) -> Result<bool, SourceError> {
        let seal = |place: &str, secret: &SecretString| self.sealer.seal(place, secret.expose_secret()).map_err(unsealed);
        let sealed = SealedPair {
            access_token: seal(ACCESS, &pair.access_token)?,
            access_expires_at: pair.access_expires_at,
            refresh_token: pair.refresh_token.as_ref().map(|secret| seal(REFRESH, secret)).transpose()?,
            refresh_expires_at: pair.refresh_expires_at,
            scope: pair.scope.clone(),
            org_id: told_org(pair.access_token.expose_secret()),
        };
        let mut pause = FIRST_LOOK;
        for _ in 1..STORE_TRIES {
            match self.try_store(version, &sealed).await {
                Ok(stored) => return Ok(stored),
                Err(error) => tracing::warn!(credential = NAME, %error, "could not store refreshed tokens; trying again"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        let last = self.try_store(version, &sealed).await;
        if last.is_err() {
            tracing::error!(
                credential = NAME,
                "refreshed tokens are not stored: this process keeps them and stores them as soon as it can"
            );
            *self.unsaved.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, sealed));
        }
        last.map_err(unreachable)
    }

    async fn save_leftover(&self) -> Result<(), SourceError> {
        let leftover = self.unsaved.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((version, sealed)) = leftover {
            self.try_store(version, &sealed).await.map_err(unreachable)?;
            self.unsaved.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        Ok(())
    }

    async fn try_store(&self, version: i64, sealed: &SealedPair) -> Result<bool, StoreError> {
        let mut connection = self.store.connection().await?;
        tokens::store_pair(&mut connection, NAME, version, sealed, self.clock.now()).await
    }

    fn open(&self, row: &TokenRow) -> Result<Option<Kept>, SourceError> {
        let (Some(sealed), Some(ends_at)) = (&row.access_token, row.access_expires_at) else { return Ok(None) };
        let secret = self.sealer.open(ACCESS, sealed).map_err(unsealed)?;
        Ok(Some(kept(Token { secret, version: row.version }, ends_at, row.updated_at)))
    }

    fn keep(&self, kept: Kept) -> Token {
        let token = kept.token.clone();
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        token
    }
}

fn kept(token: Token, ends_at: DateTime<Utc>, stored_at: DateTime<Utc>) -> Kept {
    let tenth = (ends_at - stored_at).max(TimeDelta::zero()) / 10;
    Kept { token, ends_at, renew_at: ends_at - tenth.min(EARLY) }
}

fn is_held(row: &TokenRow) -> bool {
    row.held_milliseconds > 0
}

fn is_refused(row: &TokenRow) -> bool {
    row.refused_milliseconds_ago.is_some_and(|ago| ago < REFUSED_FOR)
}

/// The organisation that a token names in its last part, when it has the usual form. A hint for people, trusted for nothing.
fn told_org(token: &str) -> Option<String> {
    let (_, last) = token.rsplit_once('_')?;
    Uuid::try_parse(last).ok().map(|id| id.to_string())
}

fn warn_before_the_end(refresh_expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) {
    let Some(ends_at) = refresh_expires_at else { return };
    let seconds = u32::try_from((ends_at - now).num_seconds().max(0)).unwrap_or(u32::MAX);
    metrics::gauge!("callscribe_refresh_token_seconds_left", "credential" => NAME).set(f64::from(seconds));
    if ends_at - now < LOGIN_SOON {
        tracing::warn!(credential = NAME, %ends_at, "the refresh token ends soon: log in again and set the new `WEBEX_CC_REFRESH_TOKEN`");
    }
}

fn refused(what: String, trace: VendorTrace) -> SourceError {
    SourceError::LoginNeeded { source_name: SourceName::Webex, what, trace }
}

fn unavailable(what: String, trace: VendorTrace) -> SourceError {
    SourceError::Unavailable { source_name: SourceName::Webex, what, trace }
}

fn cooling_down(row: &TokenRow) -> SourceError {
    unavailable(format!("the token endpoint failed just now; it is asked again in {} ms", row.held_milliseconds), VendorTrace::default())
}

fn unreachable(why: StoreError) -> SourceError {
    SourceError::TokensUnavailable { source_name: SourceName::Webex, why: Arc::new(why) }
}

fn unsealed(error: SealError) -> SourceError {
    refused(format!("the tokens in `oauth_tokens` cannot be used: {error}"), VendorTrace::default())
}
