//! Reading conversations: page after page of a window, twenty at once, each with what became of it.

use std::collections::BTreeSet;

use callscribe::{
    domain::{Chat, ChatChannel, Reason, Window},
    sources::{ChatAnswer, ChatPage, ChatSource, DetailsBy, PageCursor, SourceError, UnreadableElement},
};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

use super::{
    patience::{ends_all, patiently},
    workbook::{Ending, Told},
};

/// Conversations read at once: two requests for links, ten conversations each.
const AT_ONCE: usize = 20;

/// Which conversations.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) window: Window,
    pub(super) channels: Vec<ChatChannel>,
    /// Names of queues in lower case; none: all.
    pub(super) queues: Vec<String>,
}

/// What the reading found out beside the conversations.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Queues of conversations that were left out.
    pub(super) other_queues: BTreeSet<String>,
    /// What ended the reading before its time.
    pub(super) stopped_by: Option<SourceError>,
}

/// Other queues that are remembered, to tell them.
const QUEUES_KEPT: usize = 50;

impl Wanted {
    fn names(&self, chat: &Chat) -> bool {
        let queue = chat.queue_name.as_deref().unwrap_or_default().to_lowercase();
        self.queues.is_empty() || self.queues.contains(&queue)
    }
}

/// Tells every conversation, in the order in which they began. One that fails is told as failed; only what would fail for all ends
/// the reading. It also ends when nobody listens.
pub(super) async fn read(source: &dyn ChatSource, wanted: &Wanted, listener: mpsc::Sender<Told>) -> Seen {
    let mut seen = Seen::default();
    seen.stopped_by = read_pages(source, wanted, &listener, &mut seen.other_queues).await.err();
    seen
}

async fn read_pages(
    source: &dyn ChatSource,
    wanted: &Wanted,
    listener: &mpsc::Sender<Told>,
    others: &mut BTreeSet<String>,
) -> Result<(), SourceError> {
    let mut cursor: Option<PageCursor> = None;
    loop {
        let ask = async || source.chats(&wanted.channels, DetailsBy::Start, wanted.window, cursor.as_ref()).await;
        let ChatPage { chats, unreadable, next, possible_gap } = patiently(ask).await?;
        let gap = possible_gap.map(|at| {
            let error = format!("Webex could not be made to tell every conversation that began around {at}");
            failed(String::new(), None, Reason::WrongShape, error)
        });
        let (chats, left_out): (Vec<Chat>, Vec<Chat>) = chats.into_iter().partition(|chat| wanted.names(chat));
        others.extend(left_out.into_iter().filter_map(|chat| chat.queue_name).take(QUEUES_KEPT.saturating_sub(others.len())));
        for told in gap.into_iter().chain(unreadable.into_iter().map(unread)) {
            if listener.send(told).await.is_err() {
                return Ok(());
            }
        }
        let mut read = stream::iter(chats).map(|chat| conversation(source, chat)).buffered(AT_ONCE);
        while let Some(told) = read.next().await {
            if listener.send(told?).await.is_err() {
                return Ok(());
            }
        }
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok(()),
        }
    }
}

/// What became of one conversation; an error only when it would be the same for all.
async fn conversation(source: &dyn ChatSource, chat: Chat) -> Result<Told, SourceError> {
    let task_id = chat.session_id.to_string();
    if !chat.closed {
        return Ok(Told { task_id, chat: Some(chat), messages: Vec::new(), ending: Ending::Open });
    }
    let told = |chat, ending| Told { task_id: task_id.clone(), chat: Some(chat), messages: Vec::new(), ending };
    let ask = async || patiently(async || source.conversation(&chat.session_id).await).await;
    let answer = match ask().await {
        // what was cut short on its way may come whole
        Ok(ChatAnswer::Unrecognised { may_pass: true, .. }) => ask().await,
        answer => answer,
    };
    match answer {
        Ok(ChatAnswer::Told(conversation)) => {
            let unreadable = conversation.unreadable;
            Ok(Told { messages: conversation.messages, ..told(chat, Ending::Complete { unreadable }) })
        }
        Ok(ChatAnswer::Nothing) => Ok(told(chat, Ending::WithoutTranscript)),
        Ok(ChatAnswer::Gone) => {
            let error = "Webex lists a transcript that its store does not have".to_owned();
            Ok(failed(task_id, Some(chat), Reason::NoTranscript, error))
        }
        Ok(ChatAnswer::Unrecognised { what, .. }) => Ok(failed(task_id, Some(chat), Reason::UnrecognisedTranscriptFormat, what)),
        Err(error) if ends_all(&error) => Err(error),
        Err(error) => Ok(failed(task_id, Some(chat), error.reason(), error.to_string())),
    }
}

/// An element of the search's answer that is no conversation.
fn unread(element: UnreadableElement) -> Told {
    let id = element.raw.get("id").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    failed(id, None, Reason::WrongShape, format!("the search's answer cannot be read: {}", element.error))
}

fn failed(task_id: String, chat: Option<Chat>, reason: Reason, error: String) -> Told {
    Told { task_id, chat, messages: Vec::new(), ending: Ending::Failed { reason, error } }
}
