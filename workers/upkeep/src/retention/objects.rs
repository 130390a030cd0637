//! What a recording is in the bucket: its audio, apart or not, copies in which something is muted, the document beside it, the files of
//! the vendor's own transcript.

use callscribe::{
    audio::Format,
    blob::{Blob, BlobError, ListedObject, apart},
    store::retention::{AgedAudio, PlannedDeletion},
};

/// Digits of the digest in the name of a vendor's transcript file.
const DIGITS: usize = 16;

/// The objects of a recording that the bucket holds.
pub(super) async fn held(blob: &Blob, object_key: &str) -> Result<Vec<PlannedDeletion>, BlobError> {
    let prefix = format!("{}.", apart::stem(object_key));
    let mut held = Vec::new();
    for prefix in [apart::apart(&prefix), prefix] {
        held.extend(blob.list(&prefix).await?.iter().filter_map(|object| planned(object, object_key)));
    }
    Ok(held)
}

/// All that is to be written down of a recording: what the bucket holds, and its audio in any case, since what is gone already is to be
/// proven as well.
pub(super) async fn of(blob: &Blob, audio: &AgedAudio) -> Result<Vec<PlannedDeletion>, BlobError> {
    let mut planned = held(blob, &audio.object_key).await?;
    planned.retain(|object| object.object_key != audio.object_key);
    planned.push(PlannedDeletion {
        what: "audio",
        object_key: audio.object_key.clone(),
        size_bytes: Some(audio.size_bytes),
        sha256: Some(audio.sha256.clone()),
    });
    Ok(planned)
}

fn planned(object: &ListedObject, object_key: &str) -> Option<PlannedDeletion> {
    let what = what(&object.key, object_key)?;
    Some(PlannedDeletion { what, object_key: object.key.clone(), size_bytes: Some(object.size), sha256: None })
}

/// What an object is to the recording; `None`: another recording's, whose id begins with the same letters.
fn what(key: &str, object_key: &str) -> Option<&'static str> {
    match apart::beside(key).strip_prefix(apart::stem(object_key))? {
        ".json" => Some("sidecar"),
        rest if apart::is_muted(rest) => Some("muted_audio"),
        _ if key == object_key => Some("audio"),
        // fetched again, the vendor gave it in another format
        rest if rest.strip_prefix('.').is_some_and(|end| Format::ALL.iter().any(|format| format.extension() == end)) => Some("audio"),
        rest => {
            let digest = rest.strip_prefix(".transcript-")?.strip_suffix(".json")?;
            (digest.len() == DIGITS && digest.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some("vendor_transcript")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_another_recording_is_never_taken_for_ones_own() {
        let of = |key: &str| what(key, "day/call/r.wav");
        assert_eq!([of("day/call/r.wav"), of("day/call/r.json")], [Some("audio"), Some("sidecar")]);
        assert_eq!(of("day/call/r.transcript-0123456789abcdef.json"), Some("vendor_transcript"));
        assert_eq!(of("day/call/r.mp3"), Some("audio"), "of an earlier copy");
        assert_eq!([of("originals/day/call/r.wav"), of("originals/day/call/r.json")], [Some("audio"), Some("sidecar")]);
        let muted = "day/call/r.muted-0123456789abcdef.wav";
        assert_eq!([of(muted), what(muted, muted)], [Some("muted_audio"); 2]);
        assert_eq!(what("originals/day/call/r.ogg", muted), Some("audio"));
        assert_eq!(what("day/call/r.json", "day/call/r.ogg"), Some("sidecar"));
        for other in ["day/call/r.2.wav", "day/call/r.2.json", "day/call/r2.wav", "day/call/r.transcript-x.json", "day/call/r"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
