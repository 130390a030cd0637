//! Whole runs: shells that stand in for engines, and the one engine that Debian ships.

use std::path::PathBuf;

use bytes::Bytes;

use super::*;
use crate::asr::{AudioBytes, Speakers, Transcription};

/// A file of this repository.
struct Tape {
    file: PathBuf,
    has_path: bool,
}

impl Tape {
    fn of(name: &str) -> Self {
        Self { file: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spoken").join(name), has_path: true }
    }
}

#[async_trait]
impl Audio for Tape {
    fn id(&self) -> &str {
        "tape"
    }
    fn speakers(&self) -> Speakers {
        Speakers::One
    }
    fn path(&self) -> Option<&Path> {
        self.has_path.then_some(&self.file)
    }
    fn file_name(&self) -> &str {
        "call.wav"
    }
    fn size_bytes(&self) -> u64 {
        std::fs::metadata(&self.file).unwrap().len()
    }
    fn duration(&self) -> Duration {
        Duration::from_secs(self.size_bytes() / 32_000)
    }
    async fn open(&self) -> std::io::Result<AudioBytes> {
        let bytes = Bytes::from(std::fs::read(&self.file)?);
        Ok(Box::pin(futures_util::stream::iter([Ok(bytes)])))
    }
}

/// A shell script as an engine: `$0` is the audio, `$1` where to write.
fn shell(engine: Engine, script: &str) -> Command {
    let line = ["sh", "-c", script, "{audio}", "{out}", "{model}", "{language}"].map(str::to_owned).to_vec();
    Command::new(CommandSettings { lines: vec![line], ..CommandSettings::preset(engine, Some("tiny".to_owned())) })
}

async fn made(command: &Command, tape: &Tape) -> Transcription {
    match command.transcribe(tape, Manner::Usual).await {
        Ok(Answer::Made(made)) => *made,
        other => panic!("{other:?}"),
    }
}

/// What an engine that does this comes to.
async fn error(script: &str) -> TranscribeError {
    shell(Engine::WhisperCli, script).transcribe(&Tape::of("agent.wav"), Manner::Usual).await.unwrap_err()
}

const TRANSCRIPT: &str = r#"{"result":{"language":"en"},"transcription":[{"offsets":{"from":0,"to":900},"text":" Hello"}]}"#;

#[tokio::test]
async fn the_output_is_the_file_that_was_written_under_the_name_it_was_given() {
    for name in ["$1", "$1.json"] {
        let script = format!("test -s $0 && echo '{TRANSCRIPT}' > \"{name}\"; echo noise; test $2$3 = tinyauto");
        let read = made(&shell(Engine::WhisperCli, &script), &Tape::of("agent.wav")).await;
        assert_eq!((read.text.as_str(), read.language.as_deref(), read.model.as_str()), ("Hello", Some("en"), "tiny"));
    }
}

#[tokio::test]
async fn audio_that_lies_elsewhere_is_put_beside_the_engine_whole() {
    let tape = Tape { has_path: false, ..Tape::of("agent.wav") };
    let script = format!("test $(wc -c < $0) = {} && echo '{TRANSCRIPT}' > $1.json", tape.size_bytes());
    assert_eq!(made(&shell(Engine::WhisperCli, &script), &tape).await.text, "Hello");
}

#[tokio::test]
async fn no_exit_code_is_believed() {
    let decode = error("echo \"error: failed to read audio data\" >&2; exit 0").await;
    assert!(
        matches!(&decode, TranscribeError::Rejected { reason: Reason::AudioUndecodable, what, .. } if what.contains("read audio")),
        "{decode:?}"
    );
    let language = error("echo \"error: unknown language 'xx'\" >&2; exit 0").await;
    assert!(matches!(language, TranscribeError::Misconfigured { .. }), "{language:?}");
    let broken = error("echo '{\"transcription\":[' > $1.json").await;
    assert!(matches!(broken, TranscribeError::Unreadable { .. }), "{broken:?}");
    for said in ["error: failed to initialize whisper context", "Exception: Failed to create a model", "Errors in config!"] {
        let model = error(&format!("echo '{said}' >&2; exit 3")).await;
        assert!(matches!(model, TranscribeError::Misconfigured { .. }), "{model:?}");
    }
    let crashed = error(&format!("echo '{TRANSCRIPT}' > $1.json; kill -9 $$")).await;
    assert!(matches!(&crashed, TranscribeError::Unavailable { what, .. } if what.contains("signal: 9")), "{crashed:?}");
}

#[tokio::test]
async fn an_engine_or_a_model_that_is_not_there_names_what_to_do() {
    let lines = vec![vec!["callscribe-no-such-engine".to_owned(), "{audio}".to_owned()]];
    let missing = Command::new(CommandSettings { lines, ..CommandSettings::preset(Engine::PocketSphinx, None) });
    let told = missing.transcribe(&Tape::of("agent.wav"), Manner::Usual).await.unwrap_err();
    assert!(
        matches!(&told, TranscribeError::Misconfigured { what, .. } if what.contains("no-such-engine") && what.contains("apt-get install")),
        "{told:?}"
    );
    let settings = CommandSettings::preset(Engine::WhisperCli, Some("/no/such/model.bin".to_owned()));
    let told = Command::new(settings).transcribe(&Tape::of("agent.wav"), Manner::Usual).await.unwrap_err();
    assert!(matches!(&told, TranscribeError::Misconfigured { what, .. } if what.contains("TRANSCRIPTION_COMMAND_MODEL")), "{told:?}");
}

#[tokio::test]
async fn the_next_line_is_for_machines_without_the_first_program() {
    let mut command = shell(Engine::WhisperCli, &format!("echo '{TRANSCRIPT}' > $1.json"));
    command.settings.lines.insert(0, vec!["callscribe-no-such-engine".to_owned()]);
    assert_eq!(made(&command, &Tape::of("agent.wav")).await.text, "Hello");
}

#[tokio::test]
async fn no_more_run_at_once_than_the_machine_is_to_bear() {
    let command = Command { patience: Duration::ZERO, ..shell(Engine::WhisperCli, "exit 0") };
    let other = command.asked_for(Some("base"), Some("de"));
    assert_eq!((other.model(), other.language(), other.takes().at_once), ("base", Some("de"), 1));
    let _held = command.turns.acquire().await.unwrap();
    let told = other.transcribe(&Tape::of("agent.wav"), Manner::Usual).await.unwrap_err();
    assert!(matches!(&told, TranscribeError::NoTurn { wait, .. } if *wait == TURN), "{told:?}");
}

#[tokio::test]
async fn pocketsphinx_hears_words_of_ours_in_order() {
    let installed = |program: &str| {
        std::process::Command::new(program).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status().is_ok()
    };
    if !installed("pocketsphinx") && !installed("pocketsphinx_continuous") {
        println!("not run: pocketsphinx is not installed (`apt-get install pocketsphinx pocketsphinx-en-us`)");
        return;
    }
    let command = Command::new(CommandSettings::preset(Engine::PocketSphinx, None));
    let said = [
        ("agent.wav", "thank you for calling my name is anna how can i help you today"),
        ("customer.wav", "please check the number of my order and call me back on monday"),
    ];
    for (file, script) in said {
        let tape = Tape::of(file);
        let heard = made(&command, &tape).await;
        let script: Vec<&str> = script.split(' ').collect();
        let words: Vec<&str> = heard.words.iter().map(|word| word.text.as_str()).collect();
        let errors = word_errors(&script, &words);
        println!("pocketsphinx, {file}: {errors} errors in {} words: heard `{}`", script.len(), words.join(" "));
        assert!(words.iter().filter(|word| script.contains(word)).count() >= 3, "{words:?}");
        let ends = tape.duration().as_secs_f64() + 1.0;
        assert!(heard.words.windows(2).all(|pair| pair[0].end <= pair[1].start + 0.02), "{heard:?}");
        assert!(heard.words.iter().all(|word| word.start < word.end && word.end <= ends), "{heard:?}");
        assert_eq!(heard.repairs, 0);
    }
}

/// Words to insert, drop or replace to get from one to the other.
fn word_errors(said: &[&str], heard: &[&str]) -> usize {
    let mut above: Vec<usize> = (0..=heard.len()).collect();
    for (row, word) in said.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in heard.iter().enumerate() {
            let replaced = above[column] + usize::from(word != other);
            current.push(replaced.min(above[column + 1] + 1).min(current[column] + 1));
        }
        above = current;
    }
    above[heard.len()]
}
