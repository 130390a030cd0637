//! Checks that every answer goes through before it may be called complete: does it cover what was spoken, does it go round
//! in circles, does it sound made up.
//!
//! Thresholds come from openai/whisper and from defects that servers are known for; each says which. What lives here judges
//! an answer; asking again is the worker's.

mod coverage;
mod doubt;
mod repetition;

use crate::{asr::Transcription, audio::Speech, domain::Reason};

pub use doubt::Flag;

/// What an answer is worth.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Nothing is odd about it.
    Good,
    /// Odd, and kept: someone may want to listen.
    Suspect {
        /// What is odd, each once.
        flags: Vec<Flag>,
    },
    /// Not to be kept as the call's transcript.
    Bad {
        /// `low_coverage` or `repetition`.
        reason: Reason,
        /// What is wrong, for people; no spoken word.
        what: String,
    },
}

/// What was measured, kept with the transcript.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Measures {
    /// Seconds in which the audio holds speech, by energy.
    pub speech_seconds: f64,
    /// Where the last speech ends, by energy.
    pub end_of_speech: Option<f64>,
    /// Where the last word or segment of the answer ends, if it has times.
    pub end_of_text: Option<f64>,
    /// Seconds of speech in the longest stretch that the answer leaves out.
    pub longest_unheard_seconds: f64,
    /// Words per second of speech.
    pub words_per_second: Option<f64>,
    /// The highest ratio by which a piece of the text compresses.
    pub compression_ratio: f64,
}

/// An answer's verdict, and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// What the answer is worth.
    pub verdict: Verdict,
    /// What was measured.
    pub measures: Measures,
}

impl Checked {
    /// What is odd about an answer that is kept.
    #[must_use]
    pub fn flags(&self) -> &[Flag] {
        match &self.verdict {
            Verdict::Suspect { flags } => flags,
            Verdict::Good | Verdict::Bad { .. } => &[],
        }
    }
}

/// Judges an answer by itself and by where the audio holds speech.
#[must_use]
pub fn check(answer: &Transcription, speech: &Speech) -> Checked {
    let coverage = coverage::measure(answer, speech);
    let circles = repetition::measure(&answer.text);
    let measures = Measures {
        speech_seconds: speech.seconds(),
        end_of_speech: speech.end_of_last(),
        end_of_text: coverage.end_of_text,
        longest_unheard_seconds: coverage.longest_unheard_seconds,
        words_per_second: coverage.words_per_second,
        compression_ratio: circles.compression_ratio,
    };
    let fault = circles.fault.clone().map(|what| (Reason::Repetition, what)).or(coverage.fault.map(|what| (Reason::LowCoverage, what)));
    let verdict = match fault {
        Some((reason, what)) => Verdict::Bad { reason, what },
        None => {
            let flags = doubt::flags(answer, speech, &measures, &circles);
            if flags.is_empty() { Verdict::Good } else { Verdict::Suspect { flags } }
        }
    };
    Checked { verdict, measures }
}

/// What is wrong with the language of an answer, for people, if one was asked for and another one came.
#[must_use]
pub fn is_in_another_language(answer: &Transcription, asked: Option<&str>) -> Option<String> {
    /// ISO 639-1; longer words, `auto` among them, ask for nothing in particular.
    const CODE_LETTERS: usize = 2;
    let primary = |language: &str| language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let (asked, heard) = (primary(asked?), primary(answer.language.as_deref()?));
    let both_are_codes = asked.len() == CODE_LETTERS && heard.len() == CODE_LETTERS;
    (both_are_codes && asked != heard && !answer.text.is_empty())
        .then(|| format!("`{asked}` was asked for, and the answer is in `{heard}`"))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
