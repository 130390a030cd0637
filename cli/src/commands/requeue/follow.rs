//! A sample followed until it is clear whether the rest may follow it.

use std::{process::ExitCode, time::Duration};

use callscribe::{
    config::RedisSettings,
    hints::Hints,
    ledger::{BatchId, Verdict, batch_name, batches_seen, finish_moving, judge_canary},
    queue::HintPusher,
    store::Store,
};

use super::{LAST_HINTS, refusal};
use crate::{
    commands::{Ended, batch},
    failure::Failure,
    output::{Output, tell_error},
    setup,
};

/// How often the sample is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Follows the sample of a batch. Whoever ends this command ends only the looking: the scheduler judges the sample as well.
pub(super) async fn canary(store: &Store, batch: BatchId, json: bool, output: &mut Output) -> Ended {
    let connection = &mut *store.connection().await?;
    let name = batch_name(connection, batch).await?.unwrap_or_default();
    tell_error(&format!("a sample of batch `{name}` is due; the rest follows when it has passed, with or without this command"));
    let mut said = String::new();
    let passed = loop {
        match judge_canary(connection, batch).await? {
            Some(Verdict::Passed) => break true,
            Some(Verdict::Failed) => break false,
            // the scheduler was quicker
            None => break batches_seen(connection, Some(&name), 1).await?.iter().all(|seen| seen.stopped_because.is_none()),
            Some(Verdict::Waiting) => {}
        }
        if let [seen] = batches_seen(connection, Some(&name), 1).await?.as_slice() {
            let line = format!("sample: {} done, {} dead, {} waiting or running", seen.done, seen.dead, seen.waiting + seen.running);
            if line != said {
                tell_error(&line);
                said = line;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    if passed {
        move_rest(store, batch).await?;
    }
    batch::show::tell(connection, &name, json, output).await?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn move_rest(store: &Store, batch: BatchId) -> Result<(), Failure> {
    let connection = &mut *store.connection().await?;
    let Some(redis) = setup::optional_settings(RedisSettings::read) else {
        let (sender, _) = tokio::sync::mpsc::unbounded_channel();
        finish_moving(connection, batch, &sender).await.map_err(refusal)?;
        return Ok(());
    };
    let pusher = HintPusher::start(Hints::new(&redis)?);
    let moved = finish_moving(connection, batch, &pusher.sender()).await.map_err(refusal);
    // an error only means that Redis is slow or away
    let _ = tokio::time::timeout(LAST_HINTS, pusher.finish()).await;
    moved.map(|_| ())
}
