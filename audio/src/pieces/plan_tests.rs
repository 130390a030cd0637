//! Plans of recordings made of tones and silence: what is sent, and where it is cut.

use proptest::prelude::*;

use super::*;
use crate::{Limits, examine};

const RATE: u32 = 8_000;

/// A recording of so many seconds with a tone in these stretches of each channel.
fn examined(seconds: f64, channels: &[&[(f64, f64)]]) -> Examined {
    let count = u16::try_from(channels.len()).unwrap();
    let frames = index(seconds * f64::from(RATE));
    let mut samples = Vec::with_capacity(frames * channels.len() * 2);
    for frame in 0..frames {
        let at = count_of(frame) / f64::from(RATE);
        for sounds in channels {
            let sounds = sounds.iter().any(|(start, end)| at >= *start && at < *end);
            let level: i16 = if !sounds {
                0
            } else if (frame / 10).is_multiple_of(2) {
                8_000
            } else {
                -8_000
            };
            samples.extend(level.to_le_bytes());
        }
    }
    let bytes = u32::try_from(samples.len()).unwrap();
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0".to_vec();
    file.extend(count.to_le_bytes());
    file.extend(RATE.to_le_bytes());
    file.extend((RATE * 2 * u32::from(count)).to_le_bytes());
    file.extend((2 * count).to_le_bytes());
    file.extend(16_u16.to_le_bytes());
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    file.extend(samples);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.wav");
    std::fs::write(&path, file).unwrap();
    examine(&path, &Limits::default()).unwrap()
}

fn count_of(number: usize) -> f64 {
    super::count(number)
}

fn asked() -> Asked {
    Asked { max_seconds: None, max_bytes: None, form: Form::Wav, trim: Some(Trim::default()), separate: true, cutting: Cutting::AtPauses }
}

fn spans(piece: &Piece) -> Vec<(f64, f64)> {
    piece.spans.iter().map(|span| (span.start, span.end)).collect()
}

/// Within a frame of 20 ms.
fn close(found: &[(f64, f64)], expected: &[(f64, f64)]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found.0 - expected.0).abs() <= 0.021 && (found.1 - expected.1).abs() <= 0.021, "{found:?} {expected:?}");
    }
}

#[test]
fn long_pauses_are_left_out_and_short_ones_stay() {
    let examined = examined(30.0, &[&[(5.0, 8.0), (9.5, 10.0), (20.0, 22.0)]]);
    let pieces = plan(&examined, &asked());
    assert_eq!(pieces.len(), 1);
    close(&spans(&pieces[0]), &[(4.5, 10.5), (19.5, 22.5)]);
    assert!((pieces[0].trimmed_seconds - 21.0).abs() < 0.1, "{pieces:?}");
    let whole = plan(&examined, &Asked { trim: None, ..asked() });
    assert_eq!((spans(&whole[0]), whole[0].trimmed_seconds), (vec![(0.0, 30.0)], 0.0));
}

/// Once, the 0.64 s less twice 0.32 s were a rounding error above nothing, and the piece had a seam in which nothing was left out.
#[test]
fn a_pause_of_which_all_is_kept_is_no_seam() {
    let examined = examined(90.0, &[&[(0.0, 83.14), (83.78, 90.0)]]);
    let trim = Some(Trim { longest_pause_seconds: 0.02, kept_seconds: 0.32 });
    close(&plan(&examined, &Asked { trim, ..asked() }).iter().flat_map(spans).collect::<Vec<_>>(), &[(0.0, 90.0)]);
}

#[test]
fn each_side_is_a_piece_of_its_own_and_a_silent_one_is_not_sent() {
    let two = examined(20.0, &[&[(1.0, 4.0)], &[(6.0, 9.0)]]);
    let channels: Vec<_> = plan(&two, &asked()).iter().map(|piece| piece.channel).collect();
    assert_eq!(channels, [Channel::One(0), Channel::One(1)]);
    let mixed = plan(&two, &Asked { separate: false, ..asked() });
    assert_eq!(mixed.len(), 1);
    assert_eq!(mixed[0].channel, Channel::Mixed);
    close(&spans(&mixed[0]), &[(0.0, 9.5)]);
    let one_silent = examined(20.0, &[&[], &[(6.0, 9.0)]]);
    let channels: Vec<_> = plan(&one_silent, &asked()).iter().map(|piece| piece.channel).collect();
    assert_eq!(channels, [Channel::One(1)]);
    let same: &[(f64, f64)] = &[(1.0, 4.0), (7.0, 8.0)];
    assert_eq!(plan(&examined(20.0, &[same, same]), &asked()).iter().map(|piece| piece.channel).collect::<Vec<_>>(), [Channel::One(0)]);
    assert!(plan(&examined(5.0, &[&[], &[]]), &asked()).is_empty());
}

#[test]
fn a_piece_ends_in_the_longest_pause_before_the_limit() {
    // talk with a pause of 0.5 s every ten seconds, and one of 1 s at 175 s
    let talk: Vec<(f64, f64)> = (0..40).map(|n| (f64::from(n) * 10.0, f64::from(n) * 10.0 + if n == 17 { 4.0 } else { 9.5 })).collect();
    let mut talk = talk;
    talk.push((175.0, 179.5));
    let examined = examined(400.0, &[&talk]);
    let pieces = plan(&examined, &Asked { max_seconds: Some(200.0), trim: None, ..asked() });
    close(&spans(&pieces[0]), &[(0.0, 174.5)]);
    assert!(pieces.iter().all(|piece| piece.overlap_seconds == 0.0));
    assert!(pieces.windows(2).all(|pair| pair[0].spans.last().unwrap().end == pair[1].spans[0].start), "{pieces:?}");
    assert_eq!(pieces.last().unwrap().spans.last().unwrap().end, 400.0);
}

#[test]
fn without_a_pause_the_next_piece_begins_before_this_one_ends() {
    let examined = examined(400.0, &[&[(0.0, 400.0)]]);
    let pieces = plan(&examined, &Asked { max_seconds: Some(200.0), ..asked() });
    close(&pieces.iter().flat_map(spans).collect::<Vec<_>>(), &[(0.0, 190.0), (180.0, 370.0), (360.0, 400.0)]);
    assert_eq!(pieces.iter().map(|piece| piece.overlap_seconds).collect::<Vec<_>>(), [0.0, 10.0, 10.0]);
    assert_eq!(pieces.iter().map(|piece| piece.trimmed_seconds).sum::<f64>(), 0.0);
    let hard = plan(&examined, &Asked { max_seconds: Some(200.0), cutting: Cutting::Hard, ..asked() });
    close(&hard.iter().flat_map(spans).collect::<Vec<_>>(), &[(0.0, 190.0), (190.0, 380.0), (380.0, 400.0)]);
}

#[test]
fn no_piece_is_larger_than_the_provider_takes() {
    let examined = examined(400.0, &[&[(0.0, 400.0)]]);
    // 100 s of 16-bit WAV at 8 kHz, and room for what frames it
    let pieces = plan(&examined, &Asked { max_bytes: Some(1_600_000 + 65_536), ..asked() });
    assert!(pieces.len() >= 4 && pieces.iter().all(|piece| Timeline::of(piece).seconds() <= 100.0), "{pieces:?}");
}

#[test]
fn a_limit_of_a_few_seconds_is_honoured_too_and_a_lower_one_is_not() {
    let longest = |sounds: &[(f64, f64)], max_seconds, cutting| {
        let pieces = plan(&examined(60.0, &[sounds]), &Asked { max_seconds: Some(max_seconds), cutting, ..asked() });
        assert!(pieces.windows(2).all(|pair| pair[1].spans[0].start <= pair[0].spans.last().unwrap().end + 0.001), "{pieces:?}");
        pieces.iter().map(|piece| Timeline::of(piece).seconds()).fold(0.0, f64::max)
    };
    let (breathless, talk) = (vec![(0.0, 60.0)], (0..60).map(|n| (f64::from(n), f64::from(n) + 0.6)).collect::<Vec<_>>());
    for sounds in [&breathless, &talk] {
        for cutting in [Cutting::AtPauses, Cutting::Overlapping, Cutting::Hard] {
            for max_seconds in [5.0, 12.0, 29.0] {
                let longest = longest(sounds, max_seconds, cutting);
                assert!((max_seconds * 0.6..=max_seconds * 0.95 + 0.001).contains(&longest), "{longest} of {max_seconds}, {cutting:?}");
            }
            let least = longest(sounds, 1.0, cutting);
            assert!((SHORTEST_SECONDS * 0.6..=SHORTEST_SECONDS + 0.001).contains(&least), "{least}, {cutting:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Every sound is in exactly one piece, or in two where they overlap; trimmed and sent make up the whole.
    #[test]
    fn no_sound_is_left_out(sounds in prop::collection::vec((0.0_f64..280.0, 0.3_f64..30.0), 1..12), most in 4.3_f64..250.0) {
        let sounds: Vec<(f64, f64)> = sounds.into_iter().map(|(start, length)| (start, (start + length).min(300.0))).collect();
        let examined = examined(300.0, &[&sounds]);
        let pieces = plan(&examined, &Asked { max_seconds: Some(most), ..asked() });
        for (start, end) in &sounds {
            let mut at = start + 0.05;
            while at < end - 0.05 {
                let holders = pieces.iter().filter(|piece| piece.spans.iter().any(|span| span.start <= at && at < span.end)).count();
                prop_assert!((1..=2).contains(&holders), "{at} is in {holders} of {pieces:?}");
                at += 0.25;
            }
        }
        let sent: f64 = pieces.iter().map(|piece| Timeline::of(piece).seconds() - piece.overlap_seconds).sum();
        let trimmed: f64 = pieces.iter().map(|piece| piece.trimmed_seconds).sum();
        prop_assert!((sent + trimmed - 300.0).abs() < 0.01, "{sent} + {trimmed}");
        prop_assert!(pieces.iter().all(|piece| Timeline::of(piece).seconds() <= most.max(SHORTEST_SECONDS) + 0.01));
    }
}
