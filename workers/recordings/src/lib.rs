//! Copies a call's recordings from their source into S3, as streams, verified on the way.
//!
//! One job is one call. It asks the source for fresh links, notes every recording on offer, makes a job of every one beside
//! the call that policy names (`RECORDING_LEGS`), chooses the one that is the call, streams it into the bucket, and then, in
//! the transaction that finishes the job, notes where it is and makes the transcription job. A job of a recording beside the
//! call does the same with that recording alone. No transaction is open while bytes travel. Killed at any line and run
//! again, it writes the same objects under the same names and the same rows.
//!
//! What does not live here: asking vendors (`sources`), talking to S3 (`blob`), SQL (`store`).

mod beside;
mod choose;
mod content;
mod copy;
mod names;
mod plan;
mod sidecar;
mod trouble;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use callscribe::{
    blob::{Blob, apart},
    clock::Clock,
    config::RecordingSettings,
    domain::{JobKind, Leg, RecordingOffer, SessionId, SourceName, Wishes, priority_after},
    ledger::{
        Claimed, Effect, Handler, NewJob, Outcome, RunContext, VendorTrace, enqueue, enqueue_anew, enqueue_or_reopen, hold_lightly,
        version_anew,
    },
    sources::{RecordingAnswer, Source},
    store::{
        Connection,
        recordings::{self, KnownRecording, RecordedCall},
    },
    telemetry::metrics,
};
use diesel_async::AsyncConnection;
use futures_util::{FutureExt, future::BoxFuture};

pub use crate::trouble::Trouble;
use crate::{
    beside::{Noted, Payload},
    choose::Choice,
    copy::Copied,
    plan::Plan,
};

/// Copies recordings.
#[derive(Clone)]
pub struct RecordingHandler {
    sources: HashMap<SourceName, Arc<dyn Source>>,
    blob: Blob,
    settings: RecordingSettings,
    largest_bytes: u64,
    leg_provider: Option<String>,
    summaries: bool,
    apart: bool,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for RecordingHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordingHandler").field("sources", &self.sources.keys()).finish_non_exhaustive()
    }
}

impl RecordingHandler {
    /// A handler that fetches from `sources` into `blob`, and refuses recordings of more than `largest_bytes`.
    #[must_use]
    pub fn new(
        sources: impl IntoIterator<Item = Arc<dyn Source>>,
        blob: Blob,
        settings: RecordingSettings,
        largest_bytes: u64,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let sources = sources.into_iter().map(|source| (source.name(), source)).collect();
        Self { sources, blob, settings, largest_bytes, leg_provider: None, summaries: false, apart: false, clock }
    }

    /// Has the vendor asked, by jobs of their own, for the summary of every call whose recording is looked for.
    #[must_use]
    pub const fn asking_for_summaries(mut self) -> Self {
        self.summaries = true;
        self
    }

    /// Has recordings lie apart from the copies of them in which something is muted.
    #[must_use]
    pub const fn keeping_originals_apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// Has the legs beside the call that are copied transcribed by `provider`, too.
    #[must_use]
    pub fn transcribing_legs_by(mut self, provider: impl Into<String>) -> Self {
        self.leg_provider = Some(provider.into());
        self
    }
}

#[async_trait]
impl Handler for RecordingHandler {
    fn kind(&self) -> JobKind {
        JobKind::Recording
    }

    async fn run(&self, job: &Claimed, context: &RunContext) -> Outcome {
        match self.copy_recording(job, context).await {
            Ok(effect) => Outcome::Done(effect),
            Err(trouble) => trouble.decide(job, context, &self.settings.poll_schedule).await,
        }
    }
}

impl RecordingHandler {
    async fn copy_recording(&self, job: &Claimed, context: &RunContext) -> Result<Effect, Trouble> {
        let session = job.session_id.as_ref().ok_or(Trouble::Poison("it names no call"))?;
        let asks_for_summary = self.summaries && Payload::of(job)?.recording_id.is_none();
        let Begun { call, known } = begin(context.store.connection().await?.as_mut(), job, session, asks_for_summary).await?;
        let source_name = call.source;
        let source = self.sources.get(&source_name).ok_or(Trouble::NoSource(source_name))?;
        let offered = match source.recordings(session).await? {
            RecordingAnswer::Offered { offers, trace } => Offered { session, source: source_name, offers, trace },
            RecordingAnswer::Nothing { trace } => return Err(Trouble::NothingYet(trace)),
            RecordingAnswer::Purged { trace } => return Err(Trouble::Purged(trace)),
        };
        let Choice { offer, flags } = self.chosen(job, context, offered).await?;
        let before = known.into_iter().find(|known| known.recording_id == offer.recording_id);
        if before.as_ref().is_some_and(|before| before.is_gone) {
            return Err(Trouble::Deleted);
        }
        let (is_call, anew) = (offer.leg == Leg::Main && Payload::of(job)?.recording_id.is_none(), Payload::of(job)?.anew);
        if before.as_ref().is_some_and(|before| before.original_is_gone) && !anew {
            // by policy: it is not brought back because its job ran once more
            return self.next_stage(job);
        }
        let stem = names::stem(&call, source.org_id(), session, &offer.recording_id);
        let plan = Plan {
            source: Arc::clone(source),
            blob: self.blob.clone(),
            stem: if self.apart { apart::apart(&stem) } else { stem },
            offer,
            call,
            flags,
            largest_bytes: self.largest_bytes,
            stop: context.stop.clone(),
        };
        let still_there = match before.and_then(|before| before.copy) {
            Some(before) if !anew => sidecar::still_there(&plan, &before).await?,
            Some(_) | None => None,
        };
        let copied = match still_there {
            Some(copied) => copied,
            None => {
                let copied = copy::copy(plan, self.clock.as_ref()).await?;
                metrics::recording_bytes(source_name, copied.stored.copy.size_bytes);
                copied
            }
        };
        tracing::info!(
            recording.id = %copied.stored.recording_id,
            recording.size_bytes = copied.stored.copy.size_bytes,
            recording.flags = ?copied.stored.flags,
            "stored recording"
        );
        self.effect(job, copied, is_call)
    }

    /// The recording that the job is about; the call's own job notes the others on the way.
    async fn chosen(&self, job: &Claimed, context: &RunContext, offered: Offered<'_>) -> Result<Choice, Trouble> {
        let Offered { session, source, offers, trace } = offered;
        if let Some(id) = Payload::of(job)?.recording_id {
            let offer = offers.into_iter().find(|offer| offer.recording_id == id).ok_or(Trouble::NothingYet(trace))?;
            return Ok(Choice { offer, flags: Vec::new() });
        }
        let noted = Noted { job, session, source, offers: &offers, settings: &self.settings, provider: self.leg_provider.as_deref() };
        let hints = beside::note(context.store.connection().await?.as_mut(), &noted).await?;
        // nobody listening only costs time: the dispatcher finds the rows
        let _ = context.hints.send(hints);
        choose::main_recording(&offers).ok_or(Trouble::NothingYet(trace))
    }

    /// Nothing was copied: what follows is enqueued.
    fn next_stage(&self, job: &Claimed) -> Result<Effect, Trouble> {
        let next = Arc::new(next_job(job)?);
        Ok(Effect::new(move |connection| {
            let next = Arc::clone(&next);
            async move { enqueue_or_reopen(connection, next.as_slice()).await }.boxed()
        }))
    }

    fn effect(&self, job: &Claimed, copied: Copied, is_call: bool) -> Result<Effect, Trouble> {
        let anew = Payload::of(job)?.anew;
        let audio_url = self.blob.url(&copied.stored.copy.object_key);
        let (transcript, next) = (job.transcript_id, next_job(job)?);
        let (written, before) = (Arc::new((copied.stored, audio_url, next)), job.id);
        Ok(Effect::new(move |connection| {
            let written = Arc::clone(&written);
            async move {
                let (stored, audio_url, next) = written.as_ref();
                if let (Some(next), true) = (next, anew) {
                    let transcript = version_anew(connection, before, next).await?;
                    recordings::mark_stored(connection, stored, recordings::StoredFor { transcript, is_call }, audio_url).await?;
                    return enqueue_anew(connection, before, &NewJob { transcript_id: transcript, ..next.clone() }).await;
                }
                recordings::mark_stored(connection, stored, recordings::StoredFor { transcript, is_call }, audio_url).await?;
                // a transcription that died for want of this very file has it now
                enqueue_or_reopen(connection, next.as_slice()).await
            }
            .boxed()
        }))
    }
}

/// The transcription that follows, if a transcript is to be made.
fn next_job(job: &Claimed) -> Result<Option<NewJob>, Trouble> {
    let wishes = Wishes::of(&job.payload).map_err(|_| Trouble::Poison("its wishes are not of this version"))?;
    let transcript_id = job.transcript_id;
    Ok(transcript_id.map(|_| NewJob {
        priority: priority_after(job.priority),
        source: job.source,
        session_id: job.session_id.clone(),
        transcript_id,
        payload: wishes.to_payload(),
        ..NewJob::new(JobKind::Transcription, job.key.clone())
    }))
}

/// What a run begins with.
struct Begun {
    call: RecordedCall,
    known: Vec<KnownRecording>,
}

/// Says that the download has begun, if the job is still ours, and reads what the call is and what is known of its recordings.
///
/// Boxed, like every transaction here: the compiler cannot yet prove an async closure that borrows to be `Send`.
fn begin<'a>(
    connection: &'a mut Connection,
    job: &'a Claimed,
    session: &'a SessionId,
    asks_for_summary: bool,
) -> BoxFuture<'a, Result<Begun, Trouble>> {
    connection
        .transaction(async move |transaction| {
            hold_lightly(transaction, job).await?;
            // before the call: in the order in which holds and deletions lock
            let known = recordings::known_recordings(transaction, session).await?;
            if let Some(transcript) = job.transcript_id {
                recordings::begin_downloading(transaction, transcript).await?;
            }
            let call = recordings::recorded_call(transaction, session).await?.ok_or(Trouble::Poison("its call is not in the database"))?;
            if asks_for_summary {
                // never due at once: there is no hint to give
                enqueue(transaction, &[beside::summary_job(job, session, call.source)?]).await?;
            }
            Ok(Begun { call, known })
        })
        .boxed()
}

/// What a source offers of a call.
struct Offered<'a> {
    session: &'a SessionId,
    source: SourceName,
    offers: Vec<RecordingOffer>,
    trace: VendorTrace,
}
