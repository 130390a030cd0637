//! Redaction of audio: the copy, where the original lies or that it goes, and whatever happens on the way.

use callscribe::{
    blob::apart,
    config::{Environment, Reader, RedactionSettings, TranscribingSettings},
    domain::{Reason, RecordingId, SessionId},
    ledger::{Outcome, finish_with},
    store::{
        holds,
        muting::{MayGo, let_go},
        retention::deletions,
    },
};
use callscribe_simulators::speech::{Recording, Shape};

use super::{
    desk::{Desk, Waiting, call, desk, spoken},
    due_again, later, openai,
};

/// Settings that take a word out.
fn taking_out(word: &str, audio: &str) -> TranscribingSettings {
    let pairs = [("REDACTION_PATTERNS", format!("secret=\\b{word}\\b")), ("REDACTION_AUDIO", audio.to_owned())];
    let environment: Environment = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut reader = Reader::new(&environment);
    let redaction = RedactionSettings::read(&mut reader);
    reader.finish().unwrap();
    TranscribingSettings { redaction, ..TranscribingSettings::default() }
}

fn with(desk: Desk, word: &str, audio: &str) -> Desk {
    let chain = vec![desk.whisper()];
    desk.with_chain(chain, taking_out(word, audio))
}

/// A word of the call that is said in its middle.
fn word_of(recording: &Recording) -> String {
    let words = recording.words();
    words[words.len() / 2].word.clone()
}

/// The recording's row: where its bytes are, and where its muted copy is.
async fn keys(desk: &Desk) -> (String, String) {
    let keys =
        desk.text("SELECT object_key || ' ' || coalesce(muted_key, '-') AS text FROM call_recordings WHERE recording_id = 'r1'").await;
    let (object, muted) = keys.split_once(' ').unwrap();
    (object.to_owned(), muted.to_owned())
}

/// All keys of the bucket.
async fn objects(desk: &Desk) -> Vec<String> {
    let mut keys: Vec<_> = desk.blob.list("").await.unwrap().into_iter().map(|object| object.key).collect();
    keys.sort();
    keys
}

/// Runs every job of upkeep that is due.
async fn discard(desk: &Desk) {
    while desk.count("SELECT count(*) AS count FROM jobs WHERE kind = 'upkeep' AND open AND run_at <= now()").await > 0 {
        let outcome = desk.keep_house().await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }
}

/// Every word of the original but those near to what was taken out can be heard in the copy, and the word itself cannot.
async fn assert_muted(desk: &Desk, recording: &Recording, waiting: &Waiting, word: &str) {
    let document = desk.row(waiting).await.document();
    assert!(!document.redactions.is_empty() && !desk.row(waiting).await.words().contains(&word.to_owned()));
    let (_, muted) = keys(desk).await;
    let copy = desk.put_object(&muted).await;
    let plain = desk.with_whisper_alone();
    plain.complete().await;
    let heard = spoken(&plain.row(&copy).await.document());
    let near = |channel: u8, start: f64, end: f64| {
        document
            .redactions
            .iter()
            .any(|gone| gone.channel == Some(channel) && start < gone.end.unwrap() + 0.5 && end > gone.start.unwrap() - 0.5)
    };
    for said in recording.words() {
        let is_heard = heard
            .iter()
            .any(|(channel, word)| *channel == Some(said.channel) && word.text == said.word && (word.start - said.start).abs() < 0.2);
        if said.word == word {
            assert!(!is_heard, "{said:?}");
        } else if !near(said.channel, said.start, said.end) {
            assert!(is_heard, "{said:?}");
        }
    }
}

#[tokio::test]
async fn the_copy_lacks_what_was_taken_out_and_the_original_lies_apart() {
    let recording = call(70, 30, Shape::ULAW);
    let word = word_of(&recording);
    let desk = with(desk(openai()).await, &word, "apart");
    let waiting = desk.put(&recording).await;
    // killed before the transcript is kept: what it wrote is written again under the same names
    drop(desk.outcome().await);
    let (object, muted) = keys(&desk).await;
    assert_eq!((object.as_str(), muted.as_str()), (waiting.object_key.as_str(), "-"));
    let written = objects(&desk).await;
    due_again(&desk).await;
    desk.complete().await;
    assert_eq!(objects(&desk).await, written);
    discard(&desk).await;
    let (object, muted) = keys(&desk).await;
    assert_eq!(object, format!("originals/{}", waiting.object_key), "stored before it was to lie apart, it was moved");
    assert_eq!(objects(&desk).await, [object, muted.clone()]);
    let url = desk.text("SELECT audio_url AS text FROM call_transcripts WHERE version = 1").await;
    assert!(url.ends_with(&muted), "{url}");
    assert_muted(&desk, &recording, &waiting, &word).await;
}

#[tokio::test]
async fn the_original_goes_once_its_copy_is_there_and_no_hold_keeps_it() {
    let recording = call(71, 30, Shape::ULAW);
    let word = word_of(&recording);
    let desk = with(desk(openai()).await, &word, "deleted");
    let waiting = desk.put(&recording).await;
    desk.complete().await;
    let session = SessionId::parse(desk.text("SELECT session_id AS text FROM call_recordings").await).unwrap();
    holds::hold_call(desk.store.connection().await.unwrap().as_mut(), &session, "ada@here", "litigation").await.unwrap();
    assert_eq!(later(desk.keep_house().await).0, Reason::OriginalNeeded);
    assert!(objects(&desk).await.contains(&waiting.object_key));
    holds::release_call(desk.store.connection().await.unwrap().as_mut(), &session, "ada@here", None).await.unwrap();
    let again = "UPDATE jobs SET state = 'ready', attempt = 0, lease_id = NULL, finished_at = NULL, run_at = now() WHERE kind = 'upkeep'";
    // a run that was killed after its decision, and one after the object was gone
    let recording_id = RecordingId::parse("r1").unwrap();
    let decided = let_go(desk.store.connection().await.unwrap().as_mut(), &session, &recording_id, &waiting.object_key).await;
    assert_eq!(decided.unwrap(), MayGo::Yes);
    let (object, muted) = keys(&desk).await;
    assert_eq!(object, muted, "nobody is sent to what is about to go");
    desk.blob.delete(&waiting.object_key).await.unwrap();
    // and twice once it has ended
    for _ in 0..2 {
        desk.sql(again).await;
        discard(&desk).await;
    }
    let (object, muted) = keys(&desk).await;
    assert_eq!((&object, objects(&desk).await), (&muted, vec![muted.clone()]));
    let proofs = deletions(desk.store.connection().await.unwrap().as_mut(), None, 9).await.unwrap();
    let proofs: Vec<_> = proofs.iter().map(|proof| (proof.what.as_str(), proof.object_key.as_str(), proof.deleted_at.is_some())).collect();
    assert_eq!(proofs, [("audio", waiting.object_key.as_str(), true)]);
    assert_muted(&desk, &recording, &waiting, &word).await;
}

#[tokio::test]
async fn a_later_version_says_nothing_again_that_an_earlier_one_took_out_and_its_copy_takes_the_others_place() {
    for audio in ["apart", "deleted"] {
        let recording = call(72, 30, Shape::ULAW);
        let words = recording.words();
        let (first, second) = (words[words.len() / 3].word.clone(), words[words.len() / 2].word.clone());
        let desk = with(desk(openai()).await, &first, audio);
        let waiting = desk.put(&recording).await;
        desk.complete().await;
        discard(&desk).await;
        let (original, before) = keys(&desk).await;
        let next = desk.next_version(&waiting).await;
        let desk = with(desk, &second, audio);
        desk.complete().await;
        discard(&desk).await;
        let (object, muted) = keys(&desk).await;
        assert_ne!(muted, before);
        let expected = if audio == "apart" { vec![original, muted.clone()] } else { vec![muted.clone()] };
        assert_eq!((objects(&desk).await, object), (expected.clone(), expected[0].clone()));
        assert!(!desk.row(&next).await.words().contains(&second));
        let copy = desk.put_object(&muted).await;
        let plain = desk.with_whisper_alone();
        plain.complete().await;
        let heard: Vec<_> = spoken(&plain.row(&copy).await.document()).into_iter().map(|(_, word)| word.text).collect();
        assert!(!heard.contains(&first) && !heard.contains(&second), "{audio}: {first}, {second} of {heard:?}");
    }
}

#[tokio::test]
async fn a_call_in_which_nobody_speaks_has_its_copy_too() {
    let desk = with(desk(openai()).await, "word", "apart");
    desk.put(&super::desk::silence(5)).await;
    desk.complete().await;
    discard(&desk).await;
    let (object, muted) = keys(&desk).await;
    assert!(apart::is_apart(&object));
    assert_eq!(objects(&desk).await, [object, muted]);
    assert_eq!(desk.count("SELECT count(*) AS count FROM jobs WHERE open").await, 0);
}

#[tokio::test]
async fn a_copy_of_what_was_copied_anew_meanwhile_is_not_used_and_nothing_is_deleted_for_it() {
    let recording = call(73, 20, Shape::ULAW);
    let desk = with(desk(openai()).await, &word_of(&recording), "deleted");
    let waiting = desk.put(&recording).await;
    let job = desk.claim().await;
    let Outcome::Done(effect) = desk.run(&job).await else { panic!("not done") };
    desk.sql("UPDATE call_recordings SET sha256 = repeat('a', 64)").await;
    finish_with(desk.store.connection().await.unwrap().as_mut(), &job, &effect).await.unwrap();
    assert_eq!((desk.row(&waiting).await.status.as_str(), keys(&desk).await), ("complete", (waiting.object_key.clone(), "-".to_owned())));
    assert_eq!(desk.count("SELECT count(*) AS count FROM jobs WHERE kind = 'upkeep'").await, 0);
    assert!(objects(&desk).await.contains(&waiting.object_key));
}
