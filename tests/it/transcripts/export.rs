//! `callscribe calls export` as people run it.

use serde_json::Value;

use super::{call, transcribed_call};
use crate::{
    cli::on,
    harness::{self, TestDatabase},
};

/// Two calls with transcripts, one of which was made twice, and one without.
async fn three_calls() -> TestDatabase {
    let database = harness::database().await;
    transcribed_call(&database, "c1", 0, 1, &[("agent", 0.0, 1.0, "An older version.")]).await;
    let turns = [("agent", 0.0, 1.5, "Hello, Acme."), ("customer", 1.2, 3.0, "=I want my money back.")];
    transcribed_call(&database, "c1", 0, 2, &turns).await;
    transcribed_call(&database, "c2", 5, 1, &[("agent", 0.0, 1.0, "Good morning.")]).await;
    call(&database, "c3", 10).await;
    database
}

#[tokio::test]
async fn one_call_goes_to_standard_output_in_every_form() {
    let database = three_calls().await;
    let forms = [
        ("txt", "Agent: Hello, Acme.\nCustomer: =I want my money back.\n"),
        ("srt", "1\n00:00:00,000 --> 00:00:01,500\nAgent: Hello, Acme.\n\n2\n00:00:01,200 --> "),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n<v Agent>Hello, Acme.</v>\n"),
        ("csv", "session_id,leg,started_at,turn,speaker,"),
        ("jsonl", "{\"session_id\":\"c1\",\"leg\":\"main\",\"turn\":0,\"speaker\":\"agent\","),
    ];
    for (format, beginning) in forms {
        let told = on(&database, &["calls", "export", "c1", "--format", format]).await;
        assert_eq!((told.status, told.stderr.as_str()), (0, ""), "{format}");
        assert!(told.stdout.starts_with(beginning), "{format}:\n{}", told.stdout);
    }
    let json = on(&database, &["calls", "export", "c1", "--format", "json"]).await.stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["version"], &json["call"]["session_id"]), (&Value::from(2), &Value::from("c1")), "{json}");
    let vcon: Value = serde_json::from_str(&on(&database, &["calls", "export", "c1", "--format", "vcon"]).await.stdout).unwrap();
    assert_eq!(vcon["parties"][1]["tel"], "tel:+15550199", "{vcon}");
}

#[tokio::test]
async fn many_calls_follow_each_other_and_one_without_a_transcript_is_told() {
    let database = three_calls().await;
    let told = on(&database, &["calls", "export", "--queue", "Q_Support", "--since", "2026-11-01", "--format", "csv"]).await;
    assert_eq!(told.status, 0, "{}", told.stderr);
    let lines: Vec<_> = told.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "one head and three turns:\n{}", told.stdout);
    assert!(lines[2].ends_with(",'=I want my money back."), "{}", lines[2]);
    assert!(told.stderr.contains("call `c3` has no transcript: it is `pending`"), "{}", told.stderr);
    assert!(told.stderr.contains("2 transcripts written, 1 calls without one, 0 that could not be written"), "{}", told.stderr);
    let none = on(&database, &["calls", "export", "--queue", "Q_Sales", "--format", "txt"]).await;
    assert_eq!((none.status, none.stdout.as_str()), (0, ""));
}

#[tokio::test]
async fn a_directory_gets_a_file_per_transcript_however_often() {
    let database = three_calls().await;
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("november");
    for _ in 0..2 {
        let told = on(&database, &["calls", "export", "c1", "c2", "--format", "vtt", "--out", out.to_str().unwrap()]).await;
        assert_eq!(told.status, 0, "{}", told.stderr);
        let mut names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["c1.vtt", "c2.vtt"]);
    }
    assert!(std::fs::read_to_string(out.join("c2.vtt")).unwrap().contains("<v Agent>Good morning.</v>"));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let database = three_calls().await;
    let refusals = [
        (&["calls", "export", "--format", "txt"][..], "no calls are named"),
        (&["calls", "export", "--since", "1d", "--format", "srt"], "`srt` holds one transcript"),
        (&["calls", "export", "c1", "--format", "docx"], "there is no format `docx`"),
        (&["calls", "export", "--since", "yesterday", "--format", "txt"], "`yesterday` is not a time"),
    ];
    for (arguments, message) in refusals {
        let told = on(&database, arguments).await;
        assert!(told.status == 2 && told.stderr.contains(message), "{arguments:?}: {}", told.stderr);
    }
    let unknown = on(&database, &["calls", "export", "nothing", "--format", "txt"]).await;
    assert!(unknown.status == 1 && unknown.stderr.contains("there is no call `nothing`"), "{}", unknown.stderr);
}

#[tokio::test]
async fn a_document_of_a_newer_version_fails_alone() {
    let database = three_calls().await;
    crate::ledger::execute(&database.store(), "UPDATE call_transcripts SET transcript_json = '{\"version\": 9}' WHERE session_id = 'c2'")
        .await;
    let told = on(&database, &["calls", "export", "c1", "c2", "--format", "txt"]).await;
    assert_eq!(told.status, 1);
    assert!(told.stdout.contains("Hello, Acme.") && told.stderr.contains("call `c2`: the transcript is of version `9`"), "{}", told.stderr);
}
