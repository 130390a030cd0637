//! Whether conversations that were written are kept in the database.

use super::{Reader, Setting};
use crate::domain::ChatChannel;

/// What the scheduler goes by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatSettings {
    /// `WEBEX_CC_CHATS` and `WEBEX_CC_CHAT_CHANNELS`: where conversations are written that are asked for; empty: none are.
    pub channels: Vec<ChatChannel>,
}

impl ChatSettings {
    const CHATS: Setting = Setting::new(
        "WEBEX_CC_CHATS",
        "false",
        "`true`: at every SYNC_INTERVAL, conversations that ended are asked for, and their messages stored",
    );
    const CHANNELS: Setting =
        Setting::new("WEBEX_CC_CHAT_CHANNELS", "chat", "Where those were written, by comma: `chat`, `social`, `email`");
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::CHATS, Self::CHANNELS];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let words = reader.list(&Self::CHANNELS);
        let mut channels = Vec::new();
        for word in &words {
            match word.to_ascii_lowercase().parse::<ChatChannel>() {
                Ok(channel) => channels.push(channel),
                Err(unknown) => reader.complain(Self::CHANNELS.name, format!("is not usable: `{word}` is none of {}", unknown.expected)),
            }
        }
        if words.is_empty() {
            reader.complain(Self::CHANNELS.name, "is empty: to ask for no conversations, set `WEBEX_CC_CHATS=false`");
        }
        channels.sort_unstable();
        channels.dedup();
        let wanted: bool = reader.parsed(&Self::CHATS, "`true` or `false`").unwrap_or(false);
        Self { channels: if wanted { channels } else { Vec::new() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<ChatSettings, crate::config::Problems> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        crate::config::read(&environment, ChatSettings::read)
    }

    #[test]
    fn conversations_are_asked_for_only_when_switched_on() {
        assert_eq!(read(&[]).unwrap(), ChatSettings::default());
        assert_eq!(read(&[("WEBEX_CC_CHATS", "true")]).unwrap().channels, [ChatChannel::Chat]);
        let both = read(&[("WEBEX_CC_CHATS", "true"), ("WEBEX_CC_CHAT_CHANNELS", "social, Chat,chat")]).unwrap();
        assert_eq!(both.channels, [ChatChannel::Chat, ChatChannel::Social]);
    }

    #[test]
    fn an_unknown_channel_is_told_at_start() {
        let text = read(&[("WEBEX_CC_CHAT_CHANNELS", "fax"), ("WEBEX_CC_CHATS", "perhaps")]).unwrap_err().to_string();
        assert!(text.contains("`fax` is none of") && text.contains("`WEBEX_CC_CHATS`"), "{text}");
    }
}
