//! The transcription worker against a real bucket, a real database and a transcriber that hears what it is sent.

mod chain;
mod corpus;
pub(crate) mod desk;
mod given_up;
mod mute;
mod pieces;
mod wishes;

use std::time::Duration;

use callscribe::{
    domain::Reason,
    ledger::{Failure, Outcome},
};
use callscribe_simulators::{
    When,
    speech::{DataSize, Layout, Rate, Shape},
    transcriber::{Fault, Known, Profile, TranscriberPlan, Wait},
};

use diesel_async::SimpleAsyncConnection;

use self::desk::{Desk, bag, call, desk, desk_at, desk_with, silence, spoken, truth};
use crate::harness;

/// Times go through milliseconds on their way.
const MILLISECOND: f64 = 0.001;

const PROFILES: [Profile; 5] = [Profile::OpenAi, Profile::WhisperCpp, Profile::Speaches, Profile::Vllm, Profile::LocalAi];

fn openai() -> TranscriberPlan {
    TranscriberPlan::new(Profile::OpenAi)
}

fn later(outcome: Outcome) -> (Reason, Duration) {
    match outcome {
        Outcome::Later { wait, why } => (why.reason, wait),
        other => panic!("not later: {other:?}"),
    }
}

fn retry(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Retry(why) => why,
        other => panic!("not retry: {other:?}"),
    }
}

fn stopped(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Stop(why) => why,
        other => panic!("not stop: {other:?}"),
    }
}

#[tokio::test]
async fn every_kind_of_server_yields_the_words_that_were_spoken() {
    for profile in PROFILES {
        let desk = desk(TranscriberPlan::new(profile)).await;
        let recording = call(1, 20, Shape::ULAW);
        let waiting = desk.put(&recording).await;
        desk.complete().await;
        let row = desk.row(&waiting).await;
        assert_eq!((row.status.as_str(), row.call_status.as_str()), ("complete", "complete"), "{profile:?}");
        assert_eq!(bag(row.transcript_text.as_deref().unwrap()), bag(&truth(&recording).join(" ")), "{profile:?}");
        assert_eq!(row.language.as_deref(), Some("en"), "{profile:?}");
        let (document, flags) = (row.document(), &row.flags);
        if profile == Profile::Vllm {
            assert!(document.words().next().is_none() && document.turns.len() > 1, "{document:?}");
        } else {
            let (heard, said) = (spoken(&document), recording.words());
            assert_eq!(heard.len(), said.len(), "{profile:?}");
            for ((channel, word), said) in heard.iter().zip(&said) {
                assert_eq!((word.text.as_str(), *channel), (said.word.as_str(), Some(said.channel)), "{profile:?}");
                assert!((word.start - said.start).abs() < MILLISECOND && (word.end - said.end).abs() < MILLISECOND, "{word:?} {said:?}");
            }
        }
        assert_eq!((document.version, document.repairs, flags.as_slice()), (2, 0, [].as_slice()), "{profile:?}: {document:?}");
        let (sent, trimmed) = (document.sent_seconds.unwrap(), document.trimmed_seconds.unwrap());
        assert!((sent + trimmed - 40.0).abs() < 0.1 && (row.audio_seconds.unwrap() - sent).abs() < 1e-6, "{profile:?}: {sent} {trimmed}");
        assert_eq!(row.provider_request_id.is_some(), profile == Profile::OpenAi, "{profile:?}");
        assert_eq!(desk.asked(), 2, "each side once: {profile:?}");
    }
}

#[tokio::test]
async fn every_shape_of_file_is_transcribed() {
    let desk = desk(openai()).await;
    let shapes = [
        Shape { layout: Layout::Mono, ..Shape::ALAW },
        Shape { rate: Rate::Hz16000, extensible: true, ..Shape::PCM },
        Shape { layout: Layout::DualMono, data_size: DataSize::Zero, ..Shape::ULAW },
        Shape { layout: Layout::Swapped, data_size: DataSize::Max, ..Shape::PCM },
    ];
    for (number, shape) in (10..).zip(shapes) {
        let recording = call(number, 12, shape);
        let waiting = desk.put(&recording).await;
        desk.complete().await;
        assert_eq!(desk.row(&waiting).await.words(), truth(&recording), "{shape:?}");
    }
}

#[tokio::test]
async fn ten_minutes_of_a_desk_that_says_the_same_all_day_are_kept() {
    let desk = desk(openai()).await;
    let recording = call(40, 600, Shape::ULAW);
    let waiting = desk.put(&recording).await;
    desk.complete().await;
    let row = desk.row(&waiting).await;
    assert_eq!(row.words(), truth(&recording));
    assert!(row.flags.iter().all(|flag| flag == "repetitive" || flag == "word_loop"), "{:?}", row.flags);
}

#[tokio::test]
async fn silence_is_complete_with_no_text_and_no_request() {
    let desk = desk(openai().with(Fault::Hallucination, When::Always)).await;
    let waiting = desk.put(&silence(90)).await;
    desk.complete().await;
    let row = desk.row(&waiting).await;
    assert_eq!((row.status.as_str(), row.transcript_text.as_deref()), ("complete", Some("")));
    assert_eq!((row.flags.as_slice(), row.audio_seconds), (["silent".to_owned()].as_slice(), Some(0.0)));
    assert_eq!(desk.asked(), 0);
}

#[tokio::test]
async fn a_recording_too_short_for_the_provider_is_complete_with_no_text() {
    let desk = desk(openai().with(Fault::Error(Known::TooShort), When::Always)).await;
    let waiting = desk.put(&call(2, 5, Shape::ULAW)).await;
    desk.complete().await;
    let row = desk.row(&waiting).await;
    assert_eq!((row.transcript_text.as_deref(), row.flags.as_slice()), (Some(""), ["too_short".to_owned()].as_slice()));
}

#[tokio::test]
async fn a_transcript_that_is_complete_is_not_asked_for_again() {
    let desk = desk(openai()).await;
    let waiting = desk.put(&call(3, 8, Shape::ULAW)).await;
    desk.complete().await;
    desk.sql("UPDATE jobs SET state = 'ready', finished_at = NULL, attempt = 0").await;
    assert!(matches!(desk.outcome().await, Outcome::Done(effect) if effect.is_none()));
    assert_eq!((desk.asked(), desk.row(&waiting).await.status.as_str()), (2, "complete"));
}

#[tokio::test]
async fn each_error_of_the_provider_has_its_own_answer() {
    let desk = desk(openai()).await;
    desk.put(&call(4, 6, Shape::ULAW)).await;
    let rows = [
        (Known::TooLarge, "stop", Reason::AudioTooLong),
        (Known::TooLargePrefixed, "stop", Reason::AudioTooLong),
        (Known::TooLargeHtml, "stop", Reason::AudioTooLong),
        (Known::TooLong, "stop", Reason::AudioTooLong),
        (Known::ChunkingRequired, "later", Reason::ProviderMisconfigured),
        (Known::InvalidFileFormat, "stop", Reason::AudioUndecodable),
        (Known::Undecodable, "stop", Reason::AudioUndecodable),
        (Known::InvalidKey, "later", Reason::ProviderMisconfigured),
        (Known::Forbidden, "later", Reason::ProviderMisconfigured),
        (Known::ModelNotFound, "later", Reason::ProviderMisconfigured),
        (Known::RateLimited(Wait::Seconds(600)), "later", Reason::RateLimited),
        (Known::QuotaExhausted, "later", Reason::ProviderMisconfigured),
        (Known::SlowDown429, "later", Reason::RateLimited),
        (Known::SlowDown503, "later", Reason::RateLimited),
        (Known::Overloaded, "retry", Reason::ProviderUnavailable),
        (Known::ServerErrorHtml, "retry", Reason::ProviderUnavailable),
        (Known::ModelLoading, "later", Reason::RateLimited),
        (Known::FormatNotSupported, "later", Reason::ProviderMisconfigured),
    ];
    for (error, word, reason) in rows {
        desk.server.faults().on(Fault::Error(error), When::Always);
        let told = match desk.outcome().await {
            Outcome::Later { why, .. } => ("later", why.reason),
            Outcome::Retry(why) => ("retry", why.reason),
            Outcome::Stop(why) => ("stop", why.reason),
            Outcome::Done(_) => panic!("{error:?} is not done"),
        };
        assert_eq!(told, (word, reason), "{error:?}");
        desk.server.faults().clear();
        due_again(&desk).await;
    }
}

/// The job is due, as if nothing had happened.
async fn due_again(desk: &Desk) {
    desk.sql("UPDATE jobs SET state = 'ready', attempt = 0, lease_id = NULL, run_at = now()").await;
}

#[tokio::test]
async fn the_wait_that_a_provider_asks_for_is_the_wait_of_the_job() {
    let desk = desk(openai()).await;
    desk.put(&call(5, 6, Shape::ULAW)).await;
    for (wait, expected) in [
        (Wait::Seconds(2), Some(Duration::from_secs(2))),
        (Wait::Milliseconds(250), Some(Duration::from_millis(250))),
        (Wait::Seconds(600), Some(Duration::from_mins(10))),
        (Wait::Absent, None),
    ] {
        desk.server.faults().on(Fault::Error(Known::RateLimited(wait)), When::Always);
        let (reason, told) = later(desk.outcome().await);
        assert_eq!(reason, Reason::RateLimited);
        assert!(expected.is_none_or(|expected| expected == told) && !told.is_zero(), "{wait:?}: {told:?}");
        desk.server.faults().clear();
        due_again(&desk).await;
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_never_comes_is_tried_again() {
    let desk = desk_with(openai(), |settings| settings.timeout = Duration::from_secs(3)).await;
    desk.put(&call(6, 6, Shape::ULAW)).await;
    for fault in [Fault::DisconnectAt { byte: 60 }, Fault::ConnectionCut { after: Duration::from_millis(50) }, Fault::Deadlock] {
        desk.server.faults().on(fault.clone(), When::Always);
        assert_eq!(retry(desk.outcome().await).reason, Reason::ProviderUnavailable, "{fault:?}");
        desk.server.faults().clear();
        due_again(&desk).await;
    }
}

#[tokio::test]
async fn a_wrong_key_waits_for_a_person_and_says_who_refused() {
    let desk = desk_with(openai(), |settings| settings.api_key = Some("wrong".to_owned().into())).await;
    let waiting = desk.put(&call(7, 6, Shape::ULAW)).await;
    let Outcome::Later { wait, why } = desk.outcome().await else { panic!("not later") };
    assert_eq!((why.reason, why.vendor.status, wait), (Reason::ProviderMisconfigured, Some(401), Duration::from_mins(5)));
    assert!(why.vendor.request_id.is_some() && !why.chain().contains("wrong"), "{}", why.chain());
    assert_eq!(desk.row(&waiting).await.status, "transcribing", "the ledger moves it back, not the handler");
}

#[tokio::test]
async fn a_model_without_word_times_is_asked_for_plain_text() {
    let desk = desk_with(openai(), |settings| settings.model = "gpt-4o-transcribe".to_owned()).await;
    for number in [8, 9] {
        let recording = call(number, 15, Shape::ULAW);
        let waiting = desk.put(&recording).await;
        desk.complete().await;
        let row = desk.row(&waiting).await;
        assert_eq!(bag(row.transcript_text.as_deref().unwrap()), bag(&truth(&recording).join(" ")));
        assert_eq!(row.flags, ["coverage_unchecked"]);
    }
    // both sides of the first call may be refused before either is remembered
    assert!((5..=6).contains(&desk.asked()), "refused at first, and remembered: {}", desk.asked());
}

#[tokio::test]
async fn a_lost_tail_or_middle_is_asked_for_again_and_never_kept() {
    for fault in [Fault::TailLost, Fault::MiddleLost, Fault::EmptyText] {
        let desk = desk(openai()).await;
        let waiting = desk.put(&call(20, 60, Shape::ULAW)).await;
        desk.server.faults().on(fault.clone(), When::Always);
        let failure = retry(desk.outcome().await);
        assert_eq!(failure.reason, Reason::LowCoverage, "{fault:?}");
        assert!(failure.chain().contains("asked twice"), "{}", failure.chain());
        assert_eq!(desk.asked(), 4, "{fault:?}: each side once more within the attempt");
        assert_eq!(desk.row(&waiting).await.transcript_text, None, "{fault:?}");
    }
}

#[tokio::test]
async fn a_second_answer_that_is_whole_is_kept_and_marked() {
    let desk = desk(openai().with(Fault::TailLost, When::First(1))).await;
    let recording = call(21, 60, Shape::ULAW);
    let waiting = desk.put(&recording).await;
    desk.complete().await;
    let row = desk.row(&waiting).await;
    assert_eq!((row.words(), row.flags.first().map(String::as_str)), (truth(&recording), Some("asked_twice")));
}

#[tokio::test]
async fn invention_going_round_in_circles_is_never_kept() {
    let desk = desk(openai()).await;
    let recording = call(22, 30, Shape::ULAW);
    desk.put(&recording).await;
    let word = truth(&recording).remove(0);
    desk.server.faults().on(Fault::Hallucination, When::For(vec![word]));
    let failure = retry(desk.outcome().await);
    assert_eq!(failure.reason, Reason::Repetition);
    assert!(!failure.chain().contains("watching"), "no spoken word in an error: {}", failure.chain());
}

#[tokio::test]
async fn times_that_cannot_be_are_put_right_and_counted() {
    for fault in [Fault::WordsUnsorted, Fault::WordsWithoutTimes] {
        let desk = desk(openai()).await;
        let recording = call(23, 15, Shape::ULAW);
        let waiting = desk.put(&recording).await;
        desk.server.faults().on(fault.clone(), When::Always);
        desk.complete().await;
        let row = desk.row(&waiting).await;
        assert!(row.document().repairs > 0, "{fault:?}");
        if fault == Fault::WordsUnsorted {
            assert_eq!(row.words(), truth(&recording));
        } else {
            assert_eq!((row.words().len(), bag(&row.transcript_text.unwrap())), (0, bag(&truth(&recording).join(" "))));
        }
    }
}

#[tokio::test]
async fn a_language_is_a_code_however_it_is_told() {
    let desk = desk(openai().with(Fault::LanguageOtherForm, When::Always)).await;
    let waiting = desk.put(&call(24, 8, Shape::ULAW)).await;
    desk.complete().await;
    assert_eq!(desk.row(&waiting).await.language.as_deref(), Some("en"));
}

#[tokio::test]
async fn an_object_that_is_not_what_was_stored_never_reaches_the_provider_whole() {
    let desk = desk(openai()).await;
    let (recording, other) = (call(26, 10, Shape::ULAW), call(27, 10, Shape::ULAW));
    let waiting = desk.put(&recording).await;
    let put_bytes = async |bytes: bytes::Bytes| {
        let mut upload = desk.blob.upload(waiting.object_key.clone(), callscribe::blob::ObjectDescription::default());
        upload.push(bytes).await.unwrap();
        upload.finish().await.unwrap();
    };
    put_bytes(other.read(0, usize::MAX / 2)).await;
    let swapped = stopped(desk.outcome().await);
    assert_eq!(swapped.reason, Reason::StorageCorrupt);
    assert!(swapped.chain().contains("SHA-256"), "{}", swapped.chain());
    due_again(&desk).await;
    put_bytes(recording.read(0, 50_000)).await;
    assert!(stopped(desk.outcome().await).chain().contains("50000 bytes"));
    due_again(&desk).await;
    desk.blob.delete(&waiting.object_key).await.unwrap();
    assert_eq!(stopped(desk.outcome().await).reason, Reason::StorageCorrupt);
    assert_eq!(desk.asked(), 0, "nobody heard any of it");
}

#[tokio::test]
async fn a_recording_waits_while_s3_is_down() {
    let s3 = harness::s3().await;
    let proxy = harness::proxy(s3.endpoint().as_str()).await;
    let direct = s3.blob().await;
    let through = callscribe::blob::Blob::connect(&harness::settings(&proxy.url_for(&s3.endpoint()))).await;
    let mut desk = desk_at(s3, through, openai(), |_| ()).await;
    let through = std::mem::replace(&mut desk.blob, direct);
    let waiting = desk.put(&call(28, 10, Shape::ULAW)).await;
    proxy.set(harness::Fault { refuse: true, ..Default::default() });
    proxy.cut_all();
    assert_eq!(later(desk.outcome().await).0, Reason::StorageUnavailable);
    assert_eq!(desk.asked(), 0);
    proxy.set(harness::Fault::default());
    due_again(&desk).await;
    desk.complete().await;
    assert_eq!(desk.row(&waiting).await.status, "complete");
    drop(through);
}

#[tokio::test]
async fn no_transaction_is_open_while_audio_streams() {
    let desk = desk(openai().with(Fault::Slow { factor: 0.1 }, When::Always)).await;
    let waiting = desk.put(&call(29, 20, Shape::ULAW)).await;
    let job = desk.claim().await;
    let watch = async {
        harness::eventually("the provider is at work", async || desk.asked() == 2).await;
        (desk.open_transactions().await, desk.row(&waiting).await.status)
    };
    let (outcome, (open, status)) = tokio::join!(desk.run(&job), watch);
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    assert_eq!((open, status.as_str()), (0, "transcribing"));
}

#[tokio::test]
async fn a_worker_told_to_stop_lets_go_of_the_provider_at_once() {
    let desk = desk(openai().with(Fault::Deadlock, When::Always)).await;
    desk.put(&call(30, 10, Shape::ULAW)).await;
    let job = desk.claim().await;
    let stop = async {
        harness::eventually("the provider is at work", async || desk.asked() == 2).await;
        desk.stop.cancel();
    };
    let (outcome, ()) = tokio::join!(desk.run(&job), stop);
    assert_eq!(later(outcome), (Reason::ShutDown, Duration::ZERO));
}

#[tokio::test]
async fn a_job_that_is_no_longer_ours_asks_nobody() {
    let desk = desk(openai()).await;
    let waiting = desk.put(&call(31, 8, Shape::ULAW)).await;
    let job = desk.claim().await;
    desk.sql("UPDATE jobs SET run = run + 1").await;
    assert_eq!(retry(desk.run(&job).await).reason, Reason::LeaseLost);
    assert_eq!((desk.asked(), desk.row(&waiting).await.status.as_str()), (0, "downloading"));
}

#[tokio::test]
async fn a_late_finisher_changes_nothing() {
    let desk = desk(openai()).await;
    let waiting = desk.put(&call(32, 8, Shape::ULAW)).await;
    let job = desk.claim().await;
    let Outcome::Done(effect) = desk.run(&job).await else { panic!("not done") };
    desk.sql("UPDATE jobs SET run = run + 1").await;
    let mut connection = desk.store.connection().await.unwrap();
    let finished = callscribe::ledger::finish_with(&mut connection, &job, &effect).await.unwrap();
    assert_eq!(finished, callscribe::ledger::Finished::LeaseLost);
    assert_eq!(desk.row(&waiting).await.transcript_text, None);
}

#[tokio::test]
async fn a_call_without_a_stored_recording_stops_with_what_to_do() {
    let desk = desk(openai()).await;
    desk.put(&call(33, 6, Shape::ULAW)).await;
    desk.sql("DELETE FROM call_recordings").await;
    let failure = stopped(desk.outcome().await);
    assert_eq!(failure.reason, Reason::StorageCorrupt);
    assert!(failure.chain().contains("no stored recording"), "{}", failure.chain());
}

#[tokio::test]
async fn a_transcription_of_audio_that_retention_deleted_says_so_and_asks_nobody() {
    let desk = desk(openai()).await;
    desk.put(&call(3, 8, Shape::ULAW)).await;
    desk.sql("UPDATE call_recordings SET status = 'deleted', deleted_at = now()").await;
    let outcome = desk.outcome().await;
    assert!(matches!(&outcome, Outcome::Stop(why) if why.reason == Reason::AudioDeleted), "{outcome:?}");
    assert_eq!(desk.asked(), 0);
}

#[tokio::test]
async fn a_transcription_that_begins_while_its_audio_is_being_deleted_waits_and_is_told() {
    let desk = desk(openai()).await;
    desk.put(&call(3, 8, Shape::ULAW)).await;
    let mut retention = desk.store.connection().await.unwrap();
    retention.batch_execute("BEGIN; UPDATE call_recordings SET status = 'deleting'").await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let (outcome, ()) = tokio::join!(desk.outcome(), async {
        harness::eventually("it waits for the decision", async || desk.count(waiting).await == 1).await;
        retention.batch_execute("COMMIT").await.unwrap();
    });
    assert!(matches!(&outcome, Outcome::Stop(why) if why.reason == Reason::AudioDeleted), "{outcome:?}");
    assert_eq!(desk.asked(), 0);
}
