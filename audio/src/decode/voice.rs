//! One decoder of packets, behind a wall: what it is given was written by strangers, and what it does must not end a worker.

use std::panic::{AssertUnwindSafe, catch_unwind};

use opus_rs::OpusDecoder;
use symphonia::core::{
    codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions, well_known::CODEC_ID_OPUS},
    packet::Packet,
};

use crate::{SoundError, samples::rounded_f32};

/// Longest packet of Opus, in milliseconds.
const LONGEST_OPUS_PACKET_MS: usize = 120;
/// The rate that Opus counts in, whatever it is decoded at.
pub(super) const OPUS_CLOCK_HZ: u32 = 48_000;

/// Whoever decodes.
pub(super) enum Voice {
    /// Symphonia, which is built anew from its parameters after a panic.
    Symphonia { decoder: Box<dyn AudioDecoder>, params: AudioCodecParameters, trims_itself: bool },
    /// Opus, likewise.
    Opus { decoder: Box<OpusDecoder>, rate: u32, channels: u16, floats: Vec<f32> },
}

/// What a packet became.
pub(super) struct Decoded {
    /// Whether the samples before the beginning and after the end are gone already.
    pub(super) is_trimmed: bool,
    /// As the decoder sees it, which may differ from the header.
    pub(super) channels: usize,
    /// Likewise.
    pub(super) sample_rate_hz: u32,
}

impl Voice {
    pub(super) fn new(params: &AudioCodecParameters, trims_itself: bool) -> Result<Self, SoundError> {
        if params.codec == CODEC_ID_OPUS {
            return Self::opus(params);
        }
        Ok(Self::Symphonia { decoder: symphonia_decoder(params)?, params: params.clone(), trims_itself })
    }

    fn opus(params: &AudioCodecParameters) -> Result<Self, SoundError> {
        let head = params.extra_data.as_deref().unwrap_or_default();
        let (channels, family) = (head.get(9).copied().unwrap_or(1), head.get(18).copied().unwrap_or(0));
        if family != 0 || !(1..=2).contains(&channels) {
            return Err(SoundError::Unsupported { codec: format!("Opus of {channels} channels") });
        }
        let recorded_at = head.get(12..16).and_then(|rate| rate.first_chunk()).map_or(0, |rate| u32::from_le_bytes(*rate));
        // telephony is decoded at its own rate: what lies above was never there
        let rate = if [8_000, 12_000, 16_000, 24_000].contains(&recorded_at) { recorded_at } else { OPUS_CLOCK_HZ };
        let channels = u16::from(channels);
        Ok(Self::Opus { decoder: opus_decoder(rate, channels)?, rate, channels, floats: Vec::new() })
    }

    /// The rate it decodes at, when it is our choice.
    pub(super) const fn rate(&self) -> Option<u32> {
        match self {
            Self::Symphonia { .. } => None,
            Self::Opus { rate, .. } => Some(*rate),
        }
    }

    /// Decodes one packet into `out`, interleaved. An error names what was wrong with it.
    pub(super) fn decode(&mut self, packet: &Packet, out: &mut Vec<i16>) -> Result<Decoded, String> {
        out.clear();
        let walled = catch_unwind(AssertUnwindSafe(|| self.decode_unguarded(packet, out)));
        walled.unwrap_or_else(|_| {
            out.clear();
            self.begin_anew();
            Err("the decoder failed within itself".to_owned())
        })
    }

    fn decode_unguarded(&mut self, packet: &Packet, out: &mut Vec<i16>) -> Result<Decoded, String> {
        match self {
            Self::Symphonia { decoder, trims_itself, .. } => {
                let sound = decoder.decode(packet).map_err(|error| error.to_string())?;
                let decoded =
                    Decoded { is_trimmed: *trims_itself, channels: sound.spec().channels().count(), sample_rate_hz: sound.spec().rate() };
                sound.copy_to_vec_interleaved(out);
                Ok(decoded)
            }
            Self::Opus { decoder, rate, channels, floats } => {
                let longest = usize::try_from(*rate / 1000).unwrap_or(48) * LONGEST_OPUS_PACKET_MS;
                let channels = usize::from(*channels);
                floats.resize(longest * channels, 0.0);
                let got = decoder.decode(&packet.data, longest, floats).map_err(str::to_owned)?;
                out.extend(floats.iter().take(got * channels).copied().map(rounded_f32));
                Ok(Decoded { is_trimmed: false, channels, sample_rate_hz: *rate })
            }
        }
    }

    /// Leaves no trace of what broke it.
    fn begin_anew(&mut self) {
        match self {
            Self::Symphonia { decoder, params, .. } => {
                if let Ok(fresh) = symphonia_decoder(params) {
                    *decoder = fresh;
                }
            }
            Self::Opus { decoder, rate, channels, .. } => {
                if let Ok(fresh) = opus_decoder(*rate, *channels) {
                    *decoder = fresh;
                }
            }
        }
    }
}

fn symphonia_decoder(params: &AudioCodecParameters) -> Result<Box<dyn AudioDecoder>, SoundError> {
    symphonia::default::get_codecs()
        .make_audio_decoder(params, &AudioDecoderOptions::default())
        .map_err(|error| SoundError::Unsupported { codec: format!("{} ({error})", params.codec) })
}

fn opus_decoder(rate: u32, channels: u16) -> Result<Box<OpusDecoder>, SoundError> {
    let rate = i32::try_from(rate).unwrap_or(48_000);
    OpusDecoder::new(rate, channels.into()).map(Box::new).map_err(|what| SoundError::Damaged { second: 0.0, what: what.to_owned() })
}
