//! One conversation: its file is read, and its messages are stored with the answer of the job.

use std::sync::Arc;

use callscribe::{
    ledger::{self, Effect},
    sources::ChatAnswer,
    store::chats,
};
use tracing::info;

use crate::{
    answer::{ChatError, ChatTrouble},
    handler::Run,
};

/// Reads it. What is to be stored is stored with the job's end: killed before that, it is read again; after it, only if it goes on. So
/// the end up to which it is told is noted first: a later one that becomes known meanwhile makes the job due again.
pub(crate) async fn run(run: &Run<'_>) -> Result<Effect, ChatError> {
    let session = run.job.session_id.clone().ok_or(ChatError::Nameless)?;
    {
        let connection = &mut run.connection().await?;
        let ended_at = chats::ended_at(connection, &session).await?;
        ledger::save_checkpoint(connection, run.job, &serde_json::json!({ "ended_at": ended_at })).await?;
    }
    let answer = tokio::select! {
        biased;
        () = run.context.stop.cancelled() => return Err(ChatError::ShutDown),
        answer = run.source.conversation(&session) => answer?,
    };
    let conversation = match answer {
        ChatAnswer::Told(conversation) => Arc::new(conversation),
        ChatAnswer::Nothing => return Err(ChatError::own(ChatTrouble::NothingYet)),
        ChatAnswer::Gone => return Err(ChatError::own(ChatTrouble::Gone)),
        ChatAnswer::Unrecognised { what, may_pass } => return Err(ChatError::own(ChatTrouble::Unrecognised { what, may_pass })),
    };
    let (count, left_out) = (conversation.messages.len(), conversation.unreadable);
    info!(chat.session_id = %session, chat.messages = count, chat.parts_left_out = left_out, "read a conversation");
    Ok(Effect::new(move |connection| {
        let (session, conversation) = (session.clone(), Arc::clone(&conversation));
        Box::pin(async move {
            chats::complete(connection, &session, &conversation).await?;
            ledger::read_again(connection, &[&session]).await
        })
    }))
}
