//! A call's story in the order of time: what the vendor, the recordings, the jobs and their attempts tell together.

use std::{collections::HashSet, io};

use callscribe::{
    ledger::{AttemptSeen, JobSeen},
    store::call_story::{CallStory, RecordingSeen, TranscriptSeen},
};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::of_run::{self, Run};
use crate::output::Output;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Event {
    /// When.
    pub(super) at: DateTime<Utc>,
    /// To what: `call`, `recording`, `transcript`, or a kind of job.
    pub(super) subject: String,
    /// What happened.
    pub(super) what: String,
    /// More about it, a line each, for people; programs have it in fields.
    #[serde(skip)]
    pub(super) more: Vec<String>,
    #[serde(flatten)]
    pub(super) about: About,
}

/// What programs are told of an event besides.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum About {
    /// A run of a job.
    Run(Box<Run>),
    /// A recording on offer, or in S3.
    Recording {
        recording_id: String,
        leg: String,
        state: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        object_key: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes: Option<i64>,
    },
    /// A version of a transcript.
    Transcript {
        leg: String,
        version: i32,
        provider: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        state: String,
        current: bool,
        counts: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        batch: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The call.
    Call {
        #[serde(skip_serializing_if = "Option::is_none")]
        case_number: Option<String>,
    },
    /// A job as it stands.
    Job {
        job_id: i64,
        #[serde(skip_serializing_if = "Option::is_none")]
        batch: Option<String>,
    },
}

impl Event {
    pub(super) fn new(at: DateTime<Utc>, subject: &str, what: impl Into<String>, about: About) -> Self {
        Self { at, subject: subject.to_owned(), what: what.into(), more: Vec::new(), about }
    }

    fn with(mut self, more: impl IntoIterator<Item = String>) -> Self {
        self.more.extend(more);
        self
    }
}

/// Everything that ever happened to the call, first things first.
pub(super) fn timeline(story: &CallStory, jobs: &[JobSeen], attempts: &[AttemptSeen]) -> Vec<Event> {
    let mut events = of_call(story);
    for recording in &story.recordings {
        events.extend(of_recording(story, recording));
    }
    for transcript in &story.transcripts {
        events.extend(of_transcript(transcript));
    }
    for job in jobs {
        let attempts: Vec<&AttemptSeen> = attempts.iter().filter(|attempt| attempt.job_id == job.id).collect();
        events.extend(of_job(story, job, &attempts));
    }
    // things of one moment stay in the order above: the call, its recordings, its transcripts, its jobs
    events.sort_by_key(|event| event.at);
    events
}

/// Adds to every run which trace it is, for those who have a collector.
pub(super) fn name_traces(events: &mut [Event]) {
    for event in events {
        if let About::Run(run) = &mut event.about
            && let Some(id) = run.trace()
        {
            event.more.push(format!("trace {id}"));
        }
    }
}

/// Prints the events, a heading for each day.
pub(super) fn print(events: &[Event], output: &mut Output) -> io::Result<()> {
    /// Where what happened begins.
    const INDENT: usize = 27;
    output.line("\nwhat happened (UTC)")?;
    let (mut day, mut told): (Option<NaiveDate>, HashSet<&str>) = (None, HashSet::new());
    for event in events {
        let of_event = event.at.date_naive();
        if day.replace(of_event) != Some(of_event) {
            output.line(format_args!("  {of_event}"))?;
        }
        output.prose(INDENT, format_args!("  {}  {:<13}  {}", event.at.format("%H:%M:%S"), event.subject, event.what))?;
        // a job that waits says where to read about it each time: once is enough
        for line in event.more.iter().filter(|line| !line.starts_with("read: ") || told.insert(line)) {
            output.prose(14, format_args!("            {line}"))?;
        }
    }
    Ok(())
}

fn of_call(story: &CallStory) -> Vec<Event> {
    let call = &story.call;
    let event = |at, what: String| Event::new(at, "call", what, About::Call { case_number: None });
    let mut events = vec![event(call.start_time, "began".to_owned())];
    events.extend(call.end_time.map(|at| event(at, "ended".to_owned())));
    events.push(event(call.first_seen_at, format!("synced: first told by {}", call.source)));
    events.extend(call.source_updated_at.map(|at| event(at, format!("last changed, by the clock of {}", call.source))));
    let told = call.enriched_at.map(|at| event(at, format!("enriched: {} told its details", call.source)));
    events.extend(told);
    if let (Some(number), Some(last)) = (&call.case_number, events.last_mut()) {
        let guessed = if call.case_number_guessed { " (a guess)" } else { "" };
        last.more.push(format!("case {number}{guessed}"));
        last.about = About::Call { case_number: Some(number.clone()) };
    }
    events
}

fn of_recording(story: &CallStory, recording: &RecordingSeen) -> Vec<Event> {
    let event = |at, what: String, stored: bool| {
        let about = About::Recording {
            recording_id: recording.recording_id.clone(),
            leg: recording.leg.clone(),
            state: if stored { "stored".to_owned() } else { recording.status.clone() },
            object_key: recording.object_key.clone().filter(|_| stored),
            bytes: recording.size_bytes.filter(|_| stored),
        };
        Event::new(at, "recording", what, about)
    };
    let left_out = if recording.status == "skipped" { ", left out by `RECORDING_LEGS`" } else { "" };
    let offered = event(recording.found_at, format!("{} offered by {}{left_out}", recording.leg, story.call.source), false);
    let stored = recording.stored_at.map(|at| {
        let bytes = recording.size_bytes.unwrap_or_default();
        event(at, format!("{} stored, {bytes} bytes", recording.leg), true)
    });
    let deleted = recording.deleted_at.map(|at| event(at, format!("{} deleted by retention", recording.leg), false));
    std::iter::once(offered.with([format!("id {}", recording.recording_id)])).chain(stored).chain(deleted).collect()
}

fn of_transcript(transcript: &TranscriptSeen) -> Vec<Event> {
    let event = |at, what: String| {
        let about = About::Transcript {
            leg: transcript.leg.clone(),
            version: transcript.version,
            provider: transcript.provider.clone(),
            model: transcript.model.clone(),
            state: transcript.status.clone(),
            current: transcript.current,
            counts: transcript.counts,
            batch: transcript.batch.clone(),
            reason: transcript.error_code.clone(),
        };
        Event::new(at, "transcript", what, about)
    };
    let name = format!("{} version {}", transcript.leg, transcript.version);
    let asked = transcript.batch.as_ref().map(|batch| format!(", asked for by batch {batch}")).unwrap_or_default();
    let mut events = vec![event(transcript.created_at, format!("{name} expected{asked}"))];
    events.extend(transcript.completed_at.map(|at| {
        let model = transcript.model.as_deref().filter(|model| !model.is_empty()).map(|model| format!(" ({model})")).unwrap_or_default();
        let counts = match (transcript.current, transcript.counts) {
            (true, _) => "the one that counts",
            (false, true) => "a later one counts",
            (false, false) => "on trial",
        };
        event(at, format!("{name} complete, by {}{model}: {counts}", transcript.provider))
    }));
    events.extend(transcript.error_code.as_ref().map(|reason| event(transcript.updated_at, format!("{name} given up: {reason}"))));
    events
}

fn of_job(story: &CallStory, job: &JobSeen, attempts: &[&AttemptSeen]) -> Vec<Event> {
    let event = |at, what: String| Event::new(at, &job.kind, what, About::Job { job_id: job.id, batch: job.batch.clone() });
    let mut events = vec![event(job.created_at, format!("enqueued as job {}", job.id))];
    events.extend(attempts.iter().map(|attempt| of_run::of_attempt(job, attempt)));
    let told = attempts.iter().any(|attempt| attempt.run == job.run);
    match (job.state.as_str(), job.finished_at, job.started_at) {
        // the attempt that killed it has told it
        ("dead", ..) => {}
        ("done", Some(ended), _) => events.push(of_run::of_success(story, job, ended)),
        (state, Some(at), _) => events.push(event(at, state.to_owned())),
        ("running", None, Some(at)) => events.push(of_run::of_running(job, at)),
        (_, None, started) => {
            // what simply succeeded and was made due again since is known by its beginning alone
            events.extend(started.filter(|_| job.run > 0 && !told).map(|at| of_run::of_earlier_success(job, at)));
            events.push(event(job.run_at, if job.due { "due since" } else { "due again" }.to_owned()));
        }
    }
    if let (Some(batch), Some(last)) = (&job.batch, events.last_mut()) {
        last.more.push(format!("requeued in batch `{batch}`: `callscribe batch show {batch}`"));
    }
    events
}
