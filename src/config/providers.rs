//! Who transcribes: the vendor's own transcripts, a transcriber of ours, or one after the other.

use std::time::Duration;

use super::{Reader, Setting, WhisperSettings};

/// Who makes transcripts, in the order in which they are asked, and what else is taken from the vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    /// `TRANSCRIPTION_PROVIDER` names `webex`: Webex's own transcripts are taken, and cost nothing.
    pub vendor: bool,
    /// `TRANSCRIPTION_PROVIDER` names `whisper`: a transcriber is asked, alone or when the vendor has none.
    pub whisper: bool,
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
        "Who transcribes: `whisper`, which is any OpenAI-compatible server; `webex`, which takes the transcripts that Webex made itself; or `webex,whisper`, which asks the second when the first has none",
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
        let mut order: Vec<String> = reader.list(&Self::PROVIDER).iter().map(|name| name.to_ascii_lowercase()).collect();
        let names: Vec<&str> = order.iter().map(String::as_str).collect();
        match names.as_slice() {
            [Self::VENDOR] | [WhisperSettings::PROVIDER] | [Self::VENDOR, WhisperSettings::PROVIDER] => {}
            [WhisperSettings::PROVIDER, Self::VENDOR] => {
                reader
                    .complain(Self::PROVIDER.name, "asks `webex` last: write `webex,whisper`, since Webex's own transcripts cost nothing");
            }
            names => {
                let unknown = names.iter().find(|name| ![Self::VENDOR, WhisperSettings::PROVIDER].contains(name));
                let what = unknown.map_or_else(|| "a provider stands there twice".to_owned(), |name| format!("`{name}` is not a provider"));
                reader.complain(Self::PROVIDER.name, format!("is not usable: {what}; use `whisper`, `webex` or `webex,whisper`"));
                order = vec![WhisperSettings::PROVIDER.to_owned()];
            }
        }
        let names = |name: &str| order.iter().any(|each| each == name);
        Self {
            vendor: names(Self::VENDOR),
            whisper: names(WhisperSettings::PROVIDER),
            vendor_wait: reader.duration(&Self::WAIT).unwrap_or_default(),
            summaries: reader.parsed(&Self::SUMMARIES, "`true` or `false`").unwrap_or_default(),
        }
    }

    /// Who is asked first.
    #[must_use]
    pub const fn first(&self) -> &'static str {
        if self.vendor { Self::VENDOR } else { WhisperSettings::PROVIDER }
    }

    /// Who transcribes a leg beside the call, of which vendors have no transcript; nobody: it is only copied.
    #[must_use]
    pub const fn of_legs(&self) -> Option<&'static str> {
        if self.whisper { Some(WhisperSettings::PROVIDER) } else { None }
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
        read(&[("TRANSCRIPTION_PROVIDER", text)]).map(|settings| (settings.vendor, settings.whisper))
    }

    #[test]
    fn the_vendor_comes_first_or_not_at_all() {
        assert_eq!(read(&[]).map(|settings| (settings.first(), settings.vendor, settings.summaries)), Ok(("whisper", false, false)));
        assert_eq!(order("Webex , whisper"), Ok((true, true)));
        assert_eq!(order("webex"), Ok((true, false)));
        assert!(order("whisper,webex").unwrap_err().contains("write `webex,whisper`"));
        assert!(order("webex,webex").unwrap_err().contains("twice"));
        assert!(order("deepgram").unwrap_err().contains("`deepgram` is not a provider"));
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
