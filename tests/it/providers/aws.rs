//! AWS Transcribe, with its simulator and our embedded S3: only with the cargo feature.

use std::sync::Arc;

use bytes::Bytes;
use callscribe::{
    asr::{Answer, Manner, TranscribeError, Transcriber, aws_transcribe::AwsTranscribe},
    blob::Blob,
    clock::ManualClock,
    config::{AccessKeys, AwsTranscribeSettings},
    domain::Reason,
};
use callscribe_simulators::{
    When,
    aws_transcribe::{self, Bucket, Later},
    services::{ServiceFault, ServicePlan},
};
use chrono::{DateTime, TimeDelta};
use futures_util::StreamExt;

use super::{call, made, tape::Tape};
use crate::harness::{self, TestS3};

/// Our bucket, lent to the simulator.
#[derive(Debug)]
struct Lent(Blob);

impl Bucket for Lent {
    fn get<'a>(&'a self, _bucket: &'a str, key: &'a str) -> Later<'a, Option<Bytes>> {
        Box::pin(async move {
            let mut reading = self.0.get(key, None).await.ok()?;
            let mut bytes = Vec::new();
            while let Some(piece) = reading.bytes.next().await {
                bytes.extend_from_slice(&piece.ok()?);
            }
            Some(bytes.into())
        })
    }

    fn put<'a>(&'a self, bucket: &'a str, key: &'a str, body: Bytes) -> Later<'a, ()> {
        Box::pin(async move {
            assert_eq!(bucket, self.0.bucket());
            let mut upload = self.0.upload(key, Default::default());
            upload.push(body).await.unwrap();
            upload.finish().await.unwrap();
        })
    }
}

/// The service, its bucket, and a clock that stands.
pub(super) struct Office {
    pub(super) server: aws_transcribe::AwsTranscribe,
    pub(super) transcriber: AwsTranscribe,
    blob: Blob,
    clock: ManualClock,
    pub(super) s3: TestS3,
}

pub(super) async fn office() -> Office {
    let s3 = harness::s3().await;
    let blob = s3.blob().await;
    let plan = ServicePlan::new(&["ours"]);
    let keys = AccessKeys { access_key_id: plan.api_key.clone(), secret_access_key: "s3cret".into(), session_token: None };
    let server = aws_transcribe::AwsTranscribe::start(plan, Arc::new(Lent(blob.clone()))).await.unwrap();
    let settings = AwsTranscribeSettings {
        region: Some("eu-central-1".to_owned()),
        endpoint_url: Some(server.endpoint_url().parse().unwrap()),
        model: AwsTranscribeSettings::DEFAULT_MODEL.to_owned(),
        language: None,
        keys: Some(keys),
    };
    let clock = ManualClock::at(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
    let transcriber = AwsTranscribe::connect(settings, blob.clone(), Arc::new(clock.clone())).await;
    Office { server, transcriber, blob, clock, s3 }
}

impl Office {
    async fn begin(&self) -> String {
        match self.transcriber.transcribe(&tape(), Manner::Usual).await.unwrap() {
            Answer::Underway(underway) => underway.job,
            Answer::Made(made) => panic!("at once: {made:?}"),
        }
    }

    async fn objects(&self) -> usize {
        self.blob.list("transcribe/").await.unwrap().len()
    }
}

fn tape() -> Tape {
    Tape::of(&call())
}

#[tokio::test]
async fn a_start_whose_reply_was_lost_is_not_paid_for_twice_and_nothing_stays_in_the_bucket() {
    let office = office().await;
    office.server.faults().on(ServiceFault::StartReplyLost, When::First(1));
    let lost = office.transcriber.transcribe(&tape(), Manner::Usual).await.unwrap_err();
    assert!(matches!(lost, TranscribeError::Unavailable { .. }), "{lost:?}");
    let made = made(&office.transcriber, &tape()).await.unwrap();
    assert!(!made.words.is_empty());
    assert_eq!(
        (office.server.taken().len(), office.objects().await),
        (1, 2),
        "killed before the answer is kept, it is there to be read again"
    );
    for _ in 0..2 {
        office.transcriber.release("tape-1", &made.request_id.clone().unwrap()).await.unwrap();
        assert_eq!((office.objects().await, office.server.jobs()), (0, Vec::<String>::new()));
    }
}

#[tokio::test]
async fn a_failed_job_is_deleted_so_that_another_try_starts_anew() {
    let office = office().await;
    let fails = |reason: &str| office.server.faults().on(ServiceFault::JobFails { reason: reason.to_owned() }, When::First(1));
    fails("There was an internal error.");
    assert!(!made(&office.transcriber, &tape()).await.unwrap().words.is_empty());
    assert_eq!(office.server.taken().len(), 2);
    office.server.faults().clear();
    fails("The media format provided does not match the detected media format.");
    let again = Tape { id: "tape-9".to_owned(), ..tape() };
    let refused = made(&office.transcriber, &again).await.unwrap_err();
    assert!(matches!(refused, TranscribeError::Rejected { reason: Reason::AudioUndecodable, .. }), "{refused:?}");
    assert!(!office.server.jobs().contains(&"tape-9".to_owned()));
    let left = office.blob.list("transcribe/tape-9").await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_job_that_takes_for_ever_is_begun_once_more() {
    let office = office().await;
    office.server.faults().on(ServiceFault::JobLasts { looks: u32::MAX }, When::Always);
    let job = office.begin().await;
    office.clock.advance(TimeDelta::hours(1));
    let Answer::Underway(second) = office.transcriber.collect(&tape(), &job).await.unwrap() else { panic!("made") };
    assert_ne!(second.job, job);
    office.clock.advance(TimeDelta::hours(1));
    let given_up = office.transcriber.collect(&tape(), &second.job).await.unwrap_err();
    assert!(matches!(given_up, TranscribeError::Unavailable { .. }), "{given_up:?}");
    assert_eq!(office.server.taken().len(), 2);
}

#[tokio::test]
async fn a_job_that_nobody_knows_any_more_is_begun_again() {
    let office = office().await;
    office.server.faults().on(ServiceFault::JobForgotten, When::First(1));
    assert!(!made(&office.transcriber, &tape()).await.unwrap().words.is_empty());
    assert_eq!(office.server.taken().len(), 2);
}
