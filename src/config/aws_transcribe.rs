//! AWS Transcribe: which region, which model. Its keys and its bucket are those of S3.

use url::Url;

use super::{AccessKeys, BlobSettings, Reader, Setting, WhisperSettings, chosen::is_chosen};

/// A transcriber at AWS.
#[derive(Debug, Clone)]
pub struct AwsTranscribeSettings {
    /// `AWS_TRANSCRIBE_REGION`, else the bucket's.
    pub region: Option<String>,
    /// `AWS_TRANSCRIBE_ENDPOINT_URL`: another than the region's own.
    pub endpoint_url: Option<Url>,
    /// `AWS_TRANSCRIBE_MODEL`: the name of a custom language model, or `default`.
    pub model: String,
    /// `TRANSCRIPTION_LANGUAGE`; it finds out when it is not given.
    pub language: Option<String>,
    /// The keys of S3; without them the SDK looks for others.
    pub keys: Option<AccessKeys>,
}

impl AwsTranscribeSettings {
    /// The provider as `TRANSCRIPTION_PROVIDER` and `call_transcripts.provider` name it.
    pub const PROVIDER: &'static str = "aws-transcribe";
    /// The model that is no custom one.
    pub const DEFAULT_MODEL: &'static str = "default";

    const REGION: Setting = Setting::optional(
        "AWS_TRANSCRIBE_REGION",
        "Region of AWS Transcribe, if not the bucket's; it reads only buckets of its own region",
    );
    const ENDPOINT_URL: Setting =
        Setting::optional("AWS_TRANSCRIBE_ENDPOINT_URL", "AWS Transcribe at another address than the region's own");
    const MODEL: Setting = Setting::new(
        "AWS_TRANSCRIBE_MODEL",
        Self::DEFAULT_MODEL,
        "Name of a custom language model, which needs `TRANSCRIPTION_LANGUAGE`; `default`: none",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::REGION, Self::ENDPOINT_URL, Self::MODEL];

    /// Reads the group; region and keys are those of `storage` unless it says otherwise.
    pub fn read(reader: &mut Reader<'_>, storage: Option<&BlobSettings>) -> Self {
        let region = reader.text(&Self::REGION).or_else(|| storage.and_then(|storage| storage.region.clone()));
        let settings = Self {
            endpoint_url: reader.parsed(&Self::ENDPOINT_URL, "a URL"),
            model: reader.text(&Self::MODEL).unwrap_or_else(|| Self::DEFAULT_MODEL.to_owned()),
            language: reader.text(&WhisperSettings::LANGUAGE),
            keys: storage.and_then(|storage| storage.keys.clone()),
            region,
        };
        if is_chosen(reader, Self::PROVIDER) && settings.model != Self::DEFAULT_MODEL && settings.language.is_none() {
            reader.complain(WhisperSettings::LANGUAGE.name, "is missing: a custom language model of AWS Transcribe is of one language");
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn a_custom_model_needs_its_language() {
        let environment = |language: &str| -> Environment {
            let pairs =
                [("TRANSCRIPTION_PROVIDER", "aws-transcribe"), ("AWS_TRANSCRIBE_MODEL", "ours"), ("TRANSCRIPTION_LANGUAGE", language)];
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let problems = |language: &str| {
            let environment = environment(language);
            let mut reader = Reader::new(&environment);
            AwsTranscribeSettings::read(&mut reader, None);
            reader.finish().is_err()
        };
        assert!(problems("") && !problems("en-GB"));
    }
}
