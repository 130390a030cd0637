//! What every trouble leaves behind: a reason, and a watermark that has not moved.

use std::time::Duration;

use callscribe::{
    domain::{JobKind, Reason, SourceName},
    ledger::{self, NewJob, Outcome},
    sources::SourceError,
};
use serde_json::json;

use super::{Scene, minutes, noon, tenant::Trouble};

fn wrong_shape() -> SourceError {
    let what = "`data` is missing, `items` is there".to_owned();
    SourceError::WrongShape { source_name: SourceName::Webex, what, trace: Default::default() }
}

fn rate_limited() -> SourceError {
    SourceError::RateLimited { source_name: SourceName::Webex, wait: Duration::from_secs(17), own_budget: false, trace: Default::default() }
}

#[tokio::test]
async fn a_wrong_shape_is_loud_and_moves_nothing() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(15, noon() - minutes(10));
    scene.tenant.trouble(2, Trouble::Error(wrong_shape));
    let ran = scene.live().await;
    assert!(matches!(&ran.outcome, Outcome::Retry(why) if why.chain().contains("`items` is there")), "{:?}", ran.outcome);
    assert_eq!(ran.reason(), Reason::WrongShape);
    let last_of_page_one = noon() - minutes(10) + chrono::TimeDelta::seconds(9);
    assert_eq!(scene.watermark().await, Some(last_of_page_one), "only what was stored counts");
}

#[tokio::test]
async fn a_wrong_shape_at_once_is_never_no_calls() {
    let scene = Scene::new().await;
    scene.live().await.assert_done();
    let before = scene.watermark().await;
    scene.clock.advance(minutes(10));
    scene.tenant.closed("a", noon());
    scene.tenant.trouble(2, Trouble::Error(wrong_shape));
    assert_eq!(scene.live().await.reason(), Reason::WrongShape);
    assert_eq!(scene.watermark().await, before);
}

#[tokio::test]
async fn a_limit_waits_as_long_as_the_vendor_says() {
    let scene = Scene::new().await;
    scene.tenant.trouble(1, Trouble::Error(rate_limited));
    let ran = scene.live().await;
    assert!(matches!(ran.outcome, Outcome::Later { wait, .. } if wait == Duration::from_secs(17)), "{:?}", ran.outcome);
}

#[tokio::test]
async fn a_source_that_does_not_advance_is_found_out() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(25, noon() - minutes(10));
    scene.tenant.trouble(2, Trouble::Standstill);
    assert_eq!(scene.live().await.reason(), Reason::WrongShape);
}

#[tokio::test]
async fn parameters_that_cannot_be_read_park_the_job() {
    let scene = Scene::new().await;
    let sideways = json!({ "mode": "sideways" });
    let job = NewJob { source: Some(SourceName::Webex), payload: sideways, ..NewJob::new(JobKind::Sync, "webex/odd") };
    ledger::enqueue(&mut scene.store.connection().await.unwrap(), &[job]).await.unwrap();
    let ran = scene.run(&scene.claim().await).await;
    assert!(matches!(&ran.outcome, Outcome::Stop(why) if why.reason == Reason::PoisonPayload), "{:?}", ran.outcome);
}

#[tokio::test]
async fn a_source_without_settings_waits_for_a_worker_that_has_them() {
    let scene = Scene::new().await;
    let payload = callscribe::schedule::SyncPayload::Live.to_json();
    let job = NewJob { source: Some(SourceName::Vapi), payload, ..NewJob::new(JobKind::Sync, "vapi/tick") };
    ledger::enqueue(&mut scene.store.connection().await.unwrap(), &[job]).await.unwrap();
    let ran = scene.run(&scene.claim().await).await;
    assert!(matches!(&ran.outcome, Outcome::Later { why, .. } if why.chain().contains("no settings for source `vapi`")));
}
