//! Jobs and their attempts, in PostgreSQL: the truth about what is to be done.
//!
//! Enqueue in the transaction that makes the work necessary; claim in batches; hold under the worker's lease; finish once,
//! guarded by the fencing token; sweep what a dead worker held. The SQL of jobs lives here; nothing here talks to Redis
//! except to hand over ids after a commit.

mod advice;
mod backoff;
mod batches;
mod by_hand;
mod checkpoint;
mod claim;
mod clusters;
mod controls;
mod depth;
mod due;
mod enqueue;
mod expiring;
mod filter;
mod finish;
mod held;
mod history;
mod hurry;
mod inspect;
mod job;
mod lease;
mod look_again;
mod outcome;
mod prune;
mod rates;
mod read_again;
mod running;
mod sync_ages;
mod workers_seen;

pub use advice::{Advice, Asked, Bound, advise, advise_all};
pub use backoff::{Backoff, process_rng};
pub use batches::{
    BatchId, BatchSeen, BatchSwitched, SwitchOfBatch, Verdict, attend, batch_failures, batch_name, batches_seen, cancel_batch,
    judge_canary, switch_batch, would_switch,
};
pub use by_hand::{
    ByHand, ByHandError, Canary, Changed, Pace, Tally, cancel, cancel_tally, enqueue_anew, enqueue_or_reopen, finish_moving, note_enqueued,
    requeue, requeue_tally, requeue_within, version_anew, would_cancel, would_requeue,
};
pub use checkpoint::save_checkpoint;
pub use claim::{Claim, Claimant, Poison, Turn, claim, claim_due, claim_in_turn};
pub use clusters::{Cluster, Clusters, MOST_CLUSTERED, clusters};
pub use controls::{
    ControlTarget, Controls, Drain, Orders, Pause, Scale, UnknownTarget, WhoAndWhy, controls_seen, drain, orders, pause, resume, scale,
};
pub use depth::{COUNTED, Count, DeadReason, Depth, Setbacks, dead_reasons, depths, recent_setbacks};
pub use due::{due_jobs, open_kinds};
pub use enqueue::{NewJob, enqueue, recording_jobs};
pub use expiring::hasten_expiring;
pub use filter::JobFilter;
pub use finish::{Finished, Next, Setback, finish_done, finish_setbacks, finish_with};
pub use held::{UNTIL_LOGIN, audit, release_held};
pub use history::times_put_off_for;
pub use hurry::{Hurried, Hurry, hurry};
pub use inspect::{AttemptSeen, JobSeen, attempts, count_jobs, list_jobs};
pub use job::{Claimed, Handler, Hint, LeaseLost, RunContext, hold, hold_lightly};
pub use lease::{Swept, WorkerIdentity, begin_lease, end_lease, hand_back_unknown, renew_lease, sweep};
pub use look_again::look_again;
pub use outcome::{Effect, Failure, Outcome, VendorTrace};
pub use prune::{Pruned, prune};
pub use rates::{Freshness, RATE_MINUTES, Rate, SERIES_MINUTES, freshness, prune_rates, rates};
pub use read_again::read_again;
pub use running::{RunningSeen, running_by_worker};
pub use sync_ages::{SyncAge, sync_ages};
pub use workers_seen::{WorkerSeen, unattended_for, workers_seen};
