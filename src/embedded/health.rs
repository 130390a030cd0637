//! How the private servers are, for `/readyz`, metrics and people.

use std::fmt;

/// One of the private servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// PostgreSQL.
    Postgres,
    /// Redis, or Valkey.
    Redis,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
        })
    }
}

/// Where a private server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// On its way up.
    Starting,
    /// Answers.
    Ready,
    /// Died; started again after a pause.
    Restarting,
    /// Stopped on request, until it is resumed.
    Halted,
    /// Stopped for good.
    Stopped,
}

/// How one private server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHealth {
    /// Where it is in its life.
    pub state: ServerState,
    /// Its process, while it has one.
    pub pid: Option<u32>,
    /// How often it died and was started again since the beginning.
    pub restarts: u32,
}

impl ServerHealth {
    pub(super) const STARTING: Self = Self { state: ServerState::Starting, pid: None, restarts: 0 };
}

/// How the private servers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// PostgreSQL.
    pub postgres: ServerHealth,
    /// Redis.
    pub redis: ServerHealth,
}

impl Health {
    /// Whether both answer.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.postgres.state == ServerState::Ready && self.redis.state == ServerState::Ready
    }

    /// How one of them is.
    #[must_use]
    pub fn of(&self, server: Server) -> &ServerHealth {
        match server {
            Server::Postgres => &self.postgres,
            Server::Redis => &self.redis,
        }
    }
}
