//! `callscribe doctor`: everything well, and each thing that can be wrong, wrong once.

use axum::{Json, Router, http::header, routing::get};
use callscribe_simulators::{
    deepgram,
    services::ServicePlan,
    transcriber::{Profile, TranscriberPlan},
    webex::WebexPlan,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{harness, ledger::execute, world::World};

/// What a doctor said.
#[derive(Debug)]
struct Said {
    status: Option<i32>,
    findings: Vec<Value>,
}

impl Said {
    /// The findings about `check`, as `level found fix`.
    fn about(&self, check: &str) -> String {
        let of_check = self.findings.iter().filter(|finding| finding["check"] == check);
        let text =
            |finding: &Value| ["level", "found", "fix"].map(|field| finding[field].as_str().unwrap_or_default().to_owned()).join(" ");
        of_check.map(text).collect::<Vec<_>>().join("\n")
    }

    fn of_level(&self, level: &str) -> Vec<&Value> {
        self.findings.iter().filter(|finding| finding["level"] == level).collect()
    }

    /// Fails unless exactly the checks named fail, and the doctor with them.
    fn assert_fails_at(&self, checks: &[&str]) {
        let failures = self.of_level("FAIL");
        let failed: Vec<&str> = failures.iter().filter_map(|finding| finding["check"].as_str()).collect();
        assert_eq!((failed.as_slice(), self.status), (checks, Some(1)), "{:#?}", self.findings);
        assert!(failures.iter().all(|finding| !finding["fix"].as_str().unwrap_or_default().is_empty()), "each has its fix");
    }
}

async fn world() -> World {
    let world = World::new(WebexPlan::ordinary(3, 2), TranscriberPlan::new(Profile::OpenAi)).await;
    world.setting("LOG_LEVEL", "error")
}

async fn doctor(world: &World, arguments: &[&str]) -> Said {
    let (status, text) = world.run(&[&["doctor", "--json"], arguments].concat()).await;
    let line = text.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no report: {text}"));
    let report: Value = serde_json::from_str(line).unwrap();
    assert_eq!(report["ok"].as_bool(), Some(status == Some(0)), "{text}");
    for (name, secret) in &world.environment {
        if ["WEBEX_CC_CLIENT_SECRET", "WEBEX_CC_REFRESH_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY"].contains(name) {
            assert!(!text.contains(secret.as_str()), "`{name}` is printed: {text}");
        }
    }
    Said { status, findings: report["findings"].as_array().unwrap().clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_is_well_where_all_is_well_and_nothing_is_left_behind() {
    let world = world().await;
    let said = doctor(&world, &["--deep"]).await;
    assert_eq!(said.status, Some(0), "{said:#?}");
    assert_eq!(said.of_level("FAIL").len() + said.of_level("off").len(), 0, "{said:#?}");
    for check in ["settings", "postgresql", "session", "migrations", "redis", "redis memory", "bucket", "uploads", "webex", "transcriber"] {
        assert!(said.about(check).starts_with("ok "), "{check}: {said:#?}");
    }
    assert!(said.about("transcription").starts_with("ok "), "a second of sound is transcribed: {said:#?}");
    assert_eq!(world.objects().await, Vec::<String>::new(), "the object of the trial is deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_configured_or_asked_for_is_checked() {
    let mut world = world().await;
    world.environment.retain(|name, _| !name.starts_with("OPENAI_"));
    let said = doctor(&world, &[]).await;
    assert_eq!(said.status, Some(0), "{said:#?}");
    assert!(said.about("transcriber").starts_with("off "), "{said:#?}");
    let said = doctor(&world, &["sync"]).await;
    assert_eq!((said.about("bucket"), said.about("transcriber")), (String::new(), String::new()), "a sync needs neither: {said:#?}");
    let said = doctor(&world, &["transcribe"]).await;
    said.assert_fails_at(&["settings"]);
    assert!(said.about("settings").contains("`OPENAI_API_KEY` is missing"), "{said:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_reads_one_line_each_with_its_fix() {
    let world = world().await.setting("CALL_RECORDING_BUCKET", "not-there");
    let (status, text) = world.run(&["doctor", "recordings"]).await;
    assert_eq!(status, Some(1), "{text}");
    let failed = text.lines().position(|line| line.starts_with("FAIL  bucket ")).unwrap_or_else(|| panic!("{text}"));
    assert!(text.lines().nth(failed + 1).is_some_and(|line| line.contains("fix: create the bucket")), "{text}");
    assert!(text.contains("1 must be put right"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_postgresql_refuses_is_told_without_its_password() {
    let world = world().await;
    let refused = world.environment["DATABASE_URL"].replacen("user=", "password=s3cret-pw&user=nobody_", 1);
    let world = world.setting("DATABASE_URL", &refused);
    let (status, text) = world.run(&["doctor", "--json"]).await;
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains(r#""check":"postgresql","level":"FAIL""#), "{text}");
    assert!(text.contains("nobody_") && !text.contains("s3cret-pw"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_migrations_and_a_redis_that_evicts_are_told() {
    let services = harness::private_services().await;
    let mut redis = services.hints().connection();
    for (name, value) in [("maxmemory", "64mb"), ("maxmemory-policy", "allkeys-lru")] {
        redis::cmd("CONFIG").arg("SET").arg(name).arg(value).query_async::<()>(&mut redis).await.unwrap();
    }
    let redis_url = secrecy::ExposeSecret::expose_secret(&services.redis().url).to_owned();
    let mut world = world().await.setting("DATABASE_URL", &services.database_url()).setting("REDIS_URL", &redis_url);
    world.environment.retain(|name, _| !["WEBEX_", "OPENAI_", "CALL_", "AWS_"].iter().any(|prefix| name.starts_with(prefix)));
    let said = doctor(&world, &[]).await;
    said.assert_fails_at(&["migrations"]);
    assert!(said.about("migrations").contains("callscribe migrate"), "{said:#?}");
    assert!(said.about("redis memory").starts_with("warn `maxmemory-policy` is `allkeys-lru`"), "{said:#?}");

    let store = services.store().await;
    execute(&store, "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')").await;
    let said = doctor(&world, &[]).await;
    assert_eq!(said.status, Some(0), "a newer schema is no failure: {said:#?}");
    assert!(said.about("migrations").starts_with("warn a newer version"), "{said:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_and_a_transcriber_that_are_not_there_are_told_side_by_side() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let world = world().await.setting("REDIS_URL", &format!("redis://:s3cret-pw@127.0.0.1:{port}"));
    let world = world.setting("OPENAI_BASE_URL", &format!("http://127.0.0.1:{port}/v1"));
    let said = doctor(&world, &["transcribe"]).await;
    said.assert_fails_at(&["redis", "transcriber"]);
    assert!(!format!("{said:?}").contains("s3cret-pw"), "{said:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_to_another_organisation_and_one_that_ended_are_told_apart() {
    let other = world().await.setting("WEBEX_CC_ORG_ID", "00000000-0000-4000-8000-000000000000");
    let said = doctor(&other, &["sync"]).await;
    said.assert_fails_at(&["webex"]);
    assert!(said.about("webex").contains("is `00000000-0000-4000-8000-000000000000`"), "{said:#?}");

    let ended = world().await.setting("WEBEX_CC_REFRESH_TOKEN", "ended-long-ago");
    let said = doctor(&ended, &["sync"]).await;
    said.assert_fails_at(&["webex", "webex login"]);
    assert!(said.about("webex").contains("callscribe webex login"), "{said:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_far_from_the_vendors_and_a_model_nobody_has_are_told() {
    let models = async || ([(header::DATE, "Sat, 01 Jan 2000 00:00:00 GMT")], Json(json!({ "data": [{ "id": "whisper-9" }] })));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/models", get(models))).await });
    let world = world().await.setting("OPENAI_BASE_URL", &format!("http://{address}/v1"));
    let said = doctor(&world, &["transcribe"]).await;
    server.abort();
    said.assert_fails_at(&["transcriber clock"]);
    assert!(said.about("transcriber clock").contains("ahead of that of 127.0.0.1"), "{said:#?}");
    assert!(said.about("transcriber").starts_with("warn 127.0.0.1 does not list model `whisper-1`; it lists `whisper-9`"), "{said:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_transcribers_are_tried_too_and_an_engine_that_is_not_installed_is_named() {
    let deepgram = deepgram::Deepgram::start(ServicePlan::new(&deepgram::MODELS)).await.unwrap();
    let mut world = world().await.setting("TRANSCRIPTION_PROVIDER", "deepgram,command");
    world.environment.retain(|name, _| !name.starts_with("OPENAI_"));
    let world = world
        .setting("DEEPGRAM_BASE_URL", &deepgram.base_url())
        .setting("DEEPGRAM_API_KEY", "wr0ng-key")
        .setting("TRANSCRIPTION_COMMAND", "no-such-engine {audio}")
        .setting("TRANSCRIPTION_COMMAND_OUTPUT", "vosk");
    let said = doctor(&world, &[]).await;
    said.assert_fails_at(&["transcriber"]);
    assert!(
        said.about("transcriber").contains("`no-such-engine` is not installed")
            && said.about("transcriber").contains("`deepgram` is set up")
    );
    let said = doctor(&world, &["transcribe", "--deep"]).await;
    said.assert_fails_at(&["transcription", "transcriber"]);
    assert!(!format!("{said:?}").contains("wr0ng-key"), "{said:#?}");
    let world = world.setting("DEEPGRAM_API_KEY", deepgram.api_key()).setting("TRANSCRIPTION_PROVIDER", "deepgram");
    let said = doctor(&world, &["transcribe", "--deep"]).await;
    assert_eq!(said.status, Some(0), "{said:#?}");
    assert!(said.about("transcription").starts_with("ok a second of sound came back from `deepgram`"), "{said:#?}");
}
