//! Objects in and out of S3 as the product does it: in bounded memory, and without leaving parts behind.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use callscribe::{
    blob::{Blob, BlobError, IfMissing, ObjectDescription},
    config::{BlobSettings, Checksums},
};
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use crate::{
    harness::{BUCKET, TestS3, eventually, s3},
    s3_matrix::noise,
};

const PART: usize = 5 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

async fn store(blob: &Blob, key: &str, bytes: &Bytes, chunk: usize) -> Result<callscribe::blob::StoredObject, BlobError> {
    let mut upload = blob.upload(key, ObjectDescription::default());
    let mut rest = bytes.clone();
    while !rest.is_empty() {
        upload.push(rest.split_to(chunk.min(rest.len()))).await?;
    }
    upload.finish().await
}

async fn read(blob: &Blob, key: &str) -> Result<Vec<u8>, BlobError> {
    let reading = blob.get(key, None).await?;
    reading
        .bytes
        .try_fold(Vec::new(), async |mut all, chunk| {
            all.extend_from_slice(&chunk);
            Ok(all)
        })
        .await
}

async fn nothing_is_left(s3: &TestS3) {
    // the server learns of a connection cut half way through a part when it reads on
    eventually("no part is left on the disk", async || s3.segments().is_empty()).await;
    assert_eq!(s3.client().list_multipart_uploads().bucket(BUCKET).send().await.unwrap().uploads().len(), 0);
    assert_eq!(s3.client().list_objects_v2().bucket(BUCKET).send().await.unwrap().key_count(), Some(0));
}

#[tokio::test]
async fn an_object_of_any_size_comes_back_as_it_went() {
    let s3 = s3().await;
    let blob = s3.blob().await;
    for size in [0, 1, 300_000, PART - 1, PART, PART + 1, 3 * PART + 17] {
        let bytes = noise(size);
        let stored = store(&blob, "k", &bytes, 70_001).await.unwrap();
        assert_eq!(stored.size, u64::try_from(size).unwrap());
        assert_eq!(stored.sha256, Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let head = blob.head("k").await.unwrap().unwrap();
        assert_eq!((head.size, head.etag), (stored.size, stored.etag));
        assert!(read(&blob, "k").await.unwrap() == bytes, "{size} bytes came back otherwise");
    }
}

#[tokio::test]
async fn every_kind_of_checksum_stores_small_and_large_objects() {
    let s3 = s3().await;
    for checksums in [Checksums::Crc64Nvme, Checksums::Crc32c, Checksums::Sha256, Checksums::WhenRequired] {
        s3.blob().await;
        let blob = Blob::connect(&BlobSettings { checksums, ..s3.settings() }).await;
        for size in [10, PART + 10] {
            store(&blob, "k", &noise(size), 100_000).await.unwrap();
            assert!(read(&blob, "k").await.unwrap() == noise(size), "{checksums:?}");
        }
    }
}

#[tokio::test]
async fn a_dropped_upload_leaves_no_parts() {
    let s3 = s3().await;
    let blob = s3.blob().await;
    let mut upload = blob.upload("k", ObjectDescription::default());
    upload.push(noise(2 * PART + 5)).await.unwrap();
    drop(upload);
    blob.settle(PATIENCE).await;
    nothing_is_left(&s3).await;
}

#[tokio::test]
async fn an_aborted_upload_leaves_no_parts() {
    let s3 = s3().await;
    let blob = s3.blob().await;
    let mut upload = blob.upload("k", ObjectDescription::default());
    upload.push(noise(2 * PART + 5)).await.unwrap();
    upload.abort().await.unwrap();
    nothing_is_left(&s3).await;
}

#[tokio::test]
async fn a_cancelled_task_leaves_no_parts() {
    let s3 = s3().await;
    let blob = s3.blob().await;
    let task = tokio::spawn({
        let blob = blob.clone();
        async move {
            let mut upload = blob.upload("k", ObjectDescription::default());
            loop {
                upload.push(noise(PART)).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    eventually("a part has arrived", async || !s3.segments().is_empty()).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    blob.settle(PATIENCE).await;
    nothing_is_left(&s3).await;
}

#[tokio::test]
async fn the_same_upload_twice_leaves_one_object() {
    let s3 = s3().await;
    let blob = s3.blob().await;
    let bytes = noise(2 * PART + 5);
    let (one, two) = tokio::join!(store(&blob, "k", &bytes, 100_000), store(&blob, "k", &bytes, 300_000));
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(s3.client().list_objects_v2().bucket(BUCKET).send().await.unwrap().key_count(), Some(1));
    assert_eq!(s3.segments().len(), 3);
}

#[tokio::test]
async fn more_uploads_than_parts_in_memory_all_finish() {
    let s3 = s3().await;
    s3.blob().await;
    let blob = Blob::connect(&BlobSettings { parts_in_flight: 2, ..s3.settings() }).await;
    let bytes = Arc::new(noise(2 * PART + 5));
    let uploads = (0..6).map(|number| {
        let (blob, bytes) = (blob.clone(), Arc::clone(&bytes));
        tokio::spawn(async move { store(&blob, &format!("k{number}"), &bytes, 64_000).await })
    });
    for upload in uploads.collect::<Vec<_>>() {
        upload.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_range_is_read_across_parts() {
    let s3 = s3().await;
    let blob = s3.blob().await;
    let bytes = noise(2 * PART);
    store(&blob, "k", &bytes, 1_000_000).await.unwrap();
    let from = u64::try_from(PART).unwrap() - 10;
    let reading = blob.get("k", Some(from..from + 20)).await.unwrap();
    assert_eq!(reading.length, 20);
    let read: Vec<Bytes> = reading.bytes.try_collect().await.unwrap();
    assert_eq!(read.concat(), bytes[PART - 10..PART + 10]);
}

#[tokio::test]
async fn bytes_damaged_on_the_disk_are_noticed_when_read() {
    let s3 = s3().await;
    let blob = s3.blob().await;
    store(&blob, "k", &noise(PART + 1000), 1_000_000).await.unwrap();
    let segment = s3.segments().into_iter().next().unwrap();
    let mut damaged = std::fs::read(&segment).unwrap();
    damaged[100] ^= 1;
    std::fs::write(&segment, damaged).unwrap();
    assert!(matches!(read(&blob, "k").await, Err(BlobError::Corrupt { .. })));
}

#[tokio::test]
async fn each_trouble_has_its_kind() {
    let s3 = s3().await;
    let settings = s3.settings();
    let blob = s3.blob().await;
    assert!(matches!(blob.get("missing", None).await, Err(BlobError::NotFound { .. })));
    assert_eq!(blob.head("missing").await.unwrap(), None);
    assert_eq!(blob.get_json::<String>("missing").await.unwrap(), None);
    blob.put_json("document", &"text").await.unwrap();
    assert_eq!(blob.get_json::<String>("document").await.unwrap().as_deref(), Some("text"));
    assert!(matches!(blob.get_json::<u64>("document").await, Err(BlobError::Corrupt { .. })));
    blob.delete("document").await.unwrap();

    let mut wrong = settings.clone();
    wrong.keys.as_mut().unwrap().secret_access_key = "wrong".into();
    let refused = store(&Blob::connect(&wrong).await, "k", &noise(10), 10).await;
    assert!(matches!(refused, Err(BlobError::Refused { .. })), "{refused:?}");
    let other = Blob::connect(&BlobSettings { bucket: "other-bucket".to_owned(), ..settings.clone() }).await;
    assert!(matches!(store(&other, "k", &noise(10), 10).await, Err(BlobError::Refused { .. })));
    assert!(matches!(other.ensure_bucket(IfMissing::Refuse).await, Err(BlobError::Refused { .. })));
    other.ensure_bucket(IfMissing::Create).await.unwrap();

    s3.stop().await;
    let down = store(&blob, "k", &noise(10), 10).await;
    assert!(matches!(down, Err(BlobError::Unavailable { .. })), "{down:?}");
}
