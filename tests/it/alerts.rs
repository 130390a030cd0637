//! Alerts without Prometheus: told once, reminded, resolved, whoever dies in between.

use std::{
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use callscribe::{
    clock::ManualClock,
    config::{AlertSettings, PriceSettings, SloSettings},
    notify::{Bounds, Channels, conditions},
    store::{
        Store,
        alerts::{Rhythm, alerts_seen, look, prune_notices},
        retention::{Report, save_report},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::{
    harness::{self, TestDatabase, eventually},
    ledger_rows::{dead_transcriptions, run},
};

/// What a receiver was told, and how it answers.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Inbox>>);

#[derive(Default)]
struct Inbox {
    told: Vec<(HeaderMap, Bytes)>,
    status: StatusCode,
    silent: bool,
}

impl Receiver {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/alerts", post(take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        format!("http://{address}/alerts")
    }

    fn set(&self, change: impl FnOnce(&mut Inbox)) {
        change(&mut self.0.lock().unwrap());
    }

    fn told(&self) -> Vec<Value> {
        self.0.lock().unwrap().told.iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    }

    fn events(&self) -> Vec<String> {
        self.told().iter().map(|body| body["event"].as_str().unwrap().to_owned()).collect()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let (status, silent) = {
        let mut inbox = receiver.0.lock().unwrap();
        inbox.told.push((headers, body));
        (inbox.status, inbox.silent)
    };
    if silent {
        std::future::pending::<()>().await;
    }
    status
}

const RHYTHM: Rhythm = Rhythm { resolve_after: Duration::from_mins(3), repeat: Duration::from_hours(4) };

struct Scene {
    database: TestDatabase,
    receiver: Receiver,
    settings: AlertSettings,
    began: DateTime<Utc>,
}

/// The usual goals, and a cap of 1 USD.
fn bounds(settings: &AlertSettings) -> Bounds<'_> {
    static GOALS: LazyLock<SloSettings> = LazyLock::new(SloSettings::default);
    static PRICES: LazyLock<PriceSettings> = LazyLock::new(|| PriceSettings::default().capped_at(1_000_000));
    Bounds { settings, goals: &GOALS, prices: &PRICES, sources: &[] }
}

impl Scene {
    async fn new() -> Self {
        let (database, receiver) = (harness::database().await, Receiver::default());
        let url = receiver.start().await.parse().unwrap();
        let settings = AlertSettings {
            webhook: Some(url),
            webhook_secret: Some("s3cret".to_owned().into()),
            dead_jobs: 2,
            ..AlertSettings::default()
        };
        Self { database, receiver, settings, began: "2026-03-01T12:00:00Z".parse().unwrap() }
    }

    fn after(&self, minutes: i64) -> DateTime<Utc> {
        self.began + TimeDelta::minutes(minutes)
    }

    /// What any scheduler does each minute, in a process that was just started.
    async fn look(&self, minutes: i64) -> Store {
        let (store, channels) = (self.database.store(), Channels::new(&self.settings).unwrap());
        let mut connection = store.connection().await.unwrap();
        let found = conditions(&mut connection, &bounds(&self.settings), self.after(minutes)).await.unwrap();
        look(&mut connection, &found, &channels.names(), RHYTHM, self.after(minutes)).await.unwrap();
        drop(connection);
        store
    }

    async fn look_and_send(&self, minutes: i64) -> usize {
        let store = self.look(minutes).await;
        Channels::new(&self.settings).unwrap().deliver(&store, &ManualClock::at(self.after(minutes))).await.unwrap()
    }
}

#[tokio::test]
async fn an_alert_is_told_once_reminded_of_and_resolved_whoever_looks() {
    let scene = Scene::new().await;
    assert_eq!(scene.look_and_send(0).await, 0, "nothing is the matter");
    dead_transcriptions(&scene.database.store(), 3, "provider_unavailable").await;
    for minute in 1..=5 {
        // every look is by a process of its own: a restart or a change of leader neither repeats nor loses
        assert_eq!(scene.look_and_send(minute).await, usize::from(minute == 1), "minute {minute}");
    }
    assert_eq!(scene.look_and_send(240).await, 0);
    assert_eq!(scene.look_and_send(241).await, 1, "four hours later");
    run(&scene.database.store(), "UPDATE jobs SET state = 'done', reason = NULL").await;
    assert_eq!(scene.look_and_send(243).await, 0, "figures waver");
    assert_eq!(scene.look_and_send(244).await, 1);
    assert_eq!(scene.look_and_send(245).await, 0);
    assert_eq!(scene.receiver.events(), ["firing", "reminder", "resolved"]);
    let first = &scene.receiver.told()[0];
    assert_eq!((first["alert"].as_str(), first["subject"].as_str()), (Some("CallscribeDeadJobs"), Some("transcription")));
    assert_eq!(first["value"].as_f64(), Some(3.0));
    assert_eq!(first["summary"], "3 jobs of `transcription` are dead");
    assert_eq!(first["command"], "callscribe jobs list --state dead --kind transcription");
    let store = scene.database.store();
    let mut connection = store.connection().await.unwrap();
    assert!(alerts_seen(&mut connection, false).await.unwrap().is_empty());
    let ended = alerts_seen(&mut connection, true).await.unwrap();
    assert_eq!((ended.len(), ended[0].firing_since, ended[0].resolved_at), (1, scene.after(1), Some(scene.after(244))));
}

#[tokio::test]
async fn money_that_is_spent_is_told_until_the_month_is_over() {
    let scene = Scene::new().await;
    let store = scene.database.store();
    let told = async |minutes| {
        let mut connection = store.connection().await.unwrap();
        let found = conditions(&mut connection, &bounds(&scene.settings), scene.after(minutes)).await.unwrap();
        found.into_iter().filter(|found| found.name == "CallscribeCostCap").map(|found| found.summary).collect::<Vec<_>>()
    };
    let spend = |micros: u32, at: &str| {
        format!(
            "INSERT INTO transcription_costs (at, source, provider, model, piece, seconds, trimmed_seconds, amount_micros, currency)
             VALUES ('{at}', 'webex', 'whisper', 'whisper-1', 'p', 60, 0, {micros}, 'USD')"
        )
    };
    run(&store, &spend(5_000_000, "2026-02-28T23:59:59Z")).await;
    run(&store, &spend(999_999, "2026-03-01T00:00:00Z")).await;
    assert_eq!(told(0).await, Vec::<String>::new());
    run(&store, &spend(1, "2026-03-01T11:00:00Z")).await;
    assert_eq!(told(0).await, ["1.00 USD were spent on transcription this month, and 1.00 may be: what costs money waits"]);
    assert_eq!(told(31 * 24 * 60).await, Vec::<String>::new(), "a new month");
}

#[tokio::test]
async fn work_that_no_worker_takes_is_told_by_kind_and_not_what_is_paused_attended_or_only_just_due() {
    let scene = Scene::new().await;
    let store = scene.database.store();
    let told = async || {
        let mut connection = store.connection().await.unwrap();
        let found = conditions(&mut connection, &bounds(&scene.settings), scene.after(0)).await.unwrap();
        found
            .into_iter()
            .filter(|found| found.name == "CallscribeNoWorkers")
            .map(|found| (found.subject, found.command))
            .collect::<Vec<_>>()
    };
    let enqueue = "INSERT INTO jobs (kind, key, max_attempts, run_at) SELECT kind, 'k', 5, now() - interval '20 minutes' FROM unnest(ARRAY['sync', 'transcription']) AS kind;
                   INSERT INTO jobs (kind, key, max_attempts, run_at) VALUES ('recording', 'k', 5, now() - interval '1 minute')";
    run(&store, enqueue).await;
    let both =
        [("sync", "sync"), ("transcription", "transcribe")].map(|(kind, worker)| (kind.to_owned(), format!("callscribe worker {worker}")));
    assert_eq!(told().await, both, "nobody ever worked");
    let worker = |ends: &str| {
        format!(
            "INSERT INTO workers (name, host, pid, kinds, version, started_at, expires_at, ended_at, ended_by)
                 VALUES ('w', 'w', 1, '{{transcription}}', '1', now() - interval '1 hour', {ends})"
        )
    };
    run(&store, &worker("NULL, now() - interval '1 minute', 'drained'")).await;
    assert_eq!(told().await, both[..1], "restarted, perhaps");
    run(&store, "UPDATE workers SET ended_at = now() - interval '6 minutes'").await;
    assert_eq!(told().await, both);
    run(&store, &worker("now() + interval '1 minute', NULL, NULL")).await;
    assert_eq!(told().await, both[..1]);
    run(&store, "INSERT INTO controls (action, scope, subject, actor) VALUES ('pause', 'kind', 'sync', 'me')").await;
    assert_eq!(told().await, []);
}

#[tokio::test]
async fn audio_that_is_kept_because_nothing_else_tells_what_was_said_is_told_until_it_is_transcribed() {
    let scene = Scene::new().await;
    let store = scene.database.store();
    let report = |untranscribed| Report { untranscribed, ..Report::default() };
    save_report(&mut store.connection().await.unwrap(), &report(7)).await.unwrap();
    assert_eq!((scene.look_and_send(0).await, scene.look_and_send(1).await), (1, 0));
    let told = scene.receiver.told().remove(0);
    assert_eq!((told["alert"].as_str(), told["value"].as_f64()), (Some("CallscribeAudioUntranscribed"), Some(7.0)));
    assert_eq!(told["command"], "callscribe retention");
    save_report(&mut store.connection().await.unwrap(), &report(0)).await.unwrap();
    for minute in 2..=4 {
        scene.look_and_send(minute).await;
    }
    assert_eq!(scene.receiver.events(), ["firing", "resolved"]);
}

#[tokio::test]
async fn what_is_told_is_signed_over_time_and_body() {
    let scene = Scene::new().await;
    dead_transcriptions(&scene.database.store(), 3, "provider_unavailable").await;
    scene.look_and_send(0).await;
    let (headers, body) = scene.receiver.0.lock().unwrap().told.remove(0);
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"s3cret").unwrap();
    mac.update(format!("{}.{}", header("x-callscribe-timestamp"), std::str::from_utf8(&body).unwrap()).as_bytes());
    assert_eq!(header("x-callscribe-signature"), format!("sha256={}", hex::encode(mac.finalize().into_bytes())));
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(told["id"], header("x-callscribe-id"));
}

#[tokio::test]
async fn a_receiver_that_was_down_hears_everything_in_order_once_it_is_back_and_no_heap_of_reminders() {
    let scene = Scene::new().await;
    dead_transcriptions(&scene.database.store(), 3, "provider_unavailable").await;
    scene.receiver.set(|inbox| inbox.status = StatusCode::SERVICE_UNAVAILABLE);
    for minute in [0, 1, 300, 600] {
        assert_eq!(scene.look_and_send(minute).await, 0);
    }
    let store = scene.database.store();
    let seen = alerts_seen(&mut store.connection().await.unwrap(), false).await.unwrap();
    assert_eq!((seen[0].unsent, seen[0].send_error.as_deref()), (1, Some("the receiver answered 503")));
    run(&store, "UPDATE jobs SET state = 'done', reason = NULL").await;
    scene.receiver.set(|inbox| (inbox.told, inbox.status) = (Vec::new(), StatusCode::OK));
    assert_eq!(scene.look_and_send(700).await, 2);
    assert_eq!(scene.receiver.events(), ["firing", "resolved"]);
}

#[tokio::test]
async fn a_process_killed_between_the_change_and_the_sending_or_between_sending_and_noting_it_loses_nothing() {
    let scene = Scene::new().await;
    dead_transcriptions(&scene.database.store(), 3, "provider_unavailable").await;
    drop(scene.look(0).await);
    scene.receiver.set(|inbox| inbox.silent = true);
    let store = scene.database.store();
    let channels = Channels::new(&scene.settings).unwrap();
    let clock = ManualClock::at(scene.after(0));
    tokio::select! {
        sent = channels.deliver(&store, &clock) => panic!("nobody answers: {sent:?}"),
        () = eventually("the message is on its way", async || !scene.receiver.told().is_empty()) => {}
    }
    scene.receiver.set(|inbox| inbox.silent = false);
    assert_eq!(scene.look_and_send(0).await, 0, "it may still be under way");
    assert_eq!(scene.look_and_send(2).await, 1);
    let told = scene.receiver.told();
    assert_eq!((told.len(), &told[0]["id"]), (2, &told[1]["id"]), "the same message, so that the receiver can drop it");
}

#[tokio::test]
async fn schedulers_that_look_at_the_same_moment_tell_once() {
    let scene = Scene::new().await;
    dead_transcriptions(&scene.database.store(), 3, "provider_unavailable").await;
    let sent: usize = futures_util::future::join_all((0..6).map(|_| scene.look_and_send(1))).await.into_iter().sum();
    assert_eq!((sent, scene.receiver.events()), (1, vec!["firing".to_owned()]));
}

#[tokio::test]
async fn who_is_named_later_hears_of_what_goes_on_and_not_of_the_end_of_what_was_never_told() {
    let mut scene = Scene::new().await;
    let webhook = scene.settings.webhook.take();
    let store = scene.database.store();
    dead_transcriptions(&store, 3, "provider_unavailable").await;
    assert_eq!(scene.look_and_send(0).await, 0);
    run(&store, "UPDATE jobs SET state = 'done', reason = NULL").await;
    assert_eq!(scene.look_and_send(5).await, 0, "over");
    run(&store, "UPDATE jobs SET state = 'dead', reason = 'provider_unavailable'").await;
    assert_eq!(scene.look_and_send(10).await, 0, "again, and nobody to tell");
    scene.settings.webhook = webhook;
    assert_eq!(scene.look_and_send(11).await, 1);
    assert_eq!(scene.receiver.events(), ["firing"]);
    assert_eq!(scene.receiver.told()[0]["firing_since"], "2026-03-01T12:10:00Z");
}

#[tokio::test]
async fn messages_to_a_receiver_that_is_configured_no_more_are_dropped_after_a_while_and_those_to_one_that_is_down_are_not() {
    let scene = Scene::new().await;
    dead_transcriptions(&scene.database.store(), 3, "provider_unavailable").await;
    let store = scene.look(0).await;
    let week = Duration::from_hours(7 * 24);
    let prune = async |minutes| prune_notices(&mut store.connection().await.unwrap(), week, scene.after(minutes)).await.unwrap();
    scene.receiver.set(|inbox| inbox.status = StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(scene.look_and_send(5_000).await, 0);
    assert_eq!(prune(10_081).await, 0, "it was tried in the meantime");
    assert_eq!(prune(5_000 + 10_081).await, 1);
}

#[tokio::test]
async fn slack_gets_one_text_with_what_since_when_and_what_next() {
    let mut scene = Scene::new().await;
    scene.settings.slack = scene.settings.webhook.take();
    scene.settings.webhook_secret = None;
    dead_transcriptions(&scene.database.store(), 3, "provider_unavailable").await;
    assert_eq!(scene.look_and_send(0).await, 1);
    assert_eq!(
        scene.receiver.told()[0]["text"],
        "*CallscribeDeadJobs* firing since 2026-03-01 12:00 UTC: 3 jobs of `transcription` are dead\n\
         next: `callscribe jobs list --state dead --kind transcription`\n\
         what to do: docs/runbooks/CallscribeDeadJobs.md"
    );
}
