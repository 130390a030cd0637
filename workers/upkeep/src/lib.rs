//! The upkeep worker: what is due now and then, beside the life of each call. One module per task.
//!
//! What lives here: how each task is done and what every error means for its job. Which tasks there are and what they are told
//! lives in `callscribe::schedule::UpkeepTask`.

mod answer;
mod discard;
mod handler;
mod reconcile;
mod retention;
mod subscriptions;
mod summary;

pub use handler::{House, UpkeepHandler};
