//! `quarantined_payloads`: elements of a vendor's page that could not be read or stored, kept so that one bad call never
//! sinks its page and can be looked at later.

use std::collections::BTreeMap;

use diesel::sql_types;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    domain::SourceName,
    store::{Connection, StoreError, clean},
};

/// The longest complaint kept; the payload itself is there to look at.
const LONGEST_ERROR: usize = 1_000;

/// The name under which an element is set aside: SHA-256 of its text, lower-case hex.
#[must_use]
pub fn fingerprint(raw: &Value) -> String {
    hex::encode(Sha256::digest(raw.to_string()))
}

/// Keeps the elements of one page, each with the reason; one that came before is counted, not kept twice.
pub async fn quarantine(
    connection: &mut Connection,
    source: SourceName,
    elements: impl IntoIterator<Item = (&Value, &str)>,
) -> Result<usize, StoreError> {
    // by fingerprint, because a statement cannot touch a row twice
    let rows: BTreeMap<String, (String, Value)> = elements
        .into_iter()
        .map(|(raw, error)| (fingerprint(raw), (clean::text(error, LONGEST_ERROR).into_owned(), clean::json(raw).into_owned())))
        .collect();
    if rows.is_empty() {
        return Ok(0);
    }
    let (fingerprints, (errors, payloads)): (Vec<_>, (Vec<_>, Vec<_>)) = rows.into_iter().unzip();
    let kept = diesel::sql_query(
        "INSERT INTO quarantined_payloads AS held (source, fingerprint, error, payload)
         SELECT $1, fingerprint, error, payload FROM unnest($2::text[], $3::text[], $4::jsonb[]) AS new (fingerprint, error, payload)
         ON CONFLICT (source, fingerprint)
         DO UPDATE SET error = excluded.error, last_seen = now(), times_seen = held.times_seen + 1",
    )
    .bind::<sql_types::Text, _>(source.as_str())
    .bind::<sql_types::Array<sql_types::Text>, _>(fingerprints)
    .bind::<sql_types::Array<sql_types::Text>, _>(errors)
    .bind::<sql_types::Array<sql_types::Jsonb>, _>(payloads)
    .execute(connection)
    .await?;
    Ok(kept)
}
