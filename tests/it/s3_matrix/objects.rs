//! Objects: checksums, conditions, ranges, what is said about them.

use aws_sdk_s3::{
    primitives::{ByteStream, SdkBody},
    types::{ChecksumAlgorithm, ChecksumMode, MetadataDirective, ServerSideEncryption, Tag, Tagging},
};
use bytes::Bytes;

use super::{body, code, exists, noise, put};
use crate::harness::{BUCKET, s3};

#[tokio::test]
async fn every_checksum_is_taken_kept_and_told_again() {
    let s3 = s3().await;
    let client = s3.client();
    let bytes = noise(300_000);
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let key = algorithm.as_str();
        let request = client.put_object().bucket(BUCKET).key(key).checksum_algorithm(algorithm.clone());
        request.body(ByteStream::from(bytes.clone())).send().await.unwrap();
        let head = client.head_object().bucket(BUCKET).key(key).checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
        let told =
            [head.checksum_crc32(), head.checksum_crc32_c(), head.checksum_crc64_nvme(), head.checksum_sha1(), head.checksum_sha256()];
        assert_eq!(told.iter().flatten().count(), 1, "{key}: {told:?}");
        // the SDK compares the checksum while it reads
        assert_eq!(body(&client, key).await, bytes, "{key}");
        let quiet = client.head_object().bucket(BUCKET).key(key).send().await.unwrap();
        assert_eq!(quiet.checksum_sha256().or(quiet.checksum_crc32()), None, "{key}: told without being asked");
    }
}

#[tokio::test]
async fn an_object_without_a_wish_gets_the_checksum_that_s3_adds() {
    let s3 = s3().await;
    let client = s3.client();
    let request = client.put_object().bucket(BUCKET).key("k").content_md5("sQqNsWTgdUEFt6mb5y4/5Q==");
    request.body(ByteStream::from_static(b"Hello World")).send().await.unwrap();
    let head = client.head_object().bucket(BUCKET).key("k").checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
    assert!(head.checksum_crc64_nvme().is_some() || head.checksum_crc32().is_some());
    assert_eq!(head.e_tag(), Some("\"b10a8db164e0754105b7a99be72e3fe5\""));
}

#[tokio::test]
async fn a_streamed_body_is_proved_by_its_trailer() {
    let s3 = s3().await;
    let client = s3.client();
    let bytes = noise(1_000_000);
    let sent = bytes.clone();
    let streamed = ByteStream::new(SdkBody::retryable(move || {
        let chunks: Vec<_> = sent.chunks(65_536).map(|chunk| Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk))).collect();
        SdkBody::from_body_1_x(Chunks(chunks.into_iter()))
    }));
    let request = client.put_object().bucket(BUCKET).key("k").checksum_algorithm(ChecksumAlgorithm::Crc32C);
    request.content_length(1_000_000).body(streamed).send().await.unwrap();
    assert_eq!(body(&client, "k").await, bytes);
}

/// A body that the SDK cannot look into.
struct Chunks(std::vec::IntoIter<Result<Bytes, std::io::Error>>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = std::io::Error;
    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        std::task::Poll::Ready(self.0.next().map(|chunk| chunk.map(http_body::Frame::data)))
    }
}

#[tokio::test]
async fn a_wrong_checksum_is_refused_and_nothing_is_visible() {
    let s3 = s3().await;
    let client = s3.client();
    let request = || client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"bytes"));
    assert_eq!(code(request().checksum_crc32_c("AAAAAA==").send().await), "BadDigest");
    assert_eq!(code(request().checksum_sha256("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").send().await), "BadDigest");
    assert_eq!(code(request().content_md5("AAAAAAAAAAAAAAAAAAAAAA==").send().await), "BadDigest");
    assert!(!exists(&client, "k").await);
    assert_eq!(s3.segments(), Vec::<std::path::PathBuf>::new(), "refused bytes stay on the disk");
}

#[tokio::test]
async fn a_refused_overwrite_leaves_the_object_before_it() {
    let s3 = s3().await;
    let client = s3.client();
    put(&client, "k", &Bytes::from_static(b"old")).await;
    let request = client.put_object().bucket(BUCKET).key("k").checksum_crc32_c("AAAAAA==");
    assert_eq!(code(request.body(ByteStream::from_static(b"new")).send().await), "BadDigest");
    assert_eq!(body(&client, "k").await, "old");
}

#[tokio::test]
async fn an_overwritten_object_frees_its_bytes() {
    let s3 = s3().await;
    let client = s3.client();
    for round in 0..3 {
        put(&client, "k", &noise(1000 + round)).await;
    }
    assert_eq!(body(&client, "k").await, noise(1002));
    assert_eq!(s3.segments().len(), 1);
}

#[tokio::test]
async fn of_many_who_put_if_none_match_one_succeeds() {
    let s3 = s3().await;
    let client = s3.client();
    let puts = (0..16_u8).map(|number| {
        let request = client.put_object().bucket(BUCKET).key("k").if_none_match("*");
        tokio::spawn(request.body(ByteStream::from(vec![number; 50_000])).send())
    });
    let mut won = 0;
    for put in puts.collect::<Vec<_>>() {
        match put.await.unwrap() {
            Ok(_) => won += 1,
            refused => assert_eq!(code(refused), "PreconditionFailed"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(s3.segments().len(), 1);
}

#[tokio::test]
async fn if_match_guards_writes_and_reads() {
    let s3 = s3().await;
    let client = s3.client();
    put(&client, "k", &Bytes::from_static(b"old")).await;
    let etag = client.head_object().bucket(BUCKET).key("k").send().await.unwrap().e_tag().unwrap().to_owned();
    let write = |tag: &str| client.put_object().bucket(BUCKET).key("k").if_match(tag).body(ByteStream::from_static(b"new")).send();
    assert_eq!(code(write("\"other\"").await), "PreconditionFailed");
    write(&etag).await.unwrap();
    assert_eq!(code(client.get_object().bucket(BUCKET).key("k").if_match(&etag).send().await), "PreconditionFailed");
}

#[tokio::test]
async fn a_range_is_served_and_an_impossible_one_refused() {
    let s3 = s3().await;
    let client = s3.client();
    let bytes = noise(100_000);
    put(&client, "k", &bytes).await;
    for (range, expected) in [("bytes=10-19", 10..20), ("bytes=99990-", 99_990..100_000), ("bytes=-5", 99_995..100_000)] {
        let answer = client.get_object().bucket(BUCKET).key("k").range(range).send().await.unwrap();
        let told = format!("bytes {}-{}/100000", expected.start, expected.end - 1);
        assert_eq!(answer.content_range(), Some(told.as_str()));
        assert_eq!(answer.body.collect().await.unwrap().into_bytes(), bytes.slice(expected));
    }
    assert_eq!(code(client.get_object().bucket(BUCKET).key("k").range("bytes=100000-").send().await), "InvalidRange");
}

#[tokio::test]
async fn what_is_said_about_an_object_is_told_again() {
    let s3 = s3().await;
    let client = s3.client();
    let request = client.put_object().bucket(BUCKET).key("k").content_type("audio/wav").metadata("session", "abc").tagging("a=b&c=d+e");
    let request = request.server_side_encryption(ServerSideEncryption::AwsKms).ssekms_key_id("alias/x");
    let answer = request.body(ByteStream::from_static(b"x")).send().await.unwrap();
    assert_eq!(answer.server_side_encryption(), Some(&ServerSideEncryption::AwsKms));
    let head = client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(head.content_type(), Some("audio/wav"));
    assert_eq!(head.metadata().unwrap().get("session").map(String::as_str), Some("abc"));
    assert_eq!((head.server_side_encryption(), head.ssekms_key_id()), (Some(&ServerSideEncryption::AwsKms), Some("alias/x")));
    let tags = client.get_object_tagging().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(tags.tag_set().iter().map(|tag| (tag.key(), tag.value())).collect::<Vec<_>>(), [("a", "b"), ("c", "d e")]);
    let new = Tagging::builder().tag_set(Tag::builder().key("n").value("1").build().unwrap()).build().unwrap();
    client.put_object_tagging().bucket(BUCKET).key("k").tagging(new).send().await.unwrap();
    assert_eq!(client.get_object_tagging().bucket(BUCKET).key("k").send().await.unwrap().tag_set().len(), 1);
    assert_eq!(body(&client, "k").await, "x");
}

#[tokio::test]
async fn a_copy_outlives_what_it_was_made_from() {
    let s3 = s3().await;
    let client = s3.client();
    let bytes = noise(70_000);
    client.put_object().bucket(BUCKET).key("from/here").metadata("m", "1").body(ByteStream::from(bytes.clone())).send().await.unwrap();
    client.copy_object().bucket(BUCKET).key("to").copy_source(format!("{BUCKET}/from/here")).send().await.unwrap();
    client.delete_object().bucket(BUCKET).key("from/here").send().await.unwrap();
    assert_eq!(body(&client, "to").await, bytes);
    let copy = client.copy_object().bucket(BUCKET).key("to").copy_source(format!("{BUCKET}/to"));
    copy.metadata_directive(MetadataDirective::Replace).metadata("m", "2").send().await.unwrap();
    let head = client.head_object().bucket(BUCKET).key("to").send().await.unwrap();
    assert_eq!(head.metadata().unwrap().get("m").map(String::as_str), Some("2"));
    assert_eq!(body(&client, "to").await, bytes);
    assert_eq!(s3.segments().len(), 1);
}

#[tokio::test]
async fn deleting_frees_the_disk_and_twice_is_fine() {
    let s3 = s3().await;
    let client = s3.client();
    put(&client, "k", &noise(10)).await;
    for _ in 0..2 {
        client.delete_object().bucket(BUCKET).key("k").send().await.unwrap();
    }
    assert_eq!(code(client.get_object().bucket(BUCKET).key("k").send().await), "NoSuchKey");
    assert!(s3.segments().is_empty());
}

#[tokio::test]
async fn a_reader_of_a_replaced_object_reads_the_old_one_to_its_end() {
    let s3 = s3().await;
    let client = s3.client();
    let old = noise(20_000_000);
    put(&client, "k", &old).await;
    let reading = client.get_object().bucket(BUCKET).key("k").send().await.unwrap();
    put(&client, "k", &Bytes::from_static(b"new")).await;
    assert_eq!(reading.body.collect().await.unwrap().into_bytes(), old);
    assert_eq!(body(&client, "k").await, "new");
    crate::harness::eventually("the old bytes are gone", async || s3.segments().len() == 1).await;
}

#[tokio::test]
async fn no_key_leaves_the_directory_and_odd_ones_come_back() {
    let s3 = s3().await;
    let client = s3.client();
    let outside = s3.dir().parent().unwrap().join("evil");
    for key in ["../evil", "../../../../../../tmp/evil", "/evil", "a b/ü+%&?=.wav", "a//b", ".", "x/../y", "-", "ends/"] {
        put(&client, key, &Bytes::copy_from_slice(key.as_bytes())).await;
        assert_eq!(body(&client, key).await, key, "{key}");
    }
    assert!(!outside.exists());
    let listed = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(listed.key_count(), Some(9));
}
