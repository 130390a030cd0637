//! Listens to a whole file: every channel, at either rate, and puts the words of all of them in order. It knows the vocabulary and no plan.
#![expect(clippy::as_conversions, reason = "samples as seconds: far below the 2^53 that a float tells apart")]

use crate::speech::SAMPLES_PER_SECOND;

mod catalogue;
mod ear;
mod ogg;
mod wav;

use self::ear::{Ear, Found};
use self::ogg::Ogg;
pub(crate) use self::wav::Unheard;
use self::wav::Wav;

/// A word with its times in seconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) channel: usize,
    pub(crate) start: Option<f64>,
    pub(crate) end: Option<f64>,
}

/// What was heard in a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Heard {
    pub(crate) words: Vec<Word>,
    pub(crate) seconds: f64,
}

impl Heard {
    /// The fixed answer of a server that does not listen.
    pub(crate) fn at_once() -> Self {
        let word = Word { text: "hello".to_owned(), channel: 0, start: Some(0.1), end: Some(0.4) };
        Self { words: vec![word], seconds: 0.5 }
    }

    pub(crate) fn text(&self) -> String {
        self.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// One channel; at 16 kHz the even and the odd samples are two channels at 8 kHz, and the one in which the words are clearer is right.
#[derive(Debug)]
struct Channel {
    ears: [Ear; 2],
    samples: u64,
}

impl Channel {
    fn new() -> Self {
        Self { ears: [Ear::new(), Ear::new()], samples: 0 }
    }

    fn hear(&mut self, rate: u32, sample: i16) {
        let [even, odd] = &mut self.ears;
        if rate == 8_000 || self.samples.is_multiple_of(2) {
            even.hear(sample)
        } else {
            odd.hear(sample)
        }
        self.samples += 1;
    }

    fn found(&self) -> &[Found] {
        let [even, odd] = &self.ears;
        let clearness = |ear: &Ear| ear.found.iter().map(|found| found.likeness).sum::<f64>();
        if clearness(odd) > clearness(even) { &odd.found } else { &even.found }
    }

    fn end(&mut self) {
        self.ears.iter_mut().for_each(Ear::end);
    }
}

/// A file being listened to.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    wav: Wav,
    channels: Vec<Channel>,
    failed: Option<Unheard>,
    ogg: Option<Ogg>,
    has_begun: bool,
}

impl Hearing {
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        if !std::mem::replace(&mut self.has_begun, true) && Ogg::is(bytes) {
            self.ogg = Some(Ogg::default());
        }
        if let Some(ogg) = &mut self.ogg {
            return ogg.take(bytes);
        }
        if self.failed.is_some() {
            return;
        }
        let channels = &mut self.channels;
        let taken = self.wav.take(bytes, |format, channel, sample| {
            while channels.len() <= channel {
                channels.push(Channel::new());
            }
            if let Some(channel) = channels.get_mut(channel) {
                channel.hear(format.rate, sample);
            }
        });
        self.failed = taken.err();
    }

    pub(crate) fn end(mut self) -> Result<Heard, Unheard> {
        if let Some(ogg) = &self.ogg {
            return ogg.seconds().map(numbered).ok_or(Unheard::Undecodable);
        }
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let format = self.wav.format().ok_or(Unheard::NotWav)?;
        self.channels.iter_mut().for_each(Channel::end);
        let frames = self.channels.first().map_or(0, |channel| channel.samples);
        let mut found: Vec<(usize, &Found)> =
            self.channels.iter().enumerate().flat_map(|(number, channel)| channel.found().iter().map(move |each| (number, each))).collect();
        found.sort_by_key(|(number, each)| (each.start, *number));
        // a dual-mono file holds every word twice; a listener hears it once
        found.dedup_by_key(|(_, each)| (each.word, each.start));
        let words = found.into_iter().map(|(channel, each)| Word {
            text: each.word.to_owned(),
            channel,
            start: Some(seconds(each.start)),
            end: Some(seconds(each.end)),
        });
        Ok(Heard { words: words.collect(), seconds: frames as f64 / f64::from(format.rate) })
    }
}

/// What stands for Opus, of which no sample is as it was: a word per second, numbered, so that pieces lost or doubled show.
fn numbered(seconds: f64) -> Heard {
    let times = std::iter::successors(Some(0.0), |second: &f64| Some(second + 1.0)).take_while(|second| second + 0.5 < seconds);
    let word =
        |(number, second): (u32, f64)| Word { text: format!("w{number:06}"), channel: 0, start: Some(second), end: Some(second + 0.5) };
    Heard { words: (1..).zip(times).map(word).collect(), seconds }
}

fn seconds(samples: u64) -> f64 {
    samples as f64 / SAMPLES_PER_SECOND as f64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::speech::g711::ULAW;
    use crate::speech::line::Line;
    use crate::speech::vocabulary::Vocabulary;
    use crate::speech::{DataSize, Encoding, Layout, Length, Manner, Rate, Recording, Script, Shape, Speaker};

    fn heard(recording: &Recording, piece: usize) -> Heard {
        let mut hearing = Hearing::default();
        let mut at = 0;
        while at < recording.size_bytes() {
            let bytes = recording.read(at, piece);
            at += bytes.len() as u64;
            hearing.take(&bytes);
        }
        hearing.end().unwrap()
    }

    fn call(number: u64, seconds: u64, shape: Shape) -> Recording {
        Recording::new(Arc::new(Script::compose(1, number, Length::Spoken(Duration::from_secs(seconds)))), shape)
    }

    #[test]
    fn every_word_is_heard_on_its_channel_at_its_time_in_every_shape() {
        for encoding in [Encoding::Pcm16, Encoding::ULaw, Encoding::ALaw] {
            for layout in [Layout::Stereo, Layout::Swapped, Layout::Mono, Layout::DualMono] {
                for rate in [Rate::Hz8000, Rate::Hz16000] {
                    for (extensible, data_size) in [(false, DataSize::True), (true, DataSize::Zero), (false, DataSize::Max)] {
                        let shape = Shape { encoding, layout, rate, extensible, data_size };
                        let recording = call(4, 15, shape);
                        let heard = heard(&recording, 1_000);
                        let truth: Vec<_> = recording.words();
                        assert!(truth.len() > 10);
                        assert_eq!(heard.words.len(), truth.len(), "{shape:?}");
                        for (word, said) in heard.words.iter().zip(&truth) {
                            assert_eq!((&word.text, word.start, word.end), (&said.word, Some(said.start), Some(said.end)), "{shape:?}");
                            assert_eq!(word.channel, usize::from(said.channel), "{shape:?}");
                        }
                        assert!((heard.seconds - 15.0).abs() < 1e-9);
                    }
                }
            }
        }
    }

    #[test]
    fn a_lost_doubled_or_mixed_up_part_is_heard() {
        let (one, other) = (call(1, 20, Shape::ULAW), call(2, 20, Shape::ULAW));
        let whole = one.read(0, usize::MAX >> 1);
        let text = |bytes: &[u8]| {
            let mut hearing = Hearing::default();
            hearing.take(bytes);
            hearing.end().unwrap().text()
        };
        let right = text(&whole);
        let cut = whole.len() / 2 / 2 * 2;
        assert_ne!(text(&whole[..cut]), right, "a lost end");
        assert_ne!(text(&[&whole[..cut], &whole[cut + 20_000..]].concat()), right, "a lost middle");
        let streamed = call(1, 20, Shape { data_size: DataSize::Zero, ..Shape::ULAW }).read(0, usize::MAX >> 1);
        assert_ne!(text(&[&streamed[..cut], &streamed[cut - 40_000..]].concat()), right, "a doubled part");
        assert_ne!(text(&other.read(0, usize::MAX >> 1)), right, "another call");
    }

    #[test]
    fn what_is_no_audio_is_told_apart_from_what_cannot_be_decoded() {
        let of = |bytes: &[u8]| {
            let mut hearing = Hearing::default();
            hearing.take(bytes);
            hearing.end()
        };
        assert_eq!(of(b"<!DOCTYPE html><html></html>"), Err(Unheard::NotWav));
        assert_eq!(of(b""), Err(Unheard::NotWav));
        let mut gsm = call(1, 1, Shape::ULAW).read(0, 2_000).to_vec();
        gsm[20] = 49;
        assert_eq!(of(&gsm), Err(Unheard::Undecodable));
    }

    #[test]
    fn every_word_is_heard_in_the_noise_of_a_line() {
        let length = Length::Spoken(Duration::from_mins(2));
        for (manner, seed) in [(Manner::default(), 1), (Manner::INTERRUPTING, 2), (Manner::HOLDING, 3), (Manner::MONOLOGUE, 4)] {
            for (dbfs, shape) in [(-45, Shape::ULAW), (-50, Shape::ALAW), (-45, Shape { rate: Rate::Hz16000, ..Shape::PCM })] {
                let script = Arc::new(Script::in_manner(1, seed, length, manner));
                let recording = Recording::new(script, shape).over_noisy_line(dbfs, seed);
                let (heard, truth) = (heard(&recording, 1 << 16), recording.words());
                assert_eq!(heard.words.len(), truth.len(), "{manner:?} {shape:?}");
                for (word, said) in heard.words.iter().zip(&truth) {
                    assert_eq!((&word.text, word.channel), (&said.word, usize::from(said.channel)), "{manner:?} {shape:?}");
                    let off = word.start.zip(word.end).map(|(start, end)| (start - said.start).abs().max((end - said.end).abs()));
                    assert!(off.is_some_and(|off| off < 0.001), "{word:?} for {said:?}");
                }
            }
        }
    }

    #[test]
    fn every_word_of_both_voices_is_itself_and_no_other_at_full_and_at_half_level() {
        let line = Line::noisy(-45, 9, SAMPLES_PER_SECOND);
        for speaker in [Speaker::Agent, Speaker::Customer] {
            for clip in &Vocabulary::get().voice(speaker).clips {
                for halves in [1, 2] {
                    let mut ear = Ear::new();
                    let clean = clip.samples.iter().map(|byte| ULAW[usize::from(*byte)] / halves);
                    let silence = || std::iter::repeat_n(0, 2_000);
                    let sound = silence().chain(clean).chain(silence());
                    (0..).zip(sound).for_each(|(at, sample)| ear.hear(sample + line.at(0, at) / halves));
                    ear.end();
                    let words: Vec<&str> = ear.found.iter().map(|found| found.word).collect();
                    assert_eq!(words, [clip.word.as_str()], "{speaker:?} at 1/{halves}");
                }
            }
        }
    }

    #[test]
    fn half_a_word_and_noise_without_words_are_not_heard() {
        let length = Length::Silent(Duration::from_mins(2));
        let noise = Recording::new(Arc::new(Script::compose(1, 1, length)), Shape::ULAW).over_noisy_line(-20, 1);
        assert_eq!(heard(&noise, 1 << 16).words, []);
        for clip in &Vocabulary::get().voice(Speaker::Customer).clips {
            for half in [&clip.samples[..clip.samples.len() / 2], &clip.samples[clip.samples.len() / 2..]] {
                let mut ear = Ear::new();
                half.iter().for_each(|byte| ear.hear(ULAW[usize::from(*byte)]));
                ear.end();
                assert!(ear.found.iter().all(|found| found.word != clip.word), "half of {}", clip.word);
            }
        }
    }
}
