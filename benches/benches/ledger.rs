//! No-op jobs through the whole ledger: enqueue, hint, claim, run, finish. `cargo bench -p callscribe-benches --bench ledger`
//! on a private PostgreSQL that syncs to disk and a private Redis.
//!
//! The baseline of the same run is the least any queue on this PostgreSQL must do: a bare table whose rows are inserted in bulk
//! and taken by `DELETE … SKIP LOCKED` in batches of a thousand, without leases, history, fencing or hints.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a terminal")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use callscribe::{
    config::{DatabaseSettings, KeepSettings, RedisSettings},
    domain::JobKind,
    embedded::{Durability, EmbeddedOptions, Services},
    hints::Hints,
    ledger::{self, ByHand, Claimed, Handler, Hint, JobFilter, NewJob, Outcome, RunContext},
    queue::{self, LaneOptions, QueueSettings, WorkersOptions},
    store::{self, Store},
};
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Jobs of one measurement.
const JOBS: usize = 100_000;
/// Jobs of the backlog that must not slow anything down.
const BACKLOG: usize = 200_000;
/// Rows in one INSERT.
const BATCH: usize = 1_000;
/// Single jobs timed from enqueue to start.
const SINGLES: usize = 500;

struct NoOp {
    ran: AtomicU64,
    ended: Notify,
    target: AtomicU64,
    last_start: std::sync::Mutex<Option<Instant>>,
}

impl NoOp {
    fn ran(&self) -> u64 {
        AtomicU64::load(&self.ran, Ordering::Relaxed)
    }
}

#[async_trait]
impl Handler for NoOp {
    fn kind(&self) -> JobKind {
        JobKind::Sync
    }

    async fn run(&self, _: &Claimed, _: &RunContext) -> Outcome {
        if let Ok(mut last) = self.last_start.lock() {
            *last = Some(Instant::now());
        }
        if self.ran.fetch_add(1, Ordering::Relaxed) + 1 == AtomicU64::load(&self.target, Ordering::Relaxed) {
            self.ended.notify_one();
        }
        Outcome::done()
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let data_dir = tempfile::tempdir()?;
    let options = EmbeddedOptions { data_dir: data_dir.path().to_owned(), durability: Durability::Durable, max_connections: 20 };
    let services = Services::start(options).await?;
    let store = Store::new(DatabaseSettings::for_url(services.database_url()))?;
    let hints = Hints::new(&RedisSettings::new(services.redis_url(), "bench"))?;
    measure(&store, &hints).await?;
    drop(store);
    services.stop().await;
    Ok(())
}

async fn measure(store: &Store, hints: &Hints) -> Result<()> {
    store::migrate(store).await?;

    let bare = baseline(store).await?;
    println!("baseline: bare table   insert {:>8.0}/s   take {:>8.0}/s", bare.0, bare.1);

    let enqueued = enqueue(store, hints, "drain", JOBS).await?;
    println!("bulk enqueue           {enqueued:>8.0} jobs/s   {:.2} of the baseline", enqueued / bare.0);
    let handler =
        Arc::new(NoOp { ran: AtomicU64::new(0), ended: Notify::new(), target: AtomicU64::new(0), last_start: std::sync::Mutex::default() });
    let drained = drain(store, hints, &handler, JOBS).await?;
    println!("drain of {JOBS}        {drained:>8.0} jobs/s   {:.2} of the baseline", drained / bare.1);

    let whole = whole(store, hints, &handler).await?;
    println!("enqueue + drain at once{whole:>8.0} jobs/s");

    empty(store, hints).await?;
    // as many as above are drained, so that starting and stopping the worker weighs the same
    enqueue(store, hints, "backlog", BACKLOG + JOBS).await?;
    let backlog = drain(store, hints, &handler, JOBS).await?;
    println!("with {BACKLOG} waiting     {backlog:>8.0} jobs/s   {:.2} of the drain above", backlog / drained);
    empty(store, hints).await?;

    old(store).await?;
    enqueue(store, hints, "beside pruning", JOBS).await?;
    let (beside, pruned) = drain_while_pruning(store, hints, &handler).await?;
    println!(
        "while pruning          {beside:>8.0} jobs/s   {:.2} of the drain above, {pruned:.0} old jobs/s removed meanwhile",
        beside / drained
    );
    empty(store, hints).await?;

    dead(store).await?;
    enqueue(store, hints, "beside requeueing", JOBS).await?;
    let (beside, requeued) = drain_while_requeueing(store, hints, &handler).await?;
    println!(
        "while requeueing       {beside:>8.0} jobs/s   {:.2} of the drain above, {JOBS} dead transcriptions requeued in {:.1} s",
        beside / drained,
        requeued.as_secs_f64()
    );
    empty(store, hints).await?;

    latency(store, hints, &handler).await?;
    Ok(())
}

/// Transcriptions that failed, with their calls.
async fn dead(store: &Store) -> Result<()> {
    let dead = format!(
        "SET statement_timeout = 0;
         INSERT INTO call_interactions (session_id, source, start_time, end_time, end_time_source, closed, transcript_status, raw_payload)
             SELECT 'c' || n, 'webex', now() - interval '1 day', now() - interval '23 hours', 'vendor', true, 'error', '{{}}'
             FROM generate_series(1, {JOBS}) AS n;
         INSERT INTO call_transcripts (id, session_id, provider, status, error_code, error_message)
             SELECT md5(session_id)::uuid, session_id, 'whisper', 'error', 'provider_unavailable', 'down' FROM call_interactions;
         INSERT INTO jobs (kind, key, source, session_id, transcript_id, state, attempt, max_attempts, run, started_at, finished_at, reason)
             SELECT 'transcription', session_id, 'webex', session_id, id, 'dead', 8, 8, 8, now(), now(), 'provider_unavailable' FROM call_transcripts;
         ANALYZE; CHECKPOINT"
    );
    Ok(store.dedicated().await?.batch_execute(&dead).await?)
}

/// Drains while all dead transcriptions are requeued at once, as `callscribe requeue` does it.
async fn drain_while_requeueing(store: &Store, hints: &Hints, handler: &Arc<NoOp>) -> Result<(f64, Duration)> {
    let requeueing = tokio::spawn({
        let (store, hints) = (store.clone(), hints.clone());
        async move {
            let order = ByHand::new(JobFilter { kinds: vec![JobKind::Transcription.to_string()], ..JobFilter::default() }, "bench");
            let (sender, mut made) = tokio::sync::mpsc::unbounded_channel::<Vec<Hint>>();
            let pushing = tokio::spawn(async move {
                while let Some(due) = made.recv().await {
                    queue::push_hints(&hints, &due).await?;
                }
                Ok::<(), anyhow::Error>(())
            });
            let began = Instant::now();
            let changed = ledger::requeue(&store, &order, &sender).await?;
            drop(sender);
            pushing.await??;
            anyhow::ensure!(changed.jobs == i64::try_from(JOBS)?, "{} requeued", changed.jobs);
            Ok::<Duration, anyhow::Error>(began.elapsed())
        }
    });
    let rate = drain(store, hints, handler, JOBS).await?;
    Ok((rate, requeueing.await??))
}

/// Jobs that ended a year ago.
const OLD: usize = 1_000_000;

async fn old(store: &Store) -> Result<()> {
    let mut connection = store.dedicated().await?;
    let old = format!(
        "SET statement_timeout = 0;
         INSERT INTO jobs (kind, key, state, max_attempts, run_at, created_at, finished_at)
             SELECT 'sync', 'old/' || n, 'done', 3, at, at, at
             FROM (SELECT n, now() - interval '1 year' + n * interval '1 second' AS at FROM generate_series(1, {OLD}) AS n) AS old;
         ANALYZE jobs; CHECKPOINT"
    );
    Ok(connection.batch_execute(&old).await?)
}

/// Drains while a second connection does nothing but prune, batch after batch: harder than the scheduler does.
async fn drain_while_pruning(store: &Store, hints: &Hints, handler: &Arc<NoOp>) -> Result<(f64, f64)> {
    let mut connection = store.dedicated().await?;
    let stop = CancellationToken::new();
    let pruning = tokio::spawn({
        let stop = stop.clone();
        async move {
            let (began, mut removed) = (Instant::now(), 0);
            while !stop.is_cancelled() {
                removed += ledger::prune(&mut connection, &KeepSettings::default(), 1_000).await?.done_jobs;
            }
            Ok::<f64, anyhow::Error>(per_second(removed, began))
        }
    });
    // counted by its end, not by its rows: done rows are what is being removed
    handler.target.store(handler.ran() + u64::try_from(JOBS)?, Ordering::Relaxed);
    let began = Instant::now();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(queue::run_workers(options(store, hints, handler, &shutdown)));
    handler.ended.notified().await;
    shutdown.cancel();
    running.await??;
    let rate = per_second(JOBS, began);
    stop.cancel();
    Ok((rate, pruning.await??))
}

async fn empty(store: &Store, hints: &Hints) -> Result<()> {
    store.connection().await?.batch_execute("TRUNCATE jobs, job_attempts CASCADE; CHECKPOINT").await?;
    Ok(redis::cmd("FLUSHALL").query_async::<()>(&mut hints.connection()).await?)
}

async fn enqueue(store: &Store, hints: &Hints, prefix: &str, jobs: usize) -> Result<f64> {
    let began = Instant::now();
    let mut connection = store.connection().await?;
    let mut pushing = tokio::task::JoinSet::new();
    for batch in 0..jobs / BATCH {
        let new: Vec<NewJob> = (0..BATCH).map(|n| NewJob::new(JobKind::Sync, format!("{prefix}/{:08}", batch * BATCH + n))).collect();
        let due = ledger::enqueue(&mut connection, &new).await?;
        let hints = hints.clone();
        pushing.spawn(async move { queue::push_hints(&hints, &due).await });
    }
    while let Some(pushed) = pushing.join_next().await {
        pushed??;
    }
    Ok(per_second(jobs, began))
}

async fn drain(store: &Store, hints: &Hints, handler: &Arc<NoOp>, jobs: usize) -> Result<f64> {
    handler.target.store(handler.ran() + u64::try_from(jobs)?, Ordering::Relaxed);
    let before = done(store).await?;
    let began = Instant::now();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(queue::run_workers(options(store, hints, handler, &shutdown)));
    handler.ended.notified().await;
    shutdown.cancel();
    running.await??;
    let rate = f64::from(u32::try_from(done(store).await? - before)?) / began.elapsed().as_secs_f64();
    Ok(rate)
}

async fn whole(store: &Store, hints: &Hints, handler: &Arc<NoOp>) -> Result<f64> {
    handler.target.store(handler.ran() + u64::try_from(JOBS)?, Ordering::Relaxed);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(queue::run_workers(options(store, hints, handler, &shutdown)));
    let began = Instant::now();
    enqueue(store, hints, "whole", JOBS).await?;
    handler.ended.notified().await;
    shutdown.cancel();
    running.await??;
    Ok(per_second(JOBS, began))
}

async fn latency(store: &Store, hints: &Hints, handler: &Arc<NoOp>) -> Result<()> {
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(queue::run_workers(options(store, hints, handler, &shutdown)));
    let mut connection = store.connection().await?;
    let mut waits = Vec::with_capacity(SINGLES);
    for n in 0..SINGLES {
        handler.target.store(handler.ran() + 1, Ordering::Relaxed);
        let began = Instant::now();
        let due = ledger::enqueue(&mut connection, &[NewJob::new(JobKind::Sync, format!("single/{n}"))]).await?;
        queue::push_hints(hints, &due).await?;
        handler.ended.notified().await;
        let started = handler.last_start.lock().ok().and_then(|last| *last).context("no start seen")?;
        waits.push(started.duration_since(began));
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    shutdown.cancel();
    running.await??;
    waits.sort();
    let at = |share: usize| waits.get(waits.len() * share / 100).copied().unwrap_or_default();
    println!("idle: enqueue to start p50 {:?}   p99 {:?}", at(50), at(99));
    Ok(())
}

fn options(store: &Store, hints: &Hints, handler: &Arc<NoOp>, shutdown: &CancellationToken) -> WorkersOptions {
    WorkersOptions {
        store: store.clone(),
        hints: hints.clone(),
        lanes: vec![LaneOptions { handler: handler.clone(), concurrency: 2_000, max_attempts: None }],
        settings: QueueSettings::default(),
        host: "bench".to_owned(),
        shutdown: shutdown.clone(),
    }
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

async fn done(store: &Store) -> Result<i64> {
    let row: Count =
        diesel::sql_query("SELECT count(*) AS count FROM jobs WHERE state = 'done'").get_result(&mut store.connection().await?).await?;
    Ok(row.count)
}

async fn baseline(store: &Store) -> Result<(f64, f64)> {
    let mut connection = store.dedicated().await?;
    connection.batch_execute("DROP TABLE IF EXISTS bare; CREATE TABLE bare (id bigint PRIMARY KEY, body text)").await?;
    let began = Instant::now();
    for batch in 0..JOBS / BATCH {
        let from = batch * BATCH;
        connection
            .batch_execute(&format!("INSERT INTO bare SELECT n, 'key/' || n FROM generate_series({from}, {}) n", from + BATCH - 1))
            .await?;
    }
    let inserted = per_second(JOBS, began);
    let began = Instant::now();
    for _ in 0..JOBS / BATCH {
        connection
            .transaction(async |transaction| {
                let taken: Vec<Count> = diesel::sql_query(format!(
                    "DELETE FROM bare WHERE id IN (SELECT id FROM bare ORDER BY id LIMIT {BATCH} FOR UPDATE SKIP LOCKED) RETURNING id AS count"
                ))
                .load(transaction)
                .await?;
                assert_eq!(taken.len(), BATCH);
                Ok::<_, diesel::result::Error>(())
            })
            .await?;
    }
    let taken = per_second(JOBS, began);
    connection.batch_execute("DROP TABLE bare").await?;
    Ok((inserted, taken))
}

fn per_second(jobs: usize, began: Instant) -> f64 {
    f64::from(u32::try_from(jobs).unwrap_or(u32::MAX)) / began.elapsed().as_secs_f64()
}
