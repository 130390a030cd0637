//! Objects out of the bucket: what is there, and its bytes as a stream.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, unfold};
use serde::de::DeserializeOwned;
use tracing::{Instrument, Span};

use super::{Blob, BlobError};
use crate::telemetry::{chain, traces};

/// S3 that sends nothing for so long, half way through an object, has gone.
const SILENCE: Duration = Duration::from_mins(1);
/// Documents we write beside recordings have about a kilobyte.
const LARGEST_DOCUMENT: u64 = 1024 * 1024;

/// What S3 says about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// Its size in bytes.
    pub size: u64,
    /// S3's tag of this version.
    pub etag: String,
    /// Names and values kept with it.
    pub metadata: BTreeMap<String, String>,
}

/// An object's bytes on their way.
pub struct Reading {
    /// Bytes of this answer.
    pub length: u64,
    /// S3's tag of this version.
    pub etag: String,
    /// The bytes; an error ends them. When all of an object was asked for, its checksum is verified on the way.
    pub bytes: BoxStream<'static, Result<Bytes, BlobError>>,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("length", &self.length).field("etag", &self.etag).finish_non_exhaustive()
    }
}

impl Blob {
    /// What S3 says about an object; `None` if there is none.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectHead>, BlobError> {
        let answer = self.client.head_object().bucket(&*self.bucket).key(key).send();
        let answer = answer.instrument(traces::storage("HeadObject", &self.bucket, key)).await;
        match answer.map_err(|error| BlobError::of("look at an object", key, error)) {
            Ok(answer) => Ok(Some(ObjectHead {
                size: answer.content_length().and_then(|length| u64::try_from(length).ok()).unwrap_or(0),
                etag: answer.e_tag().unwrap_or_default().to_owned(),
                metadata: answer.metadata().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect(),
            })),
            Err(BlobError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads an object, or the bytes of `range` of it, as a stream.
    pub async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Reading, BlobError> {
        const WHAT: &str = "read an object";
        let range = range.map(|range| format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let trace = traces::storage("GetObject", &self.bucket, key);
        let request = self.client.get_object().bucket(&*self.bucket).key(key).set_range(range);
        let sending = async { request.send().await.map_err(|error| BlobError::of(WHAT, key, error)) };
        let answer = traces::told(trace.clone(), sending).await?;
        let length = answer.content_length().and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
        let etag = answer.e_tag().unwrap_or_default().to_owned();
        Ok(Reading { length, etag, bytes: stream(answer.body, trace).boxed() })
    }

    /// Reads a document that `put_json` wrote; `None` if there is none, `Corrupt` if it is none of this shape.
    pub async fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, BlobError> {
        let mut reading = match self.get(key, None).await {
            Ok(reading) => reading,
            Err(BlobError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let corrupt = |source| BlobError::Corrupt { what: "read a document", source };
        if reading.length > LARGEST_DOCUMENT {
            return Err(corrupt(format!("it has {} bytes", reading.length).into()));
        }
        let mut text = Vec::new();
        while let Some(chunk) = reading.bytes.next().await {
            text.extend_from_slice(&chunk?);
        }
        serde_json::from_slice(&text).map(Some).map_err(|error| corrupt(error.into()))
    }
}

/// The bytes as they come; the span lasts as long as they do.
fn stream(body: ByteStream, trace: Span) -> impl futures_util::Stream<Item = Result<Bytes, BlobError>> {
    unfold(Some((body, trace)), |state| async move {
        let (mut body, trace) = state?;
        let next = tokio::time::timeout(SILENCE, body.next()).instrument(trace.clone()).await;
        let error = match next {
            Ok(Some(Ok(chunk))) => return Some((Ok(chunk), Some((body, trace)))),
            Ok(None) => return None,
            Ok(Some(Err(error))) => damaged_or_cut(error),
            Err(silence) => BlobError::unavailable("read on", silence),
        };
        traces::failed(&trace, "storage", &chain(&error));
        Some((Err(error), None))
    })
}

fn damaged_or_cut(error: aws_sdk_s3::primitives::ByteStreamError) -> BlobError {
    const WHAT: &str = "read on";
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(error_below) = cause {
        if error_below.is::<aws_smithy_checksums::body::validate::Error>() {
            return BlobError::Corrupt { what: WHAT, source: error.into() };
        }
        cause = error_below.source();
    }
    BlobError::unavailable(WHAT, error)
}
