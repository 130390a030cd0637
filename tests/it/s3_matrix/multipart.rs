//! Uploads in parts.

use aws_sdk_s3::{
    Client,
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart},
};
use bytes::Bytes;

use super::{body, code, exists, noise, put};
use crate::harness::{BUCKET, TestS3, s3, s3_in};

/// S3's smallest part.
const PART: usize = 5 * 1024 * 1024;

pub(super) async fn begin(client: &Client, key: &str) -> String {
    client.create_multipart_upload().bucket(BUCKET).key(key).send().await.unwrap().upload_id().unwrap().to_owned()
}

pub(super) async fn part(client: &Client, key: &str, id: &str, number: i32, bytes: &Bytes) -> CompletedPart {
    let request = client.upload_part().bucket(BUCKET).key(key).upload_id(id).part_number(number);
    let answer = request.body(ByteStream::from(bytes.clone())).send().await.unwrap();
    CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag().map(str::to_owned)).build()
}

pub(super) fn list(parts: impl IntoIterator<Item = CompletedPart>) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder().set_parts(Some(parts.into_iter().collect())).build()
}

async fn uploads(s3: &TestS3) -> usize {
    s3.client().list_multipart_uploads().bucket(BUCKET).send().await.unwrap().uploads().len()
}

#[tokio::test]
async fn checksums_of_parts_and_of_the_whole_are_made_and_compared() {
    let s3 = s3().await;
    let client = s3.client();
    let bytes = noise(PART);
    let kinds = [
        (ChecksumAlgorithm::Crc32C, None),
        (ChecksumAlgorithm::Crc32, Some(ChecksumType::FullObject)),
        (ChecksumAlgorithm::Sha256, None),
        (ChecksumAlgorithm::Sha1, None),
        (ChecksumAlgorithm::Crc64Nvme, Some(ChecksumType::FullObject)),
    ];
    for (algorithm, kind) in kinds {
        let key = algorithm.as_str();
        let create = client.create_multipart_upload().bucket(BUCKET).key(key).checksum_algorithm(algorithm.clone());
        let id = create.set_checksum_type(kind.clone()).send().await.unwrap().upload_id().unwrap().to_owned();
        let mut parts = Vec::new();
        for number in 1..=2 {
            let request = client.upload_part().bucket(BUCKET).key(key).upload_id(&id).part_number(number);
            let answer = request.checksum_algorithm(algorithm.clone()).body(ByteStream::from(bytes.clone())).send().await.unwrap();
            let part = CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag().map(str::to_owned));
            let part = part
                .set_checksum_crc32(answer.checksum_crc32().map(str::to_owned))
                .set_checksum_crc32_c(answer.checksum_crc32_c().map(str::to_owned))
                .set_checksum_crc64_nvme(answer.checksum_crc64_nvme().map(str::to_owned))
                .set_checksum_sha1(answer.checksum_sha1().map(str::to_owned))
                .set_checksum_sha256(answer.checksum_sha256().map(str::to_owned))
                .build();
            parts.push(part);
        }
        let complete = client.complete_multipart_upload().bucket(BUCKET).key(key).upload_id(&id).multipart_upload(list(parts));
        let done = complete.send().await.unwrap();
        let whole =
            [done.checksum_crc32(), done.checksum_crc32_c(), done.checksum_crc64_nvme(), done.checksum_sha1(), done.checksum_sha256()];
        let whole: Vec<&str> = whole.into_iter().flatten().collect();
        assert_eq!(whole.len(), 1, "{key}: {whole:?}");
        assert_eq!(whole[0].ends_with("-2"), kind.is_none(), "{key}: {whole:?}");
        assert!(done.e_tag().unwrap().ends_with("-2\""));
        // where the checksum is of the bytes, the SDK compares it while it reads
        let read = client.get_object().bucket(BUCKET).key(key).checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
        assert_eq!(read.body.collect().await.unwrap().into_bytes(), [bytes.clone(), bytes.clone()].concat(), "{key}");
    }
}

#[tokio::test]
async fn a_wrong_etag_part_or_order_is_refused_and_the_upload_kept() {
    let s3 = s3().await;
    let client = s3.client();
    let id = begin(&client, "k").await;
    let one = part(&client, "k", &id, 1, &noise(PART)).await;
    let two = part(&client, "k", &id, 2, &noise(7)).await;
    let complete = async |parts: CompletedMultipartUpload| {
        client.complete_multipart_upload().bucket(BUCKET).key("k").upload_id(&id).multipart_upload(parts).send().await
    };
    let wrong = CompletedPart::builder().part_number(1).e_tag("\"00000000000000000000000000000000\"").build();
    assert_eq!(code(complete(list([wrong])).await), "InvalidPart");
    let missing = CompletedPart::builder().part_number(3).e_tag("\"00000000000000000000000000000000\"").build();
    assert_eq!(code(complete(list([one.clone(), missing])).await), "InvalidPart");
    assert_eq!(code(complete(list([two.clone(), one.clone()])).await), "InvalidPartOrder");
    assert!(!exists(&client, "k").await);
    assert_eq!(uploads(&s3).await, 1);
    let first = complete(list([one.clone(), two.clone()])).await.unwrap();
    // the answer may have been lost: asked again, it is the same
    let again = complete(list([one, two])).await.unwrap();
    assert_eq!(first.e_tag(), again.e_tag());
    assert_eq!(body(&client, "k").await, [noise(PART), noise(7)].concat());
    assert_eq!(uploads(&s3).await, 0);
}

#[tokio::test]
async fn only_the_last_part_may_be_small() {
    let s3 = s3().await;
    let client = s3.client();
    let id = begin(&client, "k").await;
    let parts = [part(&client, "k", &id, 1, &noise(7)).await, part(&client, "k", &id, 2, &noise(7)).await];
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("k").upload_id(&id).multipart_upload(list(parts));
    assert_eq!(code(complete.send().await), "EntityTooSmall");
}

#[tokio::test]
async fn a_part_sent_again_replaces_the_one_before_and_one_left_out_is_freed() {
    let s3 = s3().await;
    let client = s3.client();
    let id = begin(&client, "k").await;
    part(&client, "k", &id, 1, &noise(10)).await;
    let one = part(&client, "k", &id, 1, &noise(20)).await;
    part(&client, "k", &id, 2, &noise(30)).await;
    assert_eq!(s3.segments().len(), 2);
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("k").upload_id(&id).multipart_upload(list([one]));
    complete.send().await.unwrap();
    assert_eq!(body(&client, "k").await, noise(20));
    assert_eq!(s3.segments().len(), 1);
}

#[tokio::test]
async fn a_part_with_a_wrong_checksum_is_no_part() {
    let s3 = s3().await;
    let client = s3.client();
    let id = begin(&client, "k").await;
    let request = client.upload_part().bucket(BUCKET).key("k").upload_id(&id).part_number(1).checksum_crc32_c("AAAAAA==");
    assert_eq!(code(request.body(ByteStream::from_static(b"bytes")).send().await), "BadDigest");
    let parts = client.list_parts().bucket(BUCKET).key("k").upload_id(&id).send().await.unwrap();
    assert!(parts.parts().is_empty());
    assert!(s3.segments().is_empty());
}

#[tokio::test]
async fn a_wrong_checksum_of_the_whole_is_refused_and_the_upload_kept() {
    let s3 = s3().await;
    let client = s3.client();
    let create = client.create_multipart_upload().bucket(BUCKET).key("k").checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
    let id = create.send().await.unwrap().upload_id().unwrap().to_owned();
    let one = part(&client, "k", &id, 1, &noise(100)).await;
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("k").upload_id(&id).multipart_upload(list([one]));
    assert_eq!(code(complete.checksum_crc64_nvme("AAAAAAAAAAA=").send().await), "BadDigest");
    assert_eq!(uploads(&s3).await, 1);
    assert!(!exists(&client, "k").await);
}

#[tokio::test]
async fn a_conditional_completion_does_not_replace_what_came_first() {
    let s3 = s3().await;
    let client = s3.client();
    let id = begin(&client, "k").await;
    let one = part(&client, "k", &id, 1, &noise(100)).await;
    put(&client, "k", &Bytes::from_static(b"first")).await;
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("k").upload_id(&id).multipart_upload(list([one]));
    assert_eq!(code(complete.if_none_match("*").send().await), "PreconditionFailed");
    assert_eq!(body(&client, "k").await, "first");
}

#[tokio::test]
async fn uploads_and_parts_are_listed_in_pages() {
    let s3 = s3().await;
    let client = s3.client();
    let mut ids = Vec::new();
    for key in ["a", "b", "b", "c"] {
        ids.push((key, begin(&client, key).await));
    }
    let (mut listed, mut key_marker, mut id_marker) = (Vec::new(), None, None);
    loop {
        let request = client.list_multipart_uploads().bucket(BUCKET).max_uploads(1);
        let page = request.set_key_marker(key_marker).set_upload_id_marker(id_marker).send().await.unwrap();
        listed.extend(page.uploads().iter().map(|upload| upload.key().unwrap().to_owned()));
        (key_marker, id_marker) = (page.next_key_marker().map(str::to_owned), page.next_upload_id_marker().map(str::to_owned));
        if page.is_truncated() != Some(true) {
            break;
        }
    }
    assert_eq!(listed, ["a", "b", "b", "c"]);
    let (key, id) = &ids[0];
    for number in [1, 2, 5] {
        part(&client, key, id, number, &noise(10)).await;
    }
    let first = client.list_parts().bucket(BUCKET).key(*key).upload_id(id).max_parts(2).send().await.unwrap();
    assert_eq!(first.parts().iter().map(|part| part.part_number().unwrap()).collect::<Vec<_>>(), [1, 2]);
    assert!(first.parts().iter().all(|part| part.e_tag().is_some() && part.size() == Some(10)));
    let marker = first.next_part_number_marker().unwrap();
    let rest = client.list_parts().bucket(BUCKET).key(*key).upload_id(id).part_number_marker(marker).send().await.unwrap();
    assert_eq!(rest.parts().iter().map(|part| part.part_number().unwrap()).collect::<Vec<_>>(), [5]);
}

#[tokio::test]
async fn an_aborted_upload_frees_the_disk_and_is_gone() {
    let s3 = s3().await;
    let client = s3.client();
    let id = begin(&client, "k").await;
    part(&client, "k", &id, 1, &noise(100)).await;
    client.abort_multipart_upload().bucket(BUCKET).key("k").upload_id(&id).send().await.unwrap();
    assert!(s3.segments().is_empty());
    let late = client.upload_part().bucket(BUCKET).key("k").upload_id(&id).part_number(2).body(ByteStream::from_static(b"x"));
    assert_eq!(code(late.send().await), "NoSuchUpload");
    assert_eq!(code(client.abort_multipart_upload().bucket(BUCKET).key("k").upload_id(&id).send().await), "NoSuchUpload");
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart() {
    let s3 = s3().await;
    let id = begin(&s3.client(), "k").await;
    let one = part(&s3.client(), "k", &id, 1, &noise(PART)).await;
    let s3 = s3_in(s3.stop().await).await;
    let client = s3.client();
    let two = part(&client, "k", &id, 2, &noise(11)).await;
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("k").upload_id(&id).multipart_upload(list([one, two]));
    complete.send().await.unwrap();
    assert_eq!(body(&client, "k").await, [noise(PART), noise(11)].concat());
    let range = client.get_object().bucket(BUCKET).key("k").range(format!("bytes={}-{}", PART - 2, PART + 1)).send().await.unwrap();
    let across = range.body.collect().await.unwrap().into_bytes();
    assert_eq!(across, [noise(PART).slice(PART - 2..), noise(11).slice(..2)].concat());
}
