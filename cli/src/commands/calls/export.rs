//! `callscribe calls export`: transcripts for players, spreadsheets and other programs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use callscribe::{
    config::BlobSettings,
    domain::SourceName,
    store::{
        Store,
        current_transcripts::{CurrentTranscript, Wanted, current_transcripts},
    },
    transcript::{
        CallOfDocument,
        export::{Format, Origin, export},
        read,
    },
};
use clap::Args;

use super::{call_times, find};
use crate::{
    commands::Ended,
    failure::Failure,
    output::{Output, tell_error},
    setup,
};

/// What comes out, and examples.
const HELP: &str = "\
json and vcon are a line of JSON per transcript, jsonl and csv a line per turn, txt a line per turn.
srt and vtt are files of their own: give --out a directory, or one call.
A call without a complete transcript is told on standard error and does not stop the others.

Examples:
  callscribe calls export 6a1f0f1e --format vtt > call.vtt
  callscribe calls export --since 7d --queue Q_Support --format csv --out - > turns.csv
  callscribe calls export --since 2026-11-01 --until 2026-12-01 --format vcon --out november";

/// Calls that are read at once: what is in memory is one page of their transcripts.
const CALLS_AT_ONCE: i64 = 20;

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    /// Session ids of calls, or their beginnings
    #[arg(value_name = "SESSION", conflicts_with_all = ["source", "queue", "since", "until"])]
    sessions: Vec<String>,
    /// What to write: `json`, `jsonl`, `txt`, `srt`, `vtt`, `vcon`, `csv`
    #[arg(long, value_name = "FORMAT")]
    format: Format,
    /// Vendor: `webex`
    #[arg(long, value_name = "SOURCE")]
    source: Option<SourceName>,
    /// Last queue of the call, by its name
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Began at this time or later: a date, a time in UTC, or `2h` for two hours ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Began before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// A directory for a file per transcript, or `-` for standard output
    #[arg(long, value_name = "DIR", default_value = "-")]
    out: PathBuf,
}

impl Arguments {
    fn to_directory(&self) -> Option<&Path> {
        (self.out != Path::new("-")).then_some(self.out.as_path())
    }

    /// The calls that are meant.
    async fn wanted(&self, store: &Store) -> Result<Wanted, Failure> {
        let (since, until) = call_times(self.since.as_ref(), self.until.as_ref())?;
        if self.sessions.is_empty() {
            return Ok(Wanted { sessions: None, source: self.source, queue: self.queue.clone(), since, until });
        }
        let connection = &mut *store.connection().await?;
        let mut sessions = Vec::with_capacity(self.sessions.len());
        for text in &self.sessions {
            sessions.push(find(connection, text).await?.as_str().to_owned());
        }
        Ok(Wanted { sessions: Some(sessions), ..Wanted::default() })
    }

    /// Refuses what would have to be told apart later.
    fn check(&self) -> Result<(), Failure> {
        if self.sessions.is_empty() && self.source.is_none() && self.queue.is_none() && self.since.is_none() && self.until.is_none() {
            return Err(Failure::wrong_use("no calls are named", "give session ids, `--since`, `--until`, `--queue` or `--source`"));
        }
        if self.to_directory().is_none() && !self.format.holds_several() && self.sessions.len() != 1 {
            return Err(Failure::wrong_use(
                format_args!("`{}` holds one transcript, and several may be meant", self.format),
                "give `--out` a directory for a file per transcript, or one session id",
            ));
        }
        Ok(())
    }
}

/// What became of the calls.
#[derive(Debug, Default)]
struct Tally {
    written: usize,
    without: usize,
    failed: usize,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    arguments.check()?;
    let store = setup::store()?;
    let wanted = arguments.wanted(&store).await?;
    if let Some(directory) = arguments.to_directory() {
        fs::create_dir_all(directory).with_context(|| format!("`{}` cannot be made", directory.display()))?;
    } else {
        output.text(arguments.format.head())?;
    }
    let bucket = setup::optional_settings(BlobSettings::read).flatten().map(|settings| settings.bucket);
    let mut tally = Tally::default();
    let mut after = None;
    loop {
        let page = current_transcripts(&mut *store.connection().await?, &wanted, after.as_ref(), CALLS_AT_ONCE).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.start_time, last.session_id.clone()));
        for row in page {
            one(arguments, row, bucket.as_deref(), output, &mut tally)?;
        }
    }
    if arguments.to_directory().is_some() || tally.without > 0 || tally.failed > 0 {
        let Tally { written, without, failed } = tally;
        tell_error(&format!("{written} transcripts written, {without} calls without one, {failed} that could not be written"));
    }
    Ok(if tally.failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Writes one transcript or tells why there is none.
fn one(arguments: &Arguments, row: CurrentTranscript, bucket: Option<&str>, output: &mut Output, tally: &mut Tally) -> Result<(), Failure> {
    let (Some(leg), Some(json)) = (&row.leg, &row.transcript_json) else {
        tell_error(&format!("call `{}` has no transcript: it is `{}`", row.session_id, row.transcript_status));
        tally.without += 1;
        return Ok(());
    };
    let text = match read(json) {
        Ok(mut document) => {
            let CurrentTranscript { session_id, source, start_time: started_at, .. } = row.clone();
            document.call = Some(CallOfDocument { session_id, source, leg: leg.clone(), started_at });
            export(&document, &origin(&row, bucket), arguments.format).map_err(anyhow::Error::from)
        }
        Err(error) => Err(anyhow::Error::from(error)),
    };
    match (text, arguments.to_directory()) {
        (Ok(text), None) => output.text(&text)?,
        (Ok(text), Some(directory)) => write(directory, &row.session_id, leg, arguments.format, &text)?,
        (Err(error), _) => {
            tell_error(&format!("call `{}`: {error:#}", row.session_id));
            tally.failed += 1;
            return Ok(());
        }
    }
    tally.written += 1;
    Ok(())
}

/// Who took part, as the call's record has it: the customer is who called, or who was called by us.
fn origin(row: &CurrentTranscript, bucket: Option<&str>) -> Origin {
    let outbound = row.direction.as_deref().is_some_and(|way| way.eq_ignore_ascii_case("outbound"));
    let (agent_number, customer_number) = if outbound { (row.ani.clone(), row.dnis.clone()) } else { (row.dnis.clone(), row.ani.clone()) };
    let recording = row.object_key.as_ref().map(|key| bucket.map_or_else(|| key.clone(), |bucket| format!("s3://{bucket}/{key}")));
    Origin { agent: row.agent_name.clone(), agent_number, customer_number, recording }
}

/// Writes a file beside its place and moves it there, so that under its name it is whole.
fn write(directory: &Path, session: &str, leg: &str, format: Format, text: &str) -> Result<(), Failure> {
    let safe = |name: &str| name.replace(|character: char| !character.is_ascii_alphanumeric() && !"-_.".contains(character), "_");
    let leg = if leg == "main" { String::new() } else { format!(".{}", safe(leg)) };
    let place = directory.join(format!("{}{leg}.{format}", safe(session).trim_start_matches('.')));
    let beside = place.with_extension("part");
    fs::write(&beside, format.head().to_owned() + text)
        .and_then(|()| fs::rename(&beside, &place))
        .with_context(|| format!("`{}` cannot be written", place.display()))?;
    Ok(())
}
