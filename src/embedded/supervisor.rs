//! Keeps one server as it is wanted: up, and started again when it dies; halted; or gone.

use std::{fs, process::ExitStatus, time::Duration};

use nix::sys::signal::Signal;
use tokio::{
    process::{Child, Command},
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{EmbeddedError, Server, ServerHealth, ServerState, data_dir::DataDir, process};

/// What a server that we run must tell us.
pub(super) trait Managed {
    const SERVER: Server;
    /// Names its log.
    const LOG: &'static str;
    /// How it is told to end, from polite to final.
    const ENDS: &'static [End];

    fn dir(&self) -> &DataDir;
    /// Brings its files in order; runs before every start.
    async fn prepare(&self) -> Result<(), EmbeddedError>;
    fn command(&self) -> Command;
    /// Whether it answers now. Bounded.
    async fn is_ready(&self) -> bool;
}

/// One way to tell a server to end, and how long it has for that.
pub(super) struct End {
    pub(super) signal: Signal,
    pub(super) wait: Duration,
}

/// What a server should be doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Up,
    Halted,
    Gone,
}

/// After a crash PostgreSQL replays at most `max_wal_size` of log, which takes seconds; a busy machine gets more.
const START_TIMEOUT: Duration = Duration::from_mins(2);
/// Both servers are up within tens of milliseconds when they have nothing to recover.
const READY_POLL: Duration = Duration::from_millis(10);
/// The pause before a server that died is started again: this, doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A server that ran this long has recovered, and its next death pauses shortly again.
const STEADY: Duration = Duration::from_mins(1);
/// Lines of a server's log that an error quotes.
const QUOTED_LINES: usize = 5;

/// Starts the server and waits until it answers.
pub(super) async fn launch<M: Managed>(server: &M) -> Result<Child, EmbeddedError> {
    server.prepare().await?;
    let (out, err) = (server.dir().open_log(M::LOG)?, server.dir().open_log(M::LOG)?);
    let mut child = server.command().stdout(out).stderr(err).spawn().map_err(EmbeddedError::io(format!("start {}", M::SERVER)))?;
    let until = Instant::now() + START_TIMEOUT;
    loop {
        if let Some(status) = child.try_wait().map_err(EmbeddedError::io(format!("watch {}", M::SERVER)))? {
            return Err(did_not_start(server, &format!("it ended with {status}")));
        }
        if server.is_ready().await {
            return Ok(child);
        }
        if Instant::now() > until {
            stop::<M>(&mut child).await;
            return Err(did_not_start(server, &format!("it did not answer within {} s", START_TIMEOUT.as_secs())));
        }
        sleep(READY_POLL).await;
    }
}

fn did_not_start<M: Managed>(server: &M, what: &str) -> EmbeddedError {
    let log = server.dir().log(M::LOG);
    let text = fs::read(&log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<&str> = text.lines().rev().take(QUOTED_LINES).collect();
    lines.reverse();
    EmbeddedError::Start { server: M::SERVER, why: format!("{what}, after saying: {}", lines.join(" / ")), log }
}

/// Tells the server to end, ever more firmly, until it has.
pub(super) async fn stop<M: Managed>(child: &mut Child) {
    for end in M::ENDS {
        let Some(pid) = child.id() else { return };
        process::signal(pid, end.signal);
        if timeout(end.wait, child.wait()).await.is_ok() {
            return;
        }
        tracing::warn!(server = %M::SERVER, signal = %end.signal, "a private server does not end as told");
    }
}

/// Keeps `server`, which runs as `child`, as it is wanted, until it is wanted gone.
pub(super) async fn supervise<M: Managed>(
    server: M,
    child: Child,
    mut wanted: watch::Receiver<Wanted>,
    health: watch::Sender<ServerHealth>,
) {
    let mut running = Some(child);
    let mut pause = FIRST_PAUSE;
    loop {
        let order = *wanted.borrow_and_update();
        match (order, running.take()) {
            (Wanted::Up, Some(mut child)) => {
                report(&health, ServerState::Ready, child.id());
                let since = Instant::now();
                let Some(status) = ended_or_unwanted(&mut child, &mut wanted).await else {
                    running = Some(child);
                    continue;
                };
                tracing::error!(server = %M::SERVER, server.exit = %describe(status), "a private server died; starting it again");
                pause = if since.elapsed() > STEADY { FIRST_PAUSE } else { pause };
                health.send_modify(|health| health.restarts = health.restarts.saturating_add(1));
                report(&health, ServerState::Restarting, None);
                pause = wait_before_restart(pause, &mut wanted).await;
            }
            (Wanted::Up, None) => match launch(&server).await {
                Ok(child) => running = Some(child),
                Err(error) => {
                    tracing::error!(server = %M::SERVER, error = error_chain(&error), "a private server cannot be started; trying again");
                    report(&health, ServerState::Restarting, None);
                    pause = wait_before_restart(pause, &mut wanted).await;
                }
            },
            (Wanted::Halted | Wanted::Gone, Some(mut child)) => stop::<M>(&mut child).await,
            (Wanted::Halted, None) => {
                report(&health, ServerState::Halted, None);
                wait_for_change(&mut wanted).await;
                pause = FIRST_PAUSE;
            }
            (Wanted::Gone, None) => return report(&health, ServerState::Stopped, None),
        }
    }
}

/// Tells how the server is.
pub(super) fn report(health: &watch::Sender<ServerHealth>, state: ServerState, pid: Option<u32>) {
    health.send_modify(|health| (health.state, health.pid) = (state, pid));
}

/// Waits until the child ends, which is told, or is no longer wanted up, which is not.
async fn ended_or_unwanted(child: &mut Child, wanted: &mut watch::Receiver<Wanted>) -> Option<std::io::Result<ExitStatus>> {
    tokio::select! {
        status = child.wait() => Some(status),
        () = wait_for_change(wanted) => None,
    }
}

/// Returns the pause to make the next time. A new order cuts it short.
async fn wait_before_restart(pause: Duration, wanted: &mut watch::Receiver<Wanted>) -> Duration {
    tokio::select! {
        () = sleep(pause) => {}
        () = wait_for_change(wanted) => {}
    }
    (pause * 2).min(LONGEST_PAUSE)
}

/// The orders come from `Services`, which sends a last one before it goes, so that the channel never closes unheard.
async fn wait_for_change(wanted: &mut watch::Receiver<Wanted>) {
    if wanted.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn describe(status: std::io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}

fn error_chain(error: &EmbeddedError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
