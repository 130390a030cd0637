//! What a look at a recording tells of its channels.

use super::*;

/// A stereo WAV of 8 kHz, each channel made by a function of time.
fn stereo(seconds: u32, left: impl Fn(f64) -> f64, right: impl Fn(f64) -> f64) -> Examined {
    let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x40\x1F\0\0\0\0\0\0\x04\0\x10\0data\0\0\0\0".to_vec();
    for at in (0..seconds * 8000).map(|n| f64::from(n) / 8000.0) {
        bytes.extend(crate::samples::rounded(left(at)).to_le_bytes());
        bytes.extend(crate::samples::rounded(right(at)).to_le_bytes());
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stereo.wav");
    std::fs::write(&path, bytes).unwrap();
    examine(&path, &Limits::default()).unwrap()
}

/// A voice of sorts: a tone with syllables, speaking every other second from `from` on.
fn voice(pitch: f64, from: f64) -> impl Fn(f64) -> f64 {
    move |at| {
        let speaks = at >= from && (at - from) % 2.0 < 1.0;
        if speaks { 0.2 * (at * pitch).sin() * (1.0 + (at * 25.0).sin()) / 2.0 } else { 0.0 }
    }
}

#[test]
fn one_sound_on_two_channels_is_told_even_when_softer_or_upside_down() {
    let call = voice(2_000.0, 0.0);
    for gain in [1.0, 0.3, -1.0] {
        let examined = stereo(6, &call, |at| gain * call(at));
        assert!(examined.same, "{gain}");
    }
    assert!(!stereo(6, &call, voice(2_900.0, 1.0)).same, "two people in turn");
    assert!(!stereo(6, &call, |at| 0.9 * call(at) + voice(2_900.0, 1.0)(at)).same, "one of them is heard on both");
    assert!(!stereo(6, &call, |_| 0.0).same, "one of them is silent");
    assert!(!stereo(6, |_| 0.0, |_| 0.0).same, "nobody is there");
}

#[test]
fn a_side_without_sound_is_silent_and_the_other_is_not() {
    let call = voice(2_000.0, 1.0);
    let hiss = |at: f64| 0.0004 * (at * 9_000.0).sin();
    let examined = stereo(6, &call, hiss);
    let silent: Vec<bool> = examined.channels.iter().map(|channel| channel.is_silent).collect();
    assert_eq!(silent, [false, true]);
    assert_eq!(examined.channels[0].speech, examined.speech());
    assert!((examined.channels[0].peak_dbfs - 20.0 * 0.2_f64.log10()).abs() < 0.5);
    assert_eq!((examined.samples, examined.duration), (48_000, Duration::from_secs(6)));
}

#[test]
fn speech_of_the_call_is_that_of_either_side() {
    let examined = stereo(8, voice(2_000.0, 0.0), voice(2_900.0, 0.7));
    let alone: f64 = examined.channels.iter().map(|channel| channel.speech.seconds()).sum();
    assert!(alone > examined.speech().seconds() + 0.5, "what both say at once counts once");
    assert!(examined.speech().intervals().is_sorted_by(|one, other| one.end < other.start));
}

#[test]
fn the_mean_loudness_of_a_stretch_is_that_of_its_frames() {
    let examined = stereo(3, |at| (at * 2_000.0).sin() * if at < 1.0 { 0.5 } else { 0.005 }, |_| 0.0);
    let mean = |start, end| examined.channels[0].levels.mean_dbfs(Interval { start, end }, 8_000);
    let (loud, soft) = (mean(0.1, 0.9).unwrap(), mean(1.1, 2.9).unwrap());
    assert!((loud - soft - 40.0).abs() < 1.0, "{loud} and {soft}");
    assert_eq!((mean(3.5, 4.0), mean(2.0, 2.0), mean(2.0, 1.0)), (None, None, None));
}
