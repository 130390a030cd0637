//! Audio that is kept no longer: first the objects, then the row, with a proof of each object.

use callscribe::{
    blob::{Blob, BlobError},
    domain::RetentionVerdict,
    ledger::hold,
    store::retention::{
        Aged, AgedAudio, Begun, PlannedDeletion, aged_audio, begin_deletion, deletions_begun, finish_deletion, plan_more, planned_keys,
    },
};
use diesel_async::AsyncConnection;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use super::{Turn, Walk, objects};
use crate::{
    answer::{UpkeepError, UpkeepTrouble},
    handler::Run,
};

/// Recordings looked at with one question.
const BATCH: u16 = 200;
/// Recordings deleted at once: S3 takes tens of milliseconds for each request, and a day of 100 million calls a year has 270,000.
const AT_ONCE: usize = 8;
/// Looks at the bucket before an object that comes back after every deletion is somebody's to look at.
const LOOKS: usize = 3;

/// Goes on with what was begun, then through everything that is old enough; with `announced`, only counts it.
pub(super) async fn walk(run: &Run<'_>, turn: Turn, walk: &mut Walk, announced: bool) -> Result<(), UpkeepError> {
    if walk.audio_over {
        return Ok(());
    }
    if !announced {
        finish_begun(run, turn).await?;
    }
    // what was begun is ended even when its setting was taken back
    walk.audio_over = run.house.retention.audio.shortest().is_none();
    while !walk.audio_over {
        turn.goes_on(run)?;
        let aged = aged_audio(&mut *run.connection().await?, &run.house.retention, walk.after.as_ref(), BATCH).await?;
        let last = aged.last().map(|aged| aged.audio.place.clone());
        walk.audio_over = aged.len() < usize::from(BATCH);
        let done: Vec<(Aged, bool)> = stream::iter(aged)
            .map(|aged| async move {
                let goes = aged.verdict == RetentionVerdict::Due && (announced || delete(run, bucket(run)?, &aged.audio).await?);
                Ok::<_, UpkeepError>((aged, goes))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        for (aged, goes) in &done {
            count(walk, aged, *goes);
        }
        walk.after = last;
        walk.save(run).await?;
    }
    Ok(())
}

fn count(walk: &mut Walk, aged: &Aged, goes: bool) {
    let report = &mut walk.report;
    match aged.verdict {
        RetentionVerdict::Due if goes => {
            report.recordings += 1;
            report.bytes = report.bytes.saturating_add(i64::try_from(aged.audio.size_bytes).unwrap_or(i64::MAX));
        }
        // something came between: the next day finds what
        RetentionVerdict::Due | RetentionVerdict::InUse => report.in_use += 1,
        RetentionVerdict::Held => report.held += 1,
        RetentionVerdict::Untranscribed => report.untranscribed += 1,
        RetentionVerdict::Kept | RetentionVerdict::HasAudio => {}
    }
}

fn bucket<'r>(run: &Run<'r>) -> Result<&'r Blob, UpkeepError> {
    run.blob.ok_or_else(|| UpkeepError::own(UpkeepTrouble::NoBucket))
}

/// Ends every deletion that a run began and did not end.
async fn finish_begun(run: &Run<'_>, turn: Turn) -> Result<(), UpkeepError> {
    loop {
        turn.goes_on(run)?;
        let begun = deletions_begun(&mut *run.connection().await?, BATCH).await?;
        if begun.is_empty() {
            return Ok(());
        }
        let blob = bucket(run)?;
        stream::iter(begun).map(Ok).try_for_each_concurrent(AT_ONCE, |begun| async move { finish(run, blob, &begun).await }).await?;
    }
}

/// Deletes the objects of a recording, unless something keeps it now. Returns whether they are gone.
async fn delete(run: &Run<'_>, blob: &Blob, audio: &AgedAudio) -> Result<bool, UpkeepError> {
    let planned = objects::of(blob, audio).await.map_err(UpkeepError::own)?;
    if !begin(run, audio, &planned).await? {
        return Ok(false);
    }
    let begun = Begun {
        session_id: audio.place.session_id.clone(),
        recording_id: audio.place.recording_id.clone(),
        object_key: audio.object_key.clone(),
    };
    finish(run, blob, &begun).await?;
    Ok(true)
}

/// The decision, in a transaction of its own: no connection is held while S3 works.
async fn begin(run: &Run<'_>, audio: &AgedAudio, planned: &[PlannedDeletion]) -> Result<bool, UpkeepError> {
    let (connection, job, settings) = (&mut *run.connection().await?, run.job, &run.house.retention);
    let begun = connection.transaction(async move |transaction| {
        hold(transaction, job).await?;
        Ok::<_, UpkeepError>(begin_deletion(transaction, settings, audio, planned, job.id).await?)
    });
    begun.boxed().await
}

/// Deletes what is written down of a recording until the bucket holds nothing of it, and proves it. Twice is once: what is gone already is
/// deleted again without harm, and what is proven stays proven.
async fn finish(run: &Run<'_>, blob: &Blob, begun: &Begun) -> Result<(), UpkeepError> {
    let mut left = Vec::new();
    for _ in 0..LOOKS {
        let keys = planned_keys(&mut *run.connection().await?, begun).await?;
        for key in &keys {
            if run.context.stop.is_cancelled() {
                return Err(UpkeepError::ShutDown);
            }
            match blob.delete(key).await {
                Ok(()) | Err(BlobError::NotFound { .. }) => {}
                Err(error) => return Err(UpkeepError::own(error)),
            }
        }
        left = objects::held(blob, &begun.object_key).await.map_err(UpkeepError::own)?;
        note(run, begun, &left).await?;
        if left.is_empty() {
            return Ok(());
        }
    }
    let key = left.into_iter().next().map(|object| object.object_key).unwrap_or_default();
    Err(UpkeepError::own(UpkeepTrouble::StillThere(key)))
}

/// Proves that nothing is left, or writes down what is.
async fn note(run: &Run<'_>, begun: &Begun, left: &[PlannedDeletion]) -> Result<(), UpkeepError> {
    let (connection, job) = (&mut *run.connection().await?, run.job);
    let noted = connection.transaction(async move |transaction| {
        hold(transaction, job).await?;
        if left.is_empty() {
            finish_deletion(transaction, begun).await?;
        } else {
            plan_more(transaction, begun, left, job.id).await?;
        }
        Ok::<_, UpkeepError>(())
    });
    noted.boxed().await
}
