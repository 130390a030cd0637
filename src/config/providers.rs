//! Who transcribes: the vendor's own transcripts, a transcriber of ours, or one after the other.

use std::time::Duration;

use super::{AssemblyAiSettings, AwsTranscribeSettings, CommandSettings, DeepgramSettings, Reader, Setting, WhisperSettings};

/// A transcriber of ours, whichever vendor the call came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Any OpenAI-compatible server.
    Whisper,
    /// Deepgram.
    Deepgram,
    /// AssemblyAI.
    AssemblyAi,
    /// AWS Transcribe, in builds with that feature.
    AwsTranscribe,
    /// A program on this machine.
    Command,
}

impl Provider {
    /// Every one, in the order in which documents name them.
    pub const ALL: &'static [Self] = &[Self::Whisper, Self::Deepgram, Self::AssemblyAi, Self::AwsTranscribe, Self::Command];

    /// As `TRANSCRIPTION_PROVIDER` and `call_transcripts.provider` name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whisper => WhisperSettings::PROVIDER,
            Self::Deepgram => DeepgramSettings::PROVIDER,
            Self::AssemblyAi => AssemblyAiSettings::PROVIDER,
            Self::AwsTranscribe => AwsTranscribeSettings::PROVIDER,
            Self::Command => CommandSettings::PROVIDER,
        }
    }
}

/// Who makes transcripts, in the order in which they are asked, and what else is taken from the vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    /// `TRANSCRIPTION_PROVIDER` begins with `webex`: Webex's own transcripts are taken, and cost nothing.
    pub vendor: bool,
    /// `TRANSCRIPTION_PROVIDER`: the transcribers, each asked when those before it cannot do it.
    pub chain: Vec<Provider>,
    /// `WEBEX_CC_TRANSCRIPT_WAIT`: how long after its end a call's own transcript is waited for.
    pub vendor_wait: Duration,
    /// `WEBEX_CC_SUMMARIES`: summaries are asked for.
    pub summaries: bool,
}

impl ProviderSettings {
    /// The vendor's own transcripts, as `TRANSCRIPTION_PROVIDER` and `call_transcripts.provider` name them.
    pub const VENDOR: &'static str = "webex";

    /// Listed with the transcriber's own settings.
    pub(super) const PROVIDER: Setting = Setting::new(
        "TRANSCRIPTION_PROVIDER",
        WhisperSettings::PROVIDER,
        "Who transcribes, in the order in which they are asked: `webex`, which takes the transcripts that Webex made itself and comes first; `whisper`, which is any OpenAI-compatible server; `deepgram`; `assemblyai`; `aws-transcribe`; `command`, a program on this machine. Of `webex,whisper,command` each is asked when those before it have no transcript, cannot make one that passes its checks, or are down",
    );
    const WAIT: Setting = Setting::new(
        "WEBEX_CC_TRANSCRIPT_WAIT",
        "6h",
        "How long after the end of a call its transcript by Webex is waited for; then `whisper` is asked if `TRANSCRIPTION_PROVIDER` names it",
    );
    const SUMMARIES: Setting = Setting::new(
        "WEBEX_CC_SUMMARIES",
        "false",
        "`true`: the summaries of Webex's AI assistant are kept with their calls, where the tenant has them",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::WAIT, Self::SUMMARIES];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let order: Vec<String> = reader.list(&Self::PROVIDER).iter().map(|name| name.to_ascii_lowercase()).collect();
        let mut chain = Vec::new();
        let mut vendor = false;
        for (place, name) in order.iter().enumerate() {
            let known = Provider::ALL.iter().copied().find(|provider| provider.as_str() == name);
            if order.iter().take(place).any(|earlier| earlier == name) {
                reader.complain(Self::PROVIDER.name, format!("is not usable: `{name}` stands there twice"));
            } else if known == Some(Provider::AwsTranscribe) && !cfg!(feature = "aws-transcribe") {
                reader.complain(
                    Self::PROVIDER.name,
                    "names `aws-transcribe`, which this build lacks: build it with `--features aws-transcribe`",
                );
            } else if let Some(provider) = known {
                chain.push(provider);
            } else if name != Self::VENDOR {
                let names: Vec<_> = [Self::VENDOR]
                    .into_iter()
                    .chain(Provider::ALL.iter().map(|known| known.as_str()))
                    .map(|name| format!("`{name}`"))
                    .collect();
                reader.complain(Self::PROVIDER.name, format!("is not usable: `{name}` is not a provider; known are {}", names.join(", ")));
            } else if place > 0 {
                reader
                    .complain(Self::PROVIDER.name, "does not begin with `webex`: Webex's own transcripts cost nothing, so they come first");
            } else {
                vendor = true;
            }
        }
        if chain.is_empty() && !vendor {
            chain.push(Provider::Whisper);
        }
        Self {
            vendor,
            chain,
            vendor_wait: reader.duration(&Self::WAIT).unwrap_or_default(),
            summaries: reader.parsed(&Self::SUMMARIES, "`true` or `false`").unwrap_or_default(),
        }
    }

    /// Whether a transcriber may be asked.
    #[must_use]
    pub fn asks(&self, provider: Provider) -> bool {
        self.chain.contains(&provider)
    }

    /// Who is asked first.
    #[must_use]
    pub fn first(&self) -> &'static str {
        if self.vendor { Self::VENDOR } else { self.of_legs().unwrap_or(WhisperSettings::PROVIDER) }
    }

    /// Who transcribes a leg beside the call, of which vendors have no transcript; nobody: it is only copied.
    #[must_use]
    pub fn of_legs(&self) -> Option<&'static str> {
        self.chain.first().map(|provider| provider.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<ProviderSettings, String> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut reader = Reader::new(&environment);
        let settings = ProviderSettings::read(&mut reader);
        reader.finish().map(|()| settings).map_err(|problems| problems.to_string())
    }

    fn order(text: &str) -> Result<(bool, bool), String> {
        read(&[("TRANSCRIPTION_PROVIDER", text)]).map(|settings| (settings.vendor, settings.asks(Provider::Whisper)))
    }

    #[test]
    fn the_vendor_comes_first_or_not_at_all() {
        assert_eq!(read(&[]).map(|settings| (settings.first(), settings.vendor, settings.summaries)), Ok(("whisper", false, false)));
        assert_eq!(order("Webex , whisper"), Ok((true, true)));
        assert_eq!(order("webex"), Ok((true, false)));
        assert!(order("whisper,webex").unwrap_err().contains("does not begin with `webex`"));
        assert!(order("webex,webex").unwrap_err().contains("twice"));
        assert!(order("dictaphone").unwrap_err().contains("`dictaphone` is not a provider; known are `webex`, `whisper`, `deepgram`"));
    }

    #[test]
    fn a_leg_beside_the_call_is_for_whisper_alone() {
        assert_eq!(read(&[("TRANSCRIPTION_PROVIDER", "webex")]).unwrap().of_legs(), None);
        assert_eq!(read(&[("TRANSCRIPTION_PROVIDER", "webex,whisper")]).unwrap().of_legs(), Some("whisper"));
    }

    #[test]
    fn the_wait_is_a_span_and_summaries_are_asked_for_by_name() {
        let settings = read(&[("WEBEX_CC_TRANSCRIPT_WAIT", "90m"), ("WEBEX_CC_SUMMARIES", "true")]).unwrap();
        assert_eq!((settings.vendor_wait, settings.summaries), (Duration::from_mins(90), true));
        assert!(read(&[("WEBEX_CC_SUMMARIES", "maybe")]).unwrap_err().contains("`maybe` is not `true` or `false`"));
    }
}
