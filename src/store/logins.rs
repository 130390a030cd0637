//! `oauth_tokens` as people deal with it: a login replaces whatever was there; what is there is told without a secret.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde::Serialize;

use super::{Connection, StoreError, tokens::SealedPair};

/// A pair that a person brought.
#[derive(Debug, Clone)]
pub struct NewLogin<'a> {
    /// The credential, such as `webex`.
    pub name: &'a str,
    /// The pair; its refresh token is in `refresh_token`.
    pub pair: &'a SealedPair,
    /// The sealed refresh token.
    pub refresh_token: &'a [u8],
    /// `browser`, `headless` or `refresh_token`.
    pub way: &'a str,
    /// Who, as `user@host`.
    pub by: &'a str,
    /// Fingerprint of the refresh token in the settings, which must not replace this login when a worker next reads them.
    pub older_seed: Option<&'a str>,
    /// The time, by the clock that the pair's ends are told by.
    pub now: DateTime<Utc>,
}

/// Keeps a login in place of whatever was there, refusals included. A refresh of the old pair that is under way comes too late
/// then: its version is history.
pub async fn store_login(connection: &mut Connection, login: &NewLogin<'_>) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO oauth_tokens AS kept (name, access_token, access_expires_at, refresh_token, refresh_expires_at, scope, org_id, seeds,
                                           login_at, login_by, login_way, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $8::text IS NULL THEN '{}' ELSE ARRAY[$8::text] END, now(), $9, $10, $11)
         ON CONFLICT (name) DO UPDATE SET
             access_token = excluded.access_token, access_expires_at = excluded.access_expires_at, refresh_token = excluded.refresh_token,
             refresh_expires_at = excluded.refresh_expires_at, scope = excluded.scope, org_id = excluded.org_id,
             seeds = CASE WHEN kept.seeds @> excluded.seeds THEN kept.seeds
                          ELSE (kept.seeds || excluded.seeds)[cardinality(kept.seeds) - 18 :] END,
             version = kept.version + 1, refreshing_until = NULL, refreshing_by = NULL, refused_at = NULL, refused_why = NULL,
             refused_since = NULL, login_at = now(), login_by = excluded.login_by, login_way = excluded.login_way,
             updated_at = excluded.updated_at",
    )
    .bind::<sql_types::Text, _>(login.name)
    .bind::<sql_types::Binary, _>(&login.pair.access_token)
    .bind::<sql_types::Timestamptz, _>(login.pair.access_expires_at)
    .bind::<sql_types::Binary, _>(login.refresh_token)
    .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(login.pair.refresh_expires_at)
    .bind::<sql_types::Nullable<sql_types::Text>, _>(login.pair.scope.as_deref())
    .bind::<sql_types::Nullable<sql_types::Text>, _>(login.pair.org_id.as_deref())
    .bind::<sql_types::Nullable<sql_types::Text>, _>(login.older_seed)
    .bind::<sql_types::Text, _>(login.by)
    .bind::<sql_types::Text, _>(login.way)
    .bind::<sql_types::Timestamptz, _>(login.now)
    .execute(connection)
    .await?;
    Ok(())
}

/// A credential without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, QueryableByName)]
pub struct CredentialSeen {
    /// Which, such as `webex`.
    #[diesel(sql_type = sql_types::Text)]
    pub name: String,
    /// Counts token pairs.
    #[diesel(sql_type = sql_types::BigInt)]
    pub version: i64,
    /// Tenant, if it is known.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub org_id: Option<String>,
    /// Scopes, separated by spaces, if the vendor said.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub scope: Option<String>,
    /// When the access token ends, once there was one.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub access_expires_at: Option<DateTime<Utc>>,
    /// When the refresh token ends, if the vendor said.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub refresh_expires_at: Option<DateTime<Utc>>,
    /// When the pair last changed.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub updated_at: DateTime<Utc>,
    /// When it was given to us.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub login_at: Option<DateTime<Utc>>,
    /// By whom.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub login_by: Option<String>,
    /// `browser`, `headless`, `refresh_token` or `settings`.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub login_way: Option<String>,
    /// Since when the vendor refuses it: a person must log in again.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub refused_since: Option<DateTime<Utc>>,
    /// What the vendor said.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub refused_why: Option<String>,
}

/// Time to log in again before a refresh token ends.
const LOGIN_SOON: TimeDelta = TimeDelta::days(14);

impl CredentialSeen {
    /// Whether its refresh token ends within two weeks, or has ended.
    #[must_use]
    pub fn ends_soon(&self, now: DateTime<Utc>) -> bool {
        self.refresh_expires_at.is_some_and(|ends| ends - now < LOGIN_SOON)
    }

    /// Whether nothing works until a person logs in: the vendor refuses it, or both of its tokens have ended.
    #[must_use]
    pub fn login_needed(&self, now: DateTime<Utc>) -> bool {
        let has_ended = |ends: Option<DateTime<Utc>>| ends.is_some_and(|ends| ends <= now);
        self.refused_since.is_some() || (has_ended(self.refresh_expires_at) && has_ended(self.access_expires_at))
    }

    /// Which of `wanted` it lacks; `None` when the vendor never said what it allows.
    #[must_use]
    pub fn missing<'w>(&self, wanted: &[&'w str]) -> Option<Vec<&'w str>> {
        let scope = self.scope.as_deref()?;
        Some(wanted.iter().copied().filter(|wanted| !scope.split_whitespace().any(|each| each == *wanted)).collect())
    }
}

/// Every credential there is; a handful, whatever happens.
pub async fn credentials(connection: &mut Connection) -> Result<Vec<CredentialSeen>, StoreError> {
    Ok(diesel::sql_query(
        "SELECT name, version, org_id, scope, access_expires_at, refresh_expires_at, updated_at, login_at, login_by, login_way,
                CASE WHEN refused_at IS NOT NULL THEN coalesce(refused_since, refused_at) END AS refused_since, refused_why
         FROM oauth_tokens ORDER BY name LIMIT 100",
    )
    .load(connection)
    .await?)
}
