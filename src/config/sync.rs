//! Syncing calls: how often, how far back, how much at once.

use std::time::Duration;

use super::{Reader, Setting};

/// Which calls are asked for, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncSettings {
    /// `SYNC_INTERVAL`: time between two live runs of a source.
    pub interval: Duration,
    /// `SYNC_OVERLAP`: how far before the newest call seen a live run begins.
    pub overlap: Duration,
    /// `CALL_SYNC_LOOKBACK_MINUTES`: how far back the first live run looks.
    pub first_look_back: Duration,
    /// `SYNC_WINDOW_MAX`: the longest span asked for at once.
    pub window_max: Duration,
}

/// A live run costs the vendor at least one request, and several may be configured.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// Less would be eaten up by the seconds before now that every window leaves out.
const SHORTEST_OVERLAP: Duration = Duration::from_mins(1);
/// Webex answers 400 to a longer span.
const LONGEST_WINDOW: Duration = Duration::from_hours(184 * 24);
/// Shorter windows would be many requests for nothing.
const SHORTEST_WINDOW: Duration = Duration::from_mins(1);
/// Webex tells calls of the last twelve months.
const LONGEST_LOOK_BACK: Duration = Duration::from_hours(364 * 24);

impl SyncSettings {
    const INTERVAL: Setting = Setting::new("SYNC_INTERVAL", "10m", "Time between two runs that ask a source for new calls");
    const OVERLAP: Setting = Setting::new(
        "SYNC_OVERLAP",
        "15m",
        "How far before the newest call seen a run begins, so that calls the vendor tells late are found; they are stored once all the same",
    );
    const FIRST_LOOK_BACK: Setting = Setting::new(
        "CALL_SYNC_LOOKBACK_MINUTES",
        "15",
        "How far back the very first run of a source looks, in minutes; for older calls use `callscribe sync --from TIME`",
    );
    const WINDOW_MAX: Setting = Setting::new(
        "SYNC_WINDOW_MAX",
        "31d",
        "Longest span asked for at once, at most 184 days; what the vendor finds too wide is halved",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::INTERVAL, Self::OVERLAP, Self::FIRST_LOOK_BACK, Self::WINDOW_MAX];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        let minutes: Option<u32> = reader.parsed(&Self::FIRST_LOOK_BACK, "a number of minutes");
        let settings = Self {
            interval: reader.duration(&Self::INTERVAL).unwrap_or(default.interval),
            overlap: reader.duration(&Self::OVERLAP).unwrap_or(default.overlap),
            first_look_back: minutes.map_or(default.first_look_back, |minutes| Duration::from_mins(minutes.into())),
            window_max: reader.duration(&Self::WINDOW_MAX).unwrap_or(default.window_max),
        };
        settings.check(reader);
        settings
    }

    fn check(&self, reader: &mut Reader<'_>) {
        if self.interval < SHORTEST_INTERVAL {
            reader.complain(Self::INTERVAL.name, "is too short: every run costs the vendor a request");
        }
        if self.overlap < SHORTEST_OVERLAP || self.overlap > LONGEST_LOOK_BACK {
            reader.complain(
                Self::OVERLAP.name,
                "is not usable: below one minute calls told late would be missed, and no vendor reaches back more than 364 days",
            );
        }
        if self.first_look_back.is_zero() || self.first_look_back > LONGEST_LOOK_BACK {
            reader.complain(Self::FIRST_LOOK_BACK.name, "is not usable: it must be at least one minute and at most 364 days");
        }
        if self.window_max < SHORTEST_WINDOW || self.window_max > LONGEST_WINDOW {
            reader.complain(Self::WINDOW_MAX.name, "is not usable: a window lasts from one minute to 184 days");
        }
    }
}

impl Default for SyncSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_mins(10),
            overlap: Duration::from_mins(15),
            first_look_back: Duration::from_mins(15),
            window_max: Duration::from_hours(31 * 24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<SyncSettings, crate::config::Problems> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        crate::config::read(&environment, SyncSettings::read)
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        assert_eq!(read(&[]).unwrap(), SyncSettings::default());
    }

    #[test]
    fn the_brief_s_look_back_is_in_minutes() {
        assert_eq!(read(&[("CALL_SYNC_LOOKBACK_MINUTES", "90")]).unwrap().first_look_back, Duration::from_mins(90));
    }

    #[test]
    fn settings_that_would_miss_calls_are_told_at_start() {
        let text = read(&[("SYNC_OVERLAP", "0s"), ("SYNC_WINDOW_MAX", "300d")]).unwrap_err().to_string();
        assert!(text.contains("`SYNC_OVERLAP` is not usable"), "{text}");
        assert!(text.contains("`SYNC_WINDOW_MAX` is not usable"), "{text}");
    }
}
