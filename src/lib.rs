//! Callscribe's nouns: what a call, a job, a token and a transcript are, and where each is kept.
//!
//! The rooms stand in layers, lowest first; a room names only rooms above it in this list
//! (`tests/it/house.rs` holds us to it). The verbs, one crate per worker type, live in `workers/`.

pub mod domain;

pub mod clock;

pub mod config;

pub mod telemetry;

pub mod hints;

pub mod outbound;

pub mod collector;

/// Sound as bytes: a crate of its own, which names no room.
pub use callscribe_audio as audio;

pub mod store;

pub mod blob;

pub mod ledger;

pub mod queue;

pub mod sources;

pub mod asr;

pub mod notify;

pub mod schedule;

pub mod embedded;

/// What a transcript holds and what is made of it: a crate of its own, below all rooms.
pub use callscribe_transcript as transcript;
