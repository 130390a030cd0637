//! How long what is over stays in the database.

use std::{str::FromStr, time::Duration};

use super::{Reader, RetentionSettings, Setting};

/// How long rows are kept whose work is over. `None`: for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepSettings {
    /// `KEEP_DONE_JOBS`: jobs that are done, with their attempts; leases of workers that ended; backfills that are finished.
    pub done_jobs: Option<Duration>,
    /// `KEEP_DEAD_JOBS`: jobs that died or were cancelled, with their attempts.
    pub dead_jobs: Option<Duration>,
    /// `KEEP_QUARANTINED`: elements of vendors' pages that could not be read, since they last came.
    pub quarantined: Option<Duration>,
    /// How long audio is kept in the bucket: removed by a job of its own.
    pub retention: RetentionSettings,
}

/// The scheduler names a run by its tick or night, and a run that it finds it does not enqueue again: what is younger must stay.
const SHORTEST_DONE: Duration = Duration::from_hours(48);

/// `30d` or `forever`.
struct Kept(Option<Duration>);

impl FromStr for Kept {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "forever" { Ok(Self(None)) } else { humantime::parse_duration(text).map(|age| Self(Some(age))) }
    }
}

impl KeepSettings {
    const DONE_JOBS: Setting = Setting::new(
        "KEEP_DONE_JOBS",
        "30d",
        "How long jobs that are done are kept, with their attempts, or `forever`; ended workers and finished backfills go with them. At least 2d. \
         Calls, recordings and transcripts are not touched",
    );
    const DEAD_JOBS: Setting = Setting::new(
        "KEEP_DEAD_JOBS",
        "forever",
        "How long jobs that died or were cancelled are kept for someone to requeue. What is removed can be made again by `callscribe reconcile --fix`",
    );
    const QUARANTINED: Setting = Setting::new(
        "KEEP_QUARANTINED",
        "90d",
        "How long elements that could not be read stay in `quarantined_payloads` after they last came",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::DONE_JOBS, Self::DEAD_JOBS, Self::QUARANTINED];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let retention = RetentionSettings::read(reader);
        let mut kept = |setting: &Setting, default: Option<Duration>| {
            let given: Option<Kept> = reader.parsed(setting, "a span of time such as `30d`, or `forever`");
            given.map_or(default, |Kept(kept)| kept)
        };
        let default = Self::default();
        let settings = Self {
            done_jobs: kept(&Self::DONE_JOBS, default.done_jobs),
            dead_jobs: kept(&Self::DEAD_JOBS, default.dead_jobs),
            quarantined: kept(&Self::QUARANTINED, default.quarantined),
            retention,
        };
        if settings.done_jobs.is_some_and(|age| age < SHORTEST_DONE) {
            reader.complain(Self::DONE_JOBS.name, "is too short: at least `2d`, so that no run of today or last night is enqueued twice");
        }
        settings
    }
}

impl Default for KeepSettings {
    fn default() -> Self {
        let days = |days: u64| Some(Duration::from_hours(24 * days));
        Self { done_jobs: days(30), dead_jobs: None, quarantined: days(90), retention: RetentionSettings::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<KeepSettings, crate::config::Problems> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        crate::config::read(&environment, KeepSettings::read)
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        assert_eq!(read(&[]).unwrap(), KeepSettings::default());
    }

    #[test]
    fn everything_can_be_kept_and_nothing_that_is_still_looked_for_can_go() {
        assert_eq!(read(&[("KEEP_DONE_JOBS", "forever")]).unwrap().done_jobs, None);
        assert_eq!(read(&[("KEEP_DEAD_JOBS", "1y")]).unwrap().dead_jobs, Some(humantime::parse_duration("1y").unwrap()));
        let text = read(&[("KEEP_DONE_JOBS", "47h"), ("KEEP_QUARANTINED", "long")]).unwrap_err().to_string();
        assert!(text.contains("`KEEP_DONE_JOBS` is too short") && text.contains("`KEEP_QUARANTINED` is not usable: `long`"), "{text}");
    }
}
