//! The transcribers of a call, one after the other, until one of them gives an answer that passes its checks.

use std::{collections::HashMap, sync::Arc, time::Duration};

use callscribe::{
    asr::{
        Form, Manner, TranscribeError, Transcriber, Transcription,
        check::{Checked, Flag, Measures, Verdict, check, is_in_another_language},
    },
    audio::{Asked, Cutting, Piece, Trim, plan},
    config::{TranscribingSettings, WhenDoubtful},
    domain::{Reason, amount},
    ledger::{Failure, Outcome, VendorTrace},
    store::{StoreError, costs::cost_of, transcriptions::StoredAudioRow},
    telemetry::chain,
    transcript::{Cost, Document, turns_of},
};

use crate::{
    asking::{Asking, Unanswered},
    bleed,
    document::{checks_of, on_channels},
    finish::Ending,
    keep::{Keeper, Known},
    outcomes::{of_provider, of_sound, of_store, of_transaction},
    sides::{HeardSide, Names, sides_of, spoken},
    sound::Sound,
};

/// A capped month is looked at this often: the cap may be raised, and a month begins once.
const UNTIL_THE_CAP_IS_RAISED: Duration = Duration::from_mins(15);

/// One recording with sound in it, and who is to hear it.
pub(crate) struct Chain<'h> {
    pub(crate) transcribers: &'h [Arc<dyn Transcriber>],
    pub(crate) keeper: &'h Keeper<'h>,
    pub(crate) sound: &'h Sound,
    pub(crate) row: &'h StoredAudioRow,
    pub(crate) settings: &'h TranscribingSettings,
    pub(crate) ending: &'h Ending<'h>,
    /// What is to be told of the transcript whatever the checks say.
    pub(crate) more_flags: Vec<Flag>,
}

/// An answer that failed its checks, however it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("the transcript by `{provider}` failed its checks, asked twice: {what}")]
struct FailedChecks {
    provider: &'static str,
    what: String,
}

/// Money is spent for this month.
#[derive(Debug, thiserror::Error)]
#[error("{spent} {currency} were spent on transcription this month: `TRANSCRIPTION_MONTHLY_CAP` is reached")]
struct Capped {
    spent: String,
    currency: String,
}

/// Sides of a call as one transcriber heard them, each with what the checks made of it.
struct Heard {
    transcriber: Arc<dyn Transcriber>,
    form: Form,
    pieces: usize,
    sides: Vec<(HeardSide, Checked)>,
    /// First answers that failed their checks; empty when nothing was asked for twice.
    set_aside: Vec<String>,
}

/// Why a transcriber's answer is not the call's transcript.
enum NotBy {
    /// It may be later, or never: nobody else is asked.
    Outcome(Outcome),
    /// It cannot; perhaps the next one can. What is to follow if nobody is left.
    GivenUp(Outcome),
    /// It was asked twice, and what it heard is not good.
    Bad(Box<Heard>, Failure),
}

impl Heard {
    fn faults(&self) -> impl Iterator<Item = (&HeardSide, Reason, &str)> {
        self.sides.iter().filter_map(|(side, checked)| match &checked.verdict {
            Verdict::Bad { reason, what } => Some((side, *reason, what.as_str())),
            Verdict::Good | Verdict::Suspect { .. } => None,
        })
    }

    fn bad_ids(&self) -> Vec<String> {
        self.faults().flat_map(|(side, ..)| side.ids.iter()).chain(&self.set_aside).cloned().collect()
    }
}

impl Chain<'_> {
    pub(crate) async fn transcribed(mut self) -> Outcome {
        let known = match self.keeper.known().await {
            Ok(known) => known,
            Err(error) => return of_transaction(error.0),
        };
        let mut otherwise: Option<Outcome> = None;
        let mut best: Option<Box<Heard>> = None;
        let mut useless: Vec<String> = Vec::new();
        let from = self.begun_by(&known);
        for (place, transcriber) in self.transcribers.iter().enumerate().skip(from) {
            if place > 0 && !self.more_flags.contains(&Flag::FellBack) {
                self.more_flags.push(Flag::FellBack);
            }
            let outcome = match self.heard_by(transcriber, &known).await {
                Ok(heard) => return self.done(&heard, &known).await,
                Err(NotBy::Outcome(outcome)) => return outcome,
                Err(NotBy::GivenUp(outcome)) => outcome,
                Err(NotBy::Bad(heard, failure)) => {
                    useless.extend(heard.bad_ids());
                    // fewer bad sides are better, and of equals the earlier in the chain
                    if best.as_ref().is_none_or(|best| heard.faults().count() < best.faults().count()) {
                        best = Some(heard);
                    }
                    Outcome::Retry(failure)
                }
            };
            tracing::warn!(transcript.id = %self.keeper.transcript, asr.provider = transcriber.name(), "no transcript by this transcriber");
            otherwise = Some(most_hopeful(otherwise, outcome));
        }
        match (otherwise, best) {
            // somebody may hear it better later; what was answered stays, so that nothing is paid for twice
            (Some(later @ Outcome::Later { .. }), _) => later,
            (_, Some(best)) if self.settings.when_doubtful == WhenDoubtful::Keep => self.done(&best, &known).await,
            (otherwise, _) => self.without_transcript(otherwise, from, &useless, &known).await,
        }
    }

    /// Bad answers are forgotten before the next try, which would meet them again.
    async fn without_transcript(
        &self,
        otherwise: Option<Outcome>,
        from: usize,
        useless: &[String],
        known: &HashMap<String, Known>,
    ) -> Outcome {
        self.release(known, |id| useless.contains(id)).await;
        if let Err(error) = self.keeper.forget(useless).await {
            return of_transaction(error.0);
        }
        match otherwise {
            // those before it were not asked in this run
            Some(Outcome::Stop(failure)) if from > 0 => Outcome::Retry(failure),
            Some(outcome) => outcome,
            None => Outcome::Stop(Failure::new(Reason::Unexpected, anyhow::anyhow!("nobody was asked"))),
        }
    }

    /// Who works on it already: nobody before them is asked again meanwhile.
    fn begun_by(&self, known: &HashMap<String, Known>) -> usize {
        let works = |name: &str| known.values().any(|piece| piece.provider == name && piece.answer.is_none());
        self.transcribers.iter().rposition(|transcriber| works(transcriber.name())).unwrap_or(0)
    }

    /// Lets go of what providers hold of work whose answers are kept, or of no use. What they keep all the same is told, and no reason
    /// to keep a transcript back.
    async fn release(&self, known: &HashMap<String, Known>, which: impl Fn(&String) -> bool) {
        for (id, piece) in known.iter().filter(|(id, _)| which(id)) {
            let Some(job) = &piece.job else { continue };
            let Some(transcriber) = self.transcribers.iter().find(|transcriber| transcriber.name() == piece.provider) else { continue };
            if let Err(error) = transcriber.release(id, job).await {
                tracing::warn!(asr.provider = piece.provider, asr.job = job, error = %chain(&error), "the provider still holds its work");
            }
        }
    }

    /// What one transcriber hears: sides that fail their checks are asked for once more otherwise, since a second opinion costs less
    /// than a lost call.
    async fn heard_by(&self, transcriber: &Arc<dyn Transcriber>, known: &HashMap<String, Known>) -> Result<Heard, NotBy> {
        let takes = transcriber.takes();
        let form = takes.forms.first().copied().unwrap_or(Form::Wav);
        let pieces = plan(
            &self.sound.examined,
            &Asked {
                max_seconds: takes.max_duration.map(|longest| longest.as_secs_f64()),
                max_bytes: takes.max_bytes,
                form,
                trim: self.settings.trim_silence.then(Trim::default),
                separate: true,
                cutting: Cutting::default(),
            },
        );
        let usual = Asking {
            keeper: self.keeper,
            known,
            transcriber: transcriber.as_ref(),
            sound: self.sound,
            sha256: &self.row.sha256,
            form,
            manner: Manner::Usual,
        };
        let first = self.ask(&usual, &pieces).await?;
        let mut heard = Heard { transcriber: Arc::clone(transcriber), form, pieces: pieces.len(), sides: first, set_aside: Vec::new() };
        let failed: Vec<_> = heard.faults().map(|(side, reason, what)| (side.channel, reason, what.to_owned())).collect();
        if failed.is_empty() {
            return Ok(heard);
        }
        for (channel, reason, what) in &failed {
            tracing::warn!(asr.reason = %reason, asr.fault = what, audio.channel = ?channel, "answer failed its checks");
        }
        let again: Vec<Piece> =
            pieces.iter().filter(|piece| failed.iter().any(|(channel, ..)| *channel == piece.channel)).cloned().collect();
        for second in self.ask(&Asking { manner: Manner::Different, ..usual }, &again).await? {
            if let Some(first) = heard.sides.iter_mut().find(|(side, _)| side.channel == second.0.channel) {
                heard.set_aside.extend(std::mem::replace(first, second).0.ids);
            }
        }
        let fault = heard.faults().next().map(|(side, reason, what)| (side.request_ids.first().cloned(), reason, what.to_owned()));
        match fault {
            None => Ok(heard),
            Some((request_id, reason, what)) => {
                let error = FailedChecks { provider: transcriber.name(), what };
                let failure = Failure::new(reason, error).with_vendor(VendorTrace { status: None, request_id });
                Err(NotBy::Bad(Box::new(heard), failure))
            }
        }
    }

    async fn ask(&self, asking: &Asking<'_>, pieces: &[Piece]) -> Result<Vec<(HeardSide, Checked)>, NotBy> {
        let heard = asking.answers(pieces).await.map_err(|unanswered| match unanswered {
            Unanswered::UnderWay(wait) => {
                let error = anyhow::anyhow!("`{}` works on it", asking.transcriber.name());
                NotBy::Outcome(Outcome::Later { wait, why: Failure::new(Reason::ProviderWorking, error) })
            }
            Unanswered::Capped(spent) => {
                let error = Capped { spent: amount(spent), currency: self.keeper.prices.currency.clone() };
                let why = Failure::new(Reason::CostCapReached, error);
                NotBy::GivenUp(Outcome::Later { wait: UNTIL_THE_CAP_IS_RAISED, why })
            }
            Unanswered::Error(error) => given_up_or_not(error, self.keeper.is_last_attempt()),
            Unanswered::Sound(error) => NotBy::Outcome(of_sound(error)),
            Unanswered::Failed(error) => NotBy::Outcome(of_transaction(error.0)),
        })?;
        let sides = sides_of(heard, self.sound);
        Ok(sides.into_iter().map(|side| checked(side, asking.transcriber.language())).collect())
    }

    async fn done(&self, heard: &Heard, known: &HashMap<String, Known>) -> Outcome {
        self.release(known, |_| true).await;
        let cost = match self.cost().await {
            Ok(cost) => cost,
            Err(error) => return of_store(error),
        };
        let document = self.document(heard, cost);
        let (provider, flags) = (heard.transcriber.name(), &document.checks.flags);
        tracing::info!(
            transcript.id = %self.keeper.transcript, transcript.words = document.words().count(), transcript.flags = ?flags,
            transcript.repairs = document.repairs, audio.seconds = document.audio_seconds, audio.pieces = heard.pieces,
            audio.sent_seconds = document.sent_seconds, asr.provider = provider, asr.request_id = document.request_ids.first(),
            "transcribed recording"
        );
        self.ending.completed(provider, document).await
    }

    async fn cost(&self) -> Result<Option<Cost>, StoreError> {
        let prices = self.keeper.prices;
        if !self.transcribers.iter().any(|transcriber| prices.per_minute(transcriber.name(), transcriber.model()).is_some()) {
            return Ok(None);
        }
        let mut connection = self.keeper.store.connection().await?;
        let micros = cost_of(&mut connection, self.keeper.transcript).await?;
        Ok(Some(Cost { amount: amount(micros), currency: prices.currency.clone() }))
    }

    fn document(&self, heard: &Heard, cost: Option<Cost>) -> Document {
        let examined = &self.sound.examined;
        let names = Names {
            shared: examined.channels.len() < 2 || examined.same,
            vendor: &self.row.channels,
            settings: &self.settings.speakers,
            queue: self.keeper.call.queue_name.as_deref(),
        };
        let mut voices: Vec<_> = heard.sides.iter().map(|(side, _)| spoken(side, &names)).collect();
        let mut flags = self.flags(heard);
        if bleed::take_out(&mut voices, examined) > 0 {
            flags.push(Flag::CrossTalk);
        }
        let sides = || heard.sides.iter().map(|(side, _)| side);
        let total = |of: fn(&Transcription) -> Option<f64>| {
            let told: Vec<f64> = sides().filter_map(|side| of(&side.transcription)).collect();
            (!told.is_empty()).then(|| told.iter().sum())
        };
        let (sent, trimmed): (f64, f64) = (sides().map(|side| side.sent_seconds).sum(), sides().map(|side| side.trimmed_seconds).sum());
        Document {
            parameters: self.parameters(heard),
            request_ids: sides().flat_map(|side| side.request_ids.iter().cloned()).collect(),
            language: language_of(sides()),
            heard_seconds: total(|answer| answer.duration),
            billed_seconds: total(|answer| answer.billed_seconds),
            sent_seconds: Some(sent),
            trimmed_seconds: Some(trimmed),
            cost,
            speakers: on_channels(&[names.of(0), names.of(1)]),
            turns: turns_of(&voices),
            repairs: sides().map(|side| side.transcription.repairs).fold(0, u32::saturating_add),
            checks: checks_of(&flags, &whole(&heard.sides)),
            ..Document::new(heard.transcriber.name(), heard.transcriber.model(), examined.duration.as_secs_f64())
        }
    }

    fn parameters(&self, heard: &Heard) -> serde_json::Map<String, serde_json::Value> {
        let told = serde_json::json!({
            "language": heard.transcriber.language(),
            "form": heard.form.as_str(),
            "pieces": heard.pieces,
            "trim_silence": self.settings.trim_silence,
            "asked_twice": !heard.set_aside.is_empty(),
        });
        if let serde_json::Value::Object(told) = told { told } else { serde_json::Map::new() }
    }

    /// Every flag once, in the order in which they came up.
    fn flags(&self, heard: &Heard) -> Vec<Flag> {
        let mut flags = self.more_flags.clone();
        flags.extend((!heard.set_aside.is_empty()).then_some(Flag::AskedTwice));
        for (_, checked) in &heard.sides {
            flags.extend(checked.flags());
            if let Verdict::Bad { reason, .. } = &checked.verdict {
                flags.extend(Flag::of_fault(*reason));
            }
        }
        let mut once = Vec::new();
        for flag in flags {
            if !once.contains(&flag) {
                once.push(flag);
            }
        }
        once
    }
}

/// Whose error it is: what the recording or the provider's settings are at fault for, and a provider that is down, is the next one's
/// chance; what passes by itself is waited for, since the next one may cost more, until this is the last attempt.
fn given_up_or_not(error: TranscribeError, is_last_attempt: bool) -> NotBy {
    let others_turn =
        matches!(error, TranscribeError::Rejected { .. } | TranscribeError::Misconfigured { .. } | TranscribeError::Down { .. });
    match of_provider(error) {
        outcome @ Outcome::Retry(_) if is_last_attempt => NotBy::GivenUp(outcome),
        outcome if others_turn => NotBy::GivenUp(outcome),
        outcome => NotBy::Outcome(outcome),
    }
}

/// Of two transcribers' ends, the one with more hope: a wait, the shorter the better, before another try, before none.
fn most_hopeful(one: Option<Outcome>, other: Outcome) -> Outcome {
    match (one, other) {
        (None, other) => other,
        (Some(one @ Outcome::Later { wait, .. }), Outcome::Later { wait: other, .. }) if wait <= other => one,
        (Some(_), later @ Outcome::Later { .. }) | (Some(later @ Outcome::Later { .. }), _) => later,
        (Some(retry @ Outcome::Retry(_)), Outcome::Stop(_)) => retry,
        (Some(_), other) => other,
    }
}

fn checked(side: HeardSide, language: Option<&str>) -> (HeardSide, Checked) {
    let mut checked = check(&side.transcription, &side.speech);
    if side.transcription.too_short && side.transcription.text.is_empty() {
        checked.verdict = Verdict::Suspect { flags: vec![Flag::TooShort] };
        return (side, checked);
    }
    if let (false, Some(what)) = (matches!(checked.verdict, Verdict::Bad { .. }), is_in_another_language(&side.transcription, language)) {
        checked.verdict = Verdict::Bad { reason: Reason::LanguageMismatch, what };
    }
    (side, checked)
}

/// The language in which most is said.
fn language_of<'a>(sides: impl Iterator<Item = &'a HeardSide>) -> Option<String> {
    let told = sides.filter_map(|side| Some((side.transcription.text.len(), side.transcription.language.clone()?)));
    told.max_by_key(|(length, _)| *length).map(|(_, language)| language)
}

/// The sides' measures as one: what was spoken and heard is summed, what is worst is kept.
fn whole(sides: &[(HeardSide, Checked)]) -> Measures {
    let all = || sides.iter().map(|(_, checked)| &checked.measures);
    let latest = |of: fn(&Measures) -> Option<f64>| all().filter_map(of).reduce(f64::max);
    let speech_seconds: f64 = all().map(|measures| measures.speech_seconds).sum();
    let words: f64 = all().filter_map(|measures| Some(measures.words_per_second? * measures.speech_seconds)).sum();
    Measures {
        speech_seconds,
        end_of_speech: latest(|measures| measures.end_of_speech),
        end_of_text: latest(|measures| measures.end_of_text),
        longest_unheard_seconds: all().map(|measures| measures.longest_unheard_seconds).fold(0.0, f64::max),
        words_per_second: (speech_seconds > 0.0).then(|| words / speech_seconds),
        compression_ratio: all().map(|measures| measures.compression_ratio).fold(0.0, f64::max),
    }
}
