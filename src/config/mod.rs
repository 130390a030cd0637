//! Settings: read once from the environment, checked as a whole, complained about by name.
//!
//! Each concern has a file that declares its settings and reads them; `docs/CONFIGURATION.md` is generated from the
//! declarations. A group that is absent switches its feature off. What lives here: names, defaults, parsing.
//! What does not: anything that connects to anything.

mod alerts;
mod api;
mod assemblyai;
mod aws_transcribe;
mod case_number;
mod catalogue;
mod chats;
mod chosen;
mod command;
mod command_line;
mod database;
mod deepgram;
mod document;
mod dotenv;
mod downloads;
mod enrich;
mod keep;
mod login;
mod network;
mod process;
mod providers;
mod reader;
mod reconcile;
mod recording;
mod redis;
mod retention;
mod service;
mod slo;
mod storage;
mod sync;
mod telemetry;
mod traces;
mod transcription;
mod vault;
mod webex;
mod webhook;
mod work;

pub use alerts::AlertSettings;
pub use api::ApiSettings;
pub use assemblyai::AssemblyAiSettings;
pub use aws_transcribe::AwsTranscribeSettings;
pub use case_number::CaseNumberSettings;
pub use catalogue::{CONCERNS, Concern, misspelt, read};
pub use chats::ChatSettings;
pub use command::{CommandSettings, Engine};
pub use database::DatabaseSettings;
pub use deepgram::{DeepgramCallback, DeepgramSettings};
pub use document::{configuration_page, example_file};
pub use downloads::DownloadHosts;
pub use enrich::EnrichSettings;
pub use keep::KeepSettings;
pub use login::WebexLoginSettings;
pub use network::NetworkSettings;
pub use process::ProcessSettings;
pub use providers::ProviderSettings;
pub use reader::{Environment, Problem, Problems, Reader, Setting};
pub use reconcile::ReconcileSettings;
pub use recording::RecordingSettings;
pub use redis::RedisSettings;
pub use retention::{Ages, RetentionSettings};
pub use slo::SloSettings;
pub use storage::{AccessKeys, BlobSettings, Checksums};
pub use sync::SyncSettings;
pub use telemetry::{LogFormat, TelemetrySettings};
pub use traces::{TraceSampling, TraceSettings};
pub use transcription::WhisperSettings;
pub use vault::{EncryptionKey, VaultSettings};
pub use webex::{WebexAccess, WebexSettings};
pub use webhook::WebhookSettings;
pub use work::WorkSettings;
