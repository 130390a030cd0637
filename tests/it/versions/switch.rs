//! What counts, switched forward and back: in steps, by several at once, beside workers, and never to nothing.

use callscribe::{
    domain::Reason,
    ledger::{BatchSwitched, ByHand, Canary, SwitchOfBatch, attend, switch_batch, would_switch},
    store::transcripts::{self, TranscriptTrouble},
};
use diesel_async::SimpleAsyncConnection;

use super::stage::{Stage, trial};
use crate::{
    cli::{json, on},
    harness,
};

async fn switch(stage: &Stage, name: &str, counts: bool) -> BatchSwitched {
    let asked = SwitchOfBatch { name: name.to_owned(), counts, actor: "ada@desk".to_owned(), why: Some("better names".to_owned()) };
    switch_batch(&stage.store, &asked).await.unwrap().unwrap()
}

/// Per batch switch in the audit log: who, which way and how many.
async fn audit(stage: &Stage) -> String {
    stage
        .text(
            "SELECT string_agg(concat_ws(' ', actor, why, details->>'batch', details->>'counts', details->>'switched'), '; ' ORDER BY id) AS text
             FROM audit_log WHERE action = 'switch'",
        )
        .await
}

#[tokio::test]
async fn a_batch_is_switched_forward_and_back_with_what_is_searched_and_twice_is_once() {
    let stage = Stage::tried("try", 2, "I want a refund.", "I want an invoice.").await;
    let would = would_switch(&mut stage.store.connection().await.unwrap(), "try", true).await.unwrap().unwrap();
    assert_eq!((would.switched, would.to_come, would.kept), (2, 0, 0));
    assert_eq!(stage.counting().await, "s1=1 s2=1", "a dry run changes nothing");
    let both = vec!["s1".to_owned(), "s2".to_owned()];
    let forward = switch(&stage, "try", true).await;
    assert_eq!((forward.switched, forward.to_come, forward.kept, forward.overtaken), (2, 0, 0, 0));
    assert_eq!((stage.counting().await.as_str(), stage.found("invoice").await), ("s1=2 s2=2", both.clone()));
    assert_eq!(stage.found("refund").await, Vec::<String>::new());
    stage.assert_searched().await;
    assert_eq!(switch(&stage, "try", true).await, BatchSwitched::default(), "twice is once");
    assert_eq!(switch(&stage, "try", false).await.switched, 2);
    assert_eq!(
        (stage.counting().await.as_str(), stage.found("refund").await),
        ("s1=1 s2=1", both),
        "an older version takes its place again"
    );
    stage.assert_searched().await;
    assert_eq!(audit(&stage).await, "ada@desk better names try true 2; ada@desk better names try false 2");
    let asked = SwitchOfBatch { name: "nobody".to_owned(), counts: true, actor: String::new(), why: None };
    assert_eq!(switch_batch(&stage.store, &asked).await.unwrap(), None);
}

#[tokio::test]
async fn a_switch_that_is_cut_off_keeps_what_it_did_and_the_same_again_does_the_rest() {
    let calls = 230;
    let stage = Stage::tried("try", calls, "I want a refund.", "I want an invoice.").await;
    // the first step takes 200 legs in order of their ids; the second meets this
    stage
        .run(
            "CREATE FUNCTION cut_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the plug is pulled'; END $$;
             CREATE TRIGGER cut_off BEFORE UPDATE ON call_transcripts FOR EACH ROW WHEN (new.session_id = 's99' AND new.counts) EXECUTE FUNCTION cut_off()",
        )
        .await;
    let asked = SwitchOfBatch { name: "try".to_owned(), counts: true, actor: "ada@desk".to_owned(), why: None };
    assert!(switch_batch(&stage.store, &asked).await.is_err());
    let counting = "SELECT count(*) AS number FROM current_transcripts WHERE version = 2";
    assert_eq!(stage.number(counting).await, 200);
    stage.assert_searched().await;
    stage.run("DROP TRIGGER cut_off ON call_transcripts; DROP FUNCTION cut_off").await;
    assert_eq!(switch(&stage, "try", true).await.switched, 30);
    assert_eq!(stage.number(counting).await, i64::from(calls));
    assert_eq!(stage.found("invoice").await.len(), 230);
    stage.assert_searched().await;
    let told = "SELECT sum((details->>'switched')::bigint)::bigint AS number FROM audit_log WHERE action = 'switch'";
    assert_eq!(stage.number(told).await, 230, "the entry of the one that was cut off tells what it did");
}

#[tokio::test]
async fn what_is_still_to_be_made_is_switched_along() {
    let stage = Stage::new(4, "I want a refund.").await;
    stage.requeue(&ByHand { canary: Some(Canary { jobs: 2, percent: 0 }), ..trial("try") }).await.unwrap();
    let begun = stage.text("SELECT min(session_id) AS text FROM call_transcripts WHERE version = 2").await;
    stage.complete(&begun, 2, "large-v3", "I want an invoice.").await;
    let done = switch(&stage, "try", true).await;
    assert_eq!((done.switched, done.to_come), (1, 1));
    assert_eq!(stage.found("invoice").await, std::slice::from_ref(&begun));
    let other = stage.text(&format!("SELECT session_id AS text FROM call_transcripts WHERE version = 2 AND session_id <> '{begun}'")).await;
    stage.complete(&other, 2, "large-v3", "I want an invoice.").await;
    assert_eq!(stage.found("invoice").await.len(), 2, "it counts once it is complete");
    // the rest of the batch, which nobody had begun when it was switched
    let connection = &mut *stage.store.connection().await.unwrap();
    attend(connection).await.unwrap();
    stage.run("UPDATE requeue_batches SET touched_at = now() - interval '1 minute'").await;
    assert_eq!(attend(connection).await.unwrap().len(), 2);
    assert_eq!(stage.number("SELECT count(*) AS number FROM call_transcripts WHERE version = 2 AND counts").await, 4);
    let done = switch(&stage, "try", false).await;
    assert_eq!((done.switched, done.to_come), (2, 2));
    for call in 1..=4 {
        let session = format!("s{call}");
        if session != begun && session != other {
            stage.complete(&session, 2, "large-v3", "I want an invoice.").await;
        }
    }
    assert_eq!(stage.counting().await, "s1=1 s2=1 s3=1 s4=1");
    stage.assert_searched().await;
}

#[tokio::test]
async fn a_batch_that_was_never_on_trial_is_switched_back_and_again() {
    let stage = Stage::new(1, "I want a refund.").await;
    stage.requeue(&ByHand { trial: false, ..trial("friday") }).await.unwrap();
    stage.complete("s1", 2, "large-v3", "I want an invoice.").await;
    assert_eq!(stage.counting().await, "s1=2");
    assert_eq!(switch(&stage, "friday", false).await.switched, 1);
    assert_eq!((stage.counting().await.as_str(), stage.found("refund").await), ("s1=1", vec!["s1".to_owned()]));
    // a later version that counts stands in front of it
    stage.requeue(&ByHand { trial: false, ..trial("saturday") }).await.unwrap();
    stage.complete("s1", 3, "large-v3", "I want a parcel.").await;
    let done = switch(&stage, "friday", true).await;
    assert_eq!((done.switched, done.overtaken, stage.counting().await.as_str()), (1, 1, "s1=3"));
    assert_eq!(switch(&stage, "saturday", false).await.switched, 1);
    assert_eq!((stage.counting().await.as_str(), stage.found("invoice").await), ("s1=2", vec!["s1".to_owned()]));
    stage.assert_searched().await;
}

#[tokio::test]
async fn no_call_is_left_without_a_transcript() {
    let stage = Stage::tried("try", 3, "I want a refund.", "I want an invoice.").await;
    switch(&stage, "try", true).await;
    stage.run("UPDATE call_transcripts SET counts = false WHERE session_id = 's2' AND version = 1").await;
    let would = on(&stage.database, &["batch", "switch", "try", "--back", "--dry-run"]).await;
    assert_eq!(
        (would.status, would.stdout.as_str()),
        (0, "would switch 2 transcripts back\n1 left counting: nothing else of the call would\n")
    );
    let told = on(&stage.database, &["batch", "switch", "try", "--back", "--why", "worse"]).await;
    assert_eq!(told.status, 1, "{}", told.stdout);
    assert!(told.stderr.contains("call `s2`, leg main: no other complete version counts\n"), "{}", told.stderr);
    assert!(told.stderr.contains("hint: `callscribe calls switch SESSION --to VERSION`"), "{}", told.stderr);
    assert_eq!(stage.counting().await, "s1=1 s2=2 s3=1");
    stage.assert_searched().await;
    let told = on(&stage.database, &["calls", "switch", "s2", "--to", "1"]).await;
    assert_eq!((told.status, told.stdout.as_str()), (0, "switched s2, leg main, from version 2 to version 1\nno longer counting: 2\n"));
    let told = on(&stage.database, &["batch", "switch", "try", "--back"]).await;
    assert_eq!((told.status, told.stdout.as_str()), (0, "switched 0 transcripts back\n"), "{}", told.stderr);
    stage.assert_searched().await;
}

#[tokio::test]
async fn one_call_is_switched_to_the_version_that_is_named() {
    let stage = Stage::tried("try", 2, "I want a refund.", "I want an invoice.").await;
    stage.requeue(&ByHand { trial: false, ..trial("later") }).await.unwrap();
    let told = on(&stage.database, &["calls", "switch", "s1", "--to", "2", "--dry-run"]).await;
    assert_eq!(told.stdout, "would switch s1, leg main, from version 1 to version 2\nno longer counting: 3\n", "{}", told.stderr);
    assert_eq!(stage.counting().await, "s1=1 s2=1");
    let told = json(&on(&stage.database, &["calls", "switch", "s1", "--to", "2", "--why", "names", "--json"]).await);
    assert_eq!(
        (&told["from"], &told["to"], &told["not_counting"], &told["changed"]),
        (&1.into(), &2.into(), &[3].as_slice().into(), &true.into())
    );
    assert_eq!((stage.counting().await.as_str(), stage.found("invoice").await), ("s1=2 s2=1", vec!["s1".to_owned()]));
    stage.complete("s1", 3, "large-v3", "I want a parcel.").await;
    assert_eq!((stage.counting().await.as_str(), stage.found("parcel").await), ("s1=2 s2=1", vec![]), "what was being made does not count");
    let again = on(&stage.database, &["calls", "switch", "s1", "--to", "2"]).await;
    assert_eq!((again.status, again.stdout.as_str()), (0, "version 2 of leg main counts already\n"));
    let refused = on(&stage.database, &["calls", "switch", "s2", "--to", "3"]).await;
    assert!(refused.status == 1 && refused.stderr.contains("there is no complete version 3 of leg `main`"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: complete are: 1, 2"), "{}", refused.stderr);
    let refused = on(&stage.database, &["calls", "switch", "s2", "--to", "1", "--leg", "consult"]).await;
    assert!(refused.status == 1 && refused.stderr.contains("hint: none is complete"), "{}", refused.stderr);
    let kept =
        "SELECT concat_ws(' ', why, details->>'session', details->>'from', details->>'to') AS text FROM audit_log WHERE action = 'switch'";
    assert_eq!(stage.text(kept).await, "names s1 1 2");
    assert_eq!(
        stage.number("SELECT count(*) AS number FROM audit_log WHERE action = 'switch'").await,
        1,
        "what changes nothing is not told"
    );
    stage.assert_searched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_switch_opposite_ways_leave_one_way() {
    let stage = Stage::tried("try", 12, "I want a refund.", "I want an invoice.").await;
    for _ in 0..5 {
        let (forward, back) = tokio::join!(switch(&stage, "try", true), switch(&stage, "try", false));
        let mixed = "SELECT count(*) AS number FROM call_transcripts AS t JOIN requeue_batches AS b ON b.id = t.batch_id WHERE t.counts <> b.counts";
        assert_eq!(stage.number(mixed).await, 0, "{forward:?} {back:?}");
        stage.assert_searched().await;
    }
    switch(&stage, "try", false).await;
    let (one, other) = tokio::join!(switch(&stage, "try", true), switch(&stage, "try", true));
    assert_eq!(one.switched + other.switched, 12, "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_and_failures_that_are_written_together_wait_in_one_order() {
    let stage = Stage::new(10, "I want a refund.").await;
    stage.requeue(&trial("try")).await.unwrap();
    // in order of ids `s10` comes before `s2`, in the order of this list and of the rows after it
    let ids = [stage.id("s2", 2).await, stage.id("s10", 2).await];
    let troubles = ids.map(|id| TranscriptTrouble { id, reason: Reason::LowCoverage, message: "half".to_owned() });
    let (first, second, holding) = (stage.database.store(), stage.database.store(), stage.database.store());
    let holder = &mut *holding.connection().await.unwrap();
    holder.batch_execute(&format!("BEGIN; SELECT FROM call_transcripts WHERE id = '{}' FOR UPDATE", ids[0].0)).await.unwrap();
    let waiting = async |many: i64| {
        let waiting = "SELECT count(*) AS number FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        harness::eventually("they wait", async || stage.number(waiting).await == many).await;
    };
    let failing = async { transcripts::fail(&mut first.connection().await.unwrap(), &troubles).await };
    let switching = async {
        waiting(1).await;
        let asked = SwitchOfBatch { name: "try".to_owned(), counts: true, actor: "ada@desk".to_owned(), why: None };
        switch_batch(&second, &asked).await
    };
    let letting_go = async {
        waiting(2).await;
        holder.batch_execute("COMMIT").await
    };
    let (failed, switched, let_go) = tokio::join!(failing, switching, letting_go);
    let_go.unwrap();
    failed.expect("a deadlock would have ended one of the two");
    assert_eq!(switched.unwrap().unwrap().to_come, 10);
    assert_eq!(stage.number("SELECT count(*) AS number FROM call_transcripts WHERE status = 'error' AND counts").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_workers_complete_meanwhile_is_searched_exactly_if_it_counts() {
    let stage = Stage::new(10, "I want a refund.").await;
    stage.requeue(&trial("try")).await.unwrap();
    let work = async {
        for call in 1..=10 {
            stage.complete(&format!("s{call}"), 2, "large-v3", "I want an invoice.").await;
        }
    };
    let people = async {
        for turn in 0..6 {
            switch(&stage, "try", turn % 2 == 0).await;
        }
    };
    tokio::join!(work, people);
    stage.assert_searched().await;
    assert_eq!(stage.number("SELECT count(*) AS number FROM current_transcripts WHERE version = 1").await, 10, "the last turn was back");
    switch(&stage, "try", true).await;
    assert_eq!(stage.found("invoice").await.len(), 10);
    stage.assert_searched().await;
}
