//! The executable as people run it: help, wrong use, output for people and for programs.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use crate::{
    harness::{self, TestDatabase},
    ledger::execute,
    ledger_rows::{dead_transcriptions, number},
};

/// What a run said and how it ended.
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: i32,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            status: output.status.code().expect("it ended by itself"),
        }
    }
}

/// The executable with nothing of this process's environment but where programs are, in a directory without `.env`.
pub(crate) fn callscribe(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callscribe"));
    command.args(arguments).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", "/nonexistent").current_dir("/");
    command
}

async fn run(mut command: Command) -> Ran {
    tokio::task::spawn_blocking(move || command.output().unwrap().into()).await.unwrap()
}

pub(crate) async fn on(database: &TestDatabase, arguments: &[&str]) -> Ran {
    let mut command = callscribe(arguments);
    command.env("DATABASE_URL", database.url()).env("USER", "ada");
    run(command).await
}

pub(crate) fn json(ran: &Ran) -> Value {
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Every command with its subcommands, as `--help` lists them.
const COMMANDS: &[&[&str]] = &[
    &["demo"],
    &["standalone"],
    &["migrate"],
    &["doctor"],
    &["scheduler"],
    &["worker"],
    &["api"],
    &["status"],
    &["sync"],
    &["jobs", "list"],
    &["jobs", "show"],
    &["jobs", "cancel"],
    &["requeue"],
    &["batch", "list"],
    &["batch", "show"],
    &["batch", "compare"],
    &["batch", "switch"],
    &["batch", "cancel"],
    &["queue", "pause"],
    &["queue", "resume"],
    &["queue", "scale"],
    &["queue", "drain"],
    &["queue", "show"],
    &["calls", "list"],
    &["calls", "show"],
    &["calls", "export"],
    &["calls", "search"],
    &["calls", "index"],
    &["calls", "compare"],
    &["calls", "switch"],
    &["calls", "hold"],
    &["calls", "release"],
    &["calls", "holds"],
    &["retention"],
    &["deletions"],
    &["webex", "chats"],
    &["webex", "subscribe"],
    &["webex", "subscriptions"],
    &["webex", "unsubscribe"],
    &["webex", "login"],
    &["webex", "token"],
];

#[tokio::test]
async fn every_command_is_listed_and_helps_with_an_example() {
    let overview = run(callscribe(&["--help"])).await;
    assert_eq!(overview.status, 0);
    for command in COMMANDS {
        assert!(overview.stdout.contains(&format!("\n  {} ", command[0])), "`{}` is not listed:\n{}", command[0], overview.stdout);
        let help = run(callscribe(&[command, &["--help"][..]].concat())).await;
        assert_eq!(help.status, 0, "{command:?}: {}", help.stderr);
        let example = format!("callscribe {}", command.join(" "));
        assert!(help.stdout.matches(&example).count() >= 2, "no example of {command:?}:\n{}", help.stdout);
        assert!(help.stdout.lines().all(|line| line.chars().count() <= 120), "{command:?}:\n{}", help.stdout);
    }
}

#[tokio::test]
async fn wrong_use_exits_2_and_says_what_would_be_right() {
    for arguments in [
        &["nonsense"][..],
        &["worker"],
        &["worker", "paint"],
        &["requeue"],
        &["requeue", "--kind", "transcription", "--since", "yesterday"],
        &["requeue", "--kind", "transcription", "--state", "running", "--dry-run"],
        &["jobs", "cancel"],
        &["jobs", "list", "--state", "sideways"],
        &["sync", "--to", "2026-11-01"],
        &["sync", "--from", "2026-11-08", "--to", "2026-11-01"],
        &["demo", "--calls", "0"],
    ] {
        let mut command = callscribe(arguments);
        command.env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
        // what needs the database to be found out is told by the next test
        if arguments.contains(&"running") {
            continue;
        }
        let ran = run(command).await;
        assert_eq!(ran.status, 2, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{arguments:?}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn a_failure_says_why_and_what_to_do_and_never_a_secret() {
    let ran = run(callscribe(&["status"])).await;
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("`DATABASE_URL` is missing"), "{}", ran.stderr);
    let mut command = callscribe(&["status"]);
    command.env("DATABASE_URL", "postgres://ada:hunter2@127.0.0.1:1/none").env("DATABASE_TIMEOUT", "1s");
    let ran = run(command).await;
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("\nhint: is PostgreSQL running"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
}

#[tokio::test]
async fn settings_are_read_from_a_file_in_the_working_directory() {
    let database = harness::database().await;
    let directory = harness::temp_dir("dotenv");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(".env"), format!("DATABASE_URL=\"{}\"\n", database.url())).unwrap();
    let mut command = callscribe(&["status"]);
    command.current_dir(&directory);
    let ran = run(command).await;
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    remove(&directory);
}

fn remove(directory: &Path) {
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn the_requeue_recipe_of_the_readme_works_as_written() {
    let database = harness::database().await;
    let store = database.store();
    dead_transcriptions(&store, 30, "provider_unavailable").await;
    let filter = ["requeue", "--kind", "transcription", "--reason", "provider_unavailable"];
    let dry = on(&database, &[&filter[..], &["--dry-run"]].concat()).await;
    let expected = "would requeue 30 jobs\n\njobs  kind           reason\n  30  transcription  provider_unavailable\n";
    assert_eq!((dry.status, dry.stdout.as_str()), (0, expected), "{}", dry.stderr);
    let few = on(&database, &[&filter[..], &["--limit", "20", "--json"]].concat()).await;
    assert_eq!(json(&few)["jobs"], 20);
    let rest = on(&database, &[&filter[..], &["--why", "provider is well"]].concat()).await;
    assert_eq!(rest.stdout, "requeued 10 jobs\nfollow them: callscribe batch show requeue-2\n");
    let batch = on(&database, &["batch", "show", "requeue-2"]).await;
    assert!(batch.stdout.contains("0 of 10 ended, 0 %") && batch.stdout.contains("why       provider is well"), "{}", batch.stdout);
    assert_eq!(json(&on(&database, &["batch", "show", "requeue-1", "--json"]).await)["waiting"], 20);
    assert_eq!(json(&on(&database, &["batch", "list", "--json"]).await).as_array().unwrap().len(), 2);
    let noted = "SELECT count(*) AS number FROM audit_log WHERE action = 'requeue' AND actor LIKE 'ada@%' AND why = 'provider is well'";
    assert_eq!(number(&store, noted).await, 1);
    let none = on(&database, &filter).await;
    assert_eq!(none.stdout, "requeued 0 jobs\n", "they carry no reason any more");
    let none = on(&database, &["requeue", "--kind", "transcription"]).await;
    assert!(none.stdout.contains("30 are like this `ready`: they are going to run anyway"), "{}", none.stdout);
    let running = on(&database, &["requeue", "--kind", "transcription", "--state", "running", "--dry-run"]).await;
    assert_eq!(running.status, 2, "{}", running.stderr);
}

#[tokio::test]
async fn status_tells_people_and_programs_the_same() {
    let database = harness::database().await;
    dead_transcriptions(&database.store(), 3, "audio_too_long").await;
    let told = on(&database, &["status"]).await;
    assert!(told.stdout.contains("3 transcription audio_too_long"), "{}", told.stdout);
    assert!(told.stdout.contains("TRANSCRIPTION_MAX_BYTES"), "advice is given: {}", told.stdout);
    assert!(told.stdout.contains("read docs/reasons/audio_too_long.md"), "{}", told.stdout);
    let listed = on(&database, &["jobs", "list", "--state", "dead"]).await.stdout;
    assert!(listed.ends_with("\nread: docs/reasons/audio_too_long.md\n"), "{listed}");
    let told = json(&on(&database, &["status", "--json"]).await);
    let kinds: Vec<_> = told["kinds"].as_array().unwrap().iter().map(|kind| kind["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["sync", "recording", "transcription", "upkeep", "enrichment", "chat"]);
    assert_eq!(told["kinds"][2]["dead"]["jobs"], 3);
}

#[tokio::test]
async fn a_call_shows_its_whole_story_in_the_order_of_time() {
    let database = harness::database().await;
    let store = database.store();
    dead_transcriptions(&store, 12, "provider_unavailable").await;
    let several = on(&database, &["calls", "show", "s"]).await;
    assert_eq!(several.status, 1);
    assert!(several.stderr.contains("several calls begin with `s`"), "{}", several.stderr);
    let told = on(&database, &["calls", "show", "s1"]).await;
    assert_eq!(told.status, 0, "`s1` is exact, though `s10` begins with it: {}", told.stderr);
    let position = |text: &str| told.stdout.find(text).unwrap_or_else(|| panic!("no `{text}` in\n{}", told.stdout));
    assert!(position("call           began") < position("enqueued as job"), "{}", told.stdout);
    assert!(position("enqueued as job") < position("dead (provider_unavailable): run 7 on host-1"), "{}", told.stdout);
    assert!(told.stdout.contains("what to do: ") && told.stdout.contains("read: docs/reasons/provider_unavailable.md"), "{}", told.stdout);
    let told = json(&on(&database, &["calls", "show", "s1", "--json"]).await);
    assert!(told["vendor_record"].is_object() && told["attempts"].as_array().unwrap().len() == 1, "{told}");
    let list = json(&on(&database, &["calls", "list", "--status", "error", "--limit", "5", "--json"]).await);
    assert_eq!(list.as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_call_shows_each_leg_with_its_provider_and_what_the_assistant_noted() {
    let database = harness::database().await;
    let rows = [
        "INSERT INTO call_interactions (session_id, source, start_time, closed, transcript_status, raw_payload)
         VALUES ('c1', 'webex', now(), true, 'error', '{}')",
        "INSERT INTO call_transcripts (id, session_id, leg, provider, status, error_code, error_message)
         VALUES (gen_random_uuid(), 'c1', 'main', 'webex', 'error', 'no_transcript', 'the vendor made none')",
        "INSERT INTO call_transcripts (id, session_id, leg, provider, status, language, transcript_text, transcript_json, completed_at)
         VALUES (gen_random_uuid(), 'c1', 'va-main', 'whisper', 'complete', 'en', 'hello', '{}', now())",
        r#"INSERT INTO call_summaries (session_id, source, summary)
           VALUES ('c1', 'webex', '{"post_call": [{"key_actions_taken": "opened a case\ncalled back"}], "mid_call": []}')"#,
    ];
    let store = database.store();
    let mut connection = store.connection().await.unwrap();
    for row in rows {
        diesel_async::RunQueryDsl::execute(diesel::sql_query(row), &mut connection).await.unwrap();
    }
    let told = on(&database, &["calls", "show", "c1"]).await;
    assert_eq!(told.status, 0, "{}", told.stderr);
    let lines: Vec<_> = told.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "main 1 webex error: no_transcript - - -",
        "va-main 1 whisper complete yes en -",
        "why the vendor made none",
        "done opened a case",
        "called back",
    ] {
        assert!(lines.iter().any(|told| told == line), "no `{line}` in\n{}", told.stdout);
    }
    let told = json(&on(&database, &["calls", "show", "c1", "--json"]).await);
    assert_eq!(told["summary"]["post_call"][0]["key_actions_taken"], "opened a case\ncalled back");
}

#[tokio::test]
async fn a_call_tells_each_run_with_worker_time_bytes_and_what_to_do_and_programs_have_it_in_fields() {
    let database = harness::database().await;
    let store = database.store();
    crate::ledger_rows::run(
        &store,
        "INSERT INTO workers (name, host, pid, kinds, version, expires_at) VALUES ('box-7', 'box', 7, '{recording}', '1', now());
         INSERT INTO call_interactions (session_id, source, start_time, closed, transcript_status, raw_payload, case_number)
             VALUES ('c1', 'webex', now() - interval '1 hour', true, 'complete', '{}', 'C-9');
         INSERT INTO call_recordings (session_id, recording_id, status, object_key, size_bytes, sha256, stored_at)
             VALUES ('c1', 'r1', 'stored', 'test/c1.wav', 4711, repeat('a', 64), now());
         INSERT INTO call_transcripts (id, session_id, version, provider, status, transcript_text, transcript_json, completed_at)
             SELECT gen_random_uuid(), 'c1', n, 'whisper', 'complete', 'hello', '{}', now() FROM generate_series(1, 2) AS n;
         INSERT INTO call_transcripts (id, session_id, version, provider, status, error_code, error_message)
             VALUES (gen_random_uuid(), 'c1', 3, 'whisper', 'error', 'low_coverage', 'half of it is missing');
         INSERT INTO jobs (kind, key, state, attempt, max_attempts, run, lease_id, session_id, started_at, finished_at, reason)
             SELECT kind, 'c1', state, 1, 5, 2, (SELECT max(id) FROM workers), 'c1', now() - interval '2 seconds', now(), reason
             FROM (VALUES ('recording', 'done', NULL), ('transcription', 'dead', 'low_coverage')) AS new (kind, state, reason);
         INSERT INTO job_attempts (job_id, run, attempt, outcome, reason, error, vendor_status, vendor_request, lease_id, worker, started_at, ended_at)
             SELECT id, 2, 1, 'dead', reason, 'half of it is missing', 200, 'req_1', lease_id, 'box-7', started_at, finished_at
             FROM jobs WHERE state = 'dead'",
    )
    .await;
    let told = on(&database, &["calls", "show", "c1"]).await.stdout;
    for text in [
        "done: run 2 on box-7, took 2s from ",
        ", 4711 bytes\n",
        "as test/c1.wav\n",
        "main version 1 complete, by whisper: a later one counts\n",
        "main version 2 complete, by whisper: the one that counts\n",
        "main version 3 given up: low_coverage\n",
        "dead (low_coverage): run 2 on box-7, took 2s from ",
        "vendor: HTTP 200, request id req_1\n",
        "read: docs/reasons/low_coverage.md\n",
        "case C-9\n",
        "transcript (version 2, whisper",
    ] {
        assert!(told.contains(text), "no `{text}` in\n{told}");
    }
    let told = json(&on(&database, &["calls", "show", "c1", "--json"]).await);
    let events = told["timeline"].as_array().unwrap();
    let run = |outcome: &str| events.iter().find(|event| event["outcome"] == outcome).unwrap();
    let (done, dead) = (run("done"), run("dead"));
    assert_eq!(
        (&done["worker"], &done["host"], &done["seconds"], &done["bytes"]),
        (&"box-7".into(), &"box".into(), &2.0.into(), &4711.into())
    );
    assert!(done.get("reason").is_none() && done["started_at"].is_string() && done["ended_at"].is_string(), "{done}");
    assert_eq!((&dead["vendor_status"], &dead["vendor_request"], &dead["host"]), (&200.into(), &"req_1".into(), &"box".into()));
    assert_eq!(dead["page"], "docs/reasons/low_coverage.md");
    assert!(dead["advice"].is_string() && dead["error"] == "half of it is missing", "{dead}");
    let current: Vec<_> = told["transcripts"].as_array().unwrap().iter().map(|each| each["current"].as_bool().unwrap()).collect();
    assert_eq!(current, [false, true, false]);
    assert!(events.iter().any(|event| event["object_key"] == "test/c1.wav" && event["state"] == "stored"), "{told}");
    assert!(events.iter().any(|event| event["subject"] == "call" && event["case_number"] == "C-9"), "{told}");
}

#[tokio::test]
async fn a_backfill_is_one_job_a_day_and_asking_twice_makes_no_more() {
    let database = harness::database().await;
    let arguments = ["sync", "--from", "2026-11-01", "--to", "2026-11-08", "--json"];
    let first = json(&on(&database, &arguments).await);
    assert_eq!((first["job_ids"].as_array().unwrap().len(), &first["enqueued"]), (7, &Value::from(7)));
    let second = json(&on(&database, &arguments).await);
    assert_eq!((&second["job_ids"], &second["enqueued"]), (&first["job_ids"], &Value::from(0)));
    assert_eq!(second["backfill_id"], first["backfill_id"], "the same backfill");
    let status = json(&on(&database, &["status", "--json"]).await);
    assert_eq!((&status["backfills"][0]["days"], &status["backfills"][0]["done"]), (&Value::from(7), &Value::from(0)), "{status}");
    let status = on(&database, &["status"]).await.stdout;
    assert!(status.contains("backfill 1 of webex, 2026-11-01 to 2026-11-08: 0 of 7 days"), "{status}");
    let store = database.store();
    let keys =
        "SELECT count(*) AS number FROM jobs WHERE kind = 'sync' AND priority = 10 AND source = 'webex' AND payload->>'mode' = 'backfill'";
    assert_eq!(number(&store, keys).await, 7);
}

#[tokio::test]
async fn what_no_vendor_tells_any_more_is_said_and_not_asked_for() {
    let database = harness::database().await;
    let cut = on(&database, &["sync", "--from", "400d", "--to", "360d", "--json"]).await;
    assert!(cut.stderr.contains("webex tells calls of the last twelve months only"), "{}", cut.stderr);
    assert_eq!(json(&cut)["job_ids"].as_array().unwrap().len(), 5, "four days, cut at midnight");
    let gone = on(&database, &["sync", "--from", "2020-01-01", "--to", "2020-02-01"]).await;
    assert_eq!(gone.status, 2, "{}", gone.stderr);
    assert!(gone.stderr.contains("hint: the oldest call to be had began about"), "{}", gone.stderr);
}

#[tokio::test]
async fn reconcile_tells_what_the_last_comparison_found_and_exits_by_it() {
    let database = harness::database().await;
    let arguments = ["reconcile", "--from", "2026-11-01", "--to", "2026-11-03"];
    let never = on(&database, &arguments).await;
    assert_eq!(never.status, 1, "nobody knows");
    assert!(never.stdout.contains("2 days from 2026-11-01 to 2026-11-02 were never compared"), "{}", never.stdout);
    let store = database.store();
    for (day, missing) in [("2026-11-01", 0), ("2026-11-02", 1)] {
        let row = format!(
            "INSERT INTO completeness_windows VALUES
             ('webex', 'org-1', '{day}Z', '{day}Z'::timestamptz + interval '1 day', 10, 0, {missing}, 8, 6, 2, 0, 0, 6, 6, 0, 0, 0)"
        );
        execute(&store, &row).await;
    }
    execute(
        &store,
        "INSERT INTO completeness_gaps (source, org_id, kind, subject, window_from, start_time, reason, comparison)
         VALUES ('webex', 'org-1', 'calls', 's-7', '2026-11-02Z', '2026-11-02 10:30Z', 'not_held', gen_random_uuid())",
    )
    .await;
    let told = on(&database, &arguments).await;
    assert_eq!(told.status, 1, "{}", told.stderr);
    assert!(told.stdout.contains("1 calls") && told.stdout.contains("not_held"), "{}", told.stdout);
    assert!(told.stdout.contains("1 missing: `--fix` has them made"), "{}", told.stdout);
    let whole = on(&database, &["reconcile", "--from", "2026-11-01", "--to", "2026-11-02"]).await;
    assert_eq!((whole.status, whole.stdout.lines().last()), (0, Some("complete")), "{}", whole.stderr);
    let fix = async || {
        let ran = on(&database, &["reconcile", "--from", "2026-11-01", "--to", "2026-11-03", "--fix", "--json"]).await;
        assert_eq!(ran.status, 1, "what was missing is missing until the next comparison: {}", ran.stderr);
        serde_json::from_str::<Value>(&ran.stdout).unwrap()
    };
    let (fixing, again) = (fix().await, fix().await);
    assert_eq!((&fixing["complete"], &fixing["gaps"][0]["subject"]), (&Value::from(false), &Value::from("s-7")), "{fixing}");
    assert_eq!(again["job_id"], fixing["job_id"], "one comparison at a time");
    let status = on(&database, &["status"]).await.stdout;
    assert!(status.contains("webex: compared up to 2026-11-03 00:00:00") && status.contains("missing 1 calls"), "{status}");
    let wrong = on(&database, &["reconcile", "--from", "2026-11-03", "--to", "2026-11-01"]).await;
    assert_eq!(wrong.status, 2, "{}", wrong.stderr);
}

#[tokio::test]
async fn migrate_twice_applies_nothing_the_second_time() {
    let database = harness::database().await;
    let ran = on(&database, &["migrate"]).await;
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "the schema is current, nothing to apply\n"));
}

#[tokio::test]
async fn a_worker_waits_for_the_migration_and_then_works() {
    let engines = harness::private_services().await;
    let settings = [("DATABASE_URL", engines.database_url()), ("REDIS_URL", engines.services().redis_url())];
    let webex = [("WEBEX_CC_ACCESS_TOKEN", "token"), ("WEBEX_CC_ORG_ID", "11111111-2222-4333-8444-555555555555"), ("LOG_FORMAT", "json")];
    let mut command = callscribe(&["worker", "sync"]);
    command.envs(settings.clone()).envs(webex).stderr(std::process::Stdio::piped());
    let mut worker = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    let mut log = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(worker.stderr.take().unwrap()));
    loop {
        let line = log.next_line().await.unwrap().expect("it waits");
        if line.contains("waiting for `callscribe migrate`") {
            break;
        }
    }
    let reading = tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
    let mut migration = callscribe(&["migrate"]);
    migration.envs(settings);
    assert_eq!(run(migration).await.status, 0);
    let store = engines.store().await;
    harness::eventually("the worker is present", async || number(&store, "SELECT count(*) AS number FROM workers").await == 1).await;
    let pid = worker.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(worker.wait().await.unwrap().code(), Some(0));
    reading.await.unwrap();
    assert_eq!(number(&store, "SELECT count(*) AS number FROM workers WHERE ended_by = 'drained'").await, 1);
}
