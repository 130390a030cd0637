//! Which days are compared.

use std::collections::BTreeMap;

use callscribe::{
    domain::Window,
    sources::{HISTORY, Source},
    store::{completeness, settings},
};
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};

use super::within;
use crate::{answer::UpkeepError, handler::Run};

/// Syncs that should have had a chance to bring a call before it counts as missing.
const CHANCES: u32 = 2;

/// A call that was over before this moment should be held by now: the sync has had its chances.
pub(super) fn due_by(run: &Run<'_>) -> DateTime<Utc> {
    let chances = run.house.sync.interval.saturating_mul(CHANCES);
    run.clock.now() - TimeDelta::from_std(chances).unwrap_or(HISTORY).min(HISTORY)
}

/// The days of `asked`, or those that are due: each from midnight to midnight (UTC), as far as the vendor reaches back and as it
/// is old enough.
pub(super) async fn to_compare(run: &Run<'_>, source: &dyn Source, asked: Option<Window>) -> Result<Vec<Window>, UpkeepError> {
    let now = run.clock.now();
    let reach = Window { from: now - HISTORY, to: due_by(run) };
    let days: Vec<Window> = match asked {
        Some(asked) => Window { from: midnight(asked.from), to: next_midnight(asked.to) }.days().collect(),
        None => due(run, source, now).await?,
    };
    Ok(days.into_iter().filter_map(|day| within(day, reach)).collect())
}

/// The last days, those since the last comparison if that is longer ago, and older ones of which something was missing or under way;
/// never what lies before the source's first sync.
async fn due(run: &Run<'_>, source: &dyn Source, now: DateTime<Utc>) -> Result<Vec<Window>, UpkeepError> {
    let connection = &mut *run.connection().await?;
    let Some(since) = settings::since(connection, source.name(), source.org_id()).await? else { return Ok(Vec::new()) };
    let late = completeness::late_days(connection, source.name(), source.org_id()).await?;
    let last = completeness::last_day(connection, source.name(), source.org_id()).await?;
    let usual = midnight(now) - TimeDelta::days(run.house.reconcile.days.into());
    let from = last.map_or(usual, |last| last.from.min(usual));
    let recent = Window { from: midnight(from), to: now };
    // by their first moment, so that none comes twice; a late day is compared as far as its midnight now
    let mut days: BTreeMap<DateTime<Utc>, Window> = BTreeMap::new();
    for day in late.into_iter().chain(within(recent, Window { from: since, to: now }).into_iter().flat_map(Window::days)) {
        days.insert(day.from, Window { from: day.from, to: next_midnight(day.from + TimeDelta::milliseconds(1)) });
    }
    Ok(days.into_values().collect())
}

fn midnight(of: DateTime<Utc>) -> DateTime<Utc> {
    of.date_naive().and_time(NaiveTime::MIN).and_utc()
}

/// The first midnight at or after a moment.
fn next_midnight(after: DateTime<Utc>) -> DateTime<Utc> {
    let before = midnight(after);
    if before == after { after } else { before + TimeDelta::days(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_the_first_midnight_after_it() {
        let at = |hours| DateTime::UNIX_EPOCH + TimeDelta::hours(hours);
        assert_eq!((midnight(at(30)), next_midnight(at(30))), (at(24), at(48)));
        assert_eq!((midnight(at(24)), next_midnight(at(24))), (at(24), at(24)));
    }
}
