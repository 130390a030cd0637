//! What WAV headers look like in the wild, and what must never happen.

use proptest::prelude::*;

use super::*;

/// A WAV file with `chunks` before its samples and `declared` as the size of them.
fn file(format: &[u8], chunks: &[(&[u8; 4], &[u8])], declared: u32, audio: &[u8]) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WAVE".to_vec();
    let mut add = |id: &[u8; 4], size: u32, content: &[u8]| {
        bytes.extend_from_slice(id);
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(content);
        if content.len() % 2 == 1 && id != b"data" {
            bytes.push(0);
        }
    };
    add(b"fmt ", u32::try_from(format.len()).unwrap(), format);
    for (id, content) in chunks {
        add(id, u32::try_from(content.len()).unwrap(), content);
    }
    add(b"data", declared, audio);
    bytes
}

fn format(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let block = channels * (bits / 8);
    let mut chunk = Vec::new();
    chunk.extend_from_slice(&tag.to_le_bytes());
    chunk.extend_from_slice(&channels.to_le_bytes());
    chunk.extend_from_slice(&rate.to_le_bytes());
    chunk.extend_from_slice(&(rate * u32::from(block)).to_le_bytes());
    chunk.extend_from_slice(&block.to_le_bytes());
    chunk.extend_from_slice(&bits.to_le_bytes());
    chunk
}

fn extensible(sub_format: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let mut chunk = format(TAG_EXTENSIBLE, channels, rate, bits);
    chunk.extend_from_slice(&22_u16.to_le_bytes());
    chunk.extend_from_slice(&bits.to_le_bytes());
    chunk.extend_from_slice(&3_u32.to_le_bytes());
    chunk.extend_from_slice(&sub_format.to_le_bytes());
    chunk.extend_from_slice(&SUB_FORMAT_TAIL);
    chunk
}

fn read(bytes: &[u8]) -> Result<Wav, WavError> {
    let mut reader = WavReader::new();
    reader.push(bytes)?;
    reader.finish()
}

#[test]
fn the_plain_header_of_a_telephone_call_is_read() {
    let wav = read(&file(&format(TAG_MULAW, 2, 8000, 8), &[], 16_000, &[0xFF; 16_000])).unwrap();
    assert_eq!(wav, Wav { codec: Codec::MuLaw, sample_rate_hz: 8000, channels: 2, bits: 8, data_offset: 44, data_bytes: Some(16_000) });
    assert_eq!(wav.duration_of(16_000), Duration::from_secs(1));
    assert_eq!(wav.duration_of(1_001), Duration::from_micros(62_500), "half a sample is no sample");
}

#[test]
fn notes_before_the_samples_are_skipped_odd_sizes_included() {
    let fact = 1_u32.to_le_bytes();
    let bytes = file(&format(TAG_ALAW, 1, 8000, 8), &[(b"fact", &fact), (b"LIST", &[7; 33]), (b"JUNK", &[0; 5000])], 4, &[0; 4]);
    let wav = read(&bytes).unwrap();
    assert_eq!(wav.codec, Codec::ALaw);
    assert_eq!(wav.data_offset, u64::try_from(bytes.len()).unwrap() - 4);
}

#[test]
fn an_extensible_header_is_what_its_sub_format_says() {
    assert_eq!(read(&file(&extensible(TAG_PCM, 2, 16_000, 24), &[], 6, &[0; 6])).unwrap().codec, Codec::Pcm);
    assert_eq!(read(&file(&extensible(TAG_MULAW, 2, 8000, 8), &[], 6, &[0; 6])).unwrap().codec, Codec::MuLaw);
    assert_eq!(read(&file(&extensible(TAG_FLOAT, 2, 16_000, 32), &[], 8, &[0; 8])).unwrap().codec, Codec::Float);
    let adpcm = read(&file(&extensible(2, 2, 16_000, 4), &[], 6, &[0; 6]));
    assert_eq!(adpcm, Err(WavError::Unsupported { format_tag: 2, bits: 4 }));
}

#[test]
fn a_header_written_before_the_length_was_known_leaves_it_to_the_bytes() {
    for size in STREAMED_SIZES {
        let wav = read(&file(&format(TAG_PCM, 1, 8000, 16), &[], size, &[0; 800])).unwrap();
        assert_eq!(wav.data_bytes, None);
        assert_eq!(wav.audio_bytes_in(844), Ok(800));
        assert_eq!(wav.audio_bytes_in(44), Err(WavError::Empty));
    }
}

#[test]
fn fewer_bytes_than_promised_is_truncated_and_more_is_not() {
    let wav = read(&file(&format(TAG_PCM, 1, 8000, 16), &[], 800, &[0; 800])).unwrap();
    assert_eq!(wav.audio_bytes_in(843), Err(WavError::Truncated { got_bytes: 843, expected_bytes: 844 }));
    assert_eq!(wav.audio_bytes_in(844), Ok(800));
    assert_eq!(wav.audio_bytes_in(900), Ok(800), "a note after the samples is not sound");
}

#[test]
fn rf64_takes_its_size_from_ds64() {
    let mut bytes = b"RF64\xFF\xFF\xFF\xFFWAVEds64".to_vec();
    bytes.extend_from_slice(&28_u32.to_le_bytes());
    bytes.extend_from_slice(&0_u64.to_le_bytes());
    bytes.extend_from_slice(&5_000_000_000_u64.to_le_bytes());
    bytes.extend_from_slice(&[0; 12]);
    bytes.extend_from_slice(b"fmt ");
    bytes.extend_from_slice(&16_u32.to_le_bytes());
    bytes.extend_from_slice(&format(TAG_PCM, 2, 48_000, 16));
    bytes.extend_from_slice(b"data\xFF\xFF\xFF\xFF");
    assert_eq!(read(&bytes).unwrap().data_bytes, Some(5_000_000_000));
}

#[test]
fn what_is_not_a_wav_is_named() {
    let named = |bytes: &[u8]| match read(bytes) {
        Err(WavError::NotWav { found }) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(named(b"\n\n<!DOCTYPE html><html>"), "HTML");
    assert_eq!(named(b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>"), "XML");
    assert_eq!(named(b"\xEF\xBB\xBF{\"error\":{}}"), "JSON");
    assert_eq!(named(b"ID3\x04\0\0"), "MP3");
    assert_eq!(named(b"not found"), "text");
    assert_eq!(named(&[0; 4000]), "unknown bytes");
    assert_eq!(named(b"RIFF\0\0\0\0AVI LIST"), "another kind of RIFF");
}

#[test]
fn a_file_that_stops_in_its_header_is_truncated_and_nothing_at_all_is_empty() {
    let whole = file(&format(TAG_PCM, 1, 8000, 16), &[], 2, &[0; 2]);
    assert_eq!(read(&[]), Err(WavError::Empty));
    for length in 1..44 {
        assert!(matches!(read(&whole[..length]), Err(WavError::Truncated { .. })), "{length}");
    }
    assert!(read(&whole[..44]).is_ok());
}

#[test]
fn broken_headers_are_refused_by_name() {
    for (broken, why) in
        [(format(TAG_PCM, 0, 8000, 16), "channels"), (format(TAG_PCM, 1, 0, 16), "sample rate"), (vec![1, 0, 1, 0], "too short")]
    {
        let text = read(&file(&broken, &[], 4, &[0; 4])).unwrap_err().to_string();
        assert!(text.contains(why), "{text}");
    }
    let endless = file(&format(TAG_PCM, 1, 8000, 16), &[(b"LIST", &vec![0; 1024 * 1024])], 4, &[0; 4]);
    assert!(matches!(read(&endless), Err(WavError::Malformed { .. })));
}

fn any_format() -> impl Strategy<Value = (u16, u16)> {
    prop_oneof![
        Just((TAG_PCM, 8)),
        Just((TAG_PCM, 16)),
        Just((TAG_PCM, 24)),
        Just((TAG_PCM, 32)),
        Just((TAG_ALAW, 8)),
        Just((TAG_MULAW, 8))
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), riff in any::<bool>()) {
        let mut input = if riff { b"RIFF\0\0\0\0WAVEfmt ".to_vec() } else { Vec::new() };
        input.extend_from_slice(&bytes);
        let _ = read(&input);
    }

    #[test]
    fn what_was_written_is_read_however_the_bytes_are_cut(
        (tag, bits) in any_format(),
        channels in 1_u16..=MOST_CHANNELS,
        rate in 1_u32..=192_000,
        wrapped in any::<bool>(),
        note in proptest::collection::vec(any::<u8>(), 0..200),
        declared in 1_u32..0x7FFF_0000,
        cut in 1_usize..70,
    ) {
        let header = if wrapped { extensible(tag, channels, rate, bits) } else { format(tag, channels, rate, bits) };
        let bytes = file(&header, &[(b"note", &note)], declared, &[]);
        let mut reader = WavReader::new();
        for piece in bytes.chunks(cut) {
            reader.push(piece).unwrap();
        }
        let wav = reader.finish().unwrap();
        prop_assert_eq!((wav.sample_rate_hz, wav.channels, wav.bits), (rate, channels, bits));
        prop_assert_eq!(wav.data_bytes, Some(u64::from(declared)));
        prop_assert_eq!(wav.data_offset, u64::try_from(bytes.len()).unwrap());
        prop_assert_eq!(wav, read(&bytes).unwrap());
    }
}
