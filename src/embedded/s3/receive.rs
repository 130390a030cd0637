//! A body on its way to the disk: hashed and written off the runtime's threads while the next bytes arrive, and nobody's
//! until every promise about it was checked. What does not live here: making it visible.

use std::{collections::BTreeSet, fs::File, io, io::Write, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::StreamExt;
use s3s::{
    S3Error, S3Result, TrailingHeaders,
    checksum::ChecksumHasher,
    crypto::{Checksum, Md5},
    dto::StreamingBlob,
    s3_error,
};
use tokio::task::JoinHandle;

use super::{
    checksum::{self, Algorithm, Sums},
    disk::{Content, Disk},
    record::Segment,
    storage::broken,
};

/// Bytes gathered before the disk is asked: large enough that the hop to its thread costs nothing, small enough that a
/// hundred connections stay under 100 MiB.
const BATCH_BYTES: usize = 512 * 1024;
/// A client that sends nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// S3's own limit for one body.
const LARGEST_BODY: u64 = 5 * 1024 * 1024 * 1024;

/// What the client promised about a body.
#[derive(Default)]
pub(super) struct Promise {
    pub(super) length: Option<i64>,
    pub(super) md5: Option<String>,
    pub(super) sums: Sums,
    /// Asked for, by name or by announcing a trailer.
    pub(super) algorithms: BTreeSet<Algorithm>,
    pub(super) trailers: Option<TrailingHeaders>,
}

/// A body that kept its promises.
pub(super) struct Received {
    pub(super) content: Content,
    pub(super) segment: Segment,
    /// MD5, in hex: the etag of a body.
    pub(super) etag: String,
    pub(super) sums: Sums,
}

/// Takes the body in. Its bytes are removed again on any error, and when the client goes away half way.
pub(super) async fn receive(disk: &Arc<Disk>, body: Option<StreamingBlob>, promise: Promise) -> S3Result<Received> {
    let mut algorithms = promise.algorithms;
    algorithms.extend(promise.sums.algorithms());
    if algorithms.is_empty() {
        algorithms.insert(Algorithm::Crc64Nvme);
    }
    let (name, file) = disk.new_segment().map_err(broken)?;
    // from here on dropping `content` removes the file
    let mut content = Content::unpublished(Arc::clone(disk), vec![Segment { name: name.clone(), size: 0 }]);
    let sink = Sink { disk: Arc::clone(disk), name, file, md5: Md5::new(), hasher: checksum::hasher(&algorithms), size: 0 };
    let sink = drain(body, sink).await?;
    let written = tokio::task::spawn_blocking(move || sink.finish()).await.map_err(S3Error::internal_error)?.map_err(broken)?;

    if promise.length.is_some_and(|length| u64::try_from(length) != Ok(written.segment.size)) {
        return Err(s3_error!(IncompleteBody));
    }
    if promise.md5.is_some_and(|md5| md5 != STANDARD.encode(written.md5)) {
        return Err(s3_error!(BadDigest, "the Content-MD5 you sent does not match what arrived"));
    }
    let trailers = promise.trailers.and_then(|trailers| trailers.take()).unwrap_or_default();
    promise.sums.with_trailers(&trailers).must_match(&written.sums)?;
    content.segments = vec![written.segment.clone()];
    Ok(Received { content, segment: written.segment, etag: hex::encode(written.md5), sums: written.sums })
}

/// Reads the next batch while the one before it is written.
async fn drain(body: Option<StreamingBlob>, sink: Sink) -> S3Result<Sink> {
    let Some(mut body) = body else { return Ok(sink) };
    let mut received = 0_u64;
    let mut batch = next_batch(&mut body).await?;
    let mut sink = sink;
    while !batch.is_empty() {
        received += batch.iter().map(length).sum::<u64>();
        if received > LARGEST_BODY {
            return Err(s3_error!(EntityTooLarge));
        }
        let writing: JoinHandle<io::Result<Sink>> = tokio::task::spawn_blocking(move || sink.take(&batch));
        let next = next_batch(&mut body).await;
        sink = writing.await.map_err(S3Error::internal_error)?.map_err(broken)?;
        batch = next?;
    }
    Ok(sink)
}

fn length(chunk: &Bytes) -> u64 {
    u64::try_from(chunk.len()).unwrap_or(u64::MAX)
}

/// The next bytes, or none at the end.
async fn next_batch(body: &mut StreamingBlob) -> S3Result<Vec<Bytes>> {
    let mut batch = Vec::new();
    let mut gathered = 0;
    while gathered < BATCH_BYTES {
        let chunk = tokio::time::timeout(SILENCE, body.next()).await.map_err(|_| s3_error!(RequestTimeout))?;
        let Some(chunk) = chunk else { break };
        let chunk = chunk.map_err(|error| s3_error!(IncompleteBody, "{error}"))?;
        gathered += chunk.len();
        if !chunk.is_empty() {
            batch.push(chunk);
        }
    }
    Ok(batch)
}

struct Sink {
    disk: Arc<Disk>,
    name: String,
    file: File,
    md5: Md5,
    hasher: ChecksumHasher,
    size: u64,
}

struct Written {
    segment: Segment,
    md5: [u8; 16],
    sums: Sums,
}

impl Sink {
    fn take(mut self, chunks: &[Bytes]) -> io::Result<Self> {
        for chunk in chunks {
            self.md5.update(chunk);
            self.hasher.update(chunk);
            self.file.write_all(chunk)?;
            self.size += length(chunk);
        }
        Ok(self)
    }

    fn finish(self) -> io::Result<Written> {
        self.disk.settle_segment(&self.name, &self.file)?;
        let segment = Segment { name: self.name, size: self.size };
        Ok(Written { segment, md5: self.md5.finalize(), sums: checksum::computed(self.hasher) })
    }
}
