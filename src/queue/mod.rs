//! Workers: apalis runs them, hints from Redis wake them, the ledger decides.
//!
//! One process holds one lease (`presence`). Per kind of job there is one lane: a fetcher takes as many hints as it has free
//! permits and claims them in one statement (`fetch`), an apalis worker runs them (`backend`, `service`), and the finisher
//! writes their ends in batches (`finisher`). A permit travels with its job from claim to finish: it is the only limit, and it grows
//! and shrinks as people say (`orders`).
//!
//! What does not live here: what a job does (`workers/`), what a job is (`ledger`), when work is due (`schedule`).

mod backend;
mod fetch;
mod finisher;
mod orders;
mod permit;
mod presence;
mod push;
mod service;
mod settings;
mod workers;

pub use push::{HintPusher, push_hints};
pub use settings::QueueSettings;
pub use workers::{LaneOptions, QueueError, WorkersOptions, run_workers};
