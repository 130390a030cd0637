//! What is in the files that are cut.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::*;
use crate::{Asked, Channel, Cutting, Timeline, Trim, WavReader, examine, plan};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// All samples of all channels, and the rate.
fn samples(path: &Path) -> (Vec<i16>, u32) {
    let mut source = decode::open(path, &Limits::default()).unwrap();
    let (mut all, mut block) = (Vec::new(), Vec::new());
    while source.next(&mut block).unwrap() != Step::End {
        all.extend_from_slice(&block);
    }
    (all, source.spec().sample_rate_hz)
}

fn asked(form: Form, trim: Option<Trim>) -> Asked {
    Asked { max_seconds: None, max_bytes: None, form, trim, separate: true, cutting: Cutting::default() }
}

fn piece(channel: Channel, spans: &[(f64, f64)]) -> Piece {
    Piece {
        channel,
        spans: spans.iter().map(|(start, end)| Interval { start: *start, end: *end }).collect(),
        overlap_seconds: 0.0,
        trimmed_seconds: 0.0,
    }
}

/// A stereo file of µ-law that holds every byte there is, and what it decodes to.
fn mulaw(dir: &Path) -> PathBuf {
    let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x07\0\x02\0\x40\x1F\0\0\x80\x3E\0\0\x02\0\x08\0data\0\0\0\0".to_vec();
    bytes.extend((0..48_000_u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap()));
    let path = dir.join("call.wav");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn correlation(one: &[i16], other: &[i16], lag: usize) -> f64 {
    let pairs = || one.iter().zip(other.iter().skip(lag)).map(|(one, other)| (f64::from(*one), f64::from(*other)));
    let sum = |of: fn((f64, f64)) -> f64| pairs().map(of).sum::<f64>();
    sum(|(one, other)| one * other) / (sum(|(one, _)| one * one) * sum(|(_, other)| other * other)).sqrt()
}

#[test]
fn a_side_of_a_telephone_call_comes_through_sample_by_sample() {
    let directory = tempfile::tempdir().unwrap();
    let path = mulaw(directory.path());
    let examined = examine(&path, &Limits::default()).unwrap();
    let (whole, _) = samples(&path);
    let pieces =
        [piece(Channel::One(0), &[(0.0, 3.0)]), piece(Channel::One(1), &[(0.5, 1.0), (2.0, 2.5)]), piece(Channel::One(1), &[(0.75, 3.0)])];
    let files = cut(&path, &examined, &pieces, Form::Wav, directory.path()).unwrap();
    let side = |number: usize, from: usize, to: usize| whole[from * 2..to * 2].iter().skip(number).step_by(2).copied().collect::<Vec<_>>();
    let expected = [side(0, 0, 24_000), [side(1, 4_000, 8_000), side(1, 16_000, 20_000)].concat(), side(1, 6_000, 24_000)];
    for ((file, expected), piece) in files.iter().zip(&expected).zip(&pieces) {
        let bytes = std::fs::read(&file.path).unwrap();
        assert_eq!(samples(&file.path), (expected.clone(), 8000));
        assert_eq!(file.sha256, hex::encode(Sha256::digest(&bytes)));
        assert_eq!((file.bytes, file.seconds), (u64::try_from(bytes.len()).unwrap(), Timeline::of(piece).seconds()));
        let mut reader = WavReader::new();
        let header = reader.push(&bytes).unwrap().unwrap();
        assert_eq!((header.data_offset, header.data_bytes), (44, Some(file.bytes - 44)));
    }
    assert_eq!(cut(&path, &examined, &pieces, Form::Wav, directory.path()).unwrap(), files, "twice is the same");
}

#[test]
fn a_mix_is_the_mean_of_those_that_have_sound() {
    let directory = tempfile::tempdir().unwrap();
    let path = mulaw(directory.path());
    let mut examined = examine(&path, &Limits::default()).unwrap();
    let (whole, _) = samples(&path);
    let mixed = |examined: &Examined| {
        let files = cut(&path, examined, &[piece(Channel::Mixed, &[(0.0, 3.0)])], Form::Wav, directory.path()).unwrap();
        samples(&files[0].path).0
    };
    let mean = |pair: &[i16]| i16::try_from((i32::from(pair[0]) + i32::from(pair[1])) / 2).unwrap();
    assert_eq!(mixed(&examined), whole.chunks(2).map(mean).collect::<Vec<_>>());
    examined.channels[0].is_silent = true;
    assert_eq!(mixed(&examined), whole.iter().skip(1).step_by(2).copied().collect::<Vec<_>>());
}

#[test]
fn one_sound_on_two_channels_is_cut_from_the_louder() {
    let directory = tempfile::tempdir().unwrap();
    let path = mulaw(directory.path());
    let mut examined = examine(&path, &Limits::default()).unwrap();
    (examined.same, examined.channels[0].peak_dbfs) = (true, -30.0);
    let whole = samples(&path).0;
    for channel in [Channel::One(0), Channel::Mixed] {
        let files = cut(&path, &examined, &[piece(channel, &[(0.0, 3.0)])], Form::Wav, directory.path()).unwrap();
        assert_eq!(samples(&files[0].path).0, whole.iter().skip(1).step_by(2).copied().collect::<Vec<_>>());
    }
}

#[test]
fn what_is_resampled_keeps_its_length_its_time_and_its_sound() {
    let directory = tempfile::tempdir().unwrap();
    let (path, half) = (fixture("truth.wav"), [(0.0, 0.8), (1.0, 1.5)]);
    let examined = examine(&path, &Limits::default()).unwrap();
    let files = cut(&path, &examined, &[piece(Channel::One(0), &half)], Form::Wav16k, directory.path()).unwrap();
    let (made, rate) = samples(&files[0].path);
    assert_eq!((made.len(), rate, files[0].seconds), (20_800, 16_000, 1.3));
    let (whole, _) = samples(&path);
    let truth = [&whole[..6_400], &whole[8_000..12_000]].concat();
    let every_other: Vec<i16> = made.iter().step_by(2).copied().collect();
    let fit = correlation(&truth, &every_other, 0);
    assert!(fit > 0.995, "{fit}");
}

#[test]
fn opus_is_small_keeps_its_time_and_is_read_by_ourselves() {
    let directory = tempfile::tempdir().unwrap();
    for (name, rate) in [("truth.wav", 8_000), ("aac.m4a", 8_000)] {
        let examined = examine(&fixture(name), &Limits::default()).unwrap();
        let pieces = plan(&examined, &asked(Form::Opus, None));
        let files = cut(&fixture(name), &examined, &pieces, Form::Opus, directory.path()).unwrap();
        let again = examine(&files[0].path, &Limits::default()).unwrap();
        assert_eq!((again.codec, again.sample_rate_hz, again.samples), ("opus", rate, examined.samples), "{name}");
        let ((truth, _), (made, _)) = (samples(&fixture(name)), samples(&files[0].path));
        let fits: Vec<f64> = (0..20).map(|lag| correlation(&truth, &made, lag)).collect();
        let back: Vec<f64> = (0..20).map(|lag| correlation(&made, &truth, lag)).collect();
        let best = (0..20).max_by(|one, other| fits[*one].max(back[*one]).total_cmp(&fits[*other].max(back[*other]))).unwrap();
        println!("{name}: {} bytes, lag {best}, correlation {:.4}", files[0].bytes, fits[best].max(back[best]));
        assert!(best <= 1 && fits[0] > 0.9, "{name}: lag {best}, {fits:?} {back:?}");
        assert!(files[0].bytes < 9_000, "{} bytes for two seconds", files[0].bytes);
    }
}

#[test]
fn the_worst_sound_stays_within_the_bytes_that_are_planned_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = mulaw(directory.path());
    let mut bytes = std::fs::read(&path).unwrap();
    for (rate, seconds) in [(8_000_u32, 3.0), (16_000, 1.5)] {
        bytes[24..28].copy_from_slice(&rate.to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        let examined = examine(&path, &Limits::default()).unwrap();
        let noise = [piece(Channel::One(0), &[(0.0, seconds)])];
        let files = cut(&path, &examined, &noise, Form::Opus, directory.path()).unwrap();
        let per_second = float(files[0].bytes) / seconds;
        println!("noise at {rate} Hz: {per_second:.0} bytes per second");
        assert!(per_second <= Form::Opus.bytes_per_second(rate), "{per_second}");
    }
}

#[test]
fn what_is_muted_is_gone_on_its_channel_and_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = mulaw(directory.path());
    let examined = examine(&path, &Limits::default()).unwrap();
    let muted = [Vec::new(), vec![Interval { start: 1.000_01, end: 1.249_99 }, Interval { start: 2.9, end: 99.0 }]];
    let copy = mute(&path, &examined, &muted, &directory.path().join("muted.wav")).unwrap();
    let (before, after) = (samples(&path).0, samples(&copy.path).0);
    assert_eq!(before.len(), after.len());
    for (at, (before, after)) in before.iter().zip(&after).enumerate() {
        let is_muted = at % 2 == 1 && ((8_000..10_000).contains(&(at / 2)) || at / 2 >= 23_200);
        assert_eq!(*after, if is_muted { 0 } else { *before }, "sample {at}");
    }
}

#[test]
fn every_format_is_cut_as_it_was_examined() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["mp3.mp3", "vorbis.ogg", "opus.ogg", "stereo.ogg", "flac.flac", "stereo.m4a", "adpcm_ms.wav"] {
        let examined = examine(&fixture(name), &Limits::default()).unwrap();
        for form in [Form::Wav, Form::Wav16k, Form::Opus] {
            let pieces = plan(&examined, &asked(form, Some(Trim { longest_pause_seconds: 0.2, kept_seconds: 0.05 })));
            let files = cut(&fixture(name), &examined, &pieces, form, directory.path()).unwrap();
            for (file, piece) in files.iter().zip(&pieces) {
                assert!((file.seconds - Timeline::of(piece).seconds()).abs() < 0.001, "{name} {form:?}");
                let again = examine(&file.path, &Limits::default()).unwrap();
                assert!((again.seconds() - Timeline::of(piece).seconds()).abs() < 0.001, "{name} {form:?}: {} s", again.seconds());
            }
        }
    }
}

#[test]
fn another_file_than_the_one_examined_is_not_cut() {
    let directory = tempfile::tempdir().unwrap();
    let examined = examine(&fixture("truth.wav"), &Limits::default()).unwrap();
    let whole = [piece(Channel::One(0), &[(0.0, 2.0)])];
    let changed = |name: &str| cut(&fixture(name), &examined, &whole, Form::Wav, directory.path());
    assert!(matches!(changed("stereo.flac"), Err(SoundError::Changed { .. })));
    assert!(matches!(changed("adpcm_ms.wav"), Err(SoundError::Changed { .. })));
}
