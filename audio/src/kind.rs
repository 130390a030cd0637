//! What kind of file some bytes begin, told by themselves: never by a name or a content type.

use crate::sniff::name_of;

/// Bytes wanted before a file is given a name: an Ogg page header with its first packet, two MP3 frames, a page of HTML that
/// begins with a comment.
pub const RECOGNISED_WITHIN_BYTES: usize = 4096;

/// A container we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// RIFF, RF64 and BW64.
    Wav,
    /// MPEG layer III.
    Mp3,
    /// Ogg with Vorbis in it.
    OggVorbis,
    /// Ogg with Opus in it.
    OggOpus,
    /// FLAC, not in Ogg.
    Flac,
    /// MPEG-4 with audio in it.
    M4a,
}

impl Format {
    /// The extension of its files, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
            Self::OggVorbis | Self::OggOpus => "ogg",
            Self::Flac => "flac",
            Self::M4a => "m4a",
        }
    }

    /// Its content type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Mp3 => "audio/mpeg",
            Self::OggVorbis | Self::OggOpus => "audio/ogg",
            Self::Flac => "audio/flac",
            Self::M4a => "audio/mp4",
        }
    }

    /// The codec in it, as `call_recordings.codec` names it; `None` when the container alone does not tell.
    #[must_use]
    pub const fn codec(self) -> Option<&'static str> {
        match self {
            Self::Wav => None,
            Self::Mp3 => Some("mp3"),
            Self::OggVorbis => Some("vorbis"),
            Self::OggOpus => Some("opus"),
            Self::Flac => Some("flac"),
            Self::M4a => Some("aac"),
        }
    }
}

/// What the start of a file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognised {
    /// One of ours.
    Sound(Format),
    /// Audio in a container or codec that we do not read, by name.
    Foreign(&'static str),
    /// Something else, or nothing that we know; what it looks like.
    NotSound(&'static str),
}

/// What a file is that begins with `start`: as much of it as there is, up to [`RECOGNISED_WITHIN_BYTES`].
#[must_use]
pub fn recognise(start: &[u8]) -> Recognised {
    match start.get(..4) {
        Some(b"RIFF" | b"RF64" | b"BW64") if start.get(8..12) == Some(b"WAVE") => Recognised::Sound(Format::Wav),
        Some(b"OggS") => ogg(start),
        Some(b"fLaC") => Recognised::Sound(Format::Flac),
        Some(_) if start.get(4..8) == Some(b"ftyp") => Recognised::Sound(Format::M4a),
        Some(_) if start.starts_with(b"ID3") => Recognised::Sound(Format::Mp3),
        Some([b'#', b'!', b'A', b'M']) => Recognised::Foreign("AMR"),
        Some([0x1A, 0x45, 0xDF, 0xA3]) => Recognised::Foreign("WebM or Matroska"),
        Some(b"caff") => Recognised::Foreign("CAF"),
        Some(b"FORM") => Recognised::Foreign("AIFF"),
        Some([0x30, 0x26, 0xB2, 0x75]) => Recognised::Foreign("Windows Media Audio"),
        Some([b'.', b's', b'n', b'd']) => Recognised::Foreign("Sun audio"),
        Some([0xFF, second, ..]) if second & 0xF6 == 0xF0 => Recognised::Foreign("AAC without a container"),
        Some(_) if is_mp3(start) => Recognised::Sound(Format::Mp3),
        Some(_) | None => Recognised::NotSound(name_of(start)),
    }
}

/// By the first packet of the first page.
fn ogg(start: &[u8]) -> Recognised {
    let segments = start.get(26).copied().map_or(0, usize::from);
    let packet = start.get(27 + segments..).unwrap_or_default();
    let codecs: [(&[u8], Recognised); 5] = [
        (b"\x01vorbis", Recognised::Sound(Format::OggVorbis)),
        (b"OpusHead", Recognised::Sound(Format::OggOpus)),
        (b"Speex   ", Recognised::Foreign("Speex")),
        (b"\x7FFLAC", Recognised::Foreign("FLAC in Ogg")),
        (b"\x80theora", Recognised::Foreign("video (Theora)")),
    ];
    codecs
        .into_iter()
        .find(|(magic, _)| packet.starts_with(magic))
        .map_or(Recognised::Foreign("an unknown codec in Ogg"), |(_, found)| found)
}

/// Whether an MPEG layer III frame begins here, and another one where it ends, if that is among the bytes.
fn is_mp3(start: &[u8]) -> bool {
    let Some(length) = mp3_frame_bytes(start) else { return false };
    start.get(length..).is_none_or(|next| next.len() < 4 || mp3_frame_bytes(next).is_some())
}

/// Length of the layer III frame whose header is first in `bytes`.
pub(crate) fn mp3_frame_bytes(bytes: &[u8]) -> Option<usize> {
    const KBIT_V1: [u32; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const KBIT_V2: [u32; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let [0xFF, second, third, _] = *bytes.first_chunk::<4>()? else { return None };
    if second & 0xE6 != 0xE2 {
        return None;
    }
    let (is_v1, halvings) = match second & 0x18 {
        0x18 => (true, 0),
        0x10 => (false, 1),
        0x00 => (false, 2),
        _ => return None,
    };
    let index = usize::from(third >> 4).checked_sub(1)?;
    let table = if is_v1 { KBIT_V1 } else { KBIT_V2 };
    let kbit = table.get(index)?;
    let rate = [44_100_u32, 48_000, 32_000].get(usize::from((third >> 2) & 3))? >> halvings;
    let samples_by_8 = if is_v1 { 144_000 } else { 72_000 };
    usize::try_from(samples_by_8 * kbit / rate + u32::from((third >> 1) & 1)).ok()
}

/// What a WAV's format tag stands for, of those that recorders write and we do not read.
pub(crate) fn name_of_tag(tag: u16) -> Option<&'static str> {
    let names: [(u16, &'static str); 14] = [
        (0x0002, "Microsoft ADPCM"),
        (0x0010, "OKI ADPCM"),
        (0x0011, "IMA ADPCM"),
        (0x0017, "Dialogic OKI ADPCM"),
        (0x0022, "TrueSpeech"),
        (0x0031, "GSM 6.10"),
        (0x0040, "G.721 ADPCM"),
        (0x0042, "G.723.1"),
        (0x0045, "G.726 ADPCM"),
        (0x0050, "MPEG layer II in WAV"),
        (0x0055, "MP3 in WAV"),
        (0x0064, "G.726 ADPCM"),
        (0x0065, "G.722"),
        (0x0083, "G.729"),
    ];
    names.into_iter().find(|(known, _)| *known == tag).map(|(_, name)| name)
}
