//! What can go wrong with the private servers.

use std::{io, path::PathBuf};

use super::Server;

/// The private servers could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Programs are not installed.
    #[error("not installed: {}; run `make setup`, which installs what is missing", .0.join(" and "))]
    Missing(Vec<String>),
    /// Another process owns the directory.
    #[error("data directory `{}` is in use by {}; stop that one first or choose another directory", dir.display(), owner_of(*pid))]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The other process, when it said who it is.
        pid: Option<u32>,
    },
    /// The cluster was made by another major version of PostgreSQL.
    #[error(
        "`{}` holds data of PostgreSQL {data}, but only {} is installed; install PostgreSQL {data} or choose another directory",
        dir.display(),
        versions(installed)
    )]
    Version {
        /// The cluster.
        dir: PathBuf,
        /// Its major version.
        data: u32,
        /// The major versions found.
        installed: Vec<u32>,
    },
    /// Started as root, and there is nobody else to run the servers as.
    #[error("PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as; start as another user")]
    NoUser,
    /// The directory for sockets belongs to someone else.
    #[error("`{}` is not a directory of our own; remove it, or choose a shorter data directory so that it is not needed", .0.display())]
    ForeignSocketDir(PathBuf),
    /// A server did not come up.
    #[error("{server} did not start: {why}; its log is `{}`", log.display())]
    Start {
        /// Which.
        server: Server,
        /// What was seen, with the end of its log.
        why: String,
        /// Where it logs.
        log: PathBuf,
    },
    /// Processes of an earlier run do not end.
    #[error("processes {pids:?} of an earlier run still use `{}` and do not end; end them by hand", dir.display())]
    Leftover {
        /// What they use.
        dir: PathBuf,
        /// Who they are.
        pids: Vec<i32>,
    },
    /// The operating system refused.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The thread that watches over the servers ended.
    #[error("the thread that watches over the private servers ended unexpectedly")]
    Supervisor,
}

impl EmbeddedError {
    /// For `map_err`: names what was tried.
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

fn owner_of(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

fn versions(installed: &[u32]) -> String {
    installed.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
