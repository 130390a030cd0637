//! Whose turn it is at a shared budget: work of the past leaves a share to fresh work, however much of it there is.
//!
//! The urgency travels with the task rather than through every signature between a job and the request it makes: the runner
//! says it once for each job, by its priority, and the budget asks for it.

use crate::domain::PRIORITY_BACKFILL;

/// How urgent a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// For calls that just happened, and for people who wait.
    Fresh,
    /// For calls of long ago: served from what fresh work leaves.
    Backfill,
}

tokio::task_local! {
    static CURRENT: Urgency;
}

impl Urgency {
    /// The urgency of a job with this priority.
    #[must_use]
    pub const fn of_priority(priority: i16) -> Self {
        if priority >= PRIORITY_BACKFILL { Self::Backfill } else { Self::Fresh }
    }

    /// The urgency of the task that asks; fresh where nobody said otherwise.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.try_with(|urgency| *urgency).unwrap_or(Self::Fresh)
    }

    /// Does `work` with this urgency. A task that `work` spawns is fresh unless it is told otherwise.
    pub async fn during<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_urgency_is_that_of_the_task() {
        assert_eq!(Urgency::current(), Urgency::Fresh);
        let inside = Urgency::of_priority(PRIORITY_BACKFILL).during(async { Urgency::current() }).await;
        assert_eq!(inside, Urgency::Backfill);
        assert_eq!(Urgency::of_priority(crate::domain::PRIORITY_FRESH), Urgency::Fresh);
        assert_eq!(Urgency::current(), Urgency::Fresh);
    }
}
