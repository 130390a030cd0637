//! A corpus of calls with known scripts: what comes out is compared with the script word by word, and every way of cutting and joining is
//! held against the one that is used.

use std::{collections::HashMap, time::Duration};

use callscribe::audio::{
    Asked, Channel, Cutting, Examined, Form, Interval, Joining, Limits, Piece, TimedWord, Trim, examine, plan, stitch_by,
};
use callscribe_simulators::speech::{DataSize, Layout, Rate, Recording, Said, Shape};

use super::{
    desk::{call, desk_with, truth, words_of},
    openai,
};

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

/// A word of the script, as whoever hears all of it would tell it.
#[derive(Debug, Clone)]
struct Heard(Said);

impl TimedWord for Heard {
    fn text(&self) -> &str {
        &self.0.word
    }

    fn span(&self) -> Interval {
        Interval { start: self.0.start, end: self.0.end }
    }
}

/// The words that lie wholly within a piece.
fn heard_in(piece: &Piece, words: &[Said]) -> Vec<Heard> {
    let Channel::One(channel) = piece.channel else { panic!("sides are apart") };
    let within = |said: &&Said| {
        usize::from(said.channel) == channel
            && piece.spans.iter().any(|span| said.start >= span.start - 1e-6 && said.end <= span.end + 1e-6)
    };
    words.iter().filter(within).cloned().map(Heard).collect()
}

/// Boundaries between pieces, and words lost and doubled at them.
fn losses(examined: &Examined, words: &[Said], (cutting, joining): (Cutting, Joining)) -> (usize, usize, usize) {
    let asked = Asked { max_seconds: Some(130.0), max_bytes: None, form: Form::Wav, trim: Some(Trim::default()), separate: true, cutting };
    let pieces = plan(examined, &asked);
    let mut told: HashMap<(u8, u64), usize> = HashMap::new();
    for channel in [0, 1] {
        let own: Vec<_> = pieces.iter().filter(|piece| piece.channel == Channel::One(channel)).collect();
        let parts = own.iter().map(|piece| ((*piece).clone(), heard_in(piece, words))).collect();
        for Heard(said) in stitch_by(joining, parts) {
            *told.entry((said.channel, said.start.to_bits())).or_default() += 1;
        }
    }
    let lost = words.iter().filter(|said| !told.contains_key(&(said.channel, said.start.to_bits()))).count();
    (pieces.len() - 2, lost, told.values().map(|times| times - 1).sum())
}

#[test]
fn the_way_we_cut_and_join_loses_and_doubles_nothing_and_others_do() {
    let recording: Recording = call(80, 3_600, Shape::ULAW);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.wav");
    std::fs::write(&path, recording.read(0, usize::MAX / 2)).unwrap();
    let (examined, words) = (examine(&path, &Limits::default()).unwrap(), recording.words());
    let ways = [
        ("cut at pauses (what we do)", (Cutting::AtPauses, Joining::CommonRun)),
        ("cut at the limit", (Cutting::Hard, Joining::Plain)),
        ("overlap, one after the other", (Cutting::Overlapping, Joining::Plain)),
        ("overlap, joined in the middle", (Cutting::Overlapping, Joining::Middle)),
        ("overlap, joined in a common run", (Cutting::Overlapping, Joining::CommonRun)),
    ];
    let counted = ways.map(|(name, way)| (name, losses(&examined, &words, way)));
    println!("{:<34} {:>10} {:>6} {:>8}", "way", "boundaries", "lost", "doubled");
    for (name, (boundaries, lost, doubled)) in counted {
        println!("{name:<34} {boundaries:>10} {lost:>6} {doubled:>8}");
    }
    let [(_, ours), (_, hard), (_, plain), ..] = counted;
    assert!(ours.0 > 10, "{ours:?}");
    assert_eq!((ours.1, ours.2), (0, 0), "lost and doubled");
    assert!(hard.1 > 0 && plain.2 > 0, "a corpus that shows nothing: {hard:?} {plain:?}");
}
