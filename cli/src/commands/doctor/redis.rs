//! Redis: reachable, new enough, and whether it throws keys away when its memory is full. Persistence does not matter: it holds hints.

use callscribe::{
    hints::{Hints, RedisFacts},
    telemetry::chain,
};

use super::finding::Finding;

/// What apalis's scripts and ours need.
const OLDEST: (u16, u16) = (6, 2);

pub(super) async fn check(hints: &Hints) -> Vec<Finding> {
    match hints.server().await {
        Ok(facts) => vec![version(&facts), memory(&facts)],
        Err(error) => vec![Finding::fail(
            "redis",
            chain(&error),
            "is Redis running where `REDIS_URL` points to, and are its user and password right? Without it work goes on, slower",
        )],
    }
}

fn version(facts: &RedisFacts) -> Finding {
    if facts.compatible_with < OLDEST {
        return Finding::fail("redis", facts.version.clone(), "use Redis 6.2 or newer, or Valkey");
    }
    Finding::ok("redis", facts.version.clone())
}

fn memory(facts: &RedisFacts) -> Finding {
    const CHECK: &str = "redis memory";
    let used = megabytes(facts.used_bytes);
    if facts.evicts() {
        return Finding::warn(
            CHECK,
            format!(
                "`maxmemory-policy` is `{}`: when {} are full, hints and the shared vendor budget vanish, which costs latency and bursts at \
                 the vendor, never work",
                facts.policy,
                megabytes(facts.most_bytes)
            ),
            "set `maxmemory-policy noeviction`, or give Callscribe a Redis of its own",
        );
    }
    let bound = if facts.most_bytes == 0 { "no bound".to_owned() } else { format!("of {}", megabytes(facts.most_bytes)) };
    Finding::ok(CHECK, format!("{used} in use, {bound}; nothing is evicted"))
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1024 * 1024))
}
