//! AssemblyAI: where it is, whose key, which model.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{NetworkSettings, Reader, Setting, WhisperSettings, chosen::is_chosen, service};

/// AssemblyAI's own server; the one in the EU is `https://api.eu.assemblyai.com`.
const SERVER: &str = "https://api.assemblyai.com";

/// A transcriber at AssemblyAI.
#[derive(Debug, Clone)]
pub struct AssemblyAiSettings {
    /// `ASSEMBLYAI_BASE_URL`.
    pub base_url: Url,
    /// `ASSEMBLYAI_API_KEY`.
    pub api_key: Option<SecretString>,
    /// `ASSEMBLYAI_MODEL`.
    pub model: String,
    /// `TRANSCRIPTION_LANGUAGE`; it finds out when it is not given.
    pub language: Option<String>,
    /// `TRANSCRIPTION_TIMEOUT`: for one request, sending the audio included.
    pub timeout: Duration,
    /// The way out.
    pub network: NetworkSettings,
}

impl AssemblyAiSettings {
    /// The provider as `TRANSCRIPTION_PROVIDER` and `call_transcripts.provider` name it.
    pub const PROVIDER: &'static str = "assemblyai";

    const BASE_URL: Setting =
        Setting::new("ASSEMBLYAI_BASE_URL", SERVER, "AssemblyAI, without `/v2`; `https://api.eu.assemblyai.com` keeps the audio in the EU");
    const API_KEY: Setting = Setting::secret("ASSEMBLYAI_API_KEY", "AssemblyAI's key; required when `TRANSCRIPTION_PROVIDER` names it");
    const MODEL: Setting = Setting::new("ASSEMBLYAI_MODEL", "universal-2", "Model asked for, sent as the one of `speech_models`");
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::BASE_URL, Self::API_KEY, Self::MODEL];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let defaults = Self::default();
        let settings = Self {
            base_url: reader.parsed(&Self::BASE_URL, "a URL").unwrap_or(defaults.base_url),
            api_key: reader.secret(&Self::API_KEY),
            model: reader.text(&Self::MODEL).unwrap_or(defaults.model),
            language: reader.text(&WhisperSettings::LANGUAGE),
            timeout: reader.duration(&WhisperSettings::TIMEOUT).unwrap_or(defaults.timeout),
            network: NetworkSettings::read(reader),
        };
        if is_chosen(reader, Self::PROVIDER) {
            service::check(reader, &Self::BASE_URL, &settings.base_url, &Self::API_KEY, settings.api_key.is_some());
        }
        settings
    }

    /// Settings for a server at `base_url` that takes `api_key`, the rest by default.
    #[must_use]
    pub fn for_base_url(base_url: Url, api_key: SecretString) -> Self {
        Self { base_url, api_key: Some(api_key), ..Self::default() }
    }
}

impl Default for AssemblyAiSettings {
    #[expect(clippy::expect_used, reason = "the constant is a URL, and a test reads it")]
    fn default() -> Self {
        Self {
            base_url: Url::parse(SERVER).expect("a constant URL"),
            api_key: None,
            model: "universal-2".to_owned(),
            language: None,
            timeout: Duration::from_mins(10),
            network: NetworkSettings::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<AssemblyAiSettings, String> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut reader = Reader::new(&environment);
        let settings = AssemblyAiSettings::read(&mut reader);
        reader.finish().map(|()| settings).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_key_is_all_it_needs_and_only_when_it_is_chosen() {
        let chosen = ("TRANSCRIPTION_PROVIDER", "assemblyai");
        assert!(read(&[]).is_ok());
        assert!(read(&[chosen]).unwrap_err().contains("`ASSEMBLYAI_API_KEY` is missing"));
        let settings = read(&[chosen, ("ASSEMBLYAI_API_KEY", "k"), ("TRANSCRIPTION_LANGUAGE", "de")]).unwrap();
        assert_eq!(
            (settings.model.as_str(), settings.language.as_deref(), settings.base_url.as_str()),
            ("universal-2", Some("de"), "https://api.assemblyai.com/")
        );
        let clear = [chosen, ("ASSEMBLYAI_API_KEY", "s3cret"), ("ASSEMBLYAI_BASE_URL", "http://asr.example.com")];
        let problem = read(&clear).unwrap_err();
        assert!(problem.contains("in clear") && !problem.contains("s3cret"), "{problem}");
    }
}
