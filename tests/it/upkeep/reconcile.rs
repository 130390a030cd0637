//! What the vendor lists against what is held, and what is done about what is missing.

use std::time::Duration;

use callscribe::{
    domain::{JobKind, Reason, Repair, SessionId, SourceName, TranscriptId, Window},
    ledger::{self, Claimant, Handler, NewJob, Outcome, WorkerIdentity},
    schedule::{Reconcile, UpkeepTask},
    store::completeness::{DaySeen, days_seen, gaps_seen},
};
use chrono::TimeDelta;
use serde_json::json;

use super::{claim, claimed, handler, run};
use crate::{
    harness,
    sync::{Scene, Trouble, minutes, noon},
};

const HOUR: TimeDelta = TimeDelta::hours(1);

/// The day of `noon`, as someone asks for it.
pub(super) fn today(repair: Repair) -> serde_json::Value {
    task(Some(Window::new(noon() - HOUR, noon()).unwrap()), repair)
}

fn task(window: Option<Window>, repair: Repair) -> serde_json::Value {
    UpkeepTask::Reconcile(Reconcile { window, repair, actor: "someone@here".to_owned() }).to_json().unwrap()
}

/// Compares, and returns the day as the table tells it.
pub(super) async fn reconcile(scene: &Scene, task: serde_json::Value) -> DaySeen {
    let job = claimed(scene, SourceName::Webex, task).await;
    let outcome = run(scene, &job).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    ledger::finish_done(&mut scene.store.connection().await.unwrap(), job.lease, &[(job.id, job.run)]).await.unwrap();
    days(scene).await.pop().expect("the day is compared")
}

fn ever() -> Window {
    Window { from: noon() - TimeDelta::days(1_000), to: noon() + TimeDelta::days(1_000) }
}

async fn days(scene: &Scene) -> Vec<DaySeen> {
    days_seen(&mut scene.store.connection().await.unwrap(), SourceName::Webex, ever()).await.unwrap()
}

/// Kind, subject and reason of every gap.
pub(super) async fn gaps(scene: &Scene) -> Vec<(String, String, String)> {
    let seen = gaps_seen(&mut scene.store.connection().await.unwrap(), SourceName::Webex, ever(), 1_000).await.unwrap();
    seen.into_iter().map(|gap| (gap.kind, gap.subject, gap.reason)).collect()
}

pub(super) fn gap(kind: &str, subject: &str, reason: &str) -> (String, String, String) {
    (kind.to_owned(), subject.to_owned(), reason.to_owned())
}

/// Does what the sync, recording and transcription workers would do with whatever is due.
async fn others_work(scene: &Scene) {
    sync_works(scene).await;
    copies_work(scene).await;
}

/// Does the syncs that are due.
pub(super) async fn sync_works(scene: &Scene) {
    let connection = &mut scene.store.connection().await.unwrap();
    let worker = WorkerIdentity { host: "test".to_owned(), pid: 1, kinds: vec![JobKind::Sync] };
    let lease = ledger::begin_lease(connection, &worker, Duration::from_mins(1)).await.unwrap();
    let claimant = Claimant { kind: JobKind::Sync, lease, max_attempts: None };
    for job in ledger::claim_due(connection, claimant, 100).await.unwrap().jobs {
        scene.run(&job).await.assert_done();
        ledger::finish_done(connection, lease, &[(job.id, job.run)]).await.unwrap();
    }
}

/// Copies and transcribes what is due.
pub(super) async fn copies_work(scene: &Scene) {
    let copied = scene.ask(
        "SELECT coalesce(jsonb_agg(jsonb_build_array(session_id, transcript_id)), '[]') AS value FROM jobs WHERE kind = 'recording' AND state = 'ready'",
    );
    let copied: Vec<(String, uuid::Uuid)> = serde_json::from_value(copied.await).unwrap();
    let transcription = |(session, transcript): &(String, uuid::Uuid)| NewJob {
        source: Some(SourceName::Webex),
        session_id: Some(SessionId::parse(session.as_str()).unwrap()),
        transcript_id: Some(TranscriptId(*transcript)),
        ..NewJob::new(JobKind::Transcription, session)
    };
    let next: Vec<NewJob> = copied.iter().map(transcription).collect();
    ledger::enqueue_or_reopen(&mut scene.store.connection().await.unwrap(), &next).await.unwrap();
    for statement in [
        "INSERT INTO call_recordings (session_id, recording_id, status, object_key, size_bytes, sha256, stored_at)
         SELECT key, key, 'stored', key || '.wav', 1, repeat('0', 64), now() FROM jobs WHERE kind = 'recording' AND state = 'ready'
         ON CONFLICT (session_id, recording_id) DO NOTHING",
        "UPDATE call_transcripts AS t SET status = 'complete', transcript_text = '', transcript_json = '{}', completed_at = now()
         FROM jobs WHERE jobs.kind = 'transcription' AND jobs.state = 'ready' AND t.id = jobs.transcript_id",
        "UPDATE call_interactions AS c SET transcript_status = 'complete'
         FROM jobs WHERE jobs.kind = 'transcription' AND jobs.state = 'ready' AND c.session_id = jobs.session_id",
        "UPDATE jobs SET state = 'done', finished_at = now() WHERE kind IN ('recording', 'transcription') AND state = 'ready'",
    ] {
        crate::ledger::execute(&scene.store, statement).await;
    }
}

/// A tenant whose 25 calls of two hours ago are held, copied and transcribed.
pub(super) async fn whole() -> Scene {
    let mut scene = Scene::new().await;
    scene.settings.first_look_back = Duration::from_hours(12);
    scene.tenant.closed_calls(25, noon() - HOUR * 2);
    scene.live().await.assert_done();
    others_work(&scene).await;
    scene
}

pub(super) async fn execute(scene: &Scene, statements: &[&str]) {
    for statement in statements {
        crate::ledger::execute(&scene.store, statement).await;
    }
}

#[tokio::test]
async fn what_is_missing_is_named_and_fixed_and_nothing_else_is_touched() {
    let scene = whole().await;
    let day = reconcile(&scene, today(Repair::Nothing)).await;
    assert_eq!((day.calls_listed, day.recordings_stored, day.transcripts_complete, day.missing()), (25, 25, 25, 0), "{day:?}");

    execute(
        &scene,
        &[
            "DELETE FROM jobs WHERE session_id = 'call-3'",
            "DELETE FROM call_interactions WHERE session_id = 'call-3'",
            "DELETE FROM call_recordings WHERE session_id = 'call-5'",
            "UPDATE jobs SET state = 'dead', reason = 'provider_unavailable' WHERE kind = 'transcription' AND key = 'call-7'",
            "UPDATE call_transcripts SET status = 'error', error_code = 'provider_unavailable' WHERE session_id = 'call-7'",
            "UPDATE jobs SET state = 'dead', reason = 'audio_too_long' WHERE kind = 'transcription' AND key = 'call-9'",
            "UPDATE call_transcripts SET status = 'error', error_code = 'audio_too_long' WHERE session_id = 'call-9'",
            // it never had a recording, and that is known
            "DELETE FROM jobs WHERE kind = 'transcription' AND key = 'call-11'",
            "DELETE FROM call_recordings WHERE session_id = 'call-11'",
            "UPDATE jobs SET state = 'dead', reason = 'no_recording' WHERE kind = 'recording' AND key = 'call-11'",
            "UPDATE call_transcripts SET status = 'error', error_code = 'no_recording' WHERE session_id = 'call-11'",
            "UPDATE call_interactions SET transcript_status = 'error' WHERE session_id IN ('call-7', 'call-9', 'call-11')",
        ],
    )
    .await;
    let expected = vec![
        gap("calls", "call-3", "not_held"),
        gap("recordings", "call-5", "lost"),
        gap("transcripts", "call-7", "provider_unavailable"),
        gap("transcripts", "call-9", "audio_too_long"),
    ];
    let day = reconcile(&scene, today(Repair::Nothing)).await;
    assert_eq!(gaps(&scene).await, expected);
    assert_eq!((day.calls_missing, day.recordings_missing, day.transcripts_missing), (1, 1, 2));
    assert_eq!((day.recordings_expected, day.recordings_explained), (24, 1), "{day:?}");
    assert_eq!(scene.count("jobs WHERE open").await, 0, "looking changes nothing");

    reconcile(&scene, today(Repair::Everything)).await;
    let enqueued = scene.ask("SELECT jsonb_agg(kind || ' ' || coalesce(session_id, '') ORDER BY kind) AS value FROM jobs WHERE open").await;
    assert_eq!(enqueued, json!(["recording call-5", "sync ", "transcription call-7"]), "exactly what is missing and can be made");
    let audit = scene.ask("SELECT jsonb_agg(jsonb_build_array(actor, action) ORDER BY id) AS value FROM audit_log").await;
    assert_eq!(audit, json!([["someone@here", "reconcile"], ["someone@here", "requeue"], ["someone@here", "requeue"]]));
    let repaired = scene.count("completeness_gaps WHERE repaired_at IS NOT NULL").await;
    assert_eq!(repaired, 3, "what a person must see to is left");

    reconcile(&scene, today(Repair::Everything)).await;
    let twice = scene.count("jobs WHERE open").await;
    assert_eq!(twice, 3, "asking twice makes no more work");
    others_work(&scene).await;
    others_work(&scene).await;
    reconcile(&scene, today(Repair::Nothing)).await;
    assert_eq!(gaps(&scene).await, vec![gap("transcripts", "call-9", "audio_too_long")]);
    execute(&scene, &["DELETE FROM jobs WHERE kind = 'transcription' AND key = 'call-9'"]).await;
    reconcile(&scene, today(Repair::Everything)).await;
    others_work(&scene).await;
    let day = reconcile(&scene, today(Repair::Nothing)).await;
    assert_eq!((day.missing(), day.under_way(), gaps(&scene).await), (0, 0, vec![]), "complete: {day:?}");
    scene.database.assert_consistent().await;
}

#[tokio::test]
async fn a_call_that_never_got_its_transcript_and_job_gets_both() {
    let scene = whole().await;
    execute(
        &scene,
        &[
            "DELETE FROM jobs WHERE session_id IN ('call-1', 'call-2')",
            "DELETE FROM call_recordings WHERE session_id IN ('call-1', 'call-2')",
            "DELETE FROM call_transcripts WHERE session_id = 'call-1'",
            "UPDATE call_interactions SET transcript_status = 'none' WHERE session_id = 'call-1'",
            "UPDATE call_transcripts SET status = 'pending' WHERE session_id = 'call-2'",
            "UPDATE call_interactions SET transcript_status = 'pending' WHERE session_id = 'call-2'",
        ],
    )
    .await;
    reconcile(&scene, today(Repair::Everything)).await;
    assert_eq!(gaps(&scene).await, vec![gap("recordings", "call-1", "no_job"), gap("recordings", "call-2", "no_job")]);
    let jobs = "jobs WHERE kind = 'recording' AND open AND priority = 10 AND transcript_id IS NOT NULL AND max_attempts = 8";
    assert_eq!(scene.count(jobs).await, 2);
    others_work(&scene).await;
    assert_eq!(reconcile(&scene, today(Repair::Nothing)).await.missing(), 0);
    scene.database.assert_consistent().await;
}

#[tokio::test]
async fn a_vendor_that_is_ahead_shows_no_gap_until_two_syncs_had_their_chance() {
    let scene = whole().await;
    scene.tenant.open("goes-on", noon() - HOUR);
    scene.tenant.closed("just-over", noon() - minutes(23));
    let day = reconcile(&scene, today(Repair::Nothing)).await;
    assert_eq!((day.calls_listed, day.calls_open, day.missing()), (27, 2, 0), "{day:?}");
    assert_eq!(gaps(&scene).await, vec![]);
    scene.clock.advance(minutes(10));
    reconcile(&scene, today(Repair::Nothing)).await;
    assert_eq!(gaps(&scene).await, vec![gap("calls", "just-over", "not_held")], "a call that nobody brought");
}

#[tokio::test]
async fn a_call_that_ended_long_ago_and_is_held_open_is_a_gap_and_closed_by_the_repair() {
    let scene = whole().await;
    execute(&scene, &["UPDATE call_interactions SET closed = false, vendor_status = NULL WHERE session_id = 'call-4'"]).await;
    reconcile(&scene, today(Repair::Calls)).await;
    assert_eq!(gaps(&scene).await, vec![gap("calls", "call-4", "still_open")]);
    others_work(&scene).await;
    assert_eq!(reconcile(&scene, today(Repair::Nothing)).await.missing(), 0);
}

#[tokio::test]
async fn a_comparison_killed_half_way_goes_on_at_its_page_and_counts_nothing_twice() {
    let scene = whole().await;
    execute(&scene, &["DELETE FROM call_interactions WHERE session_id IN ('call-1', 'call-15')"]).await;
    let before = scene.tenant.asked().len();
    scene.tenant.trouble(before + 2, Trouble::Hang);
    let job = claimed(&scene, SourceName::Webex, today(Repair::Calls)).await;
    let (handler, (context, _heard)) = (handler(&scene), scene.context());
    let killed = tokio::spawn({
        let job = job.clone();
        async move { handler.run(&job, &context).await }
    });
    harness::eventually("the first page is compared and the second asked for", async || {
        scene.tenant.asked().len() == before + 2 && scene.count("completeness_gaps").await == 1
    })
    .await;
    killed.abort();
    scene.lose(&job).await;
    let job = claim(&scene).await;
    assert!(matches!(run(&scene, &job).await, Outcome::Done(_)));
    assert_eq!(scene.tenant.asked().len() - before, 4, "one page, the second twice, the third");
    let day = days(&scene).await.pop().unwrap();
    assert_eq!((day.calls_listed, day.calls_missing), (25, 2), "{day:?}");
    assert_eq!(scene.count("jobs WHERE kind = 'sync' AND open").await, 1, "one window around both");
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_compares_nothing() {
    let scene = whole().await;
    let job = claimed(&scene, SourceName::Webex, today(Repair::Everything)).await;
    scene.lose(&job).await;
    let outcome = run(&scene, &job).await;
    assert!(matches!(&outcome, Outcome::Retry(why) if why.reason == Reason::LeaseLost), "{outcome:?}");
    assert_eq!(scene.count("completeness_windows").await, 0);
}

#[tokio::test]
async fn a_day_too_wide_for_the_vendor_is_compared_in_pieces() {
    let scene = whole().await;
    scene.tenant.answers_at_most(minutes(40));
    let day = reconcile(&scene, today(Repair::Nothing)).await;
    assert_eq!((day.calls_listed, day.missing()), (25, 0));
}

#[tokio::test]
async fn what_the_vendor_could_not_be_made_to_tell_and_what_cannot_be_read_is_red() {
    let scene = whole().await;
    let next = scene.tenant.asked().len() + 1;
    scene.tenant.trouble(next, Trouble::Gap);
    scene.tenant.trouble(next + 1, Trouble::Unreadable);
    let day = reconcile(&scene, today(Repair::Everything)).await;
    let reasons: Vec<_> = gaps(&scene).await.into_iter().map(|(kind, _, reason)| (kind, reason)).collect();
    let red = |reason: &str| ("calls".to_owned(), reason.to_owned());
    assert!(reasons.contains(&red("possible_gap")) && reasons.contains(&red("unreadable")), "{reasons:?}");
    assert_eq!(day.calls_missing, 2);
    assert_eq!(scene.count("jobs WHERE open").await, 0, "nothing would come of asking again");
    assert_eq!(reconcile(&scene, today(Repair::Nothing)).await.missing(), 0, "a comparison that tells everything clears it");
}

#[tokio::test]
async fn a_night_compares_from_the_first_sync_on_and_again_what_was_late() {
    let mut scene = Scene::new().await;
    scene.settings.first_look_back = Duration::from_hours(40);
    scene.tenant.closed_calls(5, noon() - HOUR * 60);
    scene.tenant.closed("kept", noon() - HOUR * 30);
    let before = task(None, Repair::Calls);
    let job = claimed(&scene, SourceName::Webex, before.clone()).await;
    assert!(matches!(run(&scene, &job).await, Outcome::Done(_)));
    assert_eq!(days(&scene).await, vec![], "nothing was ever synced");
    scene.live().await.assert_done();
    others_work(&scene).await;
    reconcile(&scene, before.clone()).await;
    let first: Vec<_> = days(&scene).await.iter().map(|day| (day.window_from, day.calls_listed)).collect();
    let midnight = noon() - HOUR * 12;
    assert_eq!(first, [(noon() - HOUR * 40, 0), (midnight - HOUR * 24, 1), (midnight, 0)], "calls of before are not missing");

    // a week without a scheduler, and a call that nobody brought on the day before it
    scene.tenant.closed("late", noon() - HOUR * 20);
    scene.clock.advance(TimeDelta::days(7));
    reconcile(&scene, before).await;
    assert_eq!(days(&scene).await.len(), 3 + 7, "every day since");
    assert_eq!(gaps(&scene).await, vec![], "and the day before yesterday's week is whole until it is asked again");
    let asked = task(Some(Window::new(noon() - HOUR * 20, noon()).unwrap()), Repair::Nothing);
    reconcile(&scene, asked).await;
    assert_eq!(gaps(&scene).await, vec![gap("calls", "late", "not_held")]);
    // a day with a gap is compared again however old it is, until it has none
    scene.clock.advance(TimeDelta::days(30));
    execute(&scene, &["UPDATE completeness_gaps SET reason = 'unreadable' WHERE subject = 'late'"]).await;
    reconcile(&scene, task(None, Repair::Calls)).await;
    assert_eq!(gaps(&scene).await, vec![gap("calls", "late", "not_held")]);
}

#[tokio::test]
async fn a_part_of_a_day_is_told_by_the_whole_day_once_that_is_compared() {
    let mut scene = Scene::new().await;
    scene.settings.first_look_back = Duration::from_hours(40);
    scene.tenant.closed("kept", noon() - HOUR * 38);
    scene.live().await.assert_done();
    others_work(&scene).await;
    scene.tenant.trouble(scene.tenant.asked().len() + 1, Trouble::Unreadable);
    reconcile(&scene, task(None, Repair::Nothing)).await;
    let froms = async |scene: &Scene| days(scene).await.iter().map(|day| day.window_from).collect::<Vec<_>>();
    let midnights = [60, 36, 12].map(|hours| noon() - HOUR * hours);
    assert_eq!(froms(&scene).await, [noon() - HOUR * 40, midnights[1], midnights[2]], "the history begins in the first of them");
    assert_eq!(gaps(&scene).await.len(), 1);
    reconcile(&scene, task(Some(Window::new(midnights[0], noon()).unwrap()), Repair::Nothing)).await;
    assert_eq!(froms(&scene).await, midnights);
    assert_eq!(gaps(&scene).await, vec![], "what the part lacked is not red for ever");
}
