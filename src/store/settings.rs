//! `app_settings`: small facts that outlive a process, and the watermarks among them.

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryDsl, sql_types};
use diesel_async::RunQueryDsl;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    domain::{OrgId, SourceName},
    store::{Connection, StoreError, schema::work::app_settings},
};

const TABLE: &str = "app_settings";

/// The value under `key`, if there is one.
pub async fn get<T: DeserializeOwned>(connection: &mut Connection, key: &str) -> Result<Option<T>, StoreError> {
    let stored: Option<serde_json::Value> = app_settings::table.find(key).select(app_settings::value).first(connection).await.optional()?;
    let unreadable = |error: serde_json::Error| StoreError::Row { table: TABLE, what: format!("`{key}`: {error}") };
    stored.map(|value| serde_json::from_value(value).map_err(unreadable)).transpose()
}

/// Keeps `value` under `key`; a value that is already there is not written again.
pub async fn put<T: Serialize + Sync>(connection: &mut Connection, key: &str, value: &T) -> Result<(), StoreError> {
    let value = serde_json::to_value(value).map_err(|error| StoreError::Row { table: TABLE, what: format!("`{key}`: {error}") })?;
    diesel::sql_query(
        "INSERT INTO app_settings AS held (key, value) VALUES ($1, $2)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now() WHERE held.value <> excluded.value",
    )
    .bind::<sql_types::Text, _>(key)
    .bind::<sql_types::Jsonb, _>(value)
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds `fact` to the list under `key` and drops the oldest entries beyond `longest`.
pub async fn remember<T: Serialize + Sync>(connection: &mut Connection, key: &str, fact: &T, longest: u16) -> Result<(), StoreError> {
    let fact = serde_json::to_value(fact).map_err(|error| StoreError::Row { table: TABLE, what: format!("`{key}`: {error}") })?;
    diesel::sql_query(
        "INSERT INTO app_settings AS held (key, value) VALUES ($1, jsonb_build_array($2::jsonb))
         ON CONFLICT (key) DO UPDATE SET updated_at = now(), value = (
             SELECT jsonb_agg(entry ORDER BY place) FROM (
                 SELECT entry, place FROM jsonb_array_elements(held.value || excluded.value) WITH ORDINALITY AS list (entry, place)
                 ORDER BY place DESC LIMIT $3) AS newest)",
    )
    .bind::<sql_types::Text, _>(key)
    .bind::<sql_types::Jsonb, _>(fact)
    .bind::<sql_types::BigInt, _>(i64::from(longest))
    .execute(connection)
    .await?;
    Ok(())
}

/// Key of the newest creation time that sync has seen of a source's tenant.
#[must_use]
pub fn watermark_key(source: SourceName, org: &OrgId) -> String {
    format!("{source}:{org}:watermark")
}

/// Key of the moments around which a source could not be made to tell everything.
#[must_use]
pub fn gaps_key(source: SourceName, org: &OrgId) -> String {
    format!("{source}:{org}:gaps")
}

/// Key of the address that a source's webhooks of a tenant are sent to; `null` once nothing is subscribed.
#[must_use]
pub fn webhook_key(source: SourceName, org: &OrgId) -> String {
    format!("{source}:{org}:webhook")
}

/// Key of how far the details of a source's calls are told.
#[must_use]
pub fn details_key(source: SourceName, org: &OrgId) -> String {
    format!("{source}:{org}:details")
}

/// Key of the moment from which on a source's calls are kept: where its first sync began.
#[must_use]
pub fn since_key(source: SourceName, org: &OrgId) -> String {
    format!("{source}:{org}:since")
}

/// From when on a source's calls are kept; `None` before its first sync.
pub async fn since(connection: &mut Connection, source: SourceName, org: &OrgId) -> Result<Option<DateTime<Utc>>, StoreError> {
    get(connection, &since_key(source, org)).await
}

/// Notes that calls are kept from `since` on, unless an earlier sync noted it.
pub async fn keep_since(connection: &mut Connection, source: SourceName, org: &OrgId, since: DateTime<Utc>) -> Result<(), StoreError> {
    put_first(connection, &since_key(source, org), since).await
}

/// Keeps `moment` under `key`, unless one is there already.
pub async fn put_first(connection: &mut Connection, key: &str, moment: DateTime<Utc>) -> Result<(), StoreError> {
    diesel::sql_query("INSERT INTO app_settings (key, value) VALUES ($1, to_jsonb($2::text)) ON CONFLICT (key) DO NOTHING")
        .bind::<sql_types::Text, _>(key)
        .bind::<sql_types::Text, _>(moment.to_rfc3339())
        .execute(connection)
        .await?;
    Ok(())
}

/// Key of the end up to which a tenant's conversations were asked for. No `watermark`: those are of calls.
#[must_use]
pub fn chats_key(source: SourceName, org: &OrgId) -> String {
    format!("{source}:{org}:chats_until")
}

/// Key of the moment from which on a tenant's conversations are kept: where the first run began.
#[must_use]
pub fn chats_since_key(source: SourceName, org: &OrgId) -> String {
    format!("{source}:{org}:chats_since")
}

/// How far sync has come with a source's tenant; `None` before its first call.
pub async fn watermark(connection: &mut Connection, source: SourceName, org: &OrgId) -> Result<Option<DateTime<Utc>>, StoreError> {
    get(connection, &watermark_key(source, org)).await
}

/// Moves the watermark to `seen`, never back, whoever comes late.
pub async fn advance_watermark(
    connection: &mut Connection,
    source: SourceName,
    org: &OrgId,
    seen: DateTime<Utc>,
) -> Result<(), StoreError> {
    advance(connection, &watermark_key(source, org), seen).await
}

/// Moves the time under `key` to `seen`, never back. The text of two times in UTC compares as the times do only if it is written
/// alike, so PostgreSQL compares them as times.
pub async fn advance(connection: &mut Connection, key: &str, seen: DateTime<Utc>) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO app_settings AS held (key, value) VALUES ($1, to_jsonb($2::text))
         ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()
         WHERE (held.value #>> '{}')::timestamptz < (excluded.value #>> '{}')::timestamptz",
    )
    .bind::<sql_types::Text, _>(key)
    .bind::<sql_types::Text, _>(seen.to_rfc3339())
    .execute(connection)
    .await?;
    Ok(())
}
