//! `callscribe calls switch`: another version of a call's transcript made to count.

use std::process::ExitCode;

use callscribe::store::versions::{CallSwitched, NotSwitched, SwitchOfCall, switch_call};
use clap::Args;

use super::find;
use crate::{commands::Ended, failure::Failure, output::Output, setup};

#[derive(Debug, Args)]
#[command(
    after_help = "What is exported, searched and shown is that version from then on. Later versions do not count any more, and one that\n\
                        is still being made will not; switching to it later makes it count. Nothing is deleted.\n\n\
                        Examples:\n  callscribe calls switch 6a1f0f1e --to 2 --dry-run\n  \
                        callscribe calls switch 6a1f0f1e --to 1 --why \"version 2 lost the names\""
)]
pub(crate) struct Arguments {
    /// Session id of the call, or its beginning
    #[arg(value_name = "SESSION")]
    session: String,
    /// Version that is to count
    #[arg(long, value_name = "VERSION")]
    to: i32,
    /// Leg of the call
    #[arg(long, value_name = "LEG", default_value = "main")]
    leg: String,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Only tell what would change
    #[arg(long)]
    dry_run: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let store = setup::store()?;
    let connection = &mut *store.connection().await?;
    let asked = SwitchOfCall {
        session: find(connection, &arguments.session).await?,
        leg: arguments.leg.clone(),
        version: arguments.to,
        actor: setup::actor(),
        why: arguments.why.clone(),
        dry_run: arguments.dry_run,
    };
    let switched = switch_call(connection, &asked).await.map_err(refusal)?;
    if arguments.json {
        let CallSwitched { from, to, not_counting, changed } = &switched;
        output.json(&serde_json::json!({
            "session_id": asked.session, "leg": asked.leg, "from": from, "to": to, "not_counting": not_counting, "changed": changed,
            "dry_run": asked.dry_run,
        }))?;
    } else {
        tell(&asked, &switched, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(asked: &SwitchOfCall, switched: &CallSwitched, output: &mut Output) -> std::io::Result<()> {
    let SwitchOfCall { session, leg, dry_run, .. } = asked;
    if !switched.changed {
        return output.line(format_args!("version {} of leg {leg} counts already", switched.to));
    }
    let verb = if *dry_run { "would switch" } else { "switched" };
    let from = switched.from.map(|version| format!(" from version {version}")).unwrap_or_default();
    output.line(format_args!("{verb} {session}, leg {leg},{from} to version {}", switched.to))?;
    let others: Vec<String> = switched.not_counting.iter().map(ToString::to_string).collect();
    match others.as_slice() {
        [] => Ok(()),
        others => output.line(format_args!("no longer counting: {}", others.join(", "))),
    }
}

fn refusal(error: NotSwitched) -> Failure {
    match error {
        NotSwitched::NotComplete { ref complete, .. } => {
            let complete: Vec<String> = complete.iter().map(ToString::to_string).collect();
            let hint = if complete.is_empty() { "none is complete".to_owned() } else { format!("complete are: {}", complete.join(", ")) };
            Failure::with_hint(error, hint)
        }
        other @ NotSwitched::Store(_) => Failure::from(other),
    }
}
