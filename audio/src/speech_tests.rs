//! What the detector must hear, and what it must not be fooled by.

use proptest::prelude::*;

use super::*;
use crate::{
    Codec, Listener,
    g711::{alaw, mulaw},
    levels::MOST_LEVELS,
};

const RATE: u32 = 8000;

fn wav(codec: Codec, bits: u16, channels: u16) -> Wav {
    Wav { codec, sample_rate_hz: RATE, channels, bits, data_offset: 44, data_bytes: None }
}

/// A sound of `seconds` whose level is `dbfs`: a tone whose loudness wobbles a little, as speech does.
fn sound(seconds: f64, dbfs: f64) -> Vec<f64> {
    let peak = 10_f64.powf(dbfs / 20.0) * std::f64::consts::SQRT_2;
    let count = (seconds * f64::from(RATE)).round();
    (0_u32..).map(f64::from).take_while(|n| *n < count).map(|n| peak * (n * 0.3).sin() * (1.0 + 0.2 * (n * 0.002).sin())).collect()
}

#[expect(clippy::as_conversions, reason = "clamped to an i16 just before")]
fn linear(value: f64) -> i16 {
    (value * 32_767.0).clamp(-32_768.0, 32_767.0) as i16
}

fn pcm16(channels: &[Vec<f64>]) -> Vec<u8> {
    let longest = channels.iter().map(Vec::len).max().unwrap_or(0);
    let sample = |channel: &Vec<f64>, at: usize| channel.get(at).copied().unwrap_or(0.0);
    (0..longest)
        .flat_map(|at| channels.iter().map(move |channel| sample(channel, at)))
        .flat_map(|value| linear(value).to_le_bytes())
        .collect()
}

fn listen(channels: &[Vec<f64>]) -> Speech {
    let mut detector = Detector::new(wav(Codec::Pcm, 16, u16::try_from(channels.len()).unwrap()));
    detector.push(&pcm16(channels));
    detector.finish()
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 0.05
}

#[test]
fn speech_is_found_where_it_is_on_either_channel() {
    let agent = [sound(1.0, -70.0), sound(2.0, -20.0), sound(5.0, -70.0)].concat();
    let customer = [sound(5.0, -65.0), sound(1.5, -28.0), sound(1.5, -65.0)].concat();
    let speech = listen(&[agent, customer]);
    let [first, second] = speech.intervals() else { panic!("{speech:?}") };
    assert!(near(first.start, 1.0) && near(first.end, 3.0), "{first:?}");
    assert!(near(second.start, 5.0) && near(second.end, 6.5), "{second:?}");
    assert!(near(speech.seconds(), 3.5));
    assert!(near(speech.seconds_within(Interval { start: 2.0, end: 6.0 }), 2.0));
}

#[test]
fn speech_is_found_above_a_noisy_line() {
    let speech = listen(&[[sound(4.0, -38.0), sound(2.0, -18.0), sound(4.0, -38.0)].concat()]);
    let [only] = speech.intervals() else { panic!("{speech:?}") };
    assert!(near(only.start, 4.0) && near(only.end, 6.0), "{only:?}");
}

#[test]
fn silence_hiss_clicks_and_an_offset_are_not_speech() {
    assert!(listen(&[sound(5.0, -200.0)]).is_silence());
    assert!(listen(&[sound(5.0, -55.0)]).is_silence(), "steady hiss");
    assert!(listen(&[[sound(2.0, -70.0), sound(0.04, -6.0), sound(2.0, -70.0)].concat()]).is_silence(), "a click");
    assert!(listen(&[vec![0.4; 40_000]]).is_silence(), "a constant offset");
}

#[test]
fn a_quiet_line_is_not_an_empty_line() {
    let speech = listen(&[[sound(3.0, -85.0), sound(2.0, -46.0), sound(3.0, -85.0)].concat()]);
    assert_eq!(speech.intervals().len(), 1);
}

#[test]
fn talk_without_a_pause_is_speech_throughout() {
    assert!(near(listen(&[sound(6.0, -18.0)]).seconds(), 6.0));
}

#[test]
fn short_pauses_do_not_break_a_sentence_and_long_ones_do() {
    let speech = listen(&[[sound(1.0, -20.0), sound(0.2, -90.0), sound(1.0, -20.0), sound(0.6, -90.0), sound(1.0, -20.0)].concat()]);
    assert_eq!(speech.intervals().len(), 2);
}

#[test]
fn every_codec_hears_the_same() {
    let samples = [sound(1.0, -200.0), sound(2.0, -16.0), sound(1.0, -200.0)].concat();
    let samples: Vec<i16> = samples.iter().copied().map(linear).collect();
    let nearest =
        |table: fn(u8) -> i16, sample: i16| (0..=u8::MAX).min_by_key(|byte| (i32::from(table(*byte)) - i32::from(sample)).abs()).unwrap();
    let encoded: [(Codec, u16, Vec<u8>); 6] = [
        (Codec::MuLaw, 8, samples.iter().map(|sample| nearest(mulaw, *sample)).collect()),
        (Codec::ALaw, 8, samples.iter().map(|sample| nearest(alaw, *sample)).collect()),
        (Codec::Pcm, 8, samples.iter().map(|sample| sample.to_le_bytes()[1] ^ 0x80).collect()),
        (Codec::Pcm, 16, samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()),
        (Codec::Pcm, 24, samples.iter().flat_map(|sample| [0, sample.to_le_bytes()[0], sample.to_le_bytes()[1]]).collect()),
        (Codec::Pcm, 32, samples.iter().flat_map(|sample| [0, 0, sample.to_le_bytes()[0], sample.to_le_bytes()[1]]).collect()),
    ];
    for (codec, bits, bytes) in encoded {
        let mut detector = Detector::new(wav(codec, bits, 1));
        bytes.chunks(997).for_each(|piece| detector.push(piece));
        let speech = detector.finish();
        let [only] = speech.intervals() else { panic!("{codec:?} {bits}: {speech:?}") };
        assert!(near(only.start, 1.0) && near(only.end, 3.0), "{codec:?} {bits}: {only:?}");
    }
}

#[test]
fn a_very_long_call_stays_within_its_memory_and_keeps_its_times() {
    let mut detector = Detector::new(Wav { sample_rate_hz: 50, ..wav(Codec::MuLaw, 8, 2) });
    // 50 samples a second make frames of one sample, which hold no sound: take four
    detector.meter.samples_per_frame = 4;
    let two_seconds_loud_then_two_quiet = [[0x80_u8, 0xFF, 0x00, 0xFF].repeat(50), [0xFF_u8; 200].to_vec()].concat();
    for _ in 0..30_000 {
        detector.push(&two_seconds_loud_then_two_quiet);
    }
    assert!(detector.meter.channels.iter().map(|channel| channel.levels.len()).sum::<usize>() < MOST_LEVELS);
    assert!(detector.meter.samples_per_frame > 4);
    let speech = detector.finish();
    assert!((speech.seconds() / 60_000.0 - 1.0).abs() < 0.1, "{}", speech.seconds());
    assert!((speech.end_of_last().unwrap() - 119_998.0).abs() < 0.5);
}

#[test]
fn what_a_transcript_leaves_out_is_found_at_both_ends_and_in_the_middle() {
    let speech = Speech::of(vec![Interval { start: 0.0, end: 30.0 }, Interval { start: 60.0, end: 90.0 }]);
    let heard = [Interval { start: 12.0, end: 14.0 }, Interval { start: 13.0, end: 29.0 }, Interval { start: 61.0, end: 75.0 }];
    let holes = speech.left_out_by(&heard, 10.0);
    let expected = [
        (Interval { start: 0.0, end: 12.0 }, 12.0),
        (Interval { start: 29.0, end: 61.0 }, 2.0),
        (Interval { start: 75.0, end: 90.0 }, 15.0),
    ];
    assert_eq!(holes, expected);
    assert_eq!(speech.left_out_by(&[Interval { start: 0.0, end: 200.0 }], 10.0), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_bytes_make_the_listener_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4000), cut in 1_usize..999, tag in 0_u8..8, bits in 0_u8..40) {
        let mut input = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        input.extend_from_slice(&[tag, 0, 2, 0, 0x40, 0x1F, 0, 0, 0, 0, 0, 0, 0, 0, bits, 0]);
        input.extend_from_slice(b"data\0\0\0\0");
        input.extend_from_slice(&bytes);
        let mut listener = Listener::new();
        if input.chunks(cut).try_for_each(|piece| listener.push(piece)).is_ok() {
            let _ = listener.finish();
        }
    }

    #[test]
    fn it_hears_the_same_however_the_bytes_are_cut(start in 0_u32..20, cut in 1_usize..4000) {
        let samples = pcm16(&[[sound(f64::from(start) / 10.0, -80.0), sound(0.7, -15.0), sound(0.9, -80.0)].concat()]);
        let mut whole = Detector::new(wav(Codec::Pcm, 16, 1));
        whole.push(&samples);
        let mut cut_up = Detector::new(wav(Codec::Pcm, 16, 1));
        samples.chunks(cut).for_each(|piece| cut_up.push(piece));
        prop_assert_eq!(whole.finish(), cut_up.finish());
    }
}
