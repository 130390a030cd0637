//! The first steps of every long-running process: settings, logs, metrics, the stop signal.

use std::{sync::OnceLock, time::Duration};

use callscribe::{
    clock::{Clock, SystemClock},
    collector::Delivery,
    config::{self, Environment, Reader, TelemetrySettings, TraceSettings},
    telemetry::{
        metrics::{Registry, start_recording},
        start_logging, start_tracing,
    },
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::shutdown_on_signal;
use crate::{failure::Failure, setup};

/// A process that has begun.
pub(crate) struct Process {
    /// What it counts.
    pub(crate) registry: Registry,
    /// Cancelled when it must stop.
    pub(crate) shutdown: CancellationToken,
}

/// Samples of histograms are folded this often, so that they do not pile up while nobody scrapes.
const FOLD_EVERY: Duration = Duration::from_secs(5);

/// Reads settings out of `environment`, all at once; then starts logs and metrics and listens for signals.
pub(crate) fn start<S>(command: &str, environment: &Environment, read: impl FnOnce(&mut Reader<'_>) -> S) -> Result<(Process, S), Failure> {
    let (telemetry, traces, settings) =
        config::read(environment, |reader| (TelemetrySettings::read(reader), TraceSettings::read(reader), read(reader)))?;
    match &traces {
        None => start_logging(&telemetry)?,
        Some(traces) => trace(command, &telemetry, traces)?,
    }
    let registry = start_recording(SystemClock.now())?;
    let shutdown = shutdown_on_signal()?;
    tracing::info!(process.command = command, process.version = env!("CARGO_PKG_VERSION"), "callscribe starts");
    for doubt in config::misspelt(environment) {
        tracing::warn!("{doubt}");
    }
    tokio::spawn(fold_until(registry.clone(), shutdown.clone()));
    Ok((Process { registry, shutdown }, settings))
}

/// Sends the spans of this process until it ends. A process starts once.
static DELIVERY: OnceLock<Delivery> = OnceLock::new();

fn trace(command: &str, telemetry: &TelemetrySettings, traces: &TraceSettings) -> Result<(), Failure> {
    let about =
        [("service.instance.id", Uuid::now_v7().to_string()), ("host.name", setup::host()), ("process.command", command.to_owned())];
    let queue = start_tracing(telemetry, traces, &about)?;
    // nothing can be there before: logging is started once
    let _ = DELIVERY.set(Delivery::start(queue, traces)?);
    Ok(())
}

/// Sends the last spans, if any are sent: call it before the process ends.
pub(crate) async fn deliver_traces() {
    if let Some(delivery) = DELIVERY.get() {
        delivery.finish().await;
    }
}

async fn fold_until(registry: Registry, shutdown: CancellationToken) {
    while tokio::time::timeout(FOLD_EVERY, shutdown.cancelled()).await.is_err() {
        registry.fold();
    }
}
