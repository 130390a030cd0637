//! Where the credential is kept: the row of `oauth_tokens`, sealed on the way in and opened on the way out.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::oauth::TokenPair;
use crate::{
    clock::Clock,
    domain::SourceName,
    ledger::VendorTrace,
    sources::SourceError,
    store::{
        Connection, PooledConnection, SealError, Sealer, Store, StoreError,
        logins::{NewLogin, store_login},
        tokens::{self, RefreshClaim, Refusal, SealedPair, TokenRow},
    },
};

/// The row of `oauth_tokens`.
pub(super) const NAME: &str = "webex";
/// What each token is sealed for: one does not open in the other's place.
const ACCESS: &str = "oauth_tokens/webex/access_token";
const REFRESH: &str = "oauth_tokens/webex/refresh_token";
/// Tries to store a pair that the vendor gave: it may be the only one that works. With the pauses between them, 6 s.
const STORE_TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The credential's row, opened where it is asked to be.
#[derive(Debug)]
pub(super) struct Shelf {
    store: Store,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    /// A pair that the vendor gave for this version and PostgreSQL did not take yet.
    leftover: Mutex<Option<(i64, SealedPair)>>,
}

impl Shelf {
    pub(super) fn new(store: Store, sealer: Sealer, clock: Arc<dyn Clock>) -> Self {
        Self { store, sealer, clock, leftover: Mutex::default() }
    }

    pub(super) fn database(&self) -> &Store {
        &self.store
    }

    /// Offers the settings' token to the row, which takes it if it never saw it.
    pub(super) async fn offer(&self, token: &SecretString, fingerprint: &str) -> Result<(), SourceError> {
        let sealed = self.sealer.seal(REFRESH, token.expose_secret()).map_err(unsealed)?;
        let mut connection = self.connection().await?;
        if tokens::seed(&mut connection, NAME, &sealed, fingerprint).await.map_err(unreachable)? {
            tracing::info!(credential = NAME, "took the refresh token from the settings");
        }
        Ok(())
    }

    pub(super) async fn row(&self) -> Result<Option<TokenRow>, SourceError> {
        tokens::token_row(&mut *self.connection().await?, NAME).await.map_err(unreachable)
    }

    /// The access token of the row and when it ends, if there is one.
    pub(super) fn access_token(&self, row: &TokenRow) -> Result<Option<(SecretString, DateTime<Utc>)>, SourceError> {
        let (Some(sealed), Some(ends_at)) = (&row.access_token, row.access_expires_at) else { return Ok(None) };
        Ok(Some((self.sealer.open(ACCESS, sealed).map_err(unsealed)?, ends_at)))
    }

    pub(super) fn refresh_token(&self, row: &TokenRow) -> Result<SecretString, SourceError> {
        self.sealer.open(REFRESH, &row.refresh_token).map_err(unsealed)
    }

    pub(super) async fn claim(&self, version: i64, claim: RefreshClaim<'_>) -> Result<bool, SourceError> {
        tokens::claim_refresh(&mut *self.connection().await?, NAME, version, claim).await.map_err(unreachable)
    }

    pub(super) async fn refuse(&self, version: i64, why: &str) -> Result<Refusal, SourceError> {
        tokens::refuse(&mut *self.connection().await?, NAME, version, why).await.map_err(unreachable)
    }

    pub(super) async fn cool_down(&self, version: i64, holder: &str, pause: Duration) -> Result<(), SourceError> {
        tokens::cool_down(&mut *self.connection().await?, NAME, version, holder, pause).await.map_err(unreachable)
    }

    /// Stores what the vendor gave, patiently; what PostgreSQL does not take is kept until it does. Says whether the version still stood.
    pub(super) async fn store(&self, version: i64, pair: &TokenPair) -> Result<bool, SourceError> {
        let sealed = self.sealed(pair)?;
        let mut pause = FIRST_PAUSE;
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
            *self.leftover.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, sealed));
        }
        last.map_err(unreachable)
    }

    /// Keeps the pair of a login on the caller's transaction, in place of whatever was there. `org_id` is the tenant that proved to
    /// be the token's, if one did.
    pub(super) async fn keep_login(
        &self,
        transaction: &mut Connection,
        pair: &TokenPair,
        refresh_token: &SecretString,
        login: &LoginNote<'_>,
    ) -> Result<(), LoginNotKept> {
        let mut sealed = self.sealed(pair)?;
        sealed.org_id = login.org_id.map(str::to_owned).or(sealed.org_id);
        let refresh_token = self.sealer.seal(REFRESH, refresh_token.expose_secret()).map_err(unsealed)?;
        let login = NewLogin {
            name: NAME,
            pair: &sealed,
            refresh_token: &refresh_token,
            way: login.way,
            by: login.by,
            older_seed: login.older_seed,
            now: self.clock.now(),
        };
        Ok(store_login(transaction, &login).await?)
    }

    /// Stores what could not be stored before.
    pub(super) async fn save_leftover(&self) -> Result<(), SourceError> {
        let leftover = self.leftover.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((version, sealed)) = leftover {
            self.try_store(version, &sealed).await.map_err(unreachable)?;
            self.leftover.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        Ok(())
    }

    fn sealed(&self, pair: &TokenPair) -> Result<SealedPair, SourceError> {
        let seal = |place: &str, secret: &SecretString| self.sealer.seal(place, secret.expose_secret()).map_err(unsealed);
        Ok(SealedPair {
            access_token: seal(ACCESS, &pair.access_token)?,
            access_expires_at: pair.access_expires_at,
            refresh_token: pair.refresh_token.as_ref().map(|secret| seal(REFRESH, secret)).transpose()?,
            refresh_expires_at: pair.refresh_expires_at,
            scope: pair.scope.clone(),
            org_id: told_org(pair.access_token.expose_secret()),
        })
    }

    async fn try_store(&self, version: i64, sealed: &SealedPair) -> Result<bool, StoreError> {
        tokens::store_pair(&mut *self.store.connection().await?, NAME, version, sealed, self.clock.now()).await
    }

    async fn connection(&self) -> Result<PooledConnection, SourceError> {
        self.store.connection().await.map_err(unreachable)
    }
}

/// What is kept beside the pair of a login.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoginNote<'a> {
    pub(super) org_id: Option<&'a str>,
    pub(super) way: &'a str,
    pub(super) by: &'a str,
    pub(super) older_seed: Option<&'a str>,
}

/// A login could not be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginNotKept {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(#[from] SourceError),
}

// a transaction that cannot begin or commit
impl From<diesel::result::Error> for LoginNotKept {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The organisation that a token names in its last part, when it has the usual form. A hint for people, trusted for nothing.
pub(super) fn told_org(token: &str) -> Option<String> {
    let (_, last) = token.rsplit_once('_')?;
    Uuid::try_parse(last).ok().map(|id| id.to_string())
}

pub(super) fn unreachable(why: StoreError) -> SourceError {
    SourceError::TokensUnavailable { source_name: SourceName::Webex, why: Arc::new(why) }
}

fn unsealed(error: SealError) -> SourceError {
    let what = format!("the tokens in `oauth_tokens` cannot be used: {error}");
    SourceError::LoginNeeded { source_name: SourceName::Webex, what, trace: VendorTrace::default() }
}
