//! Traces of real processes, as a collector gets them.

mod collector;

use std::collections::BTreeSet;

use callscribe_simulators::{
    When,
    transcriber::{Profile, TranscriberPlan},
    webex::{Fault, WebexPlan},
};
use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use self::collector::{Collector, Manner, Told};
use crate::{
    harness,
    ledger::number,
    world::{Process, World},
};

const SECRET: &str = "0123456789abcdef";
/// The trace of whoever asks for the sync.
const CALLER: (&str, &str) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn world(plan: WebexPlan, endpoint: &str) -> World {
    World::new(plan, TranscriberPlan::new(Profile::OpenAi))
        .await
        .setting("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .setting("OTEL_BSP_SCHEDULE_DELAY", "100")
        .setting("CRON_SECRET", SECRET)
}

/// Asks for a sync over HTTP, as a scheduler outside would that traces as well.
async fn ask_for_a_sync(port: u16) {
    let url = format!("http://127.0.0.1:{port}/api/cron/sync-webex-voice");
    let request = reqwest::Client::builder().no_proxy().build().unwrap().post(url).bearer_auth(SECRET);
    let request = request.header("traceparent", format!("00-{}-{}-01", CALLER.0, CALLER.1));
    assert_eq!(request.send().await.unwrap().status().as_u16(), 202);
}

async fn answers(port: u16) {
    harness::eventually("the API answers", async || crate::api::status_of(&format!("http://127.0.0.1:{port}/readyz")).await == Some(200))
        .await;
}

async fn done(world: &World) {
    let open = "SELECT count(*) FROM jobs WHERE open AND kind IN ('sync', 'recording', 'transcription')";
    let store = world.database.store();
    harness::eventually("everything is done", async || {
        number(&store, "SELECT count(*) FROM jobs WHERE kind = 'recording'").await > 0 && number(&store, open).await == 0
    })
    .await;
}

/// The last run of a kind that a call had.
fn run_of<'s>(spans: &'s [Told], kind: &str, session: &str) -> Option<&'s Told> {
    spans.iter().rev().find(|span| span.attribute("job.kind") == kind && span.attribute("call.session_id") == session)
}

fn below<'s>(spans: &'s [Told], run: &Told, name: &str) -> &'s Told {
    let found = spans.iter().find(|span| span.trace == run.trace && span.name == name);
    found.unwrap_or_else(|| panic!("no `{name}` in the trace of {run:?}: {:?}", names(spans, run)))
}

fn names(spans: &[Told], run: &Told) -> Vec<String> {
    spans.iter().filter(|span| span.trace == run.trace).map(|span| span.name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_followed_from_the_request_for_its_sync_to_its_transcript_across_processes() {
    let collector = Collector::start(Manner::Takes).await;
    let plan = WebexPlan::ordinary(7, 4);
    let (silent, headers) = (plan.session_id(0), "x-tenant=calls%20of%20ours");
    let plan = plan.with(Fault::ZeroBytes, When::sessions([silent]));
    let world = world(plan, collector.url()).await.setting("OTEL_EXPORTER_OTLP_HEADERS", headers).setting("OTEL_SERVICE_NAME", "ours");
    let world = world.setting("MAX_ATTEMPTS_RECORDING", "2");
    let port = free_port();
    let mut workers = [world.start(&["worker", "sync"]), world.start(&["worker", "recordings"]), world.start(&["worker", "transcribe"])];
    let mut api = world.start(&["api", "--listen", &format!("127.0.0.1:{port}")]);
    answers(port).await;
    ask_for_a_sync(port).await;
    done(&world).await;
    for process in workers.iter_mut().chain([&mut api]) {
        process.signal(Signal::SIGTERM);
        assert!(process.ended().await.success());
    }
    let spans = collector.spans();
    let request = spans.iter().find(|span| span.kind == SpanKind::Server).expect("the request's span");
    assert_eq!((request.trace.as_str(), request.parent.as_str()), CALLER);
    assert_eq!((request.name.as_str(), request.attribute("http.response.status_code")), ("POST /api/cron/sync-webex-voice", "202"));
    let sync = spans.iter().find(|span| span.attribute("job.kind") == "sync").expect("the sync's span");
    assert_eq!(sync.links, [(request.trace.clone(), request.id.clone())]);
    assert_eq!(below(&spans, sync, "GET webex").parent, sync.id);
    let truth = world.webex.truth();
    let whole: Vec<_> = truth.iter().filter(|call| call.expected.word() == "stored").collect();
    assert!(whole.len() >= 2 && whole.iter().all(|call| call.session_id != silent));
    for call in &whole {
        let session = call.session_id.to_string();
        let recording = run_of(&spans, "recording", &session).expect("the recording's span");
        let transcription = run_of(&spans, "transcription", &session).expect("the transcription's span");
        assert_eq!(recording.links, [(sync.trace.clone(), sync.id.clone())]);
        assert_eq!(transcription.links, [(recording.trace.clone(), recording.id.clone())]);
        assert_eq!((recording.status, recording.attribute("job.outcome"), recording.parent.as_str()), (0, "done", ""));
        assert_eq!(below(&spans, recording, "GET webex-files").attribute("http.response.status_code"), "200");
        assert_eq!(below(&spans, recording, "S3.PutObject").parent, recording.id);
        assert_eq!(below(&spans, transcription, "POST whisper").attribute("http.response.status_code"), "200");
        assert_eq!(below(&spans, transcription, "S3.GetObject").parent, transcription.id);
        assert_eq!((transcription.kind, transcription.attribute("messaging.destination.name")), (SpanKind::Consumer, "transcription"));
    }
    assert_eq!(doctor_on_traces(&world).await, "ok 127.0.0.1 takes spans");
    a_failed_run_says_why(&spans, &silent.to_string());
    for call in [silent, whole[0].session_id] {
        the_ledger_knows_the_traces(&world, &spans, &call.to_string()).await;
    }
    logs_name_the_trace(&workers[1], &spans, whole.len());
    let processes: BTreeSet<_> = spans.iter().map(|span| span.resource["service.instance.id"].clone()).collect();
    assert!(processes.len() == 4 && spans.iter().all(|span| span.resource["service.name"] == "ours"), "{processes:?}");
    assert_eq!(collector.tenant(), "calls of ours");
    nothing_secret_was_told(&collector, &world);
}

fn a_failed_run_says_why(spans: &[Told], session: &str) {
    let failed = run_of(spans, "recording", session).expect("the span of the run that failed");
    assert_eq!((failed.status, failed.attribute("job.outcome"), failed.attribute("error.type")), (2, "dead", "recording_empty"));
    assert!(failed.message.len() > 10, "{failed:?}");
    assert!(run_of(spans, "transcription", session).is_none());
}

/// `calls show` names the trace of each run, by what the ledger keeps of it.
async fn the_ledger_knows_the_traces(world: &World, spans: &[Told], session: &str) {
    let (status, text) = world.run(&["calls", "show", session, "--json"]).await;
    assert_eq!(status, Some(0), "{text}");
    let shown: serde_json::Value = serde_json::from_str(text.lines().find(|line| line.starts_with('{')).unwrap_or(&text)).unwrap();
    let events = shown["timeline"].as_array().unwrap().iter().filter(|event| event["run"].is_number());
    let named: BTreeSet<_> = events.map(|event| event["trace_id"].as_str().unwrap().to_owned()).collect();
    let runs = spans.iter().filter(|span| span.attribute("call.session_id") == session);
    let told: BTreeSet<_> = runs.map(|span| span.trace.clone()).collect();
    assert!(named.len() >= 2 && named == told, "{named:?} {told:?}");
}

/// Lines of a run name its trace, so that one leads to the other.
fn logs_name_the_trace(worker: &Process, spans: &[Told], recordings: usize) {
    let stored: Vec<serde_json::Value> = worker.log_lines().into_iter().filter(|line| line["message"] == "stored recording").collect();
    assert_eq!(stored.len(), recordings);
    for line in stored {
        let session = line["call.session_id"].as_str().or(line["span"]["call.session_id"].as_str()).unwrap();
        let run = run_of(spans, "recording", session).unwrap();
        assert_eq!((line["span"]["trace_id"].as_str(), line["span"]["span_id"].as_str()), (Some(&*run.trace), Some(&*run.id)), "{line}");
    }
}

fn nothing_secret_was_told(collector: &Collector, world: &World) {
    for name in ["WEBEX_CC_CLIENT_SECRET", "WEBEX_CC_REFRESH_TOKEN", "OPENAI_API_KEY", "CRON_SECRET"] {
        assert!(!collector.was_told(&world.environment[name]), "{name}");
    }
    for call in world.webex.truth() {
        let said = call.words().iter().take(3).map(|said| said.word.to_string()).collect::<Vec<_>>().join(" ");
        for personal in [call.ani, call.dnis, call.agent_name.unwrap_or_default(), said] {
            assert!(personal.is_empty() || !collector.was_told(&personal), "{personal}");
        }
    }
    assert!(!collector.was_told("Signature") && !collector.was_told("token="));
    assert!(collector.was_told("recording"), "what is looked for would be found");
}

/// What `doctor` finds about the collector, which is never a reason to fail.
async fn doctor_on_traces(world: &World) -> String {
    let (status, text) = world.run(&["doctor", "sync", "--json"]).await;
    assert_eq!(status, Some(0), "{text}");
    let report: serde_json::Value = serde_json::from_str(text.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    let finding = report["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == "traces").unwrap();
    format!("{} {}", finding["level"].as_str().unwrap(), finding["found"].as_str().unwrap())
}

/// One figure of a process.
async fn figure(port: u16, name: &str) -> f64 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let Ok(answer) = client.get(format!("http://127.0.0.1:{port}/metrics")).send().await else { return 0.0 };
    let text = answer.text().await.unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_costs_no_job_and_one_warning() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let (port, api_port) = (free_port(), free_port());
    let world = world(WebexPlan::ordinary(7, 6), &nobody).await.setting("METRICS_LISTEN", &format!("127.0.0.1:{port}"));
    let mut worker = world.start(&["worker", "all"]);
    let _api = world.start(&["api", "--listen", &format!("127.0.0.1:{api_port}")]);
    answers(api_port).await;
    ask_for_a_sync(api_port).await;
    done(&world).await;
    world.assert_as_the_truth_says().await;
    harness::eventually("several batches were dropped and counted", async || {
        figure(port, r#"callscribe_trace_spans_total{outcome="unreachable"}"#).await >= 12.0
    })
    .await;
    assert!(figure(port, "process_open_fds").await > 5.0 && figure(port, "process_cpu_seconds_total").await > 0.0);
    assert!(figure(port, r#"callscribe_job_wait_seconds_count{kind="transcription"}"#).await >= 1.0);
    worker.signal(Signal::SIGTERM);
    assert!(worker.ended().await.success());
    assert!(doctor_on_traces(&world).await.starts_with("warn 127.0.0.1 does not take spans: "));
    let told = worker.log_lines().into_iter().filter(|line| line["message"] == "the collector does not take spans").count();
    assert_eq!(told, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_that_a_slow_collector_leaves_behind_are_dropped_and_the_process_ends_in_time() {
    let collector = Collector::start(Manner::Hangs).await;
    let (port, api_port) = (free_port(), free_port());
    let world = world(WebexPlan::ordinary(7, 6), collector.url())
        .await
        .setting("METRICS_LISTEN", &format!("127.0.0.1:{port}"))
        .setting("OTEL_BSP_MAX_QUEUE_SIZE", "4")
        .setting("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
        .setting("OTEL_EXPORTER_OTLP_TIMEOUT", "600000");
    let mut worker = world.start(&["worker", "all"]);
    let mut api = world.start(&["api", "--listen", &format!("127.0.0.1:{api_port}")]);
    answers(api_port).await;
    ask_for_a_sync(api_port).await;
    done(&world).await;
    harness::eventually("what does not fit is counted", async || {
        figure(port, r#"callscribe_trace_spans_total{outcome="queue_full"}"#).await >= 12.0
    })
    .await;
    world.assert_as_the_truth_says().await;
    for process in [&mut worker, &mut api] {
        process.signal(Signal::SIGTERM);
        assert!(process.ended().await.success());
    }
    let late = worker.log_lines().into_iter().find(|line| line["message"] == "the last spans were not taken in time").expect("it is told");
    assert!(late["spans.count"].as_u64().unwrap() >= 4, "{late}");
    assert!(collector.spans().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_traced_is_not_stored_either() {
    let world = World::new(WebexPlan::ordinary(7, 2), TranscriberPlan::new(Profile::OpenAi)).await;
    let _processes = [world.start(&["scheduler"]), world.start(&["worker", "all"])];
    done(&world).await;
    assert_eq!(number(&world.database.store(), "SELECT count(*) FROM jobs WHERE trace_parent IS NOT NULL").await, 0);
}
