//! Sound as bytes: what a WAV header says and where somebody speaks. Read from streams, in bounded memory.
//!
//! What does not live here: fetching, storing or transcribing audio.

mod sniff;
mod wav;

pub use wav::{Codec, Wav, WavError, WavReader};
