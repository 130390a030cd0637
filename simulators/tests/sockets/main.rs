//! The simulators over real sockets, asked by an ordinary HTTP client.

mod client;
mod transcriber_api;
mod transcriber_faults;
mod webex_api;
mod webex_downloads;
mod webex_faults;
