//! The fields that a task has: what is not here is undefined.

/// What a field is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A value.
    Scalar,
    /// Fields of its own.
    Object(&'static [(&'static str, Kind)]),
}

use Kind::{Object, Scalar};

const NAMED: Kind = Object(&[("id", Scalar), ("name", Scalar)]);
const AGENT: Kind = Object(&[
    ("id", Scalar),
    ("name", Scalar),
    ("signInId", Scalar),
    ("sessionId", Scalar),
    ("phoneNumber", Scalar),
    ("channelId", Scalar),
]);
const QUEUE: Kind = Object(&[("id", Scalar), ("name", Scalar), ("duration", Scalar)]);
const VARIABLE: Kind = Object(&[("name", Scalar), ("value", Scalar)]);
pub(super) const PAGE_INFO: Kind = Object(&[("hasNextPage", Scalar), ("endCursor", Scalar)]);
const ACTIVITIES: Kind = Object(&[
    ("totalCount", Scalar),
    ("nodes", Object(&[("id", Scalar), ("eventName", Scalar), ("createdTime", Scalar), ("duration", Scalar)])),
    ("pageInfo", PAGE_INFO),
]);

const SCALARS: &[&str] = &[
    "id",
    "status",
    "isActive",
    "createdTime",
    "endedTime",
    "totalDuration",
    "connectedDuration",
    "queueDuration",
    "holdDuration",
    "ringingDuration",
    "wrapupDuration",
    "selfserviceDuration",
    "conferenceDuration",
    "consultDuration",
    "pausedDuration",
    "origin",
    "destination",
    "direction",
    "channelType",
    "channelSubType",
    "isOutdial",
    "outdialType",
    "isCallback",
    "isCampaign",
    "firstQueueId",
    "firstQueueName",
    "lastWrapUpCodeId",
    "lastWrapupCodeName",
    "terminationType",
    "terminationReason",
    "terminatingEnd",
    "contactHandleType",
    "abandonedType",
    "isContactHandled",
    "isContactOffered",
    "csatScore",
    "autoCsat",
    "contactReason",
    "contactDriver",
    "topicName",
    "captureRequested",
    "recordingCount",
    "recordingErrorCount",
    "recordingFileSize",
    "isRecordingDeleted",
    "isTranscriptionAvailable",
    "pausedCount",
    "resumedCount",
    "lastActivityTime",
    "globalVariables",
];

/// What a field of a task is; `None` when it has no such field.
pub(super) fn field(name: &str) -> Option<Kind> {
    match name {
        "owner" | "lastAgent" => Some(AGENT),
        "lastQueue" | "previousQueue" => Some(QUEUE),
        "lastTeam" | "lastSite" | "lastEntryPoint" => Some(NAMED),
        "customer" => Some(Object(&[("name", Scalar), ("phoneNumber", Scalar), ("email", Scalar)])),
        "channelMetaData" => Some(Object(&[("inBoundTranscript", Scalar)])),
        "stringGlobalVariables" => Some(VARIABLE),
        "activities" => Some(ACTIVITIES),
        scalar => SCALARS.contains(&scalar).then_some(Scalar),
    }
}
