//! All pieces of a recording to one transcriber and back: what is known is not asked again, what is answered is kept at once.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use callscribe::{
    asr::{Answer, Form, Manner, Speakers, TranscribeError, Transcriber, Transcription},
    audio::{Channel, Piece},
    store::pieces::Piece as KnownPiece,
    telemetry::metrics,
};
use chrono::TimeDelta;
use futures_util::{StreamExt, stream};

use crate::{
    handler::Failed,
    keep::{Answered, Keeper},
    piece::{PieceAudio, Question},
    sound::{Sound, SoundFailed},
};

/// A piece and what was heard in it.
pub(crate) struct HeardPiece {
    pub(crate) id: String,
    pub(crate) piece: Piece,
    pub(crate) transcription: Transcription,
}

/// Why there is no answer to all of the pieces.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The transcriber works on some of them: nobody need wait.
    UnderWay(Duration),
    /// The transcriber's error, of one piece; the answers to others are kept.
    Error(TranscribeError),
    /// The pieces could not be cut out.
    Sound(SoundFailed),
    /// What was answered could not be kept.
    Failed(Failed),
}

/// What came of one piece.
enum Came {
    Heard(Box<HeardPiece>),
    UnderWay(Duration),
    /// Another piece failed before this one was asked for.
    NotAsked,
    Error(TranscribeError),
    Failed(Failed),
}

/// One transcriber, asked for all pieces in one manner.
pub(crate) struct Asking<'h> {
    pub(crate) keeper: &'h Keeper<'h>,
    pub(crate) transcriber: &'h dyn Transcriber,
    pub(crate) sound: &'h Sound,
    pub(crate) sha256: &'h str,
    pub(crate) form: Form,
    pub(crate) manner: Manner,
}

/// What is to be done about one piece.
struct Step {
    id: String,
    piece: Piece,
    known: Option<KnownPiece>,
    audio: Option<PieceAudio>,
}

impl Asking<'_> {
    /// Every piece's answer, in the order of the pieces.
    pub(crate) async fn answers(&self, pieces: &[Piece]) -> Result<Vec<HeardPiece>, Unanswered> {
        let question = Question {
            transcript: self.keeper.transcript,
            sha256: self.sha256,
            transcriber: self.transcriber,
            form: self.form,
            manner: self.manner,
        };
        let mut known = self.keeper.known().await.map_err(|error| Unanswered::Failed(error.into()))?;
        let steps = self.steps(pieces, &question, &mut known).await?;
        let stopped = AtomicBool::new(false);
        let came: Vec<Came> =
            stream::iter(steps).map(|step| self.one(step, &stopped)).buffered(self.transcriber.takes().at_once.max(1)).collect().await;
        gathered(came)
    }

    /// The pieces that are not known yet are cut out, in one pass over the recording.
    async fn steps(
        &self,
        pieces: &[Piece],
        question: &Question<'_>,
        known: &mut HashMap<String, KnownPiece>,
    ) -> Result<Vec<Step>, Unanswered> {
        let mut steps: Vec<Step> = pieces
            .iter()
            .map(|piece| {
                let id = question.id(piece);
                Step { known: known.remove(&id), id, piece: piece.clone(), audio: None }
            })
            .collect();
        let wanted: Vec<Piece> = steps
            .iter()
            .filter(|step| step.known.as_ref().is_none_or(|known| known.answer.is_none()))
            .map(|step| step.piece.clone())
            .collect();
        if wanted.is_empty() {
            return Ok(steps);
        }
        let files = self.sound.cut(wanted, self.form).await.map_err(Unanswered::Sound)?;
        let unanswered = steps.iter_mut().filter(|step| step.known.as_ref().is_none_or(|known| known.answer.is_none()));
        for (step, file) in unanswered.zip(files) {
            step.audio = Some(PieceAudio {
                id: step.id.clone(),
                form: self.form,
                speakers: self.speakers(step.piece.channel),
                path: file.path,
                size_bytes: file.bytes,
                duration: Duration::try_from_secs_f64(file.seconds).unwrap_or_default(),
            });
        }
        Ok(steps)
    }

    /// One channel is one person, unless all are on it.
    fn speakers(&self, channel: Channel) -> Speakers {
        let examined = &self.sound.examined;
        match channel {
            Channel::One(_) if examined.channels.len() > 1 && !examined.same => Speakers::One,
            Channel::One(_) | Channel::Mixed => Speakers::Several,
        }
    }

    async fn one(&self, step: Step, stopped: &AtomicBool) -> Came {
        let Step { id, piece, known, audio } = step;
        let (answer, job) = match known {
            Some(known) => {
                let in_time = audio.as_ref().is_none_or(|audio| self.keeper.clock.now() - known.asked_at < patience(audio.duration));
                (known.answer, known.provider_job.filter(|_| in_time))
            }
            None => (None, None),
        };
        if let Some(answer) = answer {
            return match serde_json::from_value(answer) {
                Ok(transcription) => Came::Heard(Box::new(HeardPiece { id, piece, transcription })),
                Err(error) => Came::Failed(Failed::unwritable(error)),
            };
        }
        let Some(audio) = audio.filter(|_| !stopped.load(Ordering::Relaxed)) else { return Came::NotAsked };
        let came = self.asked(&audio, piece, job).await;
        if matches!(came, Came::Error(_) | Came::Failed(_)) {
            stopped.store(true, Ordering::Relaxed);
        }
        came
    }

    async fn asked(&self, audio: &PieceAudio, piece: Piece, job: Option<String>) -> Came {
        let answer = match &job {
            Some(job) => self.transcriber.collect(audio, job).await,
            None => self.transcriber.transcribe(audio, self.manner).await,
        };
        let transcription = match answer {
            Ok(Answer::Made(transcription)) => *transcription,
            Ok(Answer::Underway(work)) if job.as_deref() == Some(work.job.as_str()) => return Came::UnderWay(work.again_in),
            Ok(Answer::Underway(work)) => {
                let kept = self.keeper.under_way(&audio.id, self.transcriber.name(), &work.job).await;
                return kept.map_or_else(Came::Failed, |()| Came::UnderWay(work.again_in));
            }
            Err(TranscribeError::TooShort { trace }) => nothing_in(self.transcriber, trace.request_id),
            Err(error) => {
                // work that came to nothing is begun anew by the next try
                let is_over = job.is_some() && !passes(&error);
                return match if is_over { self.keeper.forget(std::slice::from_ref(&audio.id)).await } else { Ok(()) } {
                    Ok(()) => Came::Error(error),
                    Err(failed) => Came::Failed(failed),
                };
            }
        };
        metrics::audio_transcribed(self.transcriber.name(), audio.duration);
        let answered = Answered {
            piece: &audio.id,
            provider: self.transcriber.name(),
            provider_job: job,
            transcription: &transcription,
            sent_seconds: audio.duration.as_secs_f64(),
            trimmed_seconds: piece.trimmed_seconds,
        };
        match self.keeper.answered(&answered).await {
            Ok(()) => Came::Heard(Box::new(HeardPiece { id: audio.id.clone(), piece, transcription })),
            Err(error) => Came::Failed(error),
        }
    }
}

/// How long a provider may work on so much audio before it is asked anew: it lost the job, or its answer was lost.
fn patience(audio: Duration) -> TimeDelta {
    const BESIDES: TimeDelta = TimeDelta::minutes(15);
    TimeDelta::from_std(audio.saturating_mul(3)).unwrap_or(TimeDelta::MAX).checked_add(&BESIDES).unwrap_or(TimeDelta::MAX)
}

/// Whether an error says nothing about the provider's work itself.
const fn passes(error: &TranscribeError) -> bool {
    matches!(
        error,
        TranscribeError::RateLimited { .. }
            | TranscribeError::Unavailable { .. }
            | TranscribeError::Down { .. }
            | TranscribeError::NoTurn { .. }
            | TranscribeError::Misconfigured { .. }
            | TranscribeError::Unreadable { .. }
            | TranscribeError::Audio(_)
    )
}

/// The answer to a piece that is too short to hold a word.
fn nothing_in(transcriber: &dyn Transcriber, request_id: Option<String>) -> Transcription {
    Transcription { model: transcriber.model().to_owned(), request_id, too_short: true, ..Transcription::default() }
}

fn gathered(came: Vec<Came>) -> Result<Vec<HeardPiece>, Unanswered> {
    let mut heard = Vec::with_capacity(came.len());
    let mut wait: Option<Duration> = None;
    let mut trouble = None;
    for one in came {
        match one {
            Came::Heard(piece) => heard.push(*piece),
            Came::UnderWay(again_in) => wait = Some(wait.map_or(again_in, |known| known.min(again_in))),
            Came::NotAsked => {}
            Came::Error(error) => trouble = trouble.or(Some(Unanswered::Error(error))),
            Came::Failed(error) => trouble = trouble.or(Some(Unanswered::Failed(error))),
        }
    }
    match (trouble, wait) {
        (Some(trouble), _) => Err(trouble),
        (None, Some(wait)) => Err(Unanswered::UnderWay(wait)),
        (None, None) => Ok(heard),
    }
}
