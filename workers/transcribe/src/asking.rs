//! All pieces of a recording to one transcriber and back: what is known is not asked again, what is answered is kept at once.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use callscribe::{
    asr::{Answer, Form, Manner, Speakers, TranscribeError, Transcriber, Transcription},
    audio::{Channel, Piece, Timeline},
    telemetry::metrics,
};
use chrono::TimeDelta;
use futures_util::{StreamExt, stream};

use crate::{
    handler::Failed,
    keep::{Answered, Keeper, Known},
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
    /// The month's cap is reached, and some were not asked for; millionths that were spent.
    Capped(i64),
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
    /// Another piece failed before this one was asked for, or the cap forbids it.
    NotAsked,
    Error(TranscribeError),
    Failed(Failed),
}

/// One transcriber, asked for all pieces in one manner.
pub(crate) struct Asking<'h> {
    pub(crate) keeper: &'h Keeper<'h>,
    pub(crate) known: &'h HashMap<String, Known>,
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
    stand: Stand,
    audio: Option<PieceAudio>,
}

/// How far a piece has come.
enum Stand {
    Answered(Box<Transcription>),
    /// The provider's id of its work.
    UnderWay(String),
    Unasked,
}

impl Asking<'_> {
    /// Every piece's answer, in the order of the pieces.
    pub(crate) async fn answers(&self, pieces: &[Piece]) -> Result<Vec<HeardPiece>, Unanswered> {
        let mut steps: Vec<Step> = pieces.iter().map(|piece| self.step(piece)).collect();
        let capped = self.cap_reached(&steps).await?;
        self.cut(&mut steps, capped.is_some()).await?;
        let stopped = AtomicBool::new(false);
        let came: Vec<Came> =
            stream::iter(steps).map(|step| self.one(step, &stopped)).buffered(self.transcriber.takes().at_once.max(1)).collect().await;
        let heard = gathered(came)?;
        capped.map_or(Ok(heard), |spent| Err(Unanswered::Capped(spent)))
    }

    fn step(&self, piece: &Piece) -> Step {
        let question = Question {
            transcript: self.keeper.transcript,
            sha256: self.sha256,
            transcriber: self.transcriber,
            form: self.form,
            manner: self.manner,
        };
        let id = question.id(piece);
        let stand = match self.known.get(&id) {
            Some(Known { answer: Some(answer), .. }) => Stand::Answered(Box::new(answer.clone())),
            Some(Known { job: Some(job), asked_at, .. }) if self.keeper.clock.now() - *asked_at < patience(piece) => {
                Stand::UnderWay(job.clone())
            }
            Some(_) | None => Stand::Unasked,
        };
        Step { id, piece: piece.clone(), stand, audio: None }
    }

    /// Millionths that were spent this month, if that forbids to ask for the pieces that nobody was asked for.
    async fn cap_reached(&self, steps: &[Step]) -> Result<Option<i64>, Unanswered> {
        let price = self.keeper.prices.per_minute(self.transcriber.name(), self.transcriber.model());
        if price.is_none_or(|price| price == 0) || !steps.iter().any(|step| matches!(step.stand, Stand::Unasked)) {
            return Ok(None);
        }
        self.keeper.over_the_cap().await.map_err(|error| Unanswered::Failed(error.into()))
    }

    /// The pieces that are asked for or collected are cut out, in one pass over the recording.
    async fn cut(&self, steps: &mut [Step], capped: bool) -> Result<(), Unanswered> {
        let mut wanted: Vec<&mut Step> = steps
            .iter_mut()
            .filter(|step| match step.stand {
                Stand::Answered(_) => false,
                Stand::UnderWay(_) => true,
                Stand::Unasked => !capped,
            })
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let pieces = wanted.iter().map(|step| step.piece.clone()).collect();
        let files = self.sound.cut(pieces, self.form).await.map_err(Unanswered::Sound)?;
        for (step, file) in wanted.iter_mut().zip(files) {
            step.audio = Some(PieceAudio {
                id: step.id.clone(),
                form: self.form,
                speakers: self.speakers(step.piece.channel),
                path: file.path,
                size_bytes: file.bytes,
                duration: Duration::try_from_secs_f64(file.seconds).unwrap_or_default(),
            });
        }
        Ok(())
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
        let Step { id, piece, stand, audio } = step;
        let job = match stand {
            Stand::Answered(transcription) => return Came::Heard(Box::new(HeardPiece { id, piece, transcription: *transcription })),
            Stand::UnderWay(job) => Some(job),
            Stand::Unasked => None,
        };
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
            transcription: &transcription,
            sent_seconds: audio.duration.as_secs_f64(),
            trimmed_seconds: piece.trimmed_seconds,
        };
        match self.keeper.answered(answered).await {
            Ok(()) => Came::Heard(Box::new(HeardPiece { id: audio.id.clone(), piece, transcription })),
            Err(error) => Came::Failed(error),
        }
    }
}

/// How long a provider may work on a piece before it is asked anew, whatever it says: it lost the job, or its answer was lost. Longer
/// than any provider's own patience, which asks anew more than once.
fn patience(piece: &Piece) -> TimeDelta {
    const BESIDES: TimeDelta = TimeDelta::hours(1);
    let audio = Duration::try_from_secs_f64(Timeline::of(piece).seconds()).unwrap_or_default();
    TimeDelta::from_std(audio.saturating_mul(6)).unwrap_or(TimeDelta::MAX).checked_add(&BESIDES).unwrap_or(TimeDelta::MAX)
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
