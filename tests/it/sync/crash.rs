//! Killed anywhere, nothing is lost and nothing doubled.

use callscribe::{
    domain::Reason,
    ledger::{Handler, Outcome},
    schedule::SyncPayload,
};

use super::{Scene, minutes, noon, tenant::Trouble};
use crate::harness;

#[tokio::test]
async fn a_worker_killed_between_pages_loses_nothing_and_doubles_nothing() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(45, noon() - minutes(10));
    scene.tenant.trouble(3, Trouble::Hang);
    scene.enqueue(SyncPayload::Live, 0).await;
    let job = scene.claim().await;
    let (handler, (context, _heard)) = (scene.handler(), scene.context());
    let killed = tokio::spawn({
        let job = job.clone();
        async move { handler.run(&job, &context).await }
    });
    harness::eventually("two pages are stored and the third is asked for", async || {
        scene.tenant.asked().len() == 3 && scene.count("call_interactions").await == 20
    })
    .await;
    killed.abort();
    scene.lose(&job).await;
    scene.run(&scene.claim().await).await.assert_done();
    for table in ["call_interactions", "call_transcripts", "jobs WHERE kind = 'recording'"] {
        assert_eq!(scene.count(table).await, 45, "{table}");
    }
    assert_eq!(scene.tenant.asked().len(), 6, "two pages, the third twice, two more");
    scene.database.assert_consistent().await;
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_writes_nothing() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(5, noon() - minutes(10));
    scene.enqueue(SyncPayload::Live, 0).await;
    let late = scene.claim().await;
    scene.lose(&late).await;
    let winner = scene.claim().await;
    assert_eq!(scene.run(&late).await.reason(), Reason::LeaseLost);
    assert_eq!(scene.count("call_interactions").await + scene.count("app_settings").await, 0);
    scene.run(&winner).await.assert_done();
    assert_eq!(scene.count("call_interactions").await, 5);
}

#[tokio::test]
async fn a_worker_told_to_stop_hands_the_rest_back() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(25, noon() - minutes(10));
    scene.tenant.trouble(2, Trouble::Hang);
    scene.enqueue(SyncPayload::Live, 0).await;
    let job = scene.claim().await;
    let (handler, (context, _heard)) = (scene.handler(), scene.context());
    let stop = context.stop.clone();
    let run = tokio::spawn({
        let job = job.clone();
        async move { handler.run(&job, &context).await }
    });
    harness::eventually("the second page is asked for", async || scene.tenant.asked().len() == 2).await;
    // the first page may still be on its way: it is committed all the same
    stop.cancel();
    let outcome = run.await.unwrap();
    assert!(matches!(&outcome, Outcome::Later { why, .. } if why.reason == Reason::ShutDown), "{outcome:?}");
    assert_eq!(scene.count("call_interactions").await, 10);
}

#[tokio::test]
async fn two_workers_that_read_the_same_window_at_once_make_one_row_per_call() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(45, noon() - minutes(10));
    let window = callscribe::domain::Window::new(noon() - minutes(20), noon()).unwrap();
    scene.enqueue(SyncPayload::Live, 0).await;
    scene.enqueue(SyncPayload::Backfill(window), 10).await;
    let (one, other) = (scene.claim().await, scene.claim().await);
    let (one, other) = tokio::join!(scene.run(&one), scene.run(&other));
    one.assert_done();
    other.assert_done();
    for table in ["call_interactions", "call_transcripts", "jobs WHERE kind = 'recording'"] {
        assert_eq!(scene.count(table).await, 45, "{table}");
    }
    assert_eq!(one.hints.len() + other.hints.len(), 45, "each job is hinted at once");
}
