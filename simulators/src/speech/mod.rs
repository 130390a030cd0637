//! Calls with speech in them: what is said ([`Script`]), how it is recorded ([`Recording`], [`Shape`]).
//!
//! Reading audio back is the transcriber simulator's; it shares nothing with this room but the vocabulary.

pub(crate) mod g711;
pub(crate) mod line;
mod lines;
mod manner;
mod recording;
mod script;
mod shape;
pub(crate) mod vocabulary;

pub use manner::Manner;
pub use recording::Recording;
pub use script::{Length, Said, Script};
pub use shape::{DataSize, Encoding, Layout, Rate, Shape};
pub use vocabulary::Speaker;

/// Samples a second of every script: the telephone network's rate.
pub const SAMPLES_PER_SECOND: u64 = 8_000;
