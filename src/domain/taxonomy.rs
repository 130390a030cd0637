//! Reasons by whose they are, what Callscribe does about each by itself, and the commands for a person who looks into one.

use super::{Reason, status::vocabulary};

vocabulary! {
    /// Where what went wrong has to be put right.
    ReasonClass ("class of reason") {
        /// The contact centre's side: it is busy, away, or has not got the thing.
        Vendor = "vendor",
        /// The object store.
        Storage = "storage",
        /// The transcriber.
        Provider = "provider",
        /// This one call, recording or transcript: others are well.
        Data = "data",
        /// A setting, a login, a permission: a person's to change.
        Configuration = "configuration",
        /// Callscribe itself, its processes and its database.
        Us = "us",
    }
}

impl ReasonClass {
    /// What reasons of the class have in common, for people.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Vendor => "the contact centre's side: it is busy, away, or has not got the thing",
            Self::Storage => "the object store",
            Self::Provider => "the transcriber",
            Self::Data => "this one call, recording or transcript; others are well",
            Self::Configuration => "a setting, a login or a permission: a person's to change",
            Self::Us => "Callscribe itself, its processes and its database",
        }
    }
}

/// It is tried again, ever later, until `MAX_ATTEMPTS_<KIND>`.
const RETRIES: &str = "It tries again with growing pauses until the attempts of `MAX_ATTEMPTS_<KIND>` are used up; then the job is dead and stays for a person.";
/// It ends at once.
const STOPS: &str = "Nothing more: trying again would end the same way, so the job is dead at once and stays for a person.";

impl Reason {
    /// Where it has to be put right.
    #[must_use]
    pub const fn class(self) -> ReasonClass {
        match self {
            Self::RecordingNotReady
            | Self::NoRecording
            | Self::RecordingPurged
            | Self::LinkExpired
            | Self::RecordingTruncated
            | Self::RateLimited
            | Self::BudgetSpent
            | Self::VendorUnavailable
            | Self::VendorRejected
            | Self::WrongShape
            | Self::TranscriptNotReady
            | Self::NoTranscript
            | Self::UnrecognisedTranscriptFormat
            | Self::SummaryNotReady => ReasonClass::Vendor,
            Self::StorageUnavailable | Self::StorageCorrupt => ReasonClass::Storage,
            Self::ProviderUnavailable
            | Self::ProviderRejected
            | Self::AudioTooLong
            | Self::LowCoverage
            | Self::Repetition
            | Self::LanguageMismatch
            | Self::ProviderWorking
            | Self::UnreadableAnswer => ReasonClass::Provider,
            Self::RecordingEmpty
            | Self::NotAudio
            | Self::AudioUndecodable
            | Self::AudioDeleted
            | Self::OriginalNeeded
            | Self::Cancelled => ReasonClass::Data,
            Self::RecordingTooLarge
            | Self::HostNotAllowed
            | Self::LoginNeeded
            | Self::Forbidden
            | Self::WrongOrg
            | Self::CostCapReached
            | Self::ProviderMisconfigured => ReasonClass::Configuration,
            Self::PoisonPayload
            | Self::Panicked
            | Self::TimedOut
            | Self::LeaseLost
            | Self::Unfinished
            | Self::ShutDown
            | Self::DatabaseUnavailable
            | Self::Unexpected => ReasonClass::Us,
        }
    }

    /// What Callscribe does about it without anybody's help.
    #[must_use]
    pub const fn by_itself(self) -> &'static str {
        match self {
            Self::RecordingNotReady => {
                "It asks again on `RECORDING_POLL_SCHEDULE`, at no attempt's cost; a webhook of the vendor's makes that at once. After the last entry of the schedule the job is dead with `no_recording`."
            }
            Self::TranscriptNotReady => {
                "It asks again, at no attempt's cost, until `WEBEX_CC_TRANSCRIPT_WAIT` after the end of the call; then the next provider is asked, or the job is dead with `no_transcript`."
            }
            Self::SummaryNotReady => "It asks again for a day, at no attempt's cost.",
            Self::LinkExpired => {
                "It asks for a fresh link within the same run, then waits a few times at no attempt's cost; only after that attempts are used."
            }
            Self::RecordingTruncated => {
                "It takes the download up where it broke off, if the vendor serves the rest of the very same file; what keeps breaking is tried again with growing pauses until the attempts are used up. Half a file is never stored."
            }
            Self::RecordingEmpty | Self::NotAudio => {
                "It tries again with growing pauses, since a vendor's file may not be whole yet, until the attempts are used up. What is no recording is never stored as one."
            }
            Self::RateLimited => {
                "It waits as long as it was told to, and so does every other worker that asks the same vendor; no attempt is used."
            }
            Self::BudgetSpent => "It waits until the shared budget has filled again; no attempt is used, and fresh calls go first.",
            Self::StorageUnavailable => {
                "It waits, with growing pauses, until the store answers; no attempt is used, and nothing is half stored."
            }
            Self::StorageCorrupt => {
                "It reads or writes once more where the damage may have been on the way; a stored object that is gone or another one makes the job dead at once."
            }
            Self::LoginNeeded | Self::WrongOrg | Self::Forbidden => {
                "Its jobs wait at no attempt's cost, and go on by themselves after the next login. Where the thing refused is one that a tenant need not have, the work goes on without it."
            }
            Self::ProviderMisconfigured => {
                "Its jobs wait at no attempt's cost and ask again every few minutes: they go on by themselves once the settings, the key or the quota are right, or once a worker runs that can do what was asked for."
            }
            Self::LowCoverage | Self::Repetition | Self::LanguageMismatch => {
                "It asks the transcriber once more otherwise within the same run, then the next one of `TRANSCRIPTION_PROVIDER`. If nobody's answer passes, `TRANSCRIPTION_WHEN_DOUBTFUL` decides: the best is kept with its flags, or it tries again with growing pauses until the attempts are used up. A transcript that is complete is never replaced by one that fails."
            }
            Self::ProviderWorking => {
                "It asks again as the transcriber's work goes on, at no attempt's cost, and holds no worker meanwhile."
            }
            Self::CostCapReached => {
                "Jobs that would cost money wait, at no attempt's cost, until the cap is raised or the next month begins; an alert says so."
            }
            Self::OriginalNeeded => "It looks again every few hours, at no attempt's cost, and deletes the original once nothing needs it.",
            Self::VendorUnavailable | Self::ProviderUnavailable => {
                "While it is down for everyone, its jobs wait at no attempt's cost, one request at a time probes, and they go on by themselves. What fails while others are answered is tried again with growing pauses until the attempts of `MAX_ATTEMPTS_<KIND>` are used up; then the job is dead and stays for a person."
            }
            Self::WrongShape | Self::UnreadableAnswer | Self::Panicked | Self::TimedOut | Self::DatabaseUnavailable | Self::Unexpected => {
                RETRIES
            }
            Self::LeaseLost => {
                "Another worker takes the job once the lease has run out; the run counts as an attempt. What the lost worker still answers is refused."
            }
            Self::Unfinished => "It goes on from its checkpoint after other work had its turn; no attempt is used.",
            Self::ShutDown => "Another worker takes it at once; no attempt is used.",
            Self::AudioDeleted => {
                "Nothing more, and it is not fetched again: it deleted the audio itself when `RETENTION_AUDIO` said so. A transcript that is complete stays."
            }
            Self::NoRecording
            | Self::RecordingPurged
            | Self::RecordingTooLarge
            | Self::HostNotAllowed
            | Self::VendorRejected
            | Self::ProviderRejected
            | Self::AudioTooLong
            | Self::AudioUndecodable
            | Self::NoTranscript
            | Self::UnrecognisedTranscriptFormat
            | Self::PoisonPayload => STOPS,
            Self::Cancelled => "Nothing: a person called it off.",
        }
    }

    /// The page about it, within the repository.
    #[must_use]
    pub fn page(self) -> String {
        format!("docs/reasons/{self}.md")
    }

    /// The commands for a person who looks into it, in the order of use.
    #[must_use]
    pub fn commands(self) -> Vec<String> {
        let mut commands = vec![format!("callscribe jobs list --reason {self}"), format!("callscribe jobs clusters --reason {self}")];
        let again = |more: &str| format!("callscribe requeue --reason {self}{more}");
        match self {
            Self::LoginNeeded | Self::WrongOrg | Self::Forbidden => {
                commands.extend(["callscribe webex token".to_owned(), "callscribe webex login".to_owned()]);
            }
            Self::CostCapReached => commands.push("callscribe costs --by model".to_owned()),
            Self::LanguageMismatch => commands.extend([again(" --dry-run"), again(" --language es --canary 20")]),
            Self::LowCoverage | Self::Repetition | Self::AudioUndecodable | Self::AudioTooLong | Self::ProviderRejected => {
                commands.extend([again(" --dry-run"), again(" --model large-v3 --canary 20")]);
            }
            Self::StorageCorrupt => commands.extend([again(" --from recording --dry-run"), again(" --from recording --rate 1/s")]),
            Self::Cancelled => commands.push(again(" --state cancelled --dry-run")),
            Self::AudioDeleted => commands.push("callscribe deletions".to_owned()),
            Self::OriginalNeeded => commands.push("callscribe calls holds".to_owned()),
            Self::RecordingPurged
            | Self::RecordingNotReady
            | Self::TranscriptNotReady
            | Self::SummaryNotReady
            | Self::RateLimited
            | Self::BudgetSpent
            | Self::ProviderWorking
            | Self::Unfinished
            | Self::ShutDown => {}
            Self::NoRecording
            | Self::LinkExpired
            | Self::RecordingTruncated
            | Self::RecordingEmpty
            | Self::NotAudio
            | Self::RecordingTooLarge
            | Self::HostNotAllowed
            | Self::StorageUnavailable
            | Self::VendorUnavailable
            | Self::VendorRejected
            | Self::WrongShape
            | Self::ProviderUnavailable
            | Self::ProviderMisconfigured
            | Self::UnreadableAnswer
            | Self::NoTranscript
            | Self::UnrecognisedTranscriptFormat
            | Self::PoisonPayload
            | Self::Panicked
            | Self::TimedOut
            | Self::LeaseLost
            | Self::DatabaseUnavailable
            | Self::Unexpected => commands.extend([again(" --dry-run"), again(" --rate 10/s")]),
        }
        commands
    }
}
