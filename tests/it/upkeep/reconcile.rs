//! What the vendor lists against what is held.

use callscribe::{
    domain::{SourceName, Window},
    ledger::Outcome,
    schedule::{Reconcile, UpkeepTask},
};
use chrono::TimeDelta;

use super::{claim, claimed, run};
use crate::sync::{Scene, noon};

fn the_day() -> serde_json::Value {
    let window = Window::new(noon() - TimeDelta::hours(12), noon()).unwrap();
    UpkeepTask::Reconcile(Reconcile { window }).to_json().unwrap()
}

#[tokio::test]
async fn a_call_that_is_not_held_is_counted_once_even_when_the_worker_dies_half_way() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(25, noon() - TimeDelta::hours(2));
    scene.tenant.open("open", noon() - TimeDelta::hours(1));
    let mut job = claimed(&scene, SourceName::Webex, the_day()).await;
    scene.tenant.trouble(2, crate::sync::Trouble::Slow(TimeDelta::minutes(11)));
    assert!(matches!(run(&scene, &job).await, Outcome::Later { .. }), "its turn is over");
    scene.lose(&job).await;
    job = claim(&scene).await;
    assert!(matches!(run(&scene, &job).await, Outcome::Done(_)));
    let checkpoint = scene.ask("SELECT checkpoint AS value FROM jobs WHERE kind = 'upkeep'").await;
    assert_eq!((&checkpoint["listed"], &checkpoint["missing"]), (&26.into(), &25.into()), "an open call is not late");
    assert_eq!(scene.tenant.asked().len(), 3, "no page is asked for twice");
}
