//! An engine on this machine: which command, which model, whose output.

use super::{Reader, Setting, WhisperSettings, chosen::is_chosen, command_line};

/// An engine whose output is read, and the name of its preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// whisper.cpp's `whisper-cli`.
    WhisperCli,
    /// `sherpa-onnx-offline`.
    SherpaOnnx,
    /// `vosk-transcriber`.
    Vosk,
    /// `pocketsphinx` 5.x, or `pocketsphinx_continuous` as Debian ships it.
    PocketSphinx,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Self; 4] = [Self::WhisperCli, Self::SherpaOnnx, Self::Vosk, Self::PocketSphinx];

    /// As settings name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WhisperCli => "whisper-cli",
            Self::SherpaOnnx => "sherpa-onnx",
            Self::Vosk => "vosk",
            Self::PocketSphinx => "pocketsphinx",
        }
    }

    /// What to install to have it.
    #[must_use]
    pub const fn install(self) -> &'static str {
        match self {
            Self::WhisperCli => "build whisper.cpp and put its `whisper-cli` on the PATH",
            Self::SherpaOnnx => "install sherpa-onnx and put its `sherpa-onnx-offline` on the PATH",
            Self::Vosk => "`pip install vosk`, which brings `vosk-transcriber`, and install `ffmpeg`, which it runs",
            Self::PocketSphinx => "on Debian `apt-get install pocketsphinx pocketsphinx-en-us`",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.name() == name)
    }

    /// The command lines of the preset, the next one for machines where the program of the one before is not installed.
    const fn lines(self, has_model: bool) -> &'static [&'static str] {
        match self {
            Self::WhisperCli => &["whisper-cli -m {model} -f {audio} -l {language} -ojf -of {out} -np"],
            Self::SherpaOnnx => {
                &["sherpa-onnx-offline --tokens={model}/tokens.txt --encoder={model}/encoder.onnx --decoder={model}/decoder.onnx \
                 --joiner={model}/joiner.onnx {audio}"]
            }
            Self::Vosk => &["vosk-transcriber --model {model} -i {audio} -t json -o {out}.json"],
            Self::PocketSphinx if has_model => &[
                "pocketsphinx -hmm {model}/en-us -lm {model}/en-us.lm.bin -dict {model}/cmudict-en-us.dict single {audio}",
                "pocketsphinx_continuous -hmm {model}/en-us -lm {model}/en-us.lm.bin -dict {model}/cmudict-en-us.dict -infile {audio} -time yes",
            ],
            Self::PocketSphinx => &["pocketsphinx single {audio}", "pocketsphinx_continuous -infile {audio} -time yes"],
        }
    }

    fn names() -> String {
        Self::ALL.map(|engine| format!("`{}`", engine.name())).join(", ")
    }
}

/// A command that transcribes on this machine.
#[derive(Debug, Clone)]
pub struct CommandSettings {
    /// The words of `TRANSCRIPTION_COMMAND`, with `{audio}`, `{out}`, `{model}` and `{language}` in them: each line is for machines where
    /// the program of the one before is not installed.
    pub lines: Vec<Vec<String>>,
    /// Whose output is read: the preset's, or `TRANSCRIPTION_COMMAND_OUTPUT`.
    pub engine: Engine,
    /// `TRANSCRIPTION_COMMAND_MODEL`: a file or a directory, as the engine wants it.
    pub model: Option<String>,
    /// `TRANSCRIPTION_LANGUAGE`.
    pub language: Option<String>,
    /// `TRANSCRIPTION_COMMAND_AT_ONCE`: commands at once in one process.
    pub at_once: usize,
}

impl CommandSettings {
    /// The provider as `TRANSCRIPTION_PROVIDER` and `call_transcripts.provider` name it.
    pub const PROVIDER: &'static str = "command";

    const COMMAND: Setting = Setting::optional(
        "TRANSCRIPTION_COMMAND",
        "For `command`: a preset, that is `whisper-cli`, `sherpa-onnx`, `vosk` or `pocketsphinx`; or a command line with `{audio}` (WAV, 16,000 \
         samples a second, one channel) and as needed `{out}`, `{model}` and `{language}`. It is split into words as a shell does, but no shell runs",
    );
    const MODEL: Setting = Setting::optional(
        "TRANSCRIPTION_COMMAND_MODEL",
        "The model's file or directory, put in place of `{model}`; `sherpa-onnx` looks in it for `tokens.txt` and `encoder.onnx`, `decoder.onnx`, \
         `joiner.onnx`, and `pocketsphinx` can do without",
    );
    const OUTPUT: Setting = Setting::optional(
        "TRANSCRIPTION_COMMAND_OUTPUT",
        "Whose output a command line of your own writes, by the names of the presets: to `{out}` or `{out}.json` if it has `{out}`, else to its \
         standard output",
    );
    const AT_ONCE: Setting = Setting::new(
        "TRANSCRIPTION_COMMAND_AT_ONCE",
        "1",
        "Commands at once in one process; each is ended after three times the length of its audio, but not within a minute",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::COMMAND, Self::MODEL, Self::OUTPUT, Self::AT_ONCE];

    /// A preset.
    #[must_use]
    pub fn preset(engine: Engine, model: Option<String>) -> Self {
        let split = |line: &&str| line.split_whitespace().map(str::to_owned).collect();
        Self { lines: engine.lines(model.is_some()).iter().map(split).collect(), engine, model, language: None, at_once: 1 }
    }

    /// The same with another model; a preset may need another line for it.
    #[must_use]
    pub fn with_model(&self, model: &str) -> Self {
        let is_preset = self.lines == Self::preset(self.engine, self.model.clone()).lines;
        let model = Some(model.to_owned());
        let lines = if is_preset { Self::preset(self.engine, model.clone()).lines } else { self.lines.clone() };
        Self { lines, model, ..self.clone() }
    }

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let command = reader.text(&Self::COMMAND);
        let model = reader.text(&Self::MODEL);
        let output = Self::read_output(reader);
        let language = reader.text(&WhisperSettings::LANGUAGE);
        let at_once = reader.parsed(&Self::AT_ONCE, "a number of commands, at least 1").unwrap_or(1);
        if at_once == 0 {
            reader.complain(Self::AT_ONCE.name, "is not usable: nothing would be transcribed; `callscribe queue pause transcribe` pauses");
        }
        let settings = match command.as_deref() {
            None => Self::preset(Engine::PocketSphinx, model),
            Some(line) => match (Engine::named(line), command_line::words(line)) {
                (Some(engine), _) => Self::preset(engine, model),
                (None, Ok(words)) => Self { lines: vec![words], ..Self::preset(output.unwrap_or(Engine::WhisperCli), model) },
                (None, Err(why)) => {
                    reader.complain(Self::COMMAND.name, format!("is not usable: {why}"));
                    Self::preset(Engine::PocketSphinx, model)
                }
            },
        };
        let is_own = command.as_deref().is_some_and(|line| Engine::named(line).is_none());
        if is_own && output.is_none() {
            let what = format!("is missing: it says whose output `TRANSCRIPTION_COMMAND` writes, one of {}", Engine::names());
            reader.complain(Self::OUTPUT.name, what);
        }
        if is_chosen(reader, Self::PROVIDER) {
            settings.check(reader, command.is_some());
        }
        Self { language, at_once, ..settings }
    }

    fn read_output(reader: &mut Reader<'_>) -> Option<Engine> {
        let name = reader.text(&Self::OUTPUT)?;
        let engine = Engine::named(&name);
        if engine.is_none() {
            reader.complain(Self::OUTPUT.name, format!("is `{name}`, whose output nobody here reads; use one of {}", Engine::names()));
        }
        engine
    }

    fn check(&self, reader: &mut Reader<'_>, is_given: bool) {
        if !is_given {
            let what = format!("is missing: `TRANSCRIPTION_PROVIDER` names `command`; use {} or a command line", Engine::names());
            return reader.complain(Self::COMMAND.name, what);
        }
        let has = |mark: &str| self.lines.iter().flatten().any(|word| word.contains(mark));
        if !has("{audio}") {
            reader.complain(Self::COMMAND.name, "has no `{audio}`: the engine would not know which file to read");
        }
        if has("{model}") && self.model.is_none() {
            reader.complain(Self::MODEL.name, "is missing: `TRANSCRIPTION_COMMAND` needs it in place of `{model}`");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<CommandSettings, String> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut reader = Reader::new(&environment);
        let settings = CommandSettings::read(&mut reader);
        reader.finish().map(|()| settings).map_err(|problems| problems.to_string())
    }

    const CHOSEN: (&str, &str) = ("TRANSCRIPTION_PROVIDER", "webex,command");

    #[test]
    fn a_preset_knows_its_lines_and_needs_its_model() {
        let settings = read(&[CHOSEN, ("TRANSCRIPTION_COMMAND", "pocketsphinx")]).unwrap();
        assert_eq!((settings.engine, settings.lines.len(), settings.at_once), (Engine::PocketSphinx, 2, 1));
        let missing = read(&[CHOSEN, ("TRANSCRIPTION_COMMAND", "whisper-cli")]).unwrap_err();
        assert!(missing.contains("`TRANSCRIPTION_COMMAND_MODEL` is missing"), "{missing}");
        let given = [CHOSEN, ("TRANSCRIPTION_COMMAND", "whisper-cli"), ("TRANSCRIPTION_COMMAND_MODEL", "/m/base.bin")];
        assert_eq!(read(&given).unwrap().model.as_deref(), Some("/m/base.bin"));
        for engine in Engine::ALL {
            let has_audio = |line: &&str| line.split(' ').any(|word| word.contains("{audio}"));
            assert!(engine.lines(true).iter().chain(engine.lines(false)).all(has_audio), "{engine:?}");
            let without_model = engine.lines(false).iter().any(|line| !line.contains("{model}"));
            assert_eq!(without_model, engine == Engine::PocketSphinx, "{engine:?}");
        }
    }

    #[test]
    fn a_line_of_ones_own_says_whose_output_it_writes() {
        let line = ("TRANSCRIPTION_COMMAND", "/opt/my engine' x' \"{audio}\"");
        assert!(read(&[CHOSEN, line]).unwrap_err().contains("`TRANSCRIPTION_COMMAND_OUTPUT` is missing"));
        let settings = read(&[CHOSEN, line, ("TRANSCRIPTION_COMMAND_OUTPUT", "vosk")]).unwrap();
        assert_eq!((settings.lines, settings.engine), (vec![vec!["/opt/my".into(), "engine x".into(), "{audio}".into()]], Engine::Vosk));
        assert!(read(&[CHOSEN, line, ("TRANSCRIPTION_COMMAND_OUTPUT", "kaldi")]).unwrap_err().contains("nobody here reads"));
        let deaf = [CHOSEN, ("TRANSCRIPTION_COMMAND", "x"), ("TRANSCRIPTION_COMMAND_OUTPUT", "vosk")];
        assert!(read(&deaf).unwrap_err().contains("has no `{audio}`"));
        assert!(read(&[CHOSEN, ("TRANSCRIPTION_COMMAND", "x 'y")]).unwrap_err().contains("not closed"));
    }

    #[test]
    fn another_model_changes_the_lines_of_a_preset_and_no_line_of_ones_own() {
        let bare = CommandSettings::preset(Engine::PocketSphinx, None);
        assert!(bare.with_model("/m").lines.iter().all(|line| line.contains(&"{model}/en-us".to_owned())));
        let own = CommandSettings { lines: vec![vec!["x".to_owned()]], ..bare };
        assert_eq!((own.with_model("/m").lines, own.with_model("/m").model), (own.lines.clone(), Some("/m".to_owned())));
    }

    #[test]
    fn only_who_is_chosen_is_complained_about() {
        assert!(read(&[("TRANSCRIPTION_PROVIDER", "whisper")]).is_ok());
        assert!(read(&[CHOSEN]).unwrap_err().contains("`TRANSCRIPTION_COMMAND` is missing"));
        assert!(read(&[CHOSEN, ("TRANSCRIPTION_COMMAND", "pocketsphinx"), ("TRANSCRIPTION_COMMAND_AT_ONCE", "0")]).is_err());
    }
}
