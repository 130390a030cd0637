//! The chat worker: stores what was written in conversations.
//!
//! What lives here: one run that asks for the conversations that ended and makes a job of each, and one run per conversation that
//! reads its messages. How the vendor words them lives in `callscribe::sources`; when the first kind of run is due, in
//! `callscribe::schedule`.

mod answer;
mod conversation;
mod handler;
mod plan;
mod sync;

pub use handler::{ChatHandler, ChatRecipe};
