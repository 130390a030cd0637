//! Says what was heard, in each server's own shape.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::Profile;
use crate::hearing::{Heard, Word};

/// A pause this long, in seconds, ends a segment.
const TURN: f64 = 0.3;

/// How the answer is wanted.
#[derive(Debug, Clone)]
pub(super) struct Wanted<'a> {
    pub(super) profile: Profile,
    pub(super) format: &'a str,
    pub(super) words: bool,
    pub(super) segments: bool,
    pub(super) by_tokens: bool,
    pub(super) language: String,
    pub(super) invented: bool,
}

/// The whole answer.
pub(super) fn answer(wanted: &Wanted<'_>, heard: &Heard) -> Response {
    let text = heard.text();
    let plain = |kind: &'static str, body: String| ([(header::CONTENT_TYPE, kind)], body).into_response();
    let json = |body: Value| plain("application/json", body.to_string());
    match (wanted.format, wanted.profile) {
        ("text", Profile::Vllm) => json(json!({"text": text})),
        ("text", _) => plain("text/plain; charset=utf-8", format!("{text}\n")),
        ("srt", _) => plain("text/plain; charset=utf-8", subtitles(heard, ',', true)),
        ("vtt", _) => plain("text/plain; charset=utf-8", format!("WEBVTT\n\n{}", subtitles(heard, '.', false))),
        ("verbose_json", _) => json(verbose(wanted, heard, &text)),
        ("diarized_json", Profile::OpenAi) => json(diarized(heard)),
        _ => json(short(wanted, heard, &text)),
    }
}

fn short(wanted: &Wanted<'_>, heard: &Heard, text: &str) -> Value {
    let mut body = json!({"text": text});
    if matches!(wanted.profile, Profile::OpenAi | Profile::Vllm) {
        let usage = if wanted.by_tokens { tokens(heard) } else { json!({"type": "duration", "seconds": heard.seconds.ceil()}) };
        put(&mut body, "usage", usage);
    }
    body
}

fn tokens(heard: &Heard) -> Value {
    let (input, output) = ((heard.seconds * 10.0).ceil(), heard.words.len());
    json!({"type": "tokens", "input_tokens": input, "input_token_details": {"text_tokens": 0, "audio_tokens": input},
           "output_tokens": output, "total_tokens": input + f64::from(u32::try_from(output).unwrap_or(0))})
}

fn put(body: &mut Value, name: &str, value: Value) {
    if let Some(object) = body.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

fn verbose(wanted: &Wanted<'_>, heard: &Heard, text: &str) -> Value {
    let profile = wanted.profile;
    let segments: Vec<Value> = (0..).zip(turns(&heard.words)).map(|(id, turn)| segment(wanted, id, turn)).collect();
    let mut body = json!({"task": "transcribe", "language": wanted.language, "text": text});
    put(&mut body, "duration", if profile == Profile::Vllm { json!(format!("{:.2}", heard.seconds)) } else { json!(heard.seconds) });
    if wanted.segments || profile != Profile::OpenAi {
        put(&mut body, "segments", Value::Array(segments));
    }
    let words = |key: &str| heard.words.iter().map(|word| json!({key: word.text, "start": word.start, "end": word.end})).collect::<Value>();
    match profile {
        Profile::OpenAi if wanted.words => put(&mut body, "words", words("word")),
        Profile::LocalAi if wanted.words => put(&mut body, "words", words("text")),
        Profile::Speaches => put(&mut body, "words", if wanted.words { words("word") } else { Value::Null }),
        Profile::Vllm => put(&mut body, "words", Value::Null),
        Profile::OpenAi | Profile::LocalAi | Profile::WhisperCpp => {}
    }
    if profile == Profile::OpenAi {
        put(&mut body, "usage", json!({"type": "duration", "seconds": heard.seconds.ceil()}));
    }
    if profile == Profile::WhisperCpp {
        put(&mut body, "detected_language", json!(wanted.language));
        put(&mut body, "detected_language_probability", json!(0.99));
        put(&mut body, "language_probabilities", json!({"en": 0.99, "de": 0.004}));
    }
    body
}

/// Words that belong together: one channel, no long pause.
fn turns(words: &[Word]) -> impl Iterator<Item = &[Word]> {
    words.chunk_by(|a, b| a.channel == b.channel && a.end.zip(b.start).is_none_or(|(end, start)| (start - end).abs() < TURN))
}

fn joined(turn: &[Word]) -> String {
    turn.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

fn bounds(turn: &[Word]) -> (Option<f64>, Option<f64>) {
    (turn.first().and_then(|word| word.start), turn.last().and_then(|word| word.end))
}

fn segment(wanted: &Wanted<'_>, id: usize, turn: &[Word]) -> Value {
    let (start, end) = bounds(turn);
    let mut segment = Map::new();
    let mut put = |name: &str, value: Value| segment.insert(name.to_owned(), value);
    put("id", json!(id));
    put("start", json!(start));
    put("end", json!(end));
    put("text", json!(format!(" {}", joined(turn))));
    put("tokens", (50_364..).take(turn.len() + 2).collect());
    if wanted.profile == Profile::LocalAi {
        return Value::Object(segment);
    }
    let (logprob, compression, silence) = if wanted.invented { (-1.4, 8.0, 0.9) } else { (-0.25, 1.2, 0.01) };
    put("temperature", json!(0.0));
    put("avg_logprob", json!(logprob));
    put("no_speech_prob", if wanted.profile == Profile::Vllm { Value::Null } else { json!(silence) });
    if wanted.profile == Profile::WhisperCpp {
        let nested = |word: &Word| json!({"word": format!(" {}", word.text), "start": word.start, "end": word.end, "t_dtw": -1, "probability": 0.88});
        put("words", turn.iter().map(nested).collect());
    } else {
        put("seek", json!(0));
        put("compression_ratio", json!(compression));
    }
    Value::Object(segment)
}

fn diarized(heard: &Heard) -> Value {
    let segments: Vec<Value> = turns(&heard.words)
        .enumerate()
        .map(|(number, turn)| {
            let (start, end) = bounds(turn);
            let speaker = turn.first().map_or("A", |word| if word.channel == 0 { "A" } else { "B" });
            json!({"type": "transcript.text.segment", "id": format!("seg_{:03}", number + 1), "start": start, "end": end,
                   "text": joined(turn), "speaker": speaker})
        })
        .collect();
    json!({"task": "transcribe", "duration": heard.seconds, "text": heard.text(), "segments": segments,
           "usage": {"type": "duration", "seconds": heard.seconds.ceil()}})
}

fn subtitles(heard: &Heard, point: char, numbered: bool) -> String {
    let stamp = |time: Option<f64>| {
        let time = time.unwrap_or(0.0).max(0.0);
        let (minutes, seconds) = ((time / 60.0).floor(), time % 60.0);
        let text = format!("{:02}:{:02}:{seconds:06.3}", (minutes / 60.0).floor(), minutes % 60.0);
        text.replace('.', &point.to_string())
    };
    let entries = turns(&heard.words).enumerate().map(|(number, turn)| {
        let (start, end) = bounds(turn);
        let head = if numbered { format!("{}\n", number + 1) } else { String::new() };
        format!("{head}{} --> {}\n{}\n\n", stamp(start), stamp(end), joined(turn))
    });
    entries.collect()
}

/// The answer as server-sent events.
pub(super) fn stream(heard: &Heard, done: bool) -> Response {
    let mut body = String::new();
    let mut event = |value: Value| body.push_str(&format!("data: {value}\n\n"));
    for word in &heard.words {
        event(json!({"type": "transcript.text.delta", "delta": format!(" {}", word.text)}));
    }
    if done {
        event(json!({"type": "transcript.text.done", "text": heard.text(), "usage": tokens(heard)}));
    }
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}
