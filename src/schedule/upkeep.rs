//! Parameters of an upkeep job, as the ledger keeps them: which task, and what it is about. One variant per task.

use serde::{Deserialize, Serialize};

use crate::domain::{RecordingId, Repair, Window};

/// What an upkeep job does. A task that only a newer version knows parks its job as `poison_payload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum UpkeepTask {
    /// Compares what the vendor lists with what is held.
    Reconcile(Reconcile),
    /// Asks for the summary of the call that the job names.
    Summarise,
    /// Looks whether the vendor still sends us what we subscribed, and switches on again what it switched off.
    Subscriptions,
    /// Deletes audio that is kept no longer.
    Retention,
    /// Deletes an object of the call that the job names, in whose place another has come.
    Discard(Discard),
}

/// An object of a recording that is to go, since another stands in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discard {
    /// The recording.
    pub recording_id: RecordingId,
    /// Its key.
    pub object_key: String,
    /// Its size.
    pub size_bytes: u64,
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
}

/// Which calls are compared, and what is done about those that are missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconcile {
    /// The days it touches are compared, whole; `None`: the days that are due, worked out when the job runs.
    pub window: Option<Window>,
    /// What is enqueued.
    pub repair: Repair,
    /// Who asked, for the audit log: `user@host`, or `scheduler`.
    pub actor: String,
}

impl UpkeepTask {
    /// The payload as `jobs.payload` keeps it.
    ///
    /// # Errors
    /// Never with the tasks there are: their fields are texts and numbers.
    pub fn to_json(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(self)
    }

    /// Reads `jobs.payload`.
    ///
    /// # Errors
    /// When the task or its parameters are not known to this version.
    pub fn from_json(payload: &serde_json::Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(payload)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    #[test]
    fn a_task_reads_back_as_itself() {
        let window = Window::new(DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::days(1)).unwrap();
        let task = UpkeepTask::Reconcile(Reconcile { window: Some(window), repair: Repair::Calls, actor: "someone@here".to_owned() });
        let json = task.to_json().unwrap();
        assert_eq!(json["task"], "reconcile");
        assert_eq!(UpkeepTask::from_json(&json).unwrap(), task);
        assert_eq!(UpkeepTask::from_json(&UpkeepTask::Subscriptions.to_json().unwrap()).unwrap(), UpkeepTask::Subscriptions);
        assert!(UpkeepTask::from_json(&serde_json::json!({ "task": "tidy" })).is_err());
        assert_eq!(UpkeepTask::Summarise.to_json().unwrap(), serde_json::json!({ "task": "summarise" }));
    }
}
