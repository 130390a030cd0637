//! `requeue --from recording` all the way: downloaded and transcribed anew, while the old transcript counts until the new one is there.

use callscribe::{
    asr::whisper::Whisper,
    config::WhisperSettings,
    domain::{JobState, Stage as From, Wishes},
    ledger::{ByHand, Finished, JobFilter, requeue},
};
use callscribe_simulators::transcriber::{Fault as Refusal, Known, Profile, Transcriber, TranscriberPlan};
use callscribe_worker_transcribe::TranscribeHandler;

use super::*;
use crate::transcribe::desk::recipe;

/// One call whose recording is stored, and a transcriber.
struct Room {
    stage: Stage,
    server: Transcriber,
    transcribe: TranscribeHandler,
}

impl Room {
    async fn recorded() -> Self {
        let stage = Stage::with(vec![call()]).await;
        assert_eq!(stage.run().await, done());
        // a server that takes any model
        let server = Transcriber::start(TranscriberPlan::new(Profile::LocalAi)).await.unwrap();
        let settings = WhisperSettings::for_base_url(server.base_url().parse().unwrap());
        let whisper = Whisper::new(settings, Arc::new(SystemClock)).unwrap();
        let transcribe = TranscribeHandler::new(recipe(vec![Arc::new(whisper)]), stage.blob.clone());
        Self { stage, server, transcribe }
    }

    /// One run of the transcription that is due, finished as the runner does.
    async fn run_transcription(&self) -> Ended {
        let job = self.stage.claim_of(JobKind::Transcription).await;
        let outcome = self.transcribe.run(&job, &self.stage.context).await;
        self.stage.finish(&job, outcome).await
    }

    /// A run of the transcription that has its answer and has not finished.
    async fn unfinished(&self) -> (Claimed, callscribe::ledger::Effect) {
        let job = self.stage.claim_of(JobKind::Transcription).await;
        match self.transcribe.run(&job, &self.stage.context).await {
            Outcome::Done(effect) => (job, effect),
            other => panic!("not done: {other:?}"),
        }
    }

    async fn finish(&self, (job, effect): &(Claimed, callscribe::ledger::Effect)) -> Finished {
        finish_with(&mut self.stage.context.store.connection().await.unwrap(), job, effect).await.unwrap()
    }

    /// `callscribe requeue --from recording --again`, of everything.
    async fn requeue_from_recording(&self, wishes: Wishes) -> i64 {
        let filter = JobFilter { states: vec![JobState::Done, JobState::Dead], ..JobFilter::default() };
        let order = ByHand { again: true, from: Some(From::Recording), wishes, ..ByHand::new(filter, "ada@desk") };
        let (hints, _) = tokio::sync::mpsc::unbounded_channel();
        requeue(&self.stage.context.store, &order, &hints).await.unwrap().jobs
    }

    /// The version that counts, and what the call says.
    async fn counts(&self) -> String {
        let counts = "SELECT coalesce((SELECT version::text FROM current_transcripts), 'none') || ' ' || transcript_status AS text
                      FROM call_interactions";
        self.stage.text(counts).await
    }

    async fn versions(&self) -> String {
        let versions = "SELECT string_agg(version || ' ' || status || ' ' || coalesce(model, '-'), ', ' ORDER BY version) AS text
                        FROM call_transcripts";
        self.stage.text(versions).await
    }

    fn downloads(&self) -> usize {
        self.stage.webex.requests().count(|request| request.path.starts_with("/recordings/"))
    }
}

#[tokio::test]
async fn from_the_recording_on_a_call_is_downloaded_and_transcribed_anew_and_the_old_transcript_counts_until_then() {
    let room = Room::recorded().await;
    assert_eq!(room.run_transcription().await, done());
    assert_eq!((room.counts().await.as_str(), room.downloads()), ("1 complete", 1));
    let wishes = Wishes { model: Some("large-v3".to_owned()), language: Some("en".to_owned()), provider: None };
    assert_eq!(room.requeue_from_recording(wishes).await, 1);
    assert_eq!(room.counts().await, "1 complete");
    assert_eq!(room.stage.run().await, done());
    assert_eq!((room.counts().await.as_str(), room.downloads()), ("1 complete", 2), "it is stored, and downloaded all the same");
    room.server.faults().on(Refusal::Error(Known::Overloaded), When::First(1));
    assert_eq!(room.run_transcription().await, ended("retry", Reason::ProviderUnavailable));
    assert_eq!(room.counts().await, "1 complete", "a version that fails changes nothing");
    assert_eq!(room.run_transcription().await, done());
    assert_eq!(room.counts().await, "2 complete");
    assert_eq!(room.versions().await, "1 complete whisper-1, 2 complete large-v3");
    let asks = room.server.asks();
    let last = asks.last().unwrap();
    assert_eq!((last.model.as_str(), last.language.as_deref()), ("large-v3", Some("en")), "the wishes went through the recording");
    room.stage.no_parts_are_left().await;
}

#[tokio::test]
async fn a_transcription_that_runs_while_its_recording_is_copied_anew_is_done_again_from_the_new_copy() {
    let room = Room::recorded().await;
    let old = room.unfinished().await;
    assert_eq!(room.requeue_from_recording(Wishes::default()).await, 1);
    assert_eq!(room.stage.run().await, done());
    assert_eq!(room.finish(&old).await, Finished::LeaseLost, "what was made of the old copy is refused");
    assert_eq!(room.counts().await, "none pending");
    let lost = "SELECT string_agg(outcome || ' ' || reason || ' ' || run, ',') AS text FROM job_attempts";
    assert_eq!(room.stage.text(lost).await, "lost lease_lost 1", "the run is part of the history");
    assert_eq!(room.run_transcription().await, done());
    assert_eq!((room.counts().await.as_str(), room.versions().await.as_str()), ("1 complete", "1 complete whisper-1"));
    assert_eq!(room.server.asks().len(), 2);
    room.stage.no_parts_are_left().await;
}

#[tokio::test]
async fn a_transcription_that_ends_while_its_recording_is_copied_anew_is_followed_by_a_version_of_the_new_copy() {
    let room = Room::recorded().await;
    let old = room.unfinished().await;
    assert_eq!(room.requeue_from_recording(Wishes::default()).await, 1);
    assert!(matches!(room.finish(&old).await, Finished::Written(_)), "the new copy is not there yet");
    assert_eq!(room.stage.run().await, done());
    assert_eq!(room.versions().await, "1 complete whisper-1, 2 pending whisper-1");
    assert_eq!(room.counts().await, "1 complete");
    assert_eq!(room.run_transcription().await, done());
    assert_eq!(room.counts().await, "2 complete");
    let followed = "SELECT count(DISTINCT transcript_id)::text AS text FROM jobs";
    assert_eq!(room.stage.text(followed).await, "1", "both jobs stand for the new version");
    room.stage.no_parts_are_left().await;
}
