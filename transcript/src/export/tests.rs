//! The forms as their readers get them.

use chrono::{TimeZone, Utc};
use proptest::prelude::*;

use super::*;
use crate::document::{CallOfDocument, OnChannel, Word};

fn word(text: &str, start: f64, end: f64) -> Word {
    Word { text: text.to_owned(), start, end, confidence: None, speaker: None }
}

fn turn(speaker: Option<&str>, start: f64, end: f64, text: &str) -> Turn {
    Turn { speaker: speaker.map(str::to_owned), start: Some(start), end: Some(end), text: text.to_owned(), ..Turn::default() }
}

/// A short call with what is awkward: quotes, angle brackets, a formula, words of their own spelling, overlap.
fn call() -> Document {
    let words = [("good", 0.0, 0.3), ("morning", 0.35, 0.8), ("acme", 0.9, 1.2), ("and", 1.2, 1.3), ("sons", 1.3, 1.8)];
    let greeting = Turn {
        channel: Some(0),
        words: words.map(|(text, start, end)| word(text, start, end)).to_vec(),
        ..turn(Some("agent"), 0.0, 1.8, "Good morning, Acme & Sons.")
    };
    let long = "I would like to know why the order that I placed with you three weeks ago has not been sent although it was paid";
    let started_at = Utc.with_ymd_and_hms(2026, 11, 2, 9, 30, 0).unwrap();
    Document {
        call: Some(CallOfDocument { session_id: "s-1".into(), source: "webex".into(), leg: "main".into(), started_at }),
        language: Some("en".into()),
        speakers: vec![OnChannel { speaker: "agent".into(), channel: Some(0) }],
        turns: vec![greeting, turn(Some("customer"), 1.5, 10.5, long), turn(None, 10.5, 10.5, "=1+1, \"he\" said <b> --> so")],
        ..Document::new("whisper", "whisper-1", 12.0)
    }
}

fn origin() -> Origin {
    Origin {
        agent: Some("Ann Other".into()),
        agent_number: Some("+15550100".into()),
        customer_number: Some("+15550199".into()),
        recording: Some("s3://calls/2026/s-1.wav".into()),
    }
}

fn exported(format: Format) -> String {
    format.head().to_owned() + &export(&call(), &origin(), format).unwrap()
}

#[test]
fn subtitles_read_like_this() {
    insta::assert_snapshot!("srt", exported(Format::Srt));
    insta::assert_snapshot!("vtt", exported(Format::Vtt));
}

#[test]
fn texts_and_tables_read_like_this() {
    insta::assert_snapshot!("txt", exported(Format::Txt));
    insta::assert_snapshot!("csv", exported(Format::Csv));
    insta::assert_snapshot!("jsonl", exported(Format::Jsonl));
}

#[test]
fn a_vcon_holds_parties_recording_and_transcript() {
    let vcon: serde_json::Value = serde_json::from_str(&exported(Format::Vcon)).unwrap();
    insta::assert_json_snapshot!("vcon", vcon);
    assert_eq!(exported(Format::Vcon), exported(Format::Vcon), "the same call has the same id");
}

#[test]
fn json_reads_back_as_the_document() {
    let json = serde_json::from_str(&exported(Format::Json)).unwrap();
    assert_eq!(crate::read(&json).unwrap(), call());
}

#[test]
fn subtitles_of_a_transcript_without_times_are_refused() {
    let untimed = Document { turns: vec![Turn { text: "Hello.".into(), ..Turn::default() }], ..call() };
    for format in [Format::Srt, Format::Vtt] {
        let error = export(&untimed, &origin(), format).unwrap_err().to_string();
        assert!(error.contains(format.as_str()) && error.contains("no"), "{error}");
    }
    assert_eq!(export(&untimed, &origin(), Format::Txt).unwrap(), "Hello.\n");
}

#[test]
fn every_format_is_read_by_its_name() {
    for format in Format::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    assert!("docx".parse::<Format>().unwrap_err().to_string().contains("`docx`"));
}

/// Start, end in milliseconds and lines of every cue of a SubRip file.
fn cues_of(srt: &str) -> Vec<(u64, u64, Vec<&str>)> {
    let millis = |text: &str| {
        let parts: Vec<u64> = text.split([':', ',']).map(|part| part.parse().unwrap()).collect();
        ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1_000 + parts[3]
    };
    srt.split_terminator("\n\n")
        .map(|block| {
            let mut lines = block.lines().skip(1);
            let (start, end) = lines.next().unwrap().split_once(" --> ").unwrap();
            (millis(start), millis(end), lines.collect())
        })
        .collect()
}

/// Turns of one speaker's words one after another, punctuated.
fn talk() -> impl Strategy<Value = Vec<Turn>> {
    let said = (prop::sample::select(vec!["yes", "refund", "antidisestablishmentarianism", "a", "Zürich", "000111"]), 0_u32..30, 0_u32..90);
    let one = (prop::collection::vec(said, 1..30), any::<bool>(), any::<bool>());
    prop::collection::vec(one, 1..6).prop_map(|turns| {
        let mut at = 0.0;
        turns
            .into_iter()
            .map(|(said, agent, timed)| {
                let words: Vec<Word> = said
                    .iter()
                    .map(|(text, gap, length)| {
                        let start = at + f64::from(*gap) / 10.0;
                        at = start + f64::from(*length) / 10.0;
                        word(text, start, at)
                    })
                    .collect();
                let text: Vec<String> = said.iter().map(|(text, ..)| format!("{text},")).collect();
                let speaker = if agent { "agent" } else { "customer" };
                let turn = turn(Some(speaker), words[0].start, at, &text.join(" "));
                Turn { words: if timed { words } else { Vec::new() }, ..turn }
            })
            .collect()
    })
}

/// The fields of a table's one row, as RFC 4180 reads them.
fn fields_of(row: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    let mut characters = row.strip_suffix("\r\n").unwrap().chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => fields.last_mut().unwrap().push(characters.next().unwrap()),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields.last_mut().unwrap().push(character),
        }
    }
    assert!(!quoted, "{row}");
    fields
}

proptest! {
    #[test]
    fn cues_are_in_order_short_and_hold_every_word(turns in talk()) {
        let document = Document { turns, ..call() };
        let srt = export(&document, &origin(), Format::Srt).unwrap();
        let cues = cues_of(&srt);
        prop_assert!(cues.is_sorted_by_key(|(start, ..)| *start));
        let mut shown: Vec<String> = Vec::new();
        for (start, end, lines) in &cues {
            prop_assert!(start <= end && end - start <= 7_000, "{start} {end}");
            prop_assert!(lines.len() <= 2 && lines.iter().all(|line| line.chars().count() <= 42), "{lines:?}");
            shown.extend(lines.iter().flat_map(|line| line.split_whitespace()).filter(|word| !word.ends_with(':')).map(str::to_owned));
        }
        let mut said: Vec<String> = document.turns.iter().flat_map(|turn| turn.text.split_whitespace()).map(str::to_owned).collect();
        said.sort();
        shown.sort();
        prop_assert_eq!(said, shown);
    }

    #[test]
    fn no_field_of_a_table_begins_like_a_formula(text in "[ =+\\-@a,\"\n\t]{0,12}") {
        let document = Document { turns: vec![turn(Some(&text), 0.0, 1.0, &text)], ..call() };
        let fields = fields_of(&export(&document, &origin(), Format::Csv).unwrap());
        prop_assert_eq!(fields.len(), Format::Csv.head().split(',').count());
        for (at, field) in fields.iter().enumerate() {
            prop_assert!(!field.trim_start_matches(' ').starts_with(['=', '+', '-', '@', '\t', '\n']), "{:?}", field);
            prop_assert!(![4, 11].contains(&at) || field.strip_prefix('\'').unwrap_or(field) == text, "{:?}", field);
        }
    }
}
