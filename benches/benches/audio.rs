//! A call of an hour made ready for a transcriber: `cargo bench -p callscribe-benches --bench audio`.
//!
//! Stereo µ-law, two people in turn: looked at, planned, and each side written to a file of its own, in every form. The baseline
//! of the same run is `ffmpeg` splitting and converting the same file, which neither looks for speech nor trims; it is left out
//! with a notice when it is not installed. Each conversion is a process of its own, so that its CPU time and peak memory are its own.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a terminal")]

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use callscribe::audio::{Asked, Cutting, Examined, Form, Limits, Timeline, Trim, cut, examine, plan};

const HOUR: u32 = 3600;
const RATE: u32 = 8000;
/// How often the memory of a process is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// What the kernel counts CPU time in, on every Linux that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["prepare", form, path, dir] => prepare(form_named(form)?, Path::new(path), Path::new(dir)),
        _ => measure(),
    }
}

fn form_named(name: &str) -> Result<Form> {
    Ok(match name {
        "wav" => Form::Wav,
        "wav16k" => Form::Wav16k,
        "opus" => Form::Opus,
        _ => bail!("`{name}` is no form"),
    })
}

fn asked(form: Form, trim: Option<Trim>) -> Asked {
    Asked { max_seconds: None, max_bytes: None, form, trim, separate: true, cutting: Cutting::default() }
}

/// What a worker does with a call before it asks anybody.
fn prepare(form: Form, path: &Path, dir: &Path) -> Result<()> {
    let examined = examine(path, &Limits::default())?;
    // nothing is trimmed, so that as much is written as the baseline writes
    let pieces = plan(&examined, &asked(form, None));
    ensure!(pieces.len() == 2, "both sides speak: {} pieces", pieces.len());
    cut(path, &examined, &pieces, form, dir)?;
    Ok(())
}

fn measure() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let call = written(dir.path(), "hour.wav", HOUR)?;
    let has_ffmpeg = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    if !has_ffmpeg {
        println!("`ffmpeg` is not installed: no baseline");
    }
    println!("{:<34} {:>8} {:>16} {:>13} {:>9}", "1 h, stereo µ-law, both sides", "CPU s", "h per CPU min", "peak RSS MiB", "of ffmpeg");
    for form in ["wav", "wav16k", "opus"] {
        let baseline = has_ffmpeg.then(|| run(&mut ffmpeg(form, &call, dir.path()))).transpose()?;
        let ours = run(&mut ourselves(form, &call, dir.path())?)?;
        let ratio = baseline.map_or_else(String::new, |baseline| format!("{:.2}", baseline.cpu_seconds / ours.cpu_seconds));
        tell(&format!("{form}: examined, planned, cut"), ours, &ratio);
        if let Some(baseline) = baseline {
            tell(&format!("{form}: ffmpeg"), baseline, "1");
        }
    }
    let (short, long) = (written(dir.path(), "short.wav", 180)?, written(dir.path(), "long.wav", 3 * HOUR)?);
    for form in ["wav16k", "opus"] {
        let [short, long] = [&short, &long].map(|path| run(&mut ourselves(form, path, dir.path())?));
        let (short, long) = (short?.peak_mib, long?.peak_mib);
        println!("{form}: peak memory of 3 min {short:.1} MiB, of 3 h {long:.1} MiB, {:.2} times as much", long / short);
    }
    saved(&call)
}

/// What trimming leaves unsent of such a call.
fn saved(call: &Path) -> Result<()> {
    let examined = examine(call, &Limits::default())?;
    let pieces = plan(&examined, &asked(Form::Wav, Some(Trim::default())));
    let sent: f64 = pieces.iter().map(|piece| Timeline::of(piece).seconds()).sum();
    println!("trimmed: {:.0} of {:.0} s are sent, {:.0} s of them speech", sent, examined.seconds() * 2.0, spoken(&examined));
    Ok(())
}

fn spoken(examined: &Examined) -> f64 {
    examined.channels.iter().map(|channel| channel.speech.seconds()).sum()
}

fn tell(what: &str, cost: Cost, ratio: &str) {
    println!("{what:<34} {:>8.2} {:>16.1} {:>13.1} {ratio:>9}", cost.cpu_seconds, 60.0 / cost.cpu_seconds, cost.peak_mib);
}

fn ourselves(form: &str, path: &Path, dir: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["prepare", form]).arg(path).arg(dir);
    Ok(command)
}

/// The same: each side to a file of its own.
fn ffmpeg(form: &str, path: &Path, dir: &Path) -> Command {
    let options: &[&str] = match form {
        "opus" => &["-ar", "8000", "-c:a", "libopus", "-b:a", "24k", "-application", "voip", "-compression_level", "5"],
        "wav16k" => &["-ar", "16000", "-c:a", "pcm_s16le"],
        _ => &["-c:a", "pcm_s16le"],
    };
    let extension = if form == "opus" { "ogg" } else { "wav" };
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y", "-threads", "1", "-i"]).arg(path);
    command.args(["-filter_complex", "[0:a]asplit[a][b];[a]pan=mono|c0=c0[l];[b]pan=mono|c0=c1[r]"]);
    for side in ["l", "r"] {
        command.args(["-map", &format!("[{side}]")]).args(options).arg(dir.join(format!("ffmpeg-{side}.{extension}")));
    }
    command
}

/// What a process took.
#[derive(Debug, Clone, Copy)]
struct Cost {
    cpu_seconds: f64,
    peak_mib: f64,
}

fn run(command: &mut Command) -> Result<Cost> {
    let before = cpu_of_children()?;
    let mut child = command.spawn().context("the conversion")?;
    let peak_mib = watch(&mut child)?;
    Ok(Cost { cpu_seconds: cpu_of_children()? - before, peak_mib })
}

/// Waits for its end, and looks at its memory meanwhile.
fn watch(child: &mut Child) -> Result<f64> {
    let mut peak = 0.0_f64;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        peak = peak.max(kib.unwrap_or(0.0) / 1024.0);
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "the conversion failed");
            return Ok(peak);
        }
        std::thread::park_timeout(LOOK);
    }
}

/// CPU seconds of all children that have ended.
fn cpu_of_children() -> Result<f64> {
    let told = fs::read_to_string("/proc/self/stat")?;
    let (_, after_name) = told.rsplit_once(')').context("the name ends")?;
    let ticks: f64 = after_name.split_whitespace().skip(13).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS_PER_SECOND)
}

/// A call of two people in turn, for so many seconds, as telephony writes it.
fn written(dir: &Path, name: &str, seconds: u32) -> Result<PathBuf> {
    let path = dir.join(name);
    let mut file = BufWriter::new(File::create(&path)?);
    let bytes = seconds * RATE * 2;
    file.write_all(b"RIFF")?;
    file.write_all(&(bytes + 36).to_le_bytes())?;
    file.write_all(b"WAVEfmt \x10\0\0\0\x07\0\x02\0\x40\x1F\0\0\x80\x3E\0\0\x02\0\x08\0data")?;
    file.write_all(&bytes.to_le_bytes())?;
    let mut noise = 1_u32;
    for at in (0..seconds * RATE).map(|sample| f64::from(sample) / f64::from(RATE)) {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let hiss = (f64::from(noise >> 8) / f64::from(1 << 23) - 1.0) * 0.0015;
        // each speaks for 7 of 16 seconds, in syllables
        let side = |from: f64, pitch: f64| {
            let turn = (at + from) % 16.0;
            let syllable = (1.0 - (at * 4.0 * std::f64::consts::TAU).cos()) / 2.0;
            let voice: f64 = (1_u8..6).map(|n| (at * pitch * f64::from(n) * std::f64::consts::TAU).sin() / f64::from(n)).sum();
            if turn < 7.0 { 0.12 * syllable * voice + hiss } else { hiss }
        };
        file.write_all(&[mulaw(side(0.0, 120.0)), mulaw(side(8.0, 210.0))])?;
    }
    file.flush()?;
    Ok(path)
}

/// µ-law by its curve: near enough for a benchmark.
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 127")]
fn mulaw(sample: f64) -> u8 {
    let curve = (255.0 * sample.abs().min(1.0)).ln_1p() / 256.0_f64.ln();
    let magnitude = (curve * 127.0).round() as u8;
    if sample < 0.0 { 0x7F - magnitude } else { 0xFF - magnitude }
}
