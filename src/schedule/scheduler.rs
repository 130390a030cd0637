//! The scheduler process.

use std::time::Duration;

use rand::Rng;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{
    chats::enqueue_chat_tick, checks::enqueue_webhook_check, dispatch::dispatch, events::attend_waiting, keep::Keeping, leader::Leadership,
    logins::Logins, reconcile::enqueue_night, sync::enqueue_tick,
};
use crate::{
    clock::{Clock, SystemClock},
    config::{KeepSettings, ReconcileSettings, WebhookSettings},
    domain::{ChatChannel, JobKind, SourceName},
    hints::Hints,
    ledger::{self, process_rng},
    queue::push_hints,
    store::{Store, StoreError, backfills, provider_answers, webhook_events},
    telemetry::{chain, metrics},
};

/// What a scheduler needs.
#[derive(Debug, Clone)]
pub struct SchedulerOptions {
    /// The truth.
    pub store: Store,
    /// The hints.
    pub hints: Hints,
    /// Sources that are configured.
    pub sources: Vec<SourceName>,
    /// `SYNC_INTERVAL`: how often each source is asked for calls.
    pub sync_interval: Duration,
    /// How events of vendors are settled and how long they are kept.
    pub webhook: WebhookSettings,
    /// `ENRICH_INTERVAL`: how often each source is asked what calls turned out to be; `None`: never.
    pub enrich_interval: Option<Duration>,
    /// When each source's lists are compared with what is held.
    pub reconcile: ReconcileSettings,
    /// How long what is over is kept.
    pub keep: KeepSettings,
    /// Where conversations are written that are asked for with every sync; empty: none are.
    pub chat_channels: Vec<ChatChannel>,
    /// `JOB_LEASE`: as the workers have it.
    pub lease: Duration,
    /// Ends the loop.
    pub shutdown: CancellationToken,
}

/// A lost hint is sent again, and a job whose wait is over gets its hint, within this time.
const DISPATCH_EVERY: Duration = Duration::from_secs(1);
/// How often those that do not lead try to; halved or doubled at random so that they do not try in step.
const SEEK_EVERY: Duration = Duration::from_secs(5);
/// A dead worker is noticed this long after its lease ran out, at most: a fifth of the lease within these bounds.
const SWEEP_BOUNDS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Events removed with one sweep: more than come meanwhile, too few to hold up the rest.
const MOST_PRUNED: u16 = 1_000;

/// Leads, or waits to lead, until the shutdown. PostgreSQL or Redis may come and go.
pub async fn run_scheduler(options: SchedulerOptions) {
    let shutdown = options.shutdown.clone();
    tokio::select! {
        () = lead_for_ever(&options) => {}
        () = shutdown.cancelled() => tracing::info!("scheduler stopped"),
    }
}

async fn lead_for_ever(options: &SchedulerOptions) {
    metrics::leading(false);
    loop {
        match Leadership::seek(&options.store).await {
            Ok(Some(leadership)) => {
                tracing::info!("scheduler leads");
                metrics::leading(true);
                let error = lead(options, leadership).await;
                metrics::leading(false);
                tracing::warn!(error = %chain(&error), "scheduler no longer leads");
            }
            Ok(None) => tracing::debug!("another scheduler leads"),
            Err(error) => tracing::warn!(error = %chain(&error), "cannot ask for leadership"),
        }
        let pause = SEEK_EVERY.mul_f64(process_rng().random_range(0.5..1.5));
        tokio::time::sleep(pause).await;
    }
}

/// Acts as the leader until PostgreSQL fails it, and returns how.
async fn lead(options: &SchedulerOptions, mut leadership: Leadership) -> StoreError {
    let sweep_every = (options.lease / 5).clamp(SWEEP_BOUNDS.0, SWEEP_BOUNDS.1);
    let (mut sweep_at, mut check_at) = (Instant::now(), Instant::now());
    let (mut logins, mut keeping) = (Logins::default(), Keeping::new());
    let mut rounds = tokio::time::interval(DISPATCH_EVERY.min(sweep_every));
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        if check_at <= Instant::now() {
            if let Err(error) = check_webhooks(options, &mut leadership).await {
                return error;
            }
            check_at = Instant::now() + options.webhook.check_every;
        }
        let round = async {
            logins.look(leadership.connection(), SystemClock.now()).await?;
            round(options, &mut leadership, sweep_at <= Instant::now()).await
        };
        match round.await {
            Ok(swept) => sweep_at = if swept { Instant::now() + sweep_every } else { sweep_at },
            Err(error) => return error,
        }
        keeping.look(leadership.connection(), &options.keep).await;
    }
}

/// Asks for conversations, where that is switched on.
async fn enqueue_chats(options: &SchedulerOptions, leadership: &mut Leadership) -> Result<(), StoreError> {
    if options.chat_channels.is_empty() {
        return Ok(());
    }
    for source in &options.sources {
        let run = enqueue_chat_tick(leadership.connection(), *source, &options.chat_channels, options.sync_interval).await?;
        let Some(hint) = run else { continue };
        tracing::info!(job.id = %hint.id, job.kind = %JobKind::Chat, call.source = %source, "run enqueued");
        if let Err(error) = push_hints(&options.hints, &[hint]).await {
            tracing::debug!(error = %chain(&error), "hint lost; the dispatcher sends it again");
        }
    }
    Ok(())
}

/// Has a worker look at the webhooks of every source, where the receiver is set up.
async fn check_webhooks(options: &SchedulerOptions, leadership: &mut Leadership) -> Result<(), StoreError> {
    if options.webhook.secrets.is_empty() {
        return Ok(());
    }
    for source in &options.sources {
        let due = enqueue_webhook_check(leadership.connection(), *source, options.webhook.check_every).await?;
        if let Err(error) = push_hints(&options.hints, due.as_slice()).await {
            tracing::debug!(error = %chain(&error), "hint lost; the dispatcher sends it again");
        }
    }
    Ok(())
}

async fn round(options: &SchedulerOptions, leadership: &mut Leadership, sweep_due: bool) -> Result<bool, StoreError> {
    for source in &options.sources {
        let ticks = [(JobKind::Sync, Some(options.sync_interval)), (JobKind::Enrichment, options.enrich_interval)];
        for (kind, interval) in ticks {
            let Some(interval) = interval else { continue };
            let Some(run) = enqueue_tick(leadership.connection(), kind, *source, interval).await? else { continue };
            tracing::info!(job.id = %run.id, job.kind = %kind, call.source = %source, "run enqueued");
            if kind == JobKind::Sync {
                metrics::sync_enqueued(*source);
            }
            if let Err(error) = push_hints(&options.hints, &[run.hint()]).await {
                tracing::debug!(error = %chain(&error), "hint lost; the dispatcher sends it again");
            }
        }
    }
    enqueue_chats(options, leadership).await?;
    let due = attend_waiting(leadership.connection(), options.webhook.sync_every).await?;
    if let Err(error) = push_hints(&options.hints, &due).await {
        tracing::debug!(error = %chain(&error), "hints lost; the dispatcher sends them again");
    }
    if sweep_due {
        webhook_events::prune(leadership.connection(), options.webhook.keep, MOST_PRUNED).await?;
        provider_answers::prune(leadership.connection()).await?;
        enqueue_nights(options, leadership).await?;
        let swept = ledger::sweep(leadership.connection(), options.lease).await?;
        if swept.leases > 0 {
            tracing::warn!(
                leases.lost = swept.leases,
                jobs.returned = swept.returned,
                jobs.dead = swept.dead,
                "workers vanished; their jobs are due again"
            );
            metrics::jobs_swept(swept.returned + swept.dead);
        }
        backfills::finish_ended(leadership.connection()).await?;
        let due = ledger::attend(leadership.connection()).await?;
        if let Err(error) = push_hints(&options.hints, &due).await {
            tracing::debug!(error = %chain(&error), "hints lost; the dispatcher sends them again");
        }
        ledger::prune_rates(leadership.connection()).await?;
    }
    let dispatched = dispatch(&options.store, &options.hints).await?;
    if dispatched.lanes_unreachable > 0 {
        tracing::warn!(lanes.count = dispatched.lanes_unreachable, "Redis is away: workers poll the ledger meanwhile");
    }
    Ok(sweep_due)
}

async fn enqueue_nights(options: &SchedulerOptions, leadership: &mut Leadership) -> Result<(), StoreError> {
    let ReconcileSettings { at: Some(at), repair, .. } = options.reconcile else { return Ok(()) };
    for source in &options.sources {
        if let Some(run) = enqueue_night(leadership.connection(), *source, at, repair).await? {
            tracing::info!(job.id = %run.id, call.source = %source, "reconcile enqueued");
            if let Err(error) = push_hints(&options.hints, &[run.hint()]).await {
                tracing::debug!(error = %chain(&error), "hint lost; the dispatcher sends it again");
            }
        }
    }
    Ok(())
}
