//! Why a job waits or died: one word for machines, one sentence for people, one next step.

use super::status::vocabulary;

vocabulary! {
    /// `jobs.reason`, `job_attempts.reason` and `call_transcripts.error_code`.
    Reason ("reason") {
        // recording
        /// The vendor has not offered the recording yet.
        RecordingNotReady = "recording_not_ready",
        /// The vendor meant to record and never offered a file.
        NoRecording = "no_recording",
        /// The vendor deleted the recording.
        RecordingPurged = "recording_purged",
        /// Retention deleted the audio.
        AudioDeleted = "audio_deleted",
        /// The download link ended before the download did.
        LinkExpired = "link_expired",
        /// Fewer bytes came than were promised.
        RecordingTruncated = "recording_truncated",
        /// The file holds no audio.
        RecordingEmpty = "recording_empty",
        /// Something other than audio came.
        NotAudio = "not_audio",
        /// The file is larger than we take.
        RecordingTooLarge = "recording_too_large",
        /// The link points somewhere we may not fetch from.
        HostNotAllowed = "host_not_allowed",
        /// S3 did not take or give the bytes.
        StorageUnavailable = "storage_unavailable",
        /// The bytes in S3 are not those that were stored.
        StorageCorrupt = "storage_corrupt",
        // vendor
        /// The vendor said to slow down.
        RateLimited = "rate_limited",
        /// The shared budget of requests is spent for now.
        BudgetSpent = "budget_spent",
        /// The vendor could not be reached or failed.
        VendorUnavailable = "vendor_unavailable",
        /// The vendor refused the request as wrong.
        VendorRejected = "vendor_rejected",
        /// The vendor's answer has a shape we do not know.
        WrongShape = "wrong_shape",
        /// The vendor refuses our tokens: a person must log in again.
        LoginNeeded = "login_needed",
        /// The token lacks a scope, role or licence.
        Forbidden = "forbidden",
        /// The token belongs to another tenant.
        WrongOrg = "wrong_org",
        // provider
        /// The transcriber could not be reached or failed.
        ProviderUnavailable = "provider_unavailable",
        /// The transcriber refused the request as wrong.
        ProviderRejected = "provider_rejected",
        /// The transcriber's account, key or model is not usable.
        ProviderMisconfigured = "provider_misconfigured",
        /// The recording is over the transcriber's limit.
        AudioTooLong = "audio_too_long",
        /// The transcriber could not decode the audio.
        AudioUndecodable = "audio_undecodable",
        /// The answer covers less speech than the audio holds.
        LowCoverage = "low_coverage",
        /// The answer repeats itself.
        Repetition = "repetition",
        /// The answer is in another language than the one that is spoken.
        LanguageMismatch = "language_mismatch",
        /// The transcriber works on it, and will answer later.
        ProviderWorking = "provider_working",
        /// This month's cap on what transcription may cost is reached.
        CostCapReached = "cost_cap_reached",
        /// An original that is to be deleted is still needed: the call is on legal hold, or its recording is being worked on.
        OriginalNeeded = "original_needed",
        /// The answer could not be read.
        UnreadableAnswer = "unreadable_answer",
        /// The vendor has not offered its own transcript yet.
        TranscriptNotReady = "transcript_not_ready",
        /// The vendor never offered a transcript of its own.
        NoTranscript = "no_transcript",
        /// The vendor's transcript is in no form that we know.
        UnrecognisedTranscriptFormat = "unrecognised_transcript_format",
        /// The vendor's assistant has not summarised the call yet.
        SummaryNotReady = "summary_not_ready",
        // ours
        /// The job's parameters cannot be read.
        PoisonPayload = "poison_payload",
        /// The handler panicked.
        Panicked = "panicked",
        /// The run took longer than its kind may.
        TimedOut = "timed_out",
        /// The worker vanished and its lease ran out.
        LeaseLost = "lease_lost",
        /// The job is long and let other work have a turn.
        Unfinished = "unfinished",
        /// The worker shut down before the job ended.
        ShutDown = "shut_down",
        /// A person called it off.
        Cancelled = "cancelled",
        /// PostgreSQL did not take the result.
        DatabaseUnavailable = "database_unavailable",
        /// Something we did not foresee.
        Unexpected = "unexpected",
    }
}

/// A reason that this version does not know.
pub type UnknownReason = super::UnknownWord;

impl Reason {
    /// Whether it is an end that was to be expected: what is missing for this reason is explained, not lost.
    #[must_use]
    pub const fn explains_absence(self) -> bool {
        matches!(self, Self::NoRecording | Self::RecordingPurged | Self::AudioDeleted | Self::NoTranscript | Self::Cancelled)
    }

    /// Whether what a job died of may have passed by itself, so that trying once more makes sense without a person's doing.
    #[must_use]
    pub const fn may_have_passed(self) -> bool {
        match self {
            Self::RecordingNotReady
            | Self::LinkExpired
            | Self::RecordingTruncated
            | Self::StorageUnavailable
            | Self::StorageCorrupt
            | Self::RateLimited
            | Self::BudgetSpent
            | Self::VendorUnavailable
            | Self::WrongShape
            | Self::LoginNeeded
            | Self::Forbidden
            | Self::WrongOrg
            | Self::TranscriptNotReady
            | Self::SummaryNotReady
            | Self::ProviderWorking
            | Self::CostCapReached
            | Self::OriginalNeeded
            | Self::ProviderUnavailable
            | Self::ProviderMisconfigured
            | Self::UnreadableAnswer
            | Self::Panicked
            | Self::TimedOut
            | Self::LeaseLost
            | Self::Unfinished
            | Self::ShutDown
            | Self::DatabaseUnavailable
            | Self::Unexpected => true,
            Self::NoRecording
            | Self::RecordingPurged
            | Self::AudioDeleted
            | Self::RecordingEmpty
            | Self::NotAudio
            | Self::RecordingTooLarge
            | Self::HostNotAllowed
            | Self::NoTranscript
            | Self::UnrecognisedTranscriptFormat
            | Self::VendorRejected
            | Self::ProviderRejected
            | Self::AudioTooLong
            | Self::AudioUndecodable
            | Self::LowCoverage
            | Self::Repetition
            | Self::LanguageMismatch
            | Self::PoisonPayload
            | Self::Cancelled => false,
        }
    }

    /// What to do about it, for the person who asks why.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::RecordingNotReady => "nothing: it is asked for again on RECORDING_POLL_SCHEDULE",
            Self::NoRecording => {
                "look at the call in the vendor's portal; if it has a recording after all, `callscribe requeue --session ID`"
            }
            Self::RecordingPurged => "nothing can bring it back; check the vendor's retention against how far behind the pipeline runs",
            Self::AudioDeleted => "nothing can bring it back: `RETENTION_AUDIO` was over; `callscribe deletions` shows the proof",
            Self::LinkExpired | Self::RecordingTruncated | Self::VendorUnavailable => {
                "nothing while it retries; once dead, requeue it when the vendor is well"
            }
            Self::RecordingEmpty | Self::NotAudio => "play the recording in the vendor's portal; if it is good there, requeue",
            Self::RecordingTooLarge => "raise RECORDING_MAX_BYTES and requeue",
            Self::HostNotAllowed => "if the host is the vendor's, add it to RECORDING_DOWNLOAD_HOSTS and requeue",
            Self::StorageUnavailable => "check the bucket and its credentials; jobs go on by themselves when it answers",
            Self::StorageCorrupt => "copy it again from the vendor: `callscribe requeue --from recording --session ID`",
            Self::RateLimited | Self::BudgetSpent => "nothing: it waits its turn; WEBEX_BUDGET_PER_MINUTE is the shared budget",
            Self::VendorRejected | Self::WrongShape => "send the request id to the vendor's support, or report a bug with the error text",
            Self::LoginNeeded => "run `callscribe webex login`; jobs wait, use up no attempts, and go on by themselves",
            Self::Forbidden => {
                "give the integration the scope or role the error names, then `callscribe webex login`; jobs wait and go on by themselves"
            }
            Self::WrongOrg => "run `callscribe webex login` in the tenant that WEBEX_CC_ORG_ID names; jobs wait and go on by themselves",
            Self::ProviderUnavailable => "nothing while it retries; once dead, requeue it when the transcriber is well",
            Self::ProviderRejected => "read the error; change the model or settings, then requeue",
            Self::ProviderMisconfigured => {
                "check OPENAI_BASE_URL, OPENAI_API_KEY, TRANSCRIPTION_MODEL and the account's quota; jobs wait meanwhile"
            }
            Self::AudioTooLong => {
                "use a transcriber with a higher limit (TRANSCRIPTION_MAX_BYTES, TRANSCRIPTION_MAX_SECONDS), then requeue"
            }
            Self::AudioUndecodable => "play the stored audio; if it is good, use a transcriber that reads its codec, then requeue",
            Self::LowCoverage | Self::Repetition => "listen to the audio; requeue, perhaps with another model",
            Self::LanguageMismatch => "listen to the audio; requeue with `--language` as it is spoken, or change TRANSCRIPTION_LANGUAGE",
            Self::ProviderWorking => "nothing: the transcriber is asked again soon",
            Self::CostCapReached => {
                "raise TRANSCRIPTION_MONTHLY_CAP, or wait for the month to end: jobs wait and go on by themselves; `callscribe costs` says what it went on"
            }
            Self::OriginalNeeded => {
                "nothing while it is held: `callscribe calls release` lets a call go, and its original is deleted within a day"
            }
            Self::UnreadableAnswer => "check that OPENAI_BASE_URL is a transcriber; report a bug with the error text",
            Self::TranscriptNotReady => "nothing: it is asked for again until WEBEX_CC_TRANSCRIPT_WAIT is over",
            Self::NoTranscript => {
                "check that the tenant has a feature that makes transcripts (Auto CSAT, Agent Wellbeing, Call Drop Summary or Topic Analytics); requeue, or set TRANSCRIPTION_PROVIDER=webex,whisper"
            }
            Self::UnrecognisedTranscriptFormat => {
                "send the error's text with a bug report, and the bytes if it names where in the bucket they are; requeue after an upgrade, or set TRANSCRIPTION_PROVIDER=webex,whisper"
            }
            Self::SummaryNotReady => "nothing: it is asked for again for a day; a call without a summary is no error",
            Self::PoisonPayload => "it was enqueued by another version or by hand; cancel it, or requeue after an upgrade",
            Self::Panicked | Self::Unexpected => "a bug: report it with the error text",
            Self::TimedOut => "see what it waited for in the error; requeue",
            Self::LeaseLost => "see the log of the worker named: it was killed, paused or cut off",
            Self::Cancelled => "nothing; if it is wanted after all, `callscribe requeue --state cancelled --session ID`",
            Self::Unfinished => "nothing: it goes on from its checkpoint",
            Self::ShutDown => "nothing: another worker takes it",
            Self::DatabaseUnavailable => "check PostgreSQL; the work is done again by itself",
        }
    }
}
