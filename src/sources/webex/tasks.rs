//! Listing calls: `GET /v1/tasks`, one page at a time.

use chrono::{DateTime, TimeDelta, Utc};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::{
    api::{Answer, Api, Ask, Refusal},
    keyset::{Key, Position},
    translate,
};
use crate::{
    domain::{Call, SessionId, SourceName, Window},
    ledger::VendorTrace,
    sources::{CallPage, PageCursor, SourceError, UnreadableElement},
};

/// A window this short is not worth halving: the page is halved instead.
const SHORT_WINDOW: TimeDelta = TimeDelta::minutes(1);
/// The smallest page asked for when larger ones are too much.
const SMALLEST_PAGE: u16 = 50;
/// A vendor whose clock is behind ours is not believed to be further behind than this.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(10);
/// A `Date` header that differs by less explains no refusal: it has whole seconds, and gateways write their own.
const TELLING: TimeDelta = TimeDelta::seconds(2);
/// Milliseconds since the epoch that are surely not seconds.
const MILLISECONDS_BEGIN: i64 = 1_000_000_000_000;

/// How calls are listed.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    pub(super) path: String,
    pub(super) page_size: u16,
    pub(super) settle: TimeDelta,
}

/// What a job's checkpoint keeps between pages.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    position: Position,
    /// Path and query of the next page, should the API ever tell one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

#[derive(Debug, Deserialize)]
struct WireList {
    /// Mostly just the tenant; read for a link that other APIs of the product have.
    meta: Option<Value>,
    /// Missing is not empty: an answer without `data` is not an answer.
    data: Vec<Value>,
}

/// One page of `window` from `cursor` on.
pub(super) async fn page(api: &Api, listing: &Listing, window: Window, cursor: Option<&PageCursor>) -> Result<CallPage, SourceError> {
    let cursor =
        cursor.and_then(read_cursor).unwrap_or_else(|| Cursor { position: Position::first(window.from.timestamp_millis()), link: None });
    let to = window.to.min(api.clock.now() - listing.settle);
    if to.timestamp_millis() <= cursor.position.from + 1 {
        return Ok(CallPage::empty(&api.org_id));
    }
    if cursor.position.from < MILLISECONDS_BEGIN {
        let what = format!("the window from {} begins before Webex did", window.from);
        return Err(SourceError::Rejected { source_name: SourceName::Webex, what, trace: VendorTrace::default() });
    }
    let (answer, page_size) = fetch(api, listing, &cursor, to, window.to - window.from).await?;
    assemble(api, answer, &cursor, page_size)
}

/// A checkpoint that cannot be read begins the window again, which costs requests and loses nothing.
fn read_cursor(cursor: &PageCursor) -> Option<Cursor> {
    Cursor::deserialize(&cursor.0)
        .inspect_err(|error| tracing::warn!(%error, "the checkpoint cannot be read: the window begins again"))
        .ok()
}

async fn fetch(
    api: &Api,
    listing: &Listing,
    cursor: &Cursor,
    to: DateTime<Utc>,
    span: TimeDelta,
) -> Result<(Answer<WireList>, u16), SourceError> {
    if let Some(url) = cursor.link.as_deref().and_then(|link| same_origin(&api.base, link)) {
        return Ok((ask(api, url).await.map_err(|refusal| refusal.error)?, listing.page_size));
    }
    let (mut to, mut page_size, mut clock_excused) = (to, listing.page_size, false);
    loop {
        if to.timestamp_millis() <= cursor.position.from {
            return Ok((Answer { content: WireList { meta: None, data: Vec::new() }, trace: VendorTrace::default() }, page_size));
        }
        match ask(api, url(api, listing, cursor.position.from, to, page_size)?).await {
            Ok(answer) => return Ok((answer, page_size)),
            // its clock is behind ours: the window ends by its clock then, and the next run's overlap covers the rest
            Err(Refusal { error: SourceError::Rejected { .. }, body, date })
                if !clock_excused && body.says("timestamp should not be more than") =>
            {
                let by_its_clock = date.map(|date| date - listing.settle).filter(|by_its_clock| to - *by_its_clock > TELLING);
                (to, clock_excused) = (by_its_clock.unwrap_or(to - CLOCKS_DIFFER), true);
            }
            Err(Refusal { error: SourceError::TooWide { .. }, .. }) if span <= SHORT_WINDOW && page_size > SMALLEST_PAGE => {
                page_size = (page_size / 2).max(SMALLEST_PAGE);
            }
            Err(refusal) => return Err(refusal.error),
        }
    }
}

async fn ask(api: &Api, url: Url) -> Result<Answer<WireList>, Refusal> {
    api.ask(&Ask { method: Method::GET, url, body: None, divisible: true }).await
}

fn url(api: &Api, listing: &Listing, from: i64, to: DateTime<Utc>, page_size: u16) -> Result<Url, SourceError> {
    let mut url = api.base.join(&listing.path).map_err(|error| SourceError::Rejected {
        source_name: SourceName::Webex,
        what: format!("`WEBEX_CC_INTERACTION_PATH` makes no URL: {error}"),
        trace: VendorTrace::default(),
    })?;
    url.query_pairs_mut()
        .append_pair("from", &from.to_string())
        .append_pair("to", &to.timestamp_millis().to_string())
        .append_pair("channelTypes", Call::TELEPHONY)
        .append_pair("pageSize", &page_size.to_string())
        .append_pair("orgId", api.org_id.as_str());
    Ok(url)
}

/// The link as a URL, if it stays where we are: our token goes with it.
fn same_origin(base: &Url, link: &str) -> Option<Url> {
    base.join(link).ok().filter(|url| url.origin() == base.origin())
}

fn assemble(api: &Api, answer: Answer<WireList>, cursor: &Cursor, page_size: u16) -> Result<CallPage, SourceError> {
    let Answer { content: WireList { meta, data }, trace } = answer;
    let keys: Vec<Key> = data.iter().map(translate::key).collect();
    let step = cursor.position.advance(&keys, usize::from(page_size));
    if keys.len() >= usize::from(page_size) && keys.iter().all(|key| key.created.is_none()) {
        let what = "`data[*].attributes.createdTime`: no element of a full page has one".to_owned();
        return Err(SourceError::WrongShape { source_name: SourceName::Webex, what, trace });
    }
    let next = next_cursor(api, meta.as_ref(), cursor, &step.fresh, step.next, &keys);
    let possible_gap = step.possible_gap.and_then(DateTime::from_timestamp_millis);
    if let Some(at) = possible_gap {
        tracing::error!(webex.created_at = %at, page_size, "possible_gap: Webex has as many calls in one millisecond as it tells at once; compare that moment with its portal");
    }
    let (calls, unreadable) = translated(api, data, &step.fresh);
    Ok(CallPage { org_id: Some(api.org_id.clone()), calls, unreadable, next, possible_gap })
}

/// The API's own link if it has one that leads on, else the next position.
fn next_cursor(
    api: &Api,
    meta: Option<&Value>,
    cursor: &Cursor,
    fresh: &[bool],
    next: Option<Position>,
    keys: &[Key],
) -> Option<PageCursor> {
    let link = meta.and_then(|meta| meta.pointer("/links/next")?.as_str()).map(str::to_owned).filter(|link| !link.trim().is_empty());
    let leads_on = link.filter(|link: &String| {
        let here = same_origin(&api.base, link).is_some();
        if !here {
            tracing::warn!("Webex links to a next page elsewhere: the link is left alone");
        }
        here && cursor.link.as_deref() != Some(link.as_str()) && fresh.contains(&true)
    });
    let position = match (&leads_on, next) {
        (_, Some(next)) => next,
        (Some(_), None) => cursor.position.advance(keys, keys.len()).next.unwrap_or_else(|| cursor.position.clone()),
        (None, None) => return None,
    };
    serde_json::to_value(Cursor { position, link: leads_on }).ok().map(PageCursor)
}

fn translated(api: &Api, data: Vec<Value>, fresh: &[bool]) -> (Vec<Call>, Vec<UnreadableElement>) {
    let (mut calls, mut unreadable) = (Vec::with_capacity(data.len()), Vec::new());
    for (mut element, _) in data.into_iter().zip(fresh).filter(|(_, fresh)| **fresh) {
        translate::storable(&mut element);
        match translate::call(element, &api.org_id) {
            // the filter of the request is not always applied
            Ok(call) if call.channel == Call::TELEPHONY => calls.push(call),
            Ok(_) => {}
            Err((raw, error)) => {
                let session_id = translate::key(&raw).id.and_then(|id| SessionId::parse(id).ok());
                unreadable.push(UnreadableElement { raw, error, session_id });
            }
        }
    }
    (calls, unreadable)
}
