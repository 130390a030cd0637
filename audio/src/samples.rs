//! Samples as WAV files write them, made 16-bit linear.

use crate::{
    Codec, Wav,
    g711::{alaw, mulaw},
};

/// Appends whole samples, of all channels, as 16-bit linear values.
pub(crate) fn linear(wav: &Wav, bytes: &[u8], out: &mut Vec<i16>) {
    match (wav.codec, wav.bits) {
        (Codec::MuLaw, _) => extend(bytes, out, |[byte]: [u8; 1]| mulaw(byte)),
        (Codec::ALaw, _) => extend(bytes, out, |[byte]: [u8; 1]| alaw(byte)),
        (Codec::Float, 64) => extend(bytes, out, |value| rounded(f64::from_le_bytes(value))),
        (Codec::Float, _) => extend(bytes, out, |value| rounded(f64::from(f32::from_le_bytes(value)))),
        (Codec::Pcm, 8) => extend(bytes, out, |[byte]: [u8; 1]| i16::from_le_bytes([0, byte ^ 0x80])),
        (Codec::Pcm, 24) => extend(bytes, out, |[_, low, high]: [u8; 3]| i16::from_le_bytes([low, high])),
        (Codec::Pcm, 32) => extend(bytes, out, |[_, _, low, high]: [u8; 4]| i16::from_le_bytes([low, high])),
        (Codec::Pcm, _) => extend(bytes, out, i16::from_le_bytes),
    }
}

fn extend<const N: usize>(bytes: &[u8], out: &mut Vec<i16>, decode: impl Fn([u8; N]) -> i16) {
    let (samples, _) = bytes.as_chunks::<N>();
    out.extend(samples.iter().map(|sample| decode(*sample)));
}

/// The nearest 16-bit value of a sample between -1 and 1; what is no number is silence.
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "clamped to the range just before; NaN becomes 0")]
pub(crate) fn rounded(sample: f64) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}

/// The same of the single precision that decoders work in.
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "clamped to the range just before; NaN becomes 0")]
pub(crate) fn rounded_f32(sample: f32) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}
