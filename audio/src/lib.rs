//! Sound as bytes: what a recording is, where somebody speaks in it, and pieces cut from it. Read from streams, in bounded memory.
//!
//! What does not live here: fetching, storing or transcribing audio, and anything that knows of calls.

mod cut;
mod decode;
mod error;
mod examine;
mod form;
mod g711;
mod kind;
mod levels;
mod listener;
mod opening;
mod pair;
mod pieces;
mod samples;
mod sniff;
mod speech;
mod wav;

pub use cut::{CutPiece, cut, mute};
pub use error::SoundError;
pub use examine::{ChannelSound, Examined, Levels, Limits, examine};
pub use form::Form;
pub use kind::{Format, RECOGNISED_WITHIN_BYTES, Recognised, recognise};
pub use listener::{Heard, Listener};
pub use opening::Opening;
pub use pieces::{Asked, Channel, Cutting, Joining, Piece, TimedWord, Timeline, Trim, plan, stitch, stitch_by};
pub use speech::{Interval, Speech};
pub use wav::{Codec, Wav, WavError, WavReader};
