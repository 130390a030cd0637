//! An S3 server of the test's own, and clients for it.

use std::path::{Path, PathBuf};

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use callscribe::{
    blob::{Blob, IfMissing},
    config::{AccessKeys, BlobSettings},
    embedded::{
        Durability,
        s3::{EmbeddedS3, EmbeddedS3Options},
    },
};

use super::temp_dir;

/// The keys of every test's server.
pub(crate) const ACCESS_KEY: &str = "test";
pub(crate) const SECRET_KEY: &str = "testsecret";
/// The bucket that is there from the start.
pub(crate) const BUCKET: &str = "recordings";

/// A server with one empty bucket.
#[derive(Debug)]
pub(crate) struct TestS3 {
    server: EmbeddedS3,
    dir: PathBuf,
}

/// Starts a server for this test alone; it ends with the test.
pub(crate) async fn s3() -> TestS3 {
    let s3 = s3_in(temp_dir("s3")).await;
    s3.client().create_bucket().bucket(BUCKET).send().await.expect("the bucket is made");
    s3
}

/// Starts a server in a directory that may have had one before.
pub(crate) async fn s3_in(dir: PathBuf) -> TestS3 {
    let options = EmbeddedS3Options {
        dir: dir.clone(),
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.into(),
        durability: Durability::Throwaway,
    };
    TestS3 { server: EmbeddedS3::start(options).await.expect("the S3 server starts"), dir }
}

impl TestS3 {
    pub(crate) fn endpoint(&self) -> String {
        self.server.endpoint_url()
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A client that tries once.
    pub(crate) fn client(&self) -> Client {
        client(&self.endpoint(), ACCESS_KEY, SECRET_KEY)
    }

    /// Settings that point here.
    pub(crate) fn settings(&self) -> BlobSettings {
        settings(&self.endpoint())
    }

    /// The bucket as the product sees it.
    pub(crate) async fn blob(&self) -> Blob {
        let blob = Blob::connect(&self.settings()).await;
        blob.ensure_bucket(IfMissing::Create).await.expect("the bucket is there");
        blob
    }

    /// Stops cleanly and says where everything is.
    pub(crate) async fn stop(self) -> PathBuf {
        self.server.stop().await;
        self.dir
    }

    /// Files of bytes on the disk.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let shards = std::fs::read_dir(self.dir.join("segments")).expect("the directory of segments");
        let files = shards.flat_map(|shard| std::fs::read_dir(shard.expect("a shard").path()).expect("a shard"));
        files.map(|file| file.expect("a segment").path()).collect()
    }
}

/// Settings that point to a server of a test.
pub(crate) fn settings(endpoint: &str) -> BlobSettings {
    let keys = AccessKeys { access_key_id: ACCESS_KEY.to_owned(), secret_access_key: SECRET_KEY.into(), session_token: None };
    BlobSettings { endpoint_url: Some(endpoint.to_owned()), keys: Some(keys), ..BlobSettings::for_bucket(BUCKET) }
}

/// The SDK as anyone would set it up, trying once.
pub(crate) fn client(endpoint: &str, access_key: &str, secret_key: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}
