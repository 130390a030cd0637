//! Work that goes on without us: what is posted twice, early, never or by strangers, and orders that are lost or fail.

use std::{sync::Arc, time::Duration};

use callscribe::{
    asr::{Answer, Manner, TranscribeError, Transcriber, assemblyai::AssemblyAi, deepgram::Deepgram},
    clock::{Clock, ManualClock},
    config::{AssemblyAiSettings, DeepgramCallback, DeepgramSettings},
    domain::Reason,
    store::{Store, provider_answers},
};
use callscribe_api::{ApiState, app, serve};
use callscribe_simulators::{
    When, assemblyai, deepgram,
    services::{ServiceFault, ServicePlan},
};
use chrono::{DateTime, TimeDelta};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use super::{call, made, tape::Tape};
use crate::{
    api::registry,
    harness::{self, TestDatabase, eventually},
};

/// As long as it has to be.
pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// An API that takes what is posted, and its address as Deepgram is told it.
pub(crate) async fn receiver(store: Store, secret: &SecretString) -> (Url, DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks/deepgram", listener.local_addr().unwrap()).parse().unwrap();
    let stop = CancellationToken::new();
    let state = ApiState::new(store, registry()).with_deepgram(Some(secret));
    tokio::spawn(serve(listener, app(state), stop.clone()));
    (url, stop.drop_guard())
}

/// Deepgram that posts, with a clock that stands.
struct Office {
    server: deepgram::Deepgram,
    database: TestDatabase,
    callback: Url,
    clock: ManualClock,
    transcriber: Deepgram,
    _api: DropGuard,
}

async fn office() -> Office {
    let server = deepgram::Deepgram::start(ServicePlan::new(&deepgram::MODELS)).await.unwrap();
    let database = harness::database().await;
    let secret: SecretString = SECRET.into();
    let (callback, api) = receiver(database.store(), &secret).await;
    let mut settings = DeepgramSettings::for_base_url(server.base_url().parse().unwrap(), server.api_key().to_owned().into());
    settings.callback = Some(DeepgramCallback { url: callback.clone(), secret });
    let clock = ManualClock::at(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
    let transcriber = Deepgram::new(settings, Arc::new(clock.clone())).unwrap().collecting_from(database.store());
    Office { server, database, callback, clock, transcriber, _api: api }
}

impl Office {
    async fn begin(&self) -> String {
        begin(&self.transcriber).await
    }

    /// Waits until something was posted.
    async fn posted(&self) {
        let store = self.database.store();
        eventually("something is posted", async || {
            let mut connection = store.connection().await.unwrap();
            provider_answers::find(&mut connection, DeepgramSettings::PROVIDER, "tape-1").await.unwrap().is_some()
        })
        .await;
    }
}

fn tape() -> Tape {
    Tape::of(&call())
}

/// Asks for the usual recording and tells the name of what is under way.
async fn begin(transcriber: &dyn Transcriber) -> String {
    match transcriber.transcribe(&tape(), Manner::Usual).await.unwrap() {
        Answer::Underway(underway) => underway.job,
        Answer::Made(made) => panic!("at once: {made:?}"),
    }
}

fn words_of(answer: Answer) -> usize {
    match answer {
        Answer::Made(made) => made.words.len(),
        Answer::Underway(underway) => panic!("{underway:?}"),
    }
}

fn underway(answer: Answer) -> (String, Duration) {
    match answer {
        Answer::Underway(underway) => (underway.job, underway.again_in),
        Answer::Made(made) => panic!("{made:?}"),
    }
}

#[tokio::test]
async fn a_result_that_is_posted_twice_or_before_the_start_is_answered_does_no_harm() {
    let office = office().await;
    office.server.faults().on(ServiceFault::CallbackTwice, When::Always);
    office.server.faults().on(ServiceFault::CallbackFirst, When::Always);
    let job = office.begin().await;
    let words = call().words().len();
    for _ in 0..2 {
        assert_eq!(words_of(office.transcriber.collect(&tape(), &job).await.unwrap()), words, "collected again after a crash");
    }
    assert_eq!(office.server.taken().len(), 1);
}

#[tokio::test]
async fn a_result_whose_start_was_never_answered_is_not_paid_for_again() {
    let office = office().await;
    office.server.faults().on(ServiceFault::StartReplyLost, When::First(1));
    let lost = office.transcriber.transcribe(&tape(), Manner::Usual).await.unwrap_err();
    assert!(matches!(lost, TranscribeError::Unavailable { .. }), "{lost:?}");
    office.posted().await;
    let (job, again_in) = underway(office.transcriber.transcribe(&tape(), Manner::Usual).await.unwrap());
    assert_eq!(again_in, Duration::ZERO);
    words_of(office.transcriber.collect(&tape(), &job).await.unwrap());
    assert_eq!(office.server.taken().len(), 1);
}

#[tokio::test]
async fn nothing_that_was_posted_stays_once_its_answer_is_kept() {
    let office = office().await;
    let job = office.begin().await;
    office.posted().await;
    for _ in 0..2 {
        office.transcriber.release("tape-1", &job).await.unwrap();
        let mut connection = office.database.store().connection().await.unwrap();
        assert_eq!(provider_answers::find(&mut connection, DeepgramSettings::PROVIDER, "tape-1").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_result_that_is_never_posted_is_asked_for_once_more_and_then_told_to_a_person() {
    let office = office().await;
    office.server.faults().on(ServiceFault::CallbackNever, When::Always);
    let job = office.begin().await;
    let collect = async |job: &str| office.transcriber.collect(&tape(), job).await;
    office.clock.advance(TimeDelta::seconds(60));
    assert_eq!(underway(collect(&job).await.unwrap()), (job.clone(), Duration::from_secs(20)));
    // three lengths of 20 s, a quarter of an hour, and a second
    office.clock.advance(TimeDelta::seconds(3 * 20 + 15 * 60 - 60 + 1));
    let (second, _) = underway(collect(&job).await.unwrap());
    assert_ne!(second, job);
    assert_eq!(office.server.taken().len(), 2);
    office.clock.advance(TimeDelta::hours(1));
    let given_up = collect(&second).await.unwrap_err();
    assert!(matches!(&given_up, TranscribeError::Misconfigured { what, .. } if what.contains("DEEPGRAM_CALLBACK_URL")), "{given_up:?}");
    assert_eq!(office.server.taken().len(), 2, "no third time");
}

#[tokio::test]
async fn an_error_that_is_posted_is_asked_about_once_more() {
    let office = office().await;
    office.server.faults().on(ServiceFault::CallbackFails, When::First(1));
    let job = office.begin().await;
    office.posted().await;
    let (second, _) = underway(office.transcriber.collect(&tape(), &job).await.unwrap());
    office.posted().await;
    words_of(office.transcriber.collect(&tape(), &second).await.unwrap());
    assert_eq!(office.server.taken().len(), 2);
}

#[tokio::test]
async fn what_strangers_post_is_refused() {
    let office = office().await;
    let client = callscribe::outbound::Client::new("test", callscribe::outbound::Limits::API).unwrap();
    let post = async |path: &str, body: &'static str| {
        let url = format!("{}/{path}", office.callback).parse().unwrap();
        let request = client.request(reqwest::Method::POST, &url).unwrap().body(body);
        client.send(request).await.unwrap().status().as_u16()
    };
    let forged = format!("tape-1.{}", "0".repeat(64));
    assert_eq!([post(&forged, "{}").await, post("tape-1", "{}").await], [404, 404]);
    let mut connection = office.database.store().connection().await.unwrap();
    assert_eq!(provider_answers::find(&mut connection, DeepgramSettings::PROVIDER, "tape-1").await.unwrap(), None);
}

async fn assembly() -> (assemblyai::AssemblyAi, ManualClock, AssemblyAi) {
    let server = assemblyai::AssemblyAi::start(ServicePlan::new(&assemblyai::MODELS)).await.unwrap();
    let settings = AssemblyAiSettings::for_base_url(server.base_url().parse().unwrap(), server.api_key().to_owned().into());
    let clock = ManualClock::at(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
    let transcriber = AssemblyAi::new(settings, Arc::new(clock.clone())).unwrap();
    (server, clock, transcriber)
}

#[tokio::test]
async fn a_transcript_that_takes_for_ever_is_ordered_once_more() {
    let (server, clock, transcriber) = assembly().await;
    server.faults().on(ServiceFault::JobLasts { looks: u32::MAX }, When::Always);
    let job = begin(&transcriber).await;
    let mut looks = Vec::new();
    for _ in 0..5 {
        let (same, again_in) = underway(transcriber.collect(&tape(), &job).await.unwrap());
        assert_eq!(same, job);
        looks.push(again_in.as_secs());
        clock.advance(TimeDelta::seconds(50));
    }
    assert_eq!(looks, [10, 16, 33, 50, 60]);
    clock.advance(TimeDelta::hours(1));
    let (second, _) = underway(transcriber.collect(&tape(), &job).await.unwrap());
    assert_ne!(second, job);
    clock.advance(TimeDelta::hours(1));
    let given_up = transcriber.collect(&tape(), &second).await.unwrap_err();
    assert!(matches!(given_up, TranscribeError::Unavailable { .. }), "{given_up:?}");
    assert_eq!((server.taken().len(), clock.now() > DateTime::UNIX_EPOCH), (2, true));
}

#[tokio::test]
async fn why_a_transcript_failed_decides_whether_it_is_ordered_again() {
    let (server, _, transcriber) = assembly().await;
    let fails = |reason: &str| server.faults().on(ServiceFault::JobFails { reason: reason.to_owned() }, When::First(1));
    fails("Internal server error, please try again");
    assert!(!made(&transcriber, &tape()).await.unwrap().words.is_empty());
    assert_eq!(server.taken().len(), 2);
    server.faults().clear();
    fails("Transcoding failed. File does not appear to contain audio. File type is text/plain.");
    let refused = made(&transcriber, &tape()).await.unwrap_err();
    assert!(matches!(refused, TranscribeError::Rejected { reason: Reason::AudioUndecodable, .. }), "{refused:?}");
    server.faults().clear();
    fails("Audio duration is too short.");
    let short = made(&transcriber, &tape()).await.unwrap_err();
    assert!(matches!(short, TranscribeError::TooShort { .. }), "{short:?}");
    assert_eq!(server.taken().len(), 4);
}

#[tokio::test]
async fn an_order_that_nobody_knows_any_more_is_made_again() {
    let (server, _, transcriber) = assembly().await;
    server.faults().on(ServiceFault::JobForgotten, When::First(1));
    assert!(!made(&transcriber, &tape()).await.unwrap().words.is_empty());
    assert_eq!(server.taken().len(), 2);
    let stale = transcriber.collect(&tape(), "a name of an older version").await.unwrap();
    assert!(matches!(stale, Answer::Underway(_)));
}

#[tokio::test]
async fn a_look_that_fails_orders_nothing() {
    let (server, _, transcriber) = assembly().await;
    let job = begin(&transcriber).await;
    for fault in [ServiceFault::Failing { status: 503 }, ServiceFault::Cut, ServiceFault::HalfAnswer] {
        server.faults().on(fault.clone(), When::First(1));
        assert!(transcriber.collect(&tape(), &job).await.is_err(), "{fault:?}");
        server.faults().clear();
    }
    words_of(transcriber.collect(&tape(), &job).await.unwrap());
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test]
async fn what_nobody_collects_for_a_day_goes() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    for piece in ["old", "new"] {
        provider_answers::keep(&mut connection, DeepgramSettings::PROVIDER, piece, &serde_json::json!({})).await.unwrap();
    }
    let aged = "UPDATE provider_answers SET received_at = now() - interval '25 hours' WHERE job = 'old'";
    crate::ledger::execute(&database.store(), aged).await;
    for expected in [1, 0] {
        assert_eq!(provider_answers::prune(&mut connection).await.unwrap(), expected);
    }
    assert!(provider_answers::find(&mut connection, DeepgramSettings::PROVIDER, "new").await.unwrap().is_some());
}
