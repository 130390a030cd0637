//! Turns cut into cues that a person can read while the call plays: two lines, seven seconds.

use super::{ExportError, Format};
use crate::{
    document::{Document, Turn},
    turns::written_words,
};

/// Characters of a line, as broadcasters have them.
const LINE_CHARACTERS: usize = 42;
/// Lines of a cue.
const LINES: usize = 2;
/// Longest time that a cue stands.
const LONGEST_SECONDS: f64 = 7.0;
/// Shortest time that a cue stands, where the next leaves room: a word that lasts nothing could not be read.
const SHORTEST_SECONDS: f64 = 0.5;

/// What is shown at a time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cue<'c> {
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) lines: Vec<String>,
    pub(super) turn: &'c Turn,
    /// The first of its turn.
    pub(super) first: bool,
}

/// A piece of text that is not broken, and when it is said.
struct Piece {
    start: f64,
    end: f64,
    text: String,
    joined: bool,
}

/// The cues of a transcript in the order in which they begin. `label` is what stands before a turn and takes room in its first line.
pub(super) fn cues(document: &Document, format: Format, label: impl Fn(&Turn) -> usize) -> Result<Vec<Cue<'_>>, ExportError> {
    let mut cues = Vec::new();
    for turn in document.turns.iter().filter(|turn| !turn.text.trim().is_empty()) {
        let (Some(start), Some(end)) = (turn.start, turn.end) else { return Err(ExportError::NoTimes { format }) };
        let mut own = of_turn(turn, pieces(turn, start, end), label(turn));
        let starts: Vec<f64> = own.iter().skip(1).map(|cue| cue.start).collect();
        for (cue, next) in own.iter_mut().zip(starts.into_iter().map(Some).chain([None])) {
            let wanted = cue.end.max(cue.start + SHORTEST_SECONDS).min(cue.start + LONGEST_SECONDS);
            cue.end = next.map_or(wanted, |next| wanted.min(next.max(cue.start)));
        }
        cues.extend(own);
    }
    cues.sort_by(|one, other| one.start.total_cmp(&other.start));
    Ok(cues)
}

/// The pieces of a turn: its words where they have times, else its text spread evenly over its time.
fn pieces(turn: &Turn, start: f64, end: f64) -> Vec<Piece> {
    if !turn.words.is_empty() {
        let mut latest = start;
        return written_words(turn)
            .into_iter()
            .filter(|word| !word.text.trim().is_empty())
            .map(|word| {
                latest = latest.max(word.start);
                Piece { start: latest, end: word.end.max(latest), text: word.text, joined: word.joined }
            })
            .collect();
    }
    let words: Vec<&str> = turn.text.split_whitespace().collect();
    let each = (end - start).max(0.0) / count(words.len().max(1));
    let times = std::iter::successors(Some(start), |time| Some(time + each));
    words.into_iter().zip(times).map(|(word, time)| Piece { start: time, end: time + each, text: word.to_owned(), joined: false }).collect()
}

/// A count as a number to divide by.
fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}

fn of_turn(turn: &Turn, pieces: Vec<Piece>, label: usize) -> Vec<Cue<'_>> {
    let mut cues: Vec<Cue<'_>> = Vec::new();
    for piece in pieces.into_iter().flat_map(short_enough) {
        let room = if cues.len() <= 1 { label } else { 0 };
        let taken = cues.last_mut().is_some_and(|cue| take(cue, &piece, room));
        if !taken {
            cues.push(Cue { start: piece.start, end: piece.end, lines: vec![piece.text], turn, first: cues.is_empty() });
        }
    }
    cues
}

/// Adds a piece to a cue if there is room and time for it.
fn take(cue: &mut Cue<'_>, piece: &Piece, label: usize) -> bool {
    if piece.end - cue.start > LONGEST_SECONDS {
        return false;
    }
    let lines = cue.lines.len();
    let Some(line) = cue.lines.last_mut() else { return false };
    let used = line.chars().count() + if lines == 1 { label } else { 0 };
    let space = usize::from(!piece.joined);
    if used + space + piece.text.chars().count() <= LINE_CHARACTERS {
        if !piece.joined {
            line.push(' ');
        }
        line.push_str(&piece.text);
    } else if lines < LINES {
        cue.lines.push(piece.text.clone());
    } else {
        return false;
    }
    cue.end = cue.end.max(piece.end);
    true
}

/// A piece, in several where it alone would be longer than a line.
fn short_enough(piece: Piece) -> Vec<Piece> {
    let Piece { start, end, text, joined } = piece;
    let mut short: Vec<Piece> = Vec::new();
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for (part, some) in letters.chunks(LINE_CHARACTERS).enumerate() {
            let joined = if short.is_empty() { joined } else { part > 0 };
            short.push(Piece { start, end, text: some.iter().collect(), joined });
        }
    }
    short
}
