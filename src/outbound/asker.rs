//! On whose behalf a request is made: failures that may be the request's own doing count once for each who asks.
//!
//! Like the urgency it travels with the task; the runner says it once for each job.

use crate::domain::JobId;

/// Who asks: a job, or nobody that can be told from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker(Option<JobId>);

tokio::task_local! {
    static CURRENT: Asker;
}

impl Asker {
    /// A job.
    #[must_use]
    pub const fn job(id: JobId) -> Self {
        Self(Some(id))
    }

    /// On whose behalf the task asks; nobody's where nobody said otherwise.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.try_with(|asker| *asker).unwrap_or(Self(None))
    }

    /// Does `work` on behalf of this one. A task that `work` spawns acts for nobody unless it is told otherwise.
    pub async fn during<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// The job's number; all who cannot be told from others are one, 0.
    pub(super) fn number(self) -> i64 {
        self.0.map_or(0, |job| job.0)
    }
}
