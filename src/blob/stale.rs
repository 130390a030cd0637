//! Uploads that a killed process left behind: S3 keeps their parts, and charges for them, until someone aborts them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Blob, BlobError};
use crate::clock::Clock;

/// Pages of a thousand uploads looked through in one go; the next go looks through the rest.
const MOST_PAGES: usize = 10;

impl Blob {
    /// Aborts the uploads that began longer than `older_than` ago, and says how many. Choose more than the longest run of
    /// a job: a younger upload may be at work.
    pub async fn abort_stale_uploads(&self, older_than: Duration, clock: &dyn Clock) -> Result<usize, BlobError> {
        let age = TimeDelta::from_std(older_than).unwrap_or(TimeDelta::MAX);
        let Some(before) = clock.now().checked_sub_signed(age) else { return Ok(0) };
        let (mut aborted, mut key_marker, mut id_marker) = (0, None, None);
        for _ in 0..MOST_PAGES {
            let request = self.client.list_multipart_uploads().bucket(&*self.bucket);
            let page = request.set_key_marker(key_marker).set_upload_id_marker(id_marker).send().await;
            let page = page.map_err(|error| BlobError::of("list unfinished uploads", &self.bucket, error))?;
            for upload in page.uploads() {
                let began = upload.initiated().and_then(|at| DateTime::<Utc>::from_timestamp(at.secs(), at.subsec_nanos()));
                let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) else { continue };
                if began.is_some_and(|began| began < before) {
                    self.abort_upload(key, id).await?;
                    aborted += 1;
                }
            }
            if page.is_truncated() != Some(true) {
                break;
            }
            key_marker = page.next_key_marker().map(str::to_owned);
            id_marker = page.next_upload_id_marker().map(str::to_owned);
        }
        Ok(aborted)
    }
}
