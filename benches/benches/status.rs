//! What `status` and `/metrics` ask, of a ledger of a million jobs, and the command itself:
//! `cargo build --release && cargo bench -p callscribe-benches --bench status`, on a private PostgreSQL.
//!
//! Two ledgers: one at rest (nearly all jobs done) and one with 200,000 due, the oldest of them calls. Each question is asked
//! several times on a warm cache; the goal is all of them together within 100 ms.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a terminal")]

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use callscribe::{
    config::DatabaseSettings,
    embedded::{Durability, EmbeddedOptions, Services},
    ledger,
    store::{self, Connection, Store, backfills, completeness, logins, sync_state},
};
use diesel_async::SimpleAsyncConnection;

/// Times each question is asked.
const ROUNDS: usize = 15;
/// How far back setbacks are told.
const LATELY: Duration = Duration::from_mins(10);

const AT_REST: &str = "
    SET statement_timeout = 0;
    INSERT INTO call_interactions (session_id, source, start_time, end_time, end_time_source, closed, transcript_status, raw_payload)
        SELECT 'c' || n, 'webex', now() - interval '1 day', now() - interval '23 hours', 'vendor', true, 'pending', '{}' FROM generate_series(1, 100000) AS n;
    INSERT INTO jobs (kind, key, source, session_id, max_attempts, state, attempt, run, lease_id, started_at, finished_at, payload)
        SELECT (ARRAY['recording', 'transcription'])[1 + n % 2], 'done' || n, 'webex', 'c' || n, 8, 'done', 1, 1, 1, now(), now(), '{}'
        FROM generate_series(1, 950000) AS n;
    INSERT INTO jobs (kind, key, max_attempts, state, finished_at, reason)
        SELECT 'transcription', 'dead' || n, 8, 'dead', now(), (ARRAY['provider_unavailable', 'low_coverage', 'audio_too_long'])[1 + n % 3]
        FROM generate_series(1, 10000) AS n;
    INSERT INTO jobs (kind, key, source, max_attempts, run_at)
        SELECT 'recording', 'later' || n, 'webex', 8, now() + n * interval '1 second' FROM generate_series(1, 40000) AS n;
    INSERT INTO job_attempts (job_id, run, attempt, outcome, reason, ended_at)
        SELECT id, 1, 1, 'later', 'recording_not_ready', now() - (id % 3600) * interval '1 second' FROM jobs WHERE key LIKE 'later%';
    INSERT INTO workers (name, host, pid, kinds, version, expires_at)
        SELECT 'host-' || n, 'host', n, '{recording,transcription}', '0.1.0', now() + interval '1 hour' FROM generate_series(1, 50) AS n;
    INSERT INTO job_rates (minute, backend, kind, source, arrived, done, setbacks, run_ms)
        SELECT date_trunc('minute', now()) - m * interval '1 minute', b, k, 'webex', 10, 10, 1, 20000
        FROM generate_series(0, 179) AS m, generate_series(1, 80) AS b, unnest(ARRAY['recording', 'transcription']) AS k;
    VACUUM ANALYZE";
const BACKLOG: &str = "
    INSERT INTO jobs (kind, key, source, session_id, priority, max_attempts, run_at)
        SELECT (ARRAY['recording', 'transcription'])[1 + n % 2], 'due' || n, 'webex', 'c' || (1 + n % 100000), 10 * (n % 4 / 3), 8,
               now() - n * interval '1 millisecond' FROM generate_series(1, 200000) AS n;
    UPDATE jobs SET state = 'running', run = 1, attempt = 1, lease_id = 1 + id % 50, started_at = now()
        WHERE id IN (SELECT id FROM jobs WHERE open AND run_at <= now() ORDER BY kind, priority, run_at LIMIT 400);
    VACUUM ANALYZE jobs";

#[tokio::main]
async fn main() -> Result<()> {
    let data_dir = tempfile::tempdir()?;
    let options = EmbeddedOptions { data_dir: data_dir.path().to_owned(), durability: Durability::Throwaway, max_connections: 10 };
    let services = Services::start(options).await?;
    let patient = DatabaseSettings { statement_timeout: Duration::from_mins(10), ..DatabaseSettings::for_url(services.database_url()) };
    let store = Store::new(patient)?;
    store::migrate(&store).await?;
    for (name, sql) in [("a million jobs at rest", AT_REST), ("and 200,000 due", BACKLOG)] {
        for statement in sql.split(';') {
            store.connection().await?.batch_execute(statement).await?;
        }
        println!("{name}");
        questions(&mut *store.connection().await?).await?;
        let (median, worst) = command(&services.database_url(), &services.redis_url())?;
        println!("  {:<22} {:>7.1} ms   worst {:>7.1} ms   goal: 100", "the command itself", milliseconds(median), milliseconds(worst));
    }
    drop(store);
    services.stop().await;
    Ok(())
}

/// Times `callscribe status`, from its start to its end.
fn command(database_url: &str, redis_url: &str) -> Result<(Duration, Duration)> {
    let executable = callscribe_benches::stage::executable()?;
    let mut took = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let output = Command::new(&executable)
            .arg("status")
            .env_clear()
            .envs([("DATABASE_URL", database_url), ("REDIS_URL", redis_url)])
            .output()
            .with_context(|| format!("cannot start `{}`: run `cargo build --release` first", executable.display()))?;
        took.push(began.elapsed());
        anyhow::ensure!(!output.stdout.is_empty(), "it printed nothing: {}", String::from_utf8_lossy(&output.stderr));
    }
    took.sort_unstable();
    Ok((took.get(ROUNDS / 2).copied().unwrap_or_default(), took.last().copied().unwrap_or_default()))
}

/// Times `$ask` and prints its median and worst; adds the median to `$sum`.
macro_rules! timed {
    ($sum:ident, $name:literal, $ask:expr) => {{
        let mut took = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let began = Instant::now();
            $ask;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        let median = took.get(ROUNDS / 2).copied().unwrap_or_default();
        println!(
            "  {:<22} {:>7.1} ms   worst {:>7.1} ms",
            $name,
            milliseconds(median),
            milliseconds(took.last().copied().unwrap_or_default())
        );
        $sum += median;
    }};
}

async fn questions(connection: &mut Connection) -> Result<()> {
    let mut sum = Duration::ZERO;
    timed!(sum, "depths", ledger::depths(connection, ledger::COUNTED).await?);
    timed!(sum, "rates", ledger::rates(connection).await?);
    timed!(sum, "freshness", ledger::freshness(connection).await?);
    timed!(sum, "running by worker", ledger::running_by_worker(connection).await?);
    timed!(sum, "workers", ledger::workers_seen(connection).await?);
    timed!(sum, "dead by reason", ledger::dead_reasons(connection).await?);
    timed!(sum, "setbacks", ledger::recent_setbacks(connection, LATELY).await?);
    timed!(sum, "sync states", sync_state::sync_states(connection).await?);
    timed!(sum, "credentials", logins::credentials(connection).await?);
    timed!(sum, "completeness", completeness::accounts(connection).await?);
    timed!(sum, "backfills", backfills::backfills_seen(connection, None).await?);
    println!("  {:<22} {:>7.1} ms   goal: 100", "all of it", milliseconds(sum));
    Ok(())
}

fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}
