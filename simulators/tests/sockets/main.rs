//! The simulators over real sockets, asked by an ordinary HTTP client.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, reason = "helpers of tests fail the test")]

mod client;
mod transcriber_api;
mod transcriber_faults;
mod webex_api;
mod webex_chats;
mod webex_downloads;
mod webex_faults;
mod webex_hooks;
mod webex_login;
mod webex_search;
mod webex_transcripts;
