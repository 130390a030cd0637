//! `callscribe scheduler`: says when calls are asked for, sends hints for what is due, takes back what dead workers held.

use std::{convert::Infallible, process::ExitCode, sync::Arc};

use callscribe::{
    clock::SystemClock,
    config::{Environment, ProcessSettings, Reader, WebexSettings},
    domain::SourceName,
    notify::{self, Channels, Watched, watch_alerts},
    schedule::{SchedulerOptions, run_scheduler},
};
use callscribe_api::{ApiState, probes_app, serve};
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Ended, worker::listen};
use crate::{
    process::{Engines, Together, start},
    setup,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Start two for safety: one leads, the other takes over within seconds when it dies.\n\nExample:\n  callscribe scheduler"
)]
pub(crate) struct Arguments {}

/// The sources that are configured. Neither scheduler nor API needs their credentials.
pub(crate) fn configured_sources(environment: &Environment) -> Vec<SourceName> {
    if WebexSettings::is_given(&Reader::new(environment)) { vec![SourceName::Webex] } else { Vec::new() }
}

/// What the scheduler runs with.
pub(crate) fn options(
    settings: &ProcessSettings,
    engines: &Engines,
    sources: Vec<SourceName>,
    shutdown: CancellationToken,
) -> SchedulerOptions {
    SchedulerOptions {
        store: engines.store.clone(),
        hints: engines.hints.clone(),
        sources,
        sync_interval: settings.sync.interval,
        enrich_interval: Some(settings.enrich.interval),
        chat_channels: settings.chats.channels.clone(),
        webhook: settings.webhook.clone(),
        reconcile: settings.reconcile,
        keep: settings.keep.clone(),
        lease: settings.work.lease,
        shutdown,
    }
}

/// What needs a person is looked for here.
fn watched(settings: &ProcessSettings, engines: &Engines, sources: &[SourceName]) -> Watched {
    Watched {
        store: engines.store.clone(),
        settings: settings.alerts.clone(),
        goals: settings.slo,
        prices: settings.transcribing.prices.clone(),
        sources: sources.to_vec(),
        gates: notify::gates(&engines.hints),
        clock: Arc::new(SystemClock),
    }
}

pub(crate) async fn run(_: &Arguments) -> Ended {
    let environment = setup::environment()?;
    let sources = configured_sources(&environment);
    let (process, settings) = start("scheduler", &environment, |reader| ProcessSettings::read(reader, &[]))?;
    if sources.is_empty() {
        tracing::warn!("no source is configured: nothing is synced; set `WEBEX_CC_ORG_ID` and the credentials beside it");
    }
    let engines = Engines::new(settings.database.clone(), &settings.redis)?;
    let mut together = Together::new(process.shutdown.clone());
    if let Some(address) = settings.api.metrics_listen {
        let state = ApiState::new(engines.store.clone(), process.registry)
            .with_hints(engines.hints.clone())
            .with_goals(settings.slo, &settings.work);
        together.run(serve(listen(address).await?, probes_app(state), process.shutdown.clone()));
    }
    if engines.await_schema(&process.shutdown).await? {
        let channels = Channels::new(&settings.alerts)?;
        let alerts = watch_alerts(watched(&settings, &engines, &sources), channels, process.shutdown.clone());
        together.run(async {
            alerts.await;
            Ok::<(), Infallible>(())
        });
        let scheduler = run_scheduler(options(&settings, &engines, sources, process.shutdown.clone()));
        together.run(async {
            scheduler.await;
            Ok::<(), Infallible>(())
        });
    }
    together.ended().await?;
    Ok(ExitCode::SUCCESS)
}
