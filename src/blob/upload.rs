//! One object on its way into the bucket, as a stream.
//!
//! A small body is one request. A larger one goes in parts: a part in memory holds one of the process's permits from its
//! second block until S3 has it, so memory is bounded however many uploads run and however large they are.
//! Until `finish` returned, nothing is visible. Every way out but that one clears the parts away: an error, a cancelled
//! future, a drop. Only a process that is killed leaves parts behind, which `Blob::abort_stale_uploads` removes.

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use ring::digest;
use tokio::{
    sync::OwnedSemaphorePermit,
    task::{JoinError, JoinSet},
};

use super::{
    Blob, BlobError,
    body::{BLOCK, Gathered, resendable},
    checksum::{Proof, prove, prove_whole},
};
use crate::{config::Checksums, telemetry::traces};

/// What is said about an object beside its bytes.
#[derive(Debug, Clone, Default)]
pub struct ObjectDescription {
    /// Its media type.
    pub content_type: Option<String>,
    /// Names and values that S3 keeps with it.
    pub metadata: BTreeMap<String, String>,
}

/// An object that is complete in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of the bytes as they passed, lower-case hex.
    pub sha256: String,
    /// S3's tag of this version.
    pub etag: String,
}

/// An object on its way.
pub struct Upload {
    blob: Blob,
    key: String,
    description: ObjectDescription,
    gathered: Gathered,
    permit: Option<OwnedSemaphorePermit>,
    parts: Option<Parts>,
    sha256: digest::Context,
    size: u64,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("key", &self.key).field("size", &self.size).finish_non_exhaustive()
    }
}

/// An upload in parts that S3 knows of.
struct Parts {
    upload_id: String,
    last_number: i32,
    on_their_way: JoinSet<Result<DonePart, BlobError>>,
    done: Vec<DonePart>,
}

struct DonePart {
    number: i32,
    crc: u64,
    size: u64,
    etag: Option<String>,
    proof: Proof,
}

impl Blob {
    /// Begins an object; S3 hears of it with the first full part or at the end.
    #[must_use]
    pub fn upload(&self, key: impl Into<String>, description: ObjectDescription) -> Upload {
        Upload {
            blob: self.clone(),
            key: key.into(),
            description,
            gathered: Gathered::default(),
            permit: None,
            parts: None,
            sha256: digest::Context::new(&digest::SHA256),
            size: 0,
        }
    }

    /// Stores a small document as JSON.
    pub async fn put_json(&self, key: &str, document: &(impl serde::Serialize + Sync)) -> Result<StoredObject, BlobError> {
        let text = serde_json::to_vec(document).map_err(|error| BlobError::Refused {
            what: "write a document",
            code: "it cannot be written as JSON".to_owned(),
            source: error.into(),
        })?;
        let description = ObjectDescription { content_type: Some("application/json".to_owned()), ..Default::default() };
        let mut upload = self.upload(key, description);
        upload.push(text.into()).await?;
        upload.finish().await
    }
}

impl Upload {
    /// Bytes taken so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Gives the object another key and a content type. Once S3 has heard of it, with its first full part, that is too late and
    /// nothing changes.
    pub fn call_it(&mut self, key: impl Into<String>, content_type: &str) {
        if self.parts.is_none() {
            self.key = key.into();
            self.description.content_type = Some(content_type.to_owned());
        }
    }

    /// Takes the next bytes; waits while the process holds as many parts as it may. An error here is final: drop the upload.
    pub async fn push(&mut self, mut chunk: Bytes) -> Result<(), BlobError> {
        self.sha256.update(&chunk);
        self.size = self.size.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        while !chunk.is_empty() {
            // one block is free, so that slow and small bodies do not keep the others waiting
            if self.permit.is_none() && self.gathered.len() + chunk.len() > BLOCK {
                self.permit = Some(self.take_permit().await?);
            }
            let room = self.blob.part_bytes.saturating_sub(self.gathered.len());
            self.gathered.push(&chunk.split_to(room.min(chunk.len())));
            if self.gathered.len() >= self.blob.part_bytes {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    /// Makes the object visible, whole, in place of any other of its key.
    pub async fn finish(mut self) -> Result<StoredObject, BlobError> {
        let sha256 = hex::encode(self.sha256.clone().finish());
        if self.parts.is_some() {
            if self.gathered.len() > 0 {
                self.send_part().await?;
            }
            let etag = self.complete().await?;
            return Ok(self.stored(sha256, etag));
        }
        let etag = self.put_whole(&sha256).await?;
        Ok(self.stored(sha256, etag))
    }

    /// Clears away what S3 already has, and waits until it is gone.
    pub async fn abort(mut self) -> Result<(), BlobError> {
        match self.parts.take() {
            Some(parts) => abort(&self.blob, &self.key, parts).await,
            None => Ok(()),
        }
    }

    fn stored(&mut self, sha256: String, etag: String) -> StoredObject {
        StoredObject { key: std::mem::take(&mut self.key), size: self.size, sha256, etag }
    }

    async fn take_permit(&self) -> Result<OwnedSemaphorePermit, BlobError> {
        let permit = Arc::clone(&self.blob.permits).acquire_owned().await;
        permit.map_err(|closed| BlobError::unavailable("upload a part", closed))
    }

    async fn send_part(&mut self) -> Result<(), BlobError> {
        let chunks = std::mem::take(&mut self.gathered).into_chunks();
        let permit = self.permit.take();
        let checksums = self.blob.checksums;
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => {
                let upload_id = self.blob.create_upload(&self.key, &self.description).await?;
                self.parts.insert(Parts { upload_id, last_number: 0, on_their_way: JoinSet::new(), done: Vec::new() })
            }
        };
        // a part that failed ends the upload now, not after the rest was fetched
        while let Some(ended) = parts.on_their_way.try_join_next() {
            parts.done.push(flatten(ended)?);
        }
        parts.last_number += 1;
        let (blob, key, upload_id, number) = (self.blob.clone(), self.key.clone(), parts.upload_id.clone(), parts.last_number);
        // made here, where the run is known that the part belongs to
        let trace = traces::storage("UploadPart", &self.blob.bucket, &self.key);
        trace.record("aws.s3.part_number", i64::from(number));
        parts.on_their_way.spawn(async move {
            let (proof, crc) = prove(checksums, &chunks);
            let done = traces::told(trace, blob.send_part(&key, &upload_id, number, chunks, proof, crc)).await;
            drop(permit);
            done
        });
        Ok(())
    }

    async fn complete(&mut self) -> Result<String, BlobError> {
        let Some(parts) = &mut self.parts else { return Ok(String::new()) };
        while let Some(ended) = parts.on_their_way.join_next().await {
            parts.done.push(flatten(ended)?);
        }
        parts.done.sort_by_key(|part| part.number);
        let sizes: Vec<(u64, u64)> = parts.done.iter().map(|part| (part.crc, part.size)).collect();
        let whole = prove_whole(self.blob.checksums, &sizes);
        let list = CompletedMultipartUpload::builder().set_parts(Some(parts.done.iter().map(completed).collect())).build();
        let mut request = self.blob.client.complete_multipart_upload().bucket(&*self.blob.bucket).key(&self.key);
        request = request.upload_id(&parts.upload_id).multipart_upload(list);
        request = match whole {
            Some(Proof::Crc64Nvme(crc)) => request.checksum_crc64_nvme(crc).checksum_type(ChecksumType::FullObject),
            Some(Proof::Crc32c(crc)) => request.checksum_crc32_c(crc).checksum_type(ChecksumType::FullObject),
            Some(Proof::Sha256(_) | Proof::Md5(_)) | None => request,
        };
        let (bucket, key) = (&*self.blob.bucket, self.key.as_str());
        let sending = async { request.send().await.map_err(|error| BlobError::of("complete an upload", key, error)) };
        let answer = traces::storing("CompleteMultipartUpload", bucket, key, sending).await?;
        // from here on it is an object: nothing is left to clear away
        self.parts = None;
        Ok(answer.e_tag().unwrap_or_default().to_owned())
    }

    async fn put_whole(&mut self, sha256: &str) -> Result<String, BlobError> {
        let chunks = std::mem::take(&mut self.gathered).into_chunks();
        let (proof, _) = prove(self.blob.checksums, &chunks);
        let metadata = self.description.metadata.clone().into_iter().chain([("sha256".to_owned(), sha256.to_owned())]);
        let mut request = self.blob.client.put_object().bucket(&*self.blob.bucket).key(&self.key).body(resendable(chunks));
        request = request.set_content_type(self.description.content_type.clone()).set_metadata(Some(metadata.collect()));
        request = match proof {
            Proof::Crc64Nvme(crc) => request.checksum_crc64_nvme(crc),
            Proof::Crc32c(crc) => request.checksum_crc32_c(crc),
            Proof::Sha256(sha) => request.checksum_sha256(sha),
            Proof::Md5(md5) => request.content_md5(md5),
        };
        let (bucket, key) = (&*self.blob.bucket, self.key.as_str());
        let sending = async { request.send().await.map_err(|error| BlobError::of("store an object", key, error)) };
        let answer = traces::storing("PutObject", bucket, key, sending).await?;
        Ok(answer.e_tag().unwrap_or_default().to_owned())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else { return };
        let (blob, key) = (self.blob.clone(), std::mem::take(&mut self.key));
        let clear_away = async move {
            if let Err(error) = abort(&blob, &key, parts).await {
                tracing::warn!(error = %error, "could not clear away an unfinished upload: a recordings worker will");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(self.blob.aborts.spawn_on(clear_away, &runtime)),
            Err(_) => tracing::warn!("an unfinished upload was dropped outside the runtime: a recordings worker will clear it away"),
        }
    }
}

/// Stops the parts on their way first, so that none arrives after the upload is gone.
async fn abort(blob: &Blob, key: &str, mut parts: Parts) -> Result<(), BlobError> {
    parts.on_their_way.shutdown().await;
    blob.abort_upload(key, &parts.upload_id).await
}

fn flatten(ended: Result<Result<DonePart, BlobError>, JoinError>) -> Result<DonePart, BlobError> {
    ended.map_err(|error| BlobError::unavailable("upload a part", error))?
}

fn completed(part: &DonePart) -> CompletedPart {
    let answer = CompletedPart::builder().part_number(part.number).set_e_tag(part.etag.clone());
    match part.proof.clone() {
        Proof::Crc64Nvme(crc) => answer.checksum_crc64_nvme(crc).build(),
        Proof::Crc32c(crc) => answer.checksum_crc32_c(crc).build(),
        Proof::Sha256(sha) => answer.checksum_sha256(sha).build(),
        Proof::Md5(_) => answer.build(),
    }
}

impl Blob {
    pub(super) async fn create_upload(&self, key: &str, description: &ObjectDescription) -> Result<String, BlobError> {
        const WHAT: &str = "begin an upload";
        let (algorithm, kind) = match self.checksums {
            Checksums::Crc64Nvme => (Some(ChecksumAlgorithm::Crc64Nvme), Some(ChecksumType::FullObject)),
            Checksums::Crc32c => (Some(ChecksumAlgorithm::Crc32C), Some(ChecksumType::FullObject)),
            Checksums::Sha256 => (Some(ChecksumAlgorithm::Sha256), None),
            Checksums::WhenRequired => (None, None),
        };
        let request = self.client.create_multipart_upload().bucket(&*self.bucket).key(key);
        let request = request.set_content_type(description.content_type.clone());
        let request = request.set_metadata(Some(description.metadata.clone().into_iter().collect()));
        let request = request.set_checksum_algorithm(algorithm).set_checksum_type(kind);
        let sending = async { request.send().await.map_err(|error| BlobError::of(WHAT, key, error)) };
        let answer = traces::storing("CreateMultipartUpload", &self.bucket, key, sending).await?;
        let upload_id = answer.upload_id().map(str::to_owned);
        upload_id.ok_or_else(|| BlobError::unavailable(WHAT, "the answer names no upload"))
    }

    async fn send_part(
        &self,
        key: &str,
        upload_id: &str,
        number: i32,
        chunks: Arc<[Bytes]>,
        proof: Proof,
        crc: u64,
    ) -> Result<DonePart, BlobError> {
        let size = chunks.iter().map(|chunk| u64::try_from(chunk.len()).unwrap_or(u64::MAX)).sum();
        let request = self.client.upload_part().bucket(&*self.bucket).key(key).upload_id(upload_id).part_number(number);
        let request = match proof.clone() {
            Proof::Crc64Nvme(crc) => request.checksum_crc64_nvme(crc),
            Proof::Crc32c(crc) => request.checksum_crc32_c(crc),
            Proof::Sha256(sha) => request.checksum_sha256(sha),
            Proof::Md5(md5) => request.content_md5(md5),
        };
        let answer = request.body(resendable(chunks)).send().await;
        let answer = answer.map_err(|error| BlobError::of("upload a part", key, error))?;
        Ok(DonePart { number, crc, size, etag: answer.e_tag().map(str::to_owned), proof })
    }

    /// Ends an upload; one that is already gone is fine.
    pub(super) async fn abort_upload(&self, key: &str, upload_id: &str) -> Result<(), BlobError> {
        let answer = self.client.abort_multipart_upload().bucket(&*self.bucket).key(key).upload_id(upload_id).send().await;
        match answer {
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_upload()) => Ok(()),
            answer => answer.map(|_| ()).map_err(|error| BlobError::of("abort an upload", key, error)),
        }
    }
}
