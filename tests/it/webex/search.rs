//! Details of calls by the search: nothing lost to shifting pages, nothing invented, a missing field costs only itself.

use std::{collections::BTreeSet, time::Duration};

use callscribe::{
    domain::{EndTimeSource, Window},
    sources::{
        DetailsBy, SourceError,
        webex::search::{Field, Filter, Literal, Moment, Question},
    },
};
use callscribe_simulators::{
    SimulatedClock, When,
    webex::{CallSpec, Direction, Endpoint, ErrorBody, Fault, RetryAfter, WebexPlan},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt;

use super::office::{Office, read_details};

fn small_pages(rows: u64) -> (Fault, When) {
    (Fault::SearchPagesOf { rows }, When::Always)
}

/// Everything that ended so long ago that the search has it.
fn long_over(office: &Office) -> Window {
    let now = office.vendor.clock().now();
    Window::new(now - TimeDelta::days(1), now - TimeDelta::minutes(2)).unwrap()
}

#[tokio::test]
async fn every_call_is_told_once_with_its_real_end_whatever_the_boundary_means() {
    for inclusive in [false, true] {
        let plan = WebexPlan::ordinary(7, 95);
        let mut faults = vec![small_pages(10)];
        if inclusive {
            faults.push((Fault::BoundaryInclusive, When::Always));
        }
        let office = Office::open(WebexPlan { faults, ..plan }).await;
        let source = office.process();
        for by in [DetailsBy::Start, DetailsBy::End] {
            let told = read_details(&*source, by, long_over(&office)).await.unwrap();
            assert_eq!(told.calls.len(), 95, "each once, {by:?}, inclusive {inclusive}");
            for call in &told.calls {
                let truth = office.vendor.truth_of(call.session_id.as_str().parse().unwrap()).unwrap();
                assert_eq!(call.end, truth.ended_at.map(|end| (end, EndTimeSource::Vendor)));
                assert_eq!(
                    (&call.wrap_up_code, &call.agent_name, &call.queue_name),
                    (&truth.wrap_up_code, &truth.agent_name, &truth.queue_name)
                );
                assert_eq!((&call.ani, call.start_time, call.closed), (&Some(truth.ani), truth.start_time, true));
                assert!(call.case_number.as_deref().is_some_and(|case| case.starts_with("CS1")) && call.details.is_some());
            }
        }
    }
}

#[tokio::test]
async fn a_burst_whose_pages_shift_under_the_reader_loses_and_doubles_no_call() {
    let mut plan = WebexPlan::bench(1_300);
    plan.faults = vec![(Fault::SameMillisecondBurst { first: 150, count: 1_100 }, When::Always)];
    // calls of the burst appear one after the other while its pages are read, and move all others
    for first in 2..24 {
        let appears = plan.session_id(200 + u32::try_from(first).unwrap() * 40);
        plan.faults.push((Fault::ShiftingPages { first, last: u64::MAX }, When::sessions([appears])));
    }
    let office = Office::open(plan).await;
    let told = read_details(&*office.process(), DetailsBy::Start, office.day()).await.unwrap();
    let expected: BTreeSet<_> = office.sessions(1_250).into_iter().collect();
    let found: BTreeSet<_> = told.sessions().into_iter().collect();
    let lost: Vec<_> = expected.difference(&found).collect();
    assert!(lost.is_empty() && told.gaps.is_empty(), "{} lost", lost.len());
    assert_eq!(told.calls.len(), found.len(), "each once");
    assert!(office.searches() > 24, "they appeared while the window was read");
}

#[tokio::test]
async fn a_window_with_more_calls_than_paging_reaches_is_told_whole() {
    let mut plan = WebexPlan::bench(900);
    plan.faults = vec![small_pages(50), (Fault::SearchCap { rows: 120 }, When::Always)];
    let office = Office::open(plan).await;
    let told = read_details(&*office.process(), DetailsBy::End, long_over(&office)).await.unwrap();
    let expected: BTreeSet<_> = (0..900).filter(|number| *number < 770).map(|number| office.session(number)).collect();
    assert!(expected.is_subset(&told.sessions().into_iter().collect()), "{} of {}", told.calls.len(), expected.len());
}

#[tokio::test]
async fn a_field_that_is_not_there_costs_only_itself_and_is_asked_for_once() {
    for field in ["csatScore", "lastSite/name", "lastWrapupCodeName"] {
        let office = Office::open(WebexPlan::demo(7, 5).with(Fault::FieldUndefined { field }, When::Always)).await;
        let source = office.process();
        let told = read_details(&*source, DetailsBy::End, long_over(&office)).await.unwrap();
        assert_eq!((told.calls.len(), office.searches()), (5, 2), "{field}: asked for, and then left out");
        for call in &told.calls {
            let details = call.details.as_ref().unwrap();
            assert!(call.end.is_some() && call.case_number.is_some() && details.team_name.is_some(), "{field}");
            assert_eq!(details.site_name.is_none(), field == "lastSite/name");
            assert_eq!(
                call.wrap_up_code.as_deref() == Some("Resolved") || call.wrap_up_code.as_deref() == Some("Callback promised"),
                field != "lastWrapupCodeName"
            );
        }
        read_details(&*source, DetailsBy::End, long_over(&office)).await.unwrap();
        assert_eq!(office.searches(), 3, "{field}: remembered");
    }
}

#[tokio::test]
async fn where_variables_cannot_be_asked_for_by_name_all_are_read_in_either_shape() {
    for faults in [vec![], vec![Fault::VariablesAsList]] {
        let mut plan = WebexPlan::demo(7, 3).with(Fault::FieldUndefined { field: "stringGlobalVariables" }, When::Always);
        plan.faults.extend(faults.into_iter().map(|fault| (fault, When::Always)));
        let office = Office::open(plan).await;
        let told = read_details(&*office.process(), DetailsBy::End, long_over(&office)).await.unwrap();
        let cases: BTreeSet<_> = told.calls.iter().filter_map(|call| call.case_number.as_deref()).collect();
        assert_eq!(cases, ["CS1000000", "CS1000001", "CS1000002"].into());
    }
}

#[tokio::test]
async fn a_call_whose_variables_tell_no_case_gets_the_one_that_its_record_names_as_a_guess() {
    let pattern = callscribe::domain::CasePattern::parse(r"CS\d{7}").unwrap();
    let call = |reason, variables| CallSpec { contact_reason: reason, variables, ..CallSpec::ago(Duration::from_hours(1)) };
    let named = |name, number: &str| vec![(name, number.to_owned())];
    for (call, any_variable, told, guessed) in [
        (call(Some("about CS0012345"), named("CaseNumber", "CS7654321")), false, Some("CS7654321"), None),
        (call(Some("about CS0012345"), Vec::new()), false, None, Some("CS0012345")),
        (call(Some("CS0012345 or CS0012346"), Vec::new()), false, None, None),
        (call(None, named("Note", "see cs0012345")), true, None, Some("CS0012345")),
        (call(None, named("Note", "see cs0012345")), false, None, None),
    ] {
        let office = Office::open(WebexPlan::new(7, vec![call.clone()])).await;
        let source = office.process_with(|settings| {
            settings.case_numbers.any_variable = any_variable;
            settings.case_numbers.pattern = Some(pattern.clone());
        });
        let found = read_details(&*source, DetailsBy::End, long_over(&office)).await.unwrap().calls.remove(0);
        let details = found.details.unwrap();
        assert_eq!((found.case_number.as_deref(), details.guessed_case_number.as_deref()), (told, guessed), "{call:?}");
    }
}

#[tokio::test]
async fn rows_beside_an_error_are_not_taken_for_the_answer() {
    for fault in [Fault::PartialData, Fault::SearchFailed] {
        let office = Office::open(WebexPlan::ordinary(7, 6).with(fault.clone(), When::First(1))).await;
        let source = office.process();
        let error = read_details(&*source, DetailsBy::End, long_over(&office)).await.unwrap_err();
        assert!(matches!(error, SourceError::Unavailable { .. }), "{fault:?}: {error}");
        assert_eq!(read_details(&*source, DetailsBy::End, long_over(&office)).await.unwrap().calls.len(), 6);
    }
}

#[tokio::test]
async fn a_refusal_has_its_name_and_keeps_the_vendors_request_id() {
    let office = Office::open(WebexPlan::ordinary(7, 5)).await;
    let source = office.process();
    let now = office.vendor.clock().now();
    let ages_ago = Window::new(now - TimeDelta::days(1_300), now - TimeDelta::days(1_290)).unwrap();
    for fault in [Fault::IntegerKey, Fault::GzipAlways] {
        office.vendor.faults().on(fault, When::Always);
        let error = read_details(&*source, DetailsBy::End, ages_ago).await.unwrap_err();
        assert!(matches!(error, SourceError::Rejected { .. }) && error.to_string().contains("36 months"), "{error}");
        assert!(error.trace().status == Some(400) && error.trace().request_id.is_some());
    }
    let window = long_over(&office);
    for (status, body) in [(500, ErrorBody::Json), (502, ErrorBody::Html), (503, ErrorBody::Empty)] {
        office.vendor.faults().on(Fault::ServerError { at: Endpoint::Search, status, body }, When::First(1));
        assert!(matches!(read_details(&*source, DetailsBy::End, window).await.unwrap_err(), SourceError::Unavailable { .. }), "{status}");
    }
    office.vendor.faults().on(Fault::ServerError { at: Endpoint::Search, status: 504, body: ErrorBody::Empty }, When::First(2));
    assert_eq!(read_details(&*source, DetailsBy::End, window).await.unwrap().calls.len(), 5, "a narrower window is asked for");
    office.vendor.faults().on(Fault::Throttled { seconds: 7, retry_after: RetryAfter::Seconds }, When::First(1));
    assert!(matches!(
        read_details(&*source, DetailsBy::End, window).await.unwrap_err(),
        SourceError::RateLimited { own_budget: false, .. }
    ));
}

#[tokio::test]
async fn what_the_vendor_leaves_out_is_untold_and_sinks_nothing() {
    let outdial = CallSpec { direction: Direction::Outdial, queued: false, answered: false, ..CallSpec::ago(Duration::from_mins(30)) };
    let plan = WebexPlan::new(7, (0..3).map(|n| CallSpec { begins: -TimeDelta::minutes(30 + n), ..outdial.clone() }).collect());
    let office = Office::open(plan.with(Fault::MalformedDetails, When::First(1))).await;
    let told = read_details(&*office.process(), DetailsBy::End, long_over(&office)).await.unwrap();
    assert_eq!((told.calls.len(), told.unreadable.len()), (3, 1));
    for call in &told.calls {
        let details = call.details.as_ref().unwrap();
        assert_eq!((&call.agent_id, &call.agent_name, &call.queue_name, &call.wrap_up_code), (&None, &None, &None, &None));
        assert_eq!((&details.team_name, &details.site_name, &details.auto_csat, details.csat_score), (&None, &None, &None, None));
        assert_eq!(details.entry_point_name.as_deref(), Some("EP_Main"));
    }
}

#[tokio::test]
async fn a_call_that_is_over_without_an_end_is_told_by_its_beginning_only() {
    let plan = WebexPlan::ordinary(7, 4);
    let endless = plan.session_id(2);
    let office = Office::open(plan.with(Fault::EndlessInactive, When::sessions([endless]))).await;
    let source = office.process();
    assert_eq!(read_details(&*source, DetailsBy::End, long_over(&office)).await.unwrap().calls.len(), 3);
    let told = read_details(&*source, DetailsBy::Start, long_over(&office)).await.unwrap();
    let call = told.calls.iter().find(|call| call.session_id.as_str() == endless.to_string()).unwrap();
    assert!(call.closed && call.end.is_none() && call.duration_seconds().is_none());
}

#[tokio::test]
async fn a_call_is_told_open_then_ended_then_wrapped_up() {
    let clock = SimulatedClock::standing("2026-06-01T12:00:00Z".parse::<DateTime<Utc>>().unwrap());
    let call = CallSpec {
        lasts: Duration::from_mins(20),
        wrapped_after: Duration::from_mins(60),
        transcript_after: Some(Duration::from_mins(5)),
        ..CallSpec::ago(Duration::from_mins(10))
    };
    let office = Office::open(WebexPlan { clock: clock.clone(), ..WebexPlan::new(7, vec![call]) }).await;
    let source = office.process();
    let mut seen = Vec::new();
    for minutes in [0, 13, 65] {
        clock.advance(Duration::from_mins(minutes));
        let told = read_details(&*source, DetailsBy::Start, office.day()).await.unwrap();
        let call = told.calls.into_iter().next().unwrap();
        let transcribed = call.details.unwrap().transcription_available;
        seen.push((call.closed, call.end.is_some(), call.wrap_up_code.is_some(), transcribed, call.source_updated_at));
    }
    let words: Vec<_> = seen.iter().map(|(closed, end, wrapped, transcribed, _)| (*closed, *end, *wrapped, *transcribed)).collect();
    assert_eq!(words, [(false, false, false, None), (true, true, false, None), (true, true, true, Some(true))]);
    assert!(seen.is_sorted_by(|one, other| one.4 < other.4), "each version has a newer time");
}

#[tokio::test]
async fn the_search_tells_chats_to_whoever_asks_for_them() {
    let chat = CallSpec { channel: "chat", ..CallSpec::ago(Duration::from_mins(20)) };
    let chats = (0..7).map(|number| CallSpec { begins: -TimeDelta::minutes(20 + number), ..chat.clone() });
    let plan = WebexPlan::new(7, chats.chain([CallSpec::ago(Duration::from_mins(40))]).collect());
    let office = Office::open(WebexPlan { faults: vec![small_pages(3)], ..plan }).await;
    let source = office.process();
    let question = Question {
        moment: Moment::Created,
        filter: Filter::All(vec![
            Filter::Equals("channelType", Literal::Word("chat")),
            Filter::Equals("isActive", Literal::Truth(false)),
            Filter::Any(
                (0..3).map(|queue| Filter::Member("lastQueue", "name", Literal::Text(format!("Q_Support_{}", queue + 1)))).collect(),
            ),
        ]),
        fields: vec![Field::plain("channelType"), Field::object("customer", &["name", "email"])],
    };
    let pages: Vec<_> = source.search().pages(&question, long_over(&office)).try_collect().await.unwrap();
    let tasks: Vec<_> = pages.into_iter().flat_map(|page| page.tasks).collect();
    assert_eq!(tasks.len(), 7);
    assert!(tasks.iter().all(|task| task["channelType"] == "chat" && task["customer"].is_object()));
    let some = (0..2).map(|number| Filter::Equals("id", Literal::Text(office.session(number).to_string())));
    let by_id = Question { filter: Filter::Any(some.collect()), ..question };
    let pages: Vec<_> = source.search().pages(&by_id, long_over(&office)).try_collect().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.tasks.len()).sum::<usize>(), 2);
}

#[tokio::test]
async fn a_window_that_is_too_young_asks_nobody() {
    let office = Office::open(WebexPlan::ordinary(7, 5)).await;
    let now = office.vendor.clock().now();
    let told = read_details(&*office.process(), DetailsBy::End, Window::new(now - TimeDelta::seconds(30), now).unwrap()).await.unwrap();
    assert_eq!((told.calls.len(), office.searches()), (0, 0));
}
