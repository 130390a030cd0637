//! The settings: what is wrong with them, what they switch on, and what is left to check with them.

use callscribe::{
    config::{
        self, AssemblyAiSettings, BlobSettings, CommandSettings, DeepgramSettings, Environment, Problem, ProcessSettings, Provider,
        ProviderSettings, Reader, TraceSettings, WebexSettings, WhisperSettings, WorkSettings,
    },
    domain::JobKind,
    hints::Hints,
    store::Store,
    telemetry::chain,
};

use super::finding::Finding;

const CHECK: &str = "settings";
const FIX: &str = "docs/CONFIGURATION.md lists every setting";

/// What there is to check: whatever is configured, as far as its settings work.
pub(super) struct Subject {
    pub(super) kinds: Vec<JobKind>,
    pub(super) work: WorkSettings,
    pub(super) pool_size: usize,
    pub(super) store: Option<Store>,
    pub(super) hints: Option<Hints>,
    pub(super) bucket: Option<BlobSettings>,
    pub(super) webex: Option<WebexSettings>,
    pub(super) transcriber: Option<WhisperSettings>,
    /// The others of `TRANSCRIPTION_PROVIDER` that have settings of their own.
    pub(super) others: Others,
    pub(super) traces: Option<TraceSettings>,
}

/// Transcribers beside `whisper`.
#[derive(Default)]
pub(super) struct Others {
    pub(super) deepgram: Option<DeepgramSettings>,
    pub(super) assemblyai: Option<AssemblyAiSettings>,
    pub(super) command: Option<CommandSettings>,
}

/// Reads the settings for `kinds`, or for all that is configured when none is given.
pub(super) fn read(environment: &Environment, kinds: &[JobKind]) -> (Subject, Vec<Finding>) {
    let mut reader = Reader::new(environment);
    let (kinds, mut findings) = if kinds.is_empty() { configured(environment, &reader) } else { (kinds.to_vec(), Vec::new()) };
    let settings = ProcessSettings::read(&mut reader, &kinds);
    let traces = TraceSettings::read(&mut reader);
    let problems = reader.finish().err().map(|problems| problems.0).unwrap_or_default();
    let mut told: Vec<Finding> = problems.iter().map(|problem| Finding::fail(CHECK, problem.to_string(), FIX)).collect();
    told.extend(config::misspelt(environment).into_iter().map(|doubt| Finding::warn(CHECK, doubt, FIX)));
    if told.is_empty() {
        let workers: Vec<_> = kinds.iter().map(|kind| kind.worker()).collect();
        let workers = if workers.is_empty() { "no worker".to_owned() } else { format!("workers: {}", workers.join(", ")) };
        told.push(Finding::ok(CHECK, format!("complete and without contradiction for {workers}")));
    }
    told.append(&mut findings);

    let usable = |prefixes: &[&str]| !problems.iter().any(|problem| is_of(problem, prefixes));
    let store = usable(&["DATABASE_"]).then(|| Store::new(settings.database.clone()));
    let hints = usable(&["REDIS_"]).then(|| Hints::new(&settings.redis));
    let store = kept("postgresql", store, &mut told);
    let hints = kept("redis", hints, &mut told);
    let subject = Subject {
        kinds,
        work: settings.work,
        pool_size: settings.database.pool_size,
        store,
        hints,
        bucket: settings.storage.filter(|_| usable(&["AWS_", "S3_", "CALL_RECORDING_"])),
        webex: settings.webex,
        transcriber: settings.transcription.filter(|_| usable(&["OPENAI_", "TRANSCRIPTION_"])),
        others: Others {
            deepgram: settings.deepgram.filter(|_| usable(&["DEEPGRAM_", "TRANSCRIPTION_"])),
            assemblyai: settings.assemblyai.filter(|_| usable(&["ASSEMBLYAI_", "TRANSCRIPTION_"])),
            command: settings.command.filter(|_| usable(&["TRANSCRIPTION_"])),
        },
        traces: traces.filter(|_| usable(&["OTEL_"])),
    };
    (subject, told)
}

fn is_of(problem: &Problem, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| problem.name.starts_with(prefix))
}

fn kept<T, E: std::error::Error + 'static>(check: &'static str, built: Option<Result<T, E>>, told: &mut Vec<Finding>) -> Option<T> {
    match built? {
        Ok(built) => Some(built),
        Err(error) => {
            told.push(Finding::fail(check, chain(&error), FIX));
            None
        }
    }
}

/// The kinds of work that the environment configures, and a line for each part that it leaves out.
fn configured(environment: &Environment, reader: &Reader<'_>) -> (Vec<JobKind>, Vec<Finding>) {
    let given = |name: &str| environment.get(name).is_some() || environment.get(&format!("{name}_FILE")).is_some();
    let (webex, bucket) = (WebexSettings::is_given(reader), given("CALL_RECORDING_BUCKET"));
    let providers = ProviderSettings::read(&mut Reader::new(environment));
    let is_set_up = |provider: &Provider| match provider {
        Provider::Whisper => given("OPENAI_API_KEY") || given("OPENAI_BASE_URL"),
        Provider::Deepgram => given("DEEPGRAM_API_KEY"),
        Provider::AssemblyAi => given("ASSEMBLYAI_API_KEY"),
        Provider::AwsTranscribe => bucket,
        Provider::Command => given("TRANSCRIPTION_COMMAND"),
    };
    let transcriber = providers.chain.iter().any(is_set_up);
    let is_configured = |kind: &JobKind| match kind {
        JobKind::Sync | JobKind::Enrichment | JobKind::Upkeep | JobKind::Chat => webex,
        JobKind::Recording => webex && bucket,
        JobKind::Transcription => transcriber || (providers.vendor && webex && bucket),
    };
    let off = [
        (webex, "webex", "no credentials of Webex: no calls come from there"),
        (bucket, "bucket", "`CALL_RECORDING_BUCKET` is not set: no recordings are kept"),
        (
            transcriber || providers.chain.is_empty(),
            "transcriber",
            "no key or address of any that `TRANSCRIPTION_PROVIDER` names, such as `OPENAI_API_KEY`: nothing is transcribed by them",
        ),
    ];
    let off = off.into_iter().filter(|(given, ..)| !given).map(|(_, check, found)| Finding::off(check, found)).collect();
    (JobKind::ALL.iter().copied().filter(is_configured).collect(), off)
}
