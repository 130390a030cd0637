//! A call's story in the order of time: what the vendor, the recordings, the jobs and their attempts tell together.

use callscribe::{
    ledger::{AttemptSeen, JobSeen},
    store::call_story::CallStory,
};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::commands::jobs::{advice, attempt_cause};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Event {
    /// When.
    pub(super) at: DateTime<Utc>,
    /// To what: `call`, `recording`, `transcript`, or a kind of job.
    pub(super) subject: String,
    /// What happened.
    pub(super) what: String,
    /// More about it: the error, the vendor's id of the request, what to do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) more: Vec<String>,
}

impl Event {
    fn new(at: DateTime<Utc>, subject: &str, what: impl Into<String>) -> Self {
        Self { at, subject: subject.to_owned(), what: what.into(), more: Vec::new() }
    }
}

/// Everything that ever happened to the call, first things first.
pub(super) fn timeline(story: &CallStory, jobs: &[JobSeen], attempts: &[AttemptSeen]) -> Vec<Event> {
    let mut events = of_call(story);
    for job in jobs {
        events.extend(of_job(job, attempts.iter().filter(|attempt| attempt.job_id == job.id)));
    }
    // things of one moment stay in the order above: the call, its recordings, its transcripts, its jobs
    events.sort_by_key(|event| event.at);
    events
}

fn of_call(story: &CallStory) -> Vec<Event> {
    let call = &story.call;
    let mut events = vec![Event::new(call.start_time, "call", "began")];
    events.extend(call.end_time.map(|at| Event::new(at, "call", "ended")));
    events.push(Event::new(call.first_seen_at, "call", format!("first told by {}", call.source)));
    for recording in &story.recordings {
        let name = format!("`{}` ({})", recording.recording_id, recording.leg);
        events.push(Event::new(recording.found_at, "recording", format!("{name} offered by {}", call.source)));
        events.extend(recording.stored_at.map(|at| {
            let bytes = recording.size_bytes.unwrap_or_default();
            Event::new(at, "recording", format!("{name} stored, {bytes} bytes"))
        }));
    }
    for transcript in &story.transcripts {
        let version = if transcript.version > 1 { format!("version {} ", transcript.version) } else { String::new() };
        let name = if transcript.leg == "main" { version } else { format!("{version}of {} ", transcript.leg) };
        events.push(Event::new(transcript.created_at, "transcript", format!("{name}expected")));
        events
            .extend(transcript.completed_at.map(|at| Event::new(at, "transcript", format!("{name}complete, by {}", transcript.provider))));
    }
    events
}

fn of_job<'a>(job: &JobSeen, attempts: impl Iterator<Item = &'a AttemptSeen>) -> Vec<Event> {
    let mut events = vec![Event::new(job.created_at, &job.kind, format!("enqueued as job {}", job.id))];
    events.extend(attempts.map(|attempt| of_attempt(job, attempt)));
    match (job.state.as_str(), job.finished_at, job.started_at) {
        // the attempt that killed it has told it
        ("dead", ..) => {}
        (state, Some(at), _) => {
            events.push(Event::new(at, &job.kind, format!("{state} after {} of {} attempts", job.attempt, job.max_attempts)))
        }
        ("running", None, Some(at)) => {
            let worker = job.worker.as_deref().unwrap_or("a worker that is gone");
            events.push(Event::new(at, &job.kind, format!("running on {worker} since")));
        }
        _ => events.push(Event::new(job.run_at, &job.kind, if job.due { "due since" } else { "due again" })),
    }
    events
}

fn of_attempt(job: &JobSeen, attempt: &AttemptSeen) -> Event {
    let worker = attempt.worker.as_deref().map(|name| format!(" on {name}")).unwrap_or_default();
    let what = format!("{} ({}), run {}{worker}", attempt.outcome, attempt.reason, attempt.run);
    let mut event = Event::new(attempt.ended_at, &job.kind, what);
    event.more = attempt_cause(attempt);
    if attempt.outcome == "dead" {
        event.more.extend(advice(&attempt.reason).map(|advice| format!("what to do: {advice}")));
    }
    event
}
