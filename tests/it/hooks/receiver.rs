//! What the receiver takes, what it refuses, and that it answers in time.

use std::time::{Duration, Instant};

use callscribe::{config::DatabaseSettings, store::Store};
use diesel_async::SimpleAsyncConnection;

use super::*;

/// What Webex waits; we answer well before.
const VENDORS_PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn the_signature_is_over_the_raw_bytes_and_two_secrets_are_good() {
    let scene = Scene::new().await;
    let body = available("e-1", "s-1").to_string();
    let rewritten = serde_json::to_string_pretty(&available("e-1", "s-1")).unwrap();
    assert_eq!(post(&scene.api, rewritten, Some(&sign(SECRET, &body))).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(&scene.api, body.clone(), None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(&scene.api, body.clone(), Some(&sign("another secret of any length at all", &body))).await, StatusCode::UNAUTHORIZED);
    assert_eq!(scene.number("SELECT (SELECT count(*) FROM webhook_events) + (SELECT count(*) FROM jobs) AS number").await, 0);
    assert_eq!(post(&scene.api, body.clone(), Some(&sign(PREVIOUS, &body))).await, StatusCode::OK, "while the secret is being changed");
    let figures = scene.api.get("/metrics").await.text().await.unwrap();
    let refused = r#"callscribe_webhook_events_total{event="other",outcome="bad_signature"}"#;
    let counted = figures.lines().find_map(|line| line.strip_prefix(refused)).unwrap();
    assert!(counted.trim().parse::<u64>().unwrap() >= 3, "{counted}");
}

#[tokio::test]
async fn duplicates_make_one_event_and_one_job() {
    let scene = Scene::new().await;
    let sent = available("e-1", "s-1");
    let answers = futures_util::future::join_all((0..8).map(|_| scene.send(&sent))).await;
    assert!(answers.iter().all(StatusCode::is_success), "{answers:?}");
    assert_eq!(scene.number("SELECT count(*) AS number FROM webhook_events WHERE times_seen = 8").await, 1);
    assert_eq!(scene.number("SELECT count(*) AS number FROM jobs").await, 1);
}

#[tokio::test]
async fn clocks_may_be_five_minutes_off_and_a_recorded_event_cannot_be_played_again() {
    let scene = Scene::new().await;
    for minutes in [-5, 5] {
        let sent = event(&format!("e{minutes}"), "task:ended", "s-1", TimeDelta::minutes(minutes));
        assert_eq!(scene.send(&sent).await, StatusCode::OK, "{minutes} minutes");
    }
    let mut as_number = available("e-number", "s-1");
    as_number["comciscotimestamp"] = json!(noon().timestamp_millis());
    assert_eq!(scene.send(&as_number).await, StatusCode::OK);
    for minutes in [-11, 11, -60 * 24] {
        let sent = event(&format!("old{minutes}"), "task:ended", "s-1", TimeDelta::minutes(minutes));
        assert_eq!(scene.send(&sent).await, StatusCode::UNAUTHORIZED, "{minutes} minutes");
    }
    assert_eq!(scene.number("SELECT count(*) AS number FROM webhook_events").await, 3);
}

#[tokio::test]
async fn an_event_of_version_1_has_no_time_and_is_known_by_its_id() {
    let scene = Scene::new().await;
    let mut old = available("e-1", "s-1");
    old.as_object_mut().unwrap().remove("comciscotimestamp");
    assert_eq!((scene.send(&old).await, scene.send(&old).await), (StatusCode::OK, StatusCode::OK));
    assert_eq!(scene.number("SELECT count(*) AS number FROM webhook_events WHERE sent_at IS NULL AND times_seen = 2").await, 1);
}

#[tokio::test]
async fn what_is_not_for_us_is_refused_and_what_is_new_to_us_is_kept() {
    let scene = Scene::new().await;
    let mut foreign = available("e-1", "s-1");
    foreign["comciscoorgid"] = json!("99999999-9999-4999-8999-999999999999");
    assert_eq!(scene.send(&foreign).await, StatusCode::FORBIDDEN);
    assert_eq!(post(&scene.api, "<html>".to_owned(), Some(&sign(SECRET, "<html>"))).await, StatusCode::BAD_REQUEST);
    let huge = "x".repeat(70_000);
    assert_eq!(post(&scene.api, huge.clone(), Some(&sign(SECRET, &huge))).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(scene.api.get("/api/webhooks/webex").await.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(scene.number("SELECT count(*) AS number FROM webhook_events").await, 0);

    assert_eq!(scene.send(&event("e-2", "agent:teleported", "s-1", TimeDelta::zero())).await, StatusCode::OK);
    assert!(scene.outcome_of("e-2", "kept").await);
    assert_eq!(scene.send(&json!({"type": "of tomorrow", "comciscoorgid": ORG, "\u{0}": "\u{0}"})).await, StatusCode::OK);
    assert_eq!(scene.number("SELECT count(*) AS number FROM quarantined_payloads").await, 1);
    assert_eq!(scene.number("SELECT count(*) AS number FROM jobs").await, 0);

    let closed = Api::start(ApiState::new(scene.store.clone(), registry())).await;
    assert_eq!(send(&closed, &available("e-3", "s-1")).await, StatusCode::SERVICE_UNAVAILABLE, "without a secret it is off");
}

#[tokio::test]
async fn while_postgres_stalls_the_answer_comes_in_time_and_what_the_vendor_sends_again_is_kept_once() {
    let database = harness::database().await;
    let store = database.store();
    let proxy = harness::proxy(database.url()).await;
    let away = DatabaseSettings { pool_size: 2, ..DatabaseSettings::for_url(proxy.url_for(database.url())) };
    let api = receiver(Store::new(away).unwrap()).await;
    assert_eq!(send(&api, &available("before", "s-0")).await, StatusCode::OK);
    proxy.set(harness::Fault { blackhole: true, ..harness::Fault::default() });
    let began = Instant::now();
    let sent: Vec<_> = (0..6).map(|number| available(&format!("e-{number}"), "s-1")).collect();
    let answers = futures_util::future::join_all(sent.iter().map(|event| send(&api, event))).await;
    assert!(answers.iter().all(|answer| *answer == StatusCode::SERVICE_UNAVAILABLE), "{answers:?}");
    assert!(began.elapsed() < VENDORS_PATIENCE, "{:?}", began.elapsed());
    assert_eq!(api.get("/healthz").await.status(), StatusCode::OK);
    proxy.set(harness::Fault::default());
    harness::eventually("the vendor's second attempt is taken", async || send(&api, &sent[0]).await == StatusCode::OK).await;
    for event in sent.iter().chain(&sent) {
        assert_eq!(send(&api, event).await, StatusCode::OK);
    }
    assert_eq!(number(&store, "SELECT count(*) AS number FROM webhook_events").await, 7);
    assert_eq!(number(&store, "SELECT count(*) AS number FROM jobs").await, 1);
    let figures = api.get("/metrics").await.text().await.unwrap();
    assert!(figures.contains(r#"callscribe_webhook_events_total{event="recording_available",outcome="unavailable"}"#), "{figures}");
}

#[tokio::test]
async fn an_event_whose_work_cannot_be_enqueued_is_not_kept_either() {
    let scene = Scene::new().await;
    let mut locker = scene.store.connection().await.unwrap();
    locker.batch_execute("BEGIN; LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let began = Instant::now();
    assert_eq!(scene.send(&available("e-1", "s-1")).await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(began.elapsed() < VENDORS_PATIENCE, "{:?}", began.elapsed());
    locker.batch_execute("ROLLBACK").await.unwrap();
    harness::eventually("the half of it is rolled back", async || {
        scene.number("SELECT count(*) AS number FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%FOR UPDATE%' AND state <> 'idle' AND pid <> pg_backend_pid()").await == 0
    })
    .await;
    assert_eq!(scene.number("SELECT count(*) AS number FROM webhook_events").await, 0, "nothing half-written");
    assert_eq!(scene.send(&available("e-1", "s-1")).await, StatusCode::OK);
    assert_eq!(scene.number("SELECT count(*) AS number FROM jobs").await, 1);
}

#[tokio::test]
async fn a_sender_that_stops_half_way_is_not_waited_for() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let scene = Scene::new().await;
    let mut stream = tokio::net::TcpStream::connect(scene.api.url.trim_start_matches("http://")).await.unwrap();
    let began = Instant::now();
    stream.write_all(b"POST /api/webhooks/webex HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(began.elapsed() < VENDORS_PATIENCE);
}
