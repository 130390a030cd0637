//! Where conversations that were written come from.

use async_trait::async_trait;

use super::{DetailsBy, PageCursor, SourceError, UnreadableElement};
use crate::domain::{Chat, ChatChannel, Conversation, OrgId, SessionId, SourceName, Window};

/// One page of conversations.
#[derive(Debug, Clone)]
pub struct ChatPage {
    /// The conversations, oldest first; one may come again on a later page.
    pub chats: Vec<Chat>,
    /// Elements that could not be read; they never sink the page.
    pub unreadable: Vec<UnreadableElement>,
    /// Where to go on; `None` when the window is complete.
    pub next: Option<PageCursor>,
    /// The vendor could not be made to tell everything around this moment: someone should look.
    pub possible_gap: Option<chrono::DateTime<chrono::Utc>>,
}

/// What a source knows about what was written in a conversation.
#[derive(Debug, Clone)]
pub enum ChatAnswer {
    /// Everything; possibly nothing was written.
    Told(Conversation),
    /// No file yet, or never: the vendor does not say which.
    Nothing,
    /// The vendor lists a file that its store does not have.
    Gone,
    /// There is a file, and it is in no form that we know.
    Unrecognised {
        /// What was found in place of messages; never what was written.
        what: String,
        /// It may have been cut short on its way, so that another try could help.
        may_pass: bool,
    },
}

/// A vendor that conversations come from.
#[async_trait]
pub trait ChatSource: Send + Sync + 'static {
    /// Which vendor.
    fn name(&self) -> SourceName;

    /// Tenant whose conversations it tells, as configured.
    fn org_id(&self) -> &OrgId;

    /// One page of the conversations of `channels` whose moment lies in `window`. `None` begins; a page's `next` goes on.
    async fn chats(
        &self,
        channels: &[ChatChannel],
        by: DetailsBy,
        window: Window,
        cursor: Option<&PageCursor>,
    ) -> Result<ChatPage, SourceError>;

    /// What was written in one conversation that has ended.
    async fn conversation(&self, session: &SessionId) -> Result<ChatAnswer, SourceError>;
}
