//! What every source promises, whatever the vendor: one suite, given a source and the truth of its simulator.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use callscribe::{
    domain::{SessionId, SourceName, Window},
    sources::{PageCursor, RecordingAnswer, Source},
};
use callscribe_simulators::webex::{CallSpec, WebexPlan};
use chrono::TimeDelta;
use futures_util::TryStreamExt;

use crate::webex::Office;

/// A source, and what its simulator knows.
struct Subject {
    source: Arc<dyn Source>,
    name: SourceName,
    /// Holds every call.
    window: Window,
    /// Calls that are over and recorded, oldest first.
    recorded: Vec<SessionId>,
    /// A call that still runs.
    running: SessionId,
}

async fn pages(source: &dyn Source, window: Window) -> Vec<callscribe::sources::CallPage> {
    let (mut pages, mut cursor) = (Vec::new(), None::<PageCursor>);
    loop {
        let page = source.calls(window, cursor.as_ref()).await.expect("a page");
        cursor = page.next.clone();
        pages.push(page);
        assert!(pages.len() < 100, "paging does not end");
        if cursor.is_none() {
            return pages;
        }
    }
}

/// Every promise of `sources::Source`.
async fn conforms(subject: &Subject) {
    it_says_who_it_is(subject);
    it_tells_every_call_and_only_once_it_is_over_as_closed(subject).await;
    it_goes_on_from_a_checkpoint_in_another_process(subject).await;
    it_tells_the_same_twice(subject).await;
    it_has_nothing_to_tell_of_the_future(subject).await;
    it_offers_recordings_that_can_be_fetched_and_resumed(subject).await;
}

fn it_says_who_it_is(subject: &Subject) {
    assert_eq!(subject.source.name(), subject.name);
    assert!(!subject.source.org_id().as_str().is_empty());
}

async fn it_tells_every_call_and_only_once_it_is_over_as_closed(subject: &Subject) {
    let calls: Vec<_> = pages(&*subject.source, subject.window).await.into_iter().flat_map(|page| page.calls).collect();
    let told: BTreeSet<_> = calls.iter().map(|call| call.session_id.clone()).collect();
    let expected: BTreeSet<_> = subject.recorded.iter().chain([&subject.running]).cloned().collect();
    assert_eq!(told, expected);
    for call in &calls {
        assert_eq!(call.closed, call.session_id != subject.running, "{}", call.session_id);
        assert!(call.source == subject.name && call.org_id.as_ref() == Some(subject.source.org_id()));
        assert!(call.raw_payload.is_object(), "the payload is kept");
        assert!(call.end.is_none_or(|(end, _)| end >= call.start_time));
    }
    assert!(calls.is_sorted_by_key(|call| call.start_time), "oldest first");
}

async fn it_goes_on_from_a_checkpoint_in_another_process(subject: &Subject) {
    let first = subject.source.calls(subject.window, None).await.unwrap();
    let Some(next) = first.next else { return };
    let kept = serde_json::to_value(&next).unwrap();
    let second = subject.source.calls(subject.window, Some(&serde_json::from_value(kept).unwrap())).await.unwrap();
    let last_of_first = first.calls.last().unwrap().start_time;
    assert!(second.calls.iter().all(|call| call.start_time >= last_of_first));
}

async fn it_tells_the_same_twice(subject: &Subject) {
    let [first, second] = [pages(&*subject.source, subject.window).await, pages(&*subject.source, subject.window).await];
    let ids = |pages: &[callscribe::sources::CallPage]| {
        pages.iter().flat_map(|page| page.calls.iter().map(|call| call.session_id.clone())).collect::<BTreeSet<_>>()
    };
    assert_eq!(ids(&first), ids(&second));
}

async fn it_has_nothing_to_tell_of_the_future(subject: &Subject) {
    let future = Window::new(subject.window.to + TimeDelta::hours(1), subject.window.to + TimeDelta::hours(2)).unwrap();
    let page = subject.source.calls(future, None).await.unwrap();
    assert!(page.calls.is_empty() && page.next.is_none());
}

async fn it_offers_recordings_that_can_be_fetched_and_resumed(subject: &Subject) {
    for session in &subject.recorded {
        let RecordingAnswer::Offered { offers, .. } = subject.source.recordings(session).await.unwrap() else {
            panic!("{session} has no recording")
        };
        let offer = offers.first().expect("an offer");
        assert_eq!(&offer.session_id, session);
        let download = subject.source.download(offer, 0).await.unwrap();
        let promised = download.total_bytes;
        let whole = download.bytes.try_collect::<Vec<_>>().await.unwrap().concat();
        assert!(promised.is_none_or(|promised| promised == u64::try_from(whole.len()).unwrap()));
        let rest = subject.source.download(offer, 100).await.unwrap();
        let from = usize::try_from(rest.from_byte).unwrap();
        let bytes = rest.bytes.try_collect::<Vec<_>>().await.unwrap().concat();
        assert_eq!(bytes, &whole[from..], "a resumed download is the rest of the first");
    }
    let unknown = SessionId::parse("00000000-0000-4000-8000-000000000000").unwrap();
    assert!(!matches!(subject.source.recordings(&unknown).await, Ok(RecordingAnswer::Offered { .. })));
}

#[tokio::test]
async fn webex_keeps_every_promise_of_a_source() {
    let over = (1..=7).rev().map(|minutes| CallSpec::ago(Duration::from_mins(minutes * 5)));
    let running = CallSpec { lasts: Duration::from_hours(1), ..CallSpec::ago(Duration::from_mins(2)) };
    let office = Office::open(WebexPlan::new(7, over.chain([running]).collect())).await;
    conforms(&Subject {
        source: office.process_with(|settings| settings.page_size = 3),
        name: SourceName::Webex,
        window: office.day(),
        recorded: office.sessions(7),
        running: office.session(7),
    })
    .await;
}
