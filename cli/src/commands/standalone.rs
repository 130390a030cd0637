//! `callscribe standalone`: everything in one process, with whatever engines are not given embedded in a data directory.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use callscribe::{blob::IfMissing, config::ProcessSettings, domain::JobKind, embedded::Durability};
use clap::Args;

use super::{Ended, scheduler::configured_sources, worker::listen};
use crate::{
    process::{Engines, Home, Whole, WholeOptions, start},
    setup,
};

#[derive(Debug, Args)]
#[command(after_help = "PostgreSQL and Redis run as children of this process, S3 inside it, whenever DATABASE_URL, REDIS_URL or\n\
                        CALL_RECORDING_BUCKET is not set; all they keep is in the data directory. The key that seals tokens is made\n\
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
    let sources = configured_sources(&environment);
    let mut home = Home::open(&arguments.data_dir)?;
    home.provide(&mut environment, Durability::Durable).await?;
    let result = in_home(arguments, &environment, &sources, &home).await;
    // whatever happened, the engines are stopped before the process ends
    let (blob, result) = match result {
        Ok((blob, result)) => (Some(blob), result.map_err(Into::into)),
        Err(failure) => (None, Err(failure)),
    };
    home.close(blob.as_ref()).await;
    result.map(|()| ExitCode::SUCCESS)
}

type Ran = (callscribe::blob::Blob, anyhow::Result<()>);

async fn in_home(
    arguments: &Arguments,
    environment: &callscribe::config::Environment,
    sources: &[callscribe::domain::SourceName],
    home: &Home,
) -> Result<Ran, crate::failure::Failure> {
    let process = start("standalone", environment, |reader| ProcessSettings::read(reader, JobKind::ALL))?;
    let engines = Engines::new(process.settings.database.clone(), &process.settings.redis)?;
    let listener = listen(arguments.listen.unwrap_or(process.settings.api.listen)).await?;
    tracing::info!(http.listen = %listener.local_addr()?, data.dir = %home.dir().display(), "listening");
    let mut whole = Whole::start(WholeOptions {
        settings: process.settings,
        engines,
        registry: process.registry,
        sources: sources.to_vec(),
        if_bucket_is_missing: if home.has_s3() { IfMissing::Create } else { IfMissing::Refuse },
        listener,
        shutdown: process.shutdown,
    })
    .await?;
    let result = whole.ended().await;
    Ok((whole.blob, result))
}
