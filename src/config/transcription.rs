//! The transcriber: which server, which model, and what it takes.

use std::{net::IpAddr, time::Duration};

use secrecy::SecretString;
use url::{Host, Url};

use super::{NetworkSettings, ProviderSettings, Reader, Setting};

/// OpenAI's own server; every other is configured.
const OPENAI: &str = "https://api.openai.com/v1";
/// OpenAI's limit on the body of a request; most copies have it too.
const OPENAI_MAX_BYTES: u64 = 26_214_400;
/// The longest audio OpenAI's gpt-4o models take.
const GPT_MAX_SECONDS: u64 = 1400;

/// An OpenAI-compatible transcriber.
#[derive(Debug, Clone)]
pub struct WhisperSettings {
    /// `OPENAI_BASE_URL`.
    pub base_url: Url,
    /// `OPENAI_API_KEY`; servers of one's own often need none.
    pub api_key: Option<SecretString>,
    /// `TRANSCRIPTION_MODEL`.
    pub model: String,
    /// `TRANSCRIPTION_LANGUAGE`; the model finds out when it is not given.
    pub language: Option<String>,
    /// `TRANSCRIPTION_PROMPT`.
    pub prompt: Option<String>,
    /// `TRANSCRIPTION_MAX_BYTES`: the largest body of a request, form fields included.
    pub max_bytes: u64,
    /// `TRANSCRIPTION_MAX_SECONDS`: the longest audio, if the model has a limit.
    pub max_duration: Option<Duration>,
    /// `TRANSCRIPTION_TIMEOUT`: the longest wait for an answer, sending included.
    pub timeout: Duration,
    /// `TRANSCRIPTION_CONCURRENCY_WHISPER`: requests at once over all machines, at most.
    pub concurrency: u16,
    /// `TRANSCRIPTION_REQUESTS_PER_MINUTE`: requests within a minute over all machines, if the account has such a limit.
    pub requests_per_minute: Option<u32>,
    /// The way out.
    pub network: NetworkSettings,
}

/// Where the limit of requests at once begins: the service itself lowers it.
const MOST_AT_ONCE: u16 = 256;

impl WhisperSettings {
    /// The provider as `TRANSCRIPTION_PROVIDER` and `call_transcripts.provider` name it.
    pub const PROVIDER: &'static str = "whisper";

    const BASE_URL: Setting = Setting::new(
        "OPENAI_BASE_URL",
        OPENAI,
        "The transcriber, up to and without `/audio/transcriptions`; plain http only to this machine, to private addresses, or without a key",
    );
    const API_KEY: Setting = Setting::secret("OPENAI_API_KEY", "Key sent as bearer token; required for OpenAI's own server");
    const MODEL: Setting = Setting::new("TRANSCRIPTION_MODEL", "whisper-1", "Model asked for");
    /// For every provider.
    pub(super) const LANGUAGE: Setting = Setting::optional(
        "TRANSCRIPTION_LANGUAGE",
        "ISO 639-1 code of the language spoken; the model finds out when it is not given (whisper.cpp: give `auto`, it assumes English)",
    );
    const PROMPT: Setting = Setting::optional(
        "TRANSCRIPTION_PROMPT",
        "Names and words to expect, in the audio's language; models use the last 224 tokens of it",
    );
    const MAX_BYTES: Setting =
        Setting::new("TRANSCRIPTION_MAX_BYTES", "26214400", "Largest request body the transcriber takes, in bytes, form fields included");
    const MAX_SECONDS: Setting = Setting::optional(
        "TRANSCRIPTION_MAX_SECONDS",
        "Longest audio the model takes, in seconds; 1400 for models whose name starts with `gpt-`, no limit for others",
    );
    /// For every provider on the net.
    pub(super) const TIMEOUT: Setting =
        Setting::new("TRANSCRIPTION_TIMEOUT", "10m", "Longest wait for a transcript, sending the audio included");
    const CONCURRENCY: Setting = Setting::new(
        "TRANSCRIPTION_CONCURRENCY_WHISPER",
        "256",
        "Requests to the transcriber at once over all machines, at most; fewer once it answers 429, more again as it answers well",
    );
    const REQUESTS_PER_MINUTE: Setting = Setting::optional(
        "TRANSCRIPTION_REQUESTS_PER_MINUTE",
        "Requests to the transcriber per minute over all machines, as the account's limit says; without it only the answers' own words hold us back",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[
        ProviderSettings::PROVIDER,
        Self::MODEL,
        Self::BASE_URL,
        Self::API_KEY,
        Self::LANGUAGE,
        Self::PROMPT,
        Self::MAX_BYTES,
        Self::MAX_SECONDS,
        Self::TIMEOUT,
        Self::CONCURRENCY,
        Self::REQUESTS_PER_MINUTE,
    ];

    /// The same with another model. A limit that came with the model goes with it; one that was set stays.
    #[must_use]
    pub fn with_model(&self, model: &str) -> Self {
        let max_duration = if self.max_duration == longest_of(&self.model) { longest_of(model) } else { self.max_duration };
        Self { model: model.to_owned(), max_duration, ..self.clone() }
    }

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let defaults = Self::default();
        let base_url = reader.parsed(&Self::BASE_URL, "a URL").unwrap_or(defaults.base_url);
        let model = reader.text(&Self::MODEL).unwrap_or(defaults.model);
        let most_seconds: Option<u64> = reader.parsed(&Self::MAX_SECONDS, "a number of seconds");
        let settings = Self {
            api_key: reader.secret(&Self::API_KEY),
            language: reader.text(&Self::LANGUAGE),
            prompt: reader.text(&Self::PROMPT),
            max_bytes: reader.parsed(&Self::MAX_BYTES, "a number of bytes").unwrap_or(defaults.max_bytes),
            max_duration: most_seconds.map(Duration::from_secs).or_else(|| longest_of(&model)),
            timeout: reader.duration(&Self::TIMEOUT).unwrap_or(defaults.timeout),
            concurrency: Self::at_least_one(reader, &Self::CONCURRENCY).unwrap_or(defaults.concurrency),
            requests_per_minute: Self::at_least_one(reader, &Self::REQUESTS_PER_MINUTE),
            network: NetworkSettings::read(reader),
            base_url,
            model,
        };
        settings.check_url(reader);
        settings
    }

    fn at_least_one<N: std::str::FromStr + PartialEq + From<u8>>(reader: &mut Reader<'_>, setting: &Setting) -> Option<N> {
        let requests: N = reader.parsed(setting, "a number of requests, at least 1")?;
        if requests == N::from(0) {
            reader.complain(setting.name, "is not usable: nothing would be transcribed; `callscribe queue pause transcribe` pauses");
        }
        Some(requests)
    }

    /// Settings for a server at `base_url` that needs no key, the rest by default.
    #[must_use]
    pub fn for_base_url(base_url: Url) -> Self {
        Self { base_url, ..Self::default() }
    }

    /// Whether requests go to OpenAI's own server, which charges for every second.
    #[must_use]
    pub fn is_openai(&self) -> bool {
        self.base_url.as_str().trim_end_matches('/') == OPENAI
    }

    fn check_url(&self, reader: &mut Reader<'_>) {
        let url = &self.base_url;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            reader.complain(Self::BASE_URL.name, "is not usable: it must start with `https://`, or `http://` for a server of your own");
        } else if self.is_openai() && self.api_key.is_none() {
            reader.complain(Self::API_KEY.name, "is missing: OpenAI's server needs it (or set `OPENAI_BASE_URL` to a server of your own)");
        } else if url.scheme() == "http" && self.api_key.is_some() && !is_private(url) {
            reader.complain(
                Self::BASE_URL.name,
                "would send `OPENAI_API_KEY` in clear over a public network: use `https://`, or a server that needs no key",
            );
        }
        if !url.username().is_empty() || url.password().is_some() {
            reader.complain(Self::BASE_URL.name, "holds a user or password: give the key as `OPENAI_API_KEY`");
        }
    }
}

/// The longest audio that a model takes, as far as its name tells.
fn longest_of(model: &str) -> Option<Duration> {
    model.starts_with("gpt-").then(|| Duration::from_secs(GPT_MAX_SECONDS))
}

impl Default for WhisperSettings {
    #[expect(clippy::expect_used, reason = "the constant is a URL, and a test reads it")]
    fn default() -> Self {
        Self {
            base_url: Url::parse(OPENAI).expect("a constant URL"),
            api_key: None,
            model: "whisper-1".to_owned(),
            language: None,
            prompt: None,
            max_bytes: OPENAI_MAX_BYTES,
            max_duration: None,
            timeout: Duration::from_mins(10),
            concurrency: MOST_AT_ONCE,
            requests_per_minute: None,
            network: NetworkSettings::default(),
        }
    }
}

/// Whether a host can only be on this machine or on a network of one's own.
fn is_private(url: &Url) -> bool {
    /// Names that resolvers keep at home, Kubernetes' services among them.
    const HOME: [&str; 6] = [".local", ".internal", ".lan", ".svc", ".home.arpa", ".localhost"];
    match url.host() {
        Some(Host::Domain(name)) => !name.contains('.') || HOME.iter().any(|suffix| name.ends_with(suffix)),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_private() || address.is_link_local(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Problems};

    fn read(pairs: &[(&str, &str)]) -> (WhisperSettings, Result<(), Problems>) {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut reader = Reader::new(&environment);
        (WhisperSettings::read(&mut reader), reader.finish())
    }

    fn complaint(pairs: &[(&str, &str)]) -> String {
        read(pairs).1.unwrap_err().to_string()
    }

    #[test]
    fn a_key_is_all_that_openai_needs() {
        let (settings, problems) = read(&[("OPENAI_API_KEY", "k")]);
        assert_eq!(problems, Ok(()));
        assert_eq!((settings.base_url.as_str(), settings.model.as_str(), settings.max_duration), (OPENAI, "whisper-1", None));
        assert_eq!(settings.max_bytes, 26_214_400);
        assert!(complaint(&[]).contains("`OPENAI_API_KEY` is missing"));
    }

    #[test]
    fn models_with_a_limit_in_seconds_are_known_and_can_be_overruled() {
        let seconds = |pairs: &[(&str, &str)]| read(pairs).0.max_duration.map(|longest| longest.as_secs());
        assert_eq!(seconds(&[("TRANSCRIPTION_MODEL", "gpt-4o-transcribe")]), Some(1400));
        assert_eq!(seconds(&[("TRANSCRIPTION_MODEL", "gpt-4o-transcribe"), ("TRANSCRIPTION_MAX_SECONDS", "900")]), Some(900));
    }

    #[test]
    fn a_key_does_not_travel_in_clear_over_a_public_network() {
        let problem = complaint(&[("OPENAI_BASE_URL", "http://asr.example.com/v1"), ("OPENAI_API_KEY", "s3cret")]);
        assert!(problem.contains("in clear") && !problem.contains("s3cret"), "{problem}");
        for own in ["http://127.0.0.1:9000/v1", "http://10.1.2.3/v1", "http://[fd00::1]/v1", "http://speaches:8000/v1", "http://asr.lan/v1"]
        {
            assert_eq!(read(&[("OPENAI_BASE_URL", own), ("OPENAI_API_KEY", "k")]).1, Ok(()), "{own}");
        }
        assert_eq!(read(&[("OPENAI_BASE_URL", "http://asr.example.com/v1")]).1, Ok(()), "no key, nothing to lose");
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        assert!(complaint(&[("OPENAI_BASE_URL", "ftp://x/v1")]).contains("must start with"));
        assert!(complaint(&[("OPENAI_BASE_URL", "https://u:p@asr.example.com/v1")]).contains("user or password"));
        for name in ["TRANSCRIPTION_CONCURRENCY_WHISPER", "TRANSCRIPTION_REQUESTS_PER_MINUTE"] {
            assert!(complaint(&[("OPENAI_API_KEY", "k"), (name, "0")]).contains("queue pause"), "{name}");
        }
    }

    #[test]
    fn another_model_brings_its_own_limit_and_leaves_one_that_was_set() {
        let (settings, _) = read(&[("OPENAI_API_KEY", "k")]);
        assert_eq!(settings.with_model("gpt-4o-transcribe").max_duration, Some(Duration::from_secs(GPT_MAX_SECONDS)));
        assert_eq!(settings.with_model("gpt-4o-transcribe").with_model("whisper-1").max_duration, None);
        let (set, _) = read(&[("OPENAI_API_KEY", "k"), ("TRANSCRIPTION_MAX_SECONDS", "60")]);
        assert_eq!(set.with_model("gpt-4o-transcribe").max_duration, Some(Duration::from_mins(1)));
    }
}
