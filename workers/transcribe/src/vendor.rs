//! The transcript that the vendor made itself: asked for until it comes or the wait is over, kept as it came, read, checked.
//!
//! Nothing of the wait is remembered: it counts from the end of the call, so that a crash changes nothing and calls of long ago
//! are not waited for. No money is spent before it is over.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use callscribe::{
    asr::{
        Segment, Transcription, Word,
        check::{Checked, Flag, Measures, Verdict, check},
    },
    blob::{Blob, BlobError, ObjectDescription, apart},
    clock::Clock,
    config::RedactedAudio,
    domain::{Reason, SourceName},
    ledger::{Failure, Outcome},
    sources::{Source, SourceError, Turn, UNTIL_CONFIGURED, VendorTranscript},
    store::transcriptions::{StoredAudioRow, TranscriptTask},
    telemetry::metrics,
    transcript::Document,
};
use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use crate::{
    document::{checks_of, on_channels},
    outcomes::{of_blob, of_sound},
    recording::Recording,
    sound::SoundFailed,
};

/// The provider as `call_transcripts.provider` names it, whichever vendor it is.
pub(crate) const PROVIDER: &str = callscribe::config::ProviderSettings::VENDOR;
/// Asked again after half of the time that has passed since the end of the call, but not sooner and not later than these.
const SOONEST: Duration = Duration::from_mins(1);
const LATEST: Duration = Duration::from_hours(1);

/// Takes the transcripts that vendors make themselves.
pub struct VendorTranscripts {
    sources: HashMap<SourceName, Arc<dyn Source>>,
    wait: TimeDelta,
    audio: RedactedAudio,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for VendorTranscripts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VendorTranscripts").field("sources", &self.sources.keys()).field("wait", &self.wait).finish_non_exhaustive()
    }
}

/// What came of asking.
pub(crate) enum Asked {
    /// A transcript, with its text.
    Made(Box<Document>),
    /// Not yet; nothing else is to be asked meanwhile.
    NotYet(Outcome),
    /// Never, or nothing of use: the next provider's turn. With none, what `outcome` makes of it.
    GivenUp(GivenUp),
}

/// Why the vendor's own transcript is not to be had.
pub(crate) struct GivenUp {
    pub(crate) failure: Failure,
    alone: Alone,
}

/// What follows when there is nobody else to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alone {
    /// A person mends it; the job loses nothing by waiting.
    Later,
    /// It may pass, and the attempts bound it.
    Retry,
    /// It will stay so.
    Stop,
}

#[derive(Debug, thiserror::Error)]
enum VendorError {
    #[error("the vendor has no transcript of its own of the call yet")]
    NotYet,
    #[error("the vendor made no transcript of its own within {} of the call's end", humantime::format_duration(*.0))]
    Never(Duration),
    #[error("source `{0}` is not set up in this process")]
    NoSource(SourceName),
    #[error("the vendor's own transcript cannot be fetched")]
    Source(#[from] SourceError),
    #[error("the vendor's own transcript, {}, is in no form that we know: {what}", kept_as(.key.as_deref()))]
    Unrecognised { key: Option<String>, what: String },
    #[error("the vendor's own transcript, {}, failed its checks: {what}", kept_as(.key.as_deref()))]
    FailedChecks { key: Option<String>, what: String },
}

/// A transcript as it came, and where that is kept, if it is.
struct Kept {
    transcript: VendorTranscript,
    key: Option<String>,
}

fn kept_as(key: Option<&str>) -> String {
    key.map_or_else(|| "which is not kept".to_owned(), |key| format!("kept as `{key}`"))
}

impl VendorTranscripts {
    /// Asks `sources`, and waits for at most `wait` after a call's end.
    #[must_use]
    pub fn new(sources: impl IntoIterator<Item = Arc<dyn Source>>, wait: Duration, clock: Arc<dyn Clock>) -> Self {
        let sources = sources.into_iter().map(|source| (source.name(), source)).collect();
        Self { sources, wait: TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX), audio: RedactedAudio::Untouched, clock }
    }

    /// Keeps the vendor's files as the originals of recordings are kept: they hold every word.
    #[must_use]
    pub const fn keeping(mut self, audio: RedactedAudio) -> Self {
        self.audio = audio;
        self
    }

    /// Asks the vendor that took the call.
    pub(crate) async fn ask(&self, recording: &Recording<'_>, task: &TranscriptTask) -> Asked {
        let asked = match self.sources.get(&task.source) {
            Some(source) => match self.fetch(source.as_ref(), recording.blob, task, recording.row).await {
                Ok(kept) => judged(recording, kept).await,
                Err(asked) => asked,
            },
            None => given_up(Reason::NoTranscript, VendorError::NoSource(task.source)),
        };
        metrics::vendor_transcript(task.source, told(&asked));
        asked
    }

    /// The best of the offers that can be read.
    async fn fetch(&self, source: &dyn Source, blob: &Blob, task: &TranscriptTask, row: &StoredAudioRow) -> Result<Kept, Asked> {
        let offers = source.transcripts(&task.session_id).await.map_err(|error| self.troubled(task, error))?;
        let mut unreadable = None;
        for offer in &offers {
            let bytes = match source.fetch_transcript(offer).await {
                Ok(bytes) => bytes,
                // offered before it is there, or being moved
                Err(SourceError::Gone { .. }) => continue,
                Err(error) => return Err(self.troubled(task, error)),
            };
            let key = self.keep(blob, row, &bytes).await.map_err(|error| Asked::NotYet(of_blob(error)))?;
            match source.read_transcript(offer, &bytes) {
                Ok(transcript) => return Ok(Kept { transcript, key }),
                Err(unrecognised) => unreadable = Some(VendorError::Unrecognised { key, what: unrecognised.what }),
            }
        }
        Err(match unreadable {
            Some(error) => given_up(Reason::UnrecognisedTranscriptFormat, error),
            None => self.not_there(task),
        })
    }

    /// Keeps the file as it came beside the recording, under a name that follows from its bytes: the same file twice is one object,
    /// and a file that changed under the same name is another. Where originals are deleted it is not kept.
    async fn keep(&self, blob: &Blob, row: &StoredAudioRow, bytes: &Bytes) -> Result<Option<String>, BlobError> {
        let sha256 = hex::encode(Sha256::digest(bytes));
        let key = format!("{}.transcript-{}.json", apart::stem(&row.object_key), sha256.get(..16).unwrap_or(&sha256));
        let key = match self.audio {
            RedactedAudio::Deleted => return Ok(None),
            // beside an original that lies apart, whatever the setting has become since
            RedactedAudio::Untouched if !apart::is_apart(&row.object_key) => key,
            RedactedAudio::Untouched | RedactedAudio::Apart => apart::apart(&key),
        };
        let content_type = Some("application/json".to_owned());
        let mut upload = blob.upload(key.as_str(), ObjectDescription { content_type, ..ObjectDescription::default() });
        upload.push(bytes.clone()).await?;
        upload.finish().await?;
        Ok(Some(key))
    }

    fn not_there(&self, task: &TranscriptTask) -> Asked {
        match self.until_asked_again(task) {
            Some(wait) => later(wait, Failure::new(Reason::TranscriptNotReady, VendorError::NotYet)),
            None => given_up(Reason::NoTranscript, VendorError::Never(self.wait.to_std().unwrap_or_default())),
        }
    }

    /// Trouble with the vendor passes, or a person mends it: within the wait it is no reason to pay somebody else.
    fn troubled(&self, task: &TranscriptTask, error: SourceError) -> Asked {
        let (reason, trace) = (error.reason(), error.trace());
        let (limited, alone) = match &error {
            SourceError::RateLimited { wait, .. } | SourceError::Down { wait, .. } | SourceError::RenewalPending { wait, .. } => {
                (Some(*wait), Alone::Later)
            }
            SourceError::LoginNeeded { .. } | SourceError::WrongOrg { .. } | SourceError::TokensUnavailable { .. } => (None, Alone::Later),
            SourceError::Unavailable { .. } | SourceError::LinkExpired { .. } | SourceError::WrongShape { .. } => (None, Alone::Retry),
            SourceError::Forbidden { .. }
            | SourceError::TooWide { .. }
            | SourceError::Rejected { .. }
            | SourceError::Gone { .. }
            | SourceError::HostNotAllowed { .. } => (None, Alone::Stop),
        };
        let failure = Failure::new(reason, VendorError::Source(error)).with_vendor(trace);
        match limited.or_else(|| self.until_asked_again(task)) {
            Some(wait) => later(wait, failure),
            None => Asked::GivenUp(GivenUp { failure, alone }),
        }
    }

    /// When to ask again; `None` when the wait is over.
    fn until_asked_again(&self, task: &TranscriptTask) -> Option<Duration> {
        let passed = self.clock.now() - task.ended_at;
        let left = (self.wait - passed).to_std().ok().filter(|left| !left.is_zero())?;
        let half = (passed / 2).to_std().unwrap_or_default();
        // the last time is at the very end of the wait
        Some(half.clamp(SOONEST, LATEST).min(left))
    }
}

fn later(wait: Duration, why: Failure) -> Asked {
    Asked::NotYet(Outcome::Later { wait, why })
}

fn given_up(reason: Reason, error: VendorError) -> Asked {
    Asked::GivenUp(GivenUp { failure: Failure::new(reason, error), alone: Alone::Stop })
}

fn told(asked: &Asked) -> &'static str {
    match asked {
        Asked::Made { .. } => "taken",
        Asked::NotYet(_) => "not_yet",
        Asked::GivenUp(given_up) => given_up.failure.reason.as_str(),
    }
}

impl GivenUp {
    /// What follows when there is nobody else to ask.
    pub(crate) fn outcome(self) -> Outcome {
        match self.alone {
            Alone::Later => Outcome::Later { wait: UNTIL_CONFIGURED, why: self.failure },
            Alone::Retry => Outcome::Retry(self.failure),
            Alone::Stop => Outcome::Stop(self.failure),
        }
    }
}

/// The document of a transcript that stands up to what can be heard in the recording.
async fn judged(recording: &Recording<'_>, kept: Kept) -> Asked {
    let Kept { transcript, key } = kept;
    let transcription = transcription_of(&transcript);
    let (audio_seconds, checked) = match recording.sound().await {
        Ok(sound) => {
            let examined = &sound.examined;
            (examined.duration.as_secs_f64(), check(&as_far_as_timed(&transcription, &transcript), &examined.speech()))
        }
        // who cannot listen to the recording can still read what the vendor heard
        Err(SoundFailed::Unheard(_)) => {
            let verdict = Verdict::Suspect { flags: vec![Flag::CoverageUnchecked] };
            (0.0, Checked { verdict, measures: Measures::default() })
        }
        Err(error) => return Asked::NotYet(of_sound(error)),
    };
    if let Verdict::Bad { reason, what } = checked.verdict {
        return given_up(reason, VendorError::FailedChecks { key, what });
    }
    let document = Document {
        language: transcript.language.clone(),
        speakers: on_channels(&recording.row.channels),
        turns: transcript.turns.iter().map(|turn| turn_of(turn, transcript.language.as_deref())).collect(),
        repairs: transcript.repairs,
        vendor_file: key,
        checks: checks_of(checked.flags(), &checked.measures),
        ..Document::new(PROVIDER, transcript.form, audio_seconds)
    };
    Asked::Made(Box::new(document))
}

/// A turn as the vendor tells it; some have no times.
fn turn_of(turn: &Turn, language: Option<&str>) -> callscribe::transcript::Turn {
    let word = |word: &callscribe::sources::SpokenWord| callscribe::transcript::Word {
        text: word.text.clone(),
        start: word.span.start,
        end: word.span.end,
        confidence: None,
        speaker: None,
    };
    callscribe::transcript::Turn {
        speaker: Some(turn.speaker.as_str().to_owned()),
        start: turn.span.map(|span| span.start),
        end: turn.span.map(|span| span.end),
        text: turn.text.clone(),
        language: language.map(str::to_owned),
        words: turn.words.iter().map(word).collect(),
        ..Default::default()
    }
}

fn is_timed(turns: &[Turn]) -> bool {
    turns.iter().all(|turn| turn.span.is_some())
}

/// The vendor's turns as the checks take them. A transcript of which some turns have no times has no segments: they would have to stand
/// somewhere.
fn transcription_of(transcript: &VendorTranscript) -> Transcription {
    let turns = &transcript.turns;
    let segment =
        |turn: &Turn| Some(Segment { start: turn.span?.start, end: turn.span?.end, text: turn.text.clone(), ..Segment::default() });
    let word = |word: &callscribe::sources::SpokenWord| Word {
        text: word.text.clone(),
        start: word.span.start,
        end: word.span.end,
        ..Word::default()
    };
    let mut words: Vec<Word> = turns.iter().flat_map(|turn| &turn.words).map(word).collect();
    words.sort_by(|one, other| one.start.total_cmp(&other.start));
    Transcription {
        text: turns.iter().map(|turn| turn.text.as_str()).collect::<Vec<_>>().join(" "),
        language: transcript.language.clone(),
        segments: if is_timed(turns) { turns.iter().filter_map(segment).collect() } else { Vec::new() },
        words,
        repairs: transcript.repairs,
        model: transcript.form.to_owned(),
        ..Transcription::default()
    }
}

/// What the checks go by: words only if every turn has them, because those of some turns would leave the others' speech out.
fn as_far_as_timed(transcription: &Transcription, transcript: &VendorTranscript) -> Transcription {
    let all_have_words = transcript.turns.iter().all(|turn| !turn.words.is_empty());
    Transcription { words: if all_have_words { transcription.words.clone() } else { Vec::new() }, ..transcription.clone() }
}
