//! Enrichment: when it is asked what calls turned out to be, and how long a call may still change.

use std::time::Duration;

use super::{Reader, Setting};

/// When details are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrichSettings {
    /// `ENRICH_INTERVAL`: time between two live runs of a source.
    pub interval: Duration,
    /// `ENRICH_LATE_SCHEDULE`: how long after its end a call is asked for again, shortest first.
    pub late: Vec<Duration>,
}

/// Every run costs the vendor about one request for each entry of the schedule.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// What changes later than this is found by asking for its day once more.
const LATEST: Duration = Duration::from_hours(31 * 24);

impl EnrichSettings {
    const INTERVAL: Setting =
        Setting::new("ENRICH_INTERVAL", "10m", "Time between two runs that ask what the calls that ended since turned out to be");
    const LATE: Setting = Setting::new(
        "ENRICH_LATE_SCHEDULE",
        "15m,1h,6h,24h",
        "How long after its end a call is asked for again, since a wrap-up may be written half an hour later; at most 31 days",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::INTERVAL, Self::LATE];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        let interval = reader.duration(&Self::INTERVAL).unwrap_or(default.interval);
        if interval < SHORTEST_INTERVAL {
            reader.complain(Self::INTERVAL.name, "is not usable: it must be at least 1s");
        }
        let waits = reader.list(&Self::LATE);
        let parsed: Result<Vec<Duration>, _> = waits.iter().map(|wait| humantime::parse_duration(wait)).collect();
        let mut late = parsed.unwrap_or_else(|_| {
            let what = format!("is not usable: `{}` is not a list of spans of time such as `15m,1h,6h`", waits.join(","));
            reader.complain(Self::LATE.name, what);
            default.late
        });
        if late.iter().any(|wait| *wait > LATEST) {
            reader.complain(Self::LATE.name, "is not usable: a call is asked for again for at most 31 days");
        }
        late.sort_unstable();
        Self { interval, late }
    }
}

impl Default for EnrichSettings {
    fn default() -> Self {
        let late = vec![Duration::from_mins(15), Duration::from_hours(1), Duration::from_hours(6), Duration::from_hours(24)];
        Self { interval: Duration::from_mins(10), late }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<EnrichSettings, crate::config::Problems> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        crate::config::read(&environment, EnrichSettings::read)
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        assert_eq!(read(&[]).unwrap(), EnrichSettings::default());
    }

    #[test]
    fn a_schedule_that_cannot_work_is_told_at_start() {
        for wrong in ["soon", "40d"] {
            let text = read(&[("ENRICH_LATE_SCHEDULE", wrong)]).unwrap_err().to_string();
            assert!(text.contains("`ENRICH_LATE_SCHEDULE` is not usable"), "{text}");
        }
    }
}
