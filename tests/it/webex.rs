//! The Webex source against the Webex simulator: tokens, calls, recordings, and the pace that all processes share.

mod calls;
mod office;
mod pace;
mod recordings;
mod search;
mod tokens;

pub(crate) use office::{Office, read};
