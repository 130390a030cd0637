//! What a transcript holds and what is made of it: the document of `transcript_json` in every version, turns out of what providers
//! heard, the readable text.
//!
//! Everything here is a function of its arguments. What does not live here: asking a provider (`asr`), storing (`store`), files and
//! the command line (`cli`).

mod align;
mod compare;
mod document;
mod document1;
pub mod export;
mod measures;
pub mod redact;
mod sentiment;
mod text;
mod turns;

pub use compare::{Comparison, Differences, Passage, compare};
pub use document::{
    CallOfDocument, Checks, Cost, Document, OnChannel, Parameters, ReadError, Redaction, RedactionKind, SentimentLabel, SentimentScore,
    Turn, VERSION, Word, read,
};
pub use measures::{Measures, SideMeasures, measure};
pub use redact::{Policy, redact};
pub use sentiment::{Lexicon, Sentiment, feel};
pub use text::{label, text};
pub use turns::{Heard, Side, turns_of};
