//! The edit list of an MPEG-4 file: how many samples its encoder put before the beginning. Symphonia does not read it, and
//! without it all words come a tenth of a second late.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

/// Boxes looked at before we give up; real files have a few dozen.
const MOST_BOXES: u32 = 500;
/// More than this before the beginning is no encoder's lead: half a second at 48 kHz.
const LONGEST_LEAD: u32 = 24_000;

/// Samples before the beginning; 0 when the file does not say.
pub(super) fn samples_before_beginning(path: &Path) -> u64 {
    read(path).unwrap_or(None).filter(|lead| *lead <= LONGEST_LEAD).map_or(0, u64::from)
}

fn read(path: &Path) -> std::io::Result<Option<u32>> {
    let mut file = File::open(path)?;
    let mut end = file.metadata()?.len();
    let mut at = 0;
    for _ in 0..MOST_BOXES {
        if at + 8 > end {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(at))?;
        let mut header = [0_u8; 8];
        file.read_exact(&mut header)?;
        let [a, b, c, d, kind @ ..] = header;
        let (mut size, mut content) = (u64::from(u32::from_be_bytes([a, b, c, d])), at + 8);
        if size == 1 {
            let mut long = [0_u8; 8];
            file.read_exact(&mut long)?;
            (size, content) = (u64::from_be_bytes(long), content + 8);
        }
        let next = if size == 0 { end } else { at.saturating_add(size.max(8)) };
        match &kind {
            b"moov" | b"trak" | b"edts" => (at, end) = (content, next.min(end)),
            b"elst" => return first_edit(&mut file),
            _ => at = next,
        }
    }
    Ok(None)
}

/// Where the first edit that is no empty one begins, in the media's own time.
fn first_edit(file: &mut File) -> std::io::Result<Option<u32>> {
    let mut head = [0_u8; 8];
    file.read_exact(&mut head)?;
    let [version, .., count] = head;
    for _ in 0..count.min(8) {
        let media_time = if version == 1 {
            let mut edit = [0_u8; 20];
            file.read_exact(&mut edit)?;
            let [_, _, _, _, _, _, _, _, time @ .., _, _, _, _] = edit;
            u32::try_from(i64::from_be_bytes(time)).ok()
        } else {
            let mut edit = [0_u8; 12];
            file.read_exact(&mut edit)?;
            let [_, _, _, _, a, b, c, d, ..] = edit;
            u32::try_from(i32::from_be_bytes([a, b, c, d])).ok()
        };
        if media_time.is_some() {
            return Ok(media_time);
        }
    }
    Ok(None)
}
