//! Kinds and states of jobs.

use std::time::Duration;

use super::status::vocabulary;

/// Recordings that the vendor is about to delete: what is not copied now is lost.
pub const PRIORITY_EXPIRING: i16 = -10;
/// Calls that just happened.
pub const PRIORITY_FRESH: i16 = 0;
/// Calls of long ago, asked for by hand; they run when nothing fresh waits.
pub const PRIORITY_BACKFILL: i16 = 10;
/// What can wait until everything else is done: details of calls of long ago.
pub const PRIORITY_LATE: i16 = 20;

/// The class of what follows a job: only recordings expire, and their calls are of long ago.
#[must_use]
pub const fn priority_after(priority: i16) -> i16 {
    if priority < PRIORITY_FRESH { PRIORITY_BACKFILL } else { priority }
}

vocabulary! {
    /// `jobs.state`.
    JobState ("job state") {
        /// Waits for its time and a worker.
        Ready = "ready",
        /// A worker holds it under a lease.
        Running = "running",
        /// Done.
        Done = "done",
        /// Given up until someone requeues it.
        Dead = "dead",
        /// Called off by a person.
        Cancelled = "cancelled",
    }
}

impl JobState {
    /// Whether the move is legal.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use JobState::{Cancelled, Dead, Done, Ready, Running};
        match self {
            Ready => matches!(next, Running | Cancelled),
            Running => matches!(next, Ready | Done | Dead),
            Done => matches!(next, Ready),
            Dead => matches!(next, Ready | Cancelled),
            Cancelled => matches!(next, Ready),
        }
    }
}

vocabulary! {
    /// The kinds of job this version knows.
    JobKind ("job kind") {
        /// Pulls one window of calls from a source.
        Sync = "sync",
        /// Copies one call's recording into S3.
        Recording = "recording",
        /// Turns one stored recording into a transcript.
        Transcription = "transcription",
        /// Keeps house: compares what a vendor lists with what is held, and whatever else is due now and then.
        Upkeep = "upkeep",
        /// Asks what the calls of a time turned out to be.
        Enrichment = "enrichment",
        /// Finds conversations that were written, or reads one.
        Chat = "chat",
    }
}

/// A kind of job that this version does not know.
pub type UnknownJobKind = super::UnknownWord;

impl JobKind {
    /// The worker type on the command line and in docker-compose.yml.
    #[must_use]
    pub const fn worker(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Recording => "recordings",
            Self::Transcription => "transcribe",
            Self::Upkeep => "upkeep",
            Self::Enrichment => "enrich",
            Self::Chat => "chat",
        }
    }

    /// Attempts unless `MAX_ATTEMPTS_<KIND>` says otherwise.
    #[must_use]
    pub const fn default_max_attempts(self) -> u16 {
        match self {
            // a window is retried for about a day: nothing else would notice that it is missing
            Self::Sync | Self::Enrichment => 20,
            Self::Recording | Self::Chat => 8,
            // every attempt may cost money
            Self::Transcription => 5,
            Self::Upkeep => 10,
        }
    }

    /// Jobs at once in one process unless `CONCURRENCY_<KIND>` says otherwise.
    #[must_use]
    pub const fn default_concurrency(self) -> u16 {
        match self {
            Self::Sync => 2,
            Self::Recording => 8,
            Self::Transcription | Self::Chat => 4,
            // it runs beside live work and must not crowd it
            Self::Upkeep | Self::Enrichment => 1,
        }
    }

    /// The longest one run may take before it counts as failed with reason `timed_out`.
    #[must_use]
    pub const fn timeout(self) -> Duration {
        match self {
            Self::Sync | Self::Upkeep | Self::Enrichment | Self::Chat => Duration::from_mins(30),
            // three hours of stereo PCM is 345 MB; at 100 kB/s that is just under an hour
            Self::Recording | Self::Transcription => Duration::from_mins(60),
        }
    }

    /// Whether a transcript's status moves with jobs of this kind.
    #[must_use]
    pub const fn carries_transcript(self) -> bool {
        match self {
            Self::Sync | Self::Upkeep | Self::Enrichment | Self::Chat => false,
            Self::Recording | Self::Transcription => true,
        }
    }
}

vocabulary! {
    /// From where a call's work is done again.
    Stage ("stage") {
        /// The recording is copied anew, and transcribed.
        Recording = "recording",
        /// The recording that is stored is transcribed.
        Transcription = "transcription",
    }
}

impl Stage {
    /// The kind of the stage's jobs.
    #[must_use]
    pub const fn kind(self) -> JobKind {
        match self {
            Self::Recording => JobKind::Recording,
            Self::Transcription => JobKind::Transcription,
        }
    }
}
