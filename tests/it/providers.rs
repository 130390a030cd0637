//! One table of behaviours for every provider of transcripts, each asked through the trait alone, at a simulator that hears what it is sent.

#[cfg(feature = "aws-transcribe")]
mod aws;
pub(crate) mod background;
mod engine;
mod rigs;
mod tape;

use std::{sync::Arc, time::Duration};

use callscribe::{
    asr::{Answer, Manner, Speakers, TranscribeError, Transcriber, Transcription},
    domain::Reason,
};
use callscribe_simulators::speech::{Encoding, Layout, Length, Recording, Script, Shape};

use self::{
    rigs::{Rig, Trouble, rigs},
    tape::Tape,
};

/// The wait that a provider asks for in the table.
const WAIT: Duration = Duration::from_secs(7);
/// More looks than any job of a test takes.
const MOST_LOOKS: usize = 3_000;

/// One channel, linear: as pieces are cut.
fn spoken(length: Length) -> Recording {
    let shape = Shape { encoding: Encoding::Pcm16, layout: Layout::Mono, ..Shape::ULAW };
    Recording::new(Arc::new(Script::compose(7, 3, length)), shape)
}

fn call() -> Recording {
    spoken(Length::Spoken(Duration::from_secs(20)))
}

/// Asks, and comes back for what is not there at once, until there is a transcript or an error.
async fn made(transcriber: &dyn Transcriber, tape: &Tape) -> Result<Transcription, TranscribeError> {
    let mut answer = transcriber.transcribe(tape, Manner::Usual).await?;
    for _ in 0..MOST_LOOKS {
        match answer {
            Answer::Made(made) => return Ok(*made),
            Answer::Underway(underway) => {
                assert!(underway.again_in >= Duration::from_secs(10), "{underway:?}");
                tokio::time::sleep(Duration::from_millis(10)).await;
                answer = transcriber.collect(tape, &underway.job).await?;
            }
        }
    }
    panic!("`{}` is still under way after {MOST_LOOKS} looks", transcriber.name());
}

/// What comes of a recording while this goes wrong; nothing where it cannot.
async fn in_trouble(rig: &Rig, trouble: Trouble) -> Option<TranscribeError> {
    if !rig.trouble(trouble) {
        return None;
    }
    let error = match made(&*rig.transcriber, &Tape::of(&call())).await {
        Err(error) => error,
        Ok(made) => panic!("{}, {trouble:?}: {made:?}", rig.name),
    };
    let told = format!("{error} {error:?}");
    assert!(rig.key.as_ref().is_none_or(|key| !told.contains(key.as_str())), "{} tells its key: {told}", rig.name);
    Some(error)
}

#[tokio::test]
async fn every_provider_tells_the_words_that_were_spoken_and_when() {
    for rig in rigs().await {
        let recording = call();
        let made = made(&*rig.transcriber, &Tape::of(&recording)).await.unwrap();
        let said: Vec<String> = recording.words().into_iter().map(|said| said.word).collect();
        assert_eq!(made.text, said.join(" "), "{}", rig.name);
        let heard: Vec<&str> = made.words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(heard, said, "{}", rig.name);
        for (word, said) in made.words.iter().zip(recording.words()) {
            // some round to milliseconds
            assert!((word.start - said.start).abs() < 0.002 && (word.end - said.end).abs() < 0.002, "{}: {word:?}", rig.name);
        }
        assert!(made.segments.windows(2).all(|pair| pair[0].start <= pair[1].start), "{}: {made:?}", rig.name);
        assert!(made.segments.iter().all(|segment| segment.start <= segment.end && segment.end <= 20.5), "{}: {made:?}", rig.name);
        assert_eq!((made.repairs, made.model.as_str()), (0, rig.transcriber.model()), "{}", rig.name);
        assert_eq!(made.request_id.is_some(), rig.names_requests, "{}: {made:?}", rig.name);
        assert_eq!(made.billed_seconds.is_some(), rig.tells_bill, "{}", rig.name);
    }
}

#[tokio::test]
async fn silence_is_an_empty_transcript() {
    for rig in rigs().await {
        let made = made(&*rig.transcriber, &Tape::of(&spoken(Length::Silent(Duration::from_secs(5))))).await.unwrap();
        assert_eq!((made.text.as_str(), made.words.len()), ("", 0), "{}", rig.name);
    }
}

#[tokio::test]
async fn the_model_and_language_wished_for_are_asked_for() {
    for rig in rigs().await {
        let other = rig.transcriber.asked_for(Some(rig.other_model), Some("de"));
        assert_eq!((other.name(), other.model(), other.language()), (rig.transcriber.name(), rig.other_model, Some("de")));
        made(&*other, &Tape::of(&call())).await.unwrap();
        assert_eq!(rig.asked(), (rig.other_model.to_owned(), Some("de".to_owned())), "{}", rig.name);
        assert_ne!(rig.transcriber.model(), rig.other_model, "{}: the settings stay", rig.name);
    }
}

#[tokio::test]
async fn speakers_are_told_apart_where_the_provider_can() {
    for rig in rigs().await.into_iter().filter(|rig| rig.transcriber.takes().diarizes) {
        let apart = made(&*rig.transcriber, &Tape { speakers: Speakers::Several, ..Tape::of(&call()) }).await.unwrap();
        assert!(apart.words.iter().all(|word| word.speaker.is_some()), "{}: {apart:?}", rig.name);
        let alone = made(&*rig.transcriber, &Tape { id: "alone".to_owned(), ..Tape::of(&call()) }).await.unwrap();
        assert!(alone.words.iter().all(|word| word.speaker.is_none()), "{}: {alone:?}", rig.name);
    }
}

#[tokio::test]
async fn a_key_that_is_refused_and_an_empty_account_are_for_a_person() {
    for rig in rigs().await {
        for trouble in [Trouble::Key, Trouble::Credit] {
            let error = in_trouble(&rig, trouble).await;
            assert!(matches!(error, None | Some(TranscribeError::Misconfigured { .. })), "{}, {trouble:?}: {error:?}", rig.name);
        }
    }
}

#[tokio::test]
async fn a_provider_that_asks_to_wait_is_given_its_time() {
    for rig in rigs().await {
        let error = in_trouble(&rig, Trouble::TooMany).await;
        let wait = match &error {
            None => WAIT,
            Some(TranscribeError::RateLimited { wait, .. }) if rig.says_wait => *wait,
            Some(TranscribeError::RateLimited { wait, .. }) if *wait >= WAIT => WAIT,
            Some(other) => panic!("{}: {other:?}", rig.name),
        };
        assert_eq!(wait, WAIT, "{}", rig.name);
    }
}

#[tokio::test]
async fn what_fails_or_breaks_off_is_worth_another_try() {
    for rig in rigs().await {
        for trouble in [Trouble::Failing, Trouble::FailingAsPage, Trouble::Cut] {
            let error = in_trouble(&rig, trouble).await;
            assert!(matches!(error, None | Some(TranscribeError::Unavailable { .. })), "{}, {trouble:?}: {error:?}", rig.name);
        }
    }
}

#[tokio::test]
async fn audio_that_cannot_be_decoded_is_rejected_for_good() {
    for rig in rigs().await {
        let error = made(&*rig.transcriber, &Tape::of_bytes(b"this is no audio at all")).await.unwrap_err();
        assert!(matches!(&error, TranscribeError::Rejected { reason: Reason::AudioUndecodable, .. }), "{}: {error:?}", rig.name);
    }
}

#[tokio::test]
async fn half_an_answer_is_unreadable() {
    for rig in rigs().await {
        let error = in_trouble(&rig, Trouble::HalfAnswer).await;
        assert!(
            matches!(error, None | Some(TranscribeError::Unreadable { .. } | TranscribeError::Unavailable { .. })),
            "{}: {error:?}",
            rig.name
        );
    }
}
