//! `callscribe worker`: works on jobs until told to stop.

use std::process::ExitCode;

use callscribe::{
    blob::{Blob, IfMissing},
    config::{ProcessSettings, Reader},
    domain::JobKind,
    queue::run_workers,
    telemetry::chain,
};
use callscribe_api::{ApiState, probes_app, serve};
use clap::Args;
use tokio::net::TcpListener;

use super::Ended;
use crate::{
    failure::Failure,
    process::{Engines, Together, clear_stale_uploads, hasten_expiring, lanes, start, workers_options},
    setup,
};

#[derive(Debug, Args)]
#[command(after_help = "SIGTERM lets running jobs finish for DRAIN_TIMEOUT and hands the rest back; a second one ends at once. \
                        Any number may run, anywhere, and any of them may be killed: its jobs go on elsewhere when its lease runs out.\n\n\
                        Examples:\n  callscribe worker transcribe --concurrency 8\n  callscribe worker sync recordings")]
pub(crate) struct Arguments {
    /// What to work on: `sync`, `recordings`, `transcribe`, `upkeep`, `enrich`, `chat`, or `all`
    #[arg(required = true, value_name = "KIND", value_parser = kind)]
    kinds: Vec<Kinds>,
    /// Jobs of each kind at once, instead of `CONCURRENCY_<KIND>`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: Option<u16>,
}

/// Uploads that were cut off at the drain's end are aborted within this time, or by the next clearing.
const LAST_UPLOADS: std::time::Duration = std::time::Duration::from_secs(5);

/// One kind, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kinds(Vec<JobKind>);

/// Reads a worker's name as `docker-compose.yml` writes it, or a job's kind.
pub(crate) fn kind(word: &str) -> Result<Kinds, String> {
    if word == "all" {
        return Ok(Kinds(JobKind::ALL.to_vec()));
    }
    let known = JobKind::ALL.iter().find(|kind| kind.worker() == word || kind.as_str() == word);
    known
        .map(|kind| Kinds(vec![*kind]))
        .ok_or_else(|| "expected `sync`, `recordings`, `transcribe`, `upkeep`, `enrich`, `chat` or `all`".to_owned())
}

/// The kinds given, each once, in the order of a call's life.
pub(crate) fn kinds_of(given: &[Kinds]) -> Vec<JobKind> {
    JobKind::ALL.iter().copied().filter(|kind| given.iter().any(|given| given.0.contains(kind))).collect()
}

impl Arguments {
    fn kinds(&self) -> Vec<JobKind> {
        kinds_of(&self.kinds)
    }

    fn read(&self, reader: &mut Reader<'_>) -> ProcessSettings {
        let kinds = self.kinds();
        let mut settings = ProcessSettings::read(reader, &kinds);
        for (kind, jobs) in kinds.iter().zip(std::iter::repeat(self.concurrency)) {
            if let Some(jobs) = jobs {
                settings.work = settings.work.with_concurrency(*kind, jobs);
            }
        }
        settings
    }
}

pub(crate) async fn run(arguments: &Arguments) -> Ended {
    let (process, settings) = start("worker", &setup::environment()?, |reader| arguments.read(reader))?;
    let engines = Engines::new(settings.database.clone(), &settings.redis)?;
    let mut together = Together::new(process.shutdown.clone());
    if let Some(address) = settings.api.metrics_listen {
        let state = ApiState::new(engines.store.clone(), process.registry)
            .with_hints(engines.hints.clone())
            .with_goals(settings.slo, &settings.work);
        together.run(serve(listen(address).await?, probes_app(state), process.shutdown.clone()));
    }
    if engines.await_schema(&process.shutdown).await? {
        let blob = blob(&settings).await;
        let lanes = lanes(&arguments.kinds(), &settings, &engines, blob.as_ref()).await?;
        let options = workers_options(lanes, &settings.work, &engines, process.shutdown.clone());
        together.run(run_workers(options));
        if let Some(blob) = &blob
            && arguments.kinds().contains(&JobKind::Recording)
        {
            together.run(clear_stale_uploads(blob.clone(), process.shutdown.clone()));
            let (store, hints) = (engines.store.clone(), engines.hints.clone());
            together.run(hasten_expiring(store, hints, settings.recording.urgent_from(), process.shutdown.clone()));
        }
        let ended = together.ended().await;
        if let Some(blob) = &blob {
            blob.settle(LAST_UPLOADS).await;
        }
        ended?;
    }
    together.ended().await?;
    Ok(ExitCode::SUCCESS)
}

/// The bucket, if one is used. One that does not answer is told, not waited for: jobs wait for it one by one.
pub(crate) async fn blob(settings: &ProcessSettings) -> Option<Blob> {
    let blob = Blob::connect(settings.storage.as_ref()?).await;
    if let Err(error) = blob.ensure_bucket(IfMissing::Refuse).await {
        tracing::error!(error = %chain(&error), "the bucket cannot be used: jobs that need it wait until it can");
    }
    Some(blob)
}

/// A listener on `address`.
pub(crate) async fn listen(address: std::net::SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::with_hint(format_args!("cannot listen on `{address}`: {error}"), "another process may: choose another address")
    })
}
