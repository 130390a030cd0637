//! Retention: deletes what is kept no longer, a batch at a time, with a checkpoint after each.

mod audio;
mod calls;
mod objects;

use callscribe::{
    ledger,
    store::retention::{self, CallPlace, Place, Report},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{answer::UpkeepError, handler::Run};

/// How long one run deletes before other tasks get a turn; the checkpoint is where the next run goes on.
const TURN: TimeDelta = TimeDelta::minutes(10);

/// How far a day's retention has come, and what it came to so far.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Walk {
    after: Option<Place>,
    #[serde(default)]
    audio_over: bool,
    /// Lists of calls and conversations that were gone through.
    #[serde(default)]
    lists_over: usize,
    #[serde(default)]
    call: Option<CallPlace>,
    report: Report,
}

impl Walk {
    /// What an earlier run left. A checkpoint of another version that we cannot read costs looking again.
    fn resume(run: &Run<'_>) -> Self {
        let Some(checkpoint) = run.job.checkpoint.clone() else { return Self::default() };
        serde_json::from_value(checkpoint)
            .inspect_err(|error| tracing::warn!(job.id = %run.job.id, error = %error, "cannot read the checkpoint, starting over"))
            .unwrap_or_default()
    }

    fn to_json(&self) -> Result<serde_json::Value, UpkeepError> {
        serde_json::to_value(self).map_err(UpkeepError::Checkpoint)
    }

    async fn save(&self, run: &Run<'_>) -> Result<(), UpkeepError> {
        Ok(ledger::save_checkpoint(&mut *run.connection().await?, run.job, &self.to_json()?).await?)
    }
}

/// When the run gives way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    ends: DateTime<Utc>,
}

impl Turn {
    /// Fails when the run must end here, with everything done so far kept.
    fn goes_on(self, run: &Run<'_>) -> Result<(), UpkeepError> {
        if run.context.stop.is_cancelled() {
            return Err(UpkeepError::ShutDown);
        }
        if run.clock.now() >= self.ends { Err(UpkeepError::Unfinished) } else { Ok(()) }
    }
}

/// Goes on with what a run before began, then deletes what is too old. Nothing happens unless an age is set, and for `RETENTION_NOTICE`
/// after the first run it is only told what would.
pub(crate) async fn run(run: &Run<'_>) -> Result<(), UpkeepError> {
    let settings = &run.house.retention;
    if !settings.deletes() {
        return Ok(());
    }
    let now = run.clock.now();
    let since = retention::since(&mut *run.connection().await?, now).await?;
    let begins = since + TimeDelta::from_std(settings.notice).unwrap_or(TimeDelta::MAX);
    let announced = now < begins;
    let mut walk = Walk::resume(run);
    let turn = Turn { ends: now + TURN };
    // objects first: a call goes once nothing of it is in the bucket
    audio::walk(run, turn, &mut walk, announced).await?;
    calls::walk(run, turn, &mut walk, announced).await?;
    let report = Report { at: Some(run.clock.now()), ..walk.report };
    retention::save_report(&mut *run.connection().await?, &report).await?;
    tell(&report, announced.then_some(begins));
    Ok(())
}

fn tell(report: &Report, begins: Option<DateTime<Utc>>) {
    let Report { recordings, bytes, held, untranscribed, in_use, calls, calls_held, calls_with_audio, at: _ } = *report;
    match begins {
        Some(begins) => tracing::warn!(
            retention.begins = %begins, recordings.due = recordings, recording.size_bytes = bytes, calls.due = calls,
            "retention deletes nothing yet: `callscribe retention` shows what will go; `RETENTION_AUDIO=forever` and `RETENTION_METADATA=forever` keep it"
        ),
        None => tracing::info!(
            recordings.deleted = recordings,
            recording.size_bytes = bytes,
            recordings.held = held,
            recordings.in_use = in_use,
            calls.deleted = calls,
            calls.held = calls_held,
            calls.with_audio = calls_with_audio,
            "deleted what is kept no longer"
        ),
    }
    if untranscribed > 0 {
        tracing::warn!(
            recordings.untranscribed = untranscribed,
            "audio is kept beyond its age because its transcript is not complete: `callscribe retention` tells of which queues"
        );
    }
}
