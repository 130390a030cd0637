//! A trial of the bucket: everything that a recording will need, done once with a few bytes, and cleared away.

use bytes::Bytes;
use futures_util::StreamExt;

use super::{Blob, BlobError, ObjectDescription};

/// What is written and read back.
const CONTENT: &[u8] = b"callscribe was here: `callscribe doctor` writes this, reads it back and deletes it\n";

/// Whether a bucket has something, where it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It has.
    Yes,
    /// It has not.
    No,
    /// This S3 does not tell, or not us.
    Untold,
}

impl Blob {
    /// Writes an object under `key`, looks at it, reads it back and deletes it.
    pub async fn try_object(&self, key: &str) -> Result<(), BlobError> {
        let mut upload =
            self.upload(key, ObjectDescription { content_type: Some("text/plain".to_owned()), ..ObjectDescription::default() });
        upload.push(Bytes::from_static(CONTENT)).await?;
        let stored = upload.finish().await?;
        let tried = self.read_back(key, stored.size).await;
        self.delete(key).await?;
        tried
    }

    async fn read_back(&self, key: &str, size: u64) -> Result<(), BlobError> {
        let corrupt = |source: &str| BlobError::Corrupt { what: "read back an object", source: source.into() };
        if self.head(key).await?.is_none_or(|head| head.size != size) {
            return Err(corrupt("its size is not what was written"));
        }
        let mut reading = self.get(key, None).await?;
        let mut bytes = Vec::with_capacity(CONTENT.len());
        while let Some(chunk) = reading.bytes.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        if bytes == CONTENT { Ok(()) } else { Err(corrupt("its bytes are not what was written")) }
    }

    /// Begins an upload in parts under `key`, sends a part and aborts it.
    pub async fn try_upload_in_parts(&self, key: &str) -> Result<(), BlobError> {
        let upload_id = self.create_upload(key, &ObjectDescription::default()).await?;
        let request = self.client.upload_part().bucket(&*self.bucket).key(key).upload_id(&upload_id).part_number(1);
        let sent = request.body(Bytes::from_static(CONTENT).into()).send().await;
        self.abort_upload(key, &upload_id).await?;
        sent.map(|_| ()).map_err(|error| BlobError::of("upload a part", key, error))
    }

    /// Whether the bucket clears away unfinished uploads by a lifecycle rule.
    pub async fn clears_unfinished_uploads(&self) -> Told {
        const NO_RULES: &str = "NoSuchLifecycleConfiguration";
        let answer = self.client.get_bucket_lifecycle_configuration().bucket(&*self.bucket).send().await;
        match answer.map_err(|error| BlobError::of("read the lifecycle rules", &self.bucket, error)) {
            Ok(answer) => {
                let clears = |rule: &aws_sdk_s3::types::LifecycleRule| {
                    rule.status().as_str() == "Enabled" && rule.abort_incomplete_multipart_upload().is_some()
                };
                if answer.rules().iter().any(clears) { Told::Yes } else { Told::No }
            }
            Err(BlobError::Refused { code, .. }) if code == NO_RULES => Told::No,
            Err(_) => Told::Untold,
        }
    }

    /// Whether a policy lets everyone read the bucket.
    pub async fn is_public(&self) -> Told {
        const NO_POLICY: &str = "NoSuchBucketPolicy";
        let answer = self.client.get_bucket_policy_status().bucket(&*self.bucket).send().await;
        match answer.map_err(|error| BlobError::of("read the bucket's policy", &self.bucket, error)) {
            Ok(answer) => match answer.policy_status().and_then(aws_sdk_s3::types::PolicyStatus::is_public) {
                Some(true) => Told::Yes,
                Some(false) => Told::No,
                None => Told::Untold,
            },
            Err(BlobError::Refused { code, .. }) if code == NO_POLICY => Told::No,
            Err(_) => Told::Untold,
        }
    }
}
