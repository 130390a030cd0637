//! Parameters of a sync or enrichment job, as the ledger keeps them: written by the scheduler and the command line, read by the worker.

use serde::{Deserialize, Serialize};

use crate::domain::Window;

/// Which calls a sync job asks for, or an enrichment for the details of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum SyncPayload {
    /// From the watermark, less the overlap, to now: worked out when the job runs.
    Live,
    /// One window of the past, asked for by a person.
    Backfill(Window),
}

impl SyncPayload {
    /// The payload as `jobs.payload` keeps it.
    #[must_use]
    pub fn to_json(self) -> serde_json::Value {
        match self {
            Self::Live => serde_json::json!({ "mode": "live" }),
            Self::Backfill(Window { from, to }) => serde_json::json!({ "mode": "backfill", "from": from, "to": to }),
        }
    }

    /// Reads `jobs.payload`.
    pub fn from_json(payload: &serde_json::Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(payload)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    #[test]
    fn a_payload_reads_back_as_itself() {
        let from = DateTime::UNIX_EPOCH;
        let backfill = SyncPayload::Backfill(Window::new(from, from + TimeDelta::days(1)).unwrap());
        for payload in [SyncPayload::Live, backfill] {
            assert_eq!(SyncPayload::from_json(&payload.to_json()).unwrap(), payload);
        }
        assert!(SyncPayload::from_json(&serde_json::json!({ "mode": "sideways" })).is_err());
    }
}
