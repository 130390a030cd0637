//! The pace: what one process is told, all keep to.

use std::time::Duration;

use callscribe::{domain::Reason, sources::SourceError};
use callscribe_simulators::{
    When,
    webex::{Fault, RetryAfter, WebexPlan},
};

use super::office::{Office, read};

fn wait_of(error: &SourceError) -> Duration {
    match error {
        SourceError::RateLimited { wait, .. } => *wait,
        other => panic!("{other} is no request to wait"),
    }
}

#[tokio::test]
async fn a_429_is_honoured_by_every_process_however_it_names_the_wait() {
    for (style, least) in [(RetryAfter::Seconds, 20), (RetryAfter::HttpDate, 15), (RetryAfter::Absent, 0)] {
        let office = Office::open(WebexPlan::ordinary(7, 3)).await;
        let [told, other] = [office.process(), office.process()];
        read(&*other, office.day()).await.unwrap();
        office.vendor.faults().on(Fault::Throttled { seconds: 20, retry_after: style }, When::Always);
        let asked = office.listings();

        let error = read(&*told, office.day()).await.unwrap_err();
        assert_eq!(error.reason(), Reason::RateLimited);
        let trace = error.trace();
        assert!(trace.status == Some(429) && trace.request_id.is_some_and(|id| id.starts_with("CALLSCRIBE_")), "for the vendor's support");
        let wait = wait_of(&error);
        assert!(wait >= Duration::from_secs(least) && wait <= Duration::from_secs(25), "{style:?}: {wait:?}");
        for process in [&told, &other] {
            let error = read(&**process, office.day()).await.unwrap_err();
            assert_eq!(error.reason(), Reason::RateLimited, "{style:?}");
            assert!(wait_of(&error) > Duration::ZERO && wait_of(&error) <= Duration::from_secs(30), "{style:?}: {:?}", wait_of(&error));
        }
        assert_eq!(office.listings(), asked + 1, "{style:?}: the vendor is asked no more");
    }
}

#[tokio::test]
async fn a_429_that_names_a_short_wait_is_over_soon() {
    let office = Office::open(WebexPlan::ordinary(7, 3)).await;
    let source = office.process();
    read(&*source, office.day()).await.unwrap();
    office.vendor.faults().on(Fault::Throttled { seconds: 1, retry_after: RetryAfter::Seconds }, When::First(1));
    assert!(read(&*source, office.day()).await.is_err());
    crate::harness::eventually("the block is over", async || read(&*source, office.day()).await.is_ok()).await;
}

#[tokio::test]
async fn the_budget_is_one_for_all_processes_and_its_end_is_ours_not_the_vendors() {
    let office = Office::open(WebexPlan::ordinary(7, 3)).await;
    // 24 a minute are 4 at once
    let processes = [(), ()].map(|()| office.process_with(|settings| settings.budget_per_minute = 24));
    let mut refused = Vec::new();
    for _ in 0..3 {
        for process in &processes {
            refused.extend(read(&**process, office.day()).await.err());
        }
    }
    assert!(!refused.is_empty() && refused.iter().all(|error| error.reason() == Reason::BudgetSpent), "{refused:?}");
    assert!(refused.iter().all(|error| wait_of(error) > Duration::from_millis(500)));
    assert_eq!(office.listings() + refused.len(), 6);
}
