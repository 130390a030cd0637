//! The Redis server itself, as whoever checks an installation asks it: version, memory, and what it does when that is full.

use std::collections::HashMap;

use super::{Hints, HintsError};

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisFacts {
    /// `Redis 7.4.1`, `Valkey 8.0.1`.
    pub version: String,
    /// Major and minor version of the Redis it is or is compatible with.
    pub compatible_with: (u16, u16),
    /// Bytes in use.
    pub used_bytes: u64,
    /// `maxmemory`; 0: no bound.
    pub most_bytes: u64,
    /// `maxmemory-policy`.
    pub policy: String,
}

impl RedisFacts {
    /// Whether keys may vanish when memory is full.
    #[must_use]
    pub fn evicts(&self) -> bool {
        self.most_bytes > 0 && self.policy != "noeviction"
    }

    fn read(info: &str) -> Self {
        let fields: HashMap<&str, &str> = info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
        let text = |name: &str| fields.get(name).copied().unwrap_or_default();
        let number = |name: &str| text(name).parse().unwrap_or(0);
        let mut parts = text("redis_version").split('.').map(|part| part.parse().unwrap_or(0));
        let compatible_with = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        let version = match text("valkey_version") {
            "" => format!("Redis {}", text("redis_version")),
            valkey => format!("Valkey {valkey}"),
        };
        let policy = text("maxmemory_policy").to_owned();
        Self { version, compatible_with, used_bytes: number("used_memory"), most_bytes: number("maxmemory"), policy }
    }
}

impl Hints {
    /// Asks the server about itself.
    pub async fn server(&self) -> Result<RedisFacts, HintsError> {
        let mut connection = self.connection();
        let mut info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
        // several sections in one command need Redis 7
        info.push_str(&redis::cmd("INFO").arg("memory").query_async::<String>(&mut connection).await?);
        Ok(RedisFacts::read(&info))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valkey_is_told_by_its_own_name_and_judged_by_the_redis_it_is_like() {
        let facts = RedisFacts::read("# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n");
        assert_eq!((facts.version.as_str(), facts.compatible_with), ("Valkey 8.0.1", (7, 2)));
    }

    #[test]
    fn keys_vanish_only_where_memory_has_a_bound_and_a_policy_to_evict() {
        let facts =
            |most, policy| RedisFacts::read(&format!("redis_version:6.2.0\nmaxmemory:{most}\nmaxmemory_policy:{policy}\n")).evicts();
        assert!(facts(1024, "allkeys-lru") && facts(1024, "volatile-ttl"));
        assert!(!facts(0, "allkeys-lru") && !facts(1024, "noeviction"));
    }
}
