//! Faithful vendors on loopback, faults included: a Webex Contact Center, an OpenAI-compatible transcriber, and transcription services
//! that work in the background.
//!
//! They are written from the vendors' contracts alone and share no code with the pipeline that talks to them, so that a
//! misunderstanding cannot hide on both sides. Everything follows from a seed; time comes from [`SimulatedClock`].
//!
//! Real clients belong elsewhere; so do stand-ins for PostgreSQL, Redis and S3, which are always real.

pub mod assemblyai;
pub mod aws_transcribe;
pub mod deepgram;
pub mod engine;
pub mod faults;
pub mod services;
pub mod speech;
pub mod transcriber;
pub mod webex;

mod chance;
mod clock;
mod hearing;
mod requests;
mod server;

pub use clock::SimulatedClock;
pub use faults::{Faults, When};
pub use requests::{Request, Requests};

#[cfg(test)]
mod tests {
    /// The variants of `pub enum Fault` in a source text.
    fn faults(source: &str) -> Vec<&str> {
        let (_, body) = source.split_once("Fault {").unwrap();
        let names = body.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| line.starts_with(char::is_uppercase));
        names.filter_map(|line| line.split(|letter: char| !letter.is_alphanumeric()).next()).collect()
    }

    #[test]
    fn every_fault_stands_in_the_readme() {
        let readme = include_str!("../README.md");
        for source in [include_str!("webex/fault.rs"), include_str!("transcriber/fault.rs"), include_str!("services/fault.rs")] {
            let faults = faults(source);
            assert!(faults.len() > 12, "{faults:?}");
            let missing: Vec<_> = faults.into_iter().filter(|name| !readme.contains(name)).collect();
            assert!(missing.is_empty(), "not in README.md: {missing:?}");
        }
    }
}
