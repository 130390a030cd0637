//! One run of an engine: a process group of its own, low priority, no input, bounded output, an end in any case.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};

use crate::config::CONCERNS;

/// Largest output that is read, of a file or a stream: three hours of tokens take 8 MB.
pub(super) const LARGEST_OUTPUT_BYTES: usize = 32 * 1024 * 1024;
/// The end of what an engine logs, where its error stands.
const TAIL_BYTES: usize = 2_000;
/// Engines take every core they get; calls that come in and people who ask come first.
const NICENESS: &str = "10";
/// What `nice` ends with when there is no such program.
const NO_SUCH_PROGRAM: i32 = 127;

/// How a run ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    /// The last that it logged.
    pub(super) said: String,
}

/// Why a run did not end by itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    #[error("the program is not installed")]
    NotInstalled,
    #[error("it did not end within {0:?} and was killed")]
    TimedOut(Duration),
    #[error("it wrote more than {LARGEST_OUTPUT_BYTES} bytes and was killed")]
    TooMuch,
    #[error("it could not be run")]
    Broken(#[from] std::io::Error),
}

/// Runs `words` in `directory` for `longest` at most. Whoever drops this future kills the engine and all that it started.
pub(super) async fn run(words: &[String], directory: &Path, longest: Duration) -> Result<Ran, RunError> {
    let nicely = ["nice", "-n", NICENESS].map(str::to_owned);
    let nicely: Vec<String> = nicely.into_iter().chain(words.iter().cloned()).collect();
    let child = match start(&nicely, directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => start(words, directory),
        started => started,
    };
    let child = child.map_err(|error| if error.kind() == std::io::ErrorKind::NotFound { RunError::NotInstalled } else { error.into() })?;
    let ran = tokio::time::timeout(longest, to_its_end(child)).await.map_err(|_| RunError::TimedOut(longest))??;
    if ran.status.code() == Some(NO_SUCH_PROGRAM) { Err(RunError::NotInstalled) } else { Ok(ran) }
}

/// Where a program lies, if it is installed.
pub(super) fn installed(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn start(words: &[String], directory: &Path) -> std::io::Result<Child> {
    let (program, arguments) = words.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // an engine needs no key of ours
    for setting in CONCERNS.iter().flat_map(|concern| concern.settings) {
        command.env_remove(setting.name);
    }
    command.spawn()
}

/// The engine and whatever it started: killed when dropped.
struct Group(Option<Pid>);

impl Group {
    fn kill(&self) {
        if let Some(group) = self.0 {
            // it fails when nobody of the group is left, which is all we want
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn to_its_end(mut child: Child) -> Result<Ran, RunError> {
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = async {
        let status = child.wait().await?;
        // what it left behind would hold the pipes open
        group.kill();
        Ok(status)
    };
    let (status, stdout, said) = tokio::try_join!(ended, whole(stdout), tail(stderr))?;
    Ok(Ran { status, stdout, said })
}

async fn whole(stream: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, RunError> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        let bound = u64::try_from(LARGEST_OUTPUT_BYTES).unwrap_or(u64::MAX);
        stream.take(bound.saturating_add(1)).read_to_end(&mut bytes).await?;
    }
    if bytes.len() > LARGEST_OUTPUT_BYTES { Err(RunError::TooMuch) } else { Ok(bytes) }
}

async fn tail(stream: Option<impl AsyncRead + Unpin>) -> Result<String, RunError> {
    let mut kept = Vec::new();
    if let Some(mut stream) = stream {
        while stream.read_buf(&mut kept).await? > 0 {
            // trimmed seldom, so that a chatty engine costs no copying
            if kept.len() > 8 * TAIL_BYTES {
                kept.drain(..kept.len() - TAIL_BYTES);
            }
        }
    }
    let last = kept.len().saturating_sub(TAIL_BYTES);
    Ok(String::from_utf8_lossy(kept.get(last..).unwrap_or_default()).trim().to_owned())
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
