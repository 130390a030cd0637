//! Answers that never get good, through real workers: every attempt is counted, and the last one leaves the reason for people.

use callscribe::{
    ledger::Backoff,
    queue::{LaneOptions, QueueSettings, WorkersOptions, run_workers},
};
use callscribe_simulators::speech::Recording;
use tokio_util::sync::CancellationToken;

use super::*;

const ATTEMPTS: u16 = 3;

/// Lets a worker try until the job is dead.
async fn given_up(desk: &Desk) {
    let shutdown = CancellationToken::new();
    let options = WorkersOptions {
        store: desk.store.clone(),
        hints: harness::hints().await,
        lanes: vec![LaneOptions { handler: desk.handler.clone(), concurrency: 1, max_attempts: Some(ATTEMPTS) }],
        settings: QueueSettings {
            lease: Duration::from_secs(30),
            backoff: Backoff { base: Duration::from_millis(20), ceiling: Duration::from_millis(100) },
            drain: Duration::from_secs(10),
            ledger_poll: Duration::from_millis(100),
            ledger_poll_without_redis: Duration::from_millis(50),
            orders_poll: Duration::from_secs(1),
        },
        host: "test".to_owned(),
        shutdown: shutdown.clone(),
    };
    let working = tokio::spawn(run_workers(options));
    harness::eventually("the job is dead", async || desk.count("SELECT count(*) AS count FROM jobs WHERE state = 'dead'").await == 1).await;
    shutdown.cancel();
    working.await.expect("the worker ends").expect("and well");
}

async fn ends_as(fault: Fault, when: When, recording: &Recording, reason: Reason) {
    let desk = desk(openai()).await;
    let waiting = desk.put(recording).await;
    desk.server.faults().on(fault.clone(), when);
    given_up(&desk).await;
    let row = desk.row(&waiting).await;
    assert_eq!((row.status.as_str(), row.call_status.as_str()), ("error", "error"), "{fault:?}");
    assert_eq!(row.transcript_text, None, "{fault:?}: nothing doubtful is kept");
    let code = reason.as_str();
    let told = format!("SELECT count(*) AS count FROM call_transcripts WHERE error_code = '{code}' AND error_message <> ''");
    assert_eq!(desk.count(&told).await, 1, "{fault:?}");
    let tried = format!("SELECT count(*) AS count FROM job_attempts WHERE reason = '{code}' AND outcome IN ('failed', 'dead')");
    assert_eq!(desk.count(&tried).await, i64::from(ATTEMPTS), "{fault:?}: every attempt is told");
    desk.database.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_always_lacks_its_tail_ends_as_an_error_with_low_coverage() {
    ends_as(Fault::TailLost, When::Always, &call(40, 60, Shape::ULAW), Reason::LowCoverage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_always_goes_round_in_circles_ends_as_an_error_with_repetition() {
    let recording = call(41, 30, Shape::ULAW);
    let word = truth(&recording).remove(0);
    ends_as(Fault::Hallucination, When::For(vec![word]), &recording, Reason::Repetition).await;
}
