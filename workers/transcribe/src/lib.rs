//! The worker that turns a stored recording into a transcript: S3 to the provider as a stream, the answer checked, and text,
//! words and state written together.
//!
//! What lives here: the order of things and what follows from each error. How a provider is asked lives in `callscribe::asr`,
//! how an answer is judged in `callscribe::asr::check`, how sound is heard in `callscribe::audio`.

mod audio;
mod document;
mod handler;
mod outcomes;

pub use document::{Checks, TranscriptDocument, VERSION};
pub use handler::TranscribeHandler;
