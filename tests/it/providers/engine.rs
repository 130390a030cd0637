//! An engine on this machine: this very executable, run again by the provider `command`.

use std::{path::Path, sync::Arc};

use callscribe::{
    asr::command::Command,
    config::{CommandSettings, Engine},
};

use super::rigs::Rig;
use crate::harness;

/// What the engine is called with, after what makes this executable an engine.
const MARKS: [&str; 4] = ["{audio}", "{out}", "{model}", "{language}"];

#[test]
#[ignore = "no test: the engine that the provider `command` runs"]
fn as_engine() {
    let arguments: Vec<String> = std::env::args().collect();
    let [.., audio, out, model, language, asked] = arguments.as_slice() else { panic!("{arguments:?}") };
    std::fs::write(asked, format!("{model}\n{language}")).unwrap();
    match callscribe_simulators::engine::whisper_cli(&std::fs::read(audio).unwrap()) {
        Some(file) => std::fs::write(format!("{out}.json"), file).unwrap(),
        // as whisper-cli does it: no file, and no exit code to tell
        None => println!("error: failed to read audio file"),
    }
}

pub(super) fn rig() -> Rig {
    let directory = harness::temp_dir("engine");
    std::fs::create_dir_all(&directory).unwrap();
    let asked = directory.join("asked");
    let this = std::env::current_exe().unwrap().to_string_lossy().into_owned();
    let head = [this.as_str(), "--ignored", "--nocapture", "--exact", "providers::engine::as_engine"];
    let line = head.into_iter().chain(MARKS).map(str::to_owned).chain([asked.to_string_lossy().into_owned()]).collect();
    let settings = CommandSettings { lines: vec![line], ..CommandSettings::preset(Engine::WhisperCli, Some("tiny".to_owned())) };
    Rig {
        name: "command",
        transcriber: Arc::new(Command::new(settings)),
        key: None,
        other_model: "base",
        names_requests: false,
        says_wait: false,
        tells_bill: false,
        // no net, no key, no account
        switch: Box::new(|_| false),
        asked: Box::new(move || read(&asked)),
        _alive: Box::new(()),
    }
}

fn read(asked: &Path) -> (String, Option<String>) {
    let text = std::fs::read_to_string(asked).unwrap();
    let (model, language) = text.split_once('\n').unwrap();
    (model.to_owned(), Some(language.to_owned()))
}
