//! Every format is decoded to the sound that it was made from, at its right time; and nothing in a file ends us.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::{Examined, examine};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A file with these bytes, which is gone with the directory.
fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording");
    std::fs::write(&path, bytes).unwrap();
    (directory, path)
}

fn examined(bytes: &[u8]) -> Result<Examined, SoundError> {
    let (_directory, path) = written(bytes);
    examine(&path, &Limits::default())
}

/// All samples of one channel, and their rate.
fn decoded(path: &Path, channel: usize) -> (Vec<f64>, u32) {
    let mut source = open(path, &Limits::default()).unwrap();
    let (mut all, mut block) = (Vec::new(), Vec::new());
    while source.next(&mut block).unwrap() != Step::End {
        all.extend(block.iter().skip(channel).step_by(source.spec().channels.into()).map(|sample| f64::from(*sample)));
    }
    (all, source.spec().sample_rate_hz)
}

/// Correlation of two sounds when the second is moved by `lag` samples.
fn correlation(one: &[f64], other: &[f64], lag: i64) -> f64 {
    let moved = |at: usize| usize::try_from(i64::try_from(at).unwrap() + lag).ok().and_then(|at| other.get(at)).copied().unwrap_or(0.0);
    let (mut cross, mut ones, mut others) = (0.0, 0.0, 0.0);
    for (at, sample) in one.iter().enumerate() {
        cross += sample * moved(at);
        ones += sample * sample;
        others += moved(at) * moved(at);
    }
    cross / (ones * others).sqrt()
}

/// Where the second sound fits the first best, within 100 ms, and how well.
fn best_fit(one: &[f64], other: &[f64]) -> (i64, f64) {
    let fits = (-800..=800).map(|lag| (lag, correlation(one, other, lag)));
    fits.max_by(|one, other| one.1.total_cmp(&other.1)).unwrap()
}

/// Every n-th sample, for sound that was decoded at a multiple of the rate of the truth.
fn at_8_khz((samples, rate): (Vec<f64>, u32)) -> Vec<f64> {
    assert_eq!(rate % 8000, 0);
    samples.into_iter().step_by(usize::try_from(rate / 8000).unwrap()).collect()
}

#[test]
fn every_format_is_the_sound_it_was_made_from_and_at_its_time() {
    let expected = [
        ("truth.wav", Format::Wav, "pcm", 0, 1.0),
        ("flac.flac", Format::Flac, "flac", 0, 1.0),
        ("adpcm_ms.wav", Format::Wav, "adpcm_ms", 0, 0.99),
        ("adpcm_ima.wav", Format::Wav, "adpcm_ima", 0, 0.99),
        ("mp3.mp3", Format::Mp3, "mp3", 2, 0.98),
        ("vorbis.ogg", Format::OggVorbis, "vorbis", 0, 0.98),
        ("opus.ogg", Format::OggOpus, "opus", 4, 0.90),
        ("aac.m4a", Format::M4a, "aac", 0, 0.98),
    ];
    let (truth, _) = decoded(&fixture("truth.wav"), 0);
    for (name, format, codec, most_lag, least_correlation) in expected {
        let path = fixture(name);
        let examined = examine(&path, &Limits::default()).unwrap();
        assert_eq!((examined.format, examined.codec, examined.channels.len()), (format, codec, 1), "{name}");
        let longer = examined.seconds() - 2.0;
        assert!((-0.001..0.17).contains(&longer), "{name}: {longer} s longer");
        let (lag, fit) = best_fit(&truth, &at_8_khz(decoded(&path, 0)));
        println!("{name}: {} Hz, {longer:+.3} s, lag {lag}, correlation {fit:.4}", examined.sample_rate_hz);
        assert!(lag.abs() <= most_lag && fit >= least_correlation - 1e-9, "{name}: lag {lag}, correlation {fit}");
        assert_eq!((examined.damaged_seconds, examined.same), (0.0, false), "{name}");
        assert!(!examined.speech().is_silence(), "{name}");
    }
}

#[test]
fn two_channels_stay_two_and_in_order_in_every_format() {
    let truth = [0, 1].map(|channel| decoded(&fixture("stereo.flac"), channel).0);
    for name in ["stereo.mp3", "stereo.ogg", "stereo.m4a"] {
        let examined = examine(&fixture(name), &Limits::default()).unwrap();
        assert_eq!((examined.channels.len(), examined.same), (2, false), "{name}");
        for (channel, truth) in truth.iter().enumerate() {
            let (lag, fit) = best_fit(truth, &at_8_khz(decoded(&fixture(name), channel)));
            assert!(lag.abs() <= 4 && fit > 0.9, "{name} {channel}: lag {lag}, correlation {fit}");
        }
    }
}

/// The truth as a WAV of another kind.
fn wav(tag: u16, bits: u16, data_bytes: Option<u32>, encode: impl Fn(i16) -> Vec<u8>) -> Vec<u8> {
    let truth = std::fs::read(fixture("truth.wav")).unwrap();
    let at = truth.windows(4).position(|window| window == b"data").unwrap() + 8;
    let samples: Vec<u8> = truth[at..].as_chunks::<2>().0.iter().flat_map(|sample| encode(i16::from_le_bytes(*sample))).collect();
    let mut bytes = b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0".to_vec();
    bytes.extend(tag.to_le_bytes());
    bytes.extend([1, 0, 0x40, 0x1F, 0, 0, 0, 0, 0, 0]);
    bytes.extend((bits / 8).to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend(data_bytes.unwrap_or_else(|| u32::try_from(samples.len()).unwrap()).to_le_bytes());
    bytes.extend(samples);
    bytes
}

#[test]
fn every_plain_wav_gives_the_very_samples_that_it_holds() {
    let (truth, _) = decoded(&fixture("truth.wav"), 0);
    type Encode = fn(i16) -> Vec<u8>;
    let kinds: [(u16, u16, Encode); 5] = [
        (1, 16, |sample| sample.to_le_bytes().to_vec()),
        (1, 24, |sample| [[7].as_slice(), &sample.to_le_bytes()].concat()),
        (1, 32, |sample| [[7, 9].as_slice(), &sample.to_le_bytes()].concat()),
        (3, 32, |sample| (f32::from(sample) / 32_768.0).to_le_bytes().to_vec()),
        (3, 64, |sample| (f64::from(sample) / 32_768.0).to_le_bytes().to_vec()),
    ];
    for (tag, bits, encode) in kinds {
        for size in [None, Some(0), Some(u32::MAX), Some(0x7FFF_F000)] {
            let (_directory, path) = written(&wav(tag, bits, size, encode));
            assert!(decoded(&path, 0).0 == truth, "{tag} {bits} {size:?}");
        }
    }
}

#[test]
fn what_cannot_be_decoded_is_told_by_name() {
    let told = |bytes: &[u8]| examined(bytes).unwrap_err().to_string();
    let of = |name: &str| std::fs::read(fixture(name)).unwrap();
    for (bytes, words) in [
        (b"<!doctype html><html>".to_vec(), "it is HTML, not audio"),
        (b"{\"error\":1}".to_vec(), "it is JSON, not audio"),
        (b"\x1A\x45\xDF\xA3webm....".to_vec(), "WebM or Matroska"),
        (vec![], "no audio"),
        (of("speex.ogg"), "codec is Speex"),
        (of("gsm.wav"), "codec is GSM 6.10"),
        (of("truth.wav")[..20].to_vec(), "was cut off"),
        (of("truth.wav")[..9000].to_vec(), "of 2.0 s"),
        (of("flac.flac")[..9000].to_vec(), "of 2.0 s"),
        (of("mp3.mp3")[..4000].to_vec(), "of 2."),
        (of("aac.m4a")[..4000].to_vec(), "was cut off"),
    ] {
        let told = told(&bytes);
        assert!(told.contains(words), "{told}, not {words}");
    }
}

#[test]
fn more_channels_or_hours_than_allowed_are_refused() {
    let refused = |name: &str, limits: &Limits| examine(&fixture(name), limits).unwrap_err();
    let one_channel = Limits { most_channels: 1, ..Limits::default() };
    assert!(matches!(refused("stereo.flac", &one_channel), SoundError::TooManyChannels { channels: 2, most: 1 }));
    for name in ["truth.wav", "opus.ogg"] {
        assert!(matches!(refused(name, &Limits { most_hours: 0.0001, ..Limits::default() }), SoundError::TooLong { .. }));
    }
}

/// A fixture with sixty bytes of its middle overwritten.
fn damaged_in_the_middle(name: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(fixture(name)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 60].fill(0x55);
    bytes
}

#[test]
fn a_damaged_middle_is_silence_and_what_follows_keeps_its_time() {
    let (truth, _) = decoded(&fixture("truth.wav"), 0);
    for name in ["flac.flac", "mp3.mp3", "aac.m4a"] {
        let (_directory, path) = written(&damaged_in_the_middle(name));
        let mut source = open(&path, &Limits::default()).unwrap();
        let (mut all, mut block) = (Vec::new(), Vec::new());
        while source.next(&mut block).unwrap() != Step::End {
            all.extend(block.iter().map(|sample| f64::from(*sample)));
        }
        let last_half_second = |samples: &[f64]| samples[12_000..16_000].to_vec();
        let (lag, fit) = best_fit(&last_half_second(&truth), &last_half_second(&all));
        println!(
            "{name}: {} samples, lag {lag}, correlation {fit:.4}, {:?}",
            all.len(),
            examine(&path, &Limits::default()).map(|e| e.damaged_seconds)
        );
        assert!(lag.abs() <= 2 && fit > 0.9, "{name}: lag {lag}, correlation {fit}");
    }
}

const ALL: [&str; 13] = [
    "truth.wav",
    "flac.flac",
    "adpcm_ms.wav",
    "adpcm_ima.wav",
    "mp3.mp3",
    "vorbis.ogg",
    "opus.ogg",
    "aac.m4a",
    "stereo.mp3",
    "stereo.ogg",
    "stereo.m4a",
    "gsm.wav",
    "speex.ogg",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_make_the_look_panic(
        which in 0..ALL.len(),
        cut in 0.0_f64..1.2,
        flips in proptest::collection::vec((0.0_f64..1.0, any::<u8>()), 0..12),
        in_header in any::<bool>(),
    ) {
        let mut bytes = std::fs::read(fixture(ALL[which])).unwrap();
        #[expect(clippy::as_conversions, reason = "a position within the file")]
        let at = |share: f64, length: usize| (share * length as f64) as usize;
        bytes.truncate(at(cut, bytes.len()));
        for (place, value) in flips {
            let reach = if in_header { bytes.len().min(300) } else { bytes.len() };
            if let Some(byte) = bytes.get_mut(at(place, reach)) {
                *byte = value;
            }
        }
        let looked = examined(&bytes);
        prop_assert!(!matches!(looked, Err(SoundError::Internal { .. } | SoundError::Io { .. })), "{:?}", looked);
    }
}
