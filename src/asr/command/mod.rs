//! Provider `command`: an engine on this machine, run once per piece. How it is run and what it writes are read here, what its settings
//! mean is `config`'s, and nothing of it is known to who asks.
//!
//! No exit code is believed: `whisper-cli` ends with 0 for audio that it cannot decode. Success is an output that can be read.

mod read;
mod run;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt;
use tokio::{
    io::AsyncWriteExt,
    sync::{Semaphore, SemaphorePermit},
};

use self::run::{LARGEST_OUTPUT_BYTES, Ran, RunError, installed, run};
use super::{
    Answer, Audio, Form, Manner, Takes, TranscribeError, Transcriber,
    order::{Asked, Told, in_order},
};
use crate::{
    config::{CommandSettings, Engine},
    domain::Reason,
    ledger::VendorTrace,
    outbound::scrub,
};

/// An engine that needs longer than this many times the length of its audio has hung.
const SLOWEST: u32 = 3;
/// Loading a model takes its time, however short the audio is.
const SHORTEST_LIMIT: Duration = Duration::from_mins(1);
/// A piece waits this long for its turn before its job makes way, and comes back after as long.
const TURN: Duration = Duration::from_secs(10);
/// What an engine says of its model when it cannot have it.
const NO_MODEL: [&str; 8] = [
    "load model",
    "failed to initialize whisper",
    "acoustic model definition",
    "unknown language",
    "mdef",
    "model does not exist",
    // vosk-transcriber 0.3.45 and sherpa-onnx-offline 2.0.1, of a directory that holds none
    "failed to create a model",
    "errors in config",
];
/// What an engine says of audio that it cannot read.
const NO_AUDIO: [&str; 5] = ["read audio", "decode", "format mismatch", "failed to read", "failed to open wave"];
/// As much of what an engine said as helps someone.
const SAID_CHARACTERS: usize = 500;

/// An engine on this machine.
#[derive(Debug)]
pub struct Command {
    settings: CommandSettings,
    turns: Arc<Semaphore>,
    patience: Duration,
}

impl Command {
    /// An engine as the settings say; runs nothing yet.
    #[must_use]
    pub fn new(settings: CommandSettings) -> Self {
        let turns = Arc::new(Semaphore::new(settings.at_once.max(1)));
        Self { settings, turns, patience: TURN }
    }

    /// Where the program lies that would be run, if its model is there too. Runs nothing.
    pub fn look(&self) -> Result<PathBuf, TranscribeError> {
        self.check_model()?;
        self.settings.lines.iter().find_map(|line| installed(program(line))).ok_or_else(|| self.not_installed())
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, TranscribeError> {
        match tokio::time::timeout(self.patience, self.turns.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => {
                let what = format!("{} commands run already on this machine (`TRANSCRIPTION_COMMAND_AT_ONCE`)", self.settings.at_once);
                Err(TranscribeError::NoTurn { wait: TURN, what })
            }
        }
    }

    /// Runs the first line whose program is installed.
    async fn ran(&self, audio: &Path, place: &Path, longest: Duration, manner: Manner) -> Result<Ran, TranscribeError> {
        for line in &self.settings.lines {
            let words = self.filled(line, audio, place, manner);
            match run(&words, place, longest).await {
                Ok(ran) => return Ok(ran),
                Err(RunError::NotInstalled) => {}
                Err(RunError::Broken(why)) if why.kind() == std::io::ErrorKind::PermissionDenied => {
                    return Err(misconfigured(format!("`{}` may not be run: {why}", program(line))));
                }
                Err(error) => return Err(unavailable(format!("`{}`: {:#}", program(line), anyhow::Error::new(error)))),
            }
        }
        Err(self.not_installed())
    }

    fn not_installed(&self) -> TranscribeError {
        let programs: Vec<String> = self.settings.lines.iter().map(|line| format!("`{}`", program(line))).collect();
        misconfigured(format!("{} is not installed on this machine: {}", programs.join(" or "), self.settings.engine.install()))
    }

    fn filled(&self, line: &[String], audio: &Path, place: &Path, manner: Manner) -> Vec<String> {
        let CommandSettings { engine, model, language, .. } = &self.settings;
        let unknown = if *engine == Engine::WhisperCli { "auto" } else { "en" };
        let marks = [
            ("{audio}", audio.to_string_lossy().into_owned()),
            ("{out}", place.join(OUT).to_string_lossy().into_owned()),
            ("{model}", model.clone().unwrap_or_default()),
            ("{language}", language.clone().unwrap_or_else(|| unknown.to_owned())),
        ];
        let fill = |word: &String| marks.iter().fold(word.clone(), |word, (mark, value)| word.replace(mark, value));
        let mut words: Vec<String> = line.iter().map(fill).collect();
        if manner == Manner::Different && program(line) == Engine::WhisperCli.name() {
            // some temperature, and nothing of the text before: what repeats itself feeds on it
            words.extend(["-tp", "0.2", "-mc", "0"].map(str::to_owned));
        }
        words
    }

    /// The engine's output: the file it was told to write, or else what it printed.
    async fn told(&self, ran: Ran, place: &Path) -> Result<Told, TranscribeError> {
        let writes_file = self.settings.lines.iter().flatten().any(|word| word.contains("{out}"));
        if !ran.status.success() {
            return Err(refused(&ran));
        }
        let output = if writes_file { written(place).await? } else { Some(ran.stdout.clone()) };
        let output = output.ok_or_else(|| refused(&ran))?;
        read::read(self.settings.engine, &output).map_err(|what| TranscribeError::Unreadable { what, trace: VendorTrace::default() })
    }

    fn check_model(&self) -> Result<(), TranscribeError> {
        match &self.settings.model {
            // a name without a path is the engine's to find
            Some(model) if model.contains('/') && !Path::new(model).exists() => {
                Err(misconfigured(format!("the model `{model}` is not there: put it there or set `TRANSCRIPTION_COMMAND_MODEL`")))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// What an engine's file is called in its directory, without what it puts at the end.
const OUT: &str = "out";

/// What was written, by the names that engines make of `{out}`.
async fn written(place: &Path) -> Result<Option<Vec<u8>>, TranscribeError> {
    for name in [OUT.to_owned(), format!("{OUT}.json")] {
        let file = place.join(name);
        match tokio::fs::metadata(&file).await {
            Ok(about) if about.len() > u64::try_from(LARGEST_OUTPUT_BYTES).unwrap_or(u64::MAX) => {
                let what = format!("{} bytes of output, over the limit of {LARGEST_OUTPUT_BYTES}", about.len());
                return Err(TranscribeError::Unreadable { what, trace: VendorTrace::default() });
            }
            Ok(about) if about.is_file() => return tokio::fs::read(&file).await.map(Some).map_err(TranscribeError::Audio),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(None)
}

fn program(line: &[String]) -> &str {
    line.first().map_or("", String::as_str)
}

fn misconfigured(what: String) -> TranscribeError {
    TranscribeError::Misconfigured { what, trace: VendorTrace::default() }
}

fn unavailable(what: String) -> TranscribeError {
    TranscribeError::Unavailable { what, trace: VendorTrace::default() }
}

/// What a run without a transcript means, by the last words of its log.
fn refused(ran: &Ran) -> TranscribeError {
    let said = ran.said.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let tail: String = ran.said.chars().rev().take(SAID_CHARACTERS).collect::<Vec<_>>().into_iter().rev().collect();
    let what = format!("the engine ended with {} and no transcript: {}", ran.status, scrub(&tail, SAID_CHARACTERS));
    if says(&NO_MODEL) {
        misconfigured(what)
    } else if says(&NO_AUDIO) || ran.status.success() {
        TranscribeError::Rejected { reason: Reason::AudioUndecodable, what, trace: VendorTrace::default() }
    } else {
        unavailable(what)
    }
}

#[async_trait]
impl Transcriber for Command {
    fn name(&self) -> &'static str {
        CommandSettings::PROVIDER
    }

    fn model(&self) -> &str {
        self.settings.model.as_deref().unwrap_or(self.settings.engine.name())
    }

    fn language(&self) -> Option<&str> {
        self.settings.language.as_deref()
    }

    fn asked_for(&self, model: Option<&str>, language: Option<&str>) -> Arc<dyn Transcriber> {
        let mut settings = model.map_or_else(|| self.settings.clone(), |model| self.settings.with_model(model));
        settings.language = language.map(str::to_owned).or(settings.language);
        Arc::new(Self { settings, turns: Arc::clone(&self.turns), patience: self.patience })
    }

    fn takes(&self) -> Takes {
        Takes {
            max_bytes: None,
            max_duration: None,
            forms: &[Form::Wav16k],
            at_once: self.settings.at_once.max(1),
            diarizes: false,
            paid: false,
        }
    }

    async fn transcribe(&self, audio: &dyn Audio, manner: Manner) -> Result<Answer, TranscribeError> {
        self.check_model()?;
        let _turn = self.turn().await?;
        // new for each run, so that what is found in it was written by this run
        let place = tempfile::Builder::new().prefix("callscribe-engine-").tempdir().map_err(TranscribeError::Audio)?;
        let copy = place.path().join("audio.wav");
        let file = match audio.path() {
            Some(path) => path.to_owned(),
            None => copied(audio, &copy).await.map(|()| copy).map_err(TranscribeError::Audio)?,
        };
        let longest = audio.duration().saturating_mul(SLOWEST).max(SHORTEST_LIMIT);
        let ran = self.ran(&file, place.path(), longest, manner).await?;
        let told = self.told(ran, place.path()).await?;
        let asked = Asked { audio_seconds: audio.duration().as_secs_f64(), model: self.model(), request_id: None };
        Ok(Answer::Made(Box::new(in_order(told, asked))))
    }
}

/// Puts audio that lies elsewhere where an engine can read it.
async fn copied(audio: &dyn Audio, to: &Path) -> std::io::Result<()> {
    let mut file = tokio::fs::File::create(to).await?;
    let mut bytes = audio.open().await?;
    while let Some(piece) = bytes.next().await {
        file.write_all(&piece?).await?;
    }
    file.flush().await
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
