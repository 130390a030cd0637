//! The gate before an outside service: one for all machines, and none of it worth more than a round of probes.

mod transcriber;
mod vendor;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use callscribe::{
    domain::JobId,
    embedded::Server,
    hints::Hints,
    notify::circuits,
    outbound::{Asker, Ending, Gate, GateSeen, Shut, Why},
};
use tokio::sync::Semaphore;

use crate::harness;

/// Failures in a row that open a circuit.
const FAILURES: i64 = 5;

/// Somebody who asks and gets this ending.
async fn ends(gate: &Gate, asker: i64, ending: Ending) -> Result<Option<Duration>, Shut> {
    let run = gate.run(Duration::ZERO, async {}, |()| ending);
    Asker::job(JobId(asker)).during(run).await.map(|((), open)| open)
}

async fn fail(gate: &Gate) {
    for asker in 0..FAILURES {
        ends(gate, asker, Ending::Failed).await.unwrap();
    }
}

/// Changes what is kept of a service, as time would.
async fn change(hints: &Hints, service: &str, change: impl FnOnce(&mut serde_json::Value)) {
    let key = hints.key("gate", service);
    let held: String = redis::cmd("GET").arg(&key).query_async(&mut hints.connection()).await.unwrap();
    let mut state: serde_json::Value = serde_json::from_str(&held).unwrap();
    change(&mut state);
    redis::cmd("SET").arg(&key).arg(state.to_string()).query_async::<()>(&mut hints.connection()).await.unwrap();
}

/// Makes the circuit's next probe due.
async fn probe_is_due(hints: &Hints, service: &str) {
    change(hints, service, |state| state["open"]["until"] = 0.into()).await;
}

/// Makes everyone who is in silent for longer than that is believed.
async fn everyone_in_is_silent(hints: &Hints, service: &str) {
    let key = format!("{}:places", hints.key("gate", service));
    let who: Vec<String> = redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).query_async(&mut hints.connection()).await.unwrap();
    for who in who {
        redis::cmd("ZADD").arg(&key).arg(1).arg(who).query_async::<()>(&mut hints.connection()).await.unwrap();
    }
}

fn closed(seen: &GateSeen) -> bool {
    seen.open_seconds.is_none()
}

/// Work that is in until it is told to go on.
struct Held {
    inside: Semaphore,
    go_on: Semaphore,
}

impl Held {
    fn new() -> Arc<Self> {
        Arc::new(Self { inside: Semaphore::new(0), go_on: Semaphore::new(0) })
    }

    async fn work(self: Arc<Self>) {
        self.inside.add_permits(1);
        self.go_on.acquire().await.unwrap().forget();
    }

    async fn is_inside(&self) {
        self.inside.acquire().await.unwrap().forget();
    }
}

fn spawn(gate: &Gate, held: &Arc<Held>, ending: Ending) -> tokio::task::JoinHandle<Result<((), Option<Duration>), Shut>> {
    let (gate, work) = (gate.clone(), Arc::clone(held).work());
    tokio::spawn(async move { gate.run(Duration::ZERO, work, |()| ending).await })
}

#[tokio::test]
async fn failures_on_two_machines_open_the_circuit_for_all_and_one_probe_closes_it() {
    let hints = harness::hints().await;
    let (one, two) = (Gate::new(hints.clone(), "asr", 8), Gate::new(hints.clone(), "asr", 8));
    for failure in 1..=FAILURES {
        let open = ends(if failure % 2 == 0 { &one } else { &two }, failure, Ending::Failed).await.unwrap();
        assert_eq!(open.is_some(), failure == FAILURES, "the failure that opens it counts against nobody");
    }
    let shut = ends(&two, 9, Ending::Answered).await.unwrap_err();
    assert!(shut.why == Why::CircuitOpen && shut.wait >= Duration::from_secs(5), "{shut:?}");
    probe_is_due(&hints, "asr").await;
    let held = Held::new();
    let probe = spawn(&one, &held, Ending::Answered);
    held.is_inside().await;
    assert_eq!(ends(&two, 9, Ending::Answered).await.unwrap_err().why, Why::CircuitOpen, "one probe at a time");
    held.go_on.add_permits(1);
    assert_eq!(probe.await.unwrap().unwrap(), ((), None));
    assert!(closed(&two.seen().await));
    assert_eq!(ends(&two, 9, Ending::Answered).await, Ok(None));
}

#[tokio::test]
async fn a_machine_that_gets_answers_keeps_the_circuit_closed_for_one_that_gets_none() {
    let hints = harness::hints().await;
    let (cut_off, well) = (Gate::circuit(hints.clone(), "vendor"), Gate::circuit(hints, "vendor"));
    for asker in 0..40 {
        assert_eq!(ends(&cut_off, asker, Ending::Unreachable).await, Ok(None));
        if asker % 3 == 2 {
            assert_eq!(ends(&well, asker, Ending::Answered).await, Ok(None));
        }
    }
}

#[tokio::test]
async fn a_probe_that_is_dropped_or_whose_process_dies_leaves_its_turn_to_another() {
    let hints = harness::hints().await;
    let (one, two) = (Gate::circuit(hints.clone(), "vendor"), Gate::circuit(hints.clone(), "vendor"));
    fail(&one).await;
    probe_is_due(&hints, "vendor").await;
    let held = Held::new();
    let probe = spawn(&one, &held, Ending::Answered);
    held.is_inside().await;
    probe.abort();
    assert!(probe.await.unwrap_err().is_cancelled());
    one.seen().await;
    assert_eq!(ends(&two, 9, Ending::Failed).await.map(|open| open.is_some()), Ok(true), "this one probes");
    probe_is_due(&hints, "vendor").await;
    let held = Held::new();
    let dies = spawn(&one, &held, Ending::Answered);
    held.is_inside().await;
    change(&hints, "vendor", |state| state["open"]["probe"][1] = 1.into()).await;
    assert_eq!(ends(&two, 10, Ending::Answered).await, Ok(None), "silent for too long: another one probes, and closes it");
    held.go_on.add_permits(1);
    assert_eq!(dies.await.unwrap().unwrap(), ((), None), "who was only frozen says what it learnt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_at_once_than_the_service_bears_however_many_come() {
    let hints = harness::hints().await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let runs = (0..60).map(|_| {
        let gate = Gate::new(hints.clone(), "asr", 5);
        let (now, most) = (now.clone(), most.clone());
        async move {
            let work = async {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
            };
            gate.run(Duration::from_mins(5), work, |()| Ending::Answered).await.unwrap();
        }
    });
    futures_util::future::join_all(runs).await;
    assert!((1..=5).contains(&most.load(Ordering::SeqCst)), "{most:?} at once");
    assert_eq!(Gate::new(hints, "asr", 5).seen().await.in_use, 0);
}

#[tokio::test]
async fn the_place_of_a_process_that_died_is_free_again_and_one_that_was_frozen_is_counted_again() {
    let hints = harness::hints().await;
    let (one, two) = (Gate::new(hints.clone(), "asr", 1), Gate::new(hints.clone(), "asr", 1));
    let held = Held::new();
    let frozen = spawn(&one, &held, Ending::Answered);
    held.is_inside().await;
    assert_eq!(ends(&two, 1, Ending::Answered).await.unwrap_err().why, Why::Full);
    everyone_in_is_silent(&hints, "asr").await;
    assert_eq!(two.seen().await.in_use, 0);
    assert_eq!(ends(&two, 1, Ending::Answered).await, Ok(None), "its time is over");
    harness::eventually("who lives says that it is still in", async || two.seen().await.in_use == 1).await;
    held.go_on.add_permits(1);
    frozen.await.unwrap().unwrap();
    assert_eq!(two.seen().await.in_use, 0);
}

#[tokio::test]
async fn work_that_is_dropped_gives_its_place_back_with_the_next_word_of_its_process() {
    let hints = harness::hints().await;
    let (one, two) = (Gate::new(hints.clone(), "asr", 2), Gate::new(hints, "asr", 2));
    let held = Held::new();
    let dropped = spawn(&one, &held, Ending::Answered);
    held.is_inside().await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    assert_eq!(ends(&one, 1, Ending::Answered).await, Ok(None));
    assert_eq!(two.seen().await.in_use, 0);
}

#[tokio::test]
async fn slow_down_said_to_one_machine_holds_back_all() {
    let hints = harness::hints().await;
    let (one, two) = (Gate::new(hints.clone(), "asr", 8), Gate::new(hints.clone(), "asr", 8));
    ends(&one, 1, Ending::SlowDown(Duration::from_mins(5))).await.unwrap();
    let shut = ends(&two, 2, Ending::Answered).await.unwrap_err();
    assert!(shut.why == Why::Blocked && shut.wait >= Duration::from_mins(4), "{shut:?}");
    let seen = two.seen().await;
    assert!(seen.limit == Some(1) && seen.blocked_seconds > 200 && closed(&seen), "{seen:?}");
}

#[tokio::test]
async fn without_redis_each_process_keeps_a_gate_of_its_own_and_a_flushall_costs_a_round() {
    let services = harness::private_services().await;
    let hints = services.hints();
    let gate = Gate::new(hints.clone(), "asr", 20);
    fail(&gate).await;
    assert!(ends(&gate, 9, Ending::Answered).await.is_err());
    redis::cmd("FLUSHALL").query_async::<()>(&mut hints.connection()).await.unwrap();
    assert_eq!(ends(&gate, 9, Ending::Failed).await, Ok(None), "forgotten: it is tried again");
    services.halt(Server::Redis).await;
    let work = async { ends(&gate, 9, Ending::Answered).await.map(|_| gate.clone()) };
    let inside = gate.run(Duration::ZERO, work, |_| Ending::Answered).await.unwrap().0;
    assert!(inside.is_ok(), "two of twenty may be in: a tenth");
    fail(&gate).await;
    assert_eq!(ends(&gate, 9, Ending::Answered).await.unwrap_err().why, Why::CircuitOpen);
    services.resume(Server::Redis).await;
    harness::eventually("the gate is shared again", async || closed(&gate.seen().await)).await;
}

#[tokio::test]
async fn what_another_version_left_is_as_good_as_nothing() {
    let hints = harness::hints().await;
    let gate = Gate::new(hints.clone(), "asr", 2);
    for left in ["no JSON", "[1]", "7", "{\"open\":true}"] {
        redis::cmd("SET").arg(hints.key("gate", "asr")).arg(left).query_async::<()>(&mut hints.connection()).await.unwrap();
        harness::eventually("it lets in", async || ends(&gate, 1, Ending::Failed).await.is_ok()).await;
    }
}

#[tokio::test]
async fn a_circuit_that_stays_open_is_an_alert() {
    let hints = harness::hints().await;
    let gate = Gate::circuit(hints.clone(), "asr");
    fail(&gate).await;
    assert_eq!(circuits(&[gate.seen().await]), [], "most that open close with their first probes");
    change(&hints, "asr", |state| state["open"]["since"] = (state["open"]["since"].as_i64().unwrap() - 120_000).into()).await;
    let told = circuits(&[gate.seen().await]);
    assert_eq!(told.len(), 1);
    assert!(told[0].name == "CallscribeCircuitOpen" && told[0].summary.contains("`asr` has been down for 2m"), "{told:?}");
}
