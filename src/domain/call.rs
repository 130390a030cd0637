//! A call, as every source tells it.

use chrono::{DateTime, Utc};

use super::{CallDetails, OrgId, SessionId, SourceName, status::vocabulary};

vocabulary! {
    /// Which way the call went.
    Direction ("direction") {
        /// A customer called.
        Inbound = "inbound",
        /// An agent or a campaign called.
        Outbound = "outbound",
    }
}

vocabulary! {
    /// Where `end_time` comes from.
    EndTimeSource ("end time source") {
        /// The vendor's own end of the call.
        Vendor = "vendor",
        /// The closed call's last change: an upper bound, replaced when the vendor tells the end.
        LastUpdated = "last_updated",
    }
}

/// One call, translated from a vendor's payload. A field is `None` when the payload did not tell it.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The vendor's id of the call.
    pub session_id: SessionId,
    /// The vendor.
    pub source: SourceName,
    /// The tenant.
    pub org_id: Option<OrgId>,
    /// The vendor's channel, lower case.
    pub channel: String,
    /// Case or incident the call belongs to.
    pub case_number: Option<String>,
    /// Which way it went.
    pub direction: Option<Direction>,
    /// Number the call came from.
    pub ani: Option<String>,
    /// Number that was called.
    pub dnis: Option<String>,
    /// Last agent.
    pub agent_id: Option<String>,
    /// Last agent's display name.
    pub agent_name: Option<String>,
    /// Last queue.
    pub queue_id: Option<String>,
    /// Last queue's display name.
    pub queue_name: Option<String>,
    /// When it began.
    pub start_time: DateTime<Utc>,
    /// When it ended, and how we know.
    pub end: Option<(DateTime<Utc>, EndTimeSource)>,
    /// What the agent said it was about.
    pub wrap_up_code: Option<String>,
    /// The vendor's word for its state.
    pub vendor_status: Option<String>,
    /// The call is over.
    pub closed: bool,
    /// The vendor means to record it: yes, no, or not yet known.
    pub capture_requested: Option<bool>,
    /// The vendor's clock for this version of the call.
    pub source_updated_at: Option<DateTime<Utc>>,
    /// What the vendor sent; an empty object when this version was told by the vendor's details alone.
    pub raw_payload: serde_json::Value,
    /// What the call turned out to be, when this version tells it.
    pub details: Option<Box<CallDetails>>,
}

impl Call {
    /// The channel whose calls are recorded and transcribed.
    pub const TELEPHONY: &'static str = "telephony";

    /// Whether a recording should be looked for now: the call is over and was not marked as never recorded.
    #[must_use]
    pub fn expects_recording(&self) -> bool {
        self.closed && self.channel == Self::TELEPHONY && self.capture_requested != Some(false)
    }

    /// Whole seconds from start to end, rounded half up; `None` without an end or if it lies before the start.
    #[must_use]
    pub fn duration_seconds(&self) -> Option<i32> {
        let (end, _) = self.end?;
        let milliseconds = (end - self.start_time).num_milliseconds();
        if milliseconds < 0 {
            return None;
        }
        i32::try_from((milliseconds + 500) / 1000).ok()
    }
}
