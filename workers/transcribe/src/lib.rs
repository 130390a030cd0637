//! The worker that turns a stored recording into a transcript: the one the vendor made itself, if that is to be taken, else S3 to this
//! machine, its channels and pieces to the transcribers of the chain, each piece's answer kept as it comes; joined, checked, and text,
//! words and state written together.
//!
//! What lives here: the order of things and what follows from each error. How a provider is asked lives in `callscribe::asr`,
//! how an answer is judged in `callscribe::asr::check`, how sound is heard, cut and joined in `callscribe::audio`, what a transcript
//! looks like in `callscribe::transcript`.

mod asking;
mod bleed;
mod chain;
mod chosen;
mod document;
mod finish;
mod handler;
mod keep;
mod mute;
mod outcomes;
mod piece;
mod recording;
mod scratch;
mod sides;
mod sound;
mod vendor;

pub use handler::{Recipe, TranscribeHandler};
pub use vendor::VendorTranscripts;
