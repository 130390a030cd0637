//! `oauth_tokens`: sealed token pairs, who refreshes them, and whether the vendor still takes them.
//!
//! A pair changes only from the version that its refresher read, so that two who refresh at once never overwrite each other,
//! and a refresher that comes late still saves a pair that nobody else has. PostgreSQL's clock rules who refreshes; the caller's
//! clock rules when a token ends.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use super::{Connection, StoreError};

/// A credential's row, still sealed.
#[derive(Debug, Clone, QueryableByName)]
pub struct TokenRow {
    /// Counts token pairs.
    #[diesel(sql_type = sql_types::BigInt)]
    pub version: i64,
    /// Sealed access token, once there was one.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Binary>)]
    pub access_token: Option<Vec<u8>>,
    /// When the access token ends.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub access_expires_at: Option<DateTime<Utc>>,
    /// Sealed refresh token.
    #[diesel(sql_type = sql_types::Binary)]
    pub refresh_token: Vec<u8>,
    /// When the refresh token ends, if the vendor said.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub refresh_expires_at: Option<DateTime<Utc>>,
    /// When the pair was stored, by the clock that `access_expires_at` is told by.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub updated_at: DateTime<Utc>,
    /// Milliseconds for which nobody else should refresh; 0 or less when anyone may.
    #[diesel(sql_type = sql_types::BigInt)]
    pub held_milliseconds: i64,
    /// Who refreshes while it is held; nobody when the last try failed and the vendor is left alone for a while.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub refreshing_by: Option<String>,
    /// Milliseconds since the vendor refused the refresh token, if it did.
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub refused_milliseconds_ago: Option<i64>,
    /// What the vendor said then.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub refused_why: Option<String>,
}

/// A pair as the vendor gave it, sealed.
#[derive(Debug, Clone)]
pub struct SealedPair {
    /// Sealed access token.
    pub access_token: Vec<u8>,
    /// When it ends.
    pub access_expires_at: DateTime<Utc>,
    /// Sealed refresh token, if a new one came.
    pub refresh_token: Option<Vec<u8>>,
    /// When that ends, if the vendor said.
    pub refresh_expires_at: Option<DateTime<Utc>>,
    /// Scopes granted, if the vendor said.
    pub scope: Option<String>,
    /// Tenant, if the token tells it.
    pub org_id: Option<String>,
}

/// The credential's row, if there is one.
pub async fn token_row(connection: &mut Connection, name: &str) -> Result<Option<TokenRow>, StoreError> {
    let row = diesel::sql_query(
        "SELECT version, access_token, access_expires_at, refresh_token, refresh_expires_at, updated_at, refreshing_by, refused_why,
                COALESCE(EXTRACT(EPOCH FROM refreshing_until - now()) * 1000, 0)::bigint AS held_milliseconds,
                (EXTRACT(EPOCH FROM now() - refused_at) * 1000)::bigint AS refused_milliseconds_ago
         FROM oauth_tokens WHERE name = $1",
    )
    .bind::<sql_types::Text, _>(name)
    .get_result(connection)
    .await
    .optional()?;
    Ok(row)
}

/// Takes a refresh token from the settings, unless this very one was taken before: a token that was rotated since must not
/// come back, and during a rolling deployment the old setting must not undo the new one. Says whether it was taken.
pub async fn seed(connection: &mut Connection, name: &str, sealed_refresh: &[u8], fingerprint: &str) -> Result<bool, StoreError> {
    let changed = diesel::sql_query(
        "INSERT INTO oauth_tokens AS kept (name, refresh_token, seeds, login_at, login_way) VALUES ($1, $2, ARRAY[$3], now(), 'settings')
         ON CONFLICT (name) DO UPDATE SET
             refresh_token = excluded.refresh_token, refresh_expires_at = NULL, access_token = NULL, access_expires_at = NULL,
             org_id = NULL, scope = NULL, version = kept.version + 1, refreshing_until = NULL, refreshing_by = NULL,
             refused_at = NULL, refused_why = NULL, refused_since = NULL, login_at = now(), login_by = NULL, login_way = 'settings',
             updated_at = now(), seeds = (kept.seeds || excluded.seeds)[cardinality(kept.seeds) - 18 :]
         WHERE NOT kept.seeds @> excluded.seeds",
    )
    .bind::<sql_types::Text, _>(name)
    .bind::<sql_types::Binary, _>(sealed_refresh)
    .bind::<sql_types::Text, _>(fingerprint)
    .execute(connection)
    .await?;
    Ok(changed == 1)
}

/// Who wants to refresh, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct RefreshClaim<'a> {
    /// Which process.
    pub holder: &'a str,
    /// It is replaced when it has not finished by then.
    pub lease: Duration,
    /// A version that the vendor refused is tried again only so long after: whoever looked just before the refusal must not ask as well.
    pub probe_after: Duration,
}

/// Makes the claim's holder the one who refreshes version `version`; says whether it is.
pub async fn claim_refresh(connection: &mut Connection, name: &str, version: i64, claim: RefreshClaim<'_>) -> Result<bool, StoreError> {
    let changed = diesel::sql_query(
        "UPDATE oauth_tokens SET refreshing_until = now() + $4 * interval '1 millisecond', refreshing_by = $3
         WHERE name = $1 AND version = $2 AND (refreshing_until IS NULL OR refreshing_until <= now())
               AND (refused_at IS NULL OR refused_at <= now() - $5 * interval '1 millisecond')",
    )
    .bind::<sql_types::Text, _>(name)
    .bind::<sql_types::BigInt, _>(version)
    .bind::<sql_types::Text, _>(claim.holder)
    .bind::<sql_types::BigInt, _>(milliseconds(claim.lease))
    .bind::<sql_types::BigInt, _>(milliseconds(claim.probe_after))
    .execute(connection)
    .await?;
    Ok(changed == 1)
}

/// Stores the pair that came for version `version`; says whether it did, or that version is history. Not guarded by who refreshes:
/// a refresher whose time ran out may hold the only pair that still works.
pub async fn store_pair(
    connection: &mut Connection,
    name: &str,
    version: i64,
    pair: &SealedPair,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let changed = diesel::sql_query(
        "UPDATE oauth_tokens SET
             access_token = $3, access_expires_at = $4, refresh_token = COALESCE($5, refresh_token),
             refresh_expires_at = COALESCE($6, refresh_expires_at), scope = COALESCE($7, scope), org_id = COALESCE($8, org_id),
             version = version + 1, refreshing_until = NULL, refreshing_by = NULL, refused_at = NULL, refused_why = NULL, refused_since = NULL,
             updated_at = $9
         WHERE name = $1 AND version = $2",
    )
    .bind::<sql_types::Text, _>(name)
    .bind::<sql_types::BigInt, _>(version)
    .bind::<sql_types::Binary, _>(&pair.access_token)
    .bind::<sql_types::Timestamptz, _>(pair.access_expires_at)
    .bind::<sql_types::Nullable<sql_types::Binary>, _>(pair.refresh_token.as_deref())
    .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(pair.refresh_expires_at)
    .bind::<sql_types::Nullable<sql_types::Text>, _>(pair.scope.as_deref())
    .bind::<sql_types::Nullable<sql_types::Text>, _>(pair.org_id.as_deref())
    .bind::<sql_types::Timestamptz, _>(now)
    .execute(connection)
    .await?;
    Ok(changed == 1)
}

/// What a refusal meant for the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The first one: until now the vendor took the tokens.
    First,
    /// One more.
    Again,
    /// The version is history.
    Late,
}

/// Notes that the vendor refused version `version`.
pub async fn refuse(connection: &mut Connection, name: &str, version: i64, why: &str) -> Result<Refusal, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::Bool)]
        first: bool,
    }
    let row: Option<Row> = diesel::sql_query(
        "WITH before AS MATERIALIZED (SELECT name, refused_at FROM oauth_tokens WHERE name = $1 AND version = $2 FOR UPDATE)
         UPDATE oauth_tokens AS kept SET
             refused_at = now(), refused_why = $3, refreshing_until = NULL, refreshing_by = NULL,
             refused_since = CASE WHEN before.refused_at IS NULL THEN now() ELSE coalesce(kept.refused_since, before.refused_at) END
         FROM before WHERE kept.name = before.name
         RETURNING before.refused_at IS NULL AS first",
    )
    .bind::<sql_types::Text, _>(name)
    .bind::<sql_types::BigInt, _>(version)
    .bind::<sql_types::Text, _>(why)
    .get_result(connection)
    .await
    .optional()?;
    Ok(row.map_or(Refusal::Late, |row| if row.first { Refusal::First } else { Refusal::Again }))
}

/// Gives the refresh back after a failure that may pass; nobody tries again for `pause`.
pub async fn cool_down(connection: &mut Connection, name: &str, version: i64, holder: &str, pause: Duration) -> Result<(), StoreError> {
    diesel::sql_query(
        "UPDATE oauth_tokens SET refreshing_until = now() + $4 * interval '1 millisecond', refreshing_by = NULL
         WHERE name = $1 AND version = $2 AND refreshing_by = $3",
    )
    .bind::<sql_types::Text, _>(name)
    .bind::<sql_types::BigInt, _>(version)
    .bind::<sql_types::Text, _>(holder)
    .bind::<sql_types::BigInt, _>(milliseconds(pause))
    .execute(connection)
    .await?;
    Ok(())
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
