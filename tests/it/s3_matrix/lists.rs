//! Listings and buckets.

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, Delete, EncodingType, ExpirationStatus, LifecycleExpiration,
    LifecycleRule, LifecycleRuleFilter, ObjectIdentifier,
};

use super::{code, noise, put};
use crate::harness::{BUCKET, s3, s3_in};

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    let s3 = s3().await;
    let client = s3.client();
    let keys: Vec<String> = (0..25).map(|number| format!("l/{number:03}")).collect();
    for key in &keys {
        put(&client, key, &noise(1)).await;
    }
    put(&client, "m", &noise(1)).await;
    let mut pages = client.list_objects_v2().bucket(BUCKET).prefix("l/").max_keys(10).into_paginator().send();
    let (mut listed, mut sizes) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        sizes.push(page.contents().len());
        listed.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
    }
    assert_eq!(listed, keys);
    assert_eq!(sizes, [10, 10, 5]);
    let after = client.list_objects_v2().bucket(BUCKET).start_after("l/023").send().await.unwrap();
    assert_eq!(after.contents().iter().map(|object| object.key().unwrap()).collect::<Vec<_>>(), ["l/024", "m"]);
    let objects = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build().unwrap()).collect();
    let delete = Delete::builder().set_objects(Some(objects)).build().unwrap();
    assert_eq!(client.delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap().deleted().len(), 25);
    assert_eq!(client.list_objects_v2().bucket(BUCKET).send().await.unwrap().key_count(), Some(1));
}

#[tokio::test]
async fn folders_are_told_once_in_both_versions_of_the_listing() {
    let s3 = s3().await;
    let client = s3.client();
    for key in ["a/1", "a/2", "b", "c/1", "c/2", "c/d/3"] {
        put(&client, key, &noise(1)).await;
    }
    let (mut keys, mut folders, mut token) = (Vec::new(), Vec::new(), None);
    loop {
        let request = client.list_objects_v2().bucket(BUCKET).delimiter("/").max_keys(1).set_continuation_token(token);
        let page = request.send().await.unwrap();
        keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        folders.extend(page.common_prefixes().iter().filter_map(|folder| folder.prefix().map(str::to_owned)));
        token = page.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!((keys, folders), (vec!["b".to_owned()], vec!["a/".to_owned(), "c/".to_owned()]));
    let first = client.list_objects().bucket(BUCKET).delimiter("/").max_keys(1).send().await.unwrap();
    assert_eq!(first.next_marker(), Some("a/"));
    let second = client.list_objects().bucket(BUCKET).delimiter("/").marker("a/").send().await.unwrap();
    assert_eq!(second.contents().first().and_then(|object| object.key()), Some("b"));
}

#[tokio::test]
async fn keys_are_encoded_when_the_client_asks() {
    let s3 = s3().await;
    let client = s3.client();
    put(&client, "a b\u{1}ü", &noise(1)).await;
    let page = client.list_objects_v2().bucket(BUCKET).encoding_type(EncodingType::Url).send().await.unwrap();
    assert_eq!(page.contents().first().and_then(|object| object.key()), Some("a+b%01%C3%BC"));
}

#[tokio::test]
async fn a_token_that_is_none_is_refused() {
    let s3 = s3().await;
    let request = s3.client().list_objects_v2().bucket(BUCKET).continuation_token("!");
    assert_eq!(code(request.send().await), "InvalidArgument");
}

#[tokio::test]
async fn a_lifecycle_is_kept_over_a_restart() {
    let s3 = s3().await;
    let client = s3.client();
    assert_eq!(code(client.get_bucket_lifecycle_configuration().bucket(BUCKET).send().await), "NoSuchLifecycleConfiguration");
    let rule = LifecycleRule::builder()
        .id("r")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("source=webex/").build())
        .expiration(LifecycleExpiration::builder().days(30).build())
        .abort_incomplete_multipart_upload(AbortIncompleteMultipartUpload::builder().days_after_initiation(1).build());
    let lifecycle = BucketLifecycleConfiguration::builder().rules(rule.build().unwrap()).build().unwrap();
    client.put_bucket_lifecycle_configuration().bucket(BUCKET).lifecycle_configuration(lifecycle).send().await.unwrap();
    let s3 = s3_in(s3.stop().await).await;
    let told = s3.client().get_bucket_lifecycle_configuration().bucket(BUCKET).send().await.unwrap();
    assert_eq!(told.rules().first().and_then(|rule| rule.expiration()).and_then(|expiration| expiration.days()), Some(30));
}

#[tokio::test]
async fn buckets_are_there_or_not() {
    let s3 = s3().await;
    let client = s3.client();
    assert_eq!(code(client.create_bucket().bucket(BUCKET).send().await), "BucketAlreadyOwnedByYou");
    assert!(client.head_bucket().bucket("nobucket").send().await.is_err());
    assert_eq!(code(client.list_objects_v2().bucket("nobucket").send().await), "NoSuchBucket");
    let put = client.put_object().bucket("nobucket").key("k").body(aws_sdk_s3::primitives::ByteStream::from_static(b"x"));
    assert_eq!(code(put.send().await), "NoSuchBucket");
    let buckets = client.list_buckets().send().await.unwrap();
    assert_eq!(buckets.buckets().iter().filter_map(|bucket| bucket.name()).collect::<Vec<_>>(), [BUCKET]);
    client.get_bucket_location().bucket(BUCKET).send().await.unwrap();
}
