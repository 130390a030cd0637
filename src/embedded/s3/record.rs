//! What is written beside the bytes: one small JSON file per bucket, object, upload and part.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use s3s::dto::BucketLifecycleConfiguration;
use serde::{Deserialize, Serialize};

use super::checksum::{Algorithm, Sums};

/// A file of bytes, written once and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Segment {
    /// Its name in the directory of segments: random, and never used again.
    pub(super) name: String,
    /// Its size in bytes.
    pub(super) size: u64,
}

/// What the client said about an object beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Description {
    pub(super) content_type: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) cache_control: Option<String>,
    /// `x-amz-meta-*`.
    pub(super) user: BTreeMap<String, String>,
    /// Recorded and echoed; this server does not encrypt, the disk under it may.
    pub(super) encryption: Option<String>,
    pub(super) encryption_key: Option<String>,
    pub(super) tags: Vec<(String, String)>,
}

/// One object: the only thing that makes segments visible. Replacing this file is what publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ObjectRecord {
    pub(super) key: String,
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) modified: DateTime<Utc>,
    pub(super) description: Description,
    pub(super) sums: Sums,
    /// The checksums are of the parts' checksums rather than of the bytes.
    pub(super) composite: bool,
    /// The bytes, in order.
    pub(super) segments: Vec<Segment>,
    /// The upload it was completed from: makes completing twice one answer, and tells a start which uploads are over.
    pub(super) upload_id: Option<String>,
}

/// One bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct BucketRecord {
    pub(super) name: String,
    pub(super) created: DateTime<Utc>,
    /// Kept and told; running it is the scheduler's work.
    pub(super) lifecycle: Option<BucketLifecycleConfiguration>,
}

/// One multipart upload that is neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UploadRecord {
    pub(super) id: String,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) started: DateTime<Utc>,
    pub(super) description: Description,
    pub(super) algorithm: Option<Algorithm>,
    pub(super) composite: bool,
}

/// One part of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartRecord {
    pub(super) number: i32,
    pub(super) etag: String,
    pub(super) sums: Sums,
    pub(super) modified: DateTime<Utc>,
    pub(super) segment: Segment,
}
