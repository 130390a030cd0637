//! What AWS Transcribe writes into the bucket: times as text, punctuation as items without times.

use serde::Deserialize;

use crate::asr::order::{Told, ToldSegment, ToldWord};

/// Words this far apart, in seconds, belong to different stretches.
const PAUSE_SECONDS: f64 = 0.8;

/// The file of a job.
#[derive(Debug, Deserialize)]
pub(super) struct WireFile {
    results: Results,
}

#[derive(Debug, Deserialize)]
struct Results {
    transcripts: Vec<Transcript>,
    items: Vec<Item>,
    language_code: Option<String>,
    speaker_labels: Option<SpeakerLabels>,
}

#[derive(Debug, Deserialize)]
struct Transcript {
    transcript: String,
}

#[derive(Debug, Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: String,
    start_time: Option<String>,
    end_time: Option<String>,
    #[serde(default)]
    alternatives: Vec<Alternative>,
    speaker_label: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Alternative {
    content: String,
    confidence: Option<String>,
}

/// Who spoke when, as older answers tell it: beside the items, joined to them by their beginning.
#[derive(Debug, Deserialize)]
struct SpeakerLabels {
    #[serde(default)]
    segments: Vec<SpeakerSegment>,
}

#[derive(Debug, Deserialize)]
struct SpeakerSegment {
    #[serde(default)]
    items: Vec<SpeakerItem>,
}

#[derive(Debug, Deserialize)]
struct SpeakerItem {
    start_time: String,
    speaker_label: String,
}

/// Reads the file of a job.
pub(super) fn read(body: &[u8]) -> Result<Told, String> {
    let file: WireFile = serde_json::from_slice(body).map_err(|error| crate::asr::service::unreadable(&error, body.len()))?;
    let results = file.results;
    let labels: Vec<SpeakerItem> =
        results.speaker_labels.into_iter().flat_map(|labels| labels.segments).flat_map(|segment| segment.items).collect();
    let speaker_at =
        |start: Option<&str>| labels.iter().find(|item| Some(item.start_time.as_str()) == start).map(|item| item.speaker_label.clone());
    let mut words: Vec<ToldWord> = Vec::new();
    for item in results.items {
        let Some(best) = item.alternatives.into_iter().next() else { continue };
        match (item.kind.as_str(), words.last_mut()) {
            // it belongs to the word before it and has no time of its own
            ("punctuation", Some(word)) => word.text.push_str(&best.content),
            ("punctuation", None) => {}
            _ => words.push(ToldWord {
                text: best.content,
                start: seconds(item.start_time.as_deref()),
                end: seconds(item.end_time.as_deref()),
                confidence: seconds(best.confidence.as_deref()),
                speaker: item.speaker_label.or_else(|| speaker_at(item.start_time.as_deref())),
            }),
        }
    }
    let text = results.transcripts.into_iter().map(|each| each.transcript).collect::<Vec<_>>().join(" ");
    Ok(Told { text: Some(text), language: results.language_code, segments: stretches(&words), words, ..Told::default() })
}

/// `"4.86"`
fn seconds(text: Option<&str>) -> Option<f64> {
    text?.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

/// Parted at pauses, at other speakers, and where a sentence ends.
fn stretches(words: &[ToldWord]) -> Vec<ToldSegment> {
    let together = |one: &ToldWord, next: &ToldWord| {
        one.speaker == next.speaker
            && !one.text.ends_with(['.', '?', '!'])
            && one.end.zip(next.start).is_none_or(|(end, start)| start - end < PAUSE_SECONDS)
    };
    let segment = |words: &[ToldWord]| ToldSegment {
        text: words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "),
        start: words.first().and_then(|word| word.start),
        end: words.last().and_then(|word| word.end),
        speaker: words.first().and_then(|word| word.speaker.clone()),
        ..ToldSegment::default()
    };
    words.chunk_by(together).map(segment).collect()
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
