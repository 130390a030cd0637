//! Paging and translating: nothing lost, nothing invented, wrong shapes loud.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use callscribe::{
    domain::{Direction, EndTimeSource, Window},
    sources::{Source, SourceError, webex::Webex},
};
use callscribe_simulators::{
    SimulatedClock, When,
    webex::{CallSpec, Calls, Endpoint, ErrorBody, Fault, WebexPlan},
};
use chrono::TimeDelta;

use super::office::{Office, read};

/// Takes the youngest calls as well: the last simulated one began a second ago.
fn process(office: &Office, page_size: u16) -> Arc<Webex> {
    office.process_with(|settings| {
        settings.page_size = page_size;
        settings.settle = Duration::ZERO;
    })
}

#[tokio::test]
async fn every_call_of_a_window_is_told_once_whatever_the_boundary_means() {
    for faults in [vec![], vec![Fault::BoundaryInclusive]] {
        let plan = WebexPlan::ordinary(7, 95);
        let office = Office::open(WebexPlan { faults: faults.into_iter().map(|fault| (fault, When::Always)).collect(), ..plan }).await;
        let source = office.process_with(|settings| settings.page_size = 10);
        let told = read(&*source, office.day()).await.unwrap();
        assert_eq!(told.sessions(), office.sessions(95), "each once, oldest first");
        assert!(told.pages >= 10 && told.gaps.is_empty() && told.unreadable.is_empty());
    }
}

#[tokio::test]
async fn a_burst_that_fills_the_largest_page_in_one_millisecond_loses_nothing() {
    for (burst, inclusive) in [(100, false), (1000, false), (1000, true)] {
        let mut plan = WebexPlan::bench(1300);
        plan.faults.push((Fault::SameMillisecondBurst { first: 150, count: burst }, When::Always));
        if inclusive {
            plan.faults.push((Fault::BoundaryInclusive, When::Always));
        }
        let office = Office::open(plan).await;
        let told = read(&*process(&office, 1000), office.day()).await.unwrap();
        let found: BTreeSet<_> = told.sessions().into_iter().collect();
        assert_eq!(found, office.sessions(1300).into_iter().collect(), "burst of {burst}, inclusive {inclusive}");
        assert_eq!(told.calls.len(), 1300, "each once");
    }
}

#[tokio::test]
async fn more_calls_in_one_millisecond_than_a_page_holds_are_told_as_a_possible_gap() {
    let mut plan = WebexPlan::bench(60);
    plan.faults.push((Fault::SameMillisecondBurst { first: 20, count: 25 }, When::Always));
    let office = Office::open(plan).await;
    let told = read(&*process(&office, 10), office.day()).await.unwrap();
    let found: BTreeSet<_> = told.sessions().into_iter().collect();
    let burst: BTreeSet<_> = (20..45).map(|number| office.session(number)).collect();
    let lost: Vec<_> = office.sessions(60).into_iter().filter(|session| !found.contains(session)).collect();
    assert!(lost.iter().all(|session| burst.contains(session)), "nothing outside that millisecond is lost");
    let at = told.calls.iter().find(|call| burst.contains(&call.session_id)).unwrap().start_time;
    assert!(!told.gaps.is_empty() && told.gaps.iter().all(|gap| *gap == at), "{:?} is not {at}", told.gaps);
}

#[tokio::test]
async fn a_call_repeated_on_the_next_page_neither_stops_nor_skips_the_paging() {
    let mut plan = WebexPlan::bench(60);
    plan.faults = vec![(Fault::DuplicateAcrossPages, When::Always), (Fault::SameMillisecondBurst { first: 20, count: 9 }, When::Always)];
    let office = Office::open(plan).await;
    let told = read(&*process(&office, 10), office.day()).await.unwrap();
    let found: BTreeSet<_> = told.sessions().into_iter().collect();
    assert_eq!(found, office.sessions(60).into_iter().collect());
}

#[tokio::test]
async fn a_call_listed_late_is_found_by_the_next_run_over_the_same_time() {
    let clock = SimulatedClock::standing("2026-06-01T12:00:00Z".parse().unwrap());
    let calls = (1..=3).map(|minutes| CallSpec::ago(Duration::from_mins(minutes))).collect();
    let mut plan = WebexPlan { clock: clock.clone(), ..WebexPlan::new(7, calls) };
    let late = plan.session_id(1);
    plan.faults.push((Fault::LateArrival { by: Duration::from_mins(10) }, When::sessions([late])));
    let office = Office::open(plan).await;
    let (source, day) = (office.process(), office.day());
    assert_eq!(read(&*source, day).await.unwrap().calls.len(), 2);
    clock.advance(Duration::from_mins(15));
    assert_eq!(read(&*source, day).await.unwrap().calls.len(), 3);
}

#[tokio::test]
async fn a_call_is_translated_as_its_vendor_means_it() {
    let closed = CallSpec::ago(Duration::from_mins(10));
    let dialled = CallSpec {
        direction: callscribe_simulators::webex::Direction::Outdial,
        answered: false,
        queued: false,
        ..CallSpec::ago(Duration::from_mins(5))
    };
    let running = CallSpec { lasts: Duration::from_mins(30), ..CallSpec::ago(Duration::from_mins(2)) };
    let office = Office::open(WebexPlan::new(7, vec![closed, dialled, running])).await;
    let calls = read(&*office.process(), office.day()).await.unwrap().calls;
    let [closed, dialled, running] = calls.try_into().unwrap();
    assert_eq!((closed.direction, closed.closed, closed.expects_recording()), (Some(Direction::Inbound), true, true));
    assert!(matches!(closed.end, Some((end, EndTimeSource::LastUpdated)) if end >= closed.start_time));
    assert!(closed.agent_name.is_some() && closed.queue_name.is_some() && closed.ani.is_some());
    assert_eq!((dialled.direction, dialled.agent_id, dialled.queue_name), (Some(Direction::Outbound), None, None));
    assert!(!running.closed && running.end.is_none() && !running.expects_recording());
    assert_eq!(running.raw_payload["task"]["id"], running.session_id.as_str());
}

#[tokio::test]
async fn what_the_vendor_leaves_out_or_invents_does_not_sink_the_call() {
    for fault in [Fault::MissingFields, Fault::NullFields, Fault::UnknownWords, Fault::ExtraFields, Fault::GzipAlways, Fault::NonTelephony]
    {
        let office = Office::open(WebexPlan::ordinary(7, 5).with(fault.clone(), When::Always)).await;
        let told = read(&*office.process(), office.day()).await.unwrap();
        assert_eq!(told.sessions(), office.sessions(5), "{fault:?}");
        assert!(told.unreadable.is_empty() && told.calls.iter().all(|call| call.channel == "telephony"), "{fault:?}");
    }
}

#[tokio::test]
async fn one_malformed_element_is_set_aside_and_the_page_goes_on() {
    let office = Office::open(WebexPlan::ordinary(7, 5).with(Fault::MalformedElement, When::Always)).await;
    let told = read(&*office.process(), office.day()).await.unwrap();
    assert_eq!(told.sessions(), office.sessions(5));
    let [element] = &told.unreadable[..] else { panic!("{:?}", told.unreadable) };
    assert_eq!(element.raw["id"], 17);
    assert!(element.error.contains("id"), "{}", element.error);
}

#[tokio::test]
async fn items_for_data_is_a_loud_error_and_never_no_calls() {
    let office = Office::open(WebexPlan::ordinary(7, 5).with(Fault::WrongShapeItems, When::Always)).await;
    let error = read(&*office.process(), office.day()).await.unwrap_err();
    assert!(matches!(error, SourceError::WrongShape { .. }) && error.to_string().contains("`data`"), "{error}");
    assert_eq!(error.trace().status, Some(200));
}

#[tokio::test]
async fn a_window_that_is_too_much_at_once_is_told_as_too_wide() {
    let longest = Duration::from_hours(1);
    let office = Office::open(WebexPlan::ordinary(7, 5).with(Fault::TooWide413 { longest }, When::Always)).await;
    let source = office.process();
    assert!(matches!(read(&*source, office.day()).await.unwrap_err(), SourceError::TooWide { .. }));
    let narrow: Vec<_> = office.day().split(TimeDelta::minutes(59)).collect();
    let mut found = Vec::new();
    for window in narrow {
        found.extend(read(&*source, window).await.unwrap().sessions());
    }
    found.dedup();
    assert_eq!(found, office.sessions(5));
}

#[tokio::test]
async fn a_page_that_is_too_much_of_a_short_window_is_halved_until_it_fits() {
    let like = Box::new(CallSpec::ago(Duration::ZERO));
    let calls = Calls::Many { count: 700, spacing: Duration::from_millis(50), like };
    let office =
        Office::open(WebexPlan { calls, ..WebexPlan::new(7, Vec::new()) }.with(Fault::PageTooLarge413 { largest: 130 }, When::Always))
            .await;
    office.vendor.clock().advance(Duration::from_secs(10));
    let to = office.vendor.clock().now();
    let told = read(&*office.process(), Window::new(to - TimeDelta::seconds(50), to).unwrap()).await.unwrap();
    assert_eq!(told.sessions().len(), 700, "each once");
    assert_eq!(told.sessions(), office.sessions(700));
    let sizes = |size: &str| office.vendor.requests().count(|request| request.query.contains(&format!("pageSize={size}&")));
    assert!(sizes("1000") > 0 && sizes("125") > 0 && sizes("62") == 0, "1000, 500, 250, 125: the first that fits");
}

#[tokio::test]
async fn a_link_to_the_next_page_is_followed() {
    let plan = WebexPlan::ordinary(7, 23).with(Fault::NextLink, When::Always);
    let office = Office::open(plan).await;
    let source = office.process_with(|settings| settings.page_size = 5);
    let told = read(&*source, office.day()).await.unwrap();
    assert_eq!(told.sessions(), office.sessions(23));
    let followed = office.vendor.requests().count(|request| request.query.contains("skip="));
    assert_eq!((followed, office.listings()), (4, 5), "five, ten, fifteen, twenty; the last page is not full");
}

#[tokio::test]
async fn another_tenants_answer_is_refused_before_it_is_used() {
    let office = Office::open(WebexPlan::ordinary(7, 5).with(Fault::WrongOrg, When::Always)).await;
    let error = read(&*office.process(), office.day()).await.unwrap_err();
    assert!(matches!(&error, SourceError::WrongOrg { answered, .. } if answered.starts_with("99999999")), "{error}");
    assert!(error.trace().request_id.is_some(), "for the vendor's support");
}

#[tokio::test]
async fn a_vendor_clock_behind_ours_ends_the_window_earlier_instead_of_failing_it() {
    let office = Office::open(WebexPlan::ordinary(7, 30).with(Fault::ClockSkew(-TimeDelta::minutes(5)), When::Always)).await;
    let told = read(&*office.process(), office.day()).await.unwrap();
    assert!(told.calls.len() >= 10, "{} calls", told.calls.len());
}

#[tokio::test]
async fn a_vendor_clock_five_minutes_off_either_way_costs_no_call_where_it_takes_a_future_as_now() {
    for minutes in [-5, 5] {
        let skew = Fault::ClockSkew(TimeDelta::minutes(minutes));
        let plan = WebexPlan::ordinary(7, 30).with(skew, When::Always).with(Fault::FutureToClamped, When::Always);
        let office = Office::open(plan).await;
        let told = read(&*office.process(), office.day()).await.unwrap();
        assert_eq!(told.sessions(), office.sessions(30), "{minutes} minutes");
    }
}

#[tokio::test]
async fn a_failure_without_an_id_of_the_vendors_is_kept_under_the_id_that_we_sent() {
    let office = Office::open(WebexPlan::ordinary(7, 5).with(Fault::MissingTrackingId, When::Always)).await;
    for body in [ErrorBody::Json, ErrorBody::Html, ErrorBody::Empty] {
        office.vendor.faults().on(Fault::ServerError { at: Endpoint::Tasks, status: 500, body }, When::First(1));
        let error = read(&*office.process(), office.day()).await.unwrap_err();
        assert!(error.trace().request_id.is_some_and(|id| id.starts_with("CALLSCRIBE_")), "{error}");
    }
}

#[tokio::test]
async fn failures_of_the_platform_have_their_names_and_keep_the_vendors_request_id() {
    let office = Office::open(WebexPlan::ordinary(7, 5)).await;
    let source = office.process_with(|settings| settings.timeout = Duration::from_millis(500));
    for (status, body) in [(500, ErrorBody::Json), (502, ErrorBody::Html), (503, ErrorBody::Empty)] {
        office.vendor.faults().on(Fault::ServerError { at: Endpoint::Tasks, status, body }, When::Always);
        let error = read(&*source, office.day()).await.unwrap_err();
        assert!(matches!(error, SourceError::Unavailable { .. }), "{status}: {error}");
        assert_eq!(error.trace().status, Some(status));
        assert!(error.trace().request_id.is_some());
        office.vendor.faults().clear();
    }
    office.vendor.faults().on(Fault::ServerError { at: Endpoint::Tasks, status: 504, body: ErrorBody::Empty }, When::Always);
    assert!(matches!(read(&*source, office.day()).await.unwrap_err(), SourceError::TooWide { .. }));
    office.vendor.faults().clear();
    office.vendor.faults().on(Fault::Hang { at: Endpoint::Tasks }, When::Always);
    let error = read(&*source, office.day()).await.unwrap_err();
    assert!(matches!(error, SourceError::Unavailable { .. }) && error.trace().request_id.is_some_and(|id| id.starts_with("CALLSCRIBE_")));
}

#[tokio::test]
async fn a_window_that_has_not_begun_asks_nobody() {
    let office = Office::open(WebexPlan::ordinary(7, 5)).await;
    let source = office.process();
    let window = callscribe::domain::Window::new(office.vendor.clock().now(), office.vendor.clock().now() + TimeDelta::hours(1)).unwrap();
    let page = source.calls(window, None).await.unwrap();
    assert!(page.calls.is_empty() && page.next.is_none());
    assert_eq!(office.vendor.requests().total(), 0);
}
