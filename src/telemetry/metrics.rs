//! The one function that records each metric of the catalogue. Nothing is recorded, and nothing is held, in a process that serves
//! no `/metrics`.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub use super::catalogue::{CATALOGUE, Metric, MetricType};
use super::{
    ProcessUsage, TelemetryError,
    catalogue::{
        ACCESS_LEFT, ADVISED_SLOTS, ADVISED_WORKERS, ARRIVALS, ATTEMPTS, AUDIO_SECONDS, BUDGET, BUDGET_SHARED, BUILD, BYTES, CALLS,
        CIRCUIT_OPEN, CIRCUIT_OPENINGS, COMPLETENESS_AGE, COMPLETENESS_GAPS, CONCURRENCY, CPU_SECONDS, ENRICHED, GAPS, HINTS_LOST,
        JOB_WAIT, JOBS, KIND_WORKERS, LANE_DEPTH, LEADER, LEASES_LOST, LOGIN_NEEDED, MAX_FDS, OLDEST_DUE, OPEN_FDS, PAUSED, POSTGRES_UP,
        QUARANTINED, RATE_LIMITED, REDIS_UP, REFRESH_LEFT, REFRESHES, RESIDENT_BYTES, RUN_SECONDS, SERVICE, SERVICE_LIMIT, SLO_AGE,
        SLO_GOAL, SLOTS_BUSY, SPANS, STARTED, SWEPT, SYNC_AGE, SYNCS, THREADS, UNTRANSCRIBED, VENDOR_REQUESTS, VENDOR_SECONDS,
        VENDOR_TRANSCRIPTS, VIRTUAL_BYTES, WEBHOOK_ACTIVE, WEBHOOK_REACTIVATED, WEBHOOKS, WORKERS,
    },
};
use crate::domain::{EventKind, JobKind, Reason, SourceName};

/// From a no-op to the longest recording: 1 ms … 1 h.
const BUCKETS_SECONDS: &[f64] =
    &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];

/// The recorded figures of this process. Cloning it clones a handle.
#[derive(Clone)]
pub struct Registry(PrometheusHandle);

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registry(..)")
    }
}

/// Starts recording for the life of the process.
///
/// # Errors
/// When something records already.
pub fn start_recording(started_at: chrono::DateTime<chrono::Utc>) -> Result<Registry, TelemetryError> {
    let recorder = builder()?.build_recorder();
    let registry = Registry(recorder.handle());
    ::metrics::set_global_recorder(recorder).map_err(|error| TelemetryError::Recorder(error.to_string()))?;
    describe();
    ::metrics::gauge!(STARTED.name).set(milliseconds(started_at.timestamp_millis()));
    ::metrics::gauge!(BUILD.name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(registry)
}

fn builder() -> Result<PrometheusBuilder, TelemetryError> {
    CATALOGUE.iter().filter(|metric| metric.kind == MetricType::Histogram).try_fold(PrometheusBuilder::new(), |builder, metric| {
        builder
            .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), BUCKETS_SECONDS)
            .map_err(|error| TelemetryError::Recorder(error.to_string()))
    })
}

fn describe() {
    for metric in CATALOGUE {
        match metric.kind {
            MetricType::Counter => ::metrics::describe_counter!(metric.name, metric.about),
            MetricType::Gauge => ::metrics::describe_gauge!(metric.name, metric.about),
            MetricType::Histogram => ::metrics::describe_histogram!(metric.name, metric.about),
        }
    }
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "milliseconds since 1970 stay far below 2^53")]
fn milliseconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts of jobs stay far below 2^53")]
fn count(count: i64) -> f64 {
    count as f64
}

impl Registry {
    /// Everything recorded, in Prometheus's text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds histogram samples into their buckets; without it they pile up while nobody scrapes. Call it every few seconds.
    pub fn fold(&self) {
        self.0.run_upkeep();
    }
}

/// A run ended; `reason` is `None` when it was done.
pub fn run_ended(kind: JobKind, outcome: &'static str, reason: Option<Reason>, took: Duration) {
    let reason = reason.map_or("", Reason::as_str);
    ::metrics::counter!(ATTEMPTS.name, "kind" => kind.as_str(), "outcome" => outcome, "reason" => reason).increment(1);
    ::metrics::histogram!(RUN_SECONDS.name, "kind" => kind.as_str(), "outcome" => outcome).record(took);
}

/// A job was claimed that had been due for so long.
pub fn job_waited(kind: JobKind, waited: Duration) {
    ::metrics::histogram!(JOB_WAIT.name, "kind" => kind.as_str()).record(waited);
}

/// Spans were sent, or dropped and why.
pub fn spans(outcome: &'static str, spans: usize) {
    ::metrics::counter!(SPANS.name, "outcome" => outcome).increment(number(spans));
}

/// What this process uses of its machine; what is not known here is left out.
pub fn process_usage(usage: &ProcessUsage) {
    let figures = [
        (CPU_SECONDS, usage.cpu_seconds),
        (RESIDENT_BYTES, usage.resident_bytes),
        (VIRTUAL_BYTES, usage.virtual_bytes),
        (THREADS, usage.threads),
        (OPEN_FDS, usage.open_fds),
        (MAX_FDS, usage.max_fds),
    ];
    for (metric, figure) in figures {
        if let Some(figure) = figure {
            ::metrics::gauge!(metric.name).set(figure);
        }
    }
}

/// Jobs of vanished workers were taken back.
pub fn jobs_swept(jobs: usize) {
    ::metrics::counter!(SWEPT.name).increment(number(jobs));
}

/// This worker's lease was gone when it came to renew it.
pub fn lease_lost() {
    ::metrics::counter!(LEASES_LOST.name).increment(1);
}

/// Redis did not take hints.
pub fn hints_lost(hints: usize) {
    ::metrics::counter!(HINTS_LOST.name).increment(number(hints));
}

/// The scheduler asked for a sync.
pub fn sync_enqueued(source: SourceName) {
    ::metrics::counter!(SYNCS.name, "source" => source.as_str()).increment(1);
}

/// How long ago a live sync of a source last succeeded.
pub fn sync_age(source: SourceName, age: Duration) {
    ::metrics::gauge!(SYNC_AGE.name, "source" => source.as_str()).set(age.as_secs_f64());
}

/// Calls came from a vendor.
pub fn calls_synced(source: SourceName, calls: u64) {
    ::metrics::counter!(CALLS.name, "source" => source.as_str()).increment(calls);
}

/// Details of calls came from a vendor.
pub fn calls_enriched(source: SourceName, calls: u64) {
    ::metrics::counter!(ENRICHED.name, "source" => source.as_str()).increment(calls);
}

/// Elements of a vendor's page were set aside.
pub fn payloads_quarantined(source: SourceName, elements: u64) {
    ::metrics::counter!(QUARANTINED.name, "source" => source.as_str()).increment(elements);
}

/// A vendor could not be made to tell every call of a moment.
pub fn possible_gap(source: SourceName) {
    ::metrics::counter!(GAPS.name, "source" => source.as_str()).increment(1);
}

/// Bytes of a recording reached S3.
pub fn recording_bytes(source: SourceName, bytes: u64) {
    ::metrics::counter!(BYTES.name, "source" => source.as_str()).increment(bytes);
}

/// Audio went to a transcriber.
pub fn audio_transcribed(provider: &'static str, audio: Duration) {
    ::metrics::counter!(AUDIO_SECONDS.name, "provider" => provider).increment(audio.as_secs());
}

/// A vendor was asked for its own transcript of a call.
pub fn vendor_transcript(source: SourceName, outcome: &'static str) {
    ::metrics::counter!(VENDOR_TRANSCRIPTS.name, "source" => source.as_str(), "outcome" => outcome).increment(1);
}

/// A vendor answered with a status, or something came instead of an answer.
pub fn vendor_answered(vendor: &'static str, status: String, took: Duration) {
    if status == "429" {
        ::metrics::counter!(RATE_LIMITED.name, "vendor" => vendor).increment(1);
    }
    ::metrics::counter!(VENDOR_REQUESTS.name, "vendor" => vendor, "status" => status).increment(1);
    ::metrics::histogram!(VENDOR_SECONDS.name, "vendor" => vendor).record(took);
}

/// A vendor sent an event.
pub fn webhook_event(event: EventKind, outcome: &'static str) {
    ::metrics::counter!(WEBHOOKS.name, "event" => event.as_str(), "outcome" => outcome).increment(1);
}

/// Whether a vendor sends us the events of a resource.
pub fn webhook_active(source: SourceName, resource: &'static str, active: bool) {
    ::metrics::gauge!(WEBHOOK_ACTIVE.name, "source" => source.as_str(), "resource" => resource).set(f64::from(u8::from(active)));
}

/// A subscription that a vendor had switched off is on again.
pub fn webhook_reactivated(source: SourceName, resource: &'static str) {
    ::metrics::counter!(WEBHOOK_REACTIVATED.name, "source" => source.as_str(), "resource" => resource).increment(1);
}

/// A refresh token was exchanged, or was not.
pub fn token_refreshed(credential: &'static str, outcome: &'static str) {
    ::metrics::counter!(REFRESHES.name, "credential" => credential, "outcome" => outcome).increment(1);
}

/// How much of a kind is missing of a source.
pub fn completeness_gaps(source: &str, kind: &'static str, gaps: i64) {
    ::metrics::gauge!(COMPLETENESS_GAPS.name, "source" => source.to_owned(), "kind" => kind).set(count(gaps));
}

/// How long ago a source was last compared.
pub fn completeness_age(source: &str, seconds: f64) {
    ::metrics::gauge!(COMPLETENESS_AGE.name, "source" => source.to_owned()).set(seconds);
}

/// Recordings that retention keeps only because their transcripts are not complete.
pub fn audio_untranscribed(recordings: i64) {
    ::metrics::gauge!(UNTRANSCRIBED.name).set(count(recordings));
}

/// How long the tokens of a credential will do, as far as it is known, and whether a person must log in.
pub fn credential(name: &str, access_left: Option<Duration>, refresh_left: Option<Duration>, login_needed: bool) {
    if let Some(left) = access_left {
        ::metrics::gauge!(ACCESS_LEFT.name, "credential" => name.to_owned()).set(left.as_secs_f64().floor());
    }
    if let Some(left) = refresh_left {
        ::metrics::gauge!(REFRESH_LEFT.name, "credential" => name.to_owned()).set(left.as_secs_f64().floor());
    }
    ::metrics::gauge!(LOGIN_NEEDED.name, "credential" => name.to_owned()).set(f64::from(u8::from(login_needed)));
}

/// Whether a budget is shared or kept by this process alone.
pub fn budget_shared(budget: &str, shared: bool) {
    ::metrics::gauge!(BUDGET_SHARED.name, "budget" => budget.to_owned()).set(f64::from(u8::from(shared)));
}

fn number(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

/// What is left of a shared budget.
pub fn budget_remaining(budget: &str, requests: f64) {
    ::metrics::gauge!(BUDGET.name, "budget" => budget.to_owned()).set(requests);
}

/// Whether a service is taken for down.
pub fn circuit_open(service: &str, open: bool) {
    ::metrics::gauge!(CIRCUIT_OPEN.name, "service" => service.to_owned()).set(f64::from(u8::from(open)));
}

/// The circuit before a service opened.
pub fn circuit_opened(service: &str) {
    ::metrics::counter!(CIRCUIT_OPENINGS.name, "service" => service.to_owned()).increment(1);
}

/// How many requests at once a service bears.
pub fn service_limit(service: &str, requests: u16) {
    ::metrics::gauge!(SERVICE_LIMIT.name, "service" => service.to_owned()).set(f64::from(requests));
}

/// Whether this scheduler leads.
pub fn leading(leads: bool) {
    ::metrics::gauge!(LEADER.name).set(f64::from(u8::from(leads)));
}

/// Whether Redis answers.
pub fn redis_up(up: bool) {
    ::metrics::gauge!(REDIS_UP.name).set(f64::from(u8::from(up)));
}

/// Whether PostgreSQL answers.
pub fn postgres_up(up: bool) {
    ::metrics::gauge!(POSTGRES_UP.name).set(f64::from(u8::from(up)));
}

/// How many jobs are in a state, counted in the ledger.
pub fn jobs_in_state(kind: &str, state: &'static str, jobs: i64) {
    ::metrics::gauge!(JOBS.name, "kind" => kind.to_owned(), "state" => state).set(count(jobs));
}

/// How long the longest-waiting job has been due.
pub fn oldest_due(kind: &str, age: Duration) {
    ::metrics::gauge!(OLDEST_DUE.name, "kind" => kind.to_owned()).set(age.as_secs_f64());
}

/// How fast work of a kind comes and goes, and how many slots it keeps busy.
pub fn pace(kind: &str, arrived_per_second: f64, done_per_second: f64, busy_slots: f64) {
    ::metrics::gauge!(ARRIVALS.name, "kind" => kind.to_owned()).set(arrived_per_second);
    ::metrics::gauge!(SERVICE.name, "kind" => kind.to_owned()).set(done_per_second);
    ::metrics::gauge!(SLOTS_BUSY.name, "kind" => kind.to_owned()).set(busy_slots);
}

/// How old the oldest work of a kind and source is.
pub fn slo_age(kind: &str, source: &str, seconds: f64) {
    ::metrics::gauge!(SLO_AGE.name, "kind" => kind.to_owned(), "source" => source.to_owned()).set(seconds);
}

/// How old it may become.
pub fn slo_goal(kind: JobKind, goal: Duration) {
    ::metrics::gauge!(SLO_GOAL.name, "kind" => kind.as_str()).set(goal.as_secs_f64());
}

/// How many slots, and workers of so many slots, would do.
pub fn advised(kind: JobKind, slots: u32, workers: u32) {
    ::metrics::gauge!(ADVISED_SLOTS.name, "kind" => kind.as_str()).set(f64::from(slots));
    ::metrics::gauge!(ADVISED_WORKERS.name, "kind" => kind.as_str()).set(f64::from(workers));
}

/// How many hints wait in a lane.
pub fn lane_depth(kind: &str, hints: i64) {
    ::metrics::gauge!(LANE_DEPTH.name, "kind" => kind.to_owned()).set(count(hints));
}

/// How many jobs of a kind this process runs at once.
pub fn concurrency(kind: JobKind, jobs: u16) {
    ::metrics::gauge!(CONCURRENCY.name, "kind" => kind.as_str()).set(f64::from(jobs));
}

/// Whether a person has paused a kind.
pub fn paused(kind: JobKind, paused: bool) {
    ::metrics::gauge!(PAUSED.name, "kind" => kind.as_str()).set(f64::from(u8::from(paused)));
}

/// How many worker processes are alive.
pub fn workers_alive(workers: i64) {
    ::metrics::gauge!(WORKERS.name).set(count(workers));
}

/// How many of them take jobs of a kind.
pub fn kind_workers_alive(kind: &str, workers: usize) {
    ::metrics::gauge!(KIND_WORKERS.name, "kind" => kind.to_owned()).set(count(i64::try_from(workers).unwrap_or(i64::MAX)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_and_are_described_in_the_document() {
        let document = include_str!("../../docs/LOGGING.md");
        for metric in CATALOGUE {
            // what every process has bears the names that Prometheus's own client libraries agreed on, so that common boards find it
            let of_any_process = metric.name.starts_with("process_") && metric.labels.is_empty();
            assert!(metric.name.starts_with("callscribe_") || of_any_process, "{}", metric.name);
            assert_eq!(CATALOGUE.iter().filter(|other| other.name == metric.name).count(), 1, "{} is listed twice", metric.name);
            // counters of the recorder hold whole numbers: processor time, which only grows, is shown as a gauge
            let counts = metric.kind == MetricType::Counter || metric.name == CPU_SECONDS.name;
            assert_eq!(counts, metric.name.ends_with("_total"), "{}", metric.name);
            let row = format!("| `{}` | {} | {} |", metric.name, metric.labels.join(", "), metric.about);
            assert!(document.contains(&row), "docs/LOGGING.md lacks the row\n{row}");
        }
    }

    #[test]
    fn what_is_recorded_is_rendered_under_its_name() {
        let recorder = builder().unwrap().build_recorder();
        let handle = recorder.handle();
        ::metrics::with_local_recorder(&recorder, || {
            describe();
            run_ended(JobKind::Recording, "later", Some(Reason::RecordingNotReady), Duration::from_millis(20));
            run_ended(JobKind::Sync, "done", None, Duration::from_secs(2));
            vendor_answered("webex", "429".to_owned(), Duration::from_millis(80));
            jobs_in_state("recording", "due", 7);
        });
        let text = handle.render();
        assert!(text.contains(r#"callscribe_attempts_total{kind="recording",outcome="later",reason="recording_not_ready"} 1"#), "{text}");
        assert!(text.contains(r#"callscribe_run_duration_seconds_bucket{kind="recording",outcome="later",le="0.025"} 1"#), "{text}");
        assert!(text.contains(r#"callscribe_vendor_rate_limited_total{vendor="webex"} 1"#), "{text}");
        assert!(text.contains(r#"callscribe_jobs{kind="recording",state="due"} 7"#), "{text}");
        assert!(text.contains("# HELP callscribe_attempts_total Runs of jobs"), "{text}");
    }
}
