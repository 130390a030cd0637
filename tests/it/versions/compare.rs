//! `callscribe batch compare`: what a batch made beside what counted before.

use callscribe::ledger::ByHand;

use super::stage::{Stage, trial};
use crate::cli::{json, on};

/// Seven words.
const BEFORE: &str = "Hello, I want my money back today.";

/// 25 calls tried, more than are compared at a time: one differs in two words, one in three, one failed and one is still open.
async fn tried() -> Stage {
    let stage = Stage::new(25, BEFORE).await;
    stage.requeue(&trial("try")).await.unwrap();
    for call in 1..=23 {
        let said = match call {
            3 => "Hello, I want the money back tomorrow.",
            7 => "I want money back today, please.",
            _ => BEFORE,
        };
        stage.complete(&format!("s{call}"), 2, "large-v3", said).await;
    }
    stage.run("UPDATE call_transcripts SET status = 'error', error_code = 'low_coverage' WHERE session_id = 's24' AND version = 2").await;
    stage
        .run(
            "INSERT INTO transcription_costs (session_id, transcript_id, source, provider, model, piece, seconds, trimmed_seconds, amount_micros, currency)
             SELECT session_id, id, 'webex', 'whisper', 'large-v3', 'p', 60, 0, 100000 * version, 'USD' FROM call_transcripts WHERE session_id IN ('s3', 's7')",
        )
        .await;
    stage
}

#[tokio::test]
async fn a_batch_is_compared_call_by_call_and_summed() {
    let stage = tried().await;
    let told = json(&on(&stage.database, &["batch", "compare", "try", "--json"]).await);
    assert_eq!(told["versions"], serde_json::json!({"complete": 23, "counting": 0, "open": 1, "failed": 1}));
    let sum = serde_json::json!({"compared": 23, "words": 161, "substitutions": 2, "deletions": 2, "insertions": 1});
    assert_eq!((&told["differences"], &told["word_error_rate"]), (&sum, &0.0311.into()), "5 of 161 words");
    let makers = serde_json::json!([{
        "from": {"provider": "whisper", "model": "whisper-1"}, "to": {"provider": "whisper", "model": "large-v3"},
        "differences": sum, "word_error_rate": 0.0311
    }]);
    assert_eq!(told["by_model"], makers);
    let worst: Vec<_> = told["worst"].as_array().unwrap().iter().map(|one| (&one["session_id"], &one["word_error_rate"])).collect();
    assert_eq!(worst, [(&"s7".into(), &0.4286.into()), (&"s3".into(), &0.2857.into())], "what is the same is not named");
    let cost = serde_json::json!({"provider": "whisper", "model": "large-v3", "answers": 2, "seconds": 120.0, "amount": "0.40", "currency": "USD"});
    assert_eq!(told["costs"], serde_json::json!([cost]), "of the new versions alone");
    let text = on(&stage.database, &["batch", "compare", "try", "--worst", "1"]).await.stdout;
    let begins = "batch try: 23 versions complete, on trial; 1 open, 1 failed\n\
                  word error rate 3.1 %: of 161 words 2 replaced, 2 missing, 1 added\n";
    assert!(text.starts_with(begins), "{text}");
    assert!(text.contains("s7") && !text.contains("s3"), "{text}");
}

#[tokio::test]
async fn what_a_batch_made_stays_its_own_when_the_jobs_go_on_or_go() {
    let stage = tried().await;
    let first = json(&on(&stage.database, &["batch", "compare", "try", "--json"]).await);
    stage.requeue(&ByHand { trial: false, ..trial("later") }).await.unwrap();
    stage.run("DELETE FROM job_attempts; DELETE FROM jobs").await;
    let mut second = json(&on(&stage.database, &["batch", "compare", "try", "--json"]).await);
    assert_eq!(second, first, "another batch has the jobs, and then nobody has");
    let switched = on(&stage.database, &["batch", "switch", "try"]).await;
    assert_eq!(switched.stdout, "switched 23 transcripts\n2 not complete yet: will count once complete\n", "{}", switched.stderr);
    second = json(&on(&stage.database, &["batch", "compare", "try", "--json"]).await);
    assert_eq!((&second["differences"], &second["versions"]["counting"]), (&first["differences"], &23.into()), "before is still before");
    let missing = on(&stage.database, &["batch", "compare", "nobody"]).await;
    assert!(missing.status == 1 && missing.stderr.contains("there is no batch `nobody`"), "{}", missing.stderr);
}

#[tokio::test]
async fn a_version_before_which_nothing_counts_is_told_and_not_compared() {
    let stage = Stage::tried("try", 2, BEFORE, BEFORE).await;
    stage.run("UPDATE call_transcripts SET transcript_json = '{\"version\": 9}' WHERE session_id = 's1' AND version = 2").await;
    stage.run("DELETE FROM call_transcripts WHERE session_id = 's2' AND version = 1").await;
    let told = on(&stage.database, &["batch", "compare", "try"]).await;
    assert!(told.stdout.contains("not compared: 1 with none before, 1 that cannot be read\nnothing to compare yet\n"), "{}", told.stdout);
    assert!(told.stderr.contains("call `s1`: "), "{}", told.stderr);
}

#[tokio::test]
async fn one_call_is_compared_with_its_trial_unless_told_otherwise() {
    let stage = Stage::tried("try", 1, BEFORE, "Hello, I want the money back today.").await;
    let told = on(&stage.database, &["calls", "compare", "s1"]).await.stdout;
    let lines: Vec<_> = told.lines().collect();
    assert!(lines[0].starts_with("from  version 1, whisper whisper-1, ") && !lines[0].ends_with("trial"), "{told}");
    assert!(lines[1].starts_with("to    version 2, whisper large-v3, ") && lines[1].ends_with(", on trial"), "{told}");
}
