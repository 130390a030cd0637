//! Sound as bytes: what a WAV header says and where somebody speaks. Read from streams, in bounded memory.
//!
//! What does not live here: fetching, storing or transcribing audio.

mod g711;
mod listener;
mod sniff;
mod speech;
mod wav;

pub use listener::{Heard, Listener};
pub use speech::{Interval, Speech};
pub use wav::{Codec, Wav, WavError, WavReader};
