//! A transcriber that is down, slow or limited, and whole systems before it.

use std::{collections::BTreeSet, time::Duration};

use callscribe_simulators::{
    faults::When,
    transcriber::{Fault, Known, Profile, TranscriberPlan},
    webex::WebexPlan,
};

use crate::{harness, ledger::number, world::World};

const FAILED: &str = "SELECT count(*) FROM job_attempts JOIN jobs ON jobs.id = job_id WHERE kind = 'transcription' AND outcome = 'failed'";

fn openai() -> TranscriberPlan {
    TranscriberPlan::new(Profile::OpenAi)
}

/// Long enough for the longest wait between two probes of so short an outage.
const RECOVERY: Duration = Duration::from_mins(2);

pub(super) async fn everything_is_over(world: &World) {
    let store = world.database.store();
    let stored = world.webex.truth().iter().filter(|call| call.expected.word() == "stored").count();
    harness::eventually_within(RECOVERY, "every transcript is over", async || {
        let over = "SELECT count(*) FROM call_transcripts WHERE status IN ('complete', 'error')";
        number(&store, over).await == i64::try_from(stored).unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transcriber_that_is_down_kills_no_job_and_its_return_is_noticed() {
    let down = Fault::Error(Known::ServerErrorHtml);
    let world = World::new(WebexPlan::ordinary(7, 20), openai().with(down, When::Always)).await.setting("MAX_ATTEMPTS_TRANSCRIPTION", "3");
    let store = world.database.store();
    let _scheduler = world.start(&["scheduler"]);
    let workers = [world.start(&["worker", "all", "--concurrency", "6"]), world.start(&["worker", "transcribe", "--concurrency", "6"])];
    let waiting = "SELECT count(DISTINCT job_id) FROM job_attempts JOIN jobs ON jobs.id = job_id
                   WHERE kind = 'transcription' AND outcome = 'later' AND job_attempts.reason = 'provider_unavailable'";
    harness::eventually("the circuit has opened", async || number(&store, waiting).await > 10).await;
    let (_, said) = world.run(&["status"]).await;
    assert!(said.contains("CIRCUIT OPEN: whisper is down"), "{said}");
    world.transcriber.faults().clear();
    everything_is_over(&world).await;
    assert_eq!(number(&store, "SELECT count(*) FROM jobs WHERE state = 'dead'").await, 0);
    assert!(number(&store, FAILED).await < 5, "only the failures before the circuit opened cost attempts");
    world.assert_as_the_truth_says().await;
    let logs: String = workers.iter().map(|worker| worker.log()).collect();
    for line in ["circuit opened: the service is down", "circuit closed: the service answers again"] {
        assert_eq!(logs.matches(line).count(), 1, "{line}: told once for all machines");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_that_breaks_the_transcriber_dies_alone() {
    let world = World::new(WebexPlan::ordinary(7, 12), openai()).await.setting("MAX_ATTEMPTS_TRANSCRIPTION", "6");
    let store = world.database.store();
    let said = world
        .webex
        .truth()
        .iter()
        .map(|call| call.words().iter().map(|said| said.word.to_string()).collect::<BTreeSet<_>>())
        .collect::<Vec<_>>();
    let of_one_call = said.iter().flatten().find(|word| said.iter().filter(|call| call.contains(*word)).count() == 1).unwrap();
    world.transcriber.faults().on(Fault::Error(Known::ServerErrorHtml), When::For(vec![of_one_call.clone()]));
    let _scheduler = world.start(&["scheduler"]);
    let worker = world.start(&["worker", "all", "--concurrency", "6"]);
    everything_is_over(&world).await;
    let dead = "SELECT count(*) FROM jobs WHERE kind = 'transcription' AND state = 'dead'";
    assert_eq!(number(&store, dead).await, 1);
    assert_eq!(number(&store, &format!("{dead} AND reason = 'provider_unavailable' AND attempt = 6")).await, 1);
    assert!(!worker.log().contains("circuit opened"), "nobody else waited for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_headers_say_is_left_is_not_overdrawn() {
    let limited = Fault::RateLimit { requests: 4, window: Duration::from_secs(3) };
    let world = World::new(WebexPlan::ordinary(7, 16), openai().with(limited, When::Always)).await;
    let store = world.database.store();
    let _scheduler = world.start(&["scheduler"]);
    let _workers = [world.start(&["worker", "all", "--concurrency", "2"]), world.start(&["worker", "transcribe", "--concurrency", "2"])];
    everything_is_over(&world).await;
    assert_eq!(number(&store, FAILED).await, 0);
    world.assert_as_the_truth_says().await;
    let asks = world.transcriber.asks();
    let (refused, answered) = (asks.iter().filter(|ask| ask.status == 429).count(), asks.iter().filter(|ask| ask.status == 200).count());
    assert!(refused <= answered / 2, "{refused} of {} requests were made although nothing was left", asks.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_once_never_pass_the_limit_of_all_machines() {
    let plan = TranscriberPlan { takes: Duration::from_millis(300), ..openai() };
    let world = World::new(WebexPlan::ordinary(7, 24), plan).await.setting("TRANSCRIPTION_CONCURRENCY_WHISPER", "3");
    let store = world.database.store();
    let _scheduler = world.start(&["scheduler"]);
    let _workers = [world.start(&["worker", "all", "--concurrency", "8"]), world.start(&["worker", "transcribe", "--concurrency", "8"])];
    everything_is_over(&world).await;
    let most = world.transcriber.requests().most_in_flight();
    assert!((2..=3).contains(&most), "{most} at once");
    assert_eq!(number(&store, FAILED).await, 0);
    world.assert_as_the_truth_says().await;
}
