//! The whole of Callscribe in one process: scheduler, all workers, the API.

use std::{convert::Infallible, sync::Arc};

use callscribe::{
    blob::{Blob, IfMissing},
    clock::SystemClock,
    config::ProcessSettings,
    domain::{JobKind, SourceName},
    notify::{self, Channels, Watched, watch_alerts},
    queue::run_workers,
    schedule::{SchedulerOptions, run_scheduler},
    store::migrate,
    telemetry::{chain, metrics::Registry},
};
use callscribe_api::{ApiState, app, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Engines, Together, clear_stale_uploads, hasten_expiring, lanes, workers_options};
use crate::failure::Failure;

/// What the whole needs.
pub(crate) struct WholeOptions {
    pub(crate) settings: ProcessSettings,
    pub(crate) engines: Engines,
    pub(crate) registry: Registry,
    pub(crate) sources: Vec<SourceName>,
    pub(crate) if_bucket_is_missing: IfMissing,
    pub(crate) listener: TcpListener,
    pub(crate) shutdown: CancellationToken,
}

/// The whole, running.
pub(crate) struct Whole {
    together: Together,
    pub(crate) blob: Blob,
}

impl Whole {
    /// Brings the schema up to date and starts everything.
    pub(crate) async fn start(options: WholeOptions) -> Result<Self, Failure> {
        let WholeOptions { settings, engines, registry, sources, if_bucket_is_missing, listener, shutdown } = options;
        for name in migrate(&engines.store).await? {
            tracing::info!(migration.name = name, "migration applied");
        }
        let storage = settings.storage.as_ref().ok_or_else(|| Failure::with_hint("no bucket is set", "set `CALL_RECORDING_BUCKET`"))?;
        let blob = Blob::connect(storage).await;
        if let Err(error) = blob.ensure_bucket(if_bucket_is_missing).await {
            tracing::error!(error = %chain(&error), "the bucket cannot be used: jobs that need it wait until it can");
        }
        let lanes = lanes(JobKind::ALL, &settings, &engines, Some(&blob)).await?;
        let mut together = Together::new(shutdown.clone());
        let state = ApiState::new(engines.store.clone(), registry)
            .with_hints(engines.hints.clone())
            .with_goals(settings.slo, &settings.work)
            .with_cron(settings.api.cron_secret.clone(), &sources)
            .with_webhooks(&settings.webhook, Arc::new(SystemClock))
            .with_deepgram(settings.deepgram_callback.as_ref());
        together.run(serve(listener, app(state), shutdown.clone()));
        together.run(run_workers(workers_options(lanes, &settings.work, &engines, shutdown.clone())));
        together.run(clear_stale_uploads(blob.clone(), shutdown.clone()));
        let (store, hints) = (engines.store.clone(), engines.hints.clone());
        together.run(hasten_expiring(store, hints, settings.recording.urgent_from(), shutdown.clone()));
        let channels = Channels::new(&settings.alerts)?;
        let watched = Watched {
            store: engines.store.clone(),
            settings: settings.alerts.clone(),
            goals: settings.slo,
            prices: settings.transcribing.prices.clone(),
            sources: sources.clone(),
            gates: notify::gates(&engines.hints),
            clock: Arc::new(SystemClock),
        };
        let alerts = watch_alerts(watched, channels, shutdown.clone());
        together.run(async {
            alerts.await;
            Ok::<(), Infallible>(())
        });
        let scheduler = run_scheduler(SchedulerOptions {
            store: engines.store,
            hints: engines.hints,
            sources,
            sync_interval: settings.sync.interval,
            enrich_interval: Some(settings.enrich.interval),
            chat_channels: settings.chats.channels.clone(),
            webhook: settings.webhook.clone(),
            reconcile: settings.reconcile,
            keep: settings.keep.clone(),
            lease: settings.work.lease,
            shutdown,
        });
        together.run(async {
            scheduler.await;
            Ok::<(), Infallible>(())
        });
        Ok(Self { together, blob })
    }

    /// Waits until everything has ended, which the shutdown or a failure begins.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        self.together.ended().await
    }
}
