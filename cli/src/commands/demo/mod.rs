//! `callscribe demo`: the whole pipeline on this machine, with real engines and simulated vendors, and a look at what came out.

mod judge;
mod progress;
mod report;
mod stage;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use tokio::time::Instant;

use super::Ended;
use crate::{failure::Failure, output::Output};

use self::{judge::Verdicts, progress::Progress, stage::Stage};

#[derive(Debug, Args)]
#[command(
    after_help = "PostgreSQL, Redis and an S3 server are started for the demo alone, Webex and the transcriber are simulated, everything \
                        listens on this machine only. Some calls are made to go wrong, as on any day. Ctrl-C leaves nothing running.\n\n\
                        Examples:\n  callscribe demo\n  callscribe demo --calls 100 --exit\n  callscribe demo --data-dir ./demo   # keeps what it made"
)]
pub(crate) struct Arguments {
    /// Calls to simulate
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=500))]
    calls: u32,
    /// Keep everything here, instead of in a directory that is removed at the end
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Leave when every call is final; exit 1 if any did not end as it should have
    #[arg(long)]
    exit: bool,
}

/// Calls of the demo are final within a minute on a slow machine; by now something hangs.
const PATIENCE: Duration = Duration::from_mins(5);
/// How often the ledger is looked at for the progress shown.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let mut progress = Progress::new();
    let mut stage = Stage::set(arguments.calls, arguments.data_dir.as_deref(), &progress).await?;
    let shown = show(arguments, &mut stage, &mut progress, output).await;
    progress.clear();
    if !matches!(shown, Ok(Shown::AsExpected | Shown::Interrupted)) {
        stage.keep();
    }
    let struck = stage.strike().await;
    match shown? {
        Shown::AsExpected => struck.map(|()| ExitCode::SUCCESS),
        Shown::NotAsExpected | Shown::Interrupted => Ok(ExitCode::FAILURE),
    }
}

/// How the demo went.
enum Shown {
    AsExpected,
    NotAsExpected,
    /// Told to stop before all was final.
    Interrupted,
}

async fn show(arguments: &Arguments, stage: &mut Stage, progress: &mut Progress, output: &mut Output) -> Result<Shown, Failure> {
    let Some(verdicts) = await_verdicts(stage, progress).await? else {
        return Ok(Shown::Interrupted);
    };
    progress.clear();
    report::table(&verdicts, output)?;
    report::summary(&verdicts, stage, output, progress.elapsed())?;
    if !arguments.exit {
        report::look_around(&verdicts, stage, output)?;
        stage.ended().await?;
    }
    Ok(if verdicts.all_right() { Shown::AsExpected } else { Shown::NotAsExpected })
}

/// Waits until every call is final. `None`: told to stop before.
async fn await_verdicts(stage: &mut Stage, progress: &mut Progress) -> Result<Option<Verdicts>, Failure> {
    let until = Instant::now() + PATIENCE;
    loop {
        let verdicts = Verdicts::reach(stage).await?;
        progress.show(&verdicts);
        if verdicts.all_final() || Instant::now() > until {
            return Ok(Some(verdicts));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stage.shutdown.cancelled() => return Ok(None),
            ended = stage.whole.ended() => return ended.map(|()| None).map_err(Into::into),
        }
    }
}
