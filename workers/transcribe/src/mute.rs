//! The copy of a recording in which silence stands for what was taken out of its transcript.

use std::path::Path;

use bytes::BytesMut;
use callscribe::{
    audio::{Format, Interval},
    blob::{Blob, ObjectDescription, StoredObject, apart},
    config::RedactedAudio,
    domain::{JobKind, TranscriptId},
    ledger::{Hint, NewJob, Outcome, enqueue},
    schedule::{Discard, UpkeepTask},
    store::{
        Connection, Store, StoreError,
        muting::{Muted, Replaced, keep_muted, known_redactions},
        recordings::StoredCopy,
        transcriptions::TranscriptTask,
    },
    transcript::Redaction,
};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use crate::{
    outcomes::{of_blob, of_sound, of_store},
    recording::Recording,
    scratch::ScratchError,
    sound::SoundFailed,
};

/// Words begin before and end after the times that are told for them.
const PADDING_SECONDS: f64 = 0.25;
/// Bytes read from the disk at once.
const READ_BYTES: usize = 256 * 1024;

/// One recording, and what is to become of its audio.
pub(crate) struct Muting<'h> {
    pub(crate) policy: RedactedAudio,
    pub(crate) recording: &'h Recording<'h>,
    pub(crate) task: &'h TranscriptTask,
    pub(crate) store: &'h Store,
}

impl Muting<'_> {
    /// Makes the copy and puts it into the bucket, and the original apart from it, if that is wanted. Nothing refers to either before the
    /// transcript is complete: killed before that, the next run writes the same objects. `None`: there is no copy to be made.
    pub(crate) async fn made(&self, redactions: &[Redaction]) -> Result<Option<MutedCopy>, Outcome> {
        if !self.policy.mutes() {
            return Ok(None);
        }
        let (blob, row) = (self.recording.blob, self.recording.row);
        let sound = match self.recording.sound().await {
            Ok(sound) => sound,
            // whoever may not hear all of it hears nothing of it
            Err(SoundFailed::Unheard(error)) => {
                tracing::warn!(transcript.id = %self.task.id, %error, "the recording cannot be muted: only the original is kept");
                return Ok(None);
            }
            Err(error) => return Err(of_sound(error)),
        };
        let known = self.known().await.map_err(of_store)?;
        let stretches = stretches(known.iter().chain(redactions), sound.examined.channels.len(), sound.examined.duration.as_secs_f64());
        let key = apart::muted_key(&row.object_key, &digest(&row.sha256, &stretches));
        let copy = sound.muted(stretches).await.map_err(of_sound)?;
        let object = put(blob, &key, &copy.path, Format::Wav.content_type()).await?;
        let original_key = self.original_key().await?;
        let muted = Muted {
            session_id: self.task.session_id.clone(),
            recording_id: row.recording_id.clone(),
            of_sha256: row.sha256.clone(),
            url: blob.url(&object.key),
            copy: StoredCopy { object_key: object.key, size_bytes: object.size, sha256: object.sha256 },
            original_key,
        };
        Ok(Some(MutedCopy { muted, policy: self.policy, transcript: self.task.id, original_bytes: row.size_bytes }))
    }

    async fn known(&self) -> Result<Vec<Redaction>, StoreError> {
        known_redactions(&mut *self.store.connection().await?, self.task.id).await
    }

    /// Where the original lies: one that was stored before originals were kept apart is copied there first.
    async fn original_key(&self) -> Result<String, Outcome> {
        let key = &self.recording.row.object_key;
        let is_copy = apart::beside(key).strip_prefix(apart::stem(key)).is_some_and(apart::is_muted);
        if self.policy != RedactedAudio::Apart || is_copy || apart::is_apart(key) {
            return Ok(key.clone());
        }
        let sound = self.recording.sound().await.map_err(of_sound)?;
        let object = put(self.recording.blob, &apart::apart(key), &sound.file(), sound.examined.format.content_type()).await?;
        Ok(object.key)
    }
}

/// A muted copy that lies in the bucket and is still to be noted.
pub(crate) struct MutedCopy {
    muted: Muted,
    policy: RedactedAudio,
    transcript: TranscriptId,
    original_bytes: u64,
}

impl MutedCopy {
    /// Notes the copy and has deleted what it stands in the place of. To be called in the transaction that completes the transcript.
    pub(crate) async fn noted(&self, transaction: &mut Connection) -> Result<Vec<Hint>, StoreError> {
        let Some(replaced) = keep_muted(transaction, &self.muted).await? else {
            let key = &self.muted.copy.object_key;
            tracing::warn!(blob.key = key, "the recording was copied anew or goes: its muted copy is not used");
            return Ok(Vec::new());
        };
        let jobs = self.discards(&replaced);
        let jobs = jobs.map_err(|error| StoreError::Row { table: "jobs", what: format!("the task cannot be written: {error}") })?;
        enqueue(transaction, &jobs).await
    }

    /// Jobs that delete the copy before this one and, if it is not to stay where it was, the original.
    fn discards(&self, replaced: &Replaced) -> Result<Vec<NewJob>, serde_json::Error> {
        let Muted { of_sha256, copy, original_key, .. } = &self.muted;
        let goes = self.policy == RedactedAudio::Deleted || replaced.original_key != *original_key;
        let original = StoredCopy { object_key: replaced.original_key.clone(), size_bytes: self.original_bytes, sha256: of_sha256.clone() };
        let mut gone: Vec<StoredCopy> = Some(original).filter(|_| goes).into_iter().chain(replaced.copy.clone()).collect();
        gone.retain(|gone| gone.object_key != copy.object_key);
        gone.dedup_by(|one, other| one.object_key == other.object_key);
        gone.into_iter().map(|gone| self.discard(gone)).collect()
    }

    /// Named after the object and the transcript: an object that comes back under its old key goes once more.
    fn discard(&self, gone: StoredCopy) -> Result<NewJob, serde_json::Error> {
        let (session, recording, TranscriptId(transcript)) = (&self.muted.session_id, &self.muted.recording_id, self.transcript);
        let name = hex::encode(Sha256::digest(format!("{} {transcript}", gone.object_key)));
        let StoredCopy { object_key, size_bytes, sha256 } = gone;
        let task = UpkeepTask::Discard(Discard { recording_id: recording.clone(), object_key, size_bytes, sha256 });
        let key = format!("{session}/{recording}/discard-{}", name.get(..16).unwrap_or(&name));
        Ok(NewJob { session_id: Some(session.clone()), payload: task.to_json()?, ..NewJob::new(JobKind::Upkeep, key) })
    }
}

/// What is muted on each channel. What nobody can place is everywhere.
fn stretches<'r>(redactions: impl Iterator<Item = &'r Redaction>, channels: usize, seconds: f64) -> Vec<Vec<Interval>> {
    let mut stretches = vec![Vec::new(); channels.max(1)];
    for redaction in redactions {
        let span = match (redaction.start, redaction.end) {
            (Some(start), Some(end)) => Interval { start: (start - PADDING_SECONDS).max(0.0), end: end + PADDING_SECONDS },
            _ => Interval { start: 0.0, end: seconds },
        };
        let own = redaction.channel.map(usize::from).filter(|channel| *channel < stretches.len());
        for (_, stretches) in stretches.iter_mut().enumerate().filter(|(channel, _)| own.is_none_or(|own| own == *channel)) {
            stretches.push(span);
        }
    }
    stretches
}

/// Another for other audio and for other stretches.
fn digest(sha256: &str, stretches: &[Vec<Interval>]) -> String {
    let mut hash = Sha256::new();
    hash.update(sha256);
    for (channel, stretches) in stretches.iter().enumerate() {
        for Interval { start, end } in stretches {
            hash.update(format!(" {channel}:{start:.3}-{end:.3}"));
        }
    }
    hex::encode(hash.finalize())
}

/// Puts a file into the bucket.
async fn put(blob: &Blob, key: &str, path: &Path, content_type: &str) -> Result<StoredObject, Outcome> {
    let disk = |source| {
        let folder = path.parent().unwrap_or(path).to_owned();
        of_sound(SoundFailed::Scratch(ScratchError::Disk { folder, source }))
    };
    let mut file = tokio::fs::File::open(path).await.map_err(disk)?;
    let mut upload = blob.upload(key, ObjectDescription { content_type: Some(content_type.to_owned()), ..ObjectDescription::default() });
    loop {
        let mut bytes = BytesMut::with_capacity(READ_BYTES);
        if file.read_buf(&mut bytes).await.map_err(disk)? == 0 {
            return upload.finish().await.map_err(of_blob);
        }
        upload.push(bytes.freeze()).await.map_err(of_blob)?;
    }
}

#[cfg(test)]
mod tests {
    use callscribe::transcript::RedactionKind;

    use super::*;

    fn redaction(channel: Option<u8>, span: Option<(f64, f64)>) -> Redaction {
        Redaction { kind: RedactionKind::Card, turn: 0, channel, start: span.map(|span| span.0), end: span.map(|span| span.1) }
    }

    #[test]
    fn what_has_a_place_is_muted_there_and_what_has_none_is_muted_everywhere() {
        let spans = |redactions: &[Redaction]| {
            let all = stretches(redactions.iter(), 2, 60.0);
            all.iter().map(|own| own.iter().map(|span| (span.start, span.end)).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert_eq!(spans(&[redaction(Some(1), Some((0.1, 2.0)))]), [vec![], vec![(0.0, 2.25)]]);
        assert_eq!(spans(&[redaction(None, Some((5.0, 6.0)))]), [vec![(4.75, 6.25)], vec![(4.75, 6.25)]]);
        assert_eq!(spans(&[redaction(Some(0), None)]), [vec![(0.0, 60.0)], vec![]]);
        assert_eq!(spans(&[redaction(Some(7), Some((5.0, 6.0)))])[0].len(), 1, "of a channel that is not there");
        assert_eq!(spans(&[]), [Vec::new(), Vec::new()]);
    }

    #[test]
    fn other_stretches_make_another_copy() {
        let of = |redactions: &[Redaction]| digest("a", &stretches(redactions.iter(), 2, 60.0));
        let (none, some) = (of(&[]), of(&[redaction(None, Some((5.0, 6.0)))]));
        assert_ne!(none, some);
        assert_eq!(none, of(&[]));
    }
}
