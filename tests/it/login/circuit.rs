//! A dead refresh token: everything waits, nothing is used up, one line tells it, and a login sets all of it going again.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use callscribe::schedule::{SchedulerOptions, run_scheduler};
use callscribe_simulators::webex::WebexPlan;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use crate::{
    cli::callscribe,
    harness::{self, eventually, travel},
    ledger_rows::{number, run},
};

const HELD: &str = "SELECT count(*) AS number FROM jobs WHERE state = 'ready' AND reason = 'login_needed' AND run_at > now()";
/// Syncs that do not wait for the login: none may be in somebody's hands when the held ones are counted.
const OTHERS: &str = "SELECT count(*) AS number FROM jobs WHERE open AND kind = 'sync' AND NOT (state = 'ready' AND coalesce(reason, '') = 'login_needed' AND run_at > now())";
const DONE: &str = "SELECT count(*) AS number FROM jobs WHERE state = 'done'";

/// A process that does not outlive its test, and its log.
struct Process(Child, PathBuf);

impl Process {
    fn start(desk: &Desk, name: &str, arguments: &[&str]) -> Self {
        let log = harness::temp_dir("circuit").join(format!("{name}.log"));
        let mut command = callscribe(arguments);
        command.envs(&desk.environment).env("LOG_FORMAT", "json");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        Self(command.spawn().unwrap(), log)
    }

    fn errors(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.1).unwrap();
        log.lines().filter(|line| line.contains(r#""level":"ERROR""#)).map(str::to_owned).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_token_holds_every_job_at_no_cost_and_a_login_sets_all_going() {
    let mut desk = Desk::new(WebexPlan::ordinary(7, 3)).await;
    let redis = harness::redis().await;
    desk.environment.insert("REDIS_URL", redis.url.expose_secret().to_owned());
    desk.environment.insert("REDIS_PREFIX", redis.prefix);
    desk.environment.insert("WEBEX_BUDGET_PER_MINUTE", "6000".to_owned());
    let store = desk.database.store();
    assert_eq!(desk.log_in().await.status, 0);
    desk.vendor.expire_access_tokens();
    desk.vendor.revoke_refresh_tokens();
    desk.vendor.requests().clear();

    let _scheduler = Process::start(&desk, "scheduler", &["scheduler"]);
    let workers: Vec<_> = ["one", "two", "three"].map(|name| Process::start(&desk, name, &["worker", "sync"])).into();
    let mut sync = callscribe(&["sync", "--from", "30d"]);
    sync.envs(&desk.environment);
    assert!(tokio::task::spawn_blocking(move || sync.status().unwrap().success()).await.unwrap());
    eventually("all jobs wait for a login", async || number(&store, HELD).await > 30 && number(&store, OTHERS).await == 0).await;

    let jobs = number(&store, HELD).await;
    assert_eq!(number(&store, "SELECT coalesce(sum(attempt), 0) AS number FROM jobs").await, 0, "no attempt is used up");
    assert_eq!(number(&store, "SELECT count(*) AS number FROM jobs WHERE state IN ('dead', 'running')").await, 0);
    assert_eq!(desk.vendor.requests().to("/v1/access_token"), 1, "one process asked, once");
    let errors: Vec<_> = workers.iter().flat_map(Process::errors).collect();
    assert!(matches!(&errors[..], [error] if error.contains("run `callscribe webex login`")), "one alert: {errors:#?}");
    let mut status = callscribe(&["status"]);
    status.envs(&desk.environment);
    let told = tokio::task::spawn_blocking(move || String::from_utf8(status.output().unwrap().stdout).unwrap()).await.unwrap();
    assert!(told.contains("LOG IN AGAIN"), "{told}");

    // some minutes later they look again: one of them asks the vendor, and it is no news
    travel(&store, Duration::from_mins(20)).await;
    eventually("all jobs wait again", async || {
        number(&store, "SELECT min(put_off)::bigint AS number FROM jobs WHERE kind = 'sync'").await >= 2
    })
    .await;
    assert_eq!(desk.vendor.requests().to("/v1/access_token"), 2);
    assert_eq!(workers.iter().flat_map(Process::errors).count(), 1, "told once");

    let ended = desk.log_in().await;
    assert!(ended.status == 0 && ended.stdout.contains("jobs that waited for it go on now"), "{ended:?}");
    eventually("all of them are done", async || number(&store, DONE).await >= jobs).await;
    assert_eq!(number(&store, "SELECT count(*) AS number FROM oauth_tokens WHERE refused_at IS NULL AND refused_since IS NULL").await, 1);
}

#[tokio::test]
async fn jobs_are_released_though_the_login_was_killed_before_it_did_and_one_was_told_to_wait_after_it() {
    let desk = Desk::new(WebexPlan::ordinary(7, 3)).await;
    let store = desk.database.store();
    assert_eq!(desk.log_in().await.status, 0);
    let hold = "INSERT INTO jobs (kind, key, source, max_attempts, reason, run_at, run)
                SELECT 'recording', 'held-' || n || '-' || clock_timestamp(), 'webex', 5, reason, now() + interval '1 hour', 1
                FROM generate_series(1, 20) AS n, unnest(ARRAY['login_needed', 'wrong_org', 'forbidden', 'recording_not_ready']) AS reason";
    let refuse = "UPDATE oauth_tokens SET refused_at = now(), refused_since = now(), refused_why = 'revoked'";
    run(&store, &format!("{hold}; {refuse}")).await;
    let shutdown = CancellationToken::new();
    let scheduler = tokio::spawn(run_scheduler(SchedulerOptions {
        keep: crate::keep::keeping_audio(),
        reconcile: callscribe::config::ReconcileSettings::default(),
        store: store.clone(),
        hints: harness::hints().await,
        sources: Vec::new(),
        sync_interval: Duration::from_mins(10),
        enrich_interval: None,
        chat_channels: Vec::new(),
        lease: Duration::from_secs(3),
        webhook: callscribe::config::WebhookSettings::default(),
        shutdown: shutdown.clone(),
    }));
    let due = "SELECT count(*) AS number FROM jobs WHERE run_at <= now()";
    eventually("the scheduler leads", async || {
        number(&store, "SELECT count(*) AS number FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").await > 0
    })
    .await;
    assert_eq!(number(&store, due).await, 0, "nothing goes on while the vendor refuses");
    // what the command does last is left out, as if it had been killed: only the row says that somebody logged in
    run(&store, "UPDATE oauth_tokens SET version = version + 1, refused_at = NULL, refused_since = NULL, refused_why = NULL").await;
    eventually("what waited for a login is due, and nothing else", async || number(&store, due).await == 60).await;
    run(&store, hold).await;
    eventually("what came to wait just after is due as well", async || number(&store, due).await == 120).await;
    shutdown.cancel();
    scheduler.await.unwrap();
}
