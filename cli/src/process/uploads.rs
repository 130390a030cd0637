//! What killed uploaders left in the bucket, cleared away.

use std::{convert::Infallible, time::Duration};

use callscribe::{blob::Blob, clock::SystemClock, telemetry::chain};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// No run of a job takes longer than an hour; a day is far beyond doubt.
const OLDER_THAN: Duration = Duration::from_hours(24);
/// Parts cost storage by the day: hours are soon enough.
const EVERY: Duration = Duration::from_hours(1);

/// Aborts uploads that nobody will finish, until the shutdown. An upload that fails or is cancelled clears up by itself; this is for
/// those whose process was killed. Any number of processes may do it at once.
pub(crate) async fn clear_stale_uploads(blob: Blob, shutdown: CancellationToken) -> Result<(), Infallible> {
    loop {
        match blob.abort_stale_uploads(OLDER_THAN, &SystemClock).await {
            Ok(0) => {}
            Ok(aborted) => tracing::warn!(uploads.count = aborted, "aborted uploads that a killed process left behind"),
            Err(error) => tracing::warn!(error = %chain(&error), "cannot look for unfinished uploads"),
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
    }
}
