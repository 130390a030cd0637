//! One connection to Redis, shared by every task of the process, that reconnects by itself and never blocks for long.

use std::{sync::Arc, time::Duration};

use apalis_redis::{Client, ConnectionManager};
use redis::aio::ConnectionManagerConfig;
use secrecy::ExposeSecret;

use crate::config::RedisSettings;

/// Redis did not do what was asked. Nothing is lost: the ledger has it.
#[derive(Debug, thiserror::Error)]
#[error("Redis did not answer")]
pub struct HintsError(#[from] redis::RedisError);

/// Redis, ready to be asked. Cloning it clones a handle.
#[derive(Clone)]
pub struct Hints {
    client: Client,
    manager: ConnectionManager,
    prefix: Arc<str>,
}

impl std::fmt::Debug for Hints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hints").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// redis-rs gives up after half a second by default, which turns every stall into an error; a stalled hint only costs time.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection attempt that takes longer than this is made again later.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(2);

impl Hints {
    /// Prepares the connection; it is opened by the first command and reopened whenever it breaks.
    pub fn new(settings: &RedisSettings) -> Result<Self, HintsError> {
        let client = Client::open(settings.url.expose_secret())?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_number_of_retries(1);
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
        Ok(Self { client, manager, prefix: settings.prefix.as_str().into() })
    }

    /// A handle for commands that answer at once.
    #[must_use]
    pub fn connection(&self) -> ConnectionManager {
        self.manager.clone()
    }

    /// The client, for connections that block.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A key under the prefix, hash-tagged.
    #[must_use]
    pub fn key(&self, family: &str, name: &str) -> String {
        format!("{{{}:{family}:{name}}}", self.prefix)
    }

    /// Whether Redis answers now.
    pub async fn ping(&self) -> Result<(), HintsError> {
        redis::cmd("PING").query_async::<String>(&mut self.connection()).await?;
        Ok(())
    }
}
