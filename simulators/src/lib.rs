//! Faithful vendors on loopback, faults included: a Webex Contact Center and an OpenAI-compatible transcriber.
//!
//! They are written from the vendors' contracts alone and share no code with the pipeline that talks to them, so that a
//! misunderstanding cannot hide on both sides. Everything follows from a seed; time comes from [`SimulatedClock`].
//!
//! Real clients belong elsewhere; so do stand-ins for PostgreSQL, Redis and S3, which are always real.

pub mod faults;
pub mod speech;
pub mod transcriber;
pub mod webex;

mod chance;
mod clock;
mod requests;
mod server;

pub use clock::SimulatedClock;
pub use faults::{Faults, When};
pub use requests::{Request, Requests};
