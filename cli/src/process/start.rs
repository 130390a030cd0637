//! The first steps of every long-running process: settings, logs, metrics, the stop signal.

use std::time::Duration;

use callscribe::{
    clock::{Clock, SystemClock},
    config::{self, Environment, Reader, TelemetrySettings},
    telemetry::{
        metrics::{Registry, start_recording},
        start_logging,
    },
};
use tokio_util::sync::CancellationToken;

use super::shutdown_on_signal;
use crate::failure::Failure;

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
    let (telemetry, settings) = config::read(environment, |reader| (TelemetrySettings::read(reader), read(reader)))?;
    start_logging(&telemetry)?;
    let registry = start_recording(SystemClock.now())?;
    let shutdown = shutdown_on_signal()?;
    tracing::info!(process.command = command, process.version = env!("CARGO_PKG_VERSION"), "callscribe starts");
    for doubt in config::misspelt(environment) {
        tracing::warn!("{doubt}");
    }
    tokio::spawn(fold_until(registry.clone(), shutdown.clone()));
    Ok((Process { registry, shutdown }, settings))
}

async fn fold_until(registry: Registry, shutdown: CancellationToken) {
    while tokio::time::timeout(FOLD_EVERY, shutdown.cancelled()).await.is_err() {
        registry.fold();
    }
}
