//! One throwaway PostgreSQL and Redis for the whole test process, and private ones for tests that kill them.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use callscribe::{
    config::RedisSettings,
    embedded::{Durability, EmbeddedOptions, Server, ServerState, Services},
    hints::Hints,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::sync::OnceCell;

use super::eventually;

/// About thirty tests at once with a pool or two each.
const MAX_CONNECTIONS: u16 = 200;
const PREFIX: &str = "callscribe-it-";

/// The servers all tests share. They have a thread of their own, so that they outlive the runtime of the test that starts them.
pub(super) async fn shared() -> &'static Services {
    static SHARED: OnceCell<Services> = OnceCell::const_new();
    SHARED.get_or_init(async || start(process_dir().join("shared")).await).await
}

async fn start(data_dir: PathBuf) -> Services {
    let options = EmbeddedOptions { data_dir, durability: Durability::Throwaway, max_connections: MAX_CONNECTIONS };
    Services::start(options).await.expect("the private servers start")
}

/// Settings for the shared Redis with a prefix nobody else has.
pub(crate) async fn redis() -> RedisSettings {
    RedisSettings::new(shared().await.redis_url(), unique("it"))
}

/// The shared Redis under a prefix nobody else has.
pub(crate) async fn hints() -> Hints {
    Hints::new(&redis().await).expect("the address of Redis is well formed")
}

/// A fresh directory that is removed when the test process ends.
pub(crate) fn temp_dir(name: &str) -> PathBuf {
    let dir = process_dir().join(unique(name));
    fs::create_dir_all(&dir).expect("a directory for the test");
    dir
}

/// A name no other caller in this process gets.
pub(super) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A PostgreSQL and a Redis of the test's own, to kill, halt and resume.
#[derive(Debug)]
pub(crate) struct PrivateServices {
    services: Services,
}

/// Starts servers for this test alone.
pub(crate) async fn private_services() -> PrivateServices {
    PrivateServices { services: start(temp_dir("private")).await }
}

impl PrivateServices {
    /// The database `callscribe`, empty: no migration has run.
    pub(crate) fn database_url(&self) -> String {
        self.services.database_url()
    }

    /// A database of these servers, migrated and empty.
    pub(crate) async fn database(&self) -> super::TestDatabase {
        super::database::migrated_at(&self.database_url()).await
    }

    /// A store on that database, migrated.
    pub(crate) async fn store(&self) -> callscribe::store::Store {
        let store = super::database::store_at(&self.database_url());
        callscribe::store::migrate(&store).await.expect("the migrations apply");
        store
    }

    /// This Redis, under the default prefix.
    pub(crate) fn redis(&self) -> RedisSettings {
        RedisSettings::new(self.services.redis_url(), "callscribe")
    }

    /// This Redis, ready to be asked.
    pub(crate) fn hints(&self) -> Hints {
        Hints::new(&self.redis()).expect("the address of Redis is well formed")
    }

    /// The servers themselves, for their health.
    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    /// Stops one cleanly; it stays down until [`Self::resume`].
    pub(crate) async fn halt(&self, server: Server) {
        self.services.halt(server).await;
    }

    /// Starts a halted one again at the same address.
    pub(crate) async fn resume(&self, server: Server) {
        self.services.resume(server).await;
    }

    /// Kills one with `kill -9` and waits until it was started again by itself, at the same address.
    pub(crate) async fn kill_9(&self, server: Server) {
        let before = self.services.health().of(server).clone();
        let pid = before.pid.expect("the server runs");
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("the server can be killed");
        eventually("the killed server is back", async || {
            let now = self.services.health().of(server).clone();
            now.restarts > before.restarts && now.state == ServerState::Ready
        })
        .await;
    }
}

/// `/tmp/callscribe-it-<pid>`: what this process leaves behind is removed when it ends, and by the next run at the latest.
fn process_dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let parent = std::env::temp_dir();
        remove_leftovers(&parent);
        let dir = parent.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory for the test process");
        remove_when_we_end(&dir);
        dir
    })
}

fn remove_leftovers(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<i32>().ok());
        if owner.is_some_and(|pid| kill(Pid::from_raw(pid), None).is_err()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Statics are never dropped, and a killed process runs nothing: a shell waits for the end of our end of its input instead,
/// gives the servers (which learn of our death by a signal) time to end, and removes the directory.
fn remove_when_we_end(dir: &Path) {
    const WAIT: Duration = Duration::from_secs(20);
    let script = format!(
        "cat >/dev/null; n=0; while ls \"$0\"/*/postgres/postmaster.pid >/dev/null 2>&1 && [ $n -lt {} ]; do sleep 0.1; n=$((n+1)); done; rm -rf \"$0\"",
        WAIT.as_millis() / 100
    );
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg(dir).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let child = shell.spawn().expect("a shell");
    // its input stays open until this process ends, and then closes by itself
    std::mem::forget(child);
}
