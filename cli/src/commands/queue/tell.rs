//! What people control by hand, told to people.

use std::io;

use callscribe::ledger::Controls;
use chrono::{DateTime, Utc};

use crate::{output::Output, times::relative};

/// Tells every control that is in force; nothing when there is none.
pub(crate) fn tell(controls: &Controls, now: DateTime<Utc>, output: &mut Output) -> io::Result<()> {
    for line in paused(controls, now).into_iter().chain(scaled_and_draining(controls, now)) {
        output.prose(2, line)?;
    }
    Ok(())
}

/// A line for each pause.
pub(crate) fn paused(controls: &Controls, now: DateTime<Utc>) -> Vec<String> {
    let line = |pause: &callscribe::ledger::Pause| {
        let what = if pause.scope == "all" { "everything".to_owned() } else { format!("{} {}", pause.scope, pause.subject) };
        format!("PAUSED {what}, {}", by(pause.since, now, &pause.actor, pause.why.as_deref()))
    };
    controls.paused.iter().map(line).collect()
}

/// A line for each kind that was scaled and each worker that drains.
pub(crate) fn scaled_and_draining(controls: &Controls, now: DateTime<Utc>) -> Vec<String> {
    let scaled = controls.scaled.iter().map(|scale| {
        let by = by(scale.since, now, &scale.actor, scale.why.as_deref());
        format!("scaled {} to {} at once in each process, {by}", scale.kind, scale.jobs_at_once)
    });
    let draining = controls
        .draining
        .iter()
        .map(|drain| format!("draining {}, {}", drain.worker, by(drain.since, now, &drain.actor, drain.why.as_deref())));
    scaled.chain(draining).collect()
}

fn by(since: DateTime<Utc>, now: DateTime<Utc>, actor: &str, why: Option<&str>) -> String {
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    format!("{} by {actor}{why}", relative(since, now))
}
