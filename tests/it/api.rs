//! The HTTP face, asked over a socket.

use std::time::Duration;

use callscribe::{
    clock::{Clock, SystemClock},
    domain::SourceName,
    embedded::Server,
    hints::Hints,
    store::Store,
    telemetry::metrics::{Registry, start_recording},
};
use callscribe_api::{ApiState, app, probes_app, serve};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    harness,
    ledger_rows::{dead_transcriptions, number, run},
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// One recorder per process: tests share it, and look only for what is theirs.
pub(crate) fn registry() -> Registry {
    static REGISTRY: std::sync::LazyLock<Registry> = std::sync::LazyLock::new(|| start_recording(SystemClock.now()).unwrap());
    REGISTRY.clone()
}

pub(crate) struct Api {
    pub(crate) url: String,
    shutdown: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Api {
    pub(crate) async fn start(state: ApiState) -> Self {
        Self::of(app(state)).await
    }

    async fn of(app: axum::Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        Self { url, serving: tokio::spawn(serve(listener, app, shutdown.clone())), shutdown }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        client().get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    async fn sync(&self, secret: &str) -> Response {
        client().get(format!("{}/api/cron/sync-webex-voice", self.url)).bearer_auth(secret).send().await.unwrap()
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(15), self.serving).await.expect("it stops").unwrap().unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "a browser, as it were: the test asks its own server")]
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

fn state(store: Store, hints: Hints) -> ApiState {
    ApiState::new(store, registry()).with_hints(hints).with_cron(Some(SECRET.into()), &[SourceName::Webex])
}

#[tokio::test]
async fn a_cron_request_enqueues_one_run_however_often_it_comes() {
    let database = harness::database().await;
    let api = Api::start(state(database.store(), harness::hints().await)).await;
    let first = api.sync(SECRET).await;
    assert_eq!(first.status(), StatusCode::ACCEPTED);
    let first: Value = first.json().await.unwrap();
    let second: Value =
        client().post(format!("{}/api/cron/sync-webex-voice", api.url)).bearer_auth(SECRET).send().await.unwrap().json().await.unwrap();
    assert_eq!((&first["created"], &second["created"]), (&Value::from(true), &Value::from(false)));
    assert_eq!(first["job_id"], second["job_id"]);
    assert_eq!(number(&database.store(), "SELECT count(*) AS number FROM jobs WHERE kind = 'sync'").await, 1);
    api.stop().await;
}

#[tokio::test]
async fn a_cron_request_needs_the_secret_and_a_source() {
    let database = harness::database().await;
    let api = Api::start(state(database.store(), harness::hints().await)).await;
    assert_eq!(api.sync("wrong").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(api.get("/api/cron/sync-webex-voice").await.status(), StatusCode::UNAUTHORIZED);
    let closed = Api::start(ApiState::new(database.store(), registry())).await;
    let answer = closed.sync(SECRET).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().await.unwrap().contains("CRON_SECRET"));
    let sourceless = Api::start(ApiState::new(database.store(), registry()).with_cron(Some(SECRET.into()), &[])).await;
    assert!(sourceless.sync(SECRET).await.text().await.unwrap().contains("WEBEX_CC_ORG_ID"));
    assert_eq!(number(&database.store(), "SELECT count(*) AS number FROM jobs").await, 0);
}

#[tokio::test]
async fn readiness_follows_the_engines() {
    let database = harness::database().await;
    let api = Api::start(state(database.store(), harness::hints().await)).await;
    assert_eq!(api.get("/healthz").await.status(), StatusCode::OK);
    let ready: Value = api.get("/readyz").await.json().await.unwrap();
    assert_eq!((&ready["ready"], &ready["degraded"], &ready["redis"]), (&Value::from(true), &Value::from(false), &Value::from("answers")));

    let nowhere = callscribe::config::RedisSettings::new("redis://127.0.0.1:1", "test");
    let lame = Api::start(state(database.store(), Hints::new(&nowhere).unwrap())).await;
    let answer = lame.get("/readyz").await;
    assert_eq!(answer.status(), StatusCode::OK, "without Redis work goes on");
    let ready: Value = answer.json().await.unwrap();
    assert_eq!((&ready["ready"], &ready["degraded"]), (&Value::from(true), &Value::from(true)));

    run(&database.store(), "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)")
        .await;
    let answer = api.get("/readyz").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().await.unwrap().contains("callscribe migrate"));

    let proxy = harness::proxy(database.url()).await;
    let away = callscribe::config::DatabaseSettings::for_url(proxy.url_for(database.url()));
    let cut_off = Api::start(state(Store::new(away).unwrap(), harness::hints().await)).await;
    proxy.set(harness::Fault { blackhole: true, ..harness::Fault::default() });
    let answer = cut_off.get("/readyz").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "a database that does not answer is told within the probe's patience");
    assert_eq!(cut_off.get("/healthz").await.status(), StatusCode::OK, "alive all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_restarts_under_the_api_and_it_answers_again_by_itself() {
    let services = harness::private_services().await;
    let api = Api::start(state(services.store().await, services.hints())).await;
    assert_eq!(api.sync(SECRET).await.status(), StatusCode::ACCEPTED);
    services.halt(Server::Postgres).await;
    assert_eq!(api.get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(api.get("/healthz").await.status(), StatusCode::OK);
    assert!(api.sync(SECRET).await.status().is_server_error(), "nothing is promised that is not written");
    services.resume(Server::Postgres).await;
    harness::eventually("it is ready again", async || api.get("/readyz").await.status() == StatusCode::OK).await;
    assert_eq!(api.sync(SECRET).await.status(), StatusCode::ACCEPTED);
    assert_eq!(number(&services.store().await, "SELECT count(*) AS number FROM jobs").await, 1, "the same run");
    api.stop().await;
}

#[tokio::test]
async fn metrics_tell_what_the_ledger_holds() {
    let database = harness::database().await;
    let store = database.store();
    dead_transcriptions(&store, 4, "provider_unavailable").await;
    // a kind of this test's own, since tests share the process's figures
    run(&store, "INSERT INTO jobs (kind, key, max_attempts, run_at) VALUES ('of-the-metrics-test', 'x', 3, now() - interval '5 minutes')")
        .await;
    let api = Api::of(probes_app(ApiState::new(store, registry()).with_hints(harness::hints().await))).await;
    let text = api.get("/metrics").await.text().await.unwrap();
    assert!(text.contains(r#"callscribe_jobs{kind="of-the-metrics-test",state="due"} 1"#), "{text}");
    let age = text.lines().find_map(|line| line.strip_prefix(r#"callscribe_jobs_oldest_due_age_seconds{kind="of-the-metrics-test"} "#));
    assert!(age.unwrap().parse::<f64>().unwrap() >= 300.0, "{age:?}");
    assert!(text.contains("callscribe_advised_workers{kind=\"upkeep\"} "), "{text}");
    assert!(text.contains("callscribe_slo_goal_seconds{kind=\"sync\"} 900"), "{text}");
    assert!(text.contains(r#"callscribe_slo_oldest_age_seconds{kind="of-the-metrics-test",source=""} "#), "{text}");
    assert!(text.contains("# TYPE callscribe_jobs gauge") && text.contains("callscribe_build_info{version="), "{text}");
    assert_eq!(api.get("/api/cron/sync-webex-voice").await.status(), StatusCode::NOT_FOUND, "a worker's port changes nothing");
}

#[tokio::test]
async fn metrics_tell_how_long_each_credential_will_do_and_whether_a_person_must_log_in() {
    let database = harness::database().await;
    let store = database.store();
    // credentials of this test's own, since tests share the process's figures
    run(
        &store,
        "INSERT INTO oauth_tokens (name, access_token, access_expires_at, refresh_token, refresh_expires_at, refused_at, refused_why) VALUES
             ('good', 'x', now() + interval '1 hour', 'x', now() + interval '10 days', NULL, NULL),
             ('ended', 'x', now() - interval '1 hour', 'x', now() - interval '1 day', NULL, NULL),
             ('refused', 'x', now() + interval '1 hour', 'x', NULL, now(), 'invalid_grant')",
    )
    .await;
    let api = Api::start(ApiState::new(store.clone(), registry()).with_hints(harness::hints().await)).await;
    let text = api.get("/metrics").await.text().await.unwrap();
    let told = |metric: &str, credential: &str| -> Option<f64> {
        let line = format!("{metric}{{credential=\"{credential}\"}} ");
        text.lines().find_map(|each| each.strip_prefix(&line)).map(|value| value.parse().unwrap())
    };
    let (access, refresh) = ("callscribe_access_token_seconds_left", "callscribe_refresh_token_seconds_left");
    assert!((3_000.0..=3_600.0).contains(&told(access, "good").unwrap()), "{text}");
    assert!((860_000.0..=864_000.0).contains(&told(refresh, "good").unwrap()), "{text}");
    assert_eq!((told(access, "ended"), told(refresh, "ended")), (Some(0.0), Some(0.0)), "{text}");
    assert_eq!(told(refresh, "refused"), None, "what the vendor never told is not shown as a figure:\n{text}");
    let needed = |credential| told("callscribe_login_needed", credential);
    assert_eq!((needed("good"), needed("ended"), needed("refused")), (Some(0.0), Some(1.0), Some(1.0)), "{text}");

    run(&store, "UPDATE oauth_tokens SET refused_at = NULL, refused_why = NULL WHERE name = 'refused'").await;
    let after = Api::start(ApiState::new(store, registry()).with_hints(harness::hints().await)).await;
    let text = after.get("/metrics").await.text().await.unwrap();
    assert!(text.contains("callscribe_login_needed{credential=\"refused\"} 0"), "a login takes the alert away:\n{text}");
}

#[tokio::test]
async fn answers_carry_an_id_and_strangers_are_told_where_they_are() {
    let database = harness::database().await;
    let api = Api::start(state(database.store(), harness::hints().await)).await;
    let answer = api.get("/nowhere").await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert!(answer.headers().contains_key("x-request-id"));
    assert!(answer.json::<Value>().await.unwrap()["error"].as_str().unwrap().contains("/nowhere"));
    let answer = client().get(format!("{}/healthz", api.url)).header("x-request-id", "mine-1").send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "mine-1");
    assert_eq!(client().delete(format!("{}/healthz", api.url)).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
}

/// The status of an answer, if one comes.
pub(crate) async fn status_of(url: &str) -> Option<u16> {
    client().get(url).send().await.ok().map(|answer| answer.status().as_u16())
}
