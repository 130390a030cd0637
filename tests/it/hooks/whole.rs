//! Real processes, a Webex that sends events, and everything that goes wrong with them.

use std::process::Output;

use callscribe_simulators::{
    SimulatedClock, When,
    transcriber::{Profile, TranscriberPlan},
    webex::{CallSpec, Fault, WebexPlan},
};
use nix::sys::signal::Signal;

use super::*;
use crate::{cli::callscribe, world::World};

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn world(plan: WebexPlan) -> World {
    let mut world = World::new(plan.with_loopback_hooks(), TranscriberPlan::new(Profile::OpenAi)).await;
    world.environment.insert("WEBEX_CC_WEBHOOK_SECRET", SECRET.to_owned());
    world
}

/// `callscribe webex subscribe`, as a person does it.
async fn subscribe(world: &World, port: u16) {
    let mut command = callscribe(&["webex", "subscribe", "--url", &format!("http://127.0.0.1:{port}/")]);
    command.envs(&world.environment);
    let Output { status, stderr, .. } = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
}

async fn answers(port: u16) {
    harness::eventually("the API answers", async || crate::api::status_of(&format!("http://127.0.0.1:{port}/healthz")).await == Some(200))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capture_available_makes_a_waiting_recording_due_at_once() {
    // over for two minutes, and not offered for seven more
    let call = CallSpec { ready_after: Duration::from_mins(9), ..CallSpec::ago(Duration::from_mins(2)) };
    let mut world = world(WebexPlan::new(7, vec![call])).await;
    world.environment.insert("RECORDING_POLL_SCHEDULE", "1h,2h".to_owned());
    let (store, port) = (world.database.store(), free_port());
    let _processes = [
        world.start(&["scheduler"]),
        world.start(&["worker", "sync", "recordings"]),
        world.start(&["api", "--listen", &format!("127.0.0.1:{port}")]),
    ];
    let waits = "SELECT count(*) AS number FROM jobs WHERE kind = 'recording' AND state = 'ready' AND reason = 'recording_not_ready'
                 AND run_at > now() + interval '30 minutes'";
    harness::eventually("the recording waits for an hour", async || number(&store, waits).await == 1).await;
    answers(port).await;
    subscribe(&world, port).await;
    world.webex.clock().advance(Duration::from_mins(8));
    let stored = "SELECT count(*) AS number FROM call_recordings WHERE status = 'stored'";
    harness::eventually("the recording is stored", async || number(&store, stored).await == 1).await;
    let job = "SELECT count(*) AS number FROM jobs WHERE kind = 'recording' AND state = 'done' AND attempt = 1 AND run = 2";
    harness::eventually("no attempt was spent on the wait", async || number(&store, job).await == 1).await;
    assert!(world.webex.deliveries().iter().all(|each| each.status == Some(200)), "{:?}", world.webex.deliveries());
}

/// How far Webex's time is held back until everything is ready for what is to come.
const HELD_BACK: Duration = Duration::from_mins(5);

/// A dozen calls that begin within two seconds once time is let go, each over two seconds later and offered another second later.
fn calls_to_come() -> Vec<CallSpec> {
    let call = |number: i64| CallSpec {
        begins: TimeDelta::from_std(HELD_BACK).unwrap() + TimeDelta::milliseconds(number * 150),
        lasts: Duration::from_secs(2),
        ready_after: Duration::from_secs(1),
        ..CallSpec::ago(Duration::ZERO)
    };
    (0..12).map(call).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_fault_of_delivery_and_a_receiver_killed_all_calls_end_as_the_truth_says() {
    let held_back = SimulatedClock::running(SimulatedClock::real().now() - HELD_BACK, 1.0);
    let plan = WebexPlan { clock: held_back, ..WebexPlan::new(7, calls_to_come()) }
        .with(Fault::HookDuplicated, When::Chance(0.3))
        .with(Fault::HookMissing, When::Chance(0.2))
        .with(Fault::HookBadSignature, When::Chance(0.1))
        .with(Fault::HookReserialised, When::Chance(0.1))
        .with(Fault::HookStale { age: Duration::from_hours(1) }, When::Chance(0.1))
        .with(Fault::HookTimestampNumber, When::Chance(0.5))
        .with(Fault::HookRepeated { times: 2 }, When::Always)
        .with(Fault::HookOutOfOrder, When::Always)
        .with(Fault::HookEndedThrice, When::Always);
    let mut world = world(plan).await;
    for (name, value) in [
        ("SYNC_INTERVAL", "1s"),
        ("WEBEX_CC_SETTLE", "500ms"),
        ("WEBEX_CC_WEBHOOK_SYNC_EVERY", "1s"),
        ("WEBEX_CC_WEBHOOK_CHECK_EVERY", "1s"),
        ("RECORDING_POLL_SCHEDULE", "500ms,1s,2s,5s,10s"),
    ] {
        world.environment.insert(name, value.to_owned());
    }
    let (store, port) = (world.database.store(), free_port());
    let listen = format!("127.0.0.1:{port}");
    let mut api = world.start(&["api", "--listen", &listen]);
    answers(port).await;
    subscribe(&world, port).await;
    world.webex.clock().advance(HELD_BACK);
    let _workers = [world.start(&["scheduler"]), world.start(&["worker", "all"])];
    let events = "SELECT count(*) AS number FROM webhook_events";
    harness::eventually("events arrive", async || number(&store, events).await >= 5).await;
    api.signal(Signal::SIGKILL);
    assert!(!api.ended().await.success());
    harness::eventually("Webex finds out and switches off what fails", async || {
        world.webex.subscriptions().iter().any(|each| !each.active)
    })
    .await;
    let _api = world.start(&["api", "--listen", &listen]);
    harness::eventually("upkeep switches it on again", async || world.webex.subscriptions().iter().all(|each| each.active)).await;
    let complete = "SELECT count(*) AS number FROM call_transcripts WHERE status = 'complete'";
    harness::eventually("every call is transcribed", async || number(&store, complete).await == 12).await;
    world.assert_as_the_truth_says().await;
    assert_eq!(world.transcriber.requests().total(), 24, "each side once, however often it was told");
    let kept = "SELECT count(*) AS number FROM webhook_events WHERE sent_at < now() - interval '30 minutes'";
    assert_eq!(number(&store, kept).await, 0, "what was played again is not taken");
    let live = "SELECT count(*) AS number FROM jobs WHERE kind = 'sync' AND open AND payload ->> 'mode' = 'live'";
    assert!(number(&store, live).await <= 1, "runs never stack");
}
