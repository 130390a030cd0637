//! Redis: address and key prefix.

use secrecy::SecretString;

use super::{Reader, Setting};

/// Redis's address.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// `REDIS_URL`.
    pub url: SecretString,
    /// `REDIS_PREFIX`.
    pub prefix: String,
}

impl RedisSettings {
    const URL: Setting =
        Setting::secret("REDIS_URL", "Redis or Valkey, as `redis://host:6379/0`, `rediss://…` for TLS, or `redis+unix:///path/redis.sock`");
    const PREFIX: Setting =
        Setting::new("REDIS_PREFIX", "callscribe", "Prefix of every key, so that several installations can share a Redis");
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::URL, Self::PREFIX];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let url = reader.required(&Self::URL, "hints and the shared vendor budget travel through Redis (`callscribe demo` brings its own)");
        let prefix = reader.text(&Self::PREFIX).unwrap_or_else(|| "callscribe".to_owned());
        Self { url: url.into(), prefix }
    }

    /// Settings for `url`, keys under `prefix`.
    #[must_use]
    pub fn new(url: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self { url: url.into().into(), prefix: prefix.into() }
    }
}
