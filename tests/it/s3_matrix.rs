//! The promises of S3 that other servers were seen to break, each asked of ours through the real SDK over a real socket.

mod crashes;
mod lists;
mod multipart;
mod objects;
mod signatures;

use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
};
use bytes::Bytes;

use crate::harness::BUCKET;

/// Bytes that look like nothing in particular and the same every time.
pub(crate) fn noise(length: usize) -> Bytes {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

/// S3's word for the error, which must be one.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug, R: std::fmt::Debug>(answer: Result<T, SdkError<E, R>>) -> String {
    match answer {
        Err(SdkError::ServiceError(error)) => error.err().code().unwrap_or("no code").to_owned(),
        other => panic!("expected an error of S3's own, got {other:?}"),
    }
}

async fn put(client: &Client, key: &str, bytes: &Bytes) {
    client.put_object().bucket(BUCKET).key(key).body(ByteStream::from(bytes.clone())).send().await.unwrap();
}

async fn body(client: &Client, key: &str) -> Bytes {
    client.get_object().bucket(BUCKET).key(key).send().await.unwrap().body.collect().await.unwrap().into_bytes()
}

async fn exists(client: &Client, key: &str) -> bool {
    client.head_object().bucket(BUCKET).key(key).send().await.is_ok()
}
