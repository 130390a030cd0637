//! A corpus of calls with known scripts: what comes out is compared with the script word by word, and every way of cutting and joining is
//! held against the one that is used, on what the simulator hears in each piece.

use std::{fs, path::Path, sync::Arc, time::Duration};

use callscribe::{
    audio::{
        Asked, Channel, Cutting, Examined, Form, Interval, Joining, Limits, Piece, TimedWord, Timeline, Trim, cut, examine, plan, stitch_by,
    },
    transcript::Document,
};
use callscribe_simulators::{
    engine,
    speech::{DataSize, Layout, Length, Manner, Rate, Recording, Said, Script, Shape, Speaker},
};

use super::{
    desk::{call, desk_with, spoken, truth, words_of},
    openai,
};

/// What a telephone line hisses and hums at its worst.
const NOISY_LINE_DBFS: i8 = -48;
/// A word may be told so much sooner or later than it is said.
const TOLERANCE_SECONDS: f64 = 0.1;

/// A call of people who talk in this manner, over a quiet line or a noisy one.
fn call_in(manner: Manner, number: u64, seconds: u64, shape: Shape, is_noisy: bool) -> Recording {
    let script = Script::in_manner(7, number, Length::Spoken(Duration::from_secs(seconds)), manner);
    let recording = Recording::new(Arc::new(script), shape);
    if is_noisy { recording.over_noisy_line(NOISY_LINE_DBFS, number) } else { recording }
}

/// Each side word by word at its times, and both in the order in which they were said.
fn assert_is_the_script(document: &Document, recording: &Recording) {
    let (told, said) = (spoken(document), recording.words());
    for channel in [0, 1] {
        let told: Vec<_> = told.iter().filter(|(on, _)| on.unwrap_or(0) == channel).map(|(_, word)| word).collect();
        let said: Vec<_> = said.iter().filter(|word| word.channel == channel).collect();
        let wrong = told.iter().zip(&said).find(|(told, said)| told.text != said.word);
        assert_eq!(wrong, None, "channel {channel} of {:?}", recording.shape());
        assert_eq!(told.len(), said.len(), "words of channel {channel} of {:?}", recording.shape());
        let off = |at: f64, other: f64| (at - other).abs() > TOLERANCE_SECONDS;
        let late = told.iter().zip(&said).find(|(told, said)| off(told.start, said.start) || off(told.end, said.end));
        assert_eq!(late, None, "channel {channel} of {:?}", recording.shape());
    }
    assert!(document.turns.is_sorted_by(|one, other| one.start <= other.start), "turns out of order in {:?}", recording.shape());
}

#[tokio::test]
async fn every_call_of_the_corpus_comes_out_word_by_word() {
    let corpus = [
        (1, Shape::ULAW),
        (7, Shape { layout: Layout::Mono, ..Shape::ALAW }),
        (45, Shape { layout: Layout::Swapped, rate: Rate::Hz16000, ..Shape::PCM }),
        (130, Shape { layout: Layout::DualMono, data_size: DataSize::Max, ..Shape::ULAW }),
        (1_800, Shape { extensible: true, data_size: DataSize::Zero, ..Shape::ULAW }),
    ];
    let desk = desk_with(openai(), |settings| settings.max_duration = Some(Duration::from_mins(10))).await;
    for (number, (seconds, shape)) in (70..).zip(corpus) {
        let recording = call(number, seconds, shape);
        let waiting = desk.put(&recording).await;
        desk.complete().await;
        let document = desk.row(&waiting).await.document();
        assert_eq!(words_of(&document), truth(&recording), "{seconds} s of {shape:?}");
    }
}

#[tokio::test]
async fn two_hours_of_noise_interruptions_and_holds_come_out_word_by_word() {
    let desk = desk_with(openai(), |settings| settings.max_duration = Some(Duration::from_mins(10))).await;
    let manner = Manner { interrupting_percent: 30, holding_percent: 4, ..Manner::default() };
    let recording = call_in(manner, 90, 7_200, Shape::ULAW, true);
    let waiting = desk.put(&recording).await;
    desk.complete().await;
    let document = desk.row(&waiting).await.document();
    assert_is_the_script(&document, &recording);
    assert!(desk.asked() > 10, "both sides are cut: {} requests", desk.asked());
    // half an hour of holds at the least, on both sides
    let trimmed = desk.count("SELECT sum(trimmed_seconds)::bigint AS count FROM transcription_costs").await;
    assert!(trimmed > 3_600, "{trimmed} s of silence were left out");
}

#[tokio::test]
async fn noise_holds_and_one_silent_side_come_out_word_by_word_in_every_layout() {
    let layout = |layout| Shape { layout, ..Shape::ULAW };
    let alone = |speaker| Manner { alone: Some(speaker), ..Manner::default() };
    // with the requests that each is worth: one for each side on which somebody speaks
    let corpus = [
        (Manner::INTERRUPTING, layout(Layout::Swapped), true, 2),
        (Manner::HOLDING, layout(Layout::DualMono), true, 1),
        (Manner::HOLDING, layout(Layout::Mono), true, 1),
        (alone(Speaker::Agent), layout(Layout::Stereo), false, 1),
        (alone(Speaker::Customer), layout(Layout::Stereo), true, 1),
        (Manner::MONOLOGUE, layout(Layout::Swapped), true, 1),
    ];
    let desk = desk_with(openai(), |_| ()).await;
    for (number, (manner, shape, is_noisy, requests)) in (91..).zip(corpus) {
        let recording = call_in(manner, number, 400, shape, is_noisy);
        let before = desk.asked();
        let waiting = desk.put(&recording).await;
        desk.complete().await;
        assert_is_the_script(&desk.row(&waiting).await.document(), &recording);
        assert_eq!(desk.asked() - before, requests, "{manner:?} {shape:?}");
    }
}

/// A word as it was heard in a piece, at its time in the call.
#[derive(Debug, Clone)]
struct Heard {
    text: String,
    span: Interval,
}

impl TimedWord for Heard {
    fn text(&self) -> &str {
        &self.text
    }

    fn span(&self) -> Interval {
        self.span
    }
}

/// Boundaries between pieces, how many of them two pieces overlap at, and in the whole words lost, doubled, and told without a soft beginning
/// or end.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    boundaries: u32,
    overlapping: u32,
    lost: u32,
    doubled: u32,
    clipped: u32,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.boundaries += other.boundaries;
        self.overlapping += other.overlapping;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.clipped += other.clipped;
    }

    fn row(&self) -> String {
        let each = |count: u32| f64::from(count) / f64::from(self.boundaries.max(1));
        format!(
            "{:>10} {:>8} {:>8} {:>6} {:>8} {:>8} {:>14.3} {:>17.3}",
            self.boundaries,
            self.boundaries - self.overlapping,
            self.overlapping,
            self.lost,
            self.doubled,
            self.clipped,
            each(self.lost),
            each(self.doubled)
        )
    }
}

/// The pieces of a recording with what the simulator hears in each, from its bytes alone.
fn heard_in_pieces(path: &Path, examined: &Examined, max_seconds: f64, cutting: Cutting) -> Vec<(Piece, Vec<Heard>)> {
    let (max_seconds, trim) = (Some(max_seconds), Some(Trim::default()));
    let pieces = plan(examined, &Asked { max_seconds, max_bytes: None, form: Form::Wav, trim, separate: true, cutting });
    let folder = tempfile::tempdir().unwrap();
    let files = cut(path, examined, &pieces, Form::Wav, folder.path()).unwrap();
    let heard = pieces.into_iter().zip(files).map(|(piece, file)| {
        let timeline = Timeline::of(&piece);
        let words = engine::heard(&fs::read(&file.path).unwrap()).unwrap().into_iter();
        let placed = words.map(|word| Heard { text: word.text, span: timeline.place_word(Interval { start: word.start, end: word.end }) });
        let placed = placed.collect();
        (piece, placed)
    });
    heard.collect()
}

/// What a way of joining makes of them, held against the script.
fn tally(parts: &[(Piece, Vec<Heard>)], words: &[Said], joining: Joining) -> Tally {
    let mut tally = Tally::default();
    for channel in [0, 1] {
        let own: Vec<_> = parts.iter().filter(|(piece, _)| piece.channel == Channel::One(usize::from(channel))).cloned().collect();
        tally.boundaries += u32::try_from(own.len().saturating_sub(1)).unwrap();
        tally.overlapping += u32::try_from(own.iter().filter(|(piece, _)| piece.overlap_seconds > 0.0).count()).unwrap();
        let mut said: Vec<(&Said, u32)> = words.iter().filter(|said| said.channel == channel).map(|said| (said, 0)).collect();
        for told in stitch_by(joining, own) {
            let near = said.partition_point(|(said, _)| said.end < told.span.start - TOLERANCE_SECONDS);
            let off = |said: &Said| ((said.start - told.span.start).abs(), (said.end - told.span.end).abs());
            // a word whose soft beginning or end is in the other piece is a word all the same
            let is_meant = |said: &Said| said.word == told.text && off(said).0.min(off(said).1) <= TOLERANCE_SECONDS;
            let meant = said.iter_mut().skip(near).take(4).find(|(said, _)| is_meant(said));
            let (said, times) = meant.unwrap_or_else(|| panic!("nobody says {told:?}"));
            tally.clipped += u32::from(off(said).0.max(off(said).1) > TOLERANCE_SECONDS);
            *times += 1;
        }
        tally.lost += u32::try_from(said.iter().filter(|(_, times)| *times == 0).count()).unwrap();
        tally.doubled += said.iter().map(|(_, times)| times.saturating_sub(1)).sum::<u32>();
    }
    tally
}

const WAYS: [(&str, Cutting, Joining); 5] = [
    ("cut at pauses (what we do)", Cutting::AtPauses, Joining::CommonRun),
    ("cut at the limit", Cutting::Hard, Joining::Plain),
    ("overlap, one after the other", Cutting::Overlapping, Joining::Plain),
    ("overlap, joined in the middle", Cutting::Overlapping, Joining::Middle),
    ("overlap, joined in a common run", Cutting::Overlapping, Joining::CommonRun),
];

/// Every way, on one call and one limit.
fn tallies(path: &Path, examined: &Examined, words: &[Said], max_seconds: f64) -> [Tally; WAYS.len()] {
    let [pauses, hard, overlapping] =
        [Cutting::AtPauses, Cutting::Hard, Cutting::Overlapping].map(|cutting| heard_in_pieces(path, examined, max_seconds, cutting));
    WAYS.map(|(_, cutting, joining)| {
        let parts = match cutting {
            Cutting::AtPauses => &pauses,
            Cutting::Hard => &hard,
            Cutting::Overlapping => &overlapping,
        };
        tally(parts, words, joining)
    })
}

#[test]
fn the_way_we_cut_and_join_loses_and_doubles_nothing_and_others_do() {
    let calls = [
        ("a quiet line", Manner::default(), false),
        ("a noisy line", Manner::default(), true),
        ("interruptions, noisy", Manner::INTERRUPTING, true),
        ("holds, noisy", Manner::HOLDING, true),
        ("no pause at all", Manner::MONOLOGUE, false),
        ("no pause at all, noisy", Manner::MONOLOGUE, true),
    ];
    let header = format!(
        "{:>10} {:>8} {:>8} {:>6} {:>8} {:>8} {:>14} {:>17}",
        "boundaries", "apart", "overlaps", "lost", "doubled", "clipped", "lost/boundary", "doubled/boundary"
    );
    for max_seconds in [45.0, 130.0] {
        // where our pieces lie apart, the boundary is in a pause
        println!("\n{:<34} {header}", format!("what we do, limit of {max_seconds} s"));
        let mut all = [Tally::default(); WAYS.len()];
        for (number, (name, manner, is_noisy)) in (80..).zip(calls) {
            let recording = call_in(manner, number, 900, Shape::ULAW, is_noisy);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("call.wav");
            fs::write(&path, recording.read(0, usize::MAX / 2)).unwrap();
            let examined = examine(&path, &Limits::default()).unwrap();
            let tallies = tallies(&path, &examined, &recording.words(), max_seconds);
            all.iter_mut().zip(tallies).for_each(|(all, tally)| all.add(tally));
            let [ours, ..] = tallies;
            println!("{name:<34} {}", ours.row());
            let wrong = (ours.lost, ours.doubled, ours.clipped);
            assert_eq!(wrong, (0, 0, 0), "lost, doubled and clipped of {name} with a limit of {max_seconds} s");
            assert!(ours.boundaries > 2, "{name}: {ours:?}");
            assert!(manner != Manner::MONOLOGUE || ours.overlapping > 0, "nothing had to be joined in {name}: {ours:?}");
        }
        println!("\n{:<34} {header}", format!("all calls, limit of {max_seconds} s"));
        WAYS.iter().zip(&all).for_each(|((name, ..), tally)| println!("{name:<34} {}", tally.row()));
        let [ours, hard, plain, ..] = all;
        assert!(ours.boundaries - ours.overlapping > 10, "{ours:?}");
        assert!(hard.lost > 0 && plain.doubled > 0, "a corpus that shows nothing: {hard:?} {plain:?}");
    }
}
