//! Every metric's name, unit and labels, and the one function that records each.
//!
//! Names follow Prometheus's conventions: base units, `_total` for counters. Labels have few values: kinds, outcomes, reasons,
//! vendors; never an id, a number or an error text. Nothing is recorded, and nothing is held, in a process that serves no `/metrics`.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::TelemetryError;
use crate::domain::{EventKind, JobKind, Reason, SourceName};

/// What a metric is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// One documented metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricType,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it counts, with its unit.
    pub about: &'static str,
}

impl Metric {
    const fn counter(name: &'static str, labels: &'static [&'static str], about: &'static str) -> Self {
        Self { name, kind: MetricType::Counter, labels, about }
    }
    const fn gauge(name: &'static str, labels: &'static [&'static str], about: &'static str) -> Self {
        Self { name, kind: MetricType::Gauge, labels, about }
    }
    const fn histogram(name: &'static str, labels: &'static [&'static str], about: &'static str) -> Self {
        Self { name, kind: MetricType::Histogram, labels, about }
    }
}

const JOBS: Metric = Metric::gauge(
    "callscribe_jobs",
    &["kind", "state"],
    "Jobs by state: due (ready and its time has come), later (ready, waits for its time), running, dead; from the ledger at scrape, counted up to 50000 per kind and state",
);
const OLDEST_DUE: Metric = Metric::gauge(
    "callscribe_jobs_oldest_due_age_seconds",
    &["kind"],
    "Seconds since the longest-waiting due job became due; 0 when none is due. Scale workers on it",
);
const WORKERS: Metric = Metric::gauge("callscribe_workers_alive", &[], "Worker processes whose lease is current");
const LANE_DEPTH: Metric = Metric::gauge("callscribe_lane_depth", &["kind"], "Hints waiting in Redis; may be above or below the jobs due");
const REDIS_UP: Metric =
    Metric::gauge("callscribe_redis_up", &[], "1 while Redis answers, 0 while work goes on at the pace of a slow poll");
const POSTGRES_UP: Metric =
    Metric::gauge("callscribe_postgres_up", &[], "1 while PostgreSQL answers; at 0 the figures from the ledger are as they last were");
const BUDGET: Metric =
    Metric::gauge("callscribe_vendor_budget_remaining", &["budget"], "Requests left in the budget that all machines share");
const STARTED: Metric = Metric::gauge("callscribe_process_start_time_seconds", &[], "When the process started, in seconds since 1970");
const BUILD: Metric = Metric::gauge("callscribe_build_info", &["version"], "Always 1; the label is the version");
const LEADER: Metric = Metric::gauge("callscribe_scheduler_leader", &[], "1 in the scheduler that leads, 0 in those that wait");
const ATTEMPTS: Metric = Metric::counter(
    "callscribe_attempts_total",
    &["kind", "outcome", "reason"],
    "Runs of jobs by how they ended: done, later, failed, dead, handed_back; reason is empty for done",
);
const RUN_SECONDS: Metric = Metric::histogram("callscribe_run_duration_seconds", &["kind", "outcome"], "Seconds a run took");
const SWEPT: Metric =
    Metric::counter("callscribe_jobs_swept_total", &[], "Jobs taken back from workers that vanished; counted by the scheduler that leads");
const LEASES_LOST: Metric = Metric::counter(
    "callscribe_leases_lost_total",
    &[],
    "Times this worker found its own lease gone: it was frozen or cut off for longer than JOB_LEASE",
);
const HINTS_LOST: Metric =
    Metric::counter("callscribe_hints_lost_total", &[], "Hints that Redis did not take; the dispatcher sends them again");
const SYNCS: Metric = Metric::counter("callscribe_syncs_enqueued_total", &["source"], "Syncs that the scheduler asked for");
const CALLS: Metric = Metric::counter("callscribe_calls_synced_total", &["source"], "Calls received from a vendor, repeats included");
const ENRICHED: Metric =
    Metric::counter("callscribe_calls_enriched_total", &["source"], "Details of calls received from a vendor, repeats included");
const QUARANTINED: Metric =
    Metric::counter("callscribe_payloads_quarantined_total", &["source"], "Elements of a vendor's pages that could not be read or stored");
const GAPS: Metric = Metric::counter(
    "callscribe_sync_possible_gaps_total",
    &["source"],
    "Moments in which a vendor held more calls than it could be made to tell: look there by hand",
);
const BYTES: Metric = Metric::counter("callscribe_recording_bytes_total", &["source"], "Bytes of recordings copied into S3");
const AUDIO_SECONDS: Metric =
    Metric::counter("callscribe_audio_transcribed_seconds_total", &["provider"], "Seconds of audio sent to a transcriber");
const VENDOR_TRANSCRIPTS: Metric = Metric::counter(
    "callscribe_vendor_transcripts_total",
    &["source", "outcome"],
    "Transcripts of the vendor's own by what came of asking: taken, not_yet, or the reason why another provider was asked or none",
);
const VENDOR_REQUESTS: Metric = Metric::counter(
    "callscribe_vendor_requests_total",
    &["vendor", "status"],
    "Requests to a vendor by HTTP status, or by what came instead of an answer",
);
const VENDOR_SECONDS: Metric =
    Metric::histogram("callscribe_vendor_request_duration_seconds", &["vendor"], "Seconds until a vendor answered, its body not included");
const BUDGET_SHARED: Metric = Metric::gauge(
    "callscribe_vendor_budget_shared",
    &["budget"],
    "1 while the budget is shared through Redis, 0 while this process keeps to a tenth of it",
);
const REFRESHES: Metric =
    Metric::counter("callscribe_token_refreshes_total", &["credential", "outcome"], "Exchanges of a refresh token by how they ended");
const ACCESS_LEFT: Metric = Metric::gauge(
    "callscribe_access_token_seconds_left",
    &["credential"],
    "Seconds until the access token ends, 0 once it has; renewed by itself when work needs it",
);
const REFRESH_LEFT: Metric = Metric::gauge(
    "callscribe_refresh_token_seconds_left",
    &["credential"],
    "Seconds until the refresh token ends and a person must log in again, as the vendor last said; 0 once it has",
);
const LOGIN_NEEDED: Metric = Metric::gauge(
    "callscribe_login_needed",
    &["credential"],
    "1 while a vendor refuses our tokens or they have ended: its jobs wait until a person logs in",
);
const COMPLETENESS_GAPS: Metric = Metric::gauge(
    "callscribe_completeness_gaps",
    &["source", "kind"],
    "Calls, recordings and transcripts missing, as the last comparisons with the vendor's lists found them; anything above 0 is for a person",
);
const COMPLETENESS_AGE: Metric = Metric::gauge(
    "callscribe_completeness_age_seconds",
    &["source"],
    "Seconds since a day was last compared with the vendor's list; more than two days: the nightly comparison does not run",
);
const RATE_LIMITED: Metric = Metric::counter("callscribe_vendor_rate_limited_total", &["vendor"], "Answers 429 from a vendor");
const WEBHOOKS: Metric = Metric::counter(
    "callscribe_webhook_events_total",
    &["event", "outcome"],
    "Events that vendors sent: kept, duplicate, unavailable (PostgreSQL did not take it in time), unreadable, or refused (bad_signature, stale, wrong_org, not_json, too_large, too_slow); of what is refused the event is not believed and reads other",
);
const WEBHOOK_ACTIVE: Metric = Metric::gauge(
    "callscribe_webhook_subscription_active",
    &["source", "resource"],
    "1 while the vendor sends us the events of a resource, 0 when it was found switched off or gone; as the last look of an upkeep worker found it",
);
const WEBHOOK_REACTIVATED: Metric = Metric::counter(
    "callscribe_webhook_reactivations_total",
    &["source", "resource"],
    "Subscriptions that the vendor had switched off and an upkeep worker switched on again",
);

/// Every metric there is; docs/LOGGING.md shows the same list.
pub const CATALOGUE: &[Metric] = &[
    JOBS,
    OLDEST_DUE,
    WORKERS,
    LANE_DEPTH,
    REDIS_UP,
    POSTGRES_UP,
    BUDGET,
    BUDGET_SHARED,
    LEADER,
    STARTED,
    BUILD,
    ATTEMPTS,
    RUN_SECONDS,
    SWEPT,
    LEASES_LOST,
    HINTS_LOST,
    SYNCS,
    CALLS,
    ENRICHED,
    ENRICHED,
    QUARANTINED,
    GAPS,
    BYTES,
    AUDIO_SECONDS,
    VENDOR_TRANSCRIPTS,
    VENDOR_REQUESTS,
    VENDOR_SECONDS,
    RATE_LIMITED,
    WEBHOOKS,
    WEBHOOK_ACTIVE,
    WEBHOOK_REACTIVATED,
    REFRESHES,
    ACCESS_LEFT,
    REFRESH_LEFT,
    LOGIN_NEEDED,
    COMPLETENESS_GAPS,
    COMPLETENESS_AGE,
];

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

/// How many hints wait in a lane.
pub fn lane_depth(kind: &str, hints: i64) {
    ::metrics::gauge!(LANE_DEPTH.name, "kind" => kind.to_owned()).set(count(hints));
}

/// How many worker processes are alive.
pub fn workers_alive(workers: i64) {
    ::metrics::gauge!(WORKERS.name).set(count(workers));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_and_are_described_in_the_document() {
        let document = include_str!("../../docs/LOGGING.md");
        for metric in CATALOGUE {
            assert!(metric.name.starts_with("callscribe_"), "{}", metric.name);
            assert_eq!(metric.kind == MetricType::Counter, metric.name.ends_with("_total"), "{}", metric.name);
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
