//! What follows from a vendor's event: a recording that waits is due at once, a call that nobody knows yet is asked for.
//!
//! The receiver settles an event in the transaction that keeps it, when it can. When the job in question is running, so that nobody
//! knows yet whether it has seen what the event tells, the event waits, and the scheduler that leads settles it. Nothing here asks a
//! vendor anything, and nothing is lost without it: the next sync finds every call, and every recording is asked for on its schedule.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use diesel_async::AsyncConnection;
use futures_util::{FutureExt, future::BoxFuture};

use super::sync::{SyncForEvent, enqueue_for_event};
use crate::{
    domain::{EventKind, EventOutcome, JobId, JobKind, Reason, SessionId, SourceName},
    ledger::{Hint, Hurried, Hurry, hurry},
    store::{
        Connection, StoreError,
        webhook_events::{self, NewEvent, WaitingEvent, keep, settle},
    },
};

/// Events make one call's recording due so often and no more: each time uses up a step of its poll schedule.
const MOST_HURRIES: i64 = 3;
/// The event of a recording comes soon after it: one that comes so long after the job was done tells of another one.
const ANOTHER: Duration = Duration::from_mins(5);
/// An event waits no longer than this for a running job: no recording takes longer.
const LONGEST_WAIT: Duration = Duration::from_hours(2);
/// Events settled in one round; the next takes the rest.
const MOST_AT_ONCE: u16 = 200;

/// How syncs are asked for while events are settled together.
struct Asking {
    /// The least time between two.
    every: Duration,
    /// One cannot be asked for just now, so the other events need not try.
    busy: AtomicBool,
}

impl Asking {
    fn every(every: Duration) -> Self {
        Self { every, busy: AtomicBool::new(false) }
    }
}

/// What became of an event that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventTaken {
    /// It is kept, and this came of it; `None` while a running job must end first.
    Kept(Option<EventOutcome>),
    /// It came before.
    Duplicate,
}

/// Keeps an event and enqueues what follows from it, in one transaction. Push the hints after it returns.
///
/// `sync_every` is the least time between two syncs that events ask for.
pub fn take_event<'a>(
    connection: &'a mut Connection,
    event: &'a NewEvent,
    sync_every: Duration,
) -> BoxFuture<'a, Result<(EventTaken, Vec<Hint>), StoreError>> {
    connection
        .transaction(async move |transaction| {
            let Some(waiting) = keep(transaction, event).await? else { return Ok((EventTaken::Duplicate, Vec::new())) };
            let attended = attend(transaction, &waiting, &Asking::every(sync_every)).await?;
            Ok((EventTaken::Kept(attended.outcome), attended.hints))
        })
        .boxed()
}

/// An event that was looked at: what came of it, if that is known yet, and the hints to push.
#[derive(Default)]
struct Attended {
    outcome: Option<EventOutcome>,
    hints: Vec<Hint>,
}

/// Settles the events that wait, and returns the hints to push. Safe to do by several at once, and again.
pub(super) async fn attend_waiting(connection: &mut Connection, sync_every: Duration) -> Result<Vec<Hint>, StoreError> {
    let (mut hints, asking) = (Vec::new(), Asking::every(sync_every));
    for event in webhook_events::waiting(connection, LONGEST_WAIT, MOST_AT_ONCE).await? {
        hints.extend(attend_one(connection, &event, &asking).await?.hints);
    }
    Ok(hints)
}

fn attend_one<'a>(
    connection: &'a mut Connection,
    event: &'a WaitingEvent,
    asking: &'a Asking,
) -> BoxFuture<'a, Result<Attended, StoreError>> {
    connection.transaction(async move |transaction| attend(transaction, event, asking).await).boxed()
}

/// What follows from an event now.
enum Follows {
    Settled(EventOutcome, Option<JobId>, Vec<Hint>),
    Waits,
}

async fn attend(transaction: &mut Connection, event: &WaitingEvent, asking: &Asking) -> Result<Attended, StoreError> {
    let follows = match (event.kind, &event.session_id) {
        (EventKind::RecordingAvailable, Some(session)) => recording_available(transaction, event, session, asking).await?,
        (EventKind::CallEnded, Some(session)) => call_ended(transaction, event.source, session, asking).await?,
        (EventKind::RecordingAvailable | EventKind::CallEnded, None) | (EventKind::CallChanged | EventKind::Other, _) => {
            Follows::Settled(EventOutcome::Kept, None, Vec::new())
        }
    };
    let follows = match follows {
        Follows::Waits if event.overdue => Follows::Settled(EventOutcome::LeftToPolling, None, Vec::new()),
        other => other,
    };
    let Follows::Settled(outcome, job, hints) = follows else { return Ok(Attended::default()) };
    settle(transaction, event, outcome, job).await?;
    Ok(Attended { outcome: Some(outcome), hints })
}

async fn recording_available(
    transaction: &mut Connection,
    event: &WaitingEvent,
    session: &SessionId,
    asking: &Asking,
) -> Result<Follows, StoreError> {
    if webhook_events::times_hurried(transaction, event.source, session).await? >= MOST_HURRIES {
        return Ok(Follows::Settled(EventOutcome::LeftToPolling, None, Vec::new()));
    }
    let wanted = Hurry {
        kind: JobKind::Recording,
        key: session.as_str(),
        told_at: event.received_at,
        waits_for: Reason::RecordingNotReady,
        died_of: Reason::NoRecording,
        done_for: ANOTHER,
    };
    Ok(match hurry(transaction, wanted).await? {
        Hurried::Due(hint) => Follows::Settled(EventOutcome::Hurried, Some(hint.id), vec![hint]),
        Hurried::Reopened(hint) => Follows::Settled(EventOutcome::Reopened, Some(hint.id), vec![hint]),
        Hurried::AsItWas(id) => Follows::Settled(EventOutcome::NothingToDo, Some(id), Vec::new()),
        Hurried::Running(_) => Follows::Waits,
        // the call is not known, or not known to have ended: once it is, its recording is due at once
        Hurried::Missing => ask_sync(transaction, event.source, asking).await?,
    })
}

/// Not every such event is the end of a call: a callback that rings again gives several. A sync tells.
async fn call_ended(transaction: &mut Connection, source: SourceName, session: &SessionId, asking: &Asking) -> Result<Follows, StoreError> {
    if webhook_events::call_is_closed(transaction, source, session).await? {
        return Ok(Follows::Settled(EventOutcome::NothingToDo, None, Vec::new()));
    }
    ask_sync(transaction, source, asking).await
}

async fn ask_sync(transaction: &mut Connection, source: SourceName, asking: &Asking) -> Result<Follows, StoreError> {
    if asking.busy.load(Ordering::Relaxed) {
        return Ok(Follows::Waits);
    }
    Ok(match enqueue_for_event(transaction, source, asking.every).await? {
        SyncForEvent::Asked { id, hint } => Follows::Settled(EventOutcome::SyncAsked, Some(id), hint.into_iter().collect()),
        SyncForEvent::Busy => {
            asking.busy.store(true, Ordering::Relaxed);
            Follows::Waits
        }
    })
}
