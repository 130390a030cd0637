//! A private PostgreSQL, a private Redis and a private S3 for one machine: found, started, watched, restarted, stopped.
//!
//! What lives here: everything that `standalone`, `demo` and the tests need to run without any service beforehand.
//! What does not: schema (`store`), hints (`hints`), and installing the programs (`make setup`).
//!
//! ```text
//! <data_dir>/callscribe.lock   one owner per directory; holds its process id
//! <data_dir>/postgres/         the cluster, database `callscribe`
//! <data_dir>/redis/            its append-only file
//! <data_dir>/run/              both sockets; nothing listens on a port (S3 does: on a free one of the loopback address)
//! <data_dir>/*.log             what the two servers say
//! <data_dir>/servers           only when root runs it where nobody else may go: a link to where the last four are instead
//! ```
//!
//! All of it happens on one thread that lives as long as [`Services`]: Linux tells children of the death of the *thread*
//! that started them, and threads of a test or of a runtime come and go.

mod binaries;
mod data_dir;
mod error;
mod health;
mod postgres;
mod process;
mod redis;
pub mod s3;
mod services;
mod supervisor;

use std::path::PathBuf;

pub use error::EmbeddedError;
pub use health::{Health, Server, ServerHealth, ServerState};
pub use services::Services;

/// Where and how the private servers run.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// Everything they keep; made when it is not there. One process at a time owns it.
    pub data_dir: PathBuf,
    /// Whether what they said is done survives a power cut.
    pub durability: Durability,
    /// Connections PostgreSQL accepts at once.
    pub max_connections: u16,
}

/// What a power cut may cost. A killed process costs nothing either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// PostgreSQL loses nothing, Redis (hints) at most about a second.
    Durable,
    /// Anything: for tests, which start afresh.
    Throwaway,
}
