//! Who may ask: signed requests, signed links, and nobody else.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::{presigning::PresigningConfig, primitives::ByteStream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{code, exists, noise, put};
use crate::harness::{ACCESS_KEY, BUCKET, client, s3};

/// A request as a browser would send it: no SDK, no signature but the one in the link.
async fn plain_get(url: &str, header: &str) -> (u16, String) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{header}\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
}

#[tokio::test]
async fn a_wrong_secret_an_unknown_key_and_no_key_are_refused() {
    let s3 = s3().await;
    put(&s3.client(), "k", &noise(3)).await;
    let wrong = client(&s3.endpoint(), ACCESS_KEY, "wrong");
    let refused = wrong.put_object().bucket(BUCKET).key("w").body(ByteStream::from_static(b"x")).send().await;
    assert_eq!(code(refused), "SignatureDoesNotMatch");
    let unknown = client(&s3.endpoint(), "nobody", "wrong");
    assert!(["InvalidAccessKeyId", "NotSignedUp"].contains(&code(unknown.get_object().bucket(BUCKET).key("k").send().await).as_str()));
    assert_eq!(plain_get(&format!("{}/{BUCKET}/k", s3.endpoint()), "").await.0, 403);
    assert!(!exists(&s3.client(), "w").await);
}

#[tokio::test]
async fn a_signed_link_serves_ranges_under_another_name_until_it_ends() {
    let s3 = s3().await;
    let client = s3.client();
    put(&client, "k", &noise(1000)).await;
    let link = async |config: PresigningConfig| {
        let request = client.get_object().bucket(BUCKET).key("k").response_content_disposition("attachment; filename=\"a.wav\"");
        request.presigned(config).await.unwrap().uri().to_owned()
    };
    let good = link(PresigningConfig::expires_in(Duration::from_mins(1)).unwrap()).await;
    let (status, answer) = plain_get(&good, "range: bytes=100-199\r\n").await;
    assert_eq!(status, 206);
    let answer = answer.to_ascii_lowercase();
    assert!(answer.contains("content-range: bytes 100-199/1000"), "{answer}");
    assert!(answer.contains("content-disposition: attachment; filename=\"a.wav\""), "{answer}");
    assert!((400..500).contains(&plain_get(&good.replace("X-Amz-Signature=", "X-Amz-Signature=0"), "").await.0));
    assert_eq!(plain_get(&good.replace("/k?", "/other?"), "").await.0, 403);
    #[expect(clippy::disallowed_methods, reason = "signatures are made and checked by the machine's clock")]
    let long_ago = SystemTime::now() - Duration::from_hours(1);
    let ended = PresigningConfig::builder().start_time(long_ago).expires_in(Duration::from_mins(1)).build().unwrap();
    assert_eq!(plain_get(&link(ended).await, "").await.0, 403);
}
