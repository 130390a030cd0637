//! `demo` and `standalone` as people run them: the whole pipeline in a real process, and nothing left behind.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child as AsyncChild, ChildStdout as AsyncStdout},
};

use crate::{cli::callscribe, harness};

/// A directory of the test's own that is removed with it; `TMPDIR` of what it starts.
struct Room(PathBuf);

impl Room {
    fn new(name: &str) -> Self {
        let dir = harness::temp_dir(name);
        std::fs::create_dir_all(&dir).unwrap();
        // the engines run as another user when the tests run as root
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    fn entries(&self) -> Vec<PathBuf> {
        std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// Processes whose command line names the directory.
    fn processes(&self) -> Vec<String> {
        processes_naming(&self.0)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn processes_naming(dir: &Path) -> Vec<String> {
    let name = dir.to_str().unwrap();
    let lines = std::fs::read_dir("/proc").unwrap().filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(name)).collect()
}

fn spawn(mut command: Command) -> AsyncChild {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true).spawn().unwrap()
}

fn lines(child: &mut AsyncChild) -> Lines<BufReader<AsyncStdout>> {
    BufReader::new(child.stdout.take().unwrap()).lines()
}

fn tell(child: &AsyncChild, signal: &str) {
    let pid = child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

async fn ends(mut child: AsyncChild) -> std::process::ExitStatus {
    tokio::time::timeout(Duration::from_secs(60), child.wait()).await.expect("it ends").unwrap()
}

#[tokio::test]
async fn the_demo_ends_as_the_simulators_truth_says_and_leaves_nothing() {
    let room = Room::new("demo");
    let mut command = callscribe(&["demo", "--calls", "12", "--exit"]);
    command.env("TMPDIR", &room.0);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (told, progress) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{told}\n{progress}");
    assert!(told.contains("12 of 12 calls ended as the simulators' truth says"), "{told}");
    assert!(told.contains("no_recording") && told.contains("not recorded"), "a day's troubles are among them: {told}");
    assert!(progress.contains("first transcript after"), "{progress}");
    assert_eq!(room.entries(), Vec::<PathBuf>::new(), "its directory is gone");
    assert_eq!(room.processes(), Vec::<String>::new(), "nothing runs on");
}

#[tokio::test]
async fn ctrl_c_ends_the_demo_and_leaves_nothing() {
    let room = Room::new("demo-interrupted");
    let mut command = callscribe(&["demo", "--calls", "3"]);
    command.env("TMPDIR", &room.0);
    let mut demo = spawn(command);
    let mut told = lines(&mut demo);
    let mut all = Vec::new();
    loop {
        let line = tokio::time::timeout(Duration::from_secs(120), told.next_line()).await.expect("it tells").unwrap();
        let line = line.unwrap_or_else(|| panic!("it ended: {all:?}"));
        all.push(line);
        if all.last().is_some_and(|line| line.contains("Ctrl-C ends it")) {
            break;
        }
    }
    assert!(!room.processes().is_empty(), "the engines run while one looks around");
    tell(&demo, "-INT");
    assert_eq!(ends(demo).await.code(), Some(0));
    assert_eq!(room.entries(), Vec::<PathBuf>::new());
    assert_eq!(room.processes(), Vec::<String>::new());
}

/// A worker's settings whose vendors answer nobody.
fn standalone(dir: &Path) -> Command {
    let mut command = callscribe(&["standalone", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(dir);
    let settings = [
        ("WEBEX_CC_CLIENT_ID", "id"),
        ("WEBEX_CC_CLIENT_SECRET", "secret"),
        ("WEBEX_CC_REFRESH_TOKEN", "token"),
        ("WEBEX_CC_ORG_ID", "11111111-2222-4333-8444-555555555555"),
        ("WEBEX_CC_BASE_URL", "http://127.0.0.1:1"),
        ("WEBEX_CC_TOKEN_URL", "http://127.0.0.1:1/v1/access_token"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1"),
        ("LOG_FORMAT", "json"),
    ];
    command.envs(settings);
    command
}

#[tokio::test]
async fn standalone_serves_until_sigterm_and_finds_its_data_and_keys_again() {
    let room = Room::new("standalone");
    let home = room.0.join("home");
    let mut keys = Vec::new();
    for _ in 0..2 {
        let mut process = spawn(standalone(&home));
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = loop {
            let line = tokio::time::timeout(Duration::from_secs(120), log.next_line()).await.expect("it logs").unwrap().expect("it runs");
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            if let Some(address) = entry["http.listen"].as_str() {
                break address.to_owned();
            }
        };
        let reading = tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        harness::eventually("it is ready", async || crate::api::status_of(&format!("http://{address}/readyz")).await == Some(200)).await;
        let key = home.join("encryption.key");
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        keys.push(std::fs::read_to_string(key).unwrap());
        tell(&process, "-TERM");
        assert_eq!(ends(process).await.code(), Some(0));
        reading.await.unwrap();
        assert_eq!(room.processes(), Vec::<String>::new());
    }
    assert_eq!(keys[0], keys[1], "what was sealed can be opened again");
}

#[tokio::test]
async fn standalone_says_everything_that_is_missing_at_once() {
    let room = Room::new("standalone-without-settings");
    let mut command = callscribe(&["standalone", "--data-dir"]);
    command.arg(room.0.join("home"));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("WEBEX_CC_ORG_ID") && told.contains("OPENAI_API_KEY"), "{told}");
    assert_eq!(room.processes(), Vec::<String>::new());
}
