//! What was heard of each side of a call: pieces joined, times of the call's own, speakers by name.

use callscribe::{
    asr::{Segment, Transcription, Word},
    audio::{Channel, Interval, Speech, TimedWord, Timeline, stitch},
    config::ChannelSpeakers,
    sources::Speaker,
    transcript::{self, Side},
};

use crate::{asking::HeardPiece, sound::Sound};

/// What was heard on one channel, in the call's own time.
pub(crate) struct HeardSide {
    pub(crate) channel: Channel,
    /// All that was heard; its request is the first piece's.
    pub(crate) transcription: Transcription,
    /// What was heard without times, each piece's at its place: for reading, not for checking.
    pub(crate) untimed: Vec<Segment>,
    /// Where somebody speaks on the channel.
    pub(crate) speech: Speech,
    /// What was asked, by name.
    pub(crate) ids: Vec<String>,
    pub(crate) request_ids: Vec<String>,
    pub(crate) sent_seconds: f64,
    pub(crate) trimmed_seconds: f64,
}

/// The sides that pieces make, in the order of their channels.
pub(crate) fn sides_of(heard: Vec<HeardPiece>, sound: &Sound) -> Vec<HeardSide> {
    let mut sides: Vec<(Channel, Vec<HeardPiece>)> = Vec::new();
    for piece in heard {
        match sides.iter_mut().find(|(channel, _)| *channel == piece.piece.channel) {
            Some((_, pieces)) => pieces.push(piece),
            None => sides.push((piece.piece.channel, vec![piece])),
        }
    }
    sides.into_iter().map(|(channel, pieces)| side_of(channel, pieces, sound)).collect()
}

fn side_of(channel: Channel, pieces: Vec<HeardPiece>, sound: &Sound) -> HeardSide {
    let timelines: Vec<Timeline> = pieces.iter().map(|piece| Timeline::of(&piece.piece)).collect();
    let mut whole = Transcription::default();
    let (mut texts, mut untimed) = (Vec::new(), Vec::new());
    for (piece, timeline) in pieces.iter().zip(&timelines) {
        let heard = &piece.transcription;
        whole.model.clone_from(&heard.model);
        whole.too_short |= heard.too_short;
        whole.language = whole.language.or_else(|| heard.language.clone());
        whole.duration = sum(whole.duration, heard.duration);
        whole.billed_seconds = sum(whole.billed_seconds, heard.billed_seconds);
        whole.repairs = whole.repairs.saturating_add(heard.repairs);
        texts.push(heard.text.as_str());
        whole.segments.extend(heard.segments.iter().map(|segment| placed(segment, timeline)));
        if heard.segments.is_empty() && heard.words.is_empty() && !heard.text.is_empty() {
            let all = timeline.all();
            untimed.push(Segment { start: all.start, end: all.end, text: heard.text.clone(), ..Segment::default() });
        }
    }
    let words = pieces.iter().zip(&timelines).map(|(piece, timeline)| (piece.piece.clone(), placed_words(&piece.transcription, timeline)));
    whole.words = stitch(words.collect()).into_iter().map(|Placed(word)| word).collect();
    whole.text = texts.join(" ").trim().to_owned();
    HeardSide {
        speech: match channel {
            Channel::One(number) => sound.examined.channels.get(number).map(|channel| channel.speech.clone()).unwrap_or_default(),
            Channel::Mixed => sound.examined.speech(),
        },
        channel,
        untimed,
        request_ids: pieces.iter().filter_map(|piece| piece.transcription.request_id.clone()).collect(),
        ids: pieces.iter().map(|piece| piece.id.clone()).collect(),
        sent_seconds: timelines.iter().map(Timeline::seconds).sum(),
        trimmed_seconds: pieces.iter().map(|piece| piece.piece.trimmed_seconds).sum(),
        transcription: whole,
    }
}

fn sum(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

/// A word on its way through the stitching.
#[derive(Debug, Clone)]
struct Placed(Word);

impl TimedWord for Placed {
    fn text(&self) -> &str {
        &self.0.text
    }

    fn span(&self) -> Interval {
        Interval { start: self.0.start, end: self.0.end }
    }
}

fn placed(segment: &Segment, timeline: &Timeline) -> Segment {
    let span = timeline.place(Interval { start: segment.start, end: segment.end });
    Segment { start: span.start, end: span.end, ..segment.clone() }
}

fn placed_words(heard: &Transcription, timeline: &Timeline) -> Vec<Placed> {
    let place = |word: &Word| {
        let span = timeline.place_word(Interval { start: word.start, end: word.end });
        Placed(Word { start: span.start, end: span.end, ..word.clone() })
    };
    heard.words.iter().map(place).collect()
}

/// Who speaks on which channel: by the vendor's word, else as the settings say of the queue.
pub(crate) struct Names<'h> {
    /// All voices share one channel: nobody is known by it.
    pub(crate) shared: bool,
    pub(crate) vendor: &'h [Option<String>; 2],
    pub(crate) settings: &'h ChannelSpeakers,
    pub(crate) queue: Option<&'h str>,
}

impl Names<'_> {
    pub(crate) fn of(&self, channel: usize) -> Option<String> {
        if self.shared {
            return None;
        }
        let by_vendor = self.vendor.get(channel)?.as_deref().map(|name| Speaker::of_role(name).as_str().to_owned());
        by_vendor.or_else(|| self.settings.of(self.queue)?.get(channel).cloned())
    }
}

/// The side as transcripts take it.
pub(crate) fn spoken(side: &HeardSide, names: &Names<'_>) -> Side {
    let channel = match side.channel {
        Channel::One(number) if !names.shared => Some(number),
        Channel::One(_) | Channel::Mixed => None,
    };
    let heard = &side.transcription;
    Side {
        speaker: channel.and_then(|channel| names.of(channel)),
        channel: channel.and_then(|channel| u8::try_from(channel).ok()),
        language: heard.language.clone(),
        segments: heard.segments.iter().chain(&side.untimed).map(segment_of).collect(),
        words: heard.words.iter().map(word_of).collect(),
    }
}

fn segment_of(segment: &Segment) -> transcript::Heard {
    transcript::Heard {
        start: segment.start,
        end: segment.end,
        text: segment.text.clone(),
        avg_logprob: segment.avg_logprob,
        no_speech_prob: segment.no_speech_prob,
        speaker: segment.speaker.clone(),
    }
}

fn word_of(word: &Word) -> transcript::Word {
    transcript::Word {
        text: word.text.clone(),
        start: word.start,
        end: word.end,
        confidence: word.confidence,
        speaker: word.speaker.clone(),
    }
}
