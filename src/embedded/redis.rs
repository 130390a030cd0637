//! The private Redis: its settings, what a crash left behind, and when it is ready.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use nix::sys::signal::Signal;
use tokio::process::Command;

use super::{
    Durability, EmbeddedError, Server,
    data_dir::DataDir,
    postgres::remove_if_there,
    process::{self, Step},
    supervisor::{End, Managed},
};

/// A ping on a socket of this machine that takes longer was swallowed.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Redis {
    pub(super) dir: Arc<DataDir>,
    pub(super) binary: PathBuf,
    pub(super) durability: Durability,
}

/// Its address.
pub(super) fn url(dir: &DataDir) -> String {
    format!("redis+unix://{}", dir.redis_socket().display())
}

impl Managed for Redis {
    const SERVER: Server = Server::Redis;
    const LOG: &'static str = "redis";
    const ENDS: &'static [End] =
        &[End { signal: Signal::SIGTERM, wait: Duration::from_secs(10) }, End { signal: Signal::SIGKILL, wait: Duration::from_secs(5) }];

    fn dir(&self) -> &DataDir {
        &self.dir
    }

    async fn prepare(&self) -> Result<(), EmbeddedError> {
        let steps = [
            Step { only: None, signal: Signal::SIGTERM, wait: Duration::from_secs(5) },
            Step { only: None, signal: Signal::SIGKILL, wait: Duration::from_secs(5) },
        ];
        process::clear_leftovers(&self.dir.redis(), &steps).await?;
        remove_if_there(&self.dir.redis_socket())?;
        let path = self.dir.redis_conf();
        fs::write(&path, self.settings()).map_err(EmbeddedError::io(format!("write `{}`", path.display())))
    }

    fn command(&self) -> Command {
        let mut command = process::command(&self.binary, self.dir.account(), Signal::SIGTERM);
        command.arg(self.dir.redis_conf());
        command
    }

    async fn is_ready(&self) -> bool {
        tokio::time::timeout(PING_TIMEOUT, ping(&url(&self.dir))).await.is_ok_and(|answer| answer.is_ok())
    }
}

impl Redis {
    /// A file, because Redis before 7 does not quote what its command line says.
    fn settings(&self) -> String {
        let fsync = match self.durability {
            Durability::Durable => "everysec",
            Durability::Throwaway => "no",
        };
        format!(
            "# written at every start; changes are lost\n\
             port 0\nunixsocket {}\nunixsocketperm 700\ndir {}\ndaemonize no\ndatabases 16\n\
             appendonly yes\nappendfsync {fsync}\nsave \"\"\nmaxmemory-policy noeviction\n",
            self.dir.redis_socket().display(),
            quoted(&self.dir.redis().display().to_string()),
        )
    }
}

/// As Redis reads it back.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

async fn ping(url: &str) -> Result<String, redis::RedisError> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    redis::cmd("PING").query_async(&mut connection).await
}
