//! What vendors tell by webhook, and what came of it.

use super::status::vocabulary;

vocabulary! {
    /// `webhook_events.kind`: what an event means to us.
    EventKind ("kind of event") {
        /// A recording can be fetched now.
        RecordingAvailable = "recording_available",
        /// A call ended, or a leg of it did.
        CallEnded = "call_ended",
        /// Something else happened to a call.
        CallChanged = "call_changed",
        /// Anything else, kinds that do not exist yet among it.
        Other = "other",
    }
}

vocabulary! {
    /// `webhook_events.outcome`: what came of an event.
    EventOutcome ("outcome of an event") {
        /// Nothing follows from it.
        Kept = "kept",
        /// The call's recording waited and is due at once.
        Hurried = "hurried",
        /// The call's recording was given up and is due again.
        Reopened = "reopened",
        /// A sync that begins after the event will find what it tells.
        SyncAsked = "sync_asked",
        /// It was done already, or is due.
        NothingToDo = "nothing_to_do",
        /// Its work could not be hurried; it is done in its own time.
        LeftToPolling = "left_to_polling",
    }
}
