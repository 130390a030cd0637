//! Finding conversations: those that ended since the last run, page by page, each page with its jobs and its checkpoint.

use callscribe::{
    domain::{Chat, ChatChannel, Window},
    ledger::{self, Hint, NewJob},
    schedule::conversation_job,
    sources::{ChatPage, DetailsBy, PageCursor},
    store::{Connection, chats, quarantine, settings},
};
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::{answer::ChatError, handler::Run};

/// How long one run reads before other jobs get a turn; the checkpoint is where the next run goes on.
const TURN: TimeDelta = TimeDelta::minutes(10);
/// What ended less than this ago is left for the next run: the search tells it late.
const SETTLE: TimeDelta = TimeDelta::minutes(1);
/// The vendor's search reaches back 36 months; less than that, as the months are not all alike.
const LONGEST_LOOK_BACK: TimeDelta = TimeDelta::days(1_090);
/// Moments with a possible gap that are remembered for people.
const GAPS_KEPT: u16 = 100;

/// The job's checkpoint: which window, and where in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Place {
    window: Window,
    cursor: Option<PageCursor>,
}

/// Reads the window to its end.
pub(crate) async fn run(run: &Run<'_>, channels: &[ChatChannel]) -> Result<(), ChatError> {
    let turn_ends = run.clock.now() + TURN;
    let mut place = match resume(run) {
        Some(place) => place,
        None => match plan(run).await? {
            Some(place) => place,
            // the last run is not a minute ago
            None => return Ok(()),
        },
    };
    loop {
        if run.clock.now() >= turn_ends {
            return Err(ChatError::Unfinished);
        }
        let page = ask(run, channels, &place).await?;
        if page.next.is_some() && page.next == place.cursor {
            return Err(ChatError::Standstill);
        }
        let next = page.next.clone();
        let last = next.is_none();
        place.cursor = next;
        let hints = store(run, &page, &place, last).await?;
        // nobody listens when the process ends: the dispatcher finds the rows
        let _ = run.context.hints.send(hints);
        if last {
            return Ok(());
        }
    }
}

/// Goes on where an earlier run stopped. A checkpoint of another version that we cannot read costs reading the window again.
fn resume(run: &Run<'_>) -> Option<Place> {
    let checkpoint = run.job.checkpoint.clone()?;
    serde_json::from_value(checkpoint)
        .inspect_err(|error| warn!(job.id = %run.job.id, error = %error, "cannot read the checkpoint, starting over"))
        .ok()
}

/// Works out the window now, when the job runs, and keeps it: the next run of this job goes on with the same one.
async fn plan(run: &Run<'_>) -> Result<Option<Place>, ChatError> {
    let now = run.clock.now();
    let mut connection = run.connection().await?;
    let read_until = chats::read_until(&mut connection, run.source.name(), run.source.org_id()).await?;
    let Some(window) = window(run, read_until, now) else { return Ok(None) };
    let place = Place { window, cursor: None };
    ledger::save_checkpoint(&mut connection, run.job, &checkpoint(&place)?).await?;
    Ok(Some(place))
}

/// From where the last run ended, less the overlap, until a minute ago.
fn window(run: &Run<'_>, read_until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<Window> {
    let span = |duration| TimeDelta::from_std(duration).unwrap_or(LONGEST_LOOK_BACK);
    let to = now - SETTLE;
    let from = match read_until {
        Some(read_until) => read_until - span(run.recipe.sync.overlap),
        None => to - span(run.recipe.sync.first_look_back),
    };
    Window::new(from.max(now - LONGEST_LOOK_BACK), to).ok()
}

async fn ask(run: &Run<'_>, channels: &[ChatChannel], place: &Place) -> Result<ChatPage, ChatError> {
    tokio::select! {
        biased;
        () = run.context.stop.cancelled() => Err(ChatError::ShutDown),
        page = run.source.chats(channels, DetailsBy::End, place.window, place.cursor.as_ref()) => Ok(page?),
    }
}

/// One page, one transaction: its conversations, a job for each, what could not be read, and the checkpoint; with the last page, how
/// far everything is read.
async fn store(run: &Run<'_>, page: &ChatPage, place: &Place, last: bool) -> Result<Vec<Hint>, ChatError> {
    let (source, org) = (run.source.name(), run.source.org_id());
    let ended: Vec<&Chat> = page.chats.iter().filter(|chat| chat.closed).collect();
    let jobs: Vec<NewJob> = ended.iter().map(|chat| conversation_job(chat, run.job.priority)).collect();
    let (checkpoint, until) = (checkpoint(place)?, place.window.to);
    let mut pooled = run.connection().await?;
    let connection: &mut Connection = &mut pooled;
    let hints = connection
        .transaction(async |connection: &mut Connection| {
            // also the fence: whoever lost the lease commits nothing
            ledger::save_checkpoint(connection, run.job, &checkpoint).await?;
            chats::upsert(connection, &page.chats).await?;
            let unreadable = page.unreadable.iter().map(|element| (&element.raw, element.error.as_str()));
            quarantine::quarantine(connection, source, unreadable).await?;
            let hints = ledger::enqueue(connection, &jobs).await?;
            if let Some(at) = page.possible_gap {
                settings::remember(connection, &settings::gaps_key(source, org), &at, GAPS_KEPT).await?;
            }
            if last {
                chats::advance(connection, source, org, until).await?;
            }
            Ok::<_, ChatError>(hints)
        })
        .await?;
    info!(
        call.source = %source, chats.count = ended.len(), chats.new = hints.len(), page.unreadable = page.unreadable.len(),
        "stored a page of conversations"
    );
    Ok(hints)
}

fn checkpoint(place: &Place) -> Result<serde_json::Value, ChatError> {
    serde_json::to_value(place).map_err(ChatError::Checkpoint)
}
