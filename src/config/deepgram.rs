//! Deepgram: where it is, whose key, which model, and where it posts results.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{NetworkSettings, Reader, Setting, WhisperSettings, chosen::is_chosen, service};

/// Deepgram's own server.
const SERVER: &str = "https://api.deepgram.com";
/// Shorter secrets can be guessed.
const SHORTEST_SECRET: usize = 32;

/// A transcriber at Deepgram.
#[derive(Debug, Clone)]
pub struct DeepgramSettings {
    /// `DEEPGRAM_BASE_URL`.
    pub base_url: Url,
    /// `DEEPGRAM_API_KEY`.
    pub api_key: Option<SecretString>,
    /// `DEEPGRAM_MODEL`.
    pub model: String,
    /// `TRANSCRIPTION_LANGUAGE`; it finds out when it is not given.
    pub language: Option<String>,
    /// `DEEPGRAM_CALLBACK_URL` and `DEEPGRAM_CALLBACK_SECRET`; without them results come as answers.
    pub callback: Option<DeepgramCallback>,
    /// `TRANSCRIPTION_TIMEOUT`: for one request, sending the audio included.
    pub timeout: Duration,
    /// The way out.
    pub network: NetworkSettings,
}

/// Where Deepgram posts results.
#[derive(Debug, Clone)]
pub struct DeepgramCallback {
    /// `DEEPGRAM_CALLBACK_URL`: the route `/hooks/deepgram` of `callscribe api` as the internet sees it.
    pub url: Url,
    /// `DEEPGRAM_CALLBACK_SECRET`.
    pub secret: SecretString,
}

impl DeepgramSettings {
    /// The provider as `TRANSCRIPTION_PROVIDER` and `call_transcripts.provider` name it.
    pub const PROVIDER: &'static str = "deepgram";

    const BASE_URL: Setting = Setting::new("DEEPGRAM_BASE_URL", SERVER, "Deepgram, without `/v1`; a server of one's own has another");
    const API_KEY: Setting = Setting::secret("DEEPGRAM_API_KEY", "Deepgram's key; required when `TRANSCRIPTION_PROVIDER` names it");
    const MODEL: Setting = Setting::new("DEEPGRAM_MODEL", "nova-3", "Model asked for");
    const CALLBACK_URL: Setting = Setting::optional(
        "DEEPGRAM_CALLBACK_URL",
        "The address of `/hooks/deepgram` of `callscribe api` as Deepgram reaches it, such as `https://calls.example.com/hooks/deepgram`: results \
         are posted there and no worker waits for them; Deepgram calls only a few ports. Without it results come as answers",
    );
    const CALLBACK_SECRET: Setting = Setting::secret(
        "DEEPGRAM_CALLBACK_SECRET",
        "At least 32 characters (`openssl rand -hex 32`), the same for `api` and `worker transcribe`: the addresses given to Deepgram prove with it \
         that they are ours. Left out, `/hooks/deepgram` answers 503",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::BASE_URL, Self::API_KEY, Self::MODEL, Self::CALLBACK_URL, Self::CALLBACK_SECRET];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let defaults = Self::default();
        let url: Option<Url> = reader.parsed(&Self::CALLBACK_URL, "a URL");
        let secret = Self::read_secret(reader);
        if url.is_some() && secret.is_none() {
            reader.complain(Self::CALLBACK_SECRET.name, "is missing: `DEEPGRAM_CALLBACK_URL` would take results from anybody");
        }
        let settings = Self {
            base_url: reader.parsed(&Self::BASE_URL, "a URL").unwrap_or(defaults.base_url),
            api_key: reader.secret(&Self::API_KEY),
            model: reader.text(&Self::MODEL).unwrap_or(defaults.model),
            language: reader.text(&WhisperSettings::LANGUAGE),
            callback: url.zip(secret).map(|(url, secret)| DeepgramCallback { url, secret }),
            timeout: reader.duration(&WhisperSettings::TIMEOUT).unwrap_or(defaults.timeout),
            network: NetworkSettings::read(reader),
        };
        if is_chosen(reader, Self::PROVIDER) {
            service::check(reader, &Self::BASE_URL, &settings.base_url, &Self::API_KEY, settings.api_key.is_some());
        }
        settings
    }

    /// The secret alone: all that the receiver of results needs.
    pub fn read_secret(reader: &mut Reader<'_>) -> Option<SecretString> {
        let secret = reader.secret(&Self::CALLBACK_SECRET)?;
        if secret.expose_secret().len() < SHORTEST_SECRET {
            reader.complain(Self::CALLBACK_SECRET.name, format!("is too short: at least {SHORTEST_SECRET} characters"));
        }
        Some(secret)
    }

    /// Settings for a server at `base_url` that takes `api_key`, the rest by default.
    #[must_use]
    pub fn for_base_url(base_url: Url, api_key: SecretString) -> Self {
        Self { base_url, api_key: Some(api_key), ..Self::default() }
    }
}

impl Default for DeepgramSettings {
    #[expect(clippy::expect_used, reason = "the constant is a URL, and a test reads it")]
    fn default() -> Self {
        Self {
            base_url: Url::parse(SERVER).expect("a constant URL"),
            api_key: None,
            model: "nova-3".to_owned(),
            language: None,
            callback: None,
            timeout: Duration::from_mins(10),
            network: NetworkSettings::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<DeepgramSettings, String> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut reader = Reader::new(&environment);
        let settings = DeepgramSettings::read(&mut reader);
        reader.finish().map(|()| settings).map_err(|problems| problems.to_string())
    }

    const CHOSEN: (&str, &str) = ("TRANSCRIPTION_PROVIDER", "webex,Deepgram");

    #[test]
    fn a_key_is_all_it_needs_and_only_when_it_is_chosen() {
        assert!(read(&[]).is_ok());
        assert!(read(&[CHOSEN]).unwrap_err().contains("`DEEPGRAM_API_KEY` is missing"));
        let settings = read(&[CHOSEN, ("DEEPGRAM_API_KEY", "k")]).unwrap();
        assert_eq!((settings.model.as_str(), settings.callback.is_none()), ("nova-3", true));
    }

    #[test]
    fn a_callback_needs_a_secret_that_cannot_be_guessed() {
        let url = ("DEEPGRAM_CALLBACK_URL", "https://calls.example.com/hooks/deepgram");
        assert!(read(&[url]).unwrap_err().contains("`DEEPGRAM_CALLBACK_SECRET` is missing"));
        assert!(read(&[url, ("DEEPGRAM_CALLBACK_SECRET", "short")]).unwrap_err().contains("too short"));
        let long = "0123456789abcdef0123456789abcdef";
        assert!(read(&[url, ("DEEPGRAM_CALLBACK_SECRET", long)]).unwrap().callback.is_some());
    }
}
