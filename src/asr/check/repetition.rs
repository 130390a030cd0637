//! Does the answer go round in circles: what Whisper does when it loses its way.

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};

/// openai/whisper's `compression_ratio_threshold`, beyond which it decodes its 30 s window again, and keeps what comes of it.
const ODD_RATIO: f64 = 2.4;
/// Beyond this nobody said it. Desks that read from a script reach 2.9, a sentence said five times in 30 s reaches 4.
const HOPELESS_RATIO: f64 = 4.0;
/// Letters that somebody says in 30 s: a whole call compresses better by its length alone.
const WINDOW_CHARACTERS: usize = 600;
/// Longest group of words looked for.
const LONGEST_GROUP: usize = 6;
/// Times in a row from which a group of words is odd (screenpipe PR #4070). People do say `no no no`.
const ODD_TIMES: usize = 3;
/// The same for digits: numbers with ten zeros are read out.
const ODD_DIGIT_TIMES: usize = 10;
/// Words in one circle from which nobody said it: a group of four three times, one word twelve times.
const CIRCLE_WORDS: usize = 12;
/// The same for digits.
const CIRCLE_DIGITS: usize = 40;

pub(super) struct Repetition {
    pub(super) compression_ratio: f64,
    /// Something is said three times in a row.
    pub(super) loops: bool,
    /// The same words come again and again.
    pub(super) repetitive: bool,
    pub(super) fault: Option<String>,
}

pub(super) fn measure(text: &str) -> Repetition {
    let compression_ratio = highest_ratio(text);
    let words: Vec<String> = text.split_whitespace().map(plain).filter(|word| !word.is_empty()).collect();
    let circles: Vec<Circle> = (1..=LONGEST_GROUP).filter_map(|group| longest_circle(&words, group)).collect();
    let too_long = circles.iter().find(|circle| circle.words() >= if circle.digits { CIRCLE_DIGITS } else { CIRCLE_WORDS });
    let fault = match too_long {
        Some(circle) => Some(format!("a group of {} words comes {} times in a row", circle.group, circle.times)),
        None if compression_ratio > HOPELESS_RATIO => {
            Some(format!("a piece of the text compresses by {compression_ratio:.1}: it says the same again and again"))
        }
        None => None,
    };
    Repetition { compression_ratio, loops: !circles.is_empty(), repetitive: compression_ratio > ODD_RATIO, fault }
}

/// A group of words said several times in a row.
struct Circle {
    group: usize,
    times: usize,
    digits: bool,
}

impl Circle {
    fn words(&self) -> usize {
        self.group.saturating_mul(self.times)
    }
}

/// The longest odd circle of groups of exactly `group` words.
fn longest_circle(words: &[String], group: usize) -> Option<Circle> {
    let shifted = words.iter().skip(group);
    let (mut run, mut run_has_words) = (0_usize, false);
    let mut longest: Option<Circle> = None;
    for (word, later) in words.iter().zip(shifted) {
        if word != later {
            (run, run_has_words) = (0, false);
            continue;
        }
        run += 1;
        run_has_words |= !is_number(word);
        let circle = Circle { group, times: run / group + 1, digits: !run_has_words };
        let odd = circle.times >= if circle.digits { ODD_DIGIT_TIMES } else { ODD_TIMES };
        if odd && longest.as_ref().is_none_or(|known| circle.times > known.times) {
            longest = Some(circle);
        }
    }
    longest
}

/// The word without case and punctuation.
fn plain(word: &str) -> String {
    word.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn is_number(word: &str) -> bool {
    const DIGITS: [&str; 11] = ["zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    word.chars().all(|letter| letter.is_ascii_digit()) || DIGITS.contains(&word)
}

/// `len(text) / len(zlib(text))` of the piece of the text that compresses best.
fn highest_ratio(text: &str) -> f64 {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(WINDOW_CHARACTERS).map(|window| ratio(&window.iter().collect::<String>())).fold(0.0, f64::max)
}

fn ratio(text: &str) -> f64 {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // writing to memory does not fail
    let compressed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).map_or(0, |bytes| bytes.len());
    let float = |length: usize| f64::from(u32::try_from(length).unwrap_or(u32::MAX));
    float(text.len()) / float(compressed.max(1))
}
