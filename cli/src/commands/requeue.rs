//! `callscribe requeue`: ended jobs made due again.

mod follow;

use std::{process::ExitCode, time::Duration};

use callscribe::{
    config::{ProviderSettings, RedisSettings, WhisperSettings},
    domain::{JobState, Stage, Wishes},
    hints::Hints,
    ledger::{BatchId, ByHand, ByHandError, Canary, Changed, JobFilter, Pace, Tally, batch_name, count_jobs, requeue, requeue_tally},
    queue::HintPusher,
    store::Store,
};
use clap::Args;

use super::Ended;
use crate::{failure::Failure, filter_arguments::FilterArguments, output::Output, rate, setup, table::Table};

#[derive(Debug, Args)]
#[command(after_help = "Dead jobs get all their attempts back and keep their history; their transcripts become `pending`. \
                        Cancelled jobs are taken only with `--state cancelled`, done ones only with `--again`; a transcription done \
                        again makes a new version of the transcript and keeps the old. With `--trial` the new versions do not count until \
                        `callscribe batch switch` says so.\n\n\
                        Examples:\n  callscribe requeue --kind transcription --reason provider_unavailable --dry-run\n  \
                        callscribe requeue --reason low_coverage --model large-v3 --canary 20     # try a few first\n  \
                        callscribe requeue --kind transcription --rate 10/s --why \"provider is well\"\n  \
                        callscribe requeue --again --trial --all --model large-v3 --limit 200 --batch try-v3\n  \
                        callscribe requeue --session 6a1f0f1e-7c57-4a8b-9b7e-3f6d0a2c9e11 --again --from recording")]
pub(crate) struct Arguments {
    #[command(flatten)]
    filter: FilterArguments,
    /// Requeue every dead job
    #[arg(long)]
    all: bool,
    /// Also what is done, as if it had never been
    #[arg(long)]
    again: bool,
    /// The new versions of complete transcripts do not count until `callscribe batch switch`
    #[arg(long, requires = "again")]
    trial: bool,
    /// At most so many, those that ended first
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    limit: Option<i64>,
    /// Spread them evenly over this span, such as `2h`, instead of making all due now
    #[arg(long, visible_alias = "over", value_name = "SPAN", value_parser = humantime::parse_duration)]
    spread: Option<Duration>,
    /// Make so many due at a time, such as `10/s`, `30/min` or `500/h`
    #[arg(long, value_name = "RATE", value_parser = rate::interval, conflicts_with = "spread")]
    rate: Option<Duration>,
    /// Do this stage of the calls again: `recording` copies and transcribes anew, `transcription` keeps the audio
    #[arg(long, value_name = "STAGE")]
    from: Option<Stage>,
    /// Who is to transcribe, instead of who the workers' settings name: `whisper`, `webex`
    #[arg(long, value_name = "PROVIDER", value_parser = [WhisperSettings::PROVIDER, ProviderSettings::VENDOR])]
    provider: Option<String>,
    /// Model to be asked for
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Language that is spoken, as an ISO 639-1 code
    #[arg(long, value_name = "CODE")]
    language: Option<String>,
    /// Name of the batch, for `callscribe batch show`
    #[arg(long, value_name = "NAME")]
    batch: Option<String>,
    /// Requeue a sample of so many first, follow it, and go on only if it passes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    canary: Option<u16>,
    /// Per cent of the sample that must be done
    #[arg(long, value_name = "PERCENT", default_value_t = Canary::PERCENT, value_parser = clap::value_parser!(u8).range(0..=100))]
    canary_pass: u8,
    /// Do not follow the sample: the scheduler judges it and goes on
    #[arg(long, requires = "canary")]
    detach: bool,
    /// Beside fresh calls, however many they are; else more than a hundred wait behind fresh calls, like a backfill
    #[arg(long)]
    urgent: bool,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Only count, by kind and reason: the very jobs that would be requeued
    #[arg(long)]
    dry_run: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    if arguments.filter.is_everything() && !arguments.all {
        return Err(Failure::wrong_use("no filter was given, and that would requeue every dead job", "name some, or say `--all`"));
    }
    setup::warn_of(&arguments.filter.doubts());
    let wishes = wishes(arguments)?;
    let order = ByHand {
        limit: arguments.limit,
        why: arguments.why.clone(),
        again: arguments.again,
        pace: pace(arguments),
        from: arguments.from.or_else(|| (!wishes.is_none()).then_some(Stage::Transcription)),
        wishes,
        name: arguments.batch.clone(),
        urgent: arguments.urgent,
        trial: arguments.trial,
        canary: arguments.canary.map(|jobs| Canary { jobs, percent: arguments.canary_pass }),
        ..ByHand::new(arguments.filter.filter()?, setup::actor())
    };
    let store = setup::store()?;
    let jobs = if arguments.dry_run {
        let tallies = requeue_tally(&mut *store.connection().await?, &order).await.map_err(refusal)?;
        tell_tallies("would requeue", &tallies, arguments.json, output)?
    } else {
        let changed = requeue_and_hint(&store, &order).await?;
        return match changed.batch {
            None => nothing(arguments, &store, &order, output).await,
            Some(batch) if order.canary.is_some() && !arguments.detach => follow::canary(&store, batch, arguments.json, output).await,
            Some(batch) => tell_batch(&store, &changed, batch, arguments, output).await,
        };
    };
    if jobs == 0 && !arguments.json {
        tell_what_else(&store, &order, output).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn nothing(arguments: &Arguments, store: &Store, order: &ByHand, output: &mut Output) -> Ended {
    if arguments.json {
        output.json(&serde_json::json!({ "jobs": 0, "dry_run": false, "audit_id": null, "batch": null }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line("requeued 0 jobs")?;
    tell_what_else(store, order, output).await?;
    Ok(ExitCode::SUCCESS)
}

async fn tell_what_else(store: &Store, order: &ByHand, output: &mut Output) -> Result<(), Failure> {
    for line in what_else(store, order).await? {
        output.line(line)?;
    }
    Ok(())
}

/// What was requeued, and where to see what becomes of it.
async fn tell_batch(store: &Store, changed: &Changed, batch: BatchId, arguments: &Arguments, output: &mut Output) -> Ended {
    let name = batch_name(&mut *store.connection().await?, batch).await?.unwrap_or_default();
    if arguments.json {
        output.json(&serde_json::json!({ "jobs": changed.jobs, "dry_run": false, "audit_id": changed.audit, "batch": name }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line(format_args!("requeued {} {}", changed.jobs, plural(changed.jobs)))?;
    output.line(format_args!("follow them: callscribe batch show {name}"))?;
    if arguments.trial {
        output.line(format_args!("then compare: callscribe batch compare {name}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn wishes(arguments: &Arguments) -> Result<Wishes, Failure> {
    let wishes = Wishes { provider: arguments.provider.clone(), model: arguments.model.clone(), language: arguments.language.clone() };
    let of_vendor = wishes.provider.as_deref() == Some(ProviderSettings::VENDOR) && (wishes.model.is_some() || wishes.language.is_some());
    if of_vendor {
        let hint = "leave out `--model` and `--language`, or ask another provider";
        return Err(Failure::wrong_use("`webex` makes its transcripts itself and takes no model or language", hint));
    }
    Ok(wishes)
}

fn pace(arguments: &Arguments) -> Pace {
    let spread = arguments.spread.filter(|span| !span.is_zero()).map(Pace::Over);
    spread.or(arguments.rate.map(Pace::Every)).unwrap_or_default()
}

/// What a dry run counted; returns the sum.
pub(crate) fn tell_tallies(would: &str, tallies: &[Tally], json: bool, output: &mut Output) -> std::io::Result<i64> {
    let jobs = tallies.iter().map(|tally| tally.jobs).sum();
    if json {
        output.json(&serde_json::json!({ "jobs": jobs, "dry_run": true, "by_reason": tallies }))?;
        return Ok(jobs);
    }
    output.line(format_args!("{would} {jobs} {}", plural(jobs)))?;
    if tallies.is_empty() {
        return Ok(jobs);
    }
    let mut table = Table::new(output, &["jobs", "kind", "reason"]).numbers(&[0]);
    for tally in tallies {
        table.row([&tally.jobs.to_string(), &tally.kind, tally.reason.as_deref().unwrap_or("-")]);
    }
    output.line(format_args!("\n{table}"))?;
    Ok(jobs)
}

/// How long the command waits for Redis at the end; the dispatcher sends what was not pushed.
const LAST_HINTS: Duration = Duration::from_secs(3);

async fn requeue_and_hint(store: &Store, order: &ByHand) -> Result<callscribe::ledger::Changed, Failure> {
    let Some(redis) = setup::optional_settings(RedisSettings::read) else {
        let (sender, _) = tokio::sync::mpsc::unbounded_channel();
        return requeue(store, order, &sender).await.map_err(refusal);
    };
    let pusher = HintPusher::start(Hints::new(&redis)?);
    let changed = requeue(store, order, &pusher.sender()).await.map_err(refusal);
    // an error only means that Redis is slow or away
    let _ = tokio::time::timeout(LAST_HINTS, pusher.finish()).await;
    changed
}

/// Says a refused state as wrong use, and everything else as it is.
pub(crate) fn refusal(error: ByHandError) -> Failure {
    match error {
        ByHandError::Refused { state: JobState::Done, .. } => Failure::wrong_use(error, "add `--again` to do it a second time"),
        ByHandError::Refused { state: JobState::Running, .. } => {
            Failure::wrong_use(error, "it ends by itself; `callscribe jobs list` shows how")
        }
        ByHandError::Refused { state: JobState::Ready, .. } => Failure::wrong_use(error, "it is going to run anyway"),
        ByHandError::NoTrial(_) => Failure::wrong_use(error, "a trial is `--again` of complete transcripts, from the audio that is there"),
        ByHandError::NameTaken(_) => Failure::wrong_use(error, "`callscribe batch list` shows the names there are"),
        other @ (ByHandError::Refused { .. } | ByHandError::Unreadable { .. } | ByHandError::Store(_)) => Failure::from(other),
    }
}

/// What the filter means in other states, for someone who wonders why nothing was requeued.
async fn what_else(store: &Store, order: &ByHand) -> Result<Vec<String>, Failure> {
    let connection = &mut *store.connection().await?;
    let mut lines = Vec::new();
    if order.trial {
        return Ok(vec!["  a trial takes only transcriptions that are done and whose transcript is complete".to_owned()]);
    }
    for (state, hint) in [
        (JobState::Ready, "they are going to run anyway"),
        (JobState::Running, "they end by themselves"),
        (JobState::Cancelled, "add `--state cancelled` to bring them back"),
        (JobState::Done, "add `--again` to do them a second time"),
    ] {
        let jobs = count_jobs(connection, &JobFilter { states: vec![state], ..order.filter.clone() }).await?;
        let meant = order.filter.states.is_empty() && !(order.again && state == JobState::Done);
        if jobs > 0 && meant {
            lines.push(format!("  {jobs} {} like this `{state}`: {hint}", if jobs == 1 { "is" } else { "are" }));
        }
    }
    Ok(lines)
}

fn plural(jobs: i64) -> &'static str {
    if jobs == 1 { "job" } else { "jobs" }
}
