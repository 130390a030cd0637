//! Which pieces a recording is sent in: silence left out, cut where nobody speaks, none over the provider's limits.

use super::{Channel, Piece, Timeline};
use crate::{Examined, Form, Interval, Levels};

/// What is asked of the pieces.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The longest that the provider takes. Below 4.3 s it is not honoured: pieces of 4 s are the shortest that can be joined again.
    pub max_seconds: Option<f64>,
    /// The largest file that the provider takes, with 64 KiB of it left free. Not honoured where that leaves less than 4 s.
    pub max_bytes: Option<u64>,
    /// How pieces are written.
    pub form: Form,
    /// How silence is left out; `None`: it is not.
    pub trim: Option<Trim>,
    /// Each channel by itself; else all are mixed down.
    pub separate: bool,
    /// Where pieces end.
    pub cutting: Cutting,
}

/// How silence is left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trim {
    /// Pauses up to this stay as they are.
    pub longest_pause_seconds: f64,
    /// What is left of longer ones, before and after the sound beside them: words begin and end more softly than they sound.
    pub kept_seconds: f64,
}

impl Default for Trim {
    fn default() -> Self {
        Self { longest_pause_seconds: 2.0, kept_seconds: 0.5 }
    }
}

/// Where pieces end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cutting {
    /// In the longest pause before the limit; where there is none, the next piece begins ten seconds before the end of this one.
    #[default]
    AtPauses,
    /// At the limit, the next piece ten seconds before.
    Overlapping,
    /// At the limit.
    Hard,
}

/// Left free below a limit in seconds: servers count otherwise than we do.
const RESERVED_SECONDS: f64 = 10.0;
/// A limit that small leaves a twentieth free.
const SMALL_LIMIT_SECONDS: f64 = 200.0;
/// Left free below a limit in bytes: headers, and the form around the file.
const RESERVED_BYTES: f64 = 65_536.0;
/// No piece but the last is planned for less than this, whatever the limits say: two pieces that overlap in a third of it still have whole
/// words in common, of which the longest last three quarters of a second. A provider with a lower limit refuses what it is sent.
const SHORTEST_SECONDS: f64 = 4.0;
/// Less is not left out: it is what rounding leaves of a pause that is kept whole.
const SHORTEST_GAP_SECONDS: f64 = 0.001;
/// Pauses are looked for in so many seconds before the limit, and never further than half-way to it.
const WINDOW_SECONDS: f64 = 30.0;
/// A shorter pause may be within a word.
const SHORTEST_PAUSE_SECONDS: f64 = 0.3;
/// What two pieces have in common where there is no pause; never more than a third of either.
const OVERLAP_SECONDS: f64 = 10.0;

/// The pieces of a recording, channel by channel, each in order. Silent channels have none; two channels that carry one sound are sent
/// as the first of them. The same for the same recording and question, whenever it is asked.
#[must_use]
pub fn plan(examined: &Examined, asked: &Asked) -> Vec<Piece> {
    let longest = longest_piece(examined, asked);
    let seconds = examined.seconds();
    let sounds = examined.channels.iter().enumerate().filter(|(_, channel)| !channel.is_silent);
    let of = |channel, levels: &[&Levels]| {
        let pauses = Pauses { levels, rate: f64::from(examined.sample_rate_hz.max(1)), seconds };
        cut(channel, &pauses, longest, asked)
    };
    if examined.same || !asked.separate || examined.channels.len() == 1 {
        let levels: Vec<&Levels> = sounds.map(|(_, channel)| &channel.levels).collect();
        let channel = if asked.separate || examined.channels.len() == 1 { Channel::One(0) } else { Channel::Mixed };
        return if levels.is_empty() { Vec::new() } else { of(channel, &levels) };
    }
    sounds.flat_map(|(number, channel)| of(Channel::One(number), &[&channel.levels])).collect()
}

fn longest_piece(examined: &Examined, asked: &Asked) -> f64 {
    let by_seconds = asked.max_seconds.map(|most| if most < SMALL_LIMIT_SECONDS { most * 0.95 } else { most - RESERVED_SECONDS });
    let per_second = asked.form.bytes_per_second(examined.sample_rate_hz);
    let by_bytes = asked.max_bytes.map(|most| (float(most) - RESERVED_BYTES) / per_second);
    [by_seconds, by_bytes].into_iter().flatten().fold(f64::INFINITY, f64::min).max(SHORTEST_SECONDS)
}

/// Where a channel, or a mix of channels, is quiet.
struct Pauses<'l> {
    levels: &'l [&'l Levels],
    rate: f64,
    seconds: f64,
}

impl Pauses<'_> {
    fn frame_seconds(&self) -> f64 {
        self.levels.first().map_or(0.02, |levels| f64::from(levels.samples_per_frame()) / self.rate)
    }

    /// The pauses within a stretch, in order.
    fn within(&self, stretch: Interval) -> Vec<Interval> {
        let frame_seconds = self.frame_seconds();
        let frames = self.levels.iter().map(|levels| levels.frames()).max().unwrap_or(0);
        let (first, after) = (index(stretch.start / frame_seconds), index((stretch.end / frame_seconds).ceil()).min(frames));
        let mut pauses: Vec<Interval> = Vec::new();
        for frame in first..after {
            if self.levels.iter().any(|levels| !levels.is_pause(frame)) {
                continue;
            }
            let start = count(frame) * frame_seconds;
            // the last frame stands for what is left of the recording, too
            let end = if frame + 1 == frames { self.seconds } else { start + frame_seconds };
            let (start, end) = (start.max(stretch.start), end.min(stretch.end));
            match pauses.last_mut() {
                Some(last) if start - last.end < frame_seconds / 2.0 => last.end = end,
                _ => pauses.push(Interval { start, end }),
            }
        }
        pauses
    }
}

/// What of the recording is sent.
fn kept(pauses: &Pauses<'_>, trim: Option<Trim>) -> Vec<Interval> {
    let whole = Interval { start: 0.0, end: pauses.seconds };
    let Some(trim) = trim else { return vec![whole] };
    let mut kept = Vec::new();
    let mut from = whole.start;
    for pause in pauses.within(whole).into_iter().filter(|pause| pause.seconds() > trim.longest_pause_seconds) {
        // nothing sounds before a pause at the beginning, or after one at the end
        let keep_before = if pause.start <= whole.start { 0.0 } else { trim.kept_seconds };
        let keep_after = if pause.end >= whole.end { 0.0 } else { trim.kept_seconds };
        let gap = Interval { start: pause.start + keep_before, end: pause.end - keep_after };
        if gap.seconds() < SHORTEST_GAP_SECONDS {
            continue;
        }
        if gap.start > from {
            kept.push(Interval { start: from, end: gap.start });
        }
        from = gap.end;
    }
    if whole.end > from {
        kept.push(Interval { start: from, end: whole.end });
    }
    // who asks for a channel has heard something on it: it is sent whole rather than not at all
    if kept.is_empty() { vec![whole] } else { kept }
}

fn cut(channel: Channel, pauses: &Pauses<'_>, longest: f64, asked: &Asked) -> Vec<Piece> {
    let all = Piece { channel, spans: kept(pauses, asked.trim), overlap_seconds: 0.0, trimmed_seconds: 0.0 };
    let timeline = Timeline::of(&all);
    let total = timeline.seconds();
    let mut pieces = Vec::new();
    // moments of the trimmed recording
    let (mut from, mut overlap) = (0.0, 0.0);
    // moment of the recording itself up to which everything is told
    let mut told = 0.0;
    while from < total {
        let (to, next_overlap) =
            if total - from <= longest { (total, 0.0) } else { end_of(from, longest, pauses, &timeline, asked.cutting) };
        let spans = part(&all.spans, Interval { start: from, end: to });
        let end = if to >= total { pauses.seconds } else { spans.last().map_or(told, |span| span.end) };
        let sent: f64 = spans.iter().map(Interval::seconds).sum();
        pieces.push(Piece { channel, spans, overlap_seconds: overlap, trimmed_seconds: (end - told - (sent - overlap)).max(0.0) });
        (from, overlap, told) = (to - next_overlap, next_overlap, end);
        if to >= total {
            break;
        }
    }
    pieces
}

/// Where a piece that begins at `from` ends, and how much of it the next one repeats; both in time of the trimmed recording.
fn end_of(from: f64, longest: f64, pauses: &Pauses<'_>, timeline: &Timeline, cutting: Cutting) -> (f64, f64) {
    let limit = from + longest;
    let overlap = OVERLAP_SECONDS.min(longest / 3.0);
    match cutting {
        Cutting::Hard => return (limit, 0.0),
        Cutting::Overlapping => return (limit, overlap),
        Cutting::AtPauses => {}
    }
    let window = WINDOW_SECONDS.min(longest / 2.0);
    let looked_at = timeline.place(Interval { start: limit - window, end: limit });
    let found = pauses.within(looked_at).into_iter().filter_map(|pause| {
        let (start, end) = (timeline.told(pause.start)?, timeline.told(pause.end)?);
        (end - start >= SHORTEST_PAUSE_SECONDS).then_some(Interval { start, end })
    });
    match found.max_by(|one, other| one.seconds().total_cmp(&other.seconds())) {
        Some(pause) => (pause.start.midpoint(pause.end).min(limit), 0.0),
        None => (limit, overlap),
    }
}

/// The part of a trimmed recording from one of its moments to another.
fn part(spans: &[Interval], wanted: Interval) -> Vec<Interval> {
    let mut begins = 0.0;
    let mut found = Vec::new();
    for span in spans {
        let ends = begins + span.seconds();
        let (start, end) = (wanted.start.max(begins), wanted.end.min(ends));
        if end > start {
            found.push(Interval { start: span.start + (start - begins), end: span.start + (end - begins) });
        }
        begins = ends;
    }
    found
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "sizes and frames stay far below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}

fn count(number: usize) -> f64 {
    float(u64::try_from(number).unwrap_or(u64::MAX))
}

#[expect(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a recording holds")]
fn index(number: f64) -> usize {
    number.clamp(0.0, 1e12) as usize
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
