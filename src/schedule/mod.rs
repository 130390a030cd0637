//! What runs when: the leader's loop of ticks, sweep and dispatch. Starting two schedulers is safe; one acts.
//!
//! None of it takes input: every round looks at the ledger and puts right what it finds, so the way after a crash is the way
//! of every day.

mod backfill;
mod chats;
mod checks;
mod dispatch;
mod events;
mod keep;
mod leader;
mod logins;
mod payload;
mod progress;
mod reconcile;
mod retention;
mod scheduler;
mod sync;
mod upkeep;

pub use backfill::{Backfill, BackfillError, BackfillOrder, enqueue_backfill, enqueue_windows};
pub use chats::{ChatTask, conversation_job};
pub use dispatch::{Dispatched, dispatch};
pub use events::{EventTaken, take_event};
pub use payload::SyncPayload;
pub use progress::{Piece, Progress, Purpose, TooNarrow};
pub use reconcile::{ReconcileRun, enqueue_reconcile};
pub use scheduler::{SchedulerOptions, run_scheduler};
pub use sync::{SyncRun, enqueue_sync_now};
pub use upkeep::{Discard, Reconcile, UpkeepTask};
