//! What passes as a recording, under which name, and what does not.

use callscribe::domain::{Leg, RecordingId, SessionId};

use super::*;

fn offer() -> RecordingOffer {
    RecordingOffer {
        session_id: SessionId::parse("s").unwrap(),
        recording_id: RecordingId::parse("r").unwrap(),
        leg: Leg::Main,
        segment: false,
        channels: [None, None],
        started_at: None,
        stopped_at: None,
        link: "https://example.test/secret".to_owned(),
    }
}

/// What is told of a file whose bytes come so many at a time.
fn described(bytes: &[u8], at_once: usize) -> Result<Described, WavError> {
    let mut content = Content::default();
    let mut told = None;
    for piece in bytes.chunks(at_once) {
        let now = content.look(piece)?;
        assert!(told.is_none() || now == told, "it became something else");
        told = now;
    }
    let described = content.describe(&offer())?;
    assert!(told.is_none_or(|format| format == described.format));
    Ok(described)
}

#[test]
fn every_format_is_recognised_however_its_bytes_are_cut() {
    type Told = (Format, &'static str, Option<u32>, Option<u16>);
    let files: [(&[u8], Told); 7] = [
        (include_bytes!("../../../audio/fixtures/truth.wav"), (Format::Wav, "pcm", Some(8000), Some(1))),
        (include_bytes!("../../../audio/fixtures/stereo.mp3"), (Format::Mp3, "mp3", Some(8000), Some(2))),
        (include_bytes!("../../../audio/fixtures/vorbis.ogg"), (Format::OggVorbis, "vorbis", Some(8000), Some(1))),
        (include_bytes!("../../../audio/fixtures/opus.ogg"), (Format::OggOpus, "opus", Some(8000), Some(1))),
        (include_bytes!("../../../audio/fixtures/stereo.flac"), (Format::Flac, "flac", Some(8000), Some(2))),
        (include_bytes!("../../../audio/fixtures/aac.m4a"), (Format::M4a, "aac", None, None)),
        (include_bytes!("../../../audio/fixtures/speex.ogg"), (Format::Wav, "", None, None)),
    ];
    for (bytes, (format, codec, rate, channels)) in files {
        for at_once in [1, 7, 1000, 100_000] {
            match described(bytes, at_once) {
                Ok(told) => {
                    let expected = (format, Some(codec), rate, channels);
                    assert_eq!((told.format, told.codec, told.sample_rate_hz, told.channels), expected);
                }
                Err(error) => assert_eq!((error, codec), (WavError::NotWav { found: "Speex" }, "")),
            }
        }
    }
}

#[test]
fn a_page_of_text_is_refused_by_name() {
    for (bytes, name) in [
        ("<!doctype html><html>sorry</html>", "HTML"),
        ("<?xml version=\"1.0\"?><Error/>", "XML"),
        ("{\"error\":\"gone\"}", "JSON"),
        ("not found", "text"),
    ] {
        for at_once in [1, 100] {
            assert_eq!(described(bytes.as_bytes(), at_once), Err(WavError::NotWav { found: name }));
            let long = bytes.repeat(1000);
            let mut content = Content::default();
            assert!(long.as_bytes().chunks(at_once).any(|piece| content.look(piece).is_err()), "{name}: before its end");
        }
    }
}

#[test]
fn nothing_is_empty_and_a_part_of_a_header_is_cut_off() {
    assert_eq!(described(b"", 1), Err(WavError::Empty));
    let wav = include_bytes!("../../../audio/fixtures/truth.wav");
    for length in [3, 8, 11, 12, 30, 40] {
        assert!(matches!(described(&wav[..length], 5), Err(WavError::Truncated { .. })), "{length}");
    }
    assert!(matches!(described(&wav[..9000], 500), Err(WavError::Truncated { .. })));
}
