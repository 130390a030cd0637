//! Subscriptions looked after: what Webex switched off is switched on again, and nobody else's is touched.

use callscribe::{
    clock::SystemClock,
    config::ReconcileSettings,
    domain::{JobKind, Reason, SourceName},
    ledger::{self, Claimant, Claimed, Handler, Outcome, RunContext, WorkerIdentity},
    sources::Source,
    store::settings as kept,
};
use callscribe_simulators::{
    When,
    webex::{Fault, SubscriptionSeen},
};
use callscribe_worker_upkeep::UpkeepHandler;
use url::Url;

use super::{
    subscriptions::{destination, office},
    *,
};
use crate::webex::Office;

/// Subscribes as the command does, and has a scheduler make the first look due.
async fn subscribed() -> (Office, Claimed) {
    let office = office().await;
    let (source, store) = (office.process(), office.database.store());
    source.subscribe(&destination(), &SECRET.into()).await.unwrap();
    let key = kept::webhook_key(SourceName::Webex, source.org_id());
    kept::put(&mut store.connection().await.unwrap(), &key, &Some(destination())).await.unwrap();
    let job = look(&office).await;
    (office, job)
}

/// The job that a scheduler makes due, claimed by a new worker.
async fn look(office: &Office) -> Claimed {
    let store = office.database.store();
    let shutdown = CancellationToken::new();
    let options = SchedulerOptions {
        store: store.clone(),
        hints: harness::hints().await,
        sources: vec![SourceName::Webex],
        sync_interval: Duration::from_mins(10),
        enrich_interval: None,
        chat_channels: Vec::new(),
        keep: crate::keep::keeping_audio(),
        reconcile: ReconcileSettings { at: None, ..ReconcileSettings::default() },
        webhook: settings(),
        lease: Duration::from_secs(3),
        shutdown: shutdown.clone(),
    };
    let scheduler = tokio::spawn(schedule::run_scheduler(options));
    let due = "SELECT count(*) AS number FROM jobs WHERE kind = 'upkeep' AND state = 'ready'";
    harness::eventually("a look at the subscriptions is due", async || number(&store, due).await == 1).await;
    shutdown.cancel();
    scheduler.await.unwrap();
    let connection = &mut store.connection().await.unwrap();
    let worker = WorkerIdentity { host: "test".to_owned(), pid: 1, kinds: vec![JobKind::Upkeep] };
    let lease = ledger::begin_lease(connection, &worker, Duration::from_mins(1)).await.unwrap();
    let claimant = Claimant { kind: JobKind::Upkeep, lease, max_attempts: None };
    ledger::claim_due(connection, claimant, 1).await.unwrap().jobs.pop().unwrap()
}

async fn work(office: &Office, job: &Claimed) -> Outcome {
    let sources: Vec<Arc<dyn Source>> = vec![office.process()];
    let (hints, _) = tokio::sync::mpsc::unbounded_channel();
    let context = RunContext { stop: CancellationToken::new(), store: office.database.store(), hints };
    UpkeepHandler::new(sources, crate::upkeep::house(), Arc::new(SystemClock)).run(job, &context).await
}

fn active(office: &Office) -> Vec<bool> {
    office.vendor.subscriptions().iter().map(|each: &SubscriptionSeen| each.active).collect()
}

#[tokio::test]
async fn what_webex_switched_off_is_switched_on_again_and_others_are_left_alone() {
    let figures = registry();
    let (office, job) = subscribed().await;
    let foreign: Url = "http://127.0.0.1:9/of-another-application".parse().unwrap();
    office.process().subscribe(&foreign, &SECRET.into()).await.unwrap();
    office.vendor.deactivate_subscriptions();
    assert!(matches!(work(&office, &job).await, Outcome::Done(_)));
    assert_eq!(active(&office), [true, true, false, false]);
    let writes = |office: &Office| office.vendor.requests().count(|each| each.method == "PATCH");
    let before = writes(&office);
    assert!(matches!(work(&office, &job).await, Outcome::Done(_)), "done twice, as after a crash");
    assert_eq!(writes(&office), before, "what is on is left as it is");
    let figures = figures.render();
    assert!(figures.contains(r#"callscribe_webhook_reactivations_total{source="webex",resource="capture"}"#), "{figures}");
    assert!(figures.contains(r#"callscribe_webhook_subscription_active{source="webex",resource="task"} "#), "{figures}");
}

#[tokio::test]
async fn a_look_that_may_not_write_or_is_answered_badly_is_told_and_comes_again() {
    let (office, job) = subscribed().await;
    office.vendor.deactivate_subscriptions();
    office.vendor.faults().on(Fault::WriteScopeMissing403, When::Always);
    let told = work(&office, &job).await;
    let (Outcome::Later { why, .. } | Outcome::Retry(why) | Outcome::Stop(why)) = told else { panic!("{told:?}") };
    assert_eq!(why.reason, Reason::Forbidden);
    office.vendor.faults().clear();
    assert!(matches!(work(&office, &job).await, Outcome::Done(_)));
    assert_eq!(active(&office), [true, true]);
}

#[tokio::test]
async fn what_is_gone_is_told_and_not_made_again() {
    let (office, job) = subscribed().await;
    let source = office.process();
    for each in source.subscriptions().await.unwrap().listed {
        source.unsubscribe(&each.id).await.unwrap();
    }
    let found = source.webhooks(destination().as_str()).await.unwrap();
    assert!(found.len() == 2 && found.iter().all(|each| each.id.is_none() && !each.active), "{found:?}");
    assert!(matches!(work(&office, &job).await, Outcome::Done(_)));
    assert_eq!(active(&office), Vec::<bool>::new());
}

#[tokio::test]
async fn looks_do_not_stack_and_come_again_after_a_while() {
    let (office, job) = subscribed().await;
    let store = office.database.store();
    ledger::finish_done(&mut store.connection().await.unwrap(), job.lease, &[(job.id, job.run)]).await.unwrap();
    let looks = "SELECT count(*) AS number FROM jobs WHERE kind = 'upkeep'";
    harness::travel(&store, Duration::from_mins(6)).await;
    let again = look(&office).await;
    assert_eq!((again.id, number(&store, looks).await), (job.id, 1), "the same job, due again");
}
