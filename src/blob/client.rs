//! The client: built from our settings, with the SDK's own search for what they leave open.

use std::{fmt, sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::{
    Client,
    config::{Credentials, RequestChecksumCalculation},
    types::{BucketLocationConstraint, CreateBucketConfiguration},
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::{BlobError, inflow::BODIES_AT_ONCE};
use crate::config::{BlobSettings, Checksums};

/// S3 stands in every region: a connection that takes longer goes nowhere.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// One try of one request, a whole part included: 5 MiB in this time is 45 kB/s.
const ATTEMPT_PATIENCE: Duration = Duration::from_mins(2);
/// One request with all its tries.
const REQUEST_PATIENCE: Duration = Duration::from_mins(5);
/// Tries within one request, for faults of a moment; longer ones are the ledger's to wait out.
const TRIES: u32 = 3;
/// Where an S3 that is not Amazon's is, when nobody says: it must be signed for somewhere.
const ANYWHERE: &str = "us-east-1";

/// A bucket. Cloning it clones a handle; all clones share the bounds on parts in memory and on bodies that pour in.
#[derive(Clone)]
pub struct Blob {
    pub(super) client: Client,
    pub(super) bucket: Arc<str>,
    pub(super) checksums: Checksums,
    pub(super) part_bytes: usize,
    pub(super) permits: Arc<Semaphore>,
    pub(super) inflows: Arc<Semaphore>,
    /// Uploads being cleared away behind the back of whoever dropped them.
    pub(super) aborts: TaskTracker,
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

/// What to do about a bucket that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMissing {
    /// Make it: for the embedded S3.
    Create,
    /// Say so: a bucket of an organisation is made by its people.
    Refuse,
}

impl Blob {
    /// Builds the client. Asks nobody but, when the settings hold no keys, whoever the SDK takes them from.
    pub async fn connect(settings: &BlobSettings) -> Self {
        let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_PATIENCE)
            .operation_attempt_timeout(ATTEMPT_PATIENCE)
            .operation_timeout(REQUEST_PATIENCE)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(TRIES));
        let region = settings.region.clone().or_else(|| settings.endpoint_url.as_ref().map(|_| ANYWHERE.to_owned()));
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        if let Some(keys) = &settings.keys {
            let token = keys.session_token.as_ref().map(|token| token.expose_secret().to_owned());
            let secret = keys.secret_access_key.expose_secret();
            loader = loader.credentials_provider(Credentials::new(&keys.access_key_id, secret, token, None, "callscribe settings"));
        }
        let mut config = aws_sdk_s3::config::Builder::from(&loader.load().await);
        if let Some(endpoint) = &settings.endpoint_url {
            config = config.endpoint_url(endpoint).force_path_style(true);
        }
        if settings.checksums == Checksums::WhenRequired {
            config = config.request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        }
        Self {
            client: Client::from_conf(config.build()),
            bucket: settings.bucket.as_str().into(),
            checksums: settings.checksums,
            part_bytes: settings.part_bytes,
            permits: Arc::new(Semaphore::new(settings.parts_in_flight)),
            inflows: Arc::new(Semaphore::new(BODIES_AT_ONCE)),
            aborts: TaskTracker::new(),
        }
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The `s3://` address of an object.
    #[must_use]
    pub fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    /// Fails unless the bucket is there and ours to use.
    pub async fn ensure_bucket(&self, if_missing: IfMissing) -> Result<(), BlobError> {
        const WHAT: &str = "look for the bucket";
        let answer = self.client.head_bucket().bucket(&*self.bucket).send().await;
        match answer.map_err(|error| BlobError::of(WHAT, &self.bucket, error)) {
            Ok(_) => Ok(()),
            Err(BlobError::NotFound { .. }) if if_missing == IfMissing::Create => self.create_bucket().await,
            Err(BlobError::NotFound { .. }) => {
                let source = format!("bucket `{}` does not exist: create it, or set `CALL_RECORDING_BUCKET`", self.bucket).into();
                Err(BlobError::Refused { what: WHAT, code: "NoSuchBucket".to_owned(), source })
            }
            Err(error) => Err(error),
        }
    }

    async fn create_bucket(&self) -> Result<(), BlobError> {
        let region = self.client.config().region().map(Region::as_ref).filter(|region| *region != ANYWHERE);
        let place =
            region.map(|region| CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region)).build());
        let answer = self.client.create_bucket().bucket(&*self.bucket).set_create_bucket_configuration(place).send().await;
        match answer.map_err(|error| BlobError::of("create the bucket", &self.bucket, error)) {
            // two processes may start at once
            Err(BlobError::Refused { code, .. }) if code == "BucketAlreadyOwnedByYou" => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// Removes an object; removing one that is not there is fine.
    pub async fn delete(&self, key: &str) -> Result<(), BlobError> {
        let answer = self.client.delete_object().bucket(&*self.bucket).key(key).send().await;
        answer.map(|_| ()).map_err(|error| BlobError::of("delete an object", key, error))
    }

    /// Waits, up to `patience`, until uploads that were dropped half way are cleared away: call it before the process ends.
    pub async fn settle(&self, patience: Duration) {
        self.aborts.close();
        if tokio::time::timeout(patience, self.aborts.wait()).await.is_err() {
            tracing::warn!(uploads.open = self.aborts.len(), "could not clear away every unfinished upload: a recordings worker will");
        }
        self.aborts.reopen();
    }
}
