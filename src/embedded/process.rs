//! Processes: as whom they run, how they learn of our death, how they are told to end, and who still uses a directory.

use std::{env, fs, os::unix::fs::MetadataExt, path::Path, process::Stdio, time::Duration};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::{Pid, User, geteuid},
};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

use super::EmbeddedError;

/// The user the servers run as when we are root: PostgreSQL refuses to be, and Redis need not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// The account to drop to; `None` when we are not root and stay who we are.
    pub(super) fn to_drop_to() -> Result<Option<Self>, EmbeddedError> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let known = ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
        let user = known.ok_or(EmbeddedError::NoUser)?;
        Ok(Some(Self { uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
    }

    /// Whether it may go through `dir`, by the permission bits alone.
    pub(super) fn may_enter(self, dir: &Path) -> bool {
        const EXECUTE: u32 = 0o1;
        fs::metadata(dir).is_ok_and(|metadata| {
            let class = if metadata.uid() == self.uid {
                6
            } else if metadata.gid() == self.gid {
                3
            } else {
                0
            };
            metadata.mode() >> class & EXECUTE != 0
        })
    }
}

/// A command that inherits nothing of ours but the search paths: no settings, no secrets, no terminal, no process group.
/// It gets `death` when the thread that starts it ends.
pub(super) fn command(program: &Path, account: Option<Account>, death: Signal) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC");
    for name in ["PATH", "LD_LIBRARY_PATH"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    // a group of its own, so that Ctrl-C on the terminal reaches only us, and we end the children in order
    command.current_dir("/").stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    die_with_parent(&mut command, death);
    command
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "`pre_exec` is the only way to set a child's parent-death signal, and it is unsafe to call")]
fn die_with_parent(command: &mut Command, death: Signal) {
    let parent = Pid::this();
    let set_up = move || {
        nix::sys::prctl::set_pdeathsig(death)?;
        // the parent may have died before the signal was set: then it will never come
        if Pid::parent() == parent { Ok(()) } else { Err(std::io::Error::from(Errno::ESRCH)) }
    };
    // SAFETY: the closure runs between fork and exec and makes only the system calls prctl and getppid, which are
    // async-signal-safe; it allocates nothing and takes no lock. It runs after the change of user, which would undo it.
    unsafe { command.pre_exec(set_up) };
}

/// Other systems have no such signal; what stays behind is found by the next start.
#[cfg(not(target_os = "linux"))]
fn die_with_parent(_command: &mut Command, _death: Signal) {}

/// Sends a signal; a process that is gone already is fine.
pub(super) fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        signal_raw(pid, signal);
    }
}

fn signal_raw(pid: i32, signal: Signal) {
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => tracing::warn!(process.pid = pid, %signal, %error, "a signal could not be sent"),
    }
}

/// One step of ending processes: whom to signal, with what, and how long to wait for them.
pub(super) struct Step {
    pub(super) only: Option<i32>,
    pub(super) signal: Signal,
    pub(super) wait: Duration,
}

/// Ends the processes an earlier run left in `dir`, in `steps`, and waits until none is left.
pub(super) async fn clear_leftovers(dir: &Path, steps: &[Step]) -> Result<(), EmbeddedError> {
    for step in steps {
        let pids = working_in(dir);
        if pids.is_empty() {
            return Ok(());
        }
        let chosen: Vec<i32> = pids.iter().copied().filter(|pid| step.only.is_none_or(|only| only == *pid)).collect();
        if chosen.is_empty() {
            continue;
        }
        tracing::warn!(process.pids = ?pids, dir = %dir.display(), signal = %step.signal, "ending processes of an earlier run");
        for pid in &chosen {
            signal_raw(*pid, step.signal);
        }
        let until = Instant::now() + step.wait;
        while !working_in(dir).is_empty() && Instant::now() < until {
            sleep(LEFTOVER_POLL).await;
        }
    }
    let pids = working_in(dir);
    if pids.is_empty() { Ok(()) } else { Err(EmbeddedError::Leftover { dir: dir.to_owned(), pids }) }
}

/// Looking costs about a millisecond.
const LEFTOVER_POLL: Duration = Duration::from_millis(20);

/// The processes whose working directory is `dir`: both servers sit in their data directory, every backend of PostgreSQL too.
/// A process that ended but was never reaped has none.
#[cfg(target_os = "linux")]
fn working_in(dir: &Path) -> Vec<i32> {
    let Ok(dir) = dir.canonicalize() else { return Vec::new() };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse::<i32>().ok()?;
        (fs::read_link(entry.path().join("cwd")).ok()? == dir).then_some(pid)
    });
    pids.collect()
}

/// The same where there is no `/proc`.
#[cfg(not(target_os = "linux"))]
fn working_in(dir: &Path) -> Vec<i32> {
    let listed = std::process::Command::new("lsof").args(["-a", "-d", "cwd", "-t"]).arg(dir).output();
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    listed.lines().filter_map(|line| line.trim().parse().ok()).collect()
}
