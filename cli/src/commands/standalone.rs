//! `callscribe standalone`: everything in one process, with whatever engines are not given embedded in a data directory.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use callscribe::{
    blob::IfMissing,
    config::{self, Environment, ProcessSettings, Reader},
    domain::JobKind,
    embedded::Durability,
};
use clap::Args;

use super::{Ended, scheduler::configured_sources, worker::listen};
use crate::{
    failure::Failure,
    process::{Engines, Home, Process, Whole, WholeOptions, start},
    setup,
};

#[derive(Debug, Args)]
#[command(after_help = "PostgreSQL and Redis run as children of this process, S3 inside it, whenever DATABASE_URL, REDIS_URL or \
                        CALL_RECORDING_BUCKET is not set; all they keep is in the data directory. The key that seals tokens is made \
                        there once: back it up with the rest.\n\n\
                        Example:\n  callscribe standalone --data-dir /var/lib/callscribe\n\n\
                        Needs Webex's settings and a transcriber's, see docs/CONFIGURATION.md.")]
pub(crate) struct Arguments {
    /// Where everything is kept
    #[arg(long, value_name = "DIR", default_value = ".callscribe")]
    data_dir: PathBuf,
    /// Address and port of the API, instead of `API_LISTEN`
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

pub(crate) async fn run(arguments: &Arguments) -> Ended {
    let mut environment = setup::environment()?;
    // what is missing is told before anything is started
    let read = |reader: &mut Reader<'_>| ProcessSettings::read(reader, JobKind::ALL);
    let (process, _) = start("standalone", &Home::provided(&environment), read)?;
    let mut home = Home::open(&arguments.data_dir)?;
    home.provide(&mut environment, Durability::Durable).await?;
    let started = whole(arguments, process, &environment, &home).await;
    let (blob, ended) = match started {
        Ok(mut whole) => {
            let ended = whole.ended().await;
            (Some(whole.blob), ended.map_err(Into::into))
        }
        Err(failure) => (None, Err(failure)),
    };
    // whatever happened, the engines are stopped before the process ends
    home.close(blob.as_ref()).await;
    ended.map(|()| ExitCode::SUCCESS)
}

async fn whole(arguments: &Arguments, process: Process, environment: &Environment, home: &Home) -> Result<Whole, Failure> {
    let settings = config::read(environment, |reader| ProcessSettings::read(reader, JobKind::ALL))?;
    let engines = Engines::new(settings.database.clone(), &settings.redis)?;
    let listener = listen(arguments.listen.unwrap_or(settings.api.listen)).await?;
    tracing::info!(http.listen = %listener.local_addr()?, data.dir = %home.dir().display(), "listening");
    Whole::start(WholeOptions {
        settings,
        engines,
        registry: process.registry,
        sources: configured_sources(environment),
        if_bucket_is_missing: if home.has_s3() { IfMissing::Create } else { IfMissing::Refuse },
        listener,
        shutdown: process.shutdown,
    })
    .await
}
