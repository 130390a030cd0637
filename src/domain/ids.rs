//! Ids as types, so that a session is never passed for a case.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An id that a vendor cannot have meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id: it is empty, longer than 200 characters, or holds control characters")]
pub struct InvalidId(pub String);

/// The longest vendor id taken; Webex ids have 36 characters, no known vendor's more than 64.
const LONGEST_ID: usize = 200;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes a vendor's id as it is.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let too_long = text.chars().nth(LONGEST_ID).is_some();
                if text.trim().is_empty() || too_long || text.chars().any(char::is_control) {
                    return Err(InvalidId(text.chars().take(LONGEST_ID).collect()));
                }
                Ok(Self(text))
            }

            /// The id as the vendor writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

text_id! {
    /// The vendor's id of a call (Webex: task id).
    SessionId
}
text_id! {
    /// The vendor's id of a tenant.
    OrgId
}
text_id! {
    /// The vendor's id of a recording.
    RecordingId
}

/// Callscribe's id of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TranscriptId(pub Uuid);

impl TranscriptId {
    /// The id of a call's transcript follows from the call, so that syncing the call twice names one row.
    #[must_use]
    pub fn of(source: super::SourceName, session: &SessionId, leg: super::Leg, version: u32) -> Self {
        let name = format!("{source}/{session}/{leg}/{version}");
        Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
    }
}

impl fmt::Display for TranscriptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A job's row in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub i64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of a worker process, under which it holds its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(pub i64);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
