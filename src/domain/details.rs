//! What a call turned out to be: told after its end, by another API of the vendor than the one that lists it.

/// Details of a call. A field is `None` when the payload did not tell it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallDetails {
    /// The customer's rating.
    pub csat_score: Option<i32>,
    /// The rating that the vendor inferred, in its words.
    pub auto_csat: Option<String>,
    /// Whole seconds that customer and agents were connected.
    pub talk_seconds: Option<i32>,
    /// Whole seconds in queues.
    pub queue_seconds: Option<i32>,
    /// Whole seconds on hold.
    pub hold_seconds: Option<i32>,
    /// Whole seconds that the agent took for the wrap-up.
    pub wrap_up_seconds: Option<i32>,
    /// Last team.
    pub team_name: Option<String>,
    /// Last site.
    pub site_name: Option<String>,
    /// Last entry point.
    pub entry_point_name: Option<String>,
    /// How it ended, in the vendor's words.
    pub termination_type: Option<String>,
    /// Why it ended, in the vendor's words.
    pub termination_reason: Option<String>,
    /// Who ended it, in the vendor's words.
    pub terminated_by: Option<String>,
    /// How it was handled, in the vendor's words, such as `normal`, `short` or `abandoned`.
    pub handle_type: Option<String>,
    /// What it was about, as the vendor's analysis has it.
    pub contact_reason: Option<String>,
    /// The case number that other words of the record name, where nothing that is meant to tell it did: a guess.
    pub guessed_case_number: Option<String>,
    /// The vendor has a transcript of its own.
    pub transcription_available: Option<bool>,
    /// Recordings that the vendor counts.
    pub recording_count: Option<i32>,
    /// What the vendor sent.
    pub payload: serde_json::Value,
}
