//! PostgreSQL: address and limits.

use std::time::Duration;

use secrecy::SecretString;

use super::{Reader, Setting};

/// The database's address and limits.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `DATABASE_URL`.
    pub url: SecretString,
    /// `DATABASE_POOL_SIZE`: connections held at most by one process.
    pub pool_size: usize,
    /// `DATABASE_TIMEOUT`: the longest wait for a connection.
    pub timeout: Duration,
    /// `DATABASE_STATEMENT_TIMEOUT`: the longest a statement may run before PostgreSQL ends it.
    pub statement_timeout: Duration,
}

impl DatabaseSettings {
    const URL: Setting =
        Setting::secret("DATABASE_URL", "PostgreSQL, as `postgres://user:password@host:5432/name`; add `?sslmode=require` for TLS");
    const POOL_SIZE: Setting = Setting::new("DATABASE_POOL_SIZE", "8", "Connections one process holds at most");
    const TIMEOUT: Setting = Setting::new("DATABASE_TIMEOUT", "10s", "Longest wait for a connection before the work is put off");
    const STATEMENT_TIMEOUT: Setting =
        Setting::new("DATABASE_STATEMENT_TIMEOUT", "60s", "Longest a statement may run before PostgreSQL ends it");
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::URL, Self::POOL_SIZE, Self::TIMEOUT, Self::STATEMENT_TIMEOUT];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let url = reader.required(&Self::URL, "every process keeps its truth in PostgreSQL (`callscribe demo` brings its own)");
        Self {
            url: url.into(),
            pool_size: reader.parsed(&Self::POOL_SIZE, "a number of connections").unwrap_or(8),
            timeout: reader.duration(&Self::TIMEOUT).unwrap_or(Duration::from_secs(10)),
            statement_timeout: reader.duration(&Self::STATEMENT_TIMEOUT).unwrap_or(Duration::from_mins(1)),
        }
    }

    /// Settings for `url`, the rest by default.
    #[must_use]
    pub fn for_url(url: impl Into<String>) -> Self {
        Self { url: url.into().into(), pool_size: 8, timeout: Duration::from_secs(10), statement_timeout: Duration::from_mins(1) }
    }
}
