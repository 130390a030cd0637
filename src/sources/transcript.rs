//! A transcript that a vendor made itself, read: who said what, and when. What lives here is the same for every vendor; how a
//! vendor's file becomes it lives in `sources/<vendor>`.

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speaker {
    /// Someone of the contact centre.
    Agent,
    /// Who called or was called.
    Customer,
    /// Someone else, in the vendor's words.
    Other(String),
}

impl Speaker {
    /// The word in transcripts: `agent`, `customer`, or the vendor's.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Agent => "agent",
            Self::Customer => "customer",
            Self::Other(word) => word,
        }
    }

    /// Reads a role in a vendor's words.
    #[must_use]
    pub fn of_role(role: &str) -> Self {
        match role.trim().to_ascii_lowercase().as_str() {
            "agent" => Self::Agent,
            "caller" | "customer" => Self::Customer,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A stretch of time in the recording, in seconds from its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Where it begins.
    pub start: f64,
    /// Where it ends; not before `start`.
    pub end: f64,
}

/// One word.
#[derive(Debug, Clone, PartialEq)]
pub struct SpokenWord {
    /// As the vendor wrote it, trimmed.
    pub text: String,
    /// When it is said.
    pub span: Span,
}

/// What one person says at a stretch.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Who.
    pub speaker: Speaker,
    /// What, trimmed; never empty.
    pub text: String,
    /// When; `None` when the file does not say.
    pub span: Option<Span>,
    /// Its words, by time; empty when the file has none.
    pub words: Vec<SpokenWord>,
}

/// A vendor's transcript of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct VendorTranscript {
    /// The form of its file, in one word.
    pub form: &'static str,
    /// ISO 639-1 code, or the vendor's word.
    pub language: Option<String>,
    /// What was said, by time as far as times are known.
    pub turns: Vec<Turn>,
    /// How many parts of the file were odd and were put right or left out.
    pub repairs: u32,
}

/// The bytes are no transcript that we know. The error tells of their shape and never of what was said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct UnrecognisedTranscript {
    /// What was looked for and not found.
    pub what: String,
}
