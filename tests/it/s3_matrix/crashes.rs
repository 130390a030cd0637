//! Deaths: of the server half way, of the uploader half way. Both are real processes, killed by signal 9.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use callscribe::{
    blob::{Blob, ObjectDescription},
    clock::SystemClock,
    config::Environment,
};

use super::{body, exists, multipart, noise, put};
use crate::harness::{ACCESS_KEY, BUCKET, SECRET_KEY, client, eventually, s3, s3_in, settings, temp_dir};

const DIR: &str = "CALLSCRIBE_TEST_S3_DIR";
const ENDPOINT: &str = "CALLSCRIBE_TEST_S3_ENDPOINT";

/// This test binary again, in the role of one ignored test.
fn spawn(role: &str, name: &str, value: &str) -> Child {
    let path = format!("s3_matrix::crashes::{role}");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([path.as_str(), "--exact", "--ignored", "--nocapture"]).env(name, value);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn setting(name: &str) -> String {
    Environment::of_process().get(name).expect("only run by the test that kills it").to_owned()
}

/// A server process, and where it listens.
fn server(dir: &Path) -> (Child, String) {
    let mut child = spawn("a_server_to_be_killed", DIR, dir.to_str().unwrap());
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let endpoint = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("listens ").map(str::to_owned)).unwrap();
    (child, endpoint)
}

#[tokio::test]
#[ignore = "a role of a test below"]
async fn a_server_to_be_killed() {
    let s3 = s3_in(setting(DIR).into()).await;
    println!("\nlistens {}", s3.endpoint());
    std::future::pending().await
}

#[tokio::test]
#[ignore = "a role of a test below"]
async fn an_uploader_to_be_killed() {
    let blob = Blob::connect(&settings(&setting(ENDPOINT))).await;
    let mut upload = blob.upload("half", ObjectDescription::default());
    upload.push(noise(11 * 1024 * 1024)).await.unwrap();
    std::future::pending().await
}

#[tokio::test]
async fn a_killed_server_keeps_what_it_acknowledged_and_nothing_else() {
    let dir = temp_dir("s3_killed");
    let (mut child, endpoint) = server(&dir);
    let sdk = client(&endpoint, ACCESS_KEY, SECRET_KEY);
    sdk.create_bucket().bucket(BUCKET).send().await.unwrap();
    put(&sdk, "acknowledged", &noise(200_000)).await;
    put(&sdk, "replaced", &Bytes::from_static(b"old")).await;
    let id = multipart::begin(&sdk, "upload").await;
    let one = multipart::part(&sdk, "upload", &id, 1, &noise(1000)).await;
    // a body that never ends: the server holds half an object when it dies
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(4);
    sender.send(noise(3_000_000)).await.unwrap();
    let endless = ByteStream::from_body_1_x(Endless(receiver));
    let half = tokio::spawn(sdk.put_object().bucket(BUCKET).key("replaced").content_length(9_000_000).body(endless).send());
    eventually("half an object is on the disk", async || largest_segment(&dir) >= 2_000_000).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(half.await.unwrap().is_err());

    let s3 = s3_in(dir).await;
    let sdk = s3.client();
    assert_eq!(body(&sdk, "acknowledged").await, noise(200_000));
    assert_eq!(body(&sdk, "replaced").await, "old");
    assert_eq!(s3.segments().len(), 3, "half an object was left behind");
    let listed = sdk.list_multipart_uploads().bucket(BUCKET).send().await.unwrap();
    assert_eq!(listed.uploads().iter().map(|upload| upload.upload_id().unwrap()).collect::<Vec<_>>(), [id.as_str()]);
    let complete = sdk.complete_multipart_upload().bucket(BUCKET).key("upload").upload_id(&id);
    complete.multipart_upload(multipart::list([one])).send().await.unwrap();
    assert_eq!(body(&sdk, "upload").await, noise(1000));
    drop(sender);
}

struct Endless(tokio::sync::mpsc::Receiver<Bytes>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;
    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::convert::Infallible>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(http_body::Frame::data(chunk))))
    }
}

fn largest_segment(dir: &Path) -> u64 {
    let shards = std::fs::read_dir(dir.join("segments")).unwrap().flatten();
    let files = shards.flat_map(|shard| std::fs::read_dir(shard.path()).unwrap().flatten());
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).max().unwrap_or(0)
}

#[tokio::test]
async fn a_killed_uploader_leaves_parts_that_are_found_and_cleared_away() {
    let s3 = s3().await;
    let mut child = spawn("an_uploader_to_be_killed", ENDPOINT, &s3.endpoint());
    eventually("two parts have arrived", async || s3.segments().len() == 2).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!exists(&s3.client(), "half").await);
    let blob = s3.blob().await;
    assert_eq!(blob.abort_stale_uploads(Duration::from_hours(1), &SystemClock).await.unwrap(), 0, "it might still be at work");
    assert_eq!(blob.abort_stale_uploads(Duration::ZERO, &SystemClock).await.unwrap(), 1);
    eventually("the disk is freed", async || s3.segments().is_empty()).await;
    assert_eq!(s3.client().list_multipart_uploads().bucket(BUCKET).send().await.unwrap().uploads().len(), 0);
}

#[tokio::test]
async fn a_directory_has_one_owner() {
    let s3 = s3().await;
    let options = callscribe::embedded::s3::EmbeddedS3Options {
        dir: s3.dir().to_owned(),
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.into(),
        durability: callscribe::embedded::Durability::Throwaway,
    };
    let second = callscribe::embedded::s3::EmbeddedS3::start(options.clone()).await.unwrap_err();
    assert!(second.to_string().contains("is in use"), "{second}");
    s3.stop().await;
    callscribe::embedded::s3::EmbeddedS3::start(options).await.unwrap().stop().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_costs_one_object_and_no_bytes() {
    let s3 = s3().await;
    let sdk = s3.client();
    put(&sdk, "good", &noise(10)).await;
    put(&sdk, "bad", &noise(20)).await;
    let dir = s3.stop().await;
    let name = hex_of_sha256("bad");
    std::fs::write(dir.join("buckets").join(BUCKET).join(&name[..2]).join(format!("{name}.json")), "{").unwrap();
    let s3 = s3_in(dir).await;
    assert_eq!(body(&s3.client(), "good").await, noise(10));
    assert!(!exists(&s3.client(), "bad").await);
    assert_eq!(s3.segments().len(), 2, "its bytes may still be wanted");
}

fn hex_of_sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
