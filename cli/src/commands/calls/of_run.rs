//! A run of a job as an event: who, where, how long, how it ended, and what to do about it.

use callscribe::{
    domain::JobId,
    ledger::{AttemptSeen, JobSeen},
    store::call_story::CallStory,
    telemetry::traces::trace_id_of,
};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::timeline::{About, Event};
use crate::{
    commands::jobs::{advice, attempt_cause, page},
    times::{span, stamp},
};

/// A run as programs are told it; what is not known is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Run {
    job_id: i64,
    run: i32,
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_run_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor_status: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor_request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

impl Run {
    /// Says which trace of a collector is that of the run; the id follows from the run, whether or not it was told.
    pub(super) fn trace(&mut self) -> Option<&str> {
        self.trace_id = self.started_at.map(|at| trace_id_of(JobId(self.job_id), self.run, at));
        self.trace_id.as_deref()
    }

    /// The last run of a job, as its row tells it.
    fn last_of(job: &JobSeen, outcome: &str) -> Self {
        Self {
            job_id: job.id,
            run: job.run,
            outcome: outcome.to_owned(),
            worker: job.worker.clone(),
            host: job.host.clone(),
            started_at: job.started_at,
            batch: job.batch.clone(),
            ..Self::default()
        }
    }

    fn ended(self, at: DateTime<Utc>) -> Self {
        let seconds = self.started_at.and_then(|started| (at - started).to_std().ok()).map(|took| took.as_secs_f64());
        Self { ended_at: Some(at), seconds, ..self }
    }

    /// `run 2 on box-812, took 1.2s from 10:02:08`.
    fn told(&self) -> String {
        let place = match (&self.worker, &self.host) {
            // most workers are named after their machine
            (Some(worker), Some(host)) if !worker.starts_with(host.as_str()) => format!(" on {worker} at {host}"),
            (Some(worker), _) => format!(" on {worker}"),
            (None, _) => String::new(),
        };
        let took = self.seconds.map(|seconds| format!(", took {}", span(std::time::Duration::from_secs_f64(seconds)))).unwrap_or_default();
        let from = self.started_at.filter(|_| self.ended_at.is_some());
        let from = from.map(|at| format!(" from {}", at.format("%H:%M:%S"))).unwrap_or_default();
        let bytes = self.bytes.map(|bytes| format!(", {bytes} bytes")).unwrap_or_default();
        format!("run {}{place}{took}{from}{bytes}", self.run)
    }

    fn into_event(self, kind: &str, at: DateTime<Utc>, what: &str) -> Event {
        let what = format!("{what}: {}", self.told());
        Event::new(at, kind, what, About::Run(Box::new(self)))
    }
}

/// A run that did not simply succeed.
pub(super) fn of_attempt(job: &JobSeen, attempt: &AttemptSeen) -> Event {
    let run = Run {
        job_id: job.id,
        run: attempt.run,
        outcome: attempt.outcome.clone(),
        worker: attempt.worker.clone(),
        host: attempt.host.clone(),
        started_at: attempt.started_at,
        next_run_at: attempt.next_run_at,
        reason: Some(attempt.reason.clone()),
        error: attempt.error.clone(),
        vendor_status: attempt.vendor_status,
        vendor_request: attempt.vendor_request.clone(),
        advice: advice(&attempt.reason),
        page: page(&attempt.reason),
        ..Run::default()
    }
    .ended(attempt.ended_at);
    let mut event = run.into_event(&job.kind, attempt.ended_at, &format!("{} ({})", attempt.outcome, attempt.reason));
    event.more = attempt_cause(attempt);
    event.more.extend(attempt.next_run_at.map(|at| format!("again at {}", stamp(at))));
    // what goes on by itself needs nobody: the page says so, and what to do if it does not
    let to_do = advice(&attempt.reason).filter(|_| attempt.outcome == "dead");
    event.more.extend(to_do.map(|advice| format!("what to do: {advice}")));
    event.more.extend(page(&attempt.reason).map(|page| format!("read: {page}")));
    event
}

/// The run that did its job.
pub(super) fn of_success(story: &CallStory, job: &JobSeen, ended: DateTime<Utc>) -> Event {
    let run = Run { bytes: bytes(story, job), ..Run::last_of(job, "done") };
    run.ended(ended).into_event(&job.kind, ended, "done")
}

/// The run that goes on now.
pub(super) fn of_running(job: &JobSeen, since: DateTime<Utc>) -> Event {
    Run::last_of(job, "running").into_event(&job.kind, since, "running since")
}

/// A run that succeeded before the job was made due again: its end is not kept.
pub(super) fn of_earlier_success(job: &JobSeen, started: DateTime<Utc>) -> Event {
    let mut event = Run::last_of(job, "done").into_event(&job.kind, started, "began, and was done later");
    event.more.push("the job was requeued since; when this run ended is not kept".to_owned());
    event
}

/// The size of the recording that a job copied or had transcribed.
fn bytes(story: &CallStory, job: &JobSeen) -> Option<i64> {
    if !["recording", "transcription"].contains(&job.kind.as_str()) {
        return None;
    }
    // a job of a recording beside the call is named after it
    let beside = job.key.strip_prefix(story.call.session_id.as_str()).and_then(|rest| rest.strip_prefix('/'));
    let is_its = |recording: &&callscribe::store::call_story::RecordingSeen| match beside {
        Some(id) => recording.recording_id == id,
        None => recording.leg == "main" && recording.status == "stored",
    };
    story.recordings.iter().find(is_its)?.size_bytes
}
