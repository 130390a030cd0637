//! Which version of a transcript counts: the newest complete one that is not on trial, in whatever order things happen.

mod compare;
mod stage;
mod switch;
mod trial;

use callscribe::{
    domain::{Reason, TranscriptId},
    ledger::process_rng,
    store::{
        Store,
        recordings::begin_downloading,
        transcriptions::{MadeTranscript, begin_transcribing, complete_transcript},
        transcripts::{self, Asked, TranscriptTrouble},
    },
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    harness,
    ledger_rows::{dead_transcriptions, number},
};

/// What may happen to the latest version of a transcript.
const EVENTS: [&str; 8] = ["download", "transcribe", "complete", "fail", "cancel", "wait", "reopen", "again"];

struct Model {
    latest: TranscriptId,
    version: i64,
    newest_complete: Option<i64>,
}

/// Lets `event` happen to the latest version, as workers and people make it happen.
async fn happen(store: &Store, model: &mut Model, event: &str) {
    let connection = &mut *store.connection().await.unwrap();
    let id = model.latest;
    let trouble = |reason| [TranscriptTrouble { id, reason, message: "it went wrong".to_owned() }];
    match event {
        "download" => drop(begin_downloading(connection, id).await.unwrap()),
        "transcribe" => drop(begin_transcribing(connection, id, "whisper", "m").await.unwrap()),
        "complete" => {
            let made = MadeTranscript {
                id,
                provider: "whisper",
                model: "m".to_owned(),
                text: format!("version {}", model.version),
                document: serde_json::json!({}),
                language: None,
                flags: Vec::new(),
                audio_seconds: 1.0,
                provider_request_id: None,
            };
            if complete_transcript(connection, &made).await.unwrap() {
                model.newest_complete = Some(model.version);
            }
        }
        "fail" => drop(transcripts::fail(connection, &trouble(Reason::LowCoverage)).await.unwrap()),
        "cancel" => drop(transcripts::fail(connection, &trouble(Reason::Cancelled)).await.unwrap()),
        "wait" => drop(transcripts::release(connection, &trouble(Reason::RateLimited)).await.unwrap()),
        "reopen" => drop(transcripts::reopen(connection, &[id]).await.unwrap()),
        _ => {
            if let [(_, next)] = transcripts::next_versions(connection, &[id], Asked::TO_COUNT).await.unwrap().as_slice() {
                model.latest = *next;
                model.version += 1;
            }
        }
    }
}

#[tokio::test]
async fn the_newest_complete_version_counts_in_whatever_order_things_happen() {
    let seed: u64 = process_rng().random();
    let mut chance = StdRng::seed_from_u64(seed);
    let database = harness::database().await;
    let store = database.store();
    dead_transcriptions(&store, 1, "low_coverage").await;
    let first = number(&store, "SELECT count(*) AS number FROM call_transcripts WHERE id = md5('s1')::uuid").await;
    assert_eq!(first, 1);
    let mut model = Model { latest: TranscriptId(md5_of_s1()), version: 1, newest_complete: None };
    let mut story = Vec::new();
    for _ in 0..300 {
        let event = EVENTS[chance.random_range(0..EVENTS.len())];
        story.push(event);
        happen(&store, &mut model, event).await;
        let told = format!("seed {seed}: after {story:?}");
        let current =
            "SELECT coalesce(max(version), 0)::bigint AS number FROM current_transcripts WHERE session_id = 's1' AND leg = 'main'";
        assert_eq!(number(&store, current).await, model.newest_complete.unwrap_or(0), "{told}");
        let complete = "SELECT count(*) AS number FROM call_interactions WHERE transcript_status = 'complete'";
        assert_eq!(number(&store, complete).await, i64::from(model.newest_complete.is_some()), "{told}");
        let changed =
            "SELECT count(*) AS number FROM call_transcripts WHERE status = 'complete' AND transcript_text <> 'version ' || version";
        assert_eq!(number(&store, changed).await, 0, "{told}");
    }
    assert!(model.version > 2 && model.newest_complete.is_some(), "seed {seed}: nothing much happened: {story:?}");
    database.assert_consistent().await;
}

/// The id that `dead_transcriptions` gives the transcript of `s1`.
fn md5_of_s1() -> uuid::Uuid {
    uuid::uuid!("8ddf878039b70767c4a5bcf4f0c4f65e")
}
