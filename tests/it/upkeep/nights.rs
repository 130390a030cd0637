//! The scheduler's nights.

use std::time::Duration;

use callscribe::{
    config::ReconcileSettings,
    domain::SourceName,
    schedule::{self, SchedulerOptions},
};
use tokio_util::sync::CancellationToken;

use crate::{
    harness,
    ledger::{execute, number},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_night_is_compared_once_however_many_schedulers_and_missed_nights_there_are() {
    let database = harness::database().await;
    let (store, hints) = (database.store(), harness::hints().await);
    let nights = "SELECT count(*) FROM jobs WHERE kind = 'upkeep' AND payload ->> 'task' = 'reconcile' AND priority = 10";
    let schedulers = |shutdown: CancellationToken| {
        let start = || {
            let options = SchedulerOptions {
                store: database.store(),
                hints: hints.clone(),
                sources: vec![SourceName::Webex],
                sync_interval: Duration::from_mins(10),
                webhook: callscribe::config::WebhookSettings::default(),
                enrich_interval: None,
                chat_channels: Vec::new(),
                keep: crate::keep::keeping_audio(),
                reconcile: ReconcileSettings::default(),
                lease: Duration::from_secs(1),
                shutdown: shutdown.clone(),
            };
            tokio::spawn(schedule::run_scheduler(options))
        };
        [start(), start()]
    };
    let swept = "SELECT count(*) FROM backfills WHERE finished_at IS NOT NULL";
    let backfill =
        "INSERT INTO backfills (source, name, from_time, to_time, job_ids, actor) VALUES ('webex', 'a', 'epoch', now(), '{0}', 'x')";
    // before the first sync there is nothing to compare: a whole round goes by without a night
    execute(&store, backfill).await;
    let shutdown = CancellationToken::new();
    let running = schedulers(shutdown.clone());
    harness::eventually("a round went by", async || number(&store, swept).await == 1).await;
    assert_eq!(number(&store, nights).await, 0);
    execute(&store, "INSERT INTO app_settings (key, value) VALUES ('webex:org-1:since', to_jsonb((now() - interval '9 days')::text))")
        .await;
    harness::eventually("the night is enqueued", async || number(&store, nights).await == 1).await;
    execute(&store, &format!("{}; ", backfill.replace("'a'", "'b'"))).await;
    harness::eventually("a round went by", async || number(&store, swept).await == 2).await;
    assert_eq!(number(&store, nights).await, 1, "nine nights were missed, one run makes up for them");
    // done, it is not done again tonight; another one that is still open would hold back the next
    execute(&store, "UPDATE jobs SET state = 'done', finished_at = now() WHERE kind = 'upkeep'").await;
    execute(&store, &format!("{}; ", backfill.replace("'a'", "'c'"))).await;
    harness::eventually("a round went by", async || number(&store, swept).await == 3).await;
    assert_eq!(number(&store, nights).await, 1);
    execute(&store, "UPDATE jobs SET key = 'webex/night/2026-01-01' WHERE kind = 'upkeep'").await;
    harness::eventually("last night is missing again", async || number(&store, nights).await == 2).await;
    shutdown.cancel();
    for scheduler in running {
        scheduler.await.unwrap();
    }
}
