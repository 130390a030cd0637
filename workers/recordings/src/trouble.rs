//! Everything that can go wrong with a recording, and what follows from it: each has its own reason and its own answer.

use std::time::Duration;

use callscribe::{
    audio::WavError,
    blob::BlobError,
    domain::{Reason, SourceName},
    ledger::{Claimed, Failure, LeaseLost, Outcome, RunContext, VendorTrace, times_put_off_for},
    sources::SourceError,
    store::StoreError,
};

/// Until someone has logged in again, which makes the job due at once; this is for when nobody noticed that it was mended.
const LOGIN_WAIT: Duration = Duration::from_mins(15);
/// Until someone has set the source up in this process, or another process takes the job.
const SOURCE_WAIT: Duration = Duration::from_mins(5);
/// The first wait for S3; it doubles each time.
const STORAGE_WAIT: Duration = Duration::from_secs(10);
/// The longest wait for S3: when it is back, everything goes on within this.
const LONGEST_STORAGE_WAIT: Duration = Duration::from_mins(5);
/// A fresh link is to be had at once.
const LINK_WAIT: Duration = Duration::from_secs(30);
/// Ended links that cost no attempt; more of them are somebody's mistake.
const FREE_ENDED_LINKS: u32 = 5;
/// Until PostgreSQL takes connections again.
const DATABASE_WAIT: Duration = Duration::from_secs(10);

/// What went wrong with a recording.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The job does not say what to do.
    #[error("the job cannot be done: {0}")]
    Poison(&'static str),
    /// No source of this name in this process.
    #[error("source `{0}` is not set up in this process")]
    NoSource(SourceName),
    /// The vendor offers no recording, or none of the call itself.
    #[error("the vendor offers no recording of the call")]
    NothingYet(VendorTrace),
    /// The vendor deleted it.
    #[error("the vendor has deleted the recording")]
    Purged(VendorTrace),
    /// We did, when its retention was over.
    #[error("its audio was deleted when its retention was over, and is not fetched again")]
    Deleted,
    /// The vendor did something else than answer.
    #[error("the recording cannot be fetched")]
    Source(#[from] SourceError),
    /// The download went silent.
    #[error("nothing came for {0:?}")]
    Silent(Duration),
    /// The download ended early.
    #[error("the download ended after {got} bytes of {expected}")]
    Short {
        /// Bytes that came.
        got: u64,
        /// Bytes promised.
        expected: u64,
    },
    /// Another file came where the rest of this one should have.
    #[error("the file behind the link has changed")]
    OtherFile,
    /// It is larger than we take.
    #[error("the recording has {size} bytes, more than the {largest} of `RECORDING_MAX_BYTES`")]
    TooLarge {
        /// Its size, as far as it is known.
        size: u64,
        /// The most we take.
        largest: u64,
    },
    /// What came is no recording.
    #[error("what came is not a recording")]
    Content(#[source] WavError),
    /// S3 did not take it.
    #[error("the recording cannot be stored")]
    Blob(#[from] BlobError),
    /// PostgreSQL did not answer.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
    /// The job is not ours any more.
    #[error("the job was taken away")]
    Lease(#[from] LeaseLost),
    /// The process stops, or the lease was lost.
    #[error("told to stop before the recording was copied")]
    Stopped,
}

impl From<diesel::result::Error> for Trouble {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What to do, before the job's history is asked.
enum Answer {
    Later(Duration),
    /// Later on the schedule, then stop.
    OnSchedule,
    /// Later a few times, then retry.
    FreeAtFirst(Duration, u32),
    Retry,
    Stop,
}

impl Trouble {
    /// Whether a download may be taken up again within the same run.
    pub(crate) const fn is_a_break(&self) -> bool {
        match self {
            Self::Source(SourceError::Unavailable { .. }) | Self::Silent(_) | Self::Short { .. } | Self::OtherFile => true,
            Self::Source(_)
            | Self::Poison(_)
            | Self::NoSource(_)
            | Self::NothingYet(_)
            | Self::Purged(_)
            | Self::Deleted
            | Self::TooLarge { .. }
            | Self::Content(_)
            | Self::Blob(_)
            | Self::Store(_)
            | Self::Lease(_)
            | Self::Stopped => false,
        }
    }

    /// The reason code it is recorded under.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Poison(_) => Reason::PoisonPayload,
            Self::NoSource(_) => Reason::VendorUnavailable,
            Self::NothingYet(_) => Reason::RecordingNotReady,
            Self::Purged(_) => Reason::RecordingPurged,
            Self::Deleted => Reason::AudioDeleted,
            Self::Source(error) => error.reason(),
            Self::Silent(_) => Reason::VendorUnavailable,
            Self::Short { .. } | Self::OtherFile | Self::Content(WavError::Truncated { .. }) => Reason::RecordingTruncated,
            Self::TooLarge { .. } => Reason::RecordingTooLarge,
            Self::Content(WavError::Empty) => Reason::RecordingEmpty,
            Self::Content(WavError::NotWav { .. } | WavError::Unsupported { .. } | WavError::Malformed { .. }) => Reason::NotAudio,
            Self::Blob(BlobError::Corrupt { .. }) => Reason::StorageCorrupt,
            Self::Blob(BlobError::Unavailable { .. } | BlobError::Refused { .. } | BlobError::NotFound { .. }) => {
                Reason::StorageUnavailable
            }
            Self::Store(StoreError::Row { .. }) => Reason::Unexpected,
            Self::Store(_) => Reason::DatabaseUnavailable,
            Self::Lease(_) => Reason::LeaseLost,
            Self::Stopped => Reason::ShutDown,
        }
    }

    /// Turns it into one of the ledger's four words.
    pub(crate) async fn decide(self, job: &Claimed, context: &RunContext, schedule: &[Duration]) -> Outcome {
        match self.answer(job) {
            Answer::Later(wait) => Outcome::Later { wait, why: self.into_failure() },
            Answer::Retry => Outcome::Retry(self.into_failure()),
            Answer::Stop => Outcome::Stop(self.into_failure()),
            Answer::OnSchedule => match times_before(context, job, self.reason()).await {
                Ok(times) => match usize::try_from(times).ok().and_then(|times| schedule.get(times)) {
                    Some(wait) => Outcome::Later { wait: *wait, why: self.into_failure() },
                    None => Outcome::Stop(Failure { reason: Reason::NoRecording, ..self.into_failure() }),
                },
                Err(error) => Outcome::Retry(Self::Store(error).into_failure()),
            },
            Answer::FreeAtFirst(wait, free) => match times_before(context, job, self.reason()).await {
                Ok(times) if times < free => Outcome::Later { wait, why: self.into_failure() },
                Ok(_) => Outcome::Retry(self.into_failure()),
                Err(error) => Outcome::Retry(Self::Store(error).into_failure()),
            },
        }
    }

    fn answer(&self, job: &Claimed) -> Answer {
        match self {
            Self::Poison(_) | Self::Purged(_) | Self::Deleted | Self::TooLarge { .. } => Answer::Stop,
            Self::NoSource(_) => Answer::Later(SOURCE_WAIT),
            Self::NothingYet(_) => Answer::OnSchedule,
            Self::Source(error) => of_source(error),
            // a page of an error, an upload of the vendor's own that is not done: often better next time, and bounded
            Self::Silent(_) | Self::Short { .. } | Self::OtherFile | Self::Content(_) => Answer::Retry,
            // a person or the hour will mend it; the job loses nothing by waiting
            Self::Blob(BlobError::Unavailable { .. } | BlobError::Refused { .. }) => Answer::Later(growing(job.times_put_off)),
            Self::Blob(BlobError::NotFound { .. } | BlobError::Corrupt { .. }) => Answer::Retry,
            Self::Store(StoreError::Pool(_) | StoreError::Connect(_)) => Answer::Later(DATABASE_WAIT),
            Self::Store(StoreError::Query(_) | StoreError::Build(_) | StoreError::Migration(_) | StoreError::Row { .. }) => Answer::Retry,
            // whatever is answered now is refused, or the runner hands the job back
            Self::Lease(_) | Self::Stopped => Answer::Retry,
        }
    }

    fn into_failure(self) -> Failure {
        let vendor = match &self {
            Self::Source(error) => error.trace(),
            Self::NothingYet(trace) | Self::Purged(trace) => trace.clone(),
            Self::Poison(_)
            | Self::Deleted
            | Self::NoSource(_)
            | Self::Silent(_)
            | Self::Short { .. }
            | Self::OtherFile
            | Self::TooLarge { .. }
            | Self::Content(_)
            | Self::Blob(_)
            | Self::Store(_)
            | Self::Lease(_)
            | Self::Stopped => VendorTrace::default(),
        };
        Failure::new(self.reason(), self).with_vendor(vendor)
    }
}

const fn of_source(error: &SourceError) -> Answer {
    match error {
        SourceError::RateLimited { wait, .. } | SourceError::Down { wait, .. } | SourceError::RenewalPending { wait, .. } => {
            Answer::Later(*wait)
        }
        // the matter of the tenant, not of this recording: a person sees to it, and a thousand recordings must not die of it
        SourceError::LoginNeeded { .. } | SourceError::WrongOrg { .. } | SourceError::Forbidden { .. } => Answer::Later(LOGIN_WAIT),
        SourceError::TokensUnavailable { .. } => Answer::Later(DATABASE_WAIT),
        SourceError::LinkExpired { .. } => Answer::FreeAtFirst(LINK_WAIT, FREE_ENDED_LINKS),
        // the vendor still offers what its store no longer has: perhaps it is being moved
        SourceError::Gone { .. } | SourceError::Unavailable { .. } | SourceError::WrongShape { .. } => Answer::Retry,
        SourceError::TooWide { .. } | SourceError::Rejected { .. } | SourceError::HostNotAllowed { .. } => Answer::Stop,
    }
}

async fn times_before(context: &RunContext, job: &Claimed, reason: Reason) -> Result<u32, StoreError> {
    let mut connection = context.store.connection().await?;
    times_put_off_for(&mut connection, job.id, reason).await
}

fn growing(times: u32) -> Duration {
    STORAGE_WAIT.saturating_mul(2_u32.saturating_pow(times)).min(LONGEST_STORAGE_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_for_storage_grows_to_its_bound() {
        assert_eq!(growing(0), Duration::from_secs(10));
        assert_eq!(growing(2), Duration::from_secs(40));
        assert_eq!(growing(u32::MAX), LONGEST_STORAGE_WAIT);
    }
}
