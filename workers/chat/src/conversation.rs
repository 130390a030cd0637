//! One conversation: its file is read, and its messages are stored with the answer of the job.

use std::sync::Arc;

use callscribe::{ledger::Effect, sources::ChatAnswer, store::chats};
use tracing::info;

use crate::{answer::ChatError, handler::Run};

/// Reads it. What is to be stored is stored with the job's end: killed before that, it is read again; after it, never.
pub(crate) async fn run(run: &Run<'_>) -> Result<Effect, ChatError> {
    let session = run.job.session_id.clone().ok_or(ChatError::Nameless)?;
    let answer = tokio::select! {
        biased;
        () = run.context.stop.cancelled() => return Err(ChatError::ShutDown),
        answer = run.source.conversation(&session) => answer?,
    };
    let conversation = match answer {
        ChatAnswer::Told(conversation) => Arc::new(conversation),
        ChatAnswer::Nothing => return Err(ChatError::NothingYet),
        ChatAnswer::Gone => return Err(ChatError::Gone),
        ChatAnswer::Unrecognised { what, may_pass } => return Err(ChatError::Unrecognised { what, may_pass }),
    };
    let (count, left_out) = (conversation.messages.len(), conversation.unreadable);
    info!(chat.session_id = %session, chat.messages = count, chat.parts_left_out = left_out, "read a conversation");
    Ok(Effect::new(move |connection| {
        let (session, conversation) = (session.clone(), Arc::clone(&conversation));
        Box::pin(async move {
            chats::complete(connection, &session, &conversation).await?;
            Ok(Vec::new())
        })
    }))
}
