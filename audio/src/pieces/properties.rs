//! Whatever is said and however it is cut: no sound is left out or sent twice, and no word is doubled or lost.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{ChannelSound, Examined, Form, Format, Levels, Speech};

const FRAMES_PER_SECOND: f64 = 50.0;

/// A call of which each channel is heard in the frames that its pattern says.
fn call(channels: &[Vec<bool>]) -> Examined {
    let frames = channels.iter().map(Vec::len).max().unwrap_or(0);
    let sound = |pattern: &Vec<bool>| {
        let level = |at: usize| if pattern.get(at) == Some(&true) { 140 } else { 40 };
        let levels = Levels::of((0..frames).map(level).collect(), 80, 160);
        ChannelSound { speech: Speech::default(), is_silent: !pattern.contains(&true), peak_dbfs: -20.0, levels }
    };
    let samples = u64::try_from(frames).unwrap() * 160;
    Examined {
        format: Format::Wav,
        codec: "pcm",
        sample_rate_hz: 8000,
        duration: Duration::from_micros(samples * 125),
        samples,
        channels: channels.iter().map(sound).collect(),
        same: false,
        damaged_seconds: 0.0,
    }
}

#[expect(clippy::as_conversions, reason = "a frame of a short call")]
fn frame(at: f64) -> usize {
    (at * FRAMES_PER_SECOND).round() as usize
}

/// Talk and pauses in turn, in frames.
fn any_pattern() -> impl Strategy<Value = Vec<bool>> {
    proptest::collection::vec((1_usize..1000, 0_usize..300), 1..20)
        .prop_map(|turns| turns.into_iter().flat_map(|(talk, pause)| [vec![true; talk], vec![false; pause]].concat()).collect())
}

fn any_trim() -> impl Strategy<Value = Option<Trim>> {
    proptest::option::of((1_u8..150, 0_u8..40)).prop_map(|trim| {
        trim.map(|(longest, kept)| Trim {
            longest_pause_seconds: f64::from(longest) / FRAMES_PER_SECOND,
            kept_seconds: f64::from(kept) / FRAMES_PER_SECOND,
        })
    })
}

fn any_asked() -> impl Strategy<Value = Asked> {
    let cutting = prop_oneof![Just(Cutting::AtPauses), Just(Cutting::Overlapping), Just(Cutting::Hard)];
    let limits = (proptest::option::of(4.3_f64..120.0), proptest::option::of(140_000_u64..2_000_000));
    (limits, any_trim(), any::<bool>(), cutting).prop_map(|((max_seconds, max_bytes), trim, separate, cutting)| Asked {
        max_seconds,
        max_bytes,
        form: Form::Wav,
        trim,
        separate,
        cutting,
    })
}

#[derive(Debug, Clone, PartialEq)]
struct Said {
    text: String,
    span: Interval,
}

impl TimedWord for Said {
    fn text(&self) -> &str {
        &self.text
    }

    fn span(&self) -> Interval {
        self.span
    }
}

/// Words of a small vocabulary with short gaps between, and now and then a pause: word, length and gap in frames.
fn any_script() -> impl Strategy<Value = Vec<Said>> {
    let word = (0_usize..40, 8_u8..38, prop_oneof![9 => 1_u8..6, 1 => 20_u8..200]);
    proptest::collection::vec(word, 60..400).prop_map(|said| {
        let mut at = 0.0;
        let mut script = Vec::new();
        for (number, length, gap) in said {
            let end = at + f64::from(length) / FRAMES_PER_SECOND;
            script.push(Said { text: format!("w{number}"), span: Interval { start: at, end } });
            at = end + f64::from(gap) / FRAMES_PER_SECOND;
        }
        script
    })
}

/// What an engine hears of a piece, in the piece's own time: whole words, a little off; of a word that is cut in two, rubbish.
fn heard(script: &[Said], piece: &Piece, jitter: &[f64]) -> Vec<Said> {
    let mut words = Vec::new();
    let mut begins = 0.0;
    for span in &piece.spans {
        for (word, jitter) in script.iter().zip(jitter.iter().cycle()) {
            let (start, end) = (word.span.start.max(span.start), word.span.end.min(span.end));
            let share = (end - start) / word.span.seconds();
            if share > 0.2 {
                let text = if share > 0.99 { word.text.clone() } else { format!("half of {}", word.text) };
                let place = |at: f64| (begins + at - span.start + jitter).max(0.0);
                words.push(Said { text, span: Interval { start: place(start), end: place(end) } });
            }
        }
        begins += span.seconds();
    }
    words
}

fn texts(words: &[Said]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

proptest! {
    #[test]
    fn every_sound_is_in_one_piece_or_in_an_overlap(left in any_pattern(), right in any_pattern(), asked in any_asked()) {
        let call = call(&[left, right]);
        let pieces = plan(&call, &asked);
        prop_assert_eq!(&pieces, &plan(&call, &asked));
        let channels = if asked.separate { vec![Channel::One(0), Channel::One(1)] } else { vec![Channel::Mixed] };
        for (number, channel) in channels.into_iter().enumerate() {
            let frames = call.channels[0].levels.frames();
            let (mut times, mut allowed) = (vec![0_u32; frames], vec![1_u32; frames]);
            let mut ended = 0.0;
            for piece in pieces.iter().filter(|piece| piece.channel == channel) {
                prop_assert!(piece.spans.is_sorted_by(|one, other| one.end < other.start), "{:?}", piece);
                for span in &piece.spans {
                    times[frame(span.start)..frame(span.end)].iter_mut().for_each(|times| *times += 1);
                }
                let all = Timeline::of(piece).all();
                if piece.overlap_seconds > 0.0 {
                    allowed[frame(all.start)..frame(ended)].iter_mut().for_each(|allowed| *allowed += 1);
                }
                ended = all.end;
            }
            for at in 0..frames {
                let sounds = |number: usize| !call.channels[number].levels.is_pause(at);
                // a cut may fall within a frame, which then is rounded to either side
                let near_a_cut = at == 0 || at + 1 == frames || times[at - 1] != times[at] || times[at + 1] != times[at];
                if if asked.separate { sounds(number) } else { sounds(0) || sounds(1) } {
                    prop_assert!(times[at] == allowed[at] || near_a_cut, "frame {}: {} for {}", at, times[at], allowed[at]);
                    prop_assert!(times[at] > 0, "frame {} of {:?} is not sent", at, channel);
                } else {
                    prop_assert!(times[at] <= allowed[at] || near_a_cut);
                }
            }
        }
    }

    #[test]
    fn no_piece_is_over_a_limit(left in any_pattern(), asked in any_asked()) {
        for piece in plan(&call(&[left]), &asked) {
            let seconds = Timeline::of(&piece).seconds();
            prop_assert!(asked.max_seconds.is_none_or(|most| seconds <= most));
            prop_assert!(asked.max_bytes.is_none_or(|most| seconds * 16_000.0 + 44.0 <= f64::from(u32::try_from(most).unwrap())));
        }
    }

    #[test]
    fn times_never_run_backwards_and_stay_within_what_is_sent(
        left in any_pattern(), asked in any_asked(), steps in proptest::collection::vec(0.0_f64..1.0, 1..50),
    ) {
        for piece in plan(&call(&[left]), &asked) {
            let timeline = Timeline::of(&piece);
            let mut times: Vec<f64> = steps.iter().map(|step| step * timeline.seconds()).collect();
            times.sort_by(f64::total_cmp);
            let placed: Vec<f64> = times.iter().map(|at| timeline.place(Interval { start: *at, end: *at }).start).collect();
            prop_assert!(placed.is_sorted());
            for (at, placed) in times.iter().zip(&placed) {
                prop_assert!(piece.spans.iter().any(|span| span.start <= *placed && *placed <= span.end));
                prop_assert!((timeline.told(*placed).unwrap() - at).abs() < 1e-6, "{} came back from {}", at, placed);
            }
        }
    }

    #[test]
    fn no_word_is_doubled_or_lost_by_cutting_trimming_and_joining(
        script in any_script(),
        jitter in proptest::collection::vec(-0.05_f64..0.05, 7..20),
        max_seconds in 4.3_f64..60.0,
        trim in any_trim(),
    ) {
        let end = script.last().map_or(0.0, |last| last.span.end);
        let mut pattern = vec![false; frame(end)];
        for word in &script {
            pattern[frame(word.span.start)..frame(word.span.end)].fill(true);
        }
        let cutting = Cutting::AtPauses;
        let asked = Asked { max_seconds: Some(max_seconds), max_bytes: None, form: Form::Wav, trim, separate: true, cutting };
        let mut answered = Vec::new();
        for (number, piece) in plan(&call(&[pattern]), &asked).into_iter().enumerate() {
            let shifted: Vec<f64> = jitter.iter().cycle().skip(number + 1).take(jitter.len()).copied().collect();
            let timeline = Timeline::of(&piece);
            let words = heard(&script, &piece, &shifted).into_iter().map(|word| Said { span: timeline.place_word(word.span), ..word }).collect();
            answered.push((piece, words));
        }
        prop_assert_eq!(texts(&stitch(answered)), texts(&script));
    }
}
