//! A tenant that answers as its script says. Windows, pages and troubles are what these tests are about; how Webex words them
//! is tested against its simulator.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use callscribe::{
    clock::ManualClock,
    domain::{Call, Direction, EndTimeSource, OrgId, RecordingOffer, SessionId, SourceName, Window},
    sources::{CallPage, Download, PageCursor, RecordingAnswer, Source, SourceError, UnreadableElement},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

/// A trouble, and the page it comes with, counted from 1 over all requests.
pub(crate) enum Trouble {
    /// The request fails.
    Error(fn() -> SourceError),
    /// The answer never comes.
    Hang,
    /// One element cannot be read.
    Unreadable,
    /// The vendor could not be made to tell everything.
    Gap,
    /// A call comes that nobody asked for.
    Stray(DateTime<Utc>),
    /// The clock moves on while it answers.
    Slow(TimeDelta),
    /// The next page begins where this one did.
    Standstill,
}

#[derive(Default)]
struct Script {
    calls: Vec<Call>,
    troubles: Vec<(usize, Trouble)>,
    asked: Vec<Window>,
    /// The widest window it answers.
    widest: Option<TimeDelta>,
}

/// A vendor's tenant.
#[derive(Clone)]
pub(crate) struct Tenant {
    script: Arc<Mutex<Script>>,
    clock: ManualClock,
    org: OrgId,
}

/// Calls on one page.
pub(crate) const PAGE: usize = 10;

impl Tenant {
    pub(crate) fn new(clock: ManualClock) -> Self {
        Self { script: Arc::default(), clock, org: OrgId::parse("org-1").unwrap() }
    }

    /// A closed, recorded call that began `at`; told from now on. Told again under the same name, it is a newer version.
    pub(crate) fn closed(&self, session: &str, at: DateTime<Utc>) {
        let end = at + TimeDelta::minutes(3);
        self.tell(Call { closed: true, end: Some((end, EndTimeSource::LastUpdated)), capture_requested: Some(true), ..call(session, at) });
    }

    /// A call that began `at` and goes on.
    pub(crate) fn open(&self, session: &str, at: DateTime<Utc>) {
        self.tell(call(session, at));
    }

    pub(crate) fn tell(&self, told: Call) {
        let mut script = self.script.lock().unwrap();
        script.calls.retain(|known| known.session_id != told.session_id);
        script.calls.push(told);
        script.calls.sort_by_key(|call| call.start_time);
    }

    /// `count` closed calls, one a second, the first at `at`.
    pub(crate) fn closed_calls(&self, count: i64, at: DateTime<Utc>) {
        for number in 0..count {
            self.closed(&format!("call-{number}"), at + TimeDelta::seconds(number));
        }
    }

    pub(crate) fn trouble(&self, request: usize, trouble: Trouble) {
        self.script.lock().unwrap().troubles.push((request, trouble));
    }

    pub(crate) fn answers_at_most(&self, widest: TimeDelta) {
        self.script.lock().unwrap().widest = Some(widest);
    }

    /// The windows asked for so far, one per request.
    pub(crate) fn asked(&self) -> Vec<Window> {
        self.script.lock().unwrap().asked.clone()
    }

    fn answer(&self, window: Window, from: usize) -> Result<(CallPage, Option<Trouble>), SourceError> {
        let mut script = self.script.lock().unwrap();
        script.asked.push(window);
        if script.widest.is_some_and(|widest| window.to - window.from > widest) {
            return Err(SourceError::TooWide { source_name: SourceName::Webex, trace: Default::default() });
        }
        let request = script.asked.len();
        let place = script.troubles.iter().position(|(at, _)| *at == request);
        let trouble = place.map(|place| script.troubles.remove(place).1);
        let told: Vec<_> = script.calls.iter().filter(|call| (window.from..window.to).contains(&call.start_time)).cloned().collect();
        let next = (from + PAGE < told.len()).then(|| PageCursor(json!(from + PAGE)));
        let calls = told.into_iter().skip(from).take(PAGE).collect();
        let page = CallPage { org_id: Some(self.org.clone()), calls, unreadable: Vec::new(), next, possible_gap: None };
        Ok((page, trouble))
    }
}

fn call(session: &str, at: DateTime<Utc>) -> Call {
    Call {
        session_id: SessionId::parse(session).unwrap(),
        source: SourceName::Webex,
        org_id: Some(OrgId::parse("org-1").unwrap()),
        channel: Call::TELEPHONY.to_owned(),
        case_number: None,
        direction: Some(Direction::Inbound),
        ani: None,
        dnis: None,
        agent_id: None,
        agent_name: None,
        queue_id: None,
        queue_name: None,
        start_time: at,
        end: None,
        wrap_up_code: None,
        vendor_status: None,
        closed: false,
        capture_requested: None,
        source_updated_at: Some(at + TimeDelta::minutes(3)),
        raw_payload: json!({ "id": session }),
        details: None,
    }
}

#[async_trait]
impl Source for Tenant {
    fn name(&self) -> SourceName {
        SourceName::Webex
    }

    fn org_id(&self) -> &OrgId {
        &self.org
    }

    async fn calls(&self, window: Window, cursor: Option<&PageCursor>) -> Result<CallPage, SourceError> {
        let from = cursor.and_then(|cursor| cursor.0.as_u64()).unwrap_or(0);
        let (mut page, trouble) = self.answer(window, usize::try_from(from).unwrap())?;
        match trouble {
            None => {}
            Some(Trouble::Error(error)) => return Err(error()),
            Some(Trouble::Hang) => std::future::pending().await,
            Some(Trouble::Unreadable) => {
                let (raw, error) = (json!({ "id": 7 }), "`id` is not a text".to_owned());
                page.unreadable.push(UnreadableElement { raw, error, session_id: None });
            }
            Some(Trouble::Gap) => page.possible_gap = Some(window.from),
            Some(Trouble::Stray(at)) => page.calls.push(call("stray", at)),
            Some(Trouble::Slow(by)) => self.clock.advance(by),
            Some(Trouble::Standstill) => page.next = cursor.cloned(),
        }
        Ok(page)
    }

    async fn recordings(&self, _: &SessionId) -> Result<RecordingAnswer, SourceError> {
        unreachable!("sync asks for no recordings")
    }

    async fn download(&self, _: &RecordingOffer, _: u64) -> Result<Download, SourceError> {
        unreachable!("sync downloads nothing")
    }
}
