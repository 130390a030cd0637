//! Has what is missing made: exactly that, by the ledger's own guarded operations, in the transaction that ends the day.

use callscribe::{
    domain::{GapKind, GapReason, JobId, JobKind, JobState, PRIORITY_BACKFILL, Reason, Repair, SessionId, TranscriptId, Window},
    ledger::{self, ByHand, Hint, JobFilter, NewJob},
    schedule::{Reconcile, enqueue_windows},
    store::{
        Connection,
        completeness::{self, Day, Gap, Held, Lack, LackingJob},
        transcripts,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::{answer::UpkeepError, handler::House};

/// The vendor's bounds may be exclusive: a millisecond on either side includes the call.
const MARGIN: TimeDelta = TimeDelta::milliseconds(1);
/// Missing calls that began within this span of each other are asked for together.
const NEAR: TimeDelta = TimeDelta::minutes(10);

/// What became of a day's gaps.
#[derive(Debug, Default)]
pub(super) struct Repaired {
    /// All of them, each with whether work was enqueued for it.
    pub(super) gaps: Vec<Gap>,
    /// Hints to push after the commit.
    pub(super) hints: Vec<Hint>,
}

/// What fills a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filling {
    /// A recording job that never was.
    NewRecording,
    /// A transcription job that never was.
    NewTranscription(TranscriptId),
    /// A job that died of what may have passed.
    Dead(JobId),
    /// A job that is done, once more: what it made is gone.
    Done(JobId),
    /// Nothing that can be done without a person.
    Nothing,
}

/// Enqueues what the task wants repaired of a day's gaps.
pub(super) async fn day(
    transaction: &mut Connection,
    house: &House,
    task: &Reconcile,
    day: &Day<'_>,
    held: &Held,
) -> Result<Repaired, UpkeepError> {
    let (calls, everything) = match task.repair {
        Repair::Nothing => (false, false),
        Repair::Calls => (true, false),
        Repair::Everything => (true, true),
    };
    let mut repaired = Repaired::default();
    if calls {
        sync_missing(transaction, day, task, &mut repaired).await?;
    }
    let fillings: Vec<(&Lack, Filling)> = held.lacks.iter().map(|lack| (lack, filling(lack))).collect();
    if everything {
        fill(transaction, house, task, day, &fillings, &mut repaired).await?;
    }
    repaired.gaps.extend(fillings.iter().map(|(lack, filling)| Gap {
        kind: lack.kind,
        subject: lack.session_id.to_string(),
        start_time: lack.start_time,
        reason: reason(lack),
        repaired: everything && *filling != Filling::Nothing,
    }));
    Ok(repaired)
}

/// Why it is missing.
fn reason(lack: &Lack) -> String {
    let never = |job: Option<LackingJob>| if job.is_some() { GapReason::Lost } else { GapReason::NoJob };
    let ours = match lack.kind {
        GapKind::Transcripts => never(lack.transcription_job),
        GapKind::Recordings | GapKind::Calls => never(lack.recording_job),
    };
    lack.died_of.clone().unwrap_or_else(|| ours.as_str().to_owned())
}

fn filling(lack: &Lack) -> Filling {
    let died_of = lack.died_of.as_deref().map(str::parse::<Reason>);
    let own_job = match lack.kind {
        GapKind::Transcripts => lack.transcription_job,
        GapKind::Recordings | GapKind::Calls => lack.recording_job,
    };
    match (own_job, died_of, lack.recording_job) {
        // the bytes in S3 are bad: the recording is copied again, which brings back the transcription that died of them
        (Some(_), Some(Ok(Reason::StorageCorrupt)), Some(recording)) if lack.kind == GapKind::Transcripts && !recording.dead => {
            Filling::Done(recording.id)
        }
        (Some(job), Some(Ok(reason)), _) if reason.may_have_passed() => Filling::Dead(job.id),
        // a reason that needs a person, or one that only a newer version knows
        (Some(_), Some(_), _) => Filling::Nothing,
        (Some(job), None, _) => Filling::Done(job.id),
        (None, _, _) => match (lack.kind, lack.transcript_id) {
            (GapKind::Transcripts, Some(transcript)) => Filling::NewTranscription(transcript),
            (GapKind::Transcripts | GapKind::Recordings | GapKind::Calls, _) => Filling::NewRecording,
        },
    }
}

/// Syncs narrow windows around the calls that are missing. A moment that the vendor could not be made to tell is not asked again: it
/// would answer the same.
async fn sync_missing(transaction: &mut Connection, day: &Day<'_>, task: &Reconcile, repaired: &mut Repaired) -> Result<(), UpkeepError> {
    let fillable = [GapReason::NotHeld, GapReason::StillOpen].map(GapReason::as_str);
    let known = completeness::gaps_of_day(transaction, day).await?;
    let gaps: Vec<Gap> = known.into_iter().filter(|gap| gap.kind == GapKind::Calls && fillable.contains(&gap.reason.as_str())).collect();
    if gaps.is_empty() {
        return Ok(());
    }
    let windows = around(gaps.iter().map(|gap| gap.start_time));
    let (jobs, hints) = enqueue_windows(transaction, day.source, &windows).await?;
    let details = json!({ "source": day.source, "calls": gaps.len(), "job_ids": jobs, "day": day.window.from });
    ledger::note_enqueued(transaction, &task.actor, "reconcile", &details).await?;
    repaired.hints.extend(hints);
    repaired.gaps.extend(gaps.into_iter().map(|gap| Gap { repaired: true, ..gap }));
    Ok(())
}

/// Few and small windows that hold every one of `starts`.
fn around(starts: impl Iterator<Item = DateTime<Utc>>) -> Vec<Window> {
    let mut starts: Vec<_> = starts.collect();
    starts.sort_unstable();
    let mut windows: Vec<Window> = Vec::new();
    for start in starts {
        match windows.last_mut() {
            Some(last) if start - last.to <= NEAR => last.to = start + MARGIN,
            Some(_) | None => windows.push(Window { from: start - MARGIN, to: start + MARGIN }),
        }
    }
    windows
}

async fn fill(
    transaction: &mut Connection,
    house: &House,
    task: &Reconcile,
    day: &Day<'_>,
    fillings: &[(&Lack, Filling)],
    repaired: &mut Repaired,
) -> Result<(), UpkeepError> {
    let jobs = |picked: fn(&Filling) -> Option<JobId>| fillings.iter().filter_map(|(_, filling)| picked(filling)).collect::<Vec<_>>();
    let dead = jobs(|filling| if let Filling::Dead(job) = filling { Some(*job) } else { None });
    let done = jobs(|filling| if let Filling::Done(job) = filling { Some(*job) } else { None });
    for (ids, state, again) in [(dead, JobState::Dead, false), (done, JobState::Done, true)] {
        if ids.is_empty() {
            continue;
        }
        let filter = JobFilter { ids, states: vec![state], ..JobFilter::default() };
        let order = ByHand { why: Some("reconcile".to_owned()), again, ..ByHand::new(filter, &task.actor) };
        let (_, hints) = ledger::requeue_within(transaction, &order).await.map_err(UpkeepError::own)?;
        repaired.hints.extend(hints);
    }
    let new = new_jobs(transaction, house, day, fillings).await?;
    if new.is_empty() {
        return Ok(());
    }
    // a transcript that was given up waits again, like that of a job that is requeued
    let waiting: Vec<TranscriptId> = new.iter().filter_map(|job| job.transcript_id).collect();
    transcripts::reopen(transaction, &waiting).await?;
    repaired.hints.extend(ledger::enqueue(transaction, &new).await?);
    let keys: Vec<_> = new.iter().map(|job| format!("{} {}", job.kind, job.key)).collect();
    let details = json!({ "source": day.source, "enqueued": keys, "day": day.window.from });
    Ok(ledger::note_enqueued(transaction, &task.actor, "reconcile", &details).await?)
}

async fn new_jobs(
    transaction: &mut Connection,
    house: &House,
    day: &Day<'_>,
    fillings: &[(&Lack, Filling)],
) -> Result<Vec<NewJob>, UpkeepError> {
    let without: Vec<SessionId> = fillings
        .iter()
        .filter(|(lack, filling)| *filling == Filling::NewRecording && lack.transcript_id.is_none())
        .map(|(lack, _)| lack.session_id.clone())
        .collect();
    let made = completeness::ensure_transcripts(transaction, day.source, &without, &house.provider).await?;
    let job = |kind: JobKind, lack: &Lack, transcript_id: Option<TranscriptId>| NewJob {
        priority: PRIORITY_BACKFILL,
        source: Some(day.source),
        session_id: Some(lack.session_id.clone()),
        transcript_id,
        ..NewJob::new(kind, lack.session_id.as_str())
    };
    let new = fillings.iter().filter_map(|(lack, filling)| match filling {
        Filling::NewRecording => {
            let transcript = made.iter().find(|made| made.session_id == lack.session_id).map(|made| made.id);
            let recording = job(JobKind::Recording, lack, lack.transcript_id.or(transcript));
            Some(NewJob { max_attempts: house.recording_attempts, ..recording })
        }
        Filling::NewTranscription(transcript) => Some(job(JobKind::Transcription, lack, Some(*transcript))),
        Filling::Dead(_) | Filling::Done(_) | Filling::Nothing => None,
    });
    Ok(new.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lack(kind: GapKind) -> Lack {
        Lack {
            kind,
            session_id: SessionId::parse("s").unwrap(),
            start_time: DateTime::UNIX_EPOCH,
            transcript_id: None,
            recording_job: None,
            transcription_job: None,
            died_of: None,
        }
    }

    #[test]
    fn what_fills_a_gap_follows_from_what_its_job_died_of() {
        let (recording, dead) = (Some(LackingJob { id: JobId(1), dead: false }), Some(LackingJob { id: JobId(2), dead: true }));
        let died = |of: &str| Lack {
            recording_job: recording,
            transcription_job: dead,
            died_of: Some(of.to_owned()),
            ..lack(GapKind::Transcripts)
        };
        assert_eq!(filling(&died("provider_unavailable")), Filling::Dead(JobId(2)));
        assert_eq!(filling(&died("audio_too_long")), Filling::Nothing, "it would die of it again");
        assert_eq!(filling(&died("a_reason_of_tomorrow")), Filling::Nothing);
        assert_eq!(filling(&died("storage_corrupt")), Filling::Done(JobId(1)), "the recording is copied again");
        assert_eq!(filling(&Lack { recording_job: recording, ..lack(GapKind::Recordings) }), Filling::Done(JobId(1)));
        assert_eq!(filling(&lack(GapKind::Recordings)), Filling::NewRecording);
        assert_eq!((reason(&lack(GapKind::Recordings)), reason(&died("timed_out"))), ("no_job".to_owned(), "timed_out".to_owned()));
    }

    #[test]
    fn neighbours_share_a_window_and_strangers_do_not() {
        let at = |minutes| DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
        let windows = around([at(100), at(0), at(5), at(9)].into_iter());
        assert_eq!(windows, [Window { from: at(0) - MARGIN, to: at(9) + MARGIN }, Window { from: at(100) - MARGIN, to: at(100) + MARGIN }]);
    }
}
