//! `callscribe batch compare`: what a batch made beside what counted before it, call by call and summed.

use std::{collections::BTreeMap, io, process::ExitCode};

use callscribe::{
    domain::amount,
    ledger::batches_seen,
    store::{
        Store,
        versions::{ComparedVersion, Made, Pair, VersionCost, costs_of, made_of, pairs},
    },
    transcript::{Comparison, Differences, ReadError, compare, read},
};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::show::unknown;
use crate::{
    commands::Ended,
    failure::Failure,
    output::{Output, tell_error},
    setup,
    table::Table,
};

/// What is compared, and examples.
const HELP: &str = "\
Each complete version that the batch made, on trial or not, is compared with the one that counted before it, which is taken for the truth:
the word error rate is how many of its words the new one has otherwise, lacks or adds. It tells how much differs, not which is right: read
the calls that differ most with `callscribe calls compare`, then `callscribe batch switch`.

Examples:
  callscribe batch compare try-v3
  callscribe batch compare try-v3 --worst 50 --json | jq -r '.worst[].session_id'";

/// Versions held at a time, each with the one before it: a document of an hour is a megabyte or two.
const PAIRS_AT_ONCE: i64 = 20;

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    /// The batch
    name: String,
    /// Show so many of the calls that differ most
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=1_000))]
    worst: u16,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// A call and how its two versions differ.
#[derive(Debug, PartialEq, Serialize)]
struct Differing {
    session_id: String,
    leg: String,
    from: i32,
    to: i32,
    #[serde(flatten)]
    differences: Differences,
    word_error_rate: Option<f64>,
}

/// Who made a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Maker {
    provider: String,
    model: Option<String>,
}

impl Maker {
    fn of(version: &ComparedVersion) -> Self {
        Self { provider: version.provider.clone(), model: version.model.clone().filter(|model| !model.is_empty()) }
    }

    fn text(&self) -> String {
        self.model.as_ref().map_or_else(|| self.provider.clone(), |model| format!("{} {model}", self.provider))
    }
}

/// What is known of a batch's versions after going through all of them.
#[derive(Debug, Default)]
struct Compared {
    all: Differences,
    by_makers: BTreeMap<(Maker, Maker), Differences>,
    /// Those that differ most, most first.
    worst: Vec<Differing>,
    /// Versions before which none counts.
    alone: usize,
    unreadable: usize,
}

impl Compared {
    fn add(&mut self, pair: &Pair, worst: usize) {
        let Some(before) = &pair.before else {
            self.alone += 1;
            return;
        };
        match difference(before, &pair.made) {
            Ok(comparison) => self.count(pair, before, &comparison, worst),
            Err(error) => {
                tell_error(&format!("call `{}`: {error}", pair.session_id));
                self.unreadable += 1;
            }
        }
    }

    fn count(&mut self, pair: &Pair, before: &ComparedVersion, comparison: &Comparison, worst: usize) {
        self.all.add(comparison);
        self.by_makers.entry((Maker::of(before), Maker::of(&pair.made))).or_default().add(comparison);
        let mut differences = Differences::default();
        differences.add(comparison);
        if differences.errors() == 0 {
            return;
        }
        let (session_id, leg, word_error_rate) = (pair.session_id.clone(), pair.leg.clone(), comparison.word_error_rate);
        let differing = Differing { session_id, leg, from: before.version, to: pair.made.version, differences, word_error_rate };
        let place = self.worst.partition_point(|other| !differing.is_worse_than(other));
        self.worst.insert(place, differing);
        self.worst.truncate(worst);
    }
}

impl Differing {
    /// Words where there were none count as all wrong.
    fn is_worse_than(&self, other: &Self) -> bool {
        let rank = |one: &Self| (one.word_error_rate.unwrap_or(f64::INFINITY), one.differences.errors());
        rank(self) > rank(other)
    }
}

fn difference(before: &ComparedVersion, made: &ComparedVersion) -> Result<Comparison, ReadError> {
    Ok(compare(&read(&before.transcript_json)?, &read(&made.transcript_json)?))
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let store = setup::store()?;
    let found = batches_seen(&mut *store.connection().await?, Some(&arguments.name), 1).await?;
    let Some(batch) = found.first() else { return Err(unknown(&arguments.name)) };
    let compared = compare_all(&store, batch.id, usize::from(arguments.worst)).await?;
    let connection = &mut *store.connection().await?;
    let (made, costs) = (made_of(connection, batch.id).await?, costs_of(connection, batch.id).await?);
    if arguments.json {
        output.json(&shown(&arguments.name, &made, &compared, &costs))?;
    } else {
        tell(&arguments.name, &made, &compared, &costs, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn compare_all(store: &Store, batch: i64, worst: usize) -> Result<Compared, Failure> {
    let mut compared = Compared::default();
    let mut after = None;
    loop {
        let page = pairs(&mut *store.connection().await?, batch, after.as_ref(), PAIRS_AT_ONCE).await?;
        let Some(last) = page.last() else { return Ok(compared) };
        after = Some(last.place());
        for pair in &page {
            compared.add(pair, worst);
        }
    }
}

fn shown(name: &str, made: &Made, compared: &Compared, costs: &[VersionCost]) -> serde_json::Value {
    let makers: Vec<_> = compared
        .by_makers
        .iter()
        .map(|((from, to), sum)| json!({ "from": from, "to": to, "differences": sum, "word_error_rate": sum.word_error_rate() }))
        .collect();
    let costs: Vec<_> = costs
        .iter()
        .map(|cost| {
            json!({
                "provider": cost.provider, "model": cost.model, "answers": cost.answers, "seconds": cost.seconds,
                "amount": amount(cost.amount_micros), "currency": cost.currency,
            })
        })
        .collect();
    json!({
        "batch": name, "versions": made, "differences": compared.all, "word_error_rate": compared.all.word_error_rate(),
        "nothing_before": compared.alone, "unreadable": compared.unreadable, "by_model": makers, "worst": compared.worst, "costs": costs,
    })
}

fn tell(name: &str, made: &Made, compared: &Compared, costs: &[VersionCost], output: &mut Output) -> io::Result<()> {
    let counting = match (made.complete, made.counting) {
        (0, _) => String::new(),
        (all, counting) if all == counting => ", which count".to_owned(),
        (_, 0) => ", on trial".to_owned(),
        (_, counting) => format!(", of which {counting} count"),
    };
    output.line(format_args!("batch {name}: {} versions complete{counting}; {} open, {} failed", made.complete, made.open, made.failed))?;
    if compared.alone + compared.unreadable > 0 {
        output.line(format_args!("not compared: {} with none before, {} that cannot be read", compared.alone, compared.unreadable))?;
    }
    let sum = &compared.all;
    if sum.compared == 0 {
        return output.line("nothing to compare yet");
    }
    output.line(format_args!(
        "word error rate {}: of {} words {} replaced, {} missing, {} added",
        percent(sum.word_error_rate()),
        sum.words,
        sum.substitutions,
        sum.deletions,
        sum.insertions
    ))?;
    let mut table = Table::new(output, &["from", "to", "calls", "words", "word error rate"]).numbers(&[2, 3, 4]);
    for ((from, to), sum) in &compared.by_makers {
        table.row([from.text(), to.text(), sum.compared.to_string(), sum.words.to_string(), percent(sum.word_error_rate())]);
    }
    output.line(format_args!("\n{table}"))?;
    tell_worst(compared, output)?;
    tell_costs(costs, output)
}

fn tell_worst(compared: &Compared, output: &mut Output) -> io::Result<()> {
    if compared.worst.is_empty() {
        return Ok(());
    }
    let mut table =
        Table::new(output, &["differ most", "leg", "from", "to", "words", "errors", "word error rate"]).numbers(&[2, 3, 4, 5, 6]);
    for Differing { session_id, leg, from, to, differences, word_error_rate } in &compared.worst {
        let (from, to, words, errors) = (from.to_string(), to.to_string(), differences.words.to_string(), differences.errors().to_string());
        table.row([session_id.clone(), leg.clone(), from, to, words, errors, percent(*word_error_rate)]);
    }
    output.line(format_args!("\n{table}"))
}

fn tell_costs(costs: &[VersionCost], output: &mut Output) -> io::Result<()> {
    if costs.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(output, &["cost of the new ones", "answers", "minutes", "cost", ""]).numbers(&[1, 2, 3]);
    for cost in costs {
        let (minutes, paid) = (format!("{:.1}", cost.seconds / 60.0), amount(cost.amount_micros));
        table.row([format!("{} {}", cost.provider, cost.model), cost.answers.to_string(), minutes, paid, cost.currency.clone()]);
    }
    output.line(format_args!("\n{table}"))
}

fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.1} %", rate * 100.0))
}
