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
    let voices = |at: usize| Voices { piece: (pieces.len() > 1).then_some(at + 1) };
    for (at, (piece, timeline)) in pieces.iter().zip(&timelines).enumerate() {
        let heard = &piece.transcription;
        whole.model.clone_from(&heard.model);
        whole.too_short |= heard.too_short;
        whole.language = whole.language.or_else(|| heard.language.clone());
        whole.duration = sum(whole.duration, heard.duration);
        whole.billed_seconds = sum(whole.billed_seconds, heard.billed_seconds);
        whole.repairs = whole.repairs.saturating_add(heard.repairs);
        texts.push(heard.text.as_str());
        whole.segments.extend(heard.segments.iter().map(|segment| placed(segment, timeline, voices(at))));
        if heard.segments.is_empty() && heard.words.is_empty() && !heard.text.is_empty() {
            let all = timeline.all();
            untimed.push(Segment { start: all.start, end: all.end, text: heard.text.clone(), ..Segment::default() });
        }
    }
    let words = pieces.iter().zip(&timelines).enumerate();
    let words = words.map(|(at, (piece, timeline))| (piece.piece.clone(), placed_words(&piece.transcription, timeline, voices(at))));
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

/// Whose voices a provider's names stand for: they are given anew for each piece, so that `A` of one is nobody known in the next.
#[derive(Clone, Copy)]
struct Voices {
    /// The number of the piece, where there are several.
    piece: Option<usize>,
}

impl Voices {
    fn name(self, told: Option<&String>) -> Option<String> {
        let told = told?;
        Some(self.piece.map_or_else(|| told.clone(), |piece| format!("{told} of part {piece}")))
    }
}

fn placed(segment: &Segment, timeline: &Timeline, voices: Voices) -> Segment {
    let span = timeline.place(Interval { start: segment.start, end: segment.end });
    Segment { start: span.start, end: span.end, speaker: voices.name(segment.speaker.as_ref()), ..segment.clone() }
}

fn placed_words(heard: &Transcription, timeline: &Timeline, voices: Voices) -> Vec<Placed> {
    let place = |word: &Word| {
        let span = timeline.place_word(Interval { start: word.start, end: word.end });
        Placed(Word { start: span.start, end: span.end, speaker: voices.name(word.speaker.as_ref()), ..word.clone() })
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
    // on a channel of one person, whatever voices a provider tells apart are that person's
    let told = channel.is_none();
    Side {
        speaker: channel.and_then(|channel| names.of(channel)),
        channel: channel.and_then(|channel| u8::try_from(channel).ok()),
        language: heard.language.clone(),
        segments: heard.segments.iter().chain(&side.untimed).map(|segment| segment_of(segment, told)).collect(),
        words: heard.words.iter().map(|word| word_of(word, told)).collect(),
    }
}

fn segment_of(segment: &Segment, told: bool) -> transcript::Heard {
    transcript::Heard {
        start: segment.start,
        end: segment.end,
        text: segment.text.clone(),
        avg_logprob: segment.avg_logprob,
        no_speech_prob: segment.no_speech_prob,
        speaker: segment.speaker.clone().filter(|_| told),
    }
}

fn word_of(word: &Word, told: bool) -> transcript::Word {
    transcript::Word {
        text: word.text.clone(),
        start: word.start,
        end: word.end,
        confidence: word.confidence,
        speaker: word.speaker.clone().filter(|_| told),
    }
}

#[cfg(test)]
mod tests {
    use callscribe::config::TranscribingSettings;

    use super::*;

    fn side(channel: Channel, speaker: &str) -> HeardSide {
        let segment = Segment { start: 0.0, end: 1.0, text: "hello".to_owned(), speaker: Some(speaker.to_owned()), ..Segment::default() };
        HeardSide {
            channel,
            transcription: Transcription { segments: vec![segment], ..Transcription::default() },
            untimed: Vec::new(),
            speech: Speech::default(),
            ids: Vec::new(),
            request_ids: Vec::new(),
            sent_seconds: 1.0,
            trimmed_seconds: 0.0,
        }
    }

    #[test]
    fn voices_that_a_provider_tells_apart_count_where_several_share_a_channel_and_nowhere_else() {
        let (vendor, settings) = ([Some("Agent".to_owned()), None], TranscribingSettings::default());
        let names = |shared| Names { shared, vendor: &vendor, settings: &settings.speakers, queue: None };
        let own = spoken(&side(Channel::One(0), "A"), &names(false));
        assert_eq!((own.speaker.as_deref(), own.segments[0].speaker.as_deref()), (Some("agent"), None));
        let shared = spoken(&side(Channel::Mixed, "A"), &names(true));
        assert_eq!((shared.speaker.as_deref(), shared.segments[0].speaker.as_deref()), (None, Some("A")));
    }

    #[test]
    fn a_voice_has_another_name_in_each_piece() {
        let told = "A".to_owned();
        assert_eq!(Voices { piece: None }.name(Some(&told)).as_deref(), Some("A"));
        assert_eq!(Voices { piece: Some(2) }.name(Some(&told)).as_deref(), Some("A of part 2"));
        assert_eq!(Voices { piece: Some(2) }.name(None), None);
    }
}
