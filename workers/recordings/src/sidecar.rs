//! The document beside the audio: what it is, for whoever finds the bucket without the database. Ids, sizes and times; no
//! phone number, no name, no link.

use callscribe::{
    blob::{BlobError, StoredObject},
    domain::Leg,
    store::recordings::{StoredCopy, StoredRecording},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{copy::Copied, names, plan::Plan, trouble::Trouble};

/// What the document says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sidecar {
    pub(crate) source: String,
    pub(crate) org_id: String,
    pub(crate) session_id: String,
    pub(crate) recording_id: String,
    pub(crate) leg: Leg,
    pub(crate) segment: bool,
    pub(crate) call_started_at: DateTime<Utc>,
    pub(crate) recording_started_at: Option<DateTime<Utc>>,
    pub(crate) recording_stopped_at: Option<DateTime<Utc>>,
    pub(crate) size_bytes: u64,
    pub(crate) sha256: String,
    /// Ties the document to this version of the audio.
    pub(crate) etag: String,
    pub(crate) codec: Option<String>,
    pub(crate) sample_rate_hz: Option<u32>,
    pub(crate) channels: Option<u16>,
    pub(crate) duration_ms: Option<u64>,
    pub(crate) flags: Vec<String>,
    pub(crate) stored_at: DateTime<Utc>,
}

/// Writes the document beside the object, after it: a document always tells of an object that is there.
pub(crate) async fn write(plan: &Plan, object: &StoredObject, stored: &StoredRecording, now: DateTime<Utc>) -> Result<(), Trouble> {
    let org_id = plan.call.org_id.as_ref().unwrap_or_else(|| plan.source.org_id());
    let document = Sidecar {
        source: plan.call.source.to_string(),
        org_id: org_id.to_string(),
        session_id: stored.session_id.to_string(),
        recording_id: stored.recording_id.to_string(),
        leg: plan.offer.leg,
        segment: plan.offer.segment,
        call_started_at: plan.call.start_time,
        recording_started_at: plan.offer.started_at,
        recording_stopped_at: plan.offer.stopped_at,
        size_bytes: object.size,
        sha256: object.sha256.clone(),
        etag: object.etag.clone(),
        codec: stored.codec.clone(),
        sample_rate_hz: stored.sample_rate_hz,
        channels: stored.channels,
        duration_ms: stored.duration_ms,
        flags: stored.flags.clone(),
        stored_at: now,
    };
    plan.blob.put_json(&names::sidecar_key(&object.key), &document).await?;
    Ok(())
}

/// The copy made before, if S3 still has those very bytes: same size, and the version that the document beside it tells of
/// with the same SHA-256. Then nothing is copied.
pub(crate) async fn still_there(plan: &Plan, before: &StoredCopy) -> Result<Option<Copied>, Trouble> {
    let Some(head) = plan.blob.head(&before.object_key).await? else { return Ok(None) };
    let document = match plan.blob.get_json::<Sidecar>(&names::sidecar_key(&before.object_key)).await {
        Ok(Some(document)) => document,
        // a document of another shape proves nothing
        Ok(None) | Err(BlobError::Corrupt { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let same = head.size == before.size_bytes && document.etag == head.etag && document.sha256 == before.sha256;
    if !same {
        return Ok(None);
    }
    let stored = StoredRecording {
        session_id: plan.offer.session_id.clone(),
        recording_id: plan.offer.recording_id.clone(),
        copy: before.clone(),
        codec: document.codec,
        sample_rate_hz: document.sample_rate_hz,
        channels: document.channels,
        duration_ms: document.duration_ms,
        flags: document.flags,
    };
    Ok(Some(Copied { stored }))
}
