//! What a person asks of a transcription beyond the settings of its worker.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Another provider, model or language for the transcriptions of one requeue. They travel in the job's payload, and a worker that cannot
/// grant them says so: nothing is ever done another way than was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wishes {
    /// Who is to transcribe, as `TRANSCRIPTION_PROVIDER` names them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider: Option<String>,
    /// The provider's model.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<String>,
    /// ISO 639-1 code of the language spoken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub language: Option<String>,
}

/// Where they are in a payload.
const KEY: &str = "wishes";

impl Wishes {
    /// Those in a job's payload; none when it holds none.
    ///
    /// # Errors
    /// When they are not of this version: they must not be passed over.
    pub fn of(payload: &Value) -> Result<Self, serde_json::Error> {
        payload.get(KEY).map_or_else(|| Ok(Self::default()), Self::deserialize)
    }

    /// The part of a payload that says them; empty when there are none.
    #[must_use]
    pub fn to_payload(&self) -> Value {
        if self.is_none() { serde_json::json!({}) } else { serde_json::json!({ KEY: self }) }
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wishes_come_back_out_of_the_payload_they_went_into() {
        let wishes = Wishes { model: Some("large-v3".to_owned()), language: Some("cy".to_owned()), provider: None };
        assert_eq!(Wishes::of(&wishes.to_payload()).unwrap(), wishes);
        assert_eq!(Wishes::default().to_payload(), json!({}));
        assert!(Wishes::of(&json!({ "recording_id": "r1" })).unwrap().is_none());
    }

    #[test]
    fn wishes_of_a_newer_version_are_an_error_and_not_passed_over() {
        assert!(Wishes::of(&json!({ "wishes": { "voice": "low" } })).is_err());
    }
}
