//! The vocabularies of state and the moves between them; `docs/state-machine.md` draws the same.

/// A word that is not in a vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not a {vocabulary}: expected one of {expected}")]
pub struct UnknownWord {
    /// The word given.
    pub word: String,
    /// What it was meant to be.
    pub vocabulary: &'static str,
    /// The words that would have done.
    pub expected: String,
}

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident ($what:literal) { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every word of the vocabulary, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as databases, logs and people read it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::UnknownWord;
            fn from_str(word: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word).ok_or_else(|| $crate::domain::UnknownWord {
                    word: word.to_owned(),
                    vocabulary: $what,
                    expected: Self::ALL.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}
pub(crate) use vocabulary;

vocabulary! {
    /// Who took the call.
    SourceName ("source") {
        /// Webex Contact Center.
        Webex = "webex",
        /// Genesys Cloud.
        Genesys = "genesys",
        /// Vapi.
        Vapi = "vapi",
    }
}

vocabulary! {
    /// `call_transcripts.status`.
    TranscriptStatus ("transcript status") {
        /// Expected; nothing runs.
        Pending = "pending",
        /// Its recording is being copied.
        Downloading = "downloading",
        /// A provider is at work.
        Transcribing = "transcribing",
        /// Done; the text is there.
        Complete = "complete",
        /// Given up, with a reason code, until someone requeues it.
        Error = "error",
    }
}

impl TranscriptStatus {
    /// Whether the move is legal. A move to itself is: everything runs twice without harm.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use TranscriptStatus::{Complete, Downloading, Error, Pending, Transcribing};
        match self {
            Pending => true,
            Downloading => matches!(next, Downloading | Pending | Transcribing | Error),
            Transcribing => matches!(next, Transcribing | Pending | Complete | Error),
            Complete => matches!(next, Complete),
            Error => matches!(next, Error | Pending),
        }
    }
}

vocabulary! {
    /// `call_interactions.transcript_status`.
    CallTranscriptStatus ("call transcript status") {
        /// No transcript is expected.
        None = "none",
        /// Expected; nothing runs.
        Pending = "pending",
        /// Being copied or transcribed.
        Processing = "processing",
        /// Done.
        Complete = "complete",
        /// Given up until someone requeues it.
        Error = "error",
    }
}

impl From<TranscriptStatus> for CallTranscriptStatus {
    fn from(status: TranscriptStatus) -> Self {
        match status {
            TranscriptStatus::Pending => Self::Pending,
            TranscriptStatus::Downloading | TranscriptStatus::Transcribing => Self::Processing,
            TranscriptStatus::Complete => Self::Complete,
            TranscriptStatus::Error => Self::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    #[test]
    fn a_complete_transcript_never_moves_back() {
        for next in TranscriptStatus::ALL {
            assert_eq!(TranscriptStatus::Complete.may_become(*next), *next == TranscriptStatus::Complete);
        }
    }

    #[test]
    fn every_word_reads_back_as_itself() {
        for status in TranscriptStatus::ALL {
            assert_eq!(TranscriptStatus::from_str(status.as_str()), Ok(*status));
        }
        assert!(SourceName::from_str("Webex ").is_err());
    }
}
