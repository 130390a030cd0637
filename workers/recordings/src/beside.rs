//! The recordings beside the call's own: each is a job of its own, so that a consultation that cannot be had never keeps the
//! call waiting, and each is copied once.

use callscribe::{
    config::RecordingSettings,
    domain::{JobKind, RecordingId, RecordingOffer, SessionId, SourceName, TranscriptId, priority_after},
    ledger::{Claimed, Hint, NewJob, enqueue, hold_lightly},
    schedule::UpkeepTask,
    store::{Connection, recordings, transcripts},
};
use diesel_async::AsyncConnection;
use futures_util::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};

use crate::{choose, trouble::Trouble};

/// What a job of this kind holds: nothing for the call's own recording.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payload {
    /// The recording beside the call that is to be copied.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) recording_id: Option<RecordingId>,
    /// A person asked for it to be copied once more, though it is stored, and to be transcribed from that copy.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(crate) anew: bool,
}

impl Payload {
    pub(crate) fn of(job: &Claimed) -> Result<Self, Trouble> {
        serde_json::from_value(job.payload.clone()).map_err(|_| Trouble::Poison("its payload is not one of this version"))
    }
}

/// Assistants write when the agent has wrapped up.
const SUMMARY_DELAY: std::time::Duration = std::time::Duration::from_mins(5);

/// The job that asks for the call's summary.
pub(crate) fn summary_job(job: &Claimed, session: &SessionId, source: SourceName) -> Result<NewJob, Trouble> {
    let payload = UpkeepTask::Summarise.to_json().map_err(|_| Trouble::Poison("its call's summary has no payload"))?;
    Ok(NewJob {
        priority: priority_after(job.priority),
        delay_milliseconds: i64::try_from(SUMMARY_DELAY.as_millis()).unwrap_or(i64::MAX),
        source: Some(source),
        session_id: Some(session.clone()),
        payload,
        ..NewJob::new(JobKind::Upkeep, format!("{session}/summary"))
    })
}

/// What is on offer of one call, and who asks.
pub(crate) struct Noted<'a> {
    pub(crate) job: &'a Claimed,
    pub(crate) session: &'a SessionId,
    pub(crate) source: SourceName,
    pub(crate) offers: &'a [RecordingOffer],
    pub(crate) settings: &'a RecordingSettings,
    /// Who transcribes legs beside the call; nobody: they are only copied.
    pub(crate) provider: Option<&'a str>,
}

/// Every recording on offer becomes a row, the ones that policy leaves out too, and every one beside the call that policy
/// names a job, in one transaction. Returns the hints of the jobs that are new.
pub(crate) fn note<'a>(connection: &'a mut Connection, noted: &'a Noted<'a>) -> BoxFuture<'a, Result<Vec<Hint>, Trouble>> {
    connection
        .transaction(async move |transaction| {
            let Noted { job, session, offers, settings, .. } = noted;
            hold_lightly(transaction, job).await?;
            let is_skipped = |offer: &RecordingOffer| !choose::is_copied(&settings.legs, offers, offer);
            recordings::note_offers(transaction, session, offers, is_skipped).await?;
            let jobs = jobs_beside(transaction, noted).await?;
            Ok(enqueue(transaction, &jobs).await?)
        })
        .boxed()
}

async fn jobs_beside(transaction: &mut Connection, noted: &Noted<'_>) -> Result<Vec<NewJob>, Trouble> {
    let Noted { job, session, source, offers, settings, provider } = noted;
    let own = choose::main_recording(offers).map(|choice| choice.offer.recording_id);
    let mut transcribed = std::collections::HashMap::new();
    if let Some(provider) = provider {
        for side in choose::side_legs(&settings.legs, offers) {
            let leg = side.offer.leg;
            let id = TranscriptId::of(*source, session, leg, 1);
            let leg_transcript =
                transcripts::LegTranscript { id, session_id: session, leg, recording_id: &side.offer.recording_id, provider };
            // a longer one may be offered later: the leg's transcript stays with the recording that it began with
            if let Some(recording_id) = transcripts::expect_of_leg(transaction, &leg_transcript).await? {
                transcribed.insert(recording_id, id);
            }
        }
    }
    let copied = offers.iter().filter(|offer| choose::is_copied(&settings.legs, offers, offer));
    let beside = copied.filter(|offer| Some(&offer.recording_id) != own.as_ref());
    let new_job = |offer: &RecordingOffer| {
        let payload = Payload { recording_id: Some(offer.recording_id.clone()), anew: false };
        Ok(NewJob {
            priority: job.priority,
            max_attempts: job.max_attempts,
            source: job.source.or(Some(*source)),
            session_id: Some((*session).clone()),
            transcript_id: transcribed.get(offer.recording_id.as_str()).copied(),
            payload: serde_json::to_value(payload).map_err(|_| Trouble::Poison("its payload cannot be written"))?,
            ..NewJob::new(JobKind::Recording, format!("{session}/{}", offer.recording_id))
        })
    };
    beside.map(new_job).collect()
}
