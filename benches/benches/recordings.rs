//! One GiB out of a web server into S3, as a stream: `cargo bench -p callscribe-benches --bench recordings`.
//!
//! Four processes on loopback: a web server, our S3 server, and the uploader, which is measured alone and is the product's own
//! code (its HTTP client, its upload). The baselines of the same run are `aws s3 cp -` and `rclone rcat` with the same bytes
//! piped in, where they are installed.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a terminal")]

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use callscribe::{
    blob::{Blob, IfMissing, ObjectDescription},
    config::{AccessKeys, BlobSettings},
    embedded::{
        Durability,
        s3::{EmbeddedS3, EmbeddedS3Options},
    },
    outbound::{Client, Limits},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

const BUCKET: &str = "bench";
const ACCESS_KEY: &str = "bench";
const SECRET_KEY: &str = "bench-secret";
/// One large recording: nine hours of stereo PCM.
const LARGE_BYTES: u64 = 1024 * 1024 * 1024;
/// Recordings of a GiB together, copied at once: as many as a worker takes by default, and many more.
const AT_ONCE: [usize; 3] = [8, 32, 128];
/// How often the memory of a process that is not ours is looked at.
const LOOK: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", dir] => serve(dir).await,
        ["source"] => source().await,
        ["upload", endpoint, url, at_once] => upload(endpoint, url, at_once.parse()?).await,
        ["print", url] => print(url).await,
        _ => measure().await,
    }
}

/// A child of this very program, in another role.
fn role(words: &[&str]) -> Result<tokio::process::Command> {
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.args(words).stdout(Stdio::piped()).kill_on_drop(true);
    Ok(command)
}

/// Starts a role that says where it listens.
async fn listening(words: &[&str]) -> Result<(tokio::process::Child, String)> {
    let mut child = role(words)?.stdin(Stdio::null()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    let line = lines.next_line().await?.context("it says where it listens")?;
    Ok((child, line))
}

async fn measure() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (server, endpoint) = listening(&["serve", &dir.path().display().to_string()]).await?;
    let (web, source) = listening(&["source"]).await?;
    let blob = Blob::connect(&settings(&endpoint)).await;
    blob.ensure_bucket(IfMissing::Create).await?;

    let url = format!("{source}/{LARGE_BYTES}");
    println!("{:<34} {:>8} {:>12}", "1 GiB over loopback", "MB/s", "peak RSS MiB");
    // twice, and the better one: the first run also pays for the page cache
    let first = uploaded(&endpoint, &url, 1).await?;
    let second = uploaded(&endpoint, &url, 1).await?;
    let ours = if first.0 > second.0 { first } else { second };
    print_line("callscribe", ours, None);
    for at_once in AT_ONCE {
        let piece = format!("{source}/{}", LARGE_BYTES / u64::try_from(at_once)?);
        print_line(&format!("callscribe, {at_once} recordings at once"), uploaded(&endpoint, &piece, at_once).await?, None);
    }
    for (name, command) in baselines(&endpoint) {
        match piped(&url, command).await? {
            Piped::Measured(speed, rss) => print_line(name, (speed, rss), Some(ours)),
            Piped::Failed => println!("{name:<34} failed"),
            Piped::NotInstalled => println!("{name:<34} not installed"),
        }
        blob.delete("theirs").await?;
    }
    drop((server, web));
    Ok(())
}

fn print_line(name: &str, (speed, rss): (f64, f64), ours: Option<(f64, f64)>) {
    let ratio = ours.map(|(ours, _)| format!("   callscribe is {:.2} times as fast", ours / speed)).unwrap_or_default();
    println!("{name:<34} {speed:>8.0} {rss:>12.1}{ratio}");
}

fn settings(endpoint: &str) -> BlobSettings {
    let keys = AccessKeys { access_key_id: ACCESS_KEY.to_owned(), secret_access_key: SECRET_KEY.into(), session_token: None };
    BlobSettings { endpoint_url: Some(endpoint.to_owned()), keys: Some(keys), ..BlobSettings::for_bucket(BUCKET) }
}

async fn serve(dir: &str) -> Result<()> {
    let options = EmbeddedS3Options {
        dir: dir.into(),
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.into(),
        durability: Durability::Throwaway,
    };
    let server = EmbeddedS3::start(options).await?;
    println!("{}", server.endpoint_url());
    std::future::pending().await
}

/// `GET /<n>` answers with n bytes.
async fn source() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let block = Arc::new((0..256 * 1024_u32).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect::<Vec<u8>>());
    loop {
        let (stream, _) = listener.accept().await?;
        let block = Arc::clone(&block);
        tokio::spawn(async move { answer(stream, &block).await });
    }
}

async fn answer(mut stream: TcpStream, block: &[u8]) -> Result<()> {
    let mut head = vec![0; 4096];
    let read = stream.read(&mut head).await?;
    let text = String::from_utf8_lossy(head.get(..read).unwrap_or_default()).into_owned();
    let mut left: u64 = text.split(' ').nth(1).and_then(|path| path.strip_prefix('/')).unwrap_or_default().parse()?;
    stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {left}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        stream.write_all(block.get(..length).unwrap_or_default()).await?;
        left = left.saturating_sub(u64::try_from(length)?);
    }
    Ok(stream.shutdown().await?)
}

/// Runs the uploader as a process of its own: megabytes per second and peak memory in MiB.
async fn uploaded(endpoint: &str, url: &str, at_once: usize) -> Result<(f64, f64)> {
    let output = role(&["upload", endpoint, url, &at_once.to_string()])?.stderr(Stdio::inherit()).output().await?;
    let text = String::from_utf8(output.stdout)?;
    let figures: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    match figures.as_slice() {
        [speed, rss] => Ok((*speed, *rss)),
        _ => bail!("the uploader said `{text}`"),
    }
}

async fn upload(endpoint: &str, url: &str, at_once: usize) -> Result<()> {
    let blob = Blob::connect(&settings(endpoint)).await;
    let http = Client::new("bench", Limits::DOWNLOAD)?.allowing_plain_host("127.0.0.1");
    let begin = Instant::now();
    let bytes: u64 = stream::iter(0..at_once)
        .map(|number| copy(&blob, &http, url, format!("ours/{number}")))
        .buffer_unordered(at_once)
        .try_fold(0, async |sum, size| Ok(sum + size))
        .await?;
    let seconds = begin.elapsed().as_secs_f64();
    let megabytes = f64::from(u32::try_from(bytes / 1_000_000)?);
    println!("{} {}", megabytes / seconds, peak_mib("self"));
    Ok(())
}

async fn copy(blob: &Blob, http: &Client, url: &str, key: String) -> Result<u64> {
    let mut inflow = blob.inflow().await?;
    let response = http.send(http.request(http::Method::GET, &url.parse()?)?).await?;
    let mut bytes = response.stream();
    let mut upload = blob.upload(key, ObjectDescription::default());
    while let Some(chunk) = inflow.next(&mut bytes).await {
        inflow.take_place().await?;
        upload.push(chunk?).await?;
    }
    drop(inflow);
    Ok(upload.finish().await?.size)
}

/// Prints what is behind a URL, for tools that read their input.
async fn print(url: &str) -> Result<()> {
    let http = Client::new("bench", Limits::DOWNLOAD)?.allowing_plain_host("127.0.0.1");
    let response = http.send(http.request(http::Method::GET, &url.parse()?)?).await?;
    let mut bytes = response.stream();
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Bytes>(16);
    let writing = tokio::task::spawn_blocking(move || {
        let mut out = std::io::stdout().lock();
        while let Some(chunk) = receiver.blocking_recv() {
            out.write_all(&chunk)?;
        }
        out.flush()
    });
    while let Some(chunk) = bytes.next().await {
        sender.send(chunk?).await?;
    }
    drop(sender);
    Ok(writing.await??)
}

fn baselines(endpoint: &str) -> Vec<(&'static str, Command)> {
    let mut aws = Command::new("aws");
    aws.args(["--endpoint-url", endpoint, "s3", "cp", "-", &format!("s3://{BUCKET}/theirs"), "--expected-size", &LARGE_BYTES.to_string()]);
    aws.envs([("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY), ("AWS_REGION", "us-east-1")]);
    let mut rclone = Command::new("rclone");
    // it refuses to start where somebody set this for TLS, which is not spoken here
    rclone.env_remove("AWS_CA_BUNDLE");
    rclone.args(["rcat", &format!("bench:{BUCKET}/theirs")]);
    rclone.envs([
        ("RCLONE_CONFIG_BENCH_TYPE", "s3"),
        ("RCLONE_CONFIG_BENCH_PROVIDER", "Other"),
        ("RCLONE_CONFIG_BENCH_ENDPOINT", endpoint),
        ("RCLONE_CONFIG_BENCH_ACCESS_KEY_ID", ACCESS_KEY),
        ("RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY", SECRET_KEY),
    ]);
    vec![("aws s3 cp -", aws), ("rclone rcat", rclone)]
}

/// What became of a tool that reads its input.
enum Piped {
    /// Megabytes per second and peak memory in MiB.
    Measured(f64, f64),
    Failed,
    NotInstalled,
}

async fn piped(url: &str, mut command: Command) -> Result<Piped> {
    let input = Command::new(std::env::current_exe()?).args(["print", url]).stdout(Stdio::piped()).spawn();
    let mut input = input.context("the source of the pipe")?;
    let begin = Instant::now();
    let pipe = input.stdout.take().context("its output")?;
    let tool = command.stdin(pipe).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(mut tool) = tool else {
        end(&mut input);
        return Ok(Piped::NotInstalled);
    };
    let mut rss = 0.0_f64;
    let status = loop {
        rss = rss.max(peak_mib(&tool.id().to_string()));
        match tool.try_wait()? {
            Some(status) => break status,
            None => tokio::time::sleep(LOOK).await,
        }
    };
    let seconds = begin.elapsed().as_secs_f64();
    end(&mut input);
    if !status.success() {
        return Ok(Piped::Failed);
    }
    Ok(Piped::Measured(f64::from(u32::try_from(LARGE_BYTES / 1_000_000)?) / seconds, rss))
}

fn end(child: &mut Child) {
    // it may have ended by itself
    drop(child.kill());
    drop(child.wait());
}

/// The most memory a process has had, in MiB; 0 where the system does not tell.
fn peak_mib(process: &str) -> f64 {
    let status = fs::read_to_string(Path::new("/proc").join(process).join("status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
