//! The worker that turns a stored recording into a transcript: the one the vendor made itself, if that is to be taken, else S3
//! to the provider as a stream; the answer checked, and text, words and state written together.
//!
//! What lives here: the order of things and what follows from each error. How a provider is asked lives in `callscribe::asr`,
//! how an answer is judged in `callscribe::asr::check`, how sound is heard in `callscribe::audio`.

mod audio;
mod chosen;
mod document;
mod finish;
mod handler;
mod outcomes;
mod vendor;

pub use document::{Checks, OnChannel, TranscriptDocument, UntimedTurn, VERSION};
pub use handler::TranscribeHandler;
pub use vendor::VendorTranscripts;
