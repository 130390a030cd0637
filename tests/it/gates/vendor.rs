//! A vendor that is down, and one that is not but fails at wide windows.

use std::time::Duration;

use callscribe::{
    domain::{JobId, Reason},
    outbound::Asker,
    sources::{Source, SourceError, webex::Webex},
};
use callscribe_simulators::{
    When,
    transcriber::{Profile, TranscriberPlan},
    webex::{Endpoint, ErrorBody, Fault, WebexPlan},
};

use super::probe_is_due;
use crate::{harness, ledger::number, webex::Office, world::World};

fn failing(at: Endpoint) -> Fault {
    Fault::ServerError { at, status: 500, body: ErrorBody::Json }
}

/// Asks for the recordings of a call on behalf of a job.
async fn recordings(office: &Office, source: &Webex, job: i64) -> Result<(), SourceError> {
    let session = office.session(u32::try_from(job).unwrap());
    Asker::job(JobId(job)).during(source.recordings(&session)).await.map(drop)
}

async fn calls(office: &Office, source: &Webex, job: i64) -> Result<(), SourceError> {
    Asker::job(JobId(job)).during(source.calls(office.day(), None)).await.map(drop)
}

#[tokio::test]
async fn a_vendor_that_is_down_is_asked_no_more_by_any_process_until_a_probe_is_answered() {
    let office = Office::open(WebexPlan::ordinary(7, 9)).await;
    let [one, other] = [office.process(), office.process()];
    recordings(&office, &one, 0).await.unwrap();
    office.vendor.faults().on(failing(Endpoint::Any), When::Always);
    for job in 0..5 {
        let error = recordings(&office, &one, job).await.unwrap_err();
        assert_eq!((error.reason(), matches!(error, SourceError::Down { .. })), (Reason::VendorUnavailable, job == 4), "{job}: {error}");
    }
    let asked = office.vendor.requests().total();
    for job in 5..9 {
        for refused in [recordings(&office, &other, job).await.unwrap_err(), calls(&office, &other, job).await.unwrap_err()] {
            assert!(matches!(refused, SourceError::Down { asked: false, wait, .. } if wait > Duration::from_secs(1)), "{refused}");
        }
    }
    assert_eq!(office.vendor.requests().total(), asked);
    probe_is_due(&office.hints(), "webex").await;
    let failed = calls(&office, &other, 6).await.unwrap_err();
    assert!(
        matches!(failed, SourceError::Down { asked: true, .. }),
        "a probe that fails costs nothing, and may have been too wide: {failed}"
    );
    office.vendor.faults().clear();
    probe_is_due(&office.hints(), "webex").await;
    recordings(&office, &other, 7).await.unwrap();
    recordings(&office, &one, 8).await.unwrap();
}

#[tokio::test]
async fn windows_that_the_vendor_fails_at_are_not_taken_for_a_vendor_that_is_down() {
    let office = Office::open(WebexPlan::ordinary(7, 3)).await;
    let source = office.process();
    office.vendor.faults().on(failing(Endpoint::Tasks), When::Always);
    for job in 0..20 {
        let error = calls(&office, &source, job).await.unwrap_err();
        assert!(matches!(error, SourceError::Unavailable { .. }), "{error}");
    }
    recordings(&office, &source, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_is_down_for_a_while_kills_no_job() {
    let webex = WebexPlan::ordinary(7, 20).with(failing(Endpoint::Captures), When::Always);
    let world = World::new(webex, TranscriberPlan::new(Profile::OpenAi)).await;
    let store = world.database.store();
    let _scheduler = world.start(&["scheduler"]);
    let worker = world.start(&["worker", "all", "--concurrency", "6"]);
    let waiting = "SELECT count(DISTINCT job_id) FROM job_attempts JOIN jobs ON jobs.id = job_id
                   WHERE kind = 'recording' AND outcome = 'later' AND job_attempts.reason = 'vendor_unavailable'";
    harness::eventually("every recording waits", async || number(&store, waiting).await >= 15).await;
    world.webex.faults().clear();
    super::transcriber::everything_is_over(&world).await;
    assert_eq!(number(&store, "SELECT count(*) FROM jobs WHERE state = 'dead'").await, 0);
    world.assert_as_the_truth_says().await;
    assert_eq!(worker.log().matches("circuit opened: the service is down").count(), 1);
}
