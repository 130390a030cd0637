//! Pieces of a recording as files of their own, and copies of it with stretches muted: one pass over the recording writes all.
//!
//! What does not live here: which pieces there are (`plan`).

mod opus;
mod pick;
mod resample;
mod sink;

use std::path::{Path, PathBuf};

use crate::{
    Examined, Form, Interval, Limits, Piece, SoundError,
    decode::{self, Decode, Step},
    examine::{float, walled},
};
use opus::OpusSink;
use pick::Pick;
pub(crate) use pick::sample_at;
use resample::Resampled;
use sink::{Hashed, WavSink};

/// A file that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct CutPiece {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its playing time.
    pub seconds: f64,
    /// SHA-256 of its bytes, in hexadecimal. The same piece of the same recording always has the same.
    pub sha256: String,
}

/// Where the samples of one piece go.
enum Outlet {
    Wav(WavSink),
    Opus(Box<OpusSink>),
}

/// A piece on its way.
struct Job {
    /// First sample and first sample after, of each span.
    spans: Vec<(u64, u64)>,
    next: usize,
    pick: Pick,
    path: PathBuf,
    form: Form,
    rate: u32,
    outlet: Option<(Outlet, Option<Resampled>)>,
    done: Option<CutPiece>,
}

/// Writes each of `pieces` to a file in `dir`, in their order. It blocks, as long as the look at the recording took, and for
/// Opus ten seconds per hour more.
///
/// Memory holds one block of samples, and an encoder for each piece that is under way. Nobody may change the file in between:
/// `Changed` says that somebody did.
pub fn cut(path: &Path, examined: &Examined, pieces: &[Piece], form: Form, dir: &Path) -> Result<Vec<CutPiece>, SoundError> {
    walled("the cutting", || {
        let mut source = open_again(path, examined)?;
        let jobs = pieces.iter().enumerate();
        let mut jobs: Vec<Job> = jobs.map(|(number, piece)| Job::new(examined, piece, form, dir, number)).collect();
        let mut scratch = Vec::new();
        each_block(source.as_mut(), examined, |block, at, end| jobs.iter_mut().try_for_each(|job| job.take(block, at, end, &mut scratch)))?;
        jobs.into_iter().map(Job::finish).collect()
    })
}

/// Writes a copy of the recording, all channels, as 16-bit WAV at its own rate, with silence in `muted`: the stretches of each
/// channel, in any order. Channels without a list are copied as they are.
pub fn mute(path: &Path, examined: &Examined, muted: &[Vec<Interval>], out: &Path) -> Result<CutPiece, SoundError> {
    walled("the muting", || {
        let mut source = open_again(path, examined)?;
        let channels = examined.channels.len().max(1);
        let stretches: Vec<Vec<(u64, u64)>> = muted.iter().map(|stretches| samples_of(examined, stretches)).collect();
        let count = u16::try_from(channels).unwrap_or(u16::MAX);
        let mut sink = WavSink::create(out, examined.sample_rate_hz, count, examined.samples)?;
        let mut copy = Vec::new();
        each_block(source.as_mut(), examined, |block, at, end| {
            copy.clear();
            copy.extend_from_slice(block);
            for (channel, stretches) in stretches.iter().enumerate().take(channels) {
                for (start, stop) in stretches.iter().filter(|(start, stop)| *start < end && *stop > at) {
                    let (first, last) = (start.saturating_sub(at), stop.min(&end) - at);
                    let (first, last) = (usize::try_from(first).unwrap_or(0), usize::try_from(last).unwrap_or(0));
                    let span = copy.get_mut(first * channels..last * channels).unwrap_or_default();
                    span.iter_mut().skip(channel).step_by(channels).for_each(|sample| *sample = 0);
                }
            }
            sink.write(&copy)
        })?;
        sink.finish(examined.sample_rate_hz, examined.samples)
    })
}

/// The samples that lie in stretches of time, a part of a sample included.
fn samples_of(examined: &Examined, stretches: &[Interval]) -> Vec<(u64, u64)> {
    let rate = examined.sample_rate_hz;
    // away from the middle: what is redacted must be gone whole
    let outward =
        |stretch: &Interval| (sample_at((stretch.start * f64::from(rate)).floor()), sample_at((stretch.end * f64::from(rate)).ceil()));
    stretches.iter().map(outward).map(|(start, end)| (start, end.min(examined.samples))).filter(|(start, end)| start < end).collect()
}

fn open_again(path: &Path, examined: &Examined) -> Result<Box<dyn Decode>, SoundError> {
    let limits = Limits { most_channels: u16::MAX, ..Limits::default() };
    let source = decode::open(path, &limits)?;
    let spec = source.spec();
    let is_same = spec.format == examined.format
        && spec.sample_rate_hz == examined.sample_rate_hz
        && usize::from(spec.channels) == examined.channels.len();
    if is_same { Ok(source) } else { Err(SoundError::Changed { what: "its format is another".to_owned() }) }
}

/// Decodes all of it; `take` gets each block with the numbers of its first sample and of the first after it.
fn each_block(
    source: &mut dyn Decode,
    examined: &Examined,
    mut take: impl FnMut(&[i16], u64, u64) -> Result<(), SoundError>,
) -> Result<(), SoundError> {
    let channels = examined.channels.len().max(1);
    let (mut block, mut at) = (Vec::new(), 0_u64);
    while source.next(&mut block)? != Step::End {
        let end = at.saturating_add(u64::try_from(block.len() / channels).unwrap_or(u64::MAX));
        take(&block, at, end)?;
        at = end;
        if at > examined.samples {
            break;
        }
    }
    if at == examined.samples {
        return Ok(());
    }
    Err(SoundError::Changed { what: format!("it has {at} samples, {} were there", examined.samples) })
}

impl Job {
    fn new(examined: &Examined, piece: &Piece, form: Form, dir: &Path, number: usize) -> Self {
        let rate = examined.sample_rate_hz;
        let exactly = |at: f64| sample_at((at * f64::from(rate)).round()).min(examined.samples);
        let spans = piece.spans.iter().map(|span| (exactly(span.start), exactly(span.end))).filter(|(start, end)| start < end).collect();
        let path = dir.join(format!("piece-{number:04}.{}", form.extension()));
        Self { spans, next: 0, pick: Pick::new(examined, piece.channel), path, form, rate, outlet: None, done: None }
    }

    fn samples(&self) -> u64 {
        self.spans.iter().map(|(start, end)| end - start).sum()
    }

    /// Takes what of a block belongs to the piece.
    fn take(&mut self, block: &[i16], at: u64, end: u64, scratch: &mut Vec<i16>) -> Result<(), SoundError> {
        while let Some((start, stop)) = self.spans.get(self.next).copied() {
            if start >= end {
                return Ok(());
            }
            let place = |sample: u64| usize::try_from(sample.saturating_sub(at)).unwrap_or(usize::MAX);
            self.pick.take(block, place(start.max(at)), place(stop.min(end)), scratch);
            self.write(scratch)?;
            if stop > end {
                return Ok(());
            }
            self.next += 1;
        }
        if self.done.is_none() { self.close() } else { Ok(()) }
    }

    fn write(&mut self, samples: &[i16]) -> Result<(), SoundError> {
        if self.outlet.is_none() {
            self.outlet = Some(self.open()?);
        }
        match &mut self.outlet {
            Some((outlet, Some(resampled))) => resampled.push(samples, |samples| outlet.write(samples)),
            Some((outlet, None)) => outlet.write(samples),
            None => Ok(()),
        }
    }

    /// The file is made when the first of its samples comes.
    fn open(&self) -> Result<(Outlet, Option<Resampled>), SoundError> {
        let rate = self.form.rate_for(self.rate);
        let resampled = if rate == self.rate { None } else { Some(Resampled::new(self.rate, rate, self.samples())?) };
        let samples = resampled.as_ref().map_or_else(|| self.samples(), Resampled::samples);
        let outlet = match self.form {
            Form::Wav | Form::Wav16k => Outlet::Wav(WavSink::create(&self.path, rate, 1, samples)?),
            Form::Opus => Outlet::Opus(Box::new(OpusSink::create(&self.path, rate)?)),
        };
        Ok((outlet, resampled))
    }

    fn close(&mut self) -> Result<(), SoundError> {
        if self.outlet.is_none() {
            self.outlet = Some(self.open()?);
        }
        let Some((mut outlet, resampled)) = self.outlet.take() else { return Ok(()) };
        let rate = self.form.rate_for(self.rate);
        let samples = resampled.as_ref().map_or_else(|| self.samples(), Resampled::samples);
        if let Some(mut resampled) = resampled {
            resampled.finish(|samples| outlet.write(samples))?;
        }
        self.done = Some(match outlet {
            Outlet::Wav(sink) => sink.finish(rate, samples)?,
            Outlet::Opus(sink) => sink.finish(samples)?,
        });
        Ok(())
    }

    fn finish(mut self) -> Result<CutPiece, SoundError> {
        if self.done.is_none() {
            self.close()?;
        }
        self.done.ok_or(SoundError::Internal { what: "the cutting" })
    }
}

impl Outlet {
    fn write(&mut self, samples: &[i16]) -> Result<(), SoundError> {
        match self {
            Self::Wav(sink) => sink.write(samples),
            Self::Opus(sink) => sink.write(samples),
        }
    }
}

/// What is told of a file when its last byte is written.
fn told(file: Hashed, rate: u32, samples: u64) -> Result<CutPiece, SoundError> {
    let (path, bytes, sha256) = file.finish()?;
    Ok(CutPiece { path, bytes, seconds: float(samples) / f64::from(rate.max(1)), sha256 })
}

#[cfg(test)]
mod tests;
