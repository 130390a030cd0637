//! Several recordings of one call: which is the call, which others are copied, and what becomes of each.

use callscribe::ledger::{finish_with, look_again};
use callscribe_simulators::webex::Leg as Part;

use super::*;

async fn stage(faults: impl IntoIterator<Item = Fault>, legs: LegPolicy) -> Stage {
    let plan = faults.into_iter().fold(WebexPlan::new(SEED, vec![call()]), |plan, fault| plan.with(fault, When::Always));
    Stage::staged(plan, LARGEST_BYTES, legs).await
}

impl Stage {
    async fn jobs_due(&self) -> i64 {
        let due =
            self.text("SELECT count(*)::text AS text FROM jobs WHERE kind = 'recording' AND state = 'ready' AND run_at <= now()").await;
        due.parse().unwrap()
    }

    /// Runs every job that is due, those that come of them too.
    async fn run_all(&self) {
        while self.jobs_due().await > 0 {
            self.run().await;
        }
    }

    fn downloads(&self) -> usize {
        self.webex.requests().count(|request| request.path.starts_with("/recordings/"))
    }

    /// What follows from the vendor's counting so many recordings of the one call, a quarter of an hour after its job ended.
    async fn counted(&self, recordings: i32) -> usize {
        self.sql("UPDATE jobs SET finished_at = now() - interval '15 minutes' WHERE finished_at IS NOT NULL").await;
        self.told(recordings).await
    }

    async fn told(&self, recordings: i32) -> usize {
        let session = SessionId::parse(self.webex.truth_at(0).unwrap().session_id.to_string()).unwrap();
        let mut connection = self.context.store.connection().await.unwrap();
        // a call may come twice on a page
        look_again(&mut connection, &[(&session, recordings), (&session, 1)]).await.unwrap().len()
    }

    async fn stored(&self, id: &str) -> String {
        self.text(&format!(
            "SELECT coalesce(max(status || ' ' || sha256), 'none') AS text FROM call_recordings WHERE recording_id = '{id}'"
        ))
        .await
    }
}

#[tokio::test]
async fn a_policy_of_all_stores_each_recording_once_and_transcribes_each_leg_once() {
    let stage = stage([Fault::SeveralLegs, Fault::VaLegs], LegPolicy::all()).await;
    stage.run_all().await;
    let truth = stage.webex.truth_at(0).unwrap();
    let call = truth.session_id.to_string();
    assert_eq!(stage.stored(&call).await, format!("stored {}", truth.sha256().unwrap()));
    for part in Part::ALL {
        let (id, recording) = stage.webex.leg_of(0, part).unwrap();
        assert_eq!(stage.stored(&id.to_string()).await, format!("stored {}", recording.sha256()), "{part:?}");
    }
    assert_eq!(stage.downloads(), 6);
    assert_eq!(stage.objects().await.len(), 12, "an object and a document for each");
    assert_eq!(stage.text("SELECT recording_id AS text FROM call_interactions").await, call);
    let legs = "SELECT string_agg(t.leg || '=' || r.leg, ' ' ORDER BY t.leg) AS text FROM call_transcripts t JOIN call_recordings r USING (session_id, recording_id)
                WHERE t.audio_url LIKE '%/' || t.recording_id || '.wav'";
    assert_eq!(stage.text(legs).await, "consult=consult main=main va-consult=va-consult va-main=va-main");
    let jobs = "SELECT count(*) || ' ' || count(DISTINCT key) || ' ' || count(DISTINCT transcript_id) AS text FROM jobs WHERE kind = 'transcription'";
    assert_eq!(stage.text(jobs).await, "4 4 4");

    again(&stage).await;
    stage.run_all().await;
    assert_eq!(stage.downloads(), 6, "nothing is fetched twice");
    assert_eq!(stage.text(jobs).await, "4 4 4");
    stage.no_parts_are_left().await;
}

#[tokio::test]
async fn a_job_killed_after_it_noted_the_offers_makes_no_second_job_of_any() {
    let stage = stage([Fault::SeveralLegs], LegPolicy { legs: vec![Leg::Main, Leg::Consult], segments: false }).await;
    let killed = stage.claim().await;
    // it ran to its end, and what it would have written with its end is lost
    drop(stage.handler.run(&killed, &stage.context).await);
    stage.sql("UPDATE jobs SET state = 'ready', run_at = now() WHERE kind = 'recording'").await;
    stage.run_all().await;
    assert_eq!(stage.text("SELECT count(*)::text AS text FROM jobs WHERE kind = 'recording'").await, "2");
    assert_eq!(
        stage.text("SELECT string_agg(leg || ':' || status, ' ' ORDER BY leg, status) AS text FROM call_recordings").await,
        "consult:stored main:skipped main:skipped main:stored"
    );
    assert_eq!(stage.downloads(), 3, "the call twice, since nothing told that it was there, the consultation once");
    let late =
        finish_with(&mut stage.context.store.connection().await.unwrap(), &killed, &callscribe::ledger::Effect::none()).await.unwrap();
    assert_eq!(late, callscribe::ledger::Finished::LeaseLost);
}

#[tokio::test]
async fn a_call_of_which_only_a_consultation_was_recorded_ends_without_recording_and_keeps_the_consultation() {
    let stage = stage([Fault::OnlyConsult], LegPolicy { legs: vec![Leg::Main, Leg::Consult], segments: false }).await;
    for _ in 0..3 {
        stage.run_all().await;
        assert_eq!(stage.text("SELECT coalesce(recording_id, 'none') AS text FROM call_interactions").await, "none");
        stage.sql("UPDATE jobs SET run_at = now() WHERE state = 'ready'").await;
    }
    let (id, consult) = stage.webex.leg_of(0, Part::Consult).unwrap();
    assert_eq!(stage.stored(&id.to_string()).await, format!("stored {}", consult.sha256()));
    let ends = stage
        .text("SELECT string_agg(leg || ':' || status || ':' || coalesce(error_code, '-'), ' ' ORDER BY leg) AS text FROM call_transcripts")
        .await;
    assert_eq!(ends, "consult:downloading:- main:error:no_recording");
    assert_eq!(stage.text("SELECT transcript_status AS text FROM call_interactions").await, "error");
    stage.database.assert_consistent().await;
}

#[tokio::test]
async fn a_call_recorded_in_pieces_keeps_every_piece_and_says_that_the_longest_stands_for_it() {
    let stage = stage([Fault::OnlySegments], LegPolicy::main_only()).await;
    stage.run_all().await;
    let (id, longest) = stage.webex.leg_of(0, Part::SecondSegment).unwrap();
    assert_eq!(stage.stored(&id.to_string()).await, format!("stored {}", longest.sha256()));
    assert_eq!(stage.text("SELECT recording_id AS text FROM call_interactions").await, id.to_string());
    let rows = "SELECT string_agg(status || ':' || segment || ':' || array_to_string(flags, ','), ' ' ORDER BY started_at) AS text FROM call_recordings";
    assert_eq!(stage.text(rows).await, "stored:true: stored:true:only_segments");
    assert_eq!(stage.text("SELECT count(*)::text AS text FROM jobs WHERE kind = 'transcription'").await, "1");
}

#[tokio::test]
async fn old_data_without_names_of_legs_still_tells_the_call_from_its_consultation() {
    let stage = stage([Fault::SeveralLegs, Fault::MissingLabels, Fault::StringTimes], LegPolicy::main_only()).await;
    assert_eq!(stage.run().await, done());
    let truth = stage.webex.truth_at(0).unwrap();
    assert_eq!(stage.stored(&truth.session_id.to_string()).await, format!("stored {}", truth.sha256().unwrap()));
    assert_eq!(stage.text("SELECT recording_id AS text FROM call_interactions").await, truth.session_id.to_string());
    assert_eq!(stage.text("SELECT count(*)::text AS text FROM call_recordings WHERE status = 'stored'").await, "1");
}

#[tokio::test]
async fn an_api_that_does_not_know_virtual_agents_is_asked_without_them() {
    let stage = stage([Fault::VaRecordingsUnknown, Fault::VaLegs], LegPolicy::all()).await;
    assert_eq!(stage.run().await, done());
    assert_eq!(stage.text("SELECT string_agg(leg || ':' || status, ' ') AS text FROM call_recordings").await, "main:stored");
}

#[tokio::test]
async fn the_summary_of_a_call_is_asked_for_by_one_job_of_its_own_and_only_when_summaries_are_wanted() {
    let stage = stage([Fault::SeveralLegs], LegPolicy::all()).await;
    let summaries = "SELECT count(*) || coalesce(max(key), '') AS text FROM jobs WHERE kind = 'upkeep'";
    stage.run_all().await;
    assert_eq!(stage.text(summaries).await, "0");
    let asking = Stage { handler: stage.handler.clone().asking_for_summaries(), ..stage };
    for _ in 0..2 {
        again(&asking).await;
        asking.run_all().await;
        assert_eq!(asking.text(summaries).await, format!("1{}/summary", asking.webex.truth_at(0).unwrap().session_id));
    }
}

#[tokio::test]
async fn a_leg_that_is_offered_after_the_job_was_done_is_noticed_by_the_vendors_count_and_nothing_is_fetched_twice() {
    let stage = stage([], LegPolicy::all()).await;
    stage.run_all().await;
    assert_eq!((stage.counted(1).await, stage.jobs_due().await), (0, 0), "all that is counted is held");
    stage.webex.faults().on(Fault::SeveralLegs, When::Always);
    stage
        .sql("UPDATE call_transcripts SET status = 'complete', transcript_text = 'as it was', transcript_json = '{}', completed_at = now()")
        .await;
    assert_eq!(stage.counted(4).await, 1);
    stage.run_all().await;
    assert_eq!(stage.text("SELECT count(*)::text AS text FROM call_recordings WHERE status = 'stored'").await, "4");
    assert_eq!(stage.downloads(), 4, "the call itself was fetched once");
    let own = "SELECT count(*)::text AS text FROM jobs WHERE kind = 'transcription' AND key = session_id";
    assert_eq!(stage.text(own).await, "1");
    assert_eq!(stage.text("SELECT transcript_text AS text FROM call_transcripts WHERE leg = 'main'").await, "as it was");
    assert_eq!(stage.counted(4).await, 0);
}

#[tokio::test]
async fn a_count_that_never_comes_true_ends_and_a_higher_one_is_looked_at_again() {
    let stage = stage([], LegPolicy::main_only()).await;
    stage.run_all().await;
    assert_eq!(stage.told(2).await, 0, "the job is done this very moment: the next count comes");
    for (count, looks) in [(2, 3), (3, 3), (2, 0)] {
        let mut looked = 0;
        for _ in 0..6 {
            looked += stage.counted(count).await;
            stage.run_all().await;
        }
        assert_eq!(looked, looks, "a count of {count}");
    }
    assert_eq!((stage.downloads(), stage.jobs_due().await), (1, 0));
}

#[tokio::test]
async fn a_call_given_up_as_never_recorded_is_looked_at_again_when_the_vendor_counts_a_recording() {
    let stage = stage([Fault::NeverRecorded], LegPolicy::main_only()).await;
    for _ in 0..3 {
        stage.run().await;
        stage.sql("UPDATE jobs SET run_at = now() WHERE state = 'ready'").await;
    }
    assert_eq!(stage.transcript_status().await, "error/error");
    stage.webex.faults().clear();
    assert_eq!(stage.counted(1).await, 1);
    assert_eq!(stage.transcript_status().await, "pending/pending");
    assert_eq!(stage.run().await, done());
    stage.database.assert_consistent().await;
}
