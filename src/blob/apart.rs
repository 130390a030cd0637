//! What objects of recordings are called: originals that lie apart from what everybody may hear, and copies in which something is muted.

use crate::audio::Format;

/// What the keys of originals begin with: a right to be given to those alone who may hear everything that was said.
pub const ORIGINALS: &str = "originals/";
/// What stands between a recording's name and the digest in the name of a muted copy.
const MUTED: &str = ".muted-";
/// Digits of that digest.
const DIGITS: usize = 16;

/// The key under which an original lies apart.
#[must_use]
pub fn apart(key: &str) -> String {
    format!("{ORIGINALS}{}", beside(key))
}

/// Whether an object lies apart.
#[must_use]
pub fn is_apart(key: &str) -> bool {
    key.starts_with(ORIGINALS)
}

/// The key that an object has where it does not lie apart.
#[must_use]
pub fn beside(key: &str) -> &str {
    key.strip_prefix(ORIGINALS).unwrap_or(key)
}

/// What all keys of a recording's objects begin with, apart or not, original or copy.
#[must_use]
pub fn stem(key: &str) -> &str {
    let stem = Format::stem_of(beside(key));
    match stem.rsplit_once(MUTED) {
        Some((original, digest)) if is_digest(digest) => original,
        Some(_) | None => stem,
    }
}

/// The key of a copy of a recording in which something is muted: another for every `sha256` of what it was made from and of what is
/// muted, so that no copy is ever written over.
#[must_use]
pub fn muted_key(original: &str, sha256: &str) -> String {
    format!("{}{MUTED}{}.{}", stem(original), sha256.get(..DIGITS).unwrap_or(sha256), Format::Wav.extension())
}

/// Whether what follows the stem in a key makes it a muted copy.
#[must_use]
pub fn is_muted(rest: &str) -> bool {
    let digest = rest.strip_prefix(MUTED).and_then(|rest| rest.strip_suffix(Format::Wav.extension())?.strip_suffix('.'));
    digest.is_some_and(is_digest)
}

fn is_digest(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_of_a_recording_tells_the_same_stem() {
        let muted = muted_key("originals/day/call/r.ogg", &"0a".repeat(32));
        assert_eq!(muted, "day/call/r.muted-0a0a0a0a0a0a0a0a.wav");
        assert!(is_muted(&muted["day/call/r".len()..]));
        for key in ["day/call/r.ogg", "originals/day/call/r.ogg", muted.as_str()] {
            assert_eq!(stem(key), "day/call/r", "{key}");
            assert_eq!(apart(key), format!("originals/{}", beside(key)));
        }
        assert_eq!(muted_key(&muted, &"1b".repeat(32)), "day/call/r.muted-1b1b1b1b1b1b1b1b.wav", "of a copy as of its original");
        assert!(is_apart("originals/a.wav") && !is_apart("a.wav"));
        for other in [".muted-0a.wav", ".muted-0a0a0a0a0a0a0a0a.ogg", ".wav", ".muted-0a0a0a0a0a0a0a0g.wav"] {
            assert!(!is_muted(other), "{other}");
        }
        assert_eq!(stem("day/call/r.muted-x.wav"), "day/call/r.muted-x", "an id that only looks like it");
    }
}
