//! Conversations: tasks of written channels out of the search, and the files of what was written in them.

use std::{cmp::Reverse, sync::Arc};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Webex,
    captures::ChatFile,
    chat_file,
    number::number_or_text,
    search::{Field, Filter, Literal, Moment, Question},
    translate::{described, moment, storable, told},
};
use crate::{
    domain::{Chat, ChatChannel, Conversation, OrgId, SessionId, SourceName, Window},
    sources::{ChatAnswer, ChatPage, ChatSource, DetailsBy, PageCursor, SourceError, UnreadableElement},
};

/// Ten thousand messages of an ordinary length have 3 MB; nobody writes more in one conversation.
const LARGEST_FILE: usize = 32 * 1024 * 1024;
/// Files of one conversation that are looked at. Two forms of one file are known of.
const MOST_FILES: usize = 4;

/// `tasks[]`. Every field may be null.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireChat {
    id: String,
    is_active: Option<bool>,
    status: Option<String>,
    #[serde(default, deserialize_with = "number_or_text")]
    created_time: Option<i64>,
    #[serde(default, deserialize_with = "number_or_text")]
    ended_time: Option<i64>,
    channel_type: Option<String>,
    last_agent: Option<WireNamed>,
    last_queue: Option<WireNamed>,
}

#[derive(Debug, Default, Deserialize)]
struct WireNamed {
    id: Option<String>,
    name: Option<String>,
}

#[async_trait]
impl ChatSource for Webex {
    fn name(&self) -> SourceName {
        SourceName::Webex
    }

    fn org_id(&self) -> &OrgId {
        &self.api.org_id
    }

    async fn chats(
        &self,
        channels: &[ChatChannel],
        by: DetailsBy,
        window: Window,
        cursor: Option<&PageCursor>,
    ) -> Result<ChatPage, SourceError> {
        let found = self.search.page(&question(channels, by), window, cursor).await?;
        let mut page = ChatPage { chats: Vec::new(), unreadable: Vec::new(), next: found.next, possible_gap: found.possible_gap };
        for mut task in found.tasks {
            storable(&mut task);
            match chat(&task, &self.api.org_id) {
                // the filter is not trusted, as everywhere
                Ok(chat) if channels.iter().any(|channel| channel.as_str() == chat.channel) => page.chats.push(chat),
                Ok(_) => {}
                Err(error) => page.unreadable.push(UnreadableElement { raw: task, error, session_id: None }),
            }
        }
        page.chats.sort_by_key(|chat| chat.started_at);
        Ok(page)
    }

    async fn conversation(&self, session: &SessionId) -> Result<ChatAnswer, SourceError> {
        match self.read_chat(session).await {
            // a fresh link settles it
            Err(SourceError::LinkExpired { .. }) => self.read_chat(session).await,
            answer => answer,
        }
    }
}

impl Webex {
    /// Asks for links and reads every file behind them: of several forms of one conversation, the one with most messages.
    async fn read_chat(&self, session: &SessionId) -> Result<ChatAnswer, SourceError> {
        let mut files: Vec<ChatFile> = Arc::clone(&self.captures).capture(session).await?.chats;
        files.sort_by_key(|file| Reverse(file.created_at));
        let (mut best, mut unrecognised, mut gone) = (None::<Conversation>, None, false);
        for file in files.iter().take(MOST_FILES) {
            let bytes = match self.downloads.whole(&file.link, LARGEST_FILE).await {
                // another form of it may be there
                Err(SourceError::Gone { .. }) => {
                    gone = true;
                    continue;
                }
                bytes => bytes?,
            };
            match chat_file::read(&bytes) {
                Ok(told) if best.as_ref().is_none_or(|best| told.messages.len() > best.messages.len()) => best = Some(told),
                Ok(_) => {}
                Err(error) => unrecognised = Some(error),
            }
        }
        Ok(match (best, unrecognised) {
            (Some(told), _) => ChatAnswer::Told(told),
            (None, Some(error)) => ChatAnswer::Unrecognised { may_pass: error.may_pass(), what: error.to_string() },
            (None, None) if gone => ChatAnswer::Gone,
            (None, None) => ChatAnswer::Nothing,
        })
    }
}

fn question(channels: &[ChatChannel], by: DetailsBy) -> Question {
    let of = |channel: &ChatChannel| Filter::Equals("channelType", Literal::Word(channel.as_str()));
    let filter = match channels {
        [one] => of(one),
        several => Filter::Any(several.iter().map(of).collect()),
    };
    let plain = ["status", "isActive", "channelType"].map(Field::plain);
    let named = ["lastAgent", "lastQueue"].map(|name| Field::object(name, &["id", "name"]));
    let moment = match by {
        DetailsBy::Start => Moment::Created,
        DetailsBy::End => Moment::Ended,
    };
    Question { moment, filter, fields: plain.into_iter().chain(named).collect() }
}

/// Reads an element. The error says which path is wrong, never what it holds.
fn chat(element: &Value, org_id: &OrgId) -> Result<Chat, String> {
    let wire: WireChat = serde_path_to_error::deserialize(element).map_err(described)?;
    let session_id = SessionId::parse(wire.id).map_err(|_| "`id`: not an id".to_owned())?;
    let started_at = wire.created_time.and_then(moment).ok_or("`createdTime`: missing, or not in milliseconds")?;
    let ended_at = wire.ended_time.and_then(moment).filter(|ended| *ended >= started_at);
    let says_ended = told(wire.status).is_some_and(|status| status.eq_ignore_ascii_case("ended"));
    // over without an end happens
    let closed = wire.is_active.map_or(says_ended || ended_at.is_some(), |active| !active);
    let (agent, queue) = (wire.last_agent.unwrap_or_default(), wire.last_queue.unwrap_or_default());
    Ok(Chat {
        session_id,
        source: SourceName::Webex,
        org_id: org_id.clone(),
        channel: told(wire.channel_type).ok_or("`channelType`: missing")?.to_ascii_lowercase(),
        queue_name: told(queue.name),
        agent_id: told(agent.id),
        agent_name: told(agent.name),
        started_at,
        ended_at: ended_at.filter(|_| closed),
        closed,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn org() -> OrgId {
        OrgId::parse("11111111-2222-4333-8444-555555555555").unwrap()
    }

    #[test]
    fn a_task_becomes_a_conversation_and_sentinels_become_nothing() {
        let task = json!({"id": "aaaaaaaa-0001-4000-8000-000000000001", "createdTime": 1_758_724_953_881_i64, "endedTime": -1,
                          "isActive": true, "status": "available", "channelType": "Chat",
                          "lastAgent": {"id": "NA", "name": ""}, "lastQueue": null});
        let chat = chat(&task, &org()).unwrap();
        assert_eq!((chat.channel.as_str(), chat.closed, chat.ended_at), ("chat", false, None));
        assert_eq!((chat.agent_id, chat.agent_name, chat.queue_name), (None, None, None));
    }

    #[test]
    fn an_element_that_is_no_conversation_says_where_and_not_what() {
        assert!(chat(&json!({"id": 17}), &org()).unwrap_err().contains("`id`"));
        assert!(chat(&json!({"id": "a", "channelType": "chat"}), &org()).unwrap_err().contains("createdTime"));
    }

    #[test]
    fn several_channels_are_asked_for_in_one_question() {
        let asked = question(&[ChatChannel::Chat, ChatChannel::Social], DetailsBy::End);
        let Filter::Any(filters) = asked.filter else { panic!("either channel will do") };
        assert_eq!(filters.len(), 2);
        assert_eq!(asked.moment, Moment::Ended);
    }
}
