//! Every metric: its name, its labels, what it counts.
//!
//! Names follow Prometheus's conventions: base units, `_total` for counters. Labels have few values: kinds, outcomes, reasons,
//! vendors; never an id, a number or an error text.

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

pub(super) const JOBS: Metric = Metric::gauge(
    "callscribe_jobs",
    &["kind", "state"],
    "Jobs by state: due (ready and its time has come), later (ready, waits for its time), running, dead; from the ledger at scrape, counted up to 20000 per kind and state",
);
pub(super) const OLDEST_DUE: Metric = Metric::gauge(
    "callscribe_jobs_oldest_due_age_seconds",
    &["kind"],
    "Seconds since the longest-waiting due job became due; 0 when none is due. Scale workers on it",
);
pub(super) const ARRIVALS: Metric = Metric::gauge(
    "callscribe_jobs_arriving_per_second",
    &["kind"],
    "Jobs that other work made necessary, per second over the last minutes",
);
pub(super) const SERVICE: Metric =
    Metric::gauge("callscribe_jobs_done_per_second", &["kind"], "Jobs done, per second over the last minutes, by all machines");
pub(super) const SLOTS_BUSY: Metric =
    Metric::gauge("callscribe_busy_slots", &["kind"], "Jobs running at once, on average over the last minutes, on all machines");
pub(super) const SLO_AGE: Metric = Metric::gauge(
    "callscribe_slo_oldest_age_seconds",
    &["kind", "source"],
    "Seconds since the oldest call with work due or running ended, or since its job became necessary; 0 when there is none",
);
pub(super) const SLO_GOAL: Metric = Metric::gauge(
    "callscribe_slo_goal_seconds",
    &["kind"],
    "What callscribe_slo_oldest_age_seconds is to stay below: SLO_SYNC, SLO_RECORDING, SLO_TRANSCRIBE",
);
pub(super) const ADVISED_SLOTS: Metric = Metric::gauge(
    "callscribe_advised_slots",
    &["kind"],
    "Jobs at once that keep up with what arrives and clear what waits within the goal; 1 while nobody knows how long a job takes and one waits",
);
pub(super) const ADVISED_WORKERS: Metric = Metric::gauge(
    "callscribe_advised_workers",
    &["kind"],
    "The same as worker processes with CONCURRENCY_<KIND> slots each, as this process reads it. Autoscalers follow it",
);
pub(super) const WORKERS: Metric = Metric::gauge("callscribe_workers_alive", &[], "Worker processes whose lease is current");
pub(super) const KIND_WORKERS: Metric =
    Metric::gauge("callscribe_kind_workers_alive", &["kind"], "Worker processes whose lease is current and that take jobs of the kind");
pub(super) const CONCURRENCY: Metric = Metric::gauge(
    "callscribe_concurrency",
    &["kind"],
    "Jobs of the kind that this process runs at once: CONCURRENCY_<KIND>, or what `callscribe queue scale` says",
);
pub(super) const PAUSED: Metric =
    Metric::gauge("callscribe_paused", &["kind"], "1 while a person has paused the kind, or everything: this process claims nothing of it");
pub(super) const LANE_DEPTH: Metric =
    Metric::gauge("callscribe_lane_depth", &["kind"], "Hints waiting in Redis; may be above or below the jobs due");
pub(super) const REDIS_UP: Metric =
    Metric::gauge("callscribe_redis_up", &[], "1 while Redis answers, 0 while work goes on at the pace of a slow poll");
pub(super) const POSTGRES_UP: Metric =
    Metric::gauge("callscribe_postgres_up", &[], "1 while PostgreSQL answers; at 0 the figures from the ledger are as they last were");
pub(super) const BUDGET: Metric =
    Metric::gauge("callscribe_vendor_budget_remaining", &["budget"], "Requests left in the budget that all machines share");
pub(super) const CIRCUIT_OPEN: Metric = Metric::gauge(
    "callscribe_circuit_open",
    &["service"],
    "1 while the service is taken for down: its jobs wait, use up no attempts, and one request at a time probes",
);
pub(super) const CIRCUIT_OPENINGS: Metric = Metric::counter(
    "callscribe_circuit_openings_total",
    &["service"],
    "Times the circuit before a service opened; counted by the process whose failure opened it",
);
pub(super) const SERVICE_LIMIT: Metric = Metric::gauge(
    "callscribe_service_concurrency_limit",
    &["service"],
    "Requests at once over all machines that the service bears, as its answers taught this process",
);
pub(super) const STARTED: Metric = Metric::gauge("process_start_time_seconds", &[], "When the process started, in seconds since 1970");
pub(super) const CPU_SECONDS: Metric =
    Metric::gauge("process_cpu_seconds_total", &[], "Processor time used, in seconds, by the process and its kernel work");
pub(super) const RESIDENT_BYTES: Metric = Metric::gauge("process_resident_memory_bytes", &[], "Memory held in RAM; Linux only");
pub(super) const VIRTUAL_BYTES: Metric = Metric::gauge("process_virtual_memory_bytes", &[], "Addresses in use; Linux only");
pub(super) const THREADS: Metric = Metric::gauge("process_threads", &[], "Threads of the operating system; Linux only");
pub(super) const OPEN_FDS: Metric = Metric::gauge("process_open_fds", &[], "Files, sockets and the like that are open");
pub(super) const MAX_FDS: Metric = Metric::gauge("process_max_fds", &[], "How many of them may be open");
pub(super) const BUILD: Metric = Metric::gauge("callscribe_build_info", &["version"], "Always 1; the label is the version");
pub(super) const LEADER: Metric = Metric::gauge("callscribe_scheduler_leader", &[], "1 in the scheduler that leads, 0 in those that wait");
pub(super) const ATTEMPTS: Metric = Metric::counter(
    "callscribe_attempts_total",
    &["kind", "outcome", "reason"],
    "Runs of jobs by how they ended: done, later, failed, dead, handed_back; reason is empty for done",
);
pub(super) const RUN_SECONDS: Metric = Metric::histogram("callscribe_run_duration_seconds", &["kind", "outcome"], "Seconds a run took");
pub(super) const JOB_WAIT: Metric = Metric::histogram(
    "callscribe_job_wait_seconds",
    &["kind"],
    "Seconds between the moment a job was due and its claim, put off and tried again included",
);
pub(super) const SPANS: Metric = Metric::counter(
    "callscribe_trace_spans_total",
    &["outcome"],
    "Spans by what became of them: sent; queue_full (the collector is slow or away), unreachable (it took none in time), refused, late (it was still away at the end)",
);
pub(super) const SWEPT: Metric =
    Metric::counter("callscribe_jobs_swept_total", &[], "Jobs taken back from workers that vanished; counted by the scheduler that leads");
pub(super) const LEASES_LOST: Metric = Metric::counter(
    "callscribe_leases_lost_total",
    &[],
    "Times this worker found its own lease gone: it was frozen or cut off for longer than JOB_LEASE",
);
pub(super) const HINTS_LOST: Metric =
    Metric::counter("callscribe_hints_lost_total", &[], "Hints that Redis did not take; the dispatcher sends them again");
pub(super) const SYNCS: Metric = Metric::counter("callscribe_syncs_enqueued_total", &["source"], "Syncs that the scheduler asked for");
pub(super) const SYNC_AGE: Metric = Metric::gauge(
    "callscribe_sync_age_seconds",
    &["source"],
    "Seconds since a live sync last succeeded, or since the first was asked for when none has; absent while none was ever asked for",
);
pub(super) const CALLS: Metric =
    Metric::counter("callscribe_calls_synced_total", &["source"], "Calls received from a vendor, repeats included");
pub(super) const ENRICHED: Metric =
    Metric::counter("callscribe_calls_enriched_total", &["source"], "Details of calls received from a vendor, repeats included");
pub(super) const QUARANTINED: Metric =
    Metric::counter("callscribe_payloads_quarantined_total", &["source"], "Elements of a vendor's pages that could not be read or stored");
pub(super) const GAPS: Metric = Metric::counter(
    "callscribe_sync_possible_gaps_total",
    &["source"],
    "Moments in which a vendor held more calls than it could be made to tell: look there by hand",
);
pub(super) const BYTES: Metric = Metric::counter("callscribe_recording_bytes_total", &["source"], "Bytes of recordings copied into S3");
pub(super) const AUDIO_SECONDS: Metric =
    Metric::counter("callscribe_audio_transcribed_seconds_total", &["provider"], "Seconds of audio sent to a transcriber");
pub(super) const VENDOR_TRANSCRIPTS: Metric = Metric::counter(
    "callscribe_vendor_transcripts_total",
    &["source", "outcome"],
    "Transcripts of the vendor's own by what came of asking: taken, not_yet, or the reason why another provider was asked or none",
);
pub(super) const VENDOR_REQUESTS: Metric = Metric::counter(
    "callscribe_vendor_requests_total",
    &["vendor", "status"],
    "Requests to a vendor by HTTP status, or by what came instead of an answer",
);
pub(super) const VENDOR_SECONDS: Metric =
    Metric::histogram("callscribe_vendor_request_duration_seconds", &["vendor"], "Seconds until a vendor answered, its body not included");
pub(super) const BUDGET_SHARED: Metric = Metric::gauge(
    "callscribe_vendor_budget_shared",
    &["budget"],
    "1 while the budget is shared through Redis, 0 while this process keeps to a tenth of it",
);
pub(super) const REFRESHES: Metric =
    Metric::counter("callscribe_token_refreshes_total", &["credential", "outcome"], "Exchanges of a refresh token by how they ended");
pub(super) const ACCESS_LEFT: Metric = Metric::gauge(
    "callscribe_access_token_seconds_left",
    &["credential"],
    "Seconds until the access token ends, 0 once it has; renewed by itself when work needs it",
);
pub(super) const REFRESH_LEFT: Metric = Metric::gauge(
    "callscribe_refresh_token_seconds_left",
    &["credential"],
    "Seconds until the refresh token ends and a person must log in again, as the vendor last said; 0 once it has",
);
pub(super) const LOGIN_NEEDED: Metric = Metric::gauge(
    "callscribe_login_needed",
    &["credential"],
    "1 while a vendor refuses our tokens or they have ended: its jobs wait until a person logs in",
);
pub(super) const COMPLETENESS_GAPS: Metric = Metric::gauge(
    "callscribe_completeness_gaps",
    &["source", "kind"],
    "Calls, recordings and transcripts missing, as the last comparisons with the vendor's lists found them; anything above 0 is for a person",
);
pub(super) const COMPLETENESS_AGE: Metric = Metric::gauge(
    "callscribe_completeness_age_seconds",
    &["source"],
    "Seconds since a day was last compared with the vendor's list; more than two days: the nightly comparison does not run",
);
pub(super) const UNTRANSCRIBED: Metric = Metric::gauge(
    "callscribe_audio_untranscribed",
    &[],
    "Recordings kept beyond their retention because their transcripts are not complete, as the last daily run found them",
);
pub(super) const RATE_LIMITED: Metric = Metric::counter("callscribe_vendor_rate_limited_total", &["vendor"], "Answers 429 from a vendor");
pub(super) const WEBHOOKS: Metric = Metric::counter(
    "callscribe_webhook_events_total",
    &["event", "outcome"],
    "Events that vendors sent: kept, duplicate, unavailable (PostgreSQL did not take it in time), unreadable, or refused (bad_signature, stale, wrong_org, not_json, too_large, too_slow); of what is refused the event is not believed and reads other",
);
pub(super) const WEBHOOK_ACTIVE: Metric = Metric::gauge(
    "callscribe_webhook_subscription_active",
    &["source", "resource"],
    "1 while the vendor sends us the events of a resource, 0 when it was found switched off or gone; as the last look of an upkeep worker found it",
);
pub(super) const WEBHOOK_REACTIVATED: Metric = Metric::counter(
    "callscribe_webhook_reactivations_total",
    &["source", "resource"],
    "Subscriptions that the vendor had switched off and an upkeep worker switched on again",
);

/// Every metric there is; docs/LOGGING.md shows the same list.
pub const CATALOGUE: &[Metric] = &[
    JOBS,
    OLDEST_DUE,
    ARRIVALS,
    SERVICE,
    SLOTS_BUSY,
    SLO_AGE,
    SLO_GOAL,
    ADVISED_SLOTS,
    ADVISED_WORKERS,
    WORKERS,
    KIND_WORKERS,
    CONCURRENCY,
    PAUSED,
    LANE_DEPTH,
    REDIS_UP,
    POSTGRES_UP,
    BUDGET,
    BUDGET_SHARED,
    CIRCUIT_OPEN,
    CIRCUIT_OPENINGS,
    SERVICE_LIMIT,
    LEADER,
    STARTED,
    CPU_SECONDS,
    RESIDENT_BYTES,
    VIRTUAL_BYTES,
    THREADS,
    OPEN_FDS,
    MAX_FDS,
    BUILD,
    ATTEMPTS,
    RUN_SECONDS,
    JOB_WAIT,
    SPANS,
    SWEPT,
    LEASES_LOST,
    HINTS_LOST,
    SYNCS,
    SYNC_AGE,
    CALLS,
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
    UNTRANSCRIBED,
];
