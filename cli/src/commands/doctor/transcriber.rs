//! The transcriber: there, taking our key, having the model; with `--deep` also able to do its work.

use std::sync::Arc;

use callscribe::{
    asr::{
        Answer, Manner, TranscribeError, Transcriber,
        whisper::{Looked, Whisper},
    },
    clock::SystemClock,
    config::WhisperSettings,
    telemetry::chain,
};

use super::{clock, finding::Finding, tone::Tone};

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

async fn transcribes(whisper: &Whisper) -> Finding {
    const DEEP: &str = "transcription";
    match whisper.transcribe(&Tone::default(), Manner::Usual).await {
        Ok(Answer::Made(heard)) => Finding::ok(DEEP, format!("a second of sound came back with {} words", heard.words.len())),
        Ok(Answer::Underway(work)) => Finding::ok(DEEP, format!("a second of sound was taken as job `{}`", work.job)),
        Err(TranscribeError::TooShort { .. }) => Finding::ok(DEEP, "a second of sound was read, and is too short for this server"),
        Err(error) => Finding { check: DEEP, ..failed(&error) },
    }
}

fn failed(error: &TranscribeError) -> Finding {
    let fix = match error {
        TranscribeError::Unavailable { .. } | TranscribeError::Down { .. } | TranscribeError::Unreadable { .. } => {
            "is the server running where `OPENAI_BASE_URL` points to, and does a firewall or proxy let us through?"
        }
        TranscribeError::Misconfigured { .. } => {
            "compare `OPENAI_API_KEY`, `TRANSCRIPTION_MODEL` and the account's balance with the provider's"
        }
        TranscribeError::RateLimited { .. } | TranscribeError::NoTurn { .. } => "ask again later; the provider limits this account",
        TranscribeError::Rejected { .. } | TranscribeError::TooShort { .. } | TranscribeError::Audio(_) => {
            "the server does not take WAV files as recordings are: use another"
        }
    };
    Finding::fail(CHECK, chain(error), fix)
}
