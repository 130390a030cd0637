//! Audio that is kept no longer: what goes and what stays, whatever kills the run on the way.

mod archive;
mod commands;
mod metadata;
mod races;
mod steps;

use std::time::Duration;

use callscribe::{
    config::{KeepSettings, ReconcileSettings, RetentionSettings, WebhookSettings},
    domain::{GapKind, SessionId, SourceName},
    schedule::{self, SchedulerOptions},
    store::{
        completeness,
        holds::{hold_call, holds, release_call},
        retention::{aged_queues, begin_deletion, deletions, last_report},
    },
};
use tokio_util::sync::CancellationToken;

use self::archive::{Archive, DAY, keys, planned, policy};
use crate::{
    harness,
    ledger::{execute, number},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audio_goes_at_its_queues_age_with_all_that_lies_beside_it_and_nothing_younger_is_touched() {
    let archive = Archive::new().await;
    let calls =
        [("old", None, 31), ("young", None, 29), ("sold", Some("Sales"), 91), ("selling", Some("Sales"), 89), ("law", Some("Legal"), 999)];
    for (session, queue, days) in calls {
        archive.call(session, queue, days).await;
    }
    let would = aged_queues(&mut archive.store.connection().await.unwrap(), &policy()).await.unwrap();
    let mut would: Vec<_> =
        would.iter().map(|queue| (queue.queue_name.as_deref(), queue.verdict.as_str(), queue.recordings, queue.bytes)).collect();
    would.sort();
    assert_eq!(would, [(None, "due", 1, 4), (Some("Sales"), "due", 1, 4)]);
    archive.run().await;
    for (session, status, objects) in
        [("old", "deleted", 0), ("young", "stored", 3), ("sold", "deleted", 0), ("selling", "stored", 3), ("law", "stored", 3)]
    {
        assert_eq!(archive.fate(session).await, (status.to_owned(), objects), "{session}");
    }
    assert_eq!(archive.proven().await, [keys("old"), keys("sold")].concat());
    let proofs = deletions(&mut archive.store.connection().await.unwrap(), Some("sol"), 9).await.unwrap();
    assert_eq!(proofs.len(), 3);
    let proof = proofs.into_iter().find(|proof| proof.what == "audio").unwrap();
    assert_eq!((proof.session_id.as_str(), proof.size_bytes, proof.sha256), ("sold", Some(4), Some("a".repeat(64))));
    assert_eq!(proof.policy, "RETENTION_AUDIO_QUEUES 90d");
    // a second day finds nothing, and the proof outlives the call
    archive.run().await;
    execute(&archive.store, "DELETE FROM call_interactions WHERE session_id = 'old'").await;
    assert_eq!(archive.proven().await.len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_original_that_lies_apart_and_its_muted_copies_go_together() {
    let archive = Archive::new().await;
    archive.call("old", None, 31).await;
    let others = ["originals/old/r.wav", "originals/old/r.json", "old/r.muted-0123456789abcdef.wav"];
    for key in others.into_iter().chain(["originals/old/r2.wav"]) {
        archive.put(key).await;
    }
    execute(
        &archive.store,
        "UPDATE call_recordings SET object_key = 'originals/old/r.wav', muted_key = 'old/r.muted-0123456789abcdef.wav', muted_size_bytes = 4,
                muted_sha256 = repeat('b', 64), muted_at = now()",
    )
    .await;
    archive.run().await;
    assert_eq!(archive.fate("old").await, ("deleted".to_owned(), 0));
    let mut expected: Vec<String> = keys("old").into_iter().chain(others.map(str::to_owned)).collect();
    expected.sort();
    assert_eq!(archive.proven().await, expected);
    let left: Vec<_> = archive.blob.list("originals/").await.unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(left, ["originals/old/r2.wav"], "another recording's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_everything_is_kept_nothing_is_ever_deleted() {
    let archive = Archive::new().await;
    archive.call("old", None, 9_999).await;
    archive.run_by(RetentionSettings::keeping_everything()).await;
    assert_eq!(archive.fate("old").await, ("stored".to_owned(), 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_runs_only_tell_what_would_go() {
    let archive = Archive::new().await;
    archive.call("old", None, 31).await;
    let usual = RetentionSettings { notice: 7 * DAY, ..policy() };
    for days in [0, 6] {
        execute(
            &archive.store,
            &format!("UPDATE app_settings SET value = to_jsonb(now() - interval '{days} days') WHERE key = 'retention:since'"),
        )
        .await;
        archive.run_by(usual.clone()).await;
        assert_eq!((archive.fate("old").await, archive.under_way().await), (("stored".to_owned(), 3), 0), "after {days} days");
    }
    let told = last_report(&mut archive.store.connection().await.unwrap()).await.unwrap().unwrap();
    assert_eq!((told.recordings, told.bytes), (1, 4));
    execute(&archive.store, "UPDATE app_settings SET value = to_jsonb(now() - interval '8 days') WHERE key = 'retention:since'").await;
    archive.run_by(usual).await;
    assert_eq!(archive.fate("old").await, ("deleted".to_owned(), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audio_whose_transcript_is_not_complete_is_kept_and_told() {
    let archive = Archive::new().await;
    for (session, days) in [("pending", 31), ("error", 61), ("complete", 31)] {
        archive.call(session, None, days).await;
        archive.transcript(session, session).await;
    }
    archive.run().await;
    for (session, fate) in [("pending", ("stored", 3)), ("error", ("stored", 3)), ("complete", ("deleted", 0))] {
        assert_eq!(archive.fate(session).await, (fate.0.to_owned(), fate.1), "{session}");
    }
    let told = last_report(&mut archive.store.connection().await.unwrap()).await.unwrap().unwrap();
    assert_eq!((told.recordings, told.untranscribed), (1, 2));
    let would = aged_queues(&mut archive.store.connection().await.unwrap(), &policy()).await.unwrap();
    assert_eq!(would.iter().map(|queue| (queue.verdict.as_str(), queue.recordings)).collect::<Vec<_>>(), [("untranscribed", 2)]);
    // with an age of its own it goes in the end, and no sooner
    archive.run_by(RetentionSettings { untranscribed: Some(60 * DAY), ..policy() }).await;
    assert_eq!((archive.status("pending").await.as_str(), archive.status("error").await.as_str()), ("stored", "deleted"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_does_not_hide_what_goes_behind_it() {
    let archive = Archive::new().await;
    for call in 0..450 {
        archive.row(&format!("held-{call:03}"), None, 40).await;
    }
    execute(
        &archive.store,
        "INSERT INTO legal_holds (session_id, held_by, why) SELECT session_id, 'ada@here', 'case' FROM call_interactions",
    )
    .await;
    archive.call("old", None, 31).await;
    archive.run().await;
    assert_eq!(archive.fate("old").await, ("deleted".to_owned(), 0));
    let told = last_report(&mut archive.store.connection().await.unwrap()).await.unwrap().unwrap();
    assert_eq!((told.recordings, told.held), (1, 450));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_call_is_not_touched_until_it_is_released() {
    let archive = Archive::new().await;
    archive.call("held", None, 31).await;
    let session = SessionId::parse("held").unwrap();
    let mut connection = archive.store.connection().await.unwrap();
    for newly in [true, false] {
        let held = hold_call(&mut connection, &session, "ada@here", "litigation").await.unwrap();
        assert_eq!((held.newly, held.too_late, held.known), (newly, 0, true));
    }
    let seen = holds(&mut connection, Some(&session), 9).await.unwrap().remove(0);
    assert_eq!((seen.held_by.as_str(), seen.why.as_str()), ("ada@here", "litigation"));
    archive.run().await;
    assert_eq!(archive.fate("held").await, ("stored".to_owned(), 3));
    // decided upon before it was held: the decision is refused all the same
    release_call(&mut connection, &session, "ada@here", Some("settled")).await.unwrap();
    let (aged, job) = (archive.aged().await, archive.claim().await);
    hold_call(&mut connection, &session, "ada@here", "appeal").await.unwrap();
    assert!(!begin_deletion(&mut connection, &policy(), &aged, &planned("held"), job.id).await.unwrap());
    assert!(release_call(&mut connection, &session, "ada@here", None).await.unwrap());
    archive.run().await;
    assert_eq!(archive.fate("held").await, ("deleted".to_owned(), 0));
    assert_eq!(hold_call(&mut connection, &session, "ada@here", "too late").await.unwrap().too_late, 1);
    assert_eq!(number(&archive.store, "SELECT count(*) FROM audit_log WHERE action IN ('hold', 'release')").await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comparison_takes_deleted_audio_for_explained_and_not_for_missing() {
    let archive = Archive::new().await;
    archive.call("old", None, 31).await;
    archive.run().await;
    let now = callscribe::clock::Clock::now(&callscribe::clock::SystemClock);
    let window = callscribe::domain::Window::new(now - chrono::TimeDelta::days(40), now).unwrap();
    let org = callscribe::domain::OrgId::parse("org-1").unwrap();
    let day = completeness::Day { source: SourceName::Webex, org: &org, window, comparison: uuid::Uuid::new_v4() };
    let held = completeness::lacking(&mut archive.store.connection().await.unwrap(), &day).await.unwrap();
    assert_eq!((held.recordings.explained, held.recordings.missing), (1, 0));
    assert!(!held.lacks.iter().any(|lack| lack.kind == GapKind::Recordings), "{:?}", held.lacks);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_has_one_run_where_a_retention_is_set() {
    let archive = Archive::new().await;
    let hints = harness::hints().await;
    let runs = "SELECT count(*) FROM jobs WHERE kind = 'upkeep' AND payload ->> 'task' = 'retention'";
    let swept = "SELECT count(*) FROM backfills WHERE finished_at IS NOT NULL";
    let round =
        "INSERT INTO backfills (source, name, from_time, to_time, job_ids, actor) VALUES ('webex', 'a', 'epoch', now(), '{0}', 'x')";
    let lead = |retention: RetentionSettings, shutdown: &CancellationToken| {
        let options = SchedulerOptions {
            store: archive.database.store(),
            hints: hints.clone(),
            sources: Vec::new(),
            sync_interval: Duration::from_mins(10),
            enrich_interval: None,
            chat_channels: Vec::new(),
            webhook: WebhookSettings::default(),
            reconcile: ReconcileSettings::default(),
            keep: KeepSettings { retention, ..KeepSettings::default() },
            lease: Duration::from_secs(1),
            shutdown: shutdown.clone(),
        };
        tokio::spawn(schedule::run_scheduler(options))
    };
    execute(&archive.store, round).await;
    let off = CancellationToken::new();
    let scheduler = lead(RetentionSettings::keeping_everything(), &off);
    harness::eventually("a round went by", async || number(&archive.store, swept).await == 1).await;
    assert_eq!(number(&archive.store, runs).await, 0, "nobody asked for a retention");
    off.cancel();
    scheduler.await.unwrap();
    let on = CancellationToken::new();
    let schedulers = [lead(policy(), &on), lead(policy(), &on)];
    harness::eventually("the run is enqueued", async || number(&archive.store, runs).await == 1).await;
    on.cancel();
    for scheduler in schedulers {
        scheduler.await.unwrap();
    }
    assert_eq!(number(&archive.store, runs).await, 1);
}
