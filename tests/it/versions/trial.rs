//! Versions on trial: made and kept beside the one that counts, and nobody gets to see them who does not ask for them.

use callscribe::{
    domain::{JobKind, JobState, Stage as WorkStage, TranscriptId},
    ledger::{ByHand, ByHandError, Canary, JobFilter, NewJob, attend, list_jobs, requeue_tally, version_anew},
};

use super::stage::{Stage, trial};
use crate::cli::{json, on};

#[tokio::test]
async fn a_trial_counts_nowhere_until_somebody_switches_to_it() {
    let stage = Stage::tried("try", 2, "I want a refund.", "I want an invoice.").await;
    assert_eq!(stage.counting().await, "s1=1 s2=1");
    assert_eq!((stage.found("refund").await, stage.found("invoice").await), (vec!["s1".to_owned(), "s2".to_owned()], vec![]));
    stage.assert_searched().await;
    let exported = on(&stage.database, &["calls", "export", "s1", "s2", "--format", "txt"]).await;
    assert!(exported.stdout.contains("refund") && !exported.stdout.contains("invoice"), "{}{}", exported.stdout, exported.stderr);
    let shown = on(&stage.database, &["calls", "show", "s1"]).await.stdout;
    for line in ["main version 1 complete, by whisper (whisper-1): the one that counts", "main version 2 expected, asked for by batch try"]
    {
        assert!(shown.contains(line), "no `{line}` in\n{shown}");
    }
    assert!(shown.contains("main version 2 complete, by whisper (large-v3): on trial\n"), "{shown}");
    assert!(shown.contains("Customer: I want a refund."), "{shown}");
    let told = json(&on(&stage.database, &["calls", "show", "s1", "--json"]).await);
    let versions: Vec<_> =
        told["transcripts"].as_array().unwrap().iter().map(|one| (&one["current"], &one["counts"], &one["batch"])).collect();
    assert_eq!(versions, [(&true.into(), &true.into(), &serde_json::Value::Null), (&false.into(), &false.into(), &"try".into())]);
    let told = on(&stage.database, &["batch", "show", "try"]).await.stdout;
    assert!(told.contains("its versions do not count: callscribe batch compare try"), "{told}");
}

#[tokio::test]
async fn a_trial_that_fails_takes_nothing_away() {
    let stage = Stage::new(1, "I want a refund.").await;
    stage.requeue(&trial("try")).await.unwrap();
    let id = stage.id("s1", 2).await.0;
    stage
        .run(&format!(
            "UPDATE call_transcripts SET status = 'error', error_code = 'low_coverage', error_message = 'half' WHERE id = '{id}'"
        ))
        .await;
    stage.run("UPDATE jobs SET state = 'dead', reason = 'low_coverage', finished_at = clock_timestamp()").await;
    assert_eq!(stage.counting().await, "s1=1");
    stage.assert_searched().await;
    let listed = json(&on(&stage.database, &["calls", "list", "--json"]).await);
    assert_eq!((&listed[0]["transcript_status"], &listed[0]["error_code"]), (&"complete".into(), &serde_json::Value::Null), "{listed}");
}

#[tokio::test]
async fn only_what_is_done_and_complete_is_tried() {
    let stage = Stage::new(4, "I want a refund.").await;
    // one that died, one that was called off, one whose job is done and whose transcript is not
    stage
        .run(
            "UPDATE jobs SET state = 'dead', reason = 'low_coverage' WHERE key = 's2';
             UPDATE jobs SET state = 'cancelled' WHERE key = 's3';
             UPDATE call_transcripts SET status = 'pending' WHERE session_id = 's4'",
        )
        .await;
    let tallies = requeue_tally(&mut stage.store.connection().await.unwrap(), &trial("try")).await.unwrap();
    assert_eq!(tallies.iter().map(|tally| tally.jobs).sum::<i64>(), 1, "a dry run counts what moves");
    assert_eq!(stage.requeue(&trial("try")).await.unwrap().jobs, 1);
    let versions =
        "SELECT string_agg(session_id || '/' || version || '/' || counts, ' ' ORDER BY session_id, version) AS text FROM call_transcripts";
    assert_eq!(stage.text(versions).await, "s1/1/true s1/2/false s2/1/true s3/1/true s4/1/true");
}

#[tokio::test]
async fn what_makes_no_new_version_beside_the_old_is_no_trial() {
    let stage = Stage::new(1, "I want a refund.").await;
    let of_states = |states: &[JobState]| JobFilter { states: states.to_vec(), ..JobFilter::default() };
    let refused = [
        ByHand { again: false, ..trial("a") },
        ByHand { from: Some(WorkStage::Recording), ..trial("b") },
        ByHand { filter: of_states(&[JobState::Done, JobState::Dead]), ..trial("c") },
    ];
    for order in &refused {
        let answer = stage.requeue(order).await;
        assert!(matches!(answer, Err(ByHandError::NoTrial(_))), "{order:?}: {answer:?}");
    }
    let wrong = on(&stage.database, &["requeue", "--all", "--trial"]).await;
    assert!(wrong.status == 2 && wrong.stderr.contains("--again"), "{}", wrong.stderr);
    let wrong = on(&stage.database, &["requeue", "--all", "--again", "--trial", "--from", "recording"]).await;
    assert!(wrong.status == 2 && wrong.stderr.contains("nothing can be on trial"), "{}", wrong.stderr);
    assert_eq!(stage.number("SELECT count(*) AS number FROM requeue_batches").await, 0);
    assert_eq!(stage.number("SELECT count(*) AS number FROM call_transcripts").await, 1);
}

#[tokio::test]
async fn whoever_goes_on_with_the_batch_goes_on_with_the_trial() {
    let stage = Stage::new(5, "I want a refund.").await;
    stage.requeue(&ByHand { canary: Some(Canary { jobs: 2, percent: 90 }), ..trial("try") }).await.unwrap();
    stage.run("UPDATE jobs SET state = 'done', finished_at = clock_timestamp() WHERE state = 'ready'").await;
    let connection = &mut *stage.store.connection().await.unwrap();
    attend(connection).await.unwrap();
    stage.run("UPDATE requeue_batches SET touched_at = now() - interval '1 minute'").await;
    assert_eq!(attend(connection).await.unwrap().len(), 3, "the scheduler moves the rest");
    let on_trial =
        "SELECT count(*) AS number FROM call_transcripts WHERE version = 2 AND NOT counts AND batch_id = (SELECT id FROM requeue_batches)";
    assert_eq!(stage.number(on_trial).await, 5);
    let asked = "SELECT count(*) AS number FROM jobs WHERE payload = '{\"wishes\": {\"model\": \"large-v3\"}}'";
    assert_eq!(stage.number(asked).await, 5);
}

#[tokio::test]
async fn what_failed_on_trial_is_requeued_on_trial_and_counts_when_it_is_done_again_to_count() {
    let stage = Stage::new(1, "I want a refund.").await;
    stage.requeue(&trial("try")).await.unwrap();
    let die = "UPDATE call_transcripts SET status = 'error', error_code = 'low_coverage' WHERE version = 2;
               UPDATE jobs SET state = 'dead', reason = 'low_coverage', finished_at = clock_timestamp()";
    let second = "SELECT status || ' ' || counts || ' ' || (SELECT name FROM requeue_batches WHERE id = batch_id) AS text
                  FROM call_transcripts WHERE version = 2";
    stage.run(die).await;
    let order = |name: &str| ByHand { trial: false, again: false, ..trial(name) };
    assert_eq!(stage.requeue(&order("once more")).await.unwrap().jobs, 1);
    assert_eq!(stage.text(second).await, "pending false try");
    stage.run(die).await;
    assert_eq!(stage.requeue(&ByHand { again: true, ..order("in earnest") }).await.unwrap().jobs, 1);
    assert_eq!(stage.text(second).await, "pending true in earnest");
    stage.complete("s1", 2, "large-v3", "I want an invoice.").await;
    assert_eq!((stage.counting().await.as_str(), stage.found("invoice").await), ("s1=2", vec!["s1".to_owned()]));
    stage.assert_searched().await;
}

#[tokio::test]
async fn a_recording_copied_anew_is_transcribed_to_count_though_a_trial_waited() {
    let stage = Stage::new(1, "I want a refund.").await;
    stage.requeue(&trial("try")).await.unwrap();
    let connection = &mut *stage.store.connection().await.unwrap();
    let job = list_jobs(connection, &JobFilter::default(), 1).await.unwrap().remove(0);
    let next = NewJob { transcript_id: job.transcript_id.map(TranscriptId), ..NewJob::new(JobKind::Transcription, "s1") };
    let version = version_anew(connection, callscribe::domain::JobId(job.id), &next).await.unwrap();
    assert_eq!(version, Some(stage.id("s1", 2).await));
    assert_eq!(stage.number("SELECT count(*) AS number FROM call_transcripts WHERE version = 2 AND counts").await, 1);
}
