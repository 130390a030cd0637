//! What a vendor's assistant noted of a call.

use serde::{Deserialize, Serialize};

/// What was noted at one point of a call. Every text may be missing; newlines are newlines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryNote {
    /// The agent it was noted for, by the vendor's id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent_id: Option<String>,
    /// Why the customer called.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub initial_contact_reason: Option<String>,
    /// What else is to be known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub additional_context: Option<String>,
    /// What else the customer called for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub additional_contact_reasons: Option<String>,
    /// What was done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key_actions_taken: Option<String>,
    /// What is to be done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_steps: Option<String>,
    /// Why the call was handed on, or a colleague asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason_for_transfer_or_consult: Option<String>,
    /// The wrap-up code that the agent chose.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chosen_wrap_up_code: Option<String>,
    /// The wrap-up codes that were proposed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub proposed_wrap_up_codes: Vec<String>,
}

impl SummaryNote {
    fn texts(&self) -> impl Iterator<Item = &str> {
        let texts = [
            &self.initial_contact_reason,
            &self.additional_context,
            &self.additional_contact_reasons,
            &self.key_actions_taken,
            &self.next_steps,
            &self.reason_for_transfer_or_consult,
            &self.chosen_wrap_up_code,
        ];
        texts.into_iter().filter_map(Option::as_deref)
    }
}

/// A call's summary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSummary {
    /// Noted after the call, once per agent.
    pub post_call: Vec<SummaryNote>,
    /// Noted when the call was handed on.
    pub mid_call: Vec<SummaryNote>,
    /// The case number that the notes name, if they name one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub named_case_number: Option<String>,
}

impl CallSummary {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.post_call.is_empty() && self.mid_call.is_empty()
    }

    /// Everything that was noted in words.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.post_call.iter().chain(&self.mid_call).flat_map(SummaryNote::texts)
    }

    /// The wrap-up code that was chosen, if all who chose one chose the same.
    #[must_use]
    pub fn chosen_wrap_up_code(&self) -> Option<&str> {
        let mut chosen = self.post_call.iter().filter_map(|note| note.chosen_wrap_up_code.as_deref());
        let first = chosen.next()?;
        chosen.all(|other| other == first).then_some(first)
    }
}
