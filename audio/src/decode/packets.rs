//! Recordings in containers of packets: MP3, Ogg, FLAC, MPEG-4, and WAV with compressed samples.
//!
//! What is lost in the middle becomes silence of the same length, so that everything after it keeps its time.

use std::{collections::VecDeque, fs::File, io::ErrorKind, path::Path};

use symphonia::core::{
    codecs::audio::{AudioCodecId, well_known},
    errors::Error,
    formats::{FormatOptions, FormatReader, Track, TrackType, probe::Hint},
    io::{MediaSourceStream, MediaSourceStreamOptions},
    meta::MetadataOptions,
    packet::Packet,
    units::TimeBase,
};

use super::{
    Decode, Spec, Step, mp4,
    voice::{Decoded, OPUS_CLOCK_HZ, Voice},
};
use crate::{Format, SoundError, kind::mp3_frame_bytes};

/// Errors in a row after which a file is given up: a container that has lost its place finds it sooner, or never.
const ERRORS_IN_A_ROW: u32 = 200;
/// A hole in the container's times shorter than this is rounding.
const LEAST_HOLE_SECONDS: f64 = 0.015;
/// A hole longer than this is a broken clock, not lost packets.
const LONGEST_HOLE_SECONDS: f64 = 600.0;

/// A recording of packets.
pub(super) struct Packets {
    reader: Box<dyn FormatReader>,
    voice: Voice,
    track: u32,
    clock: f64,
    spec: Spec,
    /// Samples per channel given away or owed so far.
    position: u64,
    /// Where the first packet that is heard stood, in seconds.
    origin: f64,
    /// Samples per channel that the encoder put before the beginning, still to be dropped.
    lead: u64,
    /// Silence still to be given for what was lost.
    owed: u64,
    errors_in_a_row: u32,
    what_failed: String,
    /// What was decoded to learn the rate and the channels.
    held: VecDeque<(Vec<i16>, Step)>,
}

impl Packets {
    pub(super) fn open(path: &Path, format: Format, start: &[u8]) -> Result<Self, SoundError> {
        let file = File::open(path).map_err(|error| SoundError::io(path, error))?;
        let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
        // a seek index would grow with the file, and nobody seeks
        let mut options = FormatOptions::default();
        options.seek_index_fill_period_ms = u16::MAX;
        let reader = symphonia::default::get_probe()
            .probe(&Hint::new(), stream, options, MetadataOptions::default())
            .map_err(|error| unopened(format, &error))?;
        let track = reader.default_track(TrackType::Audio).ok_or(SoundError::Empty)?;
        let params = track.codec_params.as_ref().and_then(|params| params.audio());
        let params = params.ok_or_else(|| SoundError::Unsupported { codec: format!("unknown, in {}", format.extension()) })?;
        let codec = name_of(params.codec).ok_or_else(|| SoundError::Unsupported { codec: params.codec.to_string() })?;
        let trims_itself = !matches!(format, Format::M4a);
        let voice = Voice::new(params, trims_itself)?;
        let delay = u64::from(track.delay.unwrap_or(0));
        let lead = match format {
            Format::M4a => mp4::samples_before_beginning(path),
            // known to symphonia, which leaves it to whoever decodes
            Format::OggOpus => delay * u64::from(voice.rate().unwrap_or(OPUS_CLOCK_HZ)) / u64::from(OPUS_CLOCK_HZ),
            Format::Wav | Format::Mp3 | Format::OggVorbis | Format::Flac => 0,
        };
        let promised = promise(track, format, start).map(|samples| samples.saturating_sub(lead));
        let spec = Spec { format, codec, sample_rate_hz: params.sample_rate.unwrap_or(0), channels: 0, promised };
        let clock = track.time_base.map_or_else(|| 1.0 / f64::from(spec.sample_rate_hz.max(1)), TimeBase::into);
        let (track, held) = (track.id, VecDeque::new());
        let mut opened = Self {
            reader,
            voice,
            track,
            clock,
            spec,
            position: 0,
            origin: 0.0,
            lead,
            owed: 0,
            errors_in_a_row: 0,
            what_failed: String::new(),
            held,
        };
        opened.learn()?;
        Ok(opened)
    }

    /// Decodes the first packet that can be decoded: only then are the rate and the channels known for sure.
    fn learn(&mut self) -> Result<(), SoundError> {
        while self.spec.channels == 0 {
            let mut out = Vec::new();
            let step = self.take_packet(&mut out)?;
            if step == Step::End {
                return Err(if self.what_failed.is_empty() { SoundError::Empty } else { self.damaged() });
            }
            self.held.push_back((out, step));
        }
        Ok(())
    }

    /// The next packet of our track; `None` at the end.
    fn packet(&mut self) -> Result<Option<Packet>, SoundError> {
        loop {
            match self.reader.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => return Ok(Some(packet)),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(Error::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
                Err(Error::ResetRequired) => return Err(SoundError::Unsupported { codec: "several recordings in one file".to_owned() }),
                Err(error) => self.fail(&error.to_string())?,
            }
        }
    }

    /// Counts an error, and gives up after too many.
    fn fail(&mut self, what: &str) -> Result<(), SoundError> {
        what.clone_into(&mut self.what_failed);
        self.errors_in_a_row += 1;
        if self.errors_in_a_row > ERRORS_IN_A_ROW { Err(self.damaged()) } else { Ok(()) }
    }

    fn damaged(&self) -> SoundError {
        SoundError::Damaged { second: self.seconds(self.position), what: self.what_failed.clone() }
    }

    /// Decodes one packet into `out`, or notes that silence is owed for it.
    fn take_packet(&mut self, out: &mut Vec<i16>) -> Result<Step, SoundError> {
        let Some(packet) = self.packet()? else { return Ok(Step::End) };
        self.owe_for_hole(&packet)?;
        match self.voice.decode(&packet, out) {
            Ok(decoded) => {
                self.hold_to(&decoded)?;
                if !decoded.is_trimmed {
                    self.trim(&packet, out);
                }
                self.drop_lead(out);
                self.errors_in_a_row = 0;
                self.position += self.samples_in(out);
                Ok(Step::Sound)
            }
            Err(what) => {
                self.fail(&what)?;
                let lost = self.to_samples(self.clock * float(packet.dur.get()));
                self.owed += lost;
                self.position += lost;
                Ok(Step::Sound)
            }
        }
    }

    /// The rate and the channels are what the first packet had; nobody's telephone changes them on the way.
    fn hold_to(&mut self, decoded: &Decoded) -> Result<(), SoundError> {
        let channels = u16::try_from(decoded.channels).unwrap_or(u16::MAX);
        if self.spec.channels == 0 {
            (self.spec.channels, self.spec.sample_rate_hz) = (channels.max(1), decoded.sample_rate_hz);
        }
        if (channels, decoded.sample_rate_hz) == (self.spec.channels, self.spec.sample_rate_hz) {
            return Ok(());
        }
        "its sample rate or its channels change on the way".clone_into(&mut self.what_failed);
        Err(self.damaged())
    }

    /// Notes the silence that stands for packets which the container lost.
    fn owe_for_hole(&mut self, packet: &Packet) -> Result<(), SoundError> {
        let begins = self.clock * (signed_float(packet.pts.get()) + float(packet.trim_start.get()));
        if self.position == 0 {
            // packets that lie before the beginning are trimmed away whole
            self.origin = begins;
        }
        let hole = begins - self.origin - self.seconds(self.position);
        if hole < LEAST_HOLE_SECONDS {
            return Ok(());
        }
        "packets are missing".clone_into(&mut self.what_failed);
        if hole > LONGEST_HOLE_SECONDS {
            return Err(self.damaged());
        }
        let lost = self.to_samples(hole);
        self.owed += lost;
        self.position += lost;
        Ok(())
    }

    /// Drops what the container says lies before the beginning and after the end.
    fn trim(&self, packet: &Packet, out: &mut Vec<i16>) {
        let channels = usize::from(self.spec.channels);
        let clock_hz = if self.spec.format == Format::OggOpus { OPUS_CLOCK_HZ } else { self.spec.sample_rate_hz };
        let scaled = |ticks: u64| {
            let samples = ticks.saturating_mul(self.spec.sample_rate_hz.into()) / u64::from(clock_hz.max(1));
            usize::try_from(samples).unwrap_or(usize::MAX).saturating_mul(channels)
        };
        out.truncate(out.len().saturating_sub(scaled(packet.trim_end.get())));
        out.drain(..scaled(packet.trim_start.get()).min(out.len()));
    }

    fn drop_lead(&mut self, out: &mut Vec<i16>) {
        let dropped = self.lead.min(self.samples_in(out));
        self.lead -= dropped;
        let values = usize::try_from(dropped).unwrap_or(usize::MAX).saturating_mul(usize::from(self.spec.channels));
        out.drain(..values.min(out.len()));
    }

    fn samples_in(&self, out: &[i16]) -> u64 {
        u64::try_from(out.len() / usize::from(self.spec.channels.max(1))).unwrap_or(0)
    }

    fn seconds(&self, samples: u64) -> f64 {
        float(samples) / f64::from(self.spec.sample_rate_hz.max(1))
    }

    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float becomes the nearest integer"
    )]
    fn to_samples(&self, seconds: f64) -> u64 {
        (seconds.clamp(0.0, LONGEST_HOLE_SECONDS) * f64::from(self.spec.sample_rate_hz)).round() as u64
    }

    /// A second of the silence owed, or what is left of it.
    fn pay(&mut self, out: &mut Vec<i16>) -> Step {
        let now = self.owed.min(self.spec.sample_rate_hz.into());
        self.owed -= now;
        out.clear();
        out.resize(usize::try_from(now).unwrap_or(0).saturating_mul(self.spec.channels.into()), 0);
        Step::Damage(now)
    }
}

impl Decode for Packets {
    fn spec(&self) -> Spec {
        self.spec
    }

    fn next(&mut self, out: &mut Vec<i16>) -> Result<Step, SoundError> {
        // what was lost came before what is held
        if self.owed > 0 {
            return Ok(self.pay(out));
        }
        if let Some((samples, step)) = self.held.pop_front() {
            *out = samples;
            return Ok(step);
        }
        let step = self.take_packet(out)?;
        if self.owed == 0 {
            return Ok(step);
        }
        self.held.push_back((std::mem::take(out), step));
        Ok(self.pay(out))
    }
}

/// Samples that the container promises; only of those whose promise was not made from the file's own end.
fn promise(track: &Track, format: Format, start: &[u8]) -> Option<u64> {
    match format {
        Format::Flac | Format::M4a => track.num_frames,
        Format::Mp3 if has_table_of_contents(start) => track.num_frames,
        Format::Mp3 | Format::Wav | Format::OggVorbis | Format::OggOpus => None,
    }
}

/// Whether the first frame of an MP3 counts the others; without that symphonia's number is a guess from the file's size.
fn has_table_of_contents(start: &[u8]) -> bool {
    let frame = (0..start.len()).find_map(|at| {
        let rest = start.get(at..)?;
        let length = mp3_frame_bytes(rest)?;
        rest.get(..length.min(200).min(rest.len()))
    });
    let frame = frame.unwrap_or_default();
    [b"Xing".as_slice(), b"Info", b"VBRI"].iter().any(|mark| frame.windows(mark.len()).any(|window| window == *mark))
}

fn unopened(format: Format, error: &Error) -> SoundError {
    match error {
        Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => SoundError::CutOff,
        // the index of an MPEG-4 file may stand at its end, and is the first thing to be lost
        Error::DecodeError(_) | Error::Unsupported("isomp4: missing moov atom") if format == Format::M4a => SoundError::CutOff,
        Error::Unsupported(what) => SoundError::Unsupported { codec: format!("unknown ({what})") },
        other => SoundError::Damaged { second: 0.0, what: other.to_string() },
    }
}

/// The word of `call_recordings.codec` for a codec that we decode.
fn name_of(codec: AudioCodecId) -> Option<&'static str> {
    let names = [
        (well_known::CODEC_ID_MP3, "mp3"),
        (well_known::CODEC_ID_VORBIS, "vorbis"),
        (well_known::CODEC_ID_OPUS, "opus"),
        (well_known::CODEC_ID_FLAC, "flac"),
        (well_known::CODEC_ID_AAC, "aac"),
        (well_known::CODEC_ID_ADPCM_MS, "adpcm_ms"),
        (well_known::CODEC_ID_ADPCM_IMA_WAV, "adpcm_ima"),
    ];
    names.into_iter().find(|(known, _)| *known == codec).map(|(_, name)| name)
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts of samples, far below 2^52")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts of ticks, far below 2^52")]
const fn signed_float(count: i64) -> f64 {
    count as f64
}
