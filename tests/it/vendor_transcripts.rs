//! Webex's own transcripts from the simulator to the row: word by word as they were spoken, waited for, kept, fallen back from.

mod room;

use std::time::Duration;

use callscribe::{
    domain::{JobKind, LegPolicy, Reason},
    ledger::Outcome,
};
use callscribe_simulators::{
    speech::{Length, Said, Speaker},
    webex::{CallSpec, Endpoint, ErrorBody, Fault},
};

use self::room::{Ended, Order, Room, Row, WAIT, call};
use crate::transcribe::desk::bag;

/// Times come as whole nanoseconds.
const NANOSECOND: f64 = 2e-9;
/// A vCon tells moments in whole milliseconds.
const MILLISECOND: f64 = 1.1e-3;

fn speaker(speaker: Speaker) -> &'static str {
    if speaker == Speaker::Agent { "agent" } else { "customer" }
}

/// The words of each of the two, in the order in which they were said.
fn lines<'w>(words: impl Iterator<Item = (&'w str, String)>) -> [Vec<String>; 2] {
    let (mut agent, mut customer) = (Vec::new(), Vec::new());
    for (who, word) in words {
        if who == "agent" { agent.push(word) } else { customer.push(word) }
    }
    [agent, customer]
}

fn said_by(truth: &[Said]) -> [Vec<String>; 2] {
    lines(truth.iter().map(|said| (speaker(said.speaker), said.word.clone())))
}

fn taken(row: &Row) {
    assert_eq!((row.status.as_str(), row.call_status.as_str(), row.provider.as_str()), ("complete", "complete", "webex"), "{row:?}");
    assert_eq!(row.language.as_deref(), Some("en"));
}

#[tokio::test]
async fn the_older_form_yields_every_word_as_it_was_spoken_by_whom_and_when() {
    let manners: [&[Fault]; 5] = [
        &[],
        &[Fault::TranscriptUnordered],
        &[Fault::TranscriptSecondsAsText],
        &[Fault::CapitalKeys],
        &[Fault::RealtimeTranscriptToo, Fault::StringTimes],
    ];
    for faults in manners {
        let room = Room::with(faults.iter().cloned(), Order::WebexThenWhisper).await;
        assert_eq!(room.transcribe().await, Ended::Done, "{faults:?}");
        let (row, truth) = (room.row().await, room.truth());
        taken(&row);
        assert_eq!(bag(row.transcript_text.as_deref().unwrap()), bag(&truth.text()), "{faults:?}");
        let document = row.document();
        let words = truth.words();
        let told = document.turns.iter().flat_map(|turn| turn.words.iter().map(|word| (turn.speaker.as_deref(), word)));
        let mut told: Vec<_> = told.collect();
        told.sort_by(|(_, one), (_, other)| one.start.total_cmp(&other.start));
        assert_eq!(told.len(), words.len());
        for ((by, told), said) in told.into_iter().zip(&words) {
            assert_eq!((told.text.as_str(), by), (said.word.as_str(), Some(speaker(said.speaker))), "{faults:?}");
            assert!((told.start - said.start).abs() < NANOSECOND && (told.end - said.end).abs() < NANOSECOND, "{told:?} {said:?}");
        }
        assert!(document.turns.is_sorted_by(|one, next| one.start <= next.start), "{document:?}");
        assert_eq!(document.repairs, 0, "{document:?}");
        let channels: Vec<_> = document.speakers.iter().map(|on| (on.speaker.as_str(), on.channel)).collect();
        assert_eq!(channels, [("agent", Some(0)), ("customer", Some(1))]);
        assert_eq!(room.paid(), 0);
    }
}

#[tokio::test]
async fn the_newer_form_under_the_same_name_yields_the_same_words() {
    let manners: [&[Fault]; 3] = [&[], &[Fault::TranscriptUnordered], &[Fault::TranscriptEmptyDialog, Fault::TranscriptUnordered]];
    for more in manners {
        let faults = more.iter().cloned().chain([Fault::VconTranscript]);
        let room = Room::with(faults, Order::WebexThenWhisper).await;
        assert_eq!(room.transcribe().await, Ended::Done, "{more:?}");
        let (row, truth) = (room.row().await, room.truth());
        taken(&row);
        assert_eq!(bag(row.transcript_text.as_deref().unwrap()), bag(&truth.text()), "{more:?}");
        let document = row.document();
        let told = document.turns.iter().flat_map(|turn| {
            turn.text.split(' ').map(|word| (turn.speaker.as_deref().unwrap_or_default(), word.to_owned())).collect::<Vec<_>>()
        });
        assert_eq!(lines(told), said_by(&truth.words()), "{more:?}");
        let starts = truth.words();
        let firsts = starts.chunk_by(|one, next| one.speaker == next.speaker).map(|turn| (turn[0].start, turn[turn.len() - 1].end));
        for ((start, end), turn) in firsts.zip(&document.turns) {
            assert!((turn.start.unwrap() - start).abs() < MILLISECOND && (turn.end.unwrap() - end).abs() < MILLISECOND, "{turn:?}");
        }
        assert_eq!((document.model.as_str(), room.paid()), ("vcon", 0));
    }
}

#[tokio::test]
async fn text_without_times_is_kept_with_its_speakers_and_no_time_is_invented() {
    for fault in [Fault::TranscriptWithoutWords, Fault::TranscriptRelativeTimes] {
        let room = Room::with([fault.clone()], Order::WebexThenWhisper).await;
        assert_eq!(room.transcribe().await, Ended::Done, "{fault:?}");
        let row = room.row().await;
        taken(&row);
        let document = row.document();
        let told = document
            .turns
            .iter()
            .flat_map(|turn| turn.text.split(' ').map(|word| (turn.speaker.as_deref().unwrap_or_default(), word.to_owned())));
        assert_eq!(lines(told), said_by(&room.truth().words()), "{fault:?}");
        assert!(document.turns.iter().all(|turn| turn.start.is_none() && turn.words.is_empty()));
        assert!(row.flags.contains(&"coverage_unchecked".to_owned()), "{:?}", row.flags);
    }
}

#[tokio::test]
async fn the_file_is_kept_as_it_came_beside_the_recording_and_nothing_was_sent_to_anybody() {
    let room = Room::with([], Order::Webex).await;
    assert_eq!(room.transcribe().await, Ended::Done);
    let key = room.row().await.document().vendor_file.unwrap();
    let recording = room.text("SELECT object_key AS text FROM call_recordings").await;
    assert!(key.starts_with(recording.strip_suffix(".wav").unwrap()), "{key}");
    let file: serde_json::Value = serde_json::from_slice(&room.vendor_file(&key).await).unwrap();
    assert_eq!(file["interactionId"], room.truth().session_id.to_string());
    let row = "SELECT audio_url LIKE 's3://%.wav' AND audio_seconds = 0 AS audio FROM call_transcripts";
    assert_eq!(room.text(&format!("SELECT audio::text AS text FROM ({row}) AS kept")).await, "true");
    assert_eq!(room.fetched(), 1);
    assert!(
        room.office.vendor.requests().matching(|request| request.path.ends_with(".json")).iter().all(|request| !request.had_authorization)
    );
}

#[tokio::test]
async fn what_is_no_transcript_is_kept_and_named_and_never_taken_for_one() {
    for fault in [Fault::TranscriptInvalidJson, Fault::TranscriptUnknownShape] {
        let room = Room::with([fault.clone()], Order::Webex).await;
        assert_eq!(room.transcribe().await, Ended::Stop(Reason::UnrecognisedTranscriptFormat), "{fault:?}");
        let row = room.row().await;
        assert_eq!((row.status.as_str(), row.error_code.as_deref()), ("error", Some("unrecognised_transcript_format")));
        let message = row.error_message.unwrap();
        let key = message.split('`').nth(1).unwrap();
        assert!(!room.vendor_file(key).await.is_empty(), "{message}");
    }
}

#[tokio::test]
async fn a_vendors_file_of_no_use_is_fallen_back_from_at_once_and_the_recording_paid_for_once() {
    for fault in [Fault::TranscriptInvalidJson, Fault::TranscriptUnknownShape, Fault::TranscriptCutShort] {
        let room = Room::with([fault.clone()], Order::WebexThenWhisper).await;
        assert_eq!(room.transcribe().await, Ended::Done, "{fault:?}");
        let row = room.row().await;
        assert_eq!((row.provider.as_str(), bag(&row.transcript_text.unwrap())), ("whisper", bag(&room.truth().text())), "{fault:?}");
        assert_eq!((row.flags.as_slice(), room.paid()), (["fell_back".to_owned()].as_slice(), 2), "{fault:?}");
    }
}

#[tokio::test]
async fn a_transcript_that_leaves_out_half_of_the_call_is_not_kept_as_its_transcript() {
    let room = Room::with([Fault::TranscriptCutShort], Order::Webex).await;
    assert_eq!(room.transcribe().await, Ended::Stop(Reason::LowCoverage));
}

#[tokio::test]
async fn a_late_transcript_within_the_wait_is_taken_and_nobody_is_paid() {
    let room = Room::with([Fault::TranscriptLate { after: Duration::from_hours(5) }], Order::WebexThenWhisper).await;
    let mut asked = 0;
    loop {
        match room.transcribe().await {
            Ended::Done => break,
            Ended::Later(Reason::TranscriptNotReady, wait) => {
                assert!((Duration::from_mins(1)..=Duration::from_hours(1)).contains(&wait), "{wait:?}");
                assert_eq!(room.row().await.status, "pending");
                room.later(wait).await;
            }
            other => panic!("{other:?}"),
        }
        asked += 1;
        assert!(asked < 15, "asked {asked} times");
    }
    taken(&room.row().await);
    assert_eq!(room.paid(), 0);
    assert_eq!(room.text("SELECT attempt || ' ' || (put_off > 5) AS text FROM jobs WHERE kind = 'transcription'").await, "1 true");
}

#[tokio::test]
async fn after_the_wait_the_transcriber_is_asked_once_and_never_both_are_paid() {
    let room = Room::with([Fault::NoTranscript], Order::WebexThenWhisper).await;
    assert!(matches!(room.transcribe().await, Ended::Later(Reason::TranscriptNotReady, _)));
    assert_eq!(room.paid(), 0);
    room.later(WAIT).await;
    assert_eq!(room.transcribe().await, Ended::Done);
    let row = room.row().await;
    assert_eq!((row.provider.as_str(), bag(&row.transcript_text.unwrap())), ("whisper", bag(&room.truth().text())));
    assert_eq!((row.flags.as_slice(), room.paid()), (["fell_back".to_owned()].as_slice(), 2), "each side once");
    // the vendor's comes at last: nothing changes
    room.office.vendor.faults().clear();
    room.sql("UPDATE jobs SET state = 'ready', finished_at = NULL, run_at = now() WHERE kind = 'transcription'").await;
    assert_eq!(room.transcribe().await, Ended::Done);
    assert_eq!((room.row().await.provider.as_str(), room.paid(), room.fetched()), ("whisper", 2, 0));
}

#[tokio::test]
async fn webex_alone_ends_with_its_own_reason_after_the_wait() {
    let room = Room::with([Fault::NoTranscript], Order::Webex).await;
    assert!(matches!(room.transcribe().await, Ended::Later(Reason::TranscriptNotReady, _)));
    room.later(WAIT).await;
    assert_eq!(room.transcribe().await, Ended::Stop(Reason::NoTranscript));
    let row = room.row().await;
    assert_eq!((row.call_status.as_str(), row.error_code.as_deref()), ("error", Some("no_transcript")));
    assert!(row.error_message.unwrap().contains("6h"));
}

#[tokio::test]
async fn a_crash_during_the_wait_neither_begins_it_anew_nor_ends_it() {
    let room = Room::with([Fault::NoTranscript], Order::WebexThenWhisper).await;
    room.later(WAIT / 2).await;
    let killed = room.claim(JobKind::Transcription).await;
    assert!(matches!(room.outcome(&killed).await, Outcome::Later { .. }), "what it answered is lost");
    room.sql("UPDATE jobs SET state = 'ready', run_at = now() WHERE kind = 'transcription'").await;
    assert!(matches!(room.transcribe().await, Ended::Later(Reason::TranscriptNotReady, _)));
    room.later(WAIT / 2).await;
    assert_eq!(room.transcribe().await, Ended::Done, "the wait counts from the end of the call");
    assert_eq!(room.paid(), 2);
}

#[tokio::test]
async fn a_call_of_long_ago_without_a_transcript_is_not_waited_for() {
    let old = CallSpec::ago(Duration::from_hours(24 * 90)).speaking(Duration::from_secs(10));
    let room = Room::of(old, [], Order::WebexThenWhisper, LegPolicy::main_only()).await;
    assert_eq!(room.transcribe().await, Ended::Done);
    assert_eq!((room.row().await.provider.as_str(), room.paid()), ("whisper", 2));
}

#[tokio::test]
async fn a_crash_between_the_answer_and_its_commit_repeats_no_payment_and_one_after_it_repeats_nothing() {
    let room = Room::with([], Order::WebexThenWhisper).await;
    let killed = room.claim(JobKind::Transcription).await;
    assert!(matches!(room.outcome(&killed).await, Outcome::Done(_)), "its commit is lost");
    room.sql("UPDATE jobs SET state = 'ready', run_at = now() WHERE kind = 'transcription'").await;
    assert_eq!(room.transcribe().await, Ended::Done);
    let before = (room.fetched(), room.text("SELECT md5(transcript_json::text) || completed_at AS text FROM call_transcripts").await);
    room.sql("UPDATE jobs SET state = 'ready', finished_at = NULL, run_at = now() WHERE kind = 'transcription'").await;
    assert_eq!(room.transcribe().await, Ended::Done);
    let after = (room.fetched(), room.text("SELECT md5(transcript_json::text) || completed_at AS text FROM call_transcripts").await);
    assert_eq!((before.0, &before), (2, &after));
    assert_eq!(room.paid(), 0);
}

#[tokio::test]
async fn trouble_with_the_vendor_within_the_wait_costs_neither_money_nor_an_attempt() {
    let down = Fault::ServerError { at: Endpoint::Captures, status: 503, body: ErrorBody::Html };
    let room = Room::with([], Order::WebexThenWhisper).await;
    room.office.vendor.faults().on(down.clone(), callscribe_simulators::When::Always);
    assert!(matches!(room.transcribe().await, Ended::Later(Reason::VendorUnavailable, _)));
    room.office.vendor.faults().clear();
    room.later(Duration::from_mins(30)).await;
    assert_eq!(room.transcribe().await, Ended::Done);
    taken(&room.row().await);
    assert_eq!(room.paid(), 0);

    let alone = Room::with([], Order::Webex).await;
    alone.office.vendor.faults().on(down, callscribe_simulators::When::Always);
    alone.later(WAIT).await;
    assert_eq!(alone.transcribe().await, Ended::Retry(Reason::VendorUnavailable), "it may pass, and nobody else is there to ask");
}

#[tokio::test]
async fn an_ended_link_to_a_transcript_is_asked_for_anew() {
    let room = Room::with([], Order::WebexThenWhisper).await;
    room.office.vendor.faults().on(Fault::LinkExpires, callscribe_simulators::When::First(1));
    assert!(matches!(room.transcribe().await, Ended::Later(Reason::LinkExpired, _)));
    room.later(Duration::from_mins(5)).await;
    assert_eq!(room.transcribe().await, Ended::Done);
    taken(&room.row().await);
}

#[tokio::test]
async fn a_call_in_which_nobody_speaks_is_complete_without_a_wait() {
    let silent = CallSpec { audio: Length::Silent(Duration::from_secs(20)), transcript_after: None, ..call() };
    let room = Room::of(silent, [], Order::WebexThenWhisper, LegPolicy::main_only()).await;
    assert_eq!(room.transcribe().await, Ended::Done);
    assert_eq!((room.row().await.flags, room.paid()), (vec!["silent".to_owned()], 0));
}

#[tokio::test]
async fn the_vendors_transcript_is_the_calls_and_a_consultation_goes_to_the_transcriber() {
    let room = Room::of(call(), [Fault::SeveralLegs], Order::WebexThenWhisper, LegPolicy::all()).await;
    while room.text("SELECT count(*)::text AS text FROM jobs WHERE kind = 'recording' AND state = 'ready'").await != "0" {
        assert_eq!(room.run(JobKind::Recording).await, Ended::Done);
    }
    assert_eq!([room.transcribe().await, room.transcribe().await], [Ended::Done, Ended::Done]);
    let (main, consult) = (room.row().await, room.row_of("consult").await);
    taken(&main);
    assert_eq!(bag(&main.transcript_text.unwrap()), bag(&room.truth().text()));
    let (_, recording) = room.office.vendor.leg_of(0, callscribe_simulators::webex::Leg::Consult).unwrap();
    let said: Vec<_> = recording.words().into_iter().map(|said| said.word).collect();
    assert_eq!((consult.provider.as_str(), bag(&consult.transcript_text.unwrap())), ("whisper", bag(&said.join(" "))));
    assert_eq!(room.paid(), 2);
}
