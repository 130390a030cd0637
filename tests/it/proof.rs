//! The proof that nothing is missing: whole systems of real processes against a vendor that misbehaves, compared with its truth.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use callscribe::clock::{Clock, SystemClock};
use callscribe_simulators::{
    When,
    transcriber::{Profile, TranscriberPlan},
    webex::{CallSpec, CallTruth, Calls, Endpoint, ErrorBody, Fault, RetryAfter, WebexPlan},
};
use chrono::TimeDelta;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{harness, ledger::number, world::World};

/// A thousand calls on two cores in a debug build, every tenth answer a fault.
const MINUTES: Duration = Duration::from_mins(5);

fn transcriber() -> TranscriberPlan {
    TranscriberPlan::new(Profile::OpenAi)
}

async fn open_jobs(world: &World, kinds: &str) -> i64 {
    number(&world.database.store(), &format!("SELECT count(*) FROM jobs WHERE open AND kind IN ({kinds})")).await
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Faults that pass, each at a tenth: what they strike is well at the next answer. The forms of one fault share its tenth.
fn passing() -> Vec<(Fault, When)> {
    let faults = [
        Fault::StaleRead,
        Fault::MissingFields,
        Fault::NullFields,
        Fault::UnknownWords,
        Fault::ExtraFields,
        Fault::MalformedElement,
        Fault::DuplicateAcrossPages,
        Fault::PartialData,
        Fault::SearchFailed,
        Fault::BareDetails,
        Fault::VariablesAsList,
        Fault::MalformedDetails,
        Fault::NotReadyFor { polls: 1 },
        Fault::OutOfOrder,
        Fault::MissingTaskId,
        Fault::SeveralLegs,
        Fault::StringTimes,
        Fault::MissingLabels,
        Fault::LinkExpires,
        Fault::SlowDown503,
        Fault::TruncatedBody,
        Fault::ResetMidStream,
        Fault::ChunkedNoLength,
        Fault::SlowDrip { bytes_per_second: 40_000 },
        Fault::Latency { at: Endpoint::Any, by: Duration::from_millis(50) },
        Fault::Hang { at: Endpoint::Search },
        Fault::MissingTrackingId,
        Fault::IntegerKey,
        Fault::GzipAlways,
    ];
    let mut faults: Vec<_> = faults.into_iter().map(|fault| (fault, When::Chance(0.1))).collect();
    faults.extend([Fault::ExpiredAccess401, Fault::ExpiredAccess403].map(|fault| (fault, When::Chance(0.05))));
    let throttled = [RetryAfter::Seconds, RetryAfter::HttpDate].map(|retry_after| Fault::Throttled { seconds: 1, retry_after });
    // each makes everyone pause for a second or more: at a tenth there would be little but pauses to see
    faults.extend(throttled.map(|fault| (fault, When::Chance(0.01))));
    let bodies = [(500, ErrorBody::Json), (502, ErrorBody::Html), (503, ErrorBody::Empty), (504, ErrorBody::Html)];
    let failed = bodies.map(|(status, body)| Fault::ServerError { at: Endpoint::Any, status, body });
    faults.extend(failed.map(|fault| (fault, When::Chance(0.025))));
    faults
}

/// Faults that stay with their calls, which must end with a reason in place of a transcript.
fn lasting() -> [Fault; 4] {
    [Fault::NeverRecorded, Fault::NoSuchKey, Fault::ZeroBytes, Fault::HtmlInsteadOfWav]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_through_every_fault_at_a_tenth_end_as_the_truth_and_reconcile_says_so() {
    const CALLS: u32 = 1_000;
    let mut plan = WebexPlan::bench(CALLS);
    for (number, fault) in (0_u32..).zip(lasting()) {
        let struck = (number * 25..(number + 1) * 25).map(|call| plan.session_id(call));
        let when = When::sessions(struck);
        plan.faults.push((fault, when));
    }
    plan.faults.push((Fault::RefreshRotates { old_dies_after: Duration::ZERO }, When::Always));
    plan.faults.extend(passing());
    let world = World::new(plan, transcriber()).await;
    let world = world
        .setting("SYNC_INTERVAL", "5s")
        .setting("SYNC_OVERLAP", "1h")
        .setting("ENRICH_INTERVAL", "10s")
        .setting("BACKOFF_MAX", "1s")
        .setting("CONCURRENCY_RECORDING", "32")
        .setting("CONCURRENCY_TRANSCRIPTION", "16")
        .setting("MAX_ATTEMPTS_RECORDING", "15")
        .setting("MAX_ATTEMPTS_SYNC", "100")
        .setting("MAX_ATTEMPTS_ENRICHMENT", "100")
        .setting("MAX_ATTEMPTS_UPKEEP", "100")
        .setting("WEBEX_CC_TIMEOUT", "2s")
        .setting("RECORDING_POLL_SCHEDULE", "200ms,500ms,1s,1s,1s,1s,1s,1s");
    let _processes = [world.start(&["scheduler"]), world.start(&["worker", "all"]), world.start(&["worker", "all"])];
    let store = world.database.store();
    harness::eventually_within(MINUTES, "every call is held", async || {
        number(&store, "SELECT count(*) FROM call_interactions WHERE closed").await == i64::from(CALLS)
    })
    .await;
    harness::eventually_within(MINUTES, "every call is final", async || open_jobs(&world, "'recording', 'transcription'").await == 0).await;
    let truth = world.webex.truth();
    let unusable = truth.iter().filter(|call| matches!(call.expected.word(), "not_audio" | "recording_empty"));
    let unusable: BTreeSet<_> = unusable.map(|call| (call.session_id.to_string(), call.expected.word().to_owned())).collect();
    assert_eq!(unusable.len(), 50);
    // what a passing fault killed is enqueued by `--fix`; what cannot be had stays missing, by name and with its reason
    let report = harness::eventually_within(MINUTES, "reconcile names what no repair can bring, and nothing else", async || {
        let (code, said) = world.run(&["reconcile", "--from", "2d", "--fix", "--wait", "--json"]).await;
        let report = serde_json::Deserializer::from_str(&said).into_iter::<Value>().next()?.ok()?;
        let gaps = report["gaps"].as_array()?.iter().map(|gap| (word(&gap["subject"]), word(&gap["reason"])));
        (code == Some(1) && report["under_way"] == 0 && gaps.collect::<BTreeSet<_>>() == unusable).then_some(report)
    })
    .await;
    let sum = |name: &str| report["days"].as_array().unwrap().iter().map(|day| day[name].as_i64().unwrap()).sum::<i64>();
    assert_eq!(sum("calls_listed"), i64::from(CALLS), "{report}");
    assert_eq!((sum("calls_missing"), sum("recordings_missing"), sum("transcripts_missing")), (0, 50, 0), "{report}");
    world.assert_as_the_truth_says().await;
    for call in truth {
        let reason = call.expected.word();
        let ended = match reason {
            "stored" => "status = 'complete'".to_owned(),
            _ => format!("status = 'error' AND error_code = '{reason}'"),
        };
        let sql = format!("SELECT count(*) FROM call_transcripts WHERE session_id = '{}' AND {ended}", call.session_id);
        assert_eq!(number(&store, &sql).await, 1, "{} should have ended as {reason}", call.session_id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_worker_processes_under_the_vendors_limit_see_no_429_beyond_the_first() {
    /// More questions than the vendor answers in a minute, when nobody shares.
    const CALLS: u32 = 330;
    let limit = Fault::RateLimit { requests: 300, per: Duration::from_mins(1), retry_after: RetryAfter::Seconds };
    let world = World::new(WebexPlan::bench(CALLS).with(limit, When::Always), transcriber()).await;
    let world = world.setting("WEBEX_BUDGET_PER_MINUTE", "240").setting("DATABASE_POOL_SIZE", "2").setting("SYNC_INTERVAL", "5s");
    let store = world.database.store();
    let first = [world.start(&["scheduler"]), world.start(&["worker", "sync"])];
    harness::eventually("the calls are held", async || open_jobs(&world, "'recording'").await == i64::from(CALLS)).await;
    // one recording at a time each, so that no two share a question
    let workers: Vec<_> = (0..15).map(|_| world.start(&["worker", "recordings", "--concurrency", "1"])).collect();
    harness::eventually_within(MINUTES, "every recording is copied", async || open_jobs(&world, "'recording'").await == 0).await;
    assert_eq!(number(&store, "SELECT count(*) FROM call_recordings WHERE status = 'stored'").await, i64::from(CALLS));
    let asked = world.webex.requests().count(|request| request.path == "/v1/captures/query");
    assert!(asked > 300, "only {asked} questions: nothing had to be shared");
    assert!(world.webex.requests().count(|request| request.status == 429) <= 1);
    assert_eq!(
        number(&store, "SELECT count(*) FROM job_attempts WHERE outcome IN ('failed', 'dead', 'lost')").await,
        0,
        "no attempt is spent"
    );
    drop((first, workers));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_and_a_half_thousand_calls_with_eleven_hundred_in_one_millisecond_are_all_stored_once() {
    const CALLS: u32 = 2_500;
    // twice more than one page of the list of tasks can tell
    let bursts = [Fault::SameMillisecondBurst { first: 200, count: 1_100 }, Fault::SameMillisecondBurst { first: 1_350, count: 1_100 }];
    let plan = bursts.into_iter().fold(WebexPlan::bench(CALLS), |plan, burst| plan.with(burst, When::Always));
    let world = World::new(plan, transcriber()).await.setting("ENRICH_INTERVAL", "2s").setting("SYNC_INTERVAL", "5s");
    let store = world.database.store();
    let _processes = [world.start(&["scheduler"]), world.start(&["worker", "sync", "enrich"])];
    harness::eventually_within(MINUTES, "every call is held", async || {
        number(&store, "SELECT count(*) FROM call_interactions").await == i64::from(CALLS)
    })
    .await;
    for call in world.webex.truth() {
        let sql = format!("SELECT count(*) FROM call_interactions WHERE session_id = '{}'", call.session_id);
        assert_eq!(number(&store, &sql).await, 1);
    }
    let wanted = "SELECT count(*) FROM call_transcripts t JOIN jobs j USING (session_id) WHERE j.kind = 'recording'";
    harness::eventually("each has its transcript and its job", async || number(&store, wanted).await == i64::from(CALLS)).await;
    world.database.assert_consistent().await;
}

/// Requests of the list of calls per day of a backfill, by the midnight that ends it (epoch milliseconds).
fn requests_per_day(world: &World) -> BTreeMap<i64, usize> {
    let mut counts = BTreeMap::new();
    for request in world.webex.requests().matching(|request| request.path == "/v1/tasks") {
        let to = url::form_urlencoded::parse(request.query.as_bytes()).find(|(name, _)| name == "to").unwrap().1.parse::<i64>().unwrap();
        // live runs end at no midnight
        if to % 86_400_000 == 0 {
            *counts.entry(to).or_default() += 1;
        }
    }
    counts
}

fn requests_of_backfills(world: &World) -> usize {
    requests_per_day(world).values().sum()
}

async fn sync_the_month(world: &World) {
    let midnight = SystemClock.now().date_naive();
    let [from, to] = [30, 0].map(|days| (midnight - TimeDelta::days(days)).to_string());
    let (code, said) = world.run(&["sync", "--from", &from, "--to", &to]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_of_backfill_whose_worker_is_killed_ten_times_is_complete_and_reads_no_day_twice_but_those_it_died_in() {
    const A_DAY: u32 = 48;
    let (spacing, like) = (Duration::from_hours(24) / A_DAY, Box::new(CallSpec::ago(Duration::ZERO)));
    let plan = WebexPlan { calls: Calls::Many { count: 32 * A_DAY, spacing, like }, ..WebexPlan::bench(0) };
    let latency = Fault::Latency { at: Endpoint::Tasks, by: Duration::from_millis(20) };
    let world = World::new(plan.with(latency, When::Always), transcriber()).await;
    let world = world.setting("WEBEX_CC_PAGE_SIZE", "10").setting("SYNC_INTERVAL", "1h");
    let store = world.database.store();
    let _scheduler = world.start(&["scheduler"]);
    sync_the_month(&world).await;
    for death in 1..=10 {
        let mut worker = world.start(&["worker", "sync", "--concurrency", "1"]);
        let until = requests_of_backfills(&world) + 1 + death * death * 7 % 17;
        harness::eventually("it reads the pages of a day", async || requests_of_backfills(&world) >= until).await;
        worker.signal(Signal::SIGKILL);
        assert!(!worker.ended().await.success());
    }
    let _worker = world.start(&["worker", "sync", "--concurrency", "1"]);
    let open = "SELECT count(*) FROM jobs WHERE open AND kind = 'sync'";
    harness::eventually_within(MINUTES, "the month is synced", async || number(&store, open).await == 0).await;
    let with_deaths = requests_per_day(&world);
    assert_eq!(with_deaths.len(), 30);
    let begun = |call: &&CallTruth| with_deaths.keys().any(|to| (to - 86_400_000..*to).contains(&call.start_time.timestamp_millis()));
    let truth = world.webex.truth();
    assert_eq!(truth.iter().filter(begun).count(), usize::try_from(30 * A_DAY).unwrap());
    for call in truth.iter().filter(begun) {
        let sql = format!(
            "SELECT count(*) FROM call_interactions JOIN call_transcripts USING (session_id) WHERE session_id = '{}'",
            call.session_id
        );
        assert_eq!(number(&store, &sql).await, 1, "{}", call.session_id);
    }

    // the same days once more, undisturbed
    world.webex.requests().clear();
    sync_the_month(&world).await;
    harness::eventually_within(MINUTES, "the month is synced again", async || number(&store, open).await == 0).await;
    let undisturbed = requests_per_day(&world);
    for (day, requests) in with_deaths.iter().filter(|(day, requests)| undisturbed[*day] < **requests) {
        let lost = format!(
            "SELECT count(*) FROM job_attempts JOIN jobs ON jobs.id = job_id
             WHERE outcome = 'lost' AND kind = 'sync' AND (payload ->> 'to')::timestamptz = to_timestamp({day} / 1000)"
        );
        let deaths = number(&store, &lost).await;
        // the request on its way and the three pages in flight
        let again = i64::try_from(requests - undisturbed[day]).unwrap();
        assert!(deaths > 0 && again <= 4 * deaths, "{day}: {requests} requests, {} undisturbed, {deaths} deaths", undisturbed[day]);
    }
    world.database.assert_consistent().await;
}
