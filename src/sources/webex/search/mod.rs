//! Searching: `POST /search`, the GraphQL that tells what calls and chats turned out to be.
//!
//! Whoever asks says which fields, of which tasks, of which time; how to get every task of that time is known here. The pages of
//! an answer shift while they are read, so they are not trusted: see `place`. A field that the tenant's schema lacks is left out
//! from then on, and the rest is told.

mod answer;
mod place;
mod question;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{Stream, stream};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

pub use self::question::{Field, Filter, Literal, Moment, Question};
use self::{
    answer::{Read, Told, WireAnswer},
    place::{Place, Request, Row},
};
use super::api::{Api, Ask};
use crate::{
    domain::{SourceName, Window},
    ledger::VendorTrace,
    sources::{PageCursor, SourceError},
};

/// What ended or began less than this ago is left for the next time: the search is fed by others and runs behind.
pub const SETTLE: TimeDelta = TimeDelta::seconds(60);
/// Milliseconds since the epoch that are surely not seconds, which the search answers with nothing at all.
const MILLISECONDS_BEGIN: i64 = 1_000_000_000_000;

/// Some of the tasks that were asked for.
#[derive(Debug, Clone)]
pub struct Found {
    /// The tasks as they came, each with `id`, `createdTime` and `endedTime` beside what was asked for. In no order; none comes twice
    /// unless its own times changed meanwhile. May be empty although more follow.
    pub tasks: Vec<Value>,
    /// Where to go on; `None` when all is told.
    pub next: Option<PageCursor>,
    /// More tasks lie in this millisecond than the search could be made to tell.
    pub possible_gap: Option<DateTime<Utc>>,
}

/// The search of one organisation.
#[derive(Debug)]
pub struct Search {
    api: Arc<Api>,
    /// Fields that the tenant's schema lacks.
    lacking: Mutex<BTreeSet<String>>,
}

impl Search {
    pub(super) fn new(api: Arc<Api>) -> Self {
        Self { api, lacking: Mutex::default() }
    }

    /// The tasks of a window whose moment lies in it, one request's worth. `None` begins; what a page says under `next` goes on.
    /// What lies less than [`SETTLE`] ago is not told.
    pub async fn page(&self, question: &Question, window: Window, cursor: Option<&PageCursor>) -> Result<Found, SourceError> {
        let end = window.to.min(self.api.clock.now() - SETTLE).timestamp_millis();
        let place = cursor.and_then(read_cursor).unwrap_or_else(|| Place::first(window.from.timestamp_millis(), end));
        let Some(request) = place.request(end) else { return Ok(Found { tasks: Vec::new(), next: None, possible_gap: None }) };
        if request.from < MILLISECONDS_BEGIN {
            return Err(rejected(format!("the window from {} begins before Webex did", window.from), VendorTrace::default()));
        }
        let read = match self.ask(question, &request).await {
            Err(SourceError::TooWide { source_name, trace }) => {
                let narrower = place.narrowed(end).ok_or(SourceError::TooWide { source_name, trace })?;
                return Ok(Found { tasks: Vec::new(), next: kept(&narrower), possible_gap: None });
            }
            answer => answer?,
        };
        let rows: Vec<Row> = read.tasks.iter().map(|task| row(task, question.moment)).collect();
        let step = place.advance(end, &rows, read.next.as_deref()).map_err(|what| SourceError::WrongShape {
            source_name: SourceName::Webex,
            what: what.to_owned(),
            trace: read.trace,
        })?;
        let possible_gap = step.possible_gap.and_then(DateTime::from_timestamp_millis);
        if let Some(at) = possible_gap {
            tracing::error!(webex.at = %at, "possible_gap: the search does not come to rest around one millisecond; compare that moment with the portal");
        }
        let tasks = read.tasks.into_iter().zip(step.fresh).filter_map(|(task, fresh)| fresh.then_some(task)).collect();
        Ok(Found { tasks, next: step.next.as_ref().and_then(kept), possible_gap })
    }

    /// Every page of a window, one after the other; an error ends it.
    pub fn pages<'s>(&'s self, question: &'s Question, window: Window) -> impl Stream<Item = Result<Found, SourceError>> + 's {
        stream::try_unfold(Some(None), move |at: Option<Option<PageCursor>>| async move {
            let Some(cursor) = at else { return Ok(None) };
            let found = self.page(question, window, cursor.as_ref()).await?;
            let next = found.next.clone().map(Some);
            Ok(Some((found, next)))
        })
    }

    fn lacking(&self) -> BTreeSet<String> {
        self.lacking.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One request, and another one for every answer that names more fields which are not there.
    async fn ask(&self, question: &Question, request: &Request) -> Result<Read, SourceError> {
        loop {
            let (fields, error) = match self.exchange(question, request).await? {
                Told::All(read) => return Ok(read),
                Told::Undefined(fields, error) => (fields, error),
            };
            self.leave_out(question, &fields, error)?;
        }
    }

    async fn exchange(&self, question: &Question, request: &Request) -> Result<Told, SourceError> {
        let body = json!({ "query": question.text(request.from, request.to, request.cursor.as_deref(), &self.lacking()) });
        let mut url = self.api.base.join("search").map_err(|error| rejected(error.to_string(), VendorTrace::default()))?;
        url.query_pairs_mut().append_pair("orgId", self.api.org_id.as_str());
        let ask = Ask { method: Method::POST, url, body: Some(body), divisible: true };
        match self.api.ask::<WireAnswer>(&ask).await {
            Ok(answer) => answer::read(answer),
            // some versions refuse the same with 400
            Err(refusal) => {
                let fields = answer::undefined(&refusal.body.excerpt);
                if fields.is_empty() { Err(refusal.error) } else { Ok(Told::Undefined(fields, refusal.error)) }
            }
        }
    }

    /// Remembers fields that are not there; `error` when nothing would change by leaving them out.
    fn leave_out(&self, question: &Question, fields: &BTreeSet<String>, error: SourceError) -> Result<(), SourceError> {
        let mut lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        let before = lacking.len();
        for field in fields.iter().filter(|field| question.asks_for(field)) {
            if lacking.insert(field.clone()) {
                tracing::warn!(webex.field = field, "this tenant's search has no such field: it is not asked for any more");
            }
        }
        // another request may have learnt the same meanwhile
        let known = fields.iter().all(|field| lacking.contains(field));
        if lacking.len() > before || known { Ok(()) } else { Err(error) }
    }
}

fn kept(place: &Place) -> Option<PageCursor> {
    serde_json::to_value(place).ok().map(PageCursor)
}

/// A checkpoint that cannot be read begins the window again, which costs requests and loses nothing.
fn read_cursor(cursor: &PageCursor) -> Option<Place> {
    Place::deserialize(&cursor.0).inspect_err(|error| tracing::warn!(%error, "the checkpoint cannot be read: the window begins again")).ok()
}

fn row(task: &Value, moment: Moment) -> Row {
    let at = task.get(moment.field()).and_then(|at| at.as_i64().or_else(|| at.as_str()?.parse().ok()));
    Row { id: task.get("id").and_then(Value::as_str).map(str::to_owned), at: at.filter(|at| *at >= MILLISECONDS_BEGIN) }
}

fn rejected(what: String, trace: VendorTrace) -> SourceError {
    SourceError::Rejected { source_name: SourceName::Webex, what, trace }
}
