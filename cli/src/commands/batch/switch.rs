//! `callscribe batch switch`: what a batch made counts, or what counted before it again.

use std::{io, process::ExitCode};

use callscribe::ledger::{BatchSwitched, SwitchOfBatch, switch_batch, would_switch};
use clap::Args;

use super::show::unknown;
use crate::{
    commands::Ended,
    failure::Failure,
    output::{Output, tell_error},
    setup,
};

#[derive(Debug, Args)]
#[command(
    after_help = "What is exported, searched and shown follows, some calls at a time; a command that is killed has kept what it did, and\n\
                        the same again does the rest. What of the batch is still to be made is switched along. Nothing is deleted.\n\n\
                        Examples:\n  callscribe batch switch try-v3 --dry-run\n  callscribe batch switch try-v3 --why \"better names\"\n  \
                        callscribe batch switch try-v3 --back --why \"worse numbers\""
)]
pub(crate) struct Arguments {
    /// The batch
    name: String,
    /// Make what counted before count again
    #[arg(long)]
    back: bool,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Only count what would change
    #[arg(long)]
    dry_run: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let store = setup::store()?;
    let name = arguments.name.as_str();
    if arguments.dry_run {
        let would = would_switch(&mut *store.connection().await?, name, !arguments.back).await?.ok_or_else(|| unknown(name))?;
        if arguments.json {
            let (switched, to_come, kept) = (would.switched, would.to_come, would.kept);
            output.json(&serde_json::json!({ "dry_run": true, "switched": switched, "to_come": to_come, "kept": kept }))?;
        } else {
            tell("would switch", arguments.back, (would.switched, would.to_come, would.kept), output)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let asked = SwitchOfBatch { name: name.to_owned(), counts: !arguments.back, actor: setup::actor(), why: arguments.why.clone() };
    let done = switch_batch(&store, &asked).await?.ok_or_else(|| unknown(name))?;
    if arguments.json {
        let BatchSwitched { switched, to_come, kept, kept_first, given_way, overtaken, audit } = &done;
        output.json(&serde_json::json!({
            "dry_run": false, "switched": switched, "to_come": to_come, "kept": kept, "kept_first": kept_first, "given_way": given_way,
            "overtaken": overtaken, "audit_id": audit,
        }))?;
    } else {
        tell("switched", arguments.back, (done.switched, done.to_come, done.kept), output)?;
        if done.overtaken > 0 && !arguments.back {
            output.line(format_args!("{} of them are followed by a later version that counts", done.overtaken))?;
        }
    }
    ended(name, &done)
}

/// A switch that left something is not a success: a script must not go on as if.
fn ended(name: &str, done: &BatchSwitched) -> Ended {
    if done.given_way {
        return Err(Failure::with_hint(
            format_args!("batch `{name}` was switched the other way meanwhile"),
            "`callscribe batch show` tells which way it is; `audit_log` tells who did it",
        ));
    }
    if done.kept == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    for leg in &done.kept_first {
        tell_error(&format!("call `{}`, leg {}: no other complete version counts", leg.session_id, leg.leg));
    }
    Err(Failure::with_hint(
        format_args!("{} calls would be left without a transcript and were not switched", done.kept),
        "`callscribe calls switch SESSION --to VERSION` makes an older version count first",
    ))
}

fn tell(verb: &str, back: bool, (switched, to_come, kept): (i64, i64, i64), output: &mut Output) -> io::Result<()> {
    output.line(format_args!("{verb} {switched} transcripts{}", if back { " back" } else { "" }))?;
    if to_come > 0 {
        let will = if back { "will not count" } else { "will count" };
        output.line(format_args!("{to_come} not complete yet: {will} once complete"))?;
    }
    if kept > 0 {
        output.line(format_args!("{kept} left counting: nothing else of the call would"))?;
    }
    Ok(())
}
