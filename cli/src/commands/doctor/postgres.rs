//! PostgreSQL: reachable, new enough, safe with what was committed, migrated, and not behind a pooler that takes sessions away.

use callscribe::{
    store::{
        SchemaState, Store, StoreError, schema_state,
        server::{ServerFacts, is_pooled_by_transaction, server_facts},
    },
    telemetry::chain,
};

use super::{clock, finding::Finding};

/// What the schema and its statements need.
const OLDEST: i32 = 140_000;
/// Beside its pool a process holds two connections at most: leadership, and a look at the schema.
const BESIDE_THE_POOL: i64 = 2;

pub(super) async fn check(store: &Store) -> Vec<Finding> {
    let facts = match ask(store).await {
        Ok(facts) => facts,
        Err(error) => {
            return vec![Finding::fail(
                "postgresql",
                chain(&error),
                "is PostgreSQL running where `DATABASE_URL` points to, and may this user log in to this database?",
            )];
        }
    };
    let mut findings = vec![version(&facts), connections(&facts, store.settings().pool_size)];
    findings.extend(durability(&facts));
    findings.push(clock::against("postgresql clock", "PostgreSQL", facts.now));
    findings.push(pooler(store).await);
    findings.push(migrations(store).await);
    findings
}

async fn ask(store: &Store) -> Result<ServerFacts, StoreError> {
    // outside the pool, whose errors do not say why a connection failed
    server_facts(&mut store.dedicated().await?).await
}

fn version(facts: &ServerFacts) -> Finding {
    let found = format!("PostgreSQL {}", facts.version);
    if facts.version_number < OLDEST {
        return Finding::fail("postgresql", found, "use PostgreSQL 14 or newer");
    }
    if facts.standby {
        return Finding::fail("postgresql", format!("{found}, a standby that takes no writes"), "point `DATABASE_URL` to the primary");
    }
    Finding::ok("postgresql", found)
}

fn connections(facts: &ServerFacts, pool_size: usize) -> Finding {
    const CHECK: &str = "connections";
    let per_process = i64::try_from(pool_size).unwrap_or(i64::MAX).saturating_add(BESIDE_THE_POOL);
    let free = (i64::from(facts.max_connections) - facts.connections).max(0);
    let found = format!(
        "{} of {} in use; a process holds up to {per_process}: room for {} more processes",
        facts.connections,
        facts.max_connections,
        free / per_process.max(1)
    );
    if free < per_process {
        return Finding::warn(CHECK, found, "raise `max_connections` of PostgreSQL, or lower `DATABASE_POOL_SIZE`");
    }
    Finding::ok(CHECK, found)
}

fn durability(facts: &ServerFacts) -> Vec<Finding> {
    const CHECK: &str = "postgresql settings";
    let safe = ["on", "local", "remote_write", "remote_apply"].contains(&facts.synchronous_commit.as_str());
    let doubts = [
        (!facts.fsync, "`fsync` is off: a power cut may destroy the database", "switch `fsync` on"),
        (!facts.full_page_writes, "`full_page_writes` is off: a power cut may damage pages", "switch `full_page_writes` on"),
        (!safe, "`synchronous_commit` is off: a crash may undo the last moments", "switch `synchronous_commit` on for this database"),
        (!facts.autovacuum, "`autovacuum` is off: the ledger grows and slows down", "switch `autovacuum` on"),
    ];
    let doubts: Vec<_> = doubts.into_iter().filter(|(given, ..)| *given).map(|(_, found, fix)| Finding::warn(CHECK, found, fix)).collect();
    if doubts.is_empty() { vec![Finding::ok(CHECK, "what was committed stays, and is vacuumed")] } else { doubts }
}

async fn pooler(store: &Store) -> Finding {
    const CHECK: &str = "session";
    match is_pooled_by_transaction(store).await {
        Ok(false) => Finding::ok(CHECK, "a connection stays ours from one transaction to the next"),
        Ok(true) => Finding::fail(
            CHECK,
            "a pooler lends connections for one transaction at a time: leadership and prepared statements do not survive that",
            "point `DATABASE_URL` to PostgreSQL itself, or to a pool in session mode",
        ),
        Err(error) => Finding::fail(CHECK, chain(&error), "raise `max_connections`: not even two connections could be opened"),
    }
}

async fn migrations(store: &Store) -> Finding {
    const CHECK: &str = "migrations";
    let asked = async { schema_state(&mut store.dedicated().await?).await };
    let SchemaState { pending, unknown } = match asked.await {
        Ok(state) => state,
        Err(error) => return Finding::fail(CHECK, chain(&error), "may this user read `__diesel_schema_migrations`?"),
    };
    if !pending.is_empty() {
        let found = format!("{} of this version are missing: {}", pending.len(), pending.join(", "));
        return Finding::fail(CHECK, found, "run `callscribe migrate`");
    }
    if !unknown.is_empty() {
        return Finding::warn(
            CHECK,
            format!("a newer version has migrated this database: {} are not known here", unknown.len()),
            "old and new may run side by side; go on to the newer version when you can",
        );
    }
    Finding::ok(CHECK, "all applied")
}
