//! Jobs and their attempts, in PostgreSQL: the truth about what is to be done.
//!
//! Enqueue in the transaction that makes the work necessary; claim in batches; hold under the worker's lease; finish once,
//! guarded by the fencing token; sweep what a dead worker held. The SQL of jobs lives here; nothing here talks to Redis
//! except to hand over ids after a commit.

mod enqueue;
mod job;
mod outcome;

pub use enqueue::{NewJob, enqueue};
pub use job::{Claimed, Handler, Hint, LeaseLost, RunContext, hold};
pub use outcome::{Effect, Failure, Outcome, VendorTrace};
