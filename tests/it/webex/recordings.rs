//! Recordings on offer and their download.

use std::{sync::Arc, time::Duration};

use callscribe::{
    config::DownloadHosts,
    domain::{Leg, RecordingOffer, SessionId},
    sources::{RecordingAnswer, Source, SourceError, webex::Webex},
};
use callscribe_simulators::{
    When,
    webex::{Fault, WebexPlan},
};
use futures_util::{StreamExt, TryStreamExt, future::join_all};

use super::office::Office;

async fn offers(source: &Webex, session: &SessionId) -> Vec<RecordingOffer> {
    match source.recordings(session).await.unwrap() {
        RecordingAnswer::Offered { offers, .. } => offers,
        RecordingAnswer::Nothing { .. } | RecordingAnswer::Purged { .. } => Vec::new(),
    }
}

async fn bytes(source: &Webex, offer: &RecordingOffer, from_byte: u64) -> Result<(u64, Vec<u8>), SourceError> {
    let download = source.download(offer, from_byte).await?;
    let chunks: Vec<_> = download.bytes.try_collect().await?;
    Ok((download.from_byte, chunks.concat()))
}

#[tokio::test]
async fn a_recording_is_fetched_whole_without_our_token_and_resumed_by_range() {
    let office = Office::open(WebexPlan::ordinary(7, 2)).await;
    let source = office.process();
    let [offer] = offers(&source, &office.session(0)).await.try_into().unwrap();
    assert_eq!((offer.leg, offer.recording_id.as_str()), (Leg::Main, office.session(0).as_str()));
    let download = source.download(&offer, 0).await.unwrap();
    let (promised, etag) = (download.total_bytes.unwrap(), download.etag.clone());
    let whole = bytes(&source, &offer, 0).await.unwrap().1;
    assert_eq!(u64::try_from(whole.len()).unwrap(), promised);
    assert!(whole.starts_with(b"RIFF") && etag.is_some());

    let (from, rest) = bytes(&source, &offer, 1000).await.unwrap();
    assert_eq!((from, rest.as_slice()), (1000, &whole[1000..]));
    let (from, again) = bytes(&source, &offer, promised).await.unwrap();
    assert_eq!((from, again.len()), (0, whole.len()), "past the end it begins again");
    let links = office.vendor.requests().matching(|request| request.path.starts_with("/recordings/"));
    assert!(links.len() >= 4 && links.iter().all(|request| !request.had_authorization), "{links:?}");
}

#[tokio::test]
async fn the_calls_own_recording_comes_first_and_odd_forms_are_read() {
    let faults = [Fault::SeveralLegs, Fault::StringTimes, Fault::MissingLabels];
    for fault in faults {
        let office = Office::open(WebexPlan::ordinary(7, 2).with(fault.clone(), When::Always)).await;
        let found = offers(&office.process(), &office.session(1)).await;
        assert_eq!(found[0].leg, Leg::Main, "{fault:?}");
        assert_eq!(found[0].recording_id.as_str(), office.session(1).as_str(), "{fault:?}");
        assert!(found[0].stopped_at > found[0].started_at, "{fault:?}");
        assert_eq!(found.len() > 1, fault == Fault::SeveralLegs, "{fault:?}");
    }
}

#[tokio::test]
async fn not_yet_never_and_left_out_all_say_nothing() {
    for fault in [Fault::NotReadyFor { polls: 1 }, Fault::NeverRecorded, Fault::Purged, Fault::MissingTaskId] {
        let office = Office::open(WebexPlan::ordinary(7, 2).with(fault.clone(), When::Always)).await;
        let source = office.process();
        assert!(matches!(source.recordings(&office.session(0)).await.unwrap(), RecordingAnswer::Nothing { .. }), "{fault:?}");
    }
    let office = Office::open(WebexPlan::ordinary(7, 2)).await;
    let unknown = SessionId::parse("aaaaaaaa-0000-4000-8000-000000000000").unwrap();
    assert!(matches!(office.process().recordings(&unknown).await.unwrap(), RecordingAnswer::Nothing { .. }));
}

#[tokio::test]
async fn twenty_questions_at_once_share_requests_and_each_gets_its_own_answer() {
    let office = Office::open(WebexPlan::ordinary(7, 20).with(Fault::OutOfOrder, When::Always)).await;
    let source = office.process();
    let sessions = office.sessions(20);
    let answers = join_all(sessions.iter().map(|session| offers(&source, session))).await;
    for (session, answer) in sessions.iter().zip(answers) {
        assert_eq!(answer.iter().map(|offer| &offer.session_id).collect::<Vec<_>>(), [session]);
    }
    assert!(office.vendor.requests().to("/v1/captures") <= 4, "{} requests", office.vendor.requests().to("/v1/captures"));
}

#[tokio::test]
async fn an_id_that_the_vendor_cannot_know_spoils_nobody_elses_question() {
    let office = Office::open(WebexPlan::ordinary(7, 3)).await;
    let source = office.process();
    let odd = SessionId::parse("not-a-uuid").unwrap();
    let good = office.session(0);
    let (good, odd) = tokio::join!(source.recordings(&good), source.recordings(&odd));
    assert!(matches!(good.unwrap(), RecordingAnswer::Offered { .. }));
    assert!(matches!(odd.unwrap_err(), SourceError::Rejected { .. }));
}

#[tokio::test]
async fn an_asker_that_goes_away_takes_nobodys_answer_with_it() {
    let office = Office::open(WebexPlan::ordinary(7, 8)).await;
    let source = office.process();
    let gone: Vec<_> = (0..4)
        .map(|number| {
            let (source, session) = (Arc::clone(&source), office.session(number));
            tokio::spawn(async move { source.recordings(&session).await.is_ok() })
        })
        .collect();
    tokio::task::yield_now().await;
    gone.iter().for_each(tokio::task::JoinHandle::abort);
    let sessions = office.sessions(8);
    let answers = join_all(sessions.iter().map(|session| offers(&source, session))).await;
    assert!(answers.iter().all(|offers| offers.len() == 1));
}

#[tokio::test]
async fn every_refusal_of_the_store_has_its_name() {
    let office = Office::open(WebexPlan::ordinary(7, 1)).await;
    let source = office.process();
    let [offer] = offers(&source, &office.session(0)).await.try_into().unwrap();
    let refused = async |fault: Fault| {
        office.vendor.faults().on(fault, When::Always);
        let error = bytes(&source, &offer, 0).await.unwrap_err();
        office.vendor.faults().clear();
        error
    };
    assert!(matches!(refused(Fault::LinkExpires).await, SourceError::LinkExpired { .. }));
    assert!(matches!(refused(Fault::NoSuchKey).await, SourceError::Gone { .. }));
    assert!(matches!(refused(Fault::SlowDown503).await, SourceError::Unavailable { .. }));
    for broken in [Fault::TruncatedBody, Fault::ResetMidStream] {
        let error = refused(broken).await;
        assert!(matches!(error, SourceError::Unavailable { .. }), "{error}");
        assert!(!error.to_string().contains("X-Amz"), "{error}");
    }
}

#[tokio::test]
async fn a_link_that_outlived_its_hour_says_so() {
    let clock = callscribe_simulators::SimulatedClock::running("2026-06-01T12:00:00Z".parse().unwrap(), 1.0);
    let office = Office::open(WebexPlan {
        clock: clock.clone(),
        ..WebexPlan::new(7, vec![callscribe_simulators::webex::CallSpec::ago(Duration::from_mins(5))])
    })
    .await;
    let source = office.process();
    let [offer] = offers(&source, &office.session(0)).await.try_into().unwrap();
    clock.advance(Duration::from_mins(61));
    assert!(matches!(source.download(&offer, 0).await.unwrap_err(), SourceError::LinkExpired { .. }));
}

#[tokio::test]
async fn a_file_without_a_told_length_is_streamed_all_the_same() {
    let office = Office::open(WebexPlan::ordinary(7, 1).with(Fault::ChunkedNoLength, When::Always)).await;
    let source = office.process();
    let [offer] = offers(&source, &office.session(0)).await.try_into().unwrap();
    let mut download = source.download(&offer, 0).await.unwrap();
    assert_eq!(download.total_bytes, None);
    assert!(download.bytes.next().await.unwrap().unwrap().starts_with(b"RIFF"));
}

#[tokio::test]
async fn a_link_to_a_host_that_nobody_allowed_is_not_opened() {
    let office = Office::open(WebexPlan::ordinary(7, 1)).await;
    let source = office.process_with(|settings| settings.download_hosts = DownloadHosts::new([".amazonaws.com"]));
    let [offer] = offers(&source, &office.session(0)).await.try_into().unwrap();
    let error = source.download(&offer, 0).await.unwrap_err();
    assert!(matches!(&error, SourceError::HostNotAllowed { host } if host == "127.0.0.1"), "{error}");
    assert_eq!(office.vendor.requests().to("/recordings/"), 0);
}
