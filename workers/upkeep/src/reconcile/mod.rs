//! Compares what a source lists with what is held, day by day, and has what is missing made.
//!
//! Every page is one transaction: the gaps it shows and the checkpoint. Every day's end is one transaction: what its calls lack,
//! the day's row, the repair, the checkpoint. Killed anywhere, the comparison goes on at the page it died in.

mod comparison;
mod days;
mod repair;

use callscribe::{
    domain::{GapKind, GapReason, OrgId, SourceName, Window},
    ledger::{self, Hint},
    schedule::{Piece, Reconcile},
    sources::{CallPage, PageCursor, Source, SourceError},
    store::{
        Connection,
        completeness::{self, Day, Gap, Held, Listed},
        quarantine, retention,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use futures_util::{FutureExt, future::BoxFuture};
use tracing::{error, info, warn};

use self::{
    comparison::{Comparison, Found},
    repair::Repaired,
};
use crate::{answer::UpkeepError, handler::Run};

/// How long one run reads before other tasks get a turn; the checkpoint is where the next run goes on.
const TURN: TimeDelta = TimeDelta::minutes(10);

/// Compares the days that the task means, or what an earlier run left of them.
pub(crate) async fn run(run: &Run<'_>, task: &Reconcile) -> Result<(), UpkeepError> {
    let source = run.source()?;
    let turn_ends = run.clock.now() + TURN;
    let mut comparison = match Comparison::resume(run.job) {
        Some(comparison) => comparison,
        None => Comparison::of(days::to_compare(run, source, task.window).await?),
    };
    while let Some(window) = comparison.day() {
        if run.clock.now() >= turn_ends {
            return Err(UpkeepError::Unfinished);
        }
        let reading = comparison.reading(window);
        let day = Day { source: source.name(), org: source.org_id(), window, comparison: reading.comparison };
        match reading.progress.next() {
            None => close(run, task, &day, &mut comparison).await?,
            Some((piece, cursor)) => match ask(run, source, piece, cursor.as_ref()).await {
                Err(UpkeepError::Source(SourceError::TooWide { .. })) => {
                    reading.progress.halve().map_err(UpkeepError::own)?;
                    save(run, &comparison).await?;
                }
                page => note(run, &day, page?, cursor, &mut comparison).await?,
            },
        }
    }
    tell(source.name(), source.org_id(), &comparison.found);
    Ok(())
}

async fn ask(run: &Run<'_>, source: &dyn Source, piece: Piece, cursor: Option<&PageCursor>) -> Result<CallPage, UpkeepError> {
    tokio::select! {
        biased;
        () = run.context.stop.cancelled() => Err(UpkeepError::ShutDown),
        page = source.calls(piece.window, cursor) => Ok(page?),
    }
}

async fn save(run: &Run<'_>, comparison: &Comparison) -> Result<(), UpkeepError> {
    Ok(ledger::save_checkpoint(&mut *run.connection().await?, run.job, &comparison.to_json()?).await?)
}

/// Compares a page with what is held and notes what is missing.
async fn note(
    run: &Run<'_>,
    day: &Day<'_>,
    mut page: CallPage,
    cursor: Option<PageCursor>,
    comparison: &mut Comparison,
) -> Result<(), UpkeepError> {
    if page.next.is_some() && page.next == cursor {
        return Err(UpkeepError::Standstill);
    }
    let next = page.next.take();
    // what retention deleted, or would, is not missed
    let expired = retention::expired(&mut *run.connection().await?, &run.house.retention, &page.calls, run.clock.now()).await?;
    page.calls.retain(|call| !expired.contains(&call.session_id));
    let due_by = days::due_by(run);
    // the vendor's bounds may be exclusive, so it is asked for a little more than the day
    let inside = |at: DateTime<Utc>| day.window.from <= at && at < day.window.to;
    let mut listed: Vec<Listed> = page.calls.iter().filter(|call| inside(call.start_time)).map(|call| listed(call, due_by)).collect();
    listed.sort_by(|one, other| one.session_id.cmp(&other.session_id));
    listed.dedup_by(|one, other| one.session_id == other.session_id);
    comparison.count(&listed);
    comparison.advance(next);
    let checkpoint = comparison.to_json()?;
    let connection = &mut *run.connection().await?;
    note_page(connection, run, day, &listed, &page, &checkpoint).await
}

fn listed(call: &callscribe::domain::Call, due_by: DateTime<Utc>) -> Listed {
    let last_heard = call.end.map(|(end, _)| end).max(call.source_updated_at);
    let long_over = call.closed && last_heard.unwrap_or(call.start_time) < due_by;
    Listed { session_id: call.session_id.clone(), start_time: call.start_time, long_over }
}

/// Boxed, like every transaction here: the compiler cannot yet prove an async closure that borrows to be `Send`.
fn note_page<'a>(
    connection: &'a mut Connection,
    run: &'a Run<'_>,
    day: &'a Day<'_>,
    listed: &'a [Listed],
    page: &'a CallPage,
    checkpoint: &'a serde_json::Value,
) -> BoxFuture<'a, Result<(), UpkeepError>> {
    connection
        .transaction(async move |transaction| {
            let mut gaps = completeness::absent(transaction, day.source, listed).await?;
            gaps.extend(unreadable(transaction, day, page).await?);
            gaps.extend(page.possible_gap.map(|at| Gap {
                kind: GapKind::Calls,
                subject: at.to_rfc3339(),
                start_time: at,
                reason: GapReason::PossibleGap.as_str().to_owned(),
                repaired: false,
            }));
            completeness::note_gaps(transaction, day, &gaps).await?;
            ledger::save_checkpoint(transaction, run.job, checkpoint).await?;
            Ok(())
        })
        .boxed()
}

/// Elements that nobody can read are calls that nobody holds, unless another version of the call was read before.
async fn unreadable(transaction: &mut Connection, day: &Day<'_>, page: &CallPage) -> Result<Vec<Gap>, UpkeepError> {
    let named = page.unreadable.iter().filter_map(|element| element.session_id.clone());
    let named: Vec<Listed> = named.map(|session_id| Listed { session_id, start_time: day.window.from, long_over: true }).collect();
    let absent = completeness::absent(transaction, day.source, &named).await?;
    let nameless = page.unreadable.iter().filter(|element| element.session_id.is_none());
    let subjects = absent.into_iter().map(|gap| gap.subject).chain(nameless.map(|element| quarantine::fingerprint(&element.raw)));
    let reason = GapReason::Unreadable.as_str();
    let gap = |subject| Gap { kind: GapKind::Calls, subject, start_time: day.window.from, reason: reason.to_owned(), repaired: false };
    Ok(subjects.map(gap).collect())
}

/// Ends a day: what its calls lack, the repair, the day's row, and the day is off the checkpoint, all or nothing.
async fn close(run: &Run<'_>, task: &Reconcile, day: &Day<'_>, comparison: &mut Comparison) -> Result<(), UpkeepError> {
    let list = comparison.end_day();
    let connection = &mut *run.connection().await?;
    let closing = connection.transaction(async |transaction| {
        let held = completeness::lacking(transaction, day).await?;
        let repaired = repair::day(transaction, run.house, task, day, &held).await?;
        completeness::note_gaps(transaction, day, &repaired.gaps).await?;
        completeness::close_day(transaction, day, list, &held).await?;
        let calls = completeness::gaps_of_day(transaction, day).await?.into_iter().filter(|gap| gap.kind == GapKind::Calls).count();
        comparison.found.add(&found(calls, &held, &repaired));
        ledger::save_checkpoint(transaction, run.job, &comparison.to_json()?).await?;
        Ok::<Vec<Hint>, UpkeepError>(repaired.hints)
    });
    let hints = closing.await?;
    // nobody listens when the process ends: the dispatcher finds the rows
    let _ = run.context.hints.send(hints);
    Ok(())
}

fn found(calls: usize, held: &Held, repaired: &Repaired) -> Found {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let (recordings, transcripts) = (held.recordings.missing, held.transcripts.missing);
    let enqueued = repaired.gaps.iter().filter(|gap| gap.repaired).count();
    let gaps = number(calls) + recordings + transcripts;
    Found { days: 1, calls: number(calls), recordings, transcripts, unrepaired: gaps - number(enqueued) }
}

/// One line per comparison. What nobody has enqueued work for waits for a person, and is an error.
fn tell(source: SourceName, org: &OrgId, found: &Found) {
    let Found { days, calls, recordings, transcripts, unrepaired } = *found;
    if found.gaps() == 0 {
        info!(call.source = %source, call.org_id = %org, days.compared = days, "nothing is missing");
    } else if unrepaired == 0 {
        warn!(
            call.source = %source, call.org_id = %org, days.compared = days, calls.missing = calls, recordings.missing = recordings,
            transcripts.missing = transcripts, "completeness gaps: work to fill them was enqueued"
        );
    } else {
        error!(
            call.source = %source, call.org_id = %org, days.compared = days, calls.missing = calls, recordings.missing = recordings,
            transcripts.missing = transcripts, gaps.unrepaired = unrepaired,
            hint = "`callscribe reconcile` names them, `callscribe reconcile --fix` has them made", "completeness gaps"
        );
    }
}

/// The part of `window` that lies within `bounds`, if any does.
fn within(window: Window, bounds: Window) -> Option<Window> {
    Window::new(window.from.max(bounds.from), window.to.min(bounds.to)).ok()
}
