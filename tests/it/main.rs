//! Integration tests: one binary, one module per subject, every test with services of its own.

// Says "test" to clippy, which then lets helpers outside `#[test]` functions unwrap as well.
#![cfg(test)]

mod alerts;
mod api;
mod batches;
mod blob;
mod calls;
mod chaos;
mod chats;
mod cli;
mod control;
mod demo;
mod doctor;
mod embedded;
mod enrich;
mod fairness;
mod gates;
mod harness;
mod hooks;
mod house;
mod inspect;
mod keep;
mod ledger;
mod ledger_rows;
mod login;
mod migrate;
mod network;
mod outbound;
mod pace;
mod processes;
mod proof;
mod providers;
mod queue;
mod recordings;
mod requeue;
mod retention;
mod s3_matrix;
mod source_conformance;
mod sync;
mod traces;
mod transcribe;
mod transcripts;
mod upkeep;
mod vendor_transcripts;
mod versions;
mod webex;
mod world;
