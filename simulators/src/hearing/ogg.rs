//! Opus in Ogg, as far as it can be heard without decoding: how long it is.

/// Opus counts samples at this rate, whatever it was made of.
const OPUS_RATE: f64 = 48_000.0;
/// The fixed part of a page's head.
const HEAD: usize = 27;

/// An Ogg stream being read, page by page.
#[derive(Debug, Default)]
pub(crate) struct Ogg {
    pending: Vec<u8>,
    is_opus: bool,
    pre_skip: u32,
    /// The position of the last page that had one.
    position: u32,
}

impl Ogg {
    /// Whether a file that begins so is one.
    pub(crate) fn is(start: &[u8]) -> bool {
        start.starts_with(b"OggS")
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        while let Some(length) = self.page() {
            self.pending.drain(..length);
        }
    }

    /// Reads the page that begins here, if all of it is there, and tells its length.
    fn page(&mut self) -> Option<usize> {
        let head = self.pending.get(..HEAD)?;
        let lacing = usize::from(*head.get(26)?);
        let table = self.pending.get(HEAD..HEAD + lacing)?;
        let body: usize = table.iter().map(|length| usize::from(*length)).sum();
        let length = HEAD + lacing + body;
        let payload = self.pending.get(HEAD + lacing..length)?;
        if payload.starts_with(b"OpusHead") {
            self.is_opus = true;
            self.pre_skip = payload.get(10..12)?.try_into().map(u16::from_le_bytes).map_or(0, u32::from);
        }
        // −1: no packet ends on this page; beyond 32 bits lies more than a day
        let position = self.pending.get(6..14)?.try_into().map_or(-1, i64::from_le_bytes);
        self.position = u32::try_from(position).unwrap_or(self.position);
        Some(length)
    }

    /// Seconds of audio; nothing when it is no Opus.
    pub(crate) fn seconds(&self) -> Option<f64> {
        self.is_opus.then(|| f64::from(self.position.saturating_sub(self.pre_skip)) / OPUS_RATE)
    }
}

#[cfg(test)]
mod tests {
    use super::Ogg;

    fn page(position: i64, payload: &[u8]) -> Vec<u8> {
        let mut page = b"OggS\0\0".to_vec();
        page.extend(position.to_le_bytes());
        page.extend([0; 12]);
        page.extend([1, u8::try_from(payload.len()).unwrap()]);
        page.extend(payload);
        page
    }

    #[test]
    fn the_last_position_tells_the_length_however_the_bytes_come() {
        let head = [b"OpusHead\x01\x01".as_slice(), &312_u16.to_le_bytes(), &[0; 7]].concat();
        let file = [page(0, &head), page(-1, b"x"), page(48_312, b"y"), page(96_312, b"z")].concat();
        for piece in [1, 7, file.len()] {
            let mut ogg = Ogg::default();
            file.chunks(piece).for_each(|bytes| ogg.take(bytes));
            assert_eq!(ogg.seconds(), Some(2.0));
        }
        let mut vorbis = Ogg::default();
        vorbis.take(&page(0, b"\x01vorbis"));
        assert_eq!(vorbis.seconds(), None);
    }
}
