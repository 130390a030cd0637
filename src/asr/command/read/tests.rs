//! One output per engine as the contract gives it (pocketsphinx's as Debian's printed it), and what may be wrong with it.

use super::*;
use crate::asr::{
    Transcription,
    order::{Asked, in_order},
};

fn told(engine: Engine, text: &str) -> Transcription {
    let told = read(engine, text.as_bytes()).unwrap();
    in_order(told, Asked { audio_seconds: 30.0, model: "local", request_id: None })
}

fn words(transcription: &Transcription) -> Vec<(&str, f64, f64)> {
    transcription.words.iter().map(|word| (word.text.as_str(), word.start, word.end)).collect()
}

fn segments(transcription: &Transcription) -> Vec<(&str, f64, f64)> {
    transcription.segments.iter().map(|segment| (segment.text.as_str(), segment.start, segment.end)).collect()
}

#[test]
fn tokens_of_whisper_cli_become_words() {
    let read = told(
        Engine::WhisperCli,
        r#"{"systeminfo":"AVX","model":{"type":"base","audio":{},"text":{}},"params":{},"result":{"language":"en"},"transcription":[
        {"timestamps":{"from":"00:00:00,000","to":"00:00:02,900"},"offsets":{"from":0,"to":2900},"text":" Hello there.",
         "tokens":[{"text":"[_BEG_]","offsets":{"from":0,"to":0},"id":50364,"p":0.9,"t_dtw":-1},
          {"text":" Hel","offsets":{"from":100,"to":400},"id":1,"p":0.8,"t_dtw":-1},{"text":"lo","offsets":{"from":400,"to":500},"id":2,"p":0.6,"t_dtw":-1},
          {"text":" there","offsets":{"from":600,"to":900},"id":3,"p":0.5,"t_dtw":-1},{"text":".","offsets":{"from":900,"to":900},"id":4,"p":0.5,"t_dtw":-1}]}]}"#,
    );
    assert_eq!((read.text.as_str(), read.language.as_deref(), read.repairs), ("Hello there.", Some("en"), 0));
    assert_eq!(words(&read), [("Hello", 0.1, 0.5), ("there.", 0.6, 0.9)]);
    assert_eq!(segments(&read), [("Hello there.", 0.0, 2.9)]);
    assert!((read.words[0].confidence.unwrap() - 0.7).abs() < 1e-9);
}

#[test]
fn whisper_cli_without_tokens_or_speech_is_read_and_half_letters_do_no_harm() {
    let plain = r#"{"result":{"language":"de"},"transcription":[{"offsets":{"from":0,"to":1000},"text":" Ja","speaker":"?"}]}"#;
    let read = told(Engine::WhisperCli, plain);
    assert_eq!((read.text.as_str(), read.words.len(), read.segments[0].speaker.as_deref()), ("Ja", 0, None));
    assert_eq!(told(Engine::WhisperCli, r#"{"transcription":[]}"#).text, "");
    let mut cut = plain.as_bytes().to_vec();
    let at = plain.find("Ja").unwrap();
    cut[at] = 0xE3;
    assert!(super::read(Engine::WhisperCli, &cut).is_ok());
    assert!(super::read(Engine::WhisperCli, br#"{"text":"no"}"#).unwrap_err().contains("transcription"));
}

#[test]
fn ideographs_are_words_of_their_own() {
    let read = told(
        Engine::WhisperCli,
        r#"{"transcription":[{"offsets":{"from":0,"to":900},"text":"你好","tokens":[
        {"text":"你","offsets":{"from":0,"to":400}},{"text":"好","offsets":{"from":400,"to":900}}]}]}"#,
    );
    assert_eq!(words(&read), [("你", 0.0, 0.4), ("好", 0.4, 0.9)]);
}

#[test]
fn the_last_line_of_sherpa_is_its_answer() {
    let read = told(
        Engine::SherpaOnnx,
        "Creating recognizer ...\n{\"lang\":\"<|en|>\",\"emotion\":\"\",\"event\":\"\",\"text\":\" HELLO THERE\",\"timestamps\":[0.0,0.25,0.5],\
         \"durations\":[],\"tokens\":[\"▁HEL\",\"LO\",\"▁THERE\"],\"ys_log_probs\":[],\"words\":[]}\n",
    );
    assert_eq!((read.text.as_str(), read.language.as_deref()), ("HELLO THERE", Some("en")));
    assert_eq!(words(&read), [("HELLO", 0.0, 0.5), ("THERE", 0.5, 0.7)]);
    let untimed = told(Engine::SherpaOnnx, r#"{"text":"hi","timestamps":[],"tokens":[" hi"]}"#);
    assert_eq!((untimed.text.as_str(), untimed.words.len(), untimed.segments.len()), ("hi", 0, 0));
    assert!(super::read(Engine::SherpaOnnx, b"Failed to read /tmp/x.wav").is_err());
}

#[test]
fn vosk_is_read_as_its_transcriber_and_its_library_write_it() {
    let file = told(
        Engine::Vosk,
        r#"{"schemaVersion":"2.0","monologues":[{"speaker":{"id":"unknown","name":null},"start":0.1,"end":0.9,"terms":[
        {"confidence":1.0,"start":0.1,"end":0.4,"text":"hello","type":"WORD"},{"confidence":0.5,"start":0.5,"end":0.9,"text":"there","type":"WORD"}]},
        {"speaker":{},"start":2,"end":3,"terms":[{"confidence":1.0,"start":2,"end":3,"text":"bye","type":"WORD"}]}],"text":["hello there","bye"]}"#,
    );
    assert_eq!(segments(&file), [("hello there", 0.1, 0.9), ("bye", 2.0, 3.0)]);
    assert_eq!((file.text.as_str(), file.words.len()), ("hello there bye", 3));
    let library = told(Engine::Vosk, r#"{"result":[{"conf":1.0,"start":0.0,"end":0.4,"word":"hello"}],"text":"hello"}"#);
    assert_eq!((library.text.as_str(), words(&library)), ("hello", vec![("hello", 0.0, 0.4)]));
    assert_eq!(told(Engine::Vosk, r#"{"text":""}"#).text, "");
    assert_eq!(told(Engine::Vosk, r#"{"schemaVersion":"2.0","monologues":[],"text":[]}"#).text, "");
    assert!(super::read(Engine::Vosk, b"{}").is_err());
}

#[test]
fn debians_pocketsphinx_prints_words_in_lines() {
    let read = told(
        Engine::PocketSphinx,
        "call me on monday\n<s> 0.000 0.030 1.000100\ncall 0.040 0.410 1.000100\nme(2) 0.420 0.710 0.354651\n<sil> 0.720 0.800 0.230462\n\
         on 0.810 1.190 1.000100\nmonday(2) 1.200 1.330 1.000000\n</s> 1.340 1.400 1.000000\n\
         bye\n<s> 6.490 6.550 0.999600\nbye 6.560 6.830 0.997004\n</s> 9.600 10.000 1.000000\n",
    );
    assert_eq!(segments(&read), [("call me on monday", 0.04, 1.33), ("bye", 6.56, 6.83)]);
    assert_eq!((read.text.as_str(), read.words[0].confidence, read.repairs), ("call me on monday bye", Some(1.0), 0));
    let silence = told(Engine::PocketSphinx, "\n<s> 0.000 0.330 1.000000\n</s> 0.340 0.900 1.000000\n");
    assert_eq!((silence.text.as_str(), silence.segments.len()), ("", 0));
}

#[test]
fn pocketsphinx_five_writes_json_and_escapes_nothing() {
    let clean = r#"{"b":0.000,"d":5.300,"p":1.000,"t":"go to it","w":[{"b":0.0,"d":0.2,"p":1.0,"t":"<sil>"},{"b":0.2,"d":0.3,"p":0.9,"t":"to(3)"}]}"#;
    assert_eq!(words(&told(Engine::PocketSphinx, clean)), [("to", 0.2, 0.5)]);
    let bare = r#"{"b":0.000,"d":5.300,"p":1.000,"t":"a "b","w":[{"b":0.0,"d":0.2,"p":1.0,"t":"a"},{"b":0.2,"d":0.3,"p":0.9,"t":""b"}]}"#;
    assert_eq!(words(&told(Engine::PocketSphinx, bare)), [("a", 0.0, 0.2), ("\"b", 0.2, 0.5)]);
    assert!(super::read(Engine::PocketSphinx, br#"{"b":0.0,"w":[{"b":"#).is_err());
}
