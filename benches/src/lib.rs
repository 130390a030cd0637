//! What the benchmarks of whole processes share.

pub mod stage;
