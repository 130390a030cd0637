//! What local engines write, one reader per engine: from bytes to what was told. Times are put in order elsewhere.

mod pocketsphinx;
mod sherpa;
mod vosk;
mod whisper_cpp;

use crate::{asr::order::Told, config::Engine};

/// Reads the output of an engine, or says what is wrong with it. Bytes that are no UTF-8 are read as `�`: whisper.cpp cuts letters in two.
pub(super) fn read(engine: Engine, bytes: &[u8]) -> Result<Told, String> {
    let text = String::from_utf8_lossy(bytes);
    match engine {
        Engine::WhisperCli => whisper_cpp::read(&text),
        Engine::SherpaOnnx => sherpa::read(&text),
        Engine::Vosk => vosk::read(&text),
        Engine::PocketSphinx => pocketsphinx::read(&text),
    }
}

/// Where a stretch begins and ends: as its first and last word.
fn bounds(words: &[crate::asr::order::ToldWord]) -> (Option<f64>, Option<f64>) {
    (words.first().and_then(|word| word.start), words.last().and_then(|word| word.end))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
