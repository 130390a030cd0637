//! What can be missing, and why.

use super::status::vocabulary;

vocabulary! {
    /// `completeness_gaps.kind`.
    GapKind ("kind of gap") {
        /// The vendor lists a call that is not held as it stands there.
        Calls = "calls",
        /// A recording that should be in S3 is not.
        Recordings = "recordings",
        /// A transcript that should be complete is not.
        Transcripts = "transcripts",
    }
}

vocabulary! {
    /// What a comparison enqueues of what it finds missing.
    Repair ("repair") {
        /// Nothing: it only tells.
        Nothing = "nothing",
        /// Syncs of the calls that are missing.
        Calls = "calls",
        /// Recordings and transcripts as well.
        Everything = "everything",
    }
}

vocabulary! {
    /// `completeness_gaps.reason` where no job died of it; see docs/OPERATIONS.md.
    GapReason ("reason of a gap") {
        /// The vendor lists the call, no row holds it.
        NotHeld = "not_held",
        /// The call ended long ago, its row still says that it goes on.
        StillOpen = "still_open",
        /// The vendor's element cannot be read; see `quarantined_payloads`.
        Unreadable = "unreadable",
        /// The vendor could not be made to tell every call of a moment.
        PossibleGap = "possible_gap",
        /// Nothing was ever enqueued to make it.
        NoJob = "no_job",
        /// Its job is done, but what it made is not there.
        Lost = "lost",
    }
}
