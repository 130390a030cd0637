//! The upkeep handler against PostgreSQL: which task a job is, and what each leaves behind.

mod deleted;
mod nights;
mod reconcile;
mod summaries;

use callscribe::{
    config::{ReconcileSettings, SyncSettings},
    domain::{JobKind, Reason, SourceName},
    ledger::{self, Claimant, Claimed, Handler, NewJob, Outcome, WorkerIdentity},
};
use callscribe_worker_upkeep::{House, UpkeepHandler};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

use crate::sync::Scene;

/// Enqueues an upkeep job of `source`, and a new worker claims it.
async fn claimed(scene: &Scene, source: SourceName, payload: Value) -> Claimed {
    let key = format!("test/{}", uuid::Uuid::new_v4());
    let job = NewJob { source: Some(source), payload, ..NewJob::new(JobKind::Upkeep, key) };
    ledger::enqueue(&mut scene.store.connection().await.unwrap(), &[job]).await.unwrap();
    claim(scene).await
}

/// A new worker claims the upkeep job that is due.
async fn claim(scene: &Scene) -> Claimed {
    let connection = &mut scene.store.connection().await.unwrap();
    let worker = WorkerIdentity { host: "test".to_owned(), pid: 1, kinds: vec![JobKind::Upkeep] };
    let lease = ledger::begin_lease(connection, &worker, Duration::from_mins(1)).await.unwrap();
    let claimant = Claimant { kind: JobKind::Upkeep, lease, max_attempts: None };
    ledger::claim_due(connection, claimant, 1).await.unwrap().jobs.pop().expect("a job is due")
}

/// A house as the defaults keep it.
pub(crate) fn house() -> House {
    House {
        sync: SyncSettings::default(),
        reconcile: ReconcileSettings::default(),
        provider: "whisper".to_owned(),
        recording_attempts: 8,
        retention: callscribe::config::RetentionSettings::keeping_everything(),
    }
}

fn handler(scene: &Scene) -> UpkeepHandler {
    let house = House { sync: scene.settings.clone(), retention: scene.retention.clone(), ..house() };
    UpkeepHandler::new(vec![Arc::clone(&scene.source)], house, Arc::new(scene.clock.clone()))
}

async fn run(scene: &Scene, job: &Claimed) -> Outcome {
    let (context, _heard) = scene.context();
    handler(scene).run(job, &context).await
}

#[tokio::test]
async fn a_task_of_a_newer_version_parks_its_job() {
    let scene = Scene::new().await;
    let job = claimed(&scene, SourceName::Webex, json!({ "task": "tidy" })).await;
    let outcome = run(&scene, &job).await;
    assert!(matches!(&outcome, Outcome::Stop(why) if why.reason == Reason::PoisonPayload), "{outcome:?}");
}

#[tokio::test]
async fn a_task_for_a_source_without_settings_waits_for_a_worker_that_has_them() {
    let scene = Scene::new().await;
    let window = json!({ "from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z" });
    let job =
        claimed(&scene, SourceName::Vapi, json!({ "task": "reconcile", "window": window, "repair": "nothing", "actor": "test" })).await;
    let outcome = run(&scene, &job).await;
    assert!(matches!(&outcome, Outcome::Later { why, .. } if why.chain().contains("no settings for source `vapi`")), "{outcome:?}");
}
