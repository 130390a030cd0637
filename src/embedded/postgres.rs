//! The private PostgreSQL: makes the cluster, clears what a crash left behind, says how it is run and when it is ready.

use std::{fs, path::Path, process::Stdio, sync::Arc, time::Duration};

use nix::sys::signal::Signal;
use tokio::process::Command;
use tokio_postgres::NoTls;

use super::{
    Durability, EmbeddedError, Server,
    binaries::Postgres as Binary,
    data_dir::DataDir,
    process::{self, Step},
    supervisor::{End, Managed},
};

/// The superuser of the cluster and the owner of everything in it. Needs no password: only we can reach the socket.
const USER: &str = "callscribe";
/// The database of the product.
const DATABASE: &str = "callscribe";
/// PostgreSQL names its socket by a port, also when it listens on none.
const SOCKET: &str = ".s.PGSQL.5432";

#[derive(Debug)]
pub(super) struct Postgres {
    pub(super) dir: Arc<DataDir>,
    pub(super) binary: Binary,
    pub(super) durability: Durability,
    pub(super) max_connections: u16,
}

/// The address of `database`; the user is a parameter because strict parsers refuse `user@` before an empty host.
pub(super) fn url(dir: &DataDir, database: &str) -> String {
    format!("postgres:///{database}?user={USER}&host={}", dir.sockets().display())
}

/// The address of the product's database.
pub(super) fn database_url(dir: &DataDir) -> String {
    url(dir, DATABASE)
}

impl Managed for Postgres {
    const SERVER: Server = Server::Postgres;
    const LOG: &'static str = "postgres";
    /// Fast shutdown, then without a checkpoint, then none at all; each next start recovers.
    const ENDS: &'static [End] = &[
        End { signal: Signal::SIGINT, wait: Duration::from_secs(20) },
        End { signal: Signal::SIGQUIT, wait: Duration::from_secs(5) },
        End { signal: Signal::SIGKILL, wait: Duration::from_secs(5) },
    ];

    fn dir(&self) -> &DataDir {
        &self.dir
    }

    async fn prepare(&self) -> Result<(), EmbeddedError> {
        if self.dir.postgres().join("PG_VERSION").exists() { self.clear_leftovers().await } else { self.make_cluster().await }
    }

    fn command(&self) -> Command {
        let mut command = process::command(&self.binary.server, self.dir.account(), Signal::SIGINT);
        command.arg("-D").arg(self.dir.postgres());
        for (name, value) in self.settings() {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command
    }

    async fn is_ready(&self) -> bool {
        make_database(&url(&self.dir, "postgres")).await.is_ok()
    }
}

impl Postgres {
    /// A small machine that must still be quick.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("listen_addresses", String::new()),
            ("port", "5432".to_owned()),
            ("unix_socket_directories", self.dir.sockets().display().to_string()),
            ("unix_socket_permissions", "0700".to_owned()),
            ("max_connections", self.max_connections.to_string()),
            ("shared_buffers", "128MB".to_owned()),
            ("max_wal_size", "1GB".to_owned()),
            ("wal_compression", "on".to_owned()),
            // nobody replicates from it, so that WAL need not tell more than recovery asks for
            ("wal_level", "minimal".to_owned()),
            ("max_wal_senders", "0".to_owned()),
            ("checkpoint_timeout", "15min".to_owned()),
            ("random_page_cost", "1.1".to_owned()),
            ("jit", "off".to_owned()),
            // containers have 64 MB of /dev/shm, and systemd clears it when a user logs out
            ("dynamic_shared_memory_type", "mmap".to_owned()),
            // statements and the rows they fail on name people and numbers: the product logs its own failures
            ("log_min_error_statement", "panic".to_owned()),
            ("log_error_verbosity", "terse".to_owned()),
            ("log_checkpoints", "off".to_owned()),
            ("log_line_prefix", "%m [%p] ".to_owned()),
        ];
        if self.durability == Durability::Throwaway {
            // commits stay synchronous: what was committed survives `kill -9`, only not a power cut
            settings.extend(["fsync", "full_page_writes"].map(|name| (name, "off".to_owned())));
        }
        settings
    }

    /// Makes the cluster beside its place and moves it there when it is whole: a crash never leaves half of one.
    async fn make_cluster(&self) -> Result<(), EmbeddedError> {
        let unfinished = self.dir.unfinished_postgres();
        self.dir.make_empty(&unfinished)?;
        let mut initdb = process::command(&self.binary.initdb, self.dir.account(), Signal::SIGKILL);
        initdb.arg("-D").arg(&unfinished).args(["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        let output = initdb.stdout(Stdio::piped()).stderr(Stdio::piped()).output().await.map_err(EmbeddedError::io("run `initdb`"))?;
        if !output.status.success() {
            let why = format!("`initdb` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
            return Err(EmbeddedError::Start { server: Server::Postgres, why, log: self.dir.log(Self::LOG) });
        }
        if self.durability == Durability::Durable {
            self.dir.sync()?;
        }
        self.dir.keep_postgres()
    }

    /// Once no process works in the directory, which is ours by its lock, `postmaster.pid` is stale whatever it says:
    /// it may name a process that ended but was never reaped, or, in a container, a number that someone else has now.
    async fn clear_leftovers(&self) -> Result<(), EmbeddedError> {
        let (cluster, pid_file) = (self.dir.postgres(), self.dir.postgres().join("postmaster.pid"));
        let text = fs::read_to_string(&pid_file).unwrap_or_default();
        let postmaster = text.lines().next().and_then(|line| line.trim().parse().ok());
        let steps = [
            Step { only: Some(postmaster.unwrap_or_default()), signal: Signal::SIGINT, wait: Duration::from_secs(8) },
            Step { only: None, signal: Signal::SIGQUIT, wait: Duration::from_secs(5) },
            Step { only: None, signal: Signal::SIGKILL, wait: Duration::from_secs(5) },
        ];
        process::clear_leftovers(&cluster, &steps).await?;
        if cfg!(target_os = "linux") {
            let sockets = self.dir.sockets();
            for stale in [pid_file, sockets.join(SOCKET), sockets.join(format!("{SOCKET}.lock"))] {
                remove_if_there(&stale)?;
            }
        }
        Ok(())
    }
}

pub(super) fn remove_if_there(path: &Path) -> Result<(), EmbeddedError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(EmbeddedError::Io { what: format!("remove `{}`", path.display()), source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Succeeds once the server answers and has the product's database.
async fn make_database(url: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let made = async {
        let known = client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&DATABASE]).await?;
        if known.is_none() {
            client.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await?;
        }
        Ok(())
    };
    let made = made.await;
    drop(client);
    // it ends with its client, whose answer says what went wrong
    let _ = connection.await;
    made
}
