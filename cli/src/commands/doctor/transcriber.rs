//! The transcriber: there, taking our key, having the model; with `--deep` also able to do its work.

use std::sync::Arc;

use callscribe::{
    asr::{
        Answer, Manner, TranscribeError, Transcriber,
        assemblyai::AssemblyAi,
        command::Command,
        deepgram::Deepgram,
        whisper::{Looked, Whisper},
    },
    clock::{Clock, SystemClock},
    config::WhisperSettings,
    telemetry::chain,
};

use super::{clock, finding::Finding, settings::Others, tone::Tone};

const CHECK: &str = "transcriber";

pub(super) async fn check(settings: &WhisperSettings, deep: bool) -> Vec<Finding> {
    let whisper = match Whisper::new(settings.clone(), Arc::new(SystemClock)) {
        Ok(whisper) => whisper,
        Err(error) => return vec![Finding::fail(CHECK, chain(&error), "docs/CONFIGURATION.md lists the settings of the transcriber")],
    };
    let host = settings.base_url.host_str().unwrap_or_default();
    let mut findings: Vec<Finding> = match whisper.look().await {
        Ok(looked) => {
            let clock = clock::against_date("transcriber clock", host, looked.date);
            [Some(model(&looked, host, &settings.model)), clock].into_iter().flatten().collect()
        }
        Err(error) => return vec![failed(&error)],
    };
    if deep {
        findings.push(transcribes(&whisper).await);
    }
    findings
}

/// The other transcribers: an engine is looked for on this machine; services have nothing to look at, so only `--deep` tries them.
pub(super) async fn check_others(others: &Others, deep: bool) -> Vec<Finding> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let services = [
        others.deepgram.clone().map(|settings| Deepgram::new(settings, Arc::clone(&clock)).map(boxed)),
        others.assemblyai.clone().map(|settings| AssemblyAi::new(settings, Arc::clone(&clock)).map(boxed)),
    ];
    let mut findings = Vec::new();
    for service in services.into_iter().flatten() {
        match service {
            Ok(service) if deep => findings.push(transcribes(service.as_ref()).await),
            Ok(service) => {
                findings.push(Finding::ok(CHECK, format!("`{}` is set up; `--deep` tells whether it takes the key", service.name())))
            }
            Err(error) => findings.push(Finding::fail(CHECK, chain(&error), "docs/CONFIGURATION.md lists the settings of the transcriber")),
        }
    }
    if let Some(settings) = &others.command {
        let command = Command::new(settings.clone());
        findings.push(match command.look() {
            Ok(_) if deep => transcribes(&command).await,
            Ok(program) => Finding::ok(CHECK, format!("`{}` is installed; `--deep` runs it", program.display())),
            Err(error) => failed(&error),
        });
    }
    findings
}

fn boxed(transcriber: impl Transcriber) -> Box<dyn Transcriber> {
    Box::new(transcriber)
}

fn model(looked: &Looked, host: &str, model: &str) -> Finding {
    match &looked.models {
        Some(models) if models.iter().any(|known| known == model) => Finding::ok(CHECK, format!("{host} has model `{model}`")),
        Some(models) => {
            /// More names are no help.
            const SHOWN: usize = 8;
            let shown: Vec<_> = models.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
            let more = if models.len() > SHOWN { ", …" } else { "" };
            Finding::warn(
                CHECK,
                format!("{host} does not list model `{model}`; it lists {}{more}", shown.join(", ")),
                "set `TRANSCRIPTION_MODEL` to a model of this server; `--deep` tells whether it takes this one all the same",
            )
        }
        None => Finding::ok(CHECK, format!("{host} answers and lists no models; `--deep` tells whether it transcribes")),
    }
}

async fn transcribes(transcriber: &dyn Transcriber) -> Finding {
    const DEEP: &str = "transcription";
    let name = transcriber.name();
    match transcriber.transcribe(&Tone::default(), Manner::Usual).await {
        Ok(Answer::Made(heard)) => Finding::ok(DEEP, format!("a second of sound came back from `{name}` with {} words", heard.words.len())),
        Ok(Answer::Underway(work)) => Finding::ok(DEEP, format!("a second of sound was taken by `{name}` as job `{}`", work.job)),
        Err(TranscribeError::TooShort { .. }) => {
            Finding::ok(DEEP, format!("a second of sound was read by `{name}`, and is too short for it"))
        }
        Err(error) => Finding { check: DEEP, ..failed(&error) },
    }
}

fn failed(error: &TranscribeError) -> Finding {
    let fix = match error {
        TranscribeError::Unavailable { .. } | TranscribeError::Down { .. } | TranscribeError::Unreadable { .. } => {
            "is the transcriber running where its settings point to, and does a firewall or proxy let us through?"
        }
        TranscribeError::Misconfigured { .. } => {
            "compare its key, its model and the account's balance with the provider's: docs/TRANSCRIBERS.md says what each needs"
        }
        TranscribeError::RateLimited { .. } | TranscribeError::NoTurn { .. } => "ask again later; the provider limits this account",
        TranscribeError::Rejected { .. } | TranscribeError::TooShort { .. } | TranscribeError::Audio(_) => {
            "the server does not take WAV files as recordings are: use another"
        }
    };
    Finding::fail(CHECK, chain(error), fix)
}
