//! Everything a process reads, by what it is to do: a worker that only syncs needs no bucket, one that only transcribes no Webex.

use super::{
    AlertSettings, ApiSettings, AssemblyAiSettings, AwsTranscribeSettings, BlobSettings, ChatSettings, CommandSettings, DatabaseSettings,
    DeepgramSettings, EnrichSettings, KeepSettings, Provider, ProviderSettings, Reader, ReconcileSettings, RecordingSettings,
    RedisSettings, SloSettings, SyncSettings, TranscribingSettings, WebexSettings, WebhookSettings, WhisperSettings, WorkSettings,
};
use crate::domain::JobKind;
use secrecy::SecretString;

/// The settings of a process.
#[derive(Debug, Clone)]
pub struct ProcessSettings {
    /// PostgreSQL.
    pub database: DatabaseSettings,
    /// Redis.
    pub redis: RedisSettings,
    /// How jobs are held and tried again.
    pub work: WorkSettings,
    /// How old work may become.
    pub slo: SloSettings,
    /// How often and how far back calls are asked for.
    pub sync: SyncSettings,
    /// When it is asked what calls turned out to be.
    pub enrich: EnrichSettings,
    /// When the vendor's lists are compared with what is held.
    pub reconcile: ReconcileSettings,
    /// How long what is over is kept.
    pub keep: KeepSettings,
    /// Which conversations are asked for.
    pub chats: ChatSettings,
    /// How long recordings are waited for.
    pub recording: RecordingSettings,
    /// Where the process listens.
    pub api: ApiSettings,
    /// How webhooks are received.
    pub webhook: WebhookSettings,
    /// `DEEPGRAM_CALLBACK_SECRET`: what Deepgram posts is taken with it.
    pub deepgram_callback: Option<SecretString>,
    /// Webex, if it is configured.
    pub webex: Option<WebexSettings>,
    /// The bucket, if the process uses one.
    pub storage: Option<BlobSettings>,
    /// What is told to people.
    pub alerts: AlertSettings,
    /// Who transcribes, and in which order.
    pub providers: ProviderSettings,
    /// How recordings are transcribed, whoever does it.
    pub transcribing: TranscribingSettings,
    /// The transcriber, if the process uses one.
    pub transcription: Option<WhisperSettings>,
    /// Deepgram, if the process uses it.
    pub deepgram: Option<DeepgramSettings>,
    /// AssemblyAI, if the process uses it.
    pub assemblyai: Option<AssemblyAiSettings>,
    /// AWS Transcribe, if the process uses it.
    pub aws_transcribe: Option<AwsTranscribeSettings>,
    /// The program that transcribes, if the process uses one.
    pub command: Option<CommandSettings>,
}

impl ProcessSettings {
    /// Reads what a process needs that works on `kinds`, and complains about what is missing for them.
    pub fn read(reader: &mut Reader<'_>, kinds: &[JobKind]) -> Self {
        let works_on = |wanted: &[JobKind]| kinds.iter().any(|kind| wanted.contains(kind));
        let providers = ProviderSettings::read(reader);
        let transcribes = works_on(&[JobKind::Transcription]);
        let asks_webex = works_on(&[JobKind::Sync, JobKind::Recording, JobKind::Upkeep, JobKind::Enrichment, JobKind::Chat])
            || (transcribes && providers.vendor);
        let webex = asks_webex.then(|| WebexSettings::read(reader)).flatten();
        if asks_webex && !WebexSettings::is_given(reader) {
            reader.complain("WEBEX_CC_ORG_ID", "is missing: without it, and the credentials beside it, there is no source of calls");
        }
        let keep = KeepSettings::read(reader);
        let needs_bucket = works_on(&[JobKind::Recording, JobKind::Transcription]);
        // retention waits for a worker that has the bucket's settings: the rest of upkeep works without
        let uses_bucket = needs_bucket || (works_on(&[JobKind::Upkeep]) && keep.retention.deletes());
        let storage = uses_bucket.then(|| BlobSettings::read(reader)).flatten();
        if needs_bucket && storage.is_none() {
            reader.complain("CALL_RECORDING_BUCKET", "is missing: recordings are kept in it");
        }
        let chain = providers.chain.clone();
        let uses = |provider| transcribes && chain.contains(&provider);
        Self {
            database: DatabaseSettings::read(reader),
            redis: RedisSettings::read(reader),
            work: WorkSettings::read(reader),
            slo: SloSettings::read(reader),
            alerts: AlertSettings::read(reader),
            sync: SyncSettings::read(reader),
            enrich: EnrichSettings::read(reader),
            reconcile: ReconcileSettings::read(reader),
            keep,
            chats: ChatSettings::read(reader),
            recording: RecordingSettings::read(reader),
            api: ApiSettings::read(reader),
            webhook: WebhookSettings::read(reader),
            deepgram_callback: DeepgramSettings::read_secret(reader),
            webex,
            transcription: uses(Provider::Whisper).then(|| WhisperSettings::read(reader)),
            deepgram: uses(Provider::Deepgram).then(|| DeepgramSettings::read(reader)),
            assemblyai: uses(Provider::AssemblyAi).then(|| AssemblyAiSettings::read(reader)),
            aws_transcribe: uses(Provider::AwsTranscribe).then(|| AwsTranscribeSettings::read(reader, storage.as_ref())),
            command: uses(Provider::Command).then(|| CommandSettings::read(reader)),
            transcribing: TranscribingSettings::read(reader),
            storage,
            providers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, read};

    fn complaints(kinds: &[JobKind]) -> String {
        complaints_with(&[], kinds)
    }

    fn complaints_with(pairs: &[(&str, &str)], kinds: &[JobKind]) -> String {
        let mut environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        environment.set("DATABASE_URL", "postgres://localhost/callscribe");
        environment.set("REDIS_URL", "redis://localhost");
        read(&environment, |reader| ProcessSettings::read(reader, kinds)).map_or_else(|problems| problems.to_string(), |_| String::new())
    }

    #[test]
    fn a_process_is_asked_only_for_what_it_uses() {
        assert_eq!(complaints(&[]), "");
        let sync = complaints(&[JobKind::Sync]);
        assert!(sync.contains("WEBEX_CC_ORG_ID") && !sync.contains("CALL_RECORDING_BUCKET") && !sync.contains("OPENAI_API_KEY"), "{sync}");
        let transcription = complaints(&[JobKind::Transcription]);
        assert!(transcription.contains("OPENAI_API_KEY") && transcription.contains("CALL_RECORDING_BUCKET"), "{transcription}");
        assert!(!transcription.contains("WEBEX"), "{transcription}");
        let of_webex = complaints_with(&[("TRANSCRIPTION_PROVIDER", "webex")], &[JobKind::Transcription]);
        assert!(of_webex.contains("WEBEX_CC_ORG_ID") && !of_webex.contains("OPENAI_API_KEY"), "{of_webex}");
    }
}
