//! A name for bytes that are not what they should be, so that an error says more than "not audio".

/// What `start` looks like, for people.
pub(super) fn name_of(start: &[u8]) -> &'static str {
    let without_mark = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start);
    let text = without_mark.trim_ascii_start();
    let begins = |word: &[u8]| text.get(..word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word));
    let signatures: [(&[u8], &'static str); 10] = [
        (b"RIFF", "another kind of RIFF"),
        (b"RF64", "another kind of RIFF"),
        (b"RIFX", "a big-endian RIFF"),
        (b"OggS", "Ogg"),
        (b"fLaC", "FLAC"),
        (b"ID3", "MP3"),
        (b"\xFF\xFB", "MP3"),
        (b"PK\x03\x04", "ZIP"),
        (b"\x1F\x8B", "gzip"),
        (b"caff", "CAF"),
    ];
    let is_markup_page = [b"<!doctype html".as_slice(), b"<html", b"<head", b"<body", b"<!--"].into_iter().any(begins);
    match text.first() {
        None => "blank",
        Some(b'<') if is_markup_page => "HTML",
        Some(b'<') => "XML",
        Some(b'{' | b'[') => "JSON",
        Some(_) if start.get(4..8) == Some(b"ftyp") => "MP4",
        Some(_) => match signatures.iter().find(|(signature, _)| start.starts_with(signature)) {
            Some((_, name)) => name,
            None if text.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace()) => "text",
            None => "unknown bytes",
        },
    }
}
