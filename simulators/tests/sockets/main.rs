//! The simulators over real sockets, asked by an ordinary HTTP client.

mod client;
mod webex_api;
