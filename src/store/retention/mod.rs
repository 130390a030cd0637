//! Retention: what is too old, and how it goes.
//!
//! A recording goes from `stored` to `deleting` to `deleted`. The first move is the decision: one transaction that holds the row of the
//! recording, looks at everything that could keep it — its age, a hold, its transcript, its jobs — and writes down every object that is
//! about to go. The second move and the time of the proofs are one transaction after the bucket was seen to hold none of them. Killed
//! anywhere, the next run goes on with what is written down and not proven.
//!
//! Rows of calls and conversations go once nothing of them is in the bucket, in batches, each a transaction with its proof.
//!
//! The row of the recording is where everybody meets: a hold locks it, a run that is about to read or write the audio share-locks it once
//! its job runs. So whoever comes first is seen by the other.

mod audio;
mod calls;
mod proof;

pub use audio::{Aged, AgedAudio, AgedQueue, Place, PlannedDeletion, aged_audio, aged_queues, begin_deletion};
pub use calls::{AgedCall, AgedCalls, CallDeletion, CallPlace, aged_calls, aged_calls_by_queue, call_deletions, delete_calls, expired};
pub use proof::{
    Begun, Deletion, Report, deletions, deletions_begun, finish_deletion, last_report, plan_more, planned_keys, save_report, since,
};
