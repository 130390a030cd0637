//! From a piece's own time to the call's.

use super::Piece;
use crate::Interval;

/// Where the seconds of a piece lie in its recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// Each span with the piece's time at which it begins.
    spans: Vec<(f64, Interval)>,
    seconds: f64,
}

impl Timeline {
    /// The timeline of a piece.
    #[must_use]
    pub fn of(piece: &Piece) -> Self {
        let mut seconds = 0.0;
        let mut spans = Vec::with_capacity(piece.spans.len());
        for span in &piece.spans {
            spans.push((seconds, *span));
            seconds += span.seconds();
        }
        Self { spans, seconds }
    }

    /// How long the piece plays.
    #[must_use]
    pub const fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The part of the recording from its first moment to its last.
    #[must_use]
    pub fn all(&self) -> Interval {
        let start = self.spans.first().map_or(0.0, |(_, span)| span.start);
        Interval { start, end: self.spans.last().map_or(start, |(_, span)| span.end) }
    }

    /// A stretch of the piece as a stretch of the recording, with all that was trimmed within it. Times outside the piece become its
    /// beginning or its end.
    #[must_use]
    pub fn place(&self, stretch: Interval) -> Interval {
        let start = self.span_at(stretch.start).map_or(0.0, |(begins, span)| within(span, span.start + (stretch.start - begins)));
        // at a seam a stretch ends where the silence begins
        let ends_in = self.spans.iter().rev().find(|(begins, _)| *begins < stretch.end).or(self.spans.first());
        let end = ends_in.map_or(start, |(begins, span)| within(*span, span.start + (stretch.end - begins)));
        Interval { start, end: end.max(start) }
    }

    /// A word likewise; one that straddles a seam lies where its middle does, since nobody is silent within a word.
    #[must_use]
    pub fn place_word(&self, word: Interval) -> Interval {
        let middle = word.start.midpoint(word.end);
        let Some((begins, span)) = self.span_at(middle) else { return Interval { start: 0.0, end: 0.0 } };
        let start = within(span, span.start + (word.start - begins));
        Interval { start, end: within(span, span.start + (word.end - begins)).max(start) }
    }

    /// The piece's time of a moment of the recording; within what was trimmed, where the sound goes on. `None` outside the piece.
    pub(super) fn told(&self, moment: f64) -> Option<f64> {
        let all = self.all();
        let (begins, span) = self.spans.iter().find(|(_, span)| moment <= span.end)?;
        (moment >= all.start).then(|| begins + (moment - span.start).max(0.0))
    }

    /// The span that holds a moment of the piece; the first or the last for moments outside.
    fn span_at(&self, moment: f64) -> Option<(f64, Interval)> {
        let after = self.spans.partition_point(|(begins, _)| *begins <= moment);
        self.spans.get(after.saturating_sub(1)).copied()
    }
}

fn within(span: Interval, moment: f64) -> f64 {
    moment.clamp(span.start, span.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Channel;

    fn timeline() -> Timeline {
        let spans = vec![Interval { start: 10.0, end: 12.0 }, Interval { start: 20.0, end: 25.0 }];
        Timeline::of(&Piece { channel: Channel::Mixed, spans, overlap_seconds: 0.0, trimmed_seconds: 8.0 })
    }

    #[test]
    fn times_go_back_to_where_they_were_cut_from() {
        let timeline = timeline();
        let place = |start, end| {
            let placed = timeline.place(Interval { start, end });
            (placed.start, placed.end)
        };
        assert_eq!(timeline.seconds(), 7.0);
        assert_eq!(timeline.all(), Interval { start: 10.0, end: 25.0 });
        assert_eq!(place(0.5, 1.5), (10.5, 11.5));
        assert_eq!(place(3.0, 4.0), (21.0, 22.0));
        assert_eq!(place(1.0, 3.0), (11.0, 21.0), "with the silence between");
        assert_eq!(place(1.0, 2.0), (11.0, 12.0), "up to the silence");
        assert_eq!(place(2.0, 3.0), (20.0, 21.0), "from after the silence");
        assert_eq!((place(-3.0, -1.0), place(9.0, 99.0)), ((10.0, 10.0), (25.0, 25.0)));
    }

    #[test]
    fn a_word_over_a_seam_lies_on_one_side_of_it() {
        let timeline = timeline();
        assert_eq!(timeline.place_word(Interval { start: 1.8, end: 2.1 }), Interval { start: 11.8, end: 12.0 });
        assert_eq!(timeline.place_word(Interval { start: 1.9, end: 2.5 }), Interval { start: 20.0, end: 20.5 });
    }
}
