//! Recordings: how long to wait for one.

use std::time::Duration;

use super::{Reader, Setting};

/// What the recording worker goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingSettings {
    /// `RECORDING_POLL_SCHEDULE`: the waits before a recording that is not there is asked for again; after the last, never.
    pub poll_schedule: Vec<Duration>,
}

impl RecordingSettings {
    const POLL_SCHEDULE: Setting = Setting::new(
        "RECORDING_POLL_SCHEDULE",
        "30s,2m,10m,30m,2h,6h,24h",
        "Waits before a recording that is not there yet is asked for again; after the last one the call has none",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::POLL_SCHEDULE];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let waits = reader.list(&Self::POLL_SCHEDULE);
        let parsed: Result<Vec<Duration>, _> = waits.iter().map(|wait| humantime::parse_duration(wait)).collect();
        match parsed {
            Ok(poll_schedule) => Self { poll_schedule },
            Err(_) => {
                let what = format!("is not usable: `{}` is not a list of spans of time such as `30s,2m,1h`", waits.join(","));
                reader.complain(Self::POLL_SCHEDULE.name, what);
                Self { poll_schedule: Vec::new() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn the_schedule_is_a_list_of_spans() {
        let mut environment = Environment::default();
        assert_eq!(RecordingSettings::read(&mut Reader::new(&environment)).poll_schedule.len(), 7);
        environment.set("RECORDING_POLL_SCHEDULE", "1s, 1m");
        let settings = RecordingSettings::read(&mut Reader::new(&environment));
        assert_eq!(settings.poll_schedule, [Duration::from_secs(1), Duration::from_mins(1)]);
        environment.set("RECORDING_POLL_SCHEDULE", "soon");
        let mut reader = Reader::new(&environment);
        RecordingSettings::read(&mut reader);
        assert!(reader.finish().is_err());
    }
}
