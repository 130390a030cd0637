//! Deletes an object of a recording in whose place another has come: an original whose muted copy is there, or a copy muted anew.

use std::time::Duration;

use callscribe::{
    blob::{BlobError, apart},
    ledger::hold,
    schedule::Discard,
    store::{
        muting::{MayGo, let_go, prove_discarded},
        recordings::StoredCopy,
    },
};
use diesel_async::AsyncConnection;
use futures_util::FutureExt;

use crate::{
    answer::{UpkeepError, UpkeepTrouble},
    handler::Run,
};

/// Until a hold is looked at again; what is being worked on is over sooner.
const UNTIL_RELEASED: Duration = Duration::from_hours(6);

/// Deletes it, unless something needs it, and proves it. Killed after any of the three steps, it begins again and changes nothing more.
pub(crate) async fn run(run: &Run<'_>, discard: &Discard) -> Result<(), UpkeepError> {
    let blob = run.blob.ok_or_else(|| UpkeepError::own(UpkeepTrouble::NoBucket))?;
    match decided(run, discard).await? {
        MayGo::Yes => {}
        MayGo::NotNow => return Err(UpkeepError::own(UpkeepTrouble::Needed(UNTIL_RELEASED))),
        MayGo::Never => return Ok(()),
    }
    match blob.delete(&discard.object_key).await {
        Ok(()) | Err(BlobError::NotFound { .. }) => {}
        Err(error) => return Err(UpkeepError::own(error)),
    }
    proven(run, discard).await
}

/// The decision, in a transaction of its own: no connection is held while S3 works.
async fn decided(run: &Run<'_>, discard: &Discard) -> Result<MayGo, UpkeepError> {
    let (connection, job) = (&mut *run.connection().await?, run.job);
    let session = job.session_id.as_ref().ok_or(UpkeepError::Nameless)?;
    let decided = connection.transaction(async move |transaction| {
        hold(transaction, job).await?;
        Ok::<_, UpkeepError>(let_go(transaction, session, &discard.recording_id, &discard.object_key).await?)
    });
    decided.boxed().await
}

async fn proven(run: &Run<'_>, discard: &Discard) -> Result<(), UpkeepError> {
    let (connection, job) = (&mut *run.connection().await?, run.job);
    let session = job.session_id.as_ref().ok_or(UpkeepError::Nameless)?;
    let Discard { recording_id, object_key, size_bytes, sha256 } = discard;
    let gone = &StoredCopy { object_key: object_key.clone(), size_bytes: *size_bytes, sha256: sha256.clone() };
    let is_muted = object_key.strip_prefix(apart::stem(object_key)).is_some_and(apart::is_muted);
    let what = if is_muted { "muted_audio" } else { "audio" };
    let proven = connection.transaction(async move |transaction| {
        hold(transaction, job).await?;
        Ok::<_, UpkeepError>(prove_discarded(transaction, (session, recording_id), (what, gone), job.id).await?)
    });
    proven.boxed().await
}
