//! `chats` and `chat_messages`: conversations that were written, and what was written in them.

use std::{borrow::Cow, collections::BTreeMap};

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryDsl,
    sql_types::{Array, Integer, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use crate::{
    domain::{Chat, ChatMessage, Conversation, OrgId, SessionId, SourceName},
    store::{Connection, StoreError, clean, schema::calls::chats, settings},
};

/// The longest name or word kept.
const LONGEST_WORD: usize = 500;
/// The longest message kept: 1 MB of the widest letters. A messenger takes 64,000 characters, an e-mail's text seldom has as many.
const LONGEST_MESSAGE: usize = 250_000;
/// Messages written by one statement.
const BATCH: usize = 1_000;

fn word(text: Option<&String>) -> Option<Cow<'_, str>> {
    text.map(|text| clean::text(text, LONGEST_WORD))
}

/// Keeps what the vendor tells of conversations, in one statement; what it no longer tells stays as it was.
pub async fn upsert(connection: &mut Connection, chats: &[Chat]) -> Result<usize, StoreError> {
    // by id, because a statement cannot touch a row twice; the later one wins
    let chats: BTreeMap<&str, &Chat> = chats.iter().map(|chat| (chat.session_id.as_str(), chat)).collect();
    if chats.is_empty() {
        return Ok(0);
    }
    let all = || chats.values().copied();
    let kept = diesel::sql_query(
        "INSERT INTO chats AS held (session_id, source, org_id, channel, queue_name, agent_id, agent_name, started_at, ended_at)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[])
         ON CONFLICT (session_id) DO UPDATE SET
             queue_name = coalesce(excluded.queue_name, held.queue_name), agent_id = coalesce(excluded.agent_id, held.agent_id),
             agent_name = coalesce(excluded.agent_name, held.agent_name), ended_at = greatest(excluded.ended_at, held.ended_at),
             synced_at = now()",
    )
    .bind::<Array<Text>, _>(all().map(|chat| chat.session_id.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all().map(|chat| chat.source.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all().map(|chat| chat.org_id.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all().map(|chat| clean::text(&chat.channel, LONGEST_WORD)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(all().map(|chat| word(chat.queue_name.as_ref())).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(all().map(|chat| word(chat.agent_id.as_ref())).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(all().map(|chat| word(chat.agent_name.as_ref())).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(all().map(|chat| chat.started_at).collect::<Vec<_>>())
    .bind::<Array<Nullable<Timestamptz>>, _>(all().map(|chat| chat.ended_at).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(kept)
}

/// When a conversation ended, as far as that is told.
pub async fn ended_at(connection: &mut Connection, session: &SessionId) -> Result<Option<DateTime<Utc>>, StoreError> {
    let told = chats::table.find(session.as_str()).select(chats::ended_at).first(connection).await.optional()?;
    Ok(told.flatten())
}

/// Stores everything that was written in a conversation, on the caller's transaction: what was stored of it before gives way, so
/// that it can be read any number of times.
pub async fn complete(connection: &mut Connection, session: &SessionId, conversation: &Conversation) -> Result<(), StoreError> {
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    // locks the conversation, too: of two that come at once the second one waits
    diesel::sql_query("UPDATE chats SET completed_at = now(), message_count = $2, parts_left_out = $3 WHERE session_id = $1")
        .bind::<Text, _>(session.as_str())
        .bind::<Integer, _>(number(conversation.messages.len()))
        .bind::<Integer, _>(number(conversation.unreadable))
        .execute(connection)
        .await?;
    diesel::sql_query("DELETE FROM chat_messages WHERE session_id = $1").bind::<Text, _>(session.as_str()).execute(connection).await?;
    for (batch, messages) in conversation.messages.chunks(BATCH).enumerate() {
        insert(connection, session, number(batch * BATCH), messages).await?;
    }
    Ok(())
}

async fn insert(connection: &mut Connection, session: &SessionId, first: i32, messages: &[ChatMessage]) -> Result<(), StoreError> {
    type Texts = Array<Nullable<Text>>;
    let column = |part: fn(&ChatMessage) -> Option<&String>| messages.iter().map(|message| word(part(message))).collect::<Vec<_>>();
    diesel::sql_query(
        "INSERT INTO chat_messages (session_id, place, message_key, sent_at, odd_time, direction, message,
                                    participant_name, participant_role, participant_user_id, participant_alias_id)
         SELECT $1, $2 + place - 1, message_key, sent_at, odd_time, direction, message, name, role, user_id, alias_id
         FROM unnest($3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])
              WITH ORDINALITY AS new (message_key, sent_at, odd_time, direction, message, name, role, user_id, alias_id, place)",
    )
    .bind::<Text, _>(session.as_str())
    .bind::<Integer, _>(first)
    .bind::<Array<Text>, _>(messages.iter().map(|message| clean::text(&message.key, LONGEST_WORD)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Timestamptz>>, _>(messages.iter().map(|message| message.sent_at).collect::<Vec<_>>())
    .bind::<Texts, _>(column(|message| message.odd_time.as_ref()))
    .bind::<Texts, _>(column(|message| message.direction.as_ref()))
    .bind::<Texts, _>(
        messages.iter().map(|message| message.text.as_ref().map(|text| clean::text(text, LONGEST_MESSAGE))).collect::<Vec<_>>(),
    )
    .bind::<Texts, _>(column(|message| message.participant.name.as_ref()))
    .bind::<Texts, _>(column(|message| message.participant.role.as_ref()))
    .bind::<Texts, _>(column(|message| message.participant.user_id.as_ref()))
    .bind::<Texts, _>(column(|message| message.participant.alias_id.as_ref()))
    .execute(connection)
    .await?;
    Ok(())
}

/// Up to which end of a conversation all conversations of a tenant were asked for; `None` before the first time.
pub async fn read_until(connection: &mut Connection, source: SourceName, org: &OrgId) -> Result<Option<DateTime<Utc>>, StoreError> {
    settings::get(connection, &settings::chats_key(source, org)).await
}

/// Remembers that; it never goes back.
pub async fn advance(connection: &mut Connection, source: SourceName, org: &OrgId, until: DateTime<Utc>) -> Result<(), StoreError> {
    settings::advance(connection, &settings::chats_key(source, org), until).await
}

/// From when on a tenant's conversations are kept: `from`, unless an earlier run said so.
pub async fn kept_since(
    connection: &mut Connection,
    source: SourceName,
    org: &OrgId,
    from: DateTime<Utc>,
) -> Result<DateTime<Utc>, StoreError> {
    let key = settings::chats_since_key(source, org);
    settings::put_first(connection, &key, from).await?;
    Ok(settings::get(connection, &key).await?.unwrap_or(from))
}
