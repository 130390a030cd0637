//! Finding conversations: those that the plan asks for, page by page, each page with its jobs and its checkpoint.

use callscribe::{
    domain::{Chat, ChatChannel, SessionId},
    ledger::{self, Hint, NewJob},
    schedule::conversation_job,
    sources::{ChatPage, PageCursor, Piece},
    store::{Connection, chats, quarantine, settings},
};
use chrono::TimeDelta;
use diesel_async::AsyncConnection;
use tracing::{info, warn};

use crate::{
    answer::ChatError,
    handler::Run,
    plan::{self, Place},
};

/// How long one run reads before other jobs get a turn; the checkpoint is where the next run goes on.
const TURN: TimeDelta = TimeDelta::minutes(10);
/// Moments with a possible gap that are remembered for people.
const GAPS_KEPT: u16 = 100;

/// Reads everything that the run asks for.
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
    while let Some(piece) = place.left.front().copied() {
        if run.clock.now() >= turn_ends {
            return Err(ChatError::Unfinished);
        }
        let page = ask(run, channels, piece, place.cursor.as_ref()).await?;
        if page.next.is_some() && page.next == place.cursor {
            return Err(ChatError::Standstill);
        }
        place.advance(page.next.clone());
        let hints = store(run, &page, &place).await?;
        // nobody listens when the process ends: the dispatcher finds the rows
        let _ = run.context.hints.send(hints);
    }
    Ok(())
}

/// Goes on where an earlier run stopped. A checkpoint of another version that we cannot read costs reading the window again.
fn resume(run: &Run<'_>) -> Option<Place> {
    let checkpoint = run.job.checkpoint.clone()?;
    serde_json::from_value(checkpoint)
        .inspect_err(|error| warn!(job.id = %run.job.id, error = %error, "cannot read the checkpoint, starting over"))
        .ok()
}

/// Works out what to ask for now, when the job runs, and keeps it: the next run of this job goes on with the same.
async fn plan(run: &Run<'_>) -> Result<Option<Place>, ChatError> {
    let (now, source, org) = (run.clock.now(), run.source.name(), run.source.org_id());
    let mut connection = run.connection().await?;
    let read_until = chats::read_until(&mut connection, source, org).await?;
    let from = plan::from(read_until, run.recipe.sync.first_look_back, run.recipe.sync.overlap, now);
    let since = chats::kept_since(&mut connection, source, org, from).await?;
    let Some(place) = Place::begin(from, since, now) else { return Ok(None) };
    ledger::save_checkpoint(&mut connection, run.job, &checkpoint(&place)?).await?;
    Ok(Some(place))
}

async fn ask(run: &Run<'_>, channels: &[ChatChannel], piece: Piece, cursor: Option<&PageCursor>) -> Result<ChatPage, ChatError> {
    tokio::select! {
        biased;
        () = run.context.stop.cancelled() => Err(ChatError::ShutDown),
        page = run.source.chats(channels, piece.by, piece.window, cursor) => Ok(page?),
    }
}

/// One page, one transaction: its conversations, a job for each, those that went on after they were read, what could not be read, and the
/// checkpoint; with the last page, how far everything is read.
async fn store(run: &Run<'_>, page: &ChatPage, place: &Place) -> Result<Vec<Hint>, ChatError> {
    let (source, org) = (run.source.name(), run.source.org_id());
    // one that goes on, or goes on again, is found when it is over
    let over: Vec<Chat> = page.chats.iter().filter(|chat| chat.closed).cloned().collect();
    let jobs: Vec<NewJob> = over.iter().map(|chat| conversation_job(chat, run.job.priority)).collect();
    let sessions: Vec<&SessionId> = over.iter().map(|chat| &chat.session_id).collect();
    let checkpoint = checkpoint(place)?;
    let mut pooled = run.connection().await?;
    let connection: &mut Connection = &mut pooled;
    let hints = connection
        .transaction(async |connection: &mut Connection| {
            // also the fence: whoever lost the lease commits nothing
            ledger::save_checkpoint(connection, run.job, &checkpoint).await?;
            chats::upsert(connection, &over).await?;
            let unreadable = page.unreadable.iter().map(|element| (&element.raw, element.error.as_str()));
            quarantine::quarantine(connection, source, unreadable).await?;
            let mut hints = ledger::enqueue(connection, &jobs).await?;
            hints.extend(ledger::read_again(connection, &sessions).await?);
            if let Some(at) = page.possible_gap {
                settings::remember(connection, &settings::gaps_key(source, org), &at, GAPS_KEPT).await?;
            }
            if place.left.is_empty() {
                chats::advance(connection, source, org, place.until).await?;
            }
            Ok::<_, ChatError>(hints)
        })
        .await?;
    info!(
        call.source = %source, chats.count = over.len(), chats.to_read = hints.len(), page.unreadable = page.unreadable.len(),
        "stored a page of conversations"
    );
    Ok(hints)
}

fn checkpoint(place: &Place) -> Result<serde_json::Value, ChatError> {
    serde_json::to_value(place).map_err(ChatError::Checkpoint)
}
