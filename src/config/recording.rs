//! Recordings: how long to wait for one, and which of several are copied.

use std::time::Duration;

use super::{Reader, Setting};
use crate::domain::{Leg, LegPolicy};

/// What the recording worker goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingSettings {
    /// `RECORDING_POLL_SCHEDULE`: the waits before a recording that is not there is asked for again; after the last, never.
    pub poll_schedule: Vec<Duration>,
    /// `RECORDING_LEGS`: which of a call's recordings are copied.
    pub legs: LegPolicy,
    /// `RECORDING_VENDOR_KEEPS`: how long the vendor keeps recordings; `None`: for good, as far as anybody said.
    pub vendor_keeps: Option<Duration>,
}

/// Everything on offer.
const ALL: &str = "all";
/// Pieces of the call, though the whole is there.
const SEGMENTS: &str = "segments";

impl RecordingSettings {
    const POLL_SCHEDULE: Setting = Setting::new(
        "RECORDING_POLL_SCHEDULE",
        "30s,2m,10m,30m,2h,6h,24h",
        "Waits before a recording that is not there yet is asked for again; after the last one the call has none",
    );
    const LEGS: Setting = Setting::new(
        "RECORDING_LEGS",
        "main",
        "Which of a call's recordings are copied, by comma: `main`, `consult`, `va-main`, `va-consult`, `other`, `segments`, or `all`. The others are kept as rows",
    );
    const VENDOR_KEEPS: Setting = Setting::optional(
        "RECORDING_VENDOR_KEEPS",
        "How long the vendor keeps recordings, such as `30d`, if it deletes them: those in the last quarter of it are copied before all others",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::POLL_SCHEDULE, Self::LEGS, Self::VENDOR_KEEPS];

    /// How old a call is whose recording is to be copied before all others.
    #[must_use]
    pub fn urgent_from(&self) -> Option<Duration> {
        self.vendor_keeps.map(|keeps| keeps / 4 * 3)
    }

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let legs = read_legs(reader);
        let vendor_keeps = reader.is_set(&Self::VENDOR_KEEPS).then(|| reader.duration(&Self::VENDOR_KEEPS)).flatten();
        let waits = reader.list(&Self::POLL_SCHEDULE);
        let parsed: Result<Vec<Duration>, _> = waits.iter().map(|wait| humantime::parse_duration(wait)).collect();
        match parsed {
            Ok(poll_schedule) => Self { poll_schedule, legs, vendor_keeps },
            Err(_) => {
                let what = format!("is not usable: `{}` is not a list of spans of time such as `30s,2m,1h`", waits.join(","));
                reader.complain(Self::POLL_SCHEDULE.name, what);
                Self { poll_schedule: Vec::new(), legs, vendor_keeps }
            }
        }
    }
}

fn read_legs(reader: &mut Reader<'_>) -> LegPolicy {
    let name = RecordingSettings::LEGS.name;
    let mut policy = LegPolicy { legs: Vec::new(), segments: false };
    let words: Vec<String> = reader.list(&RecordingSettings::LEGS).iter().map(|word| word.to_ascii_lowercase()).collect();
    for word in &words {
        match (word.as_str(), word.parse::<Leg>()) {
            (ALL, _) => policy = LegPolicy::all(),
            (SEGMENTS, _) => policy.segments = true,
            (_, Ok(leg)) => policy.legs.push(leg),
            (_, Err(unknown)) => {
                reader.complain(name, format!("is not usable: `{word}` is none of {}, `{SEGMENTS}` and `{ALL}`", unknown.expected));
            }
        }
    }
    if words.iter().any(|word| word == ALL) {
        return LegPolicy::all();
    }
    if !policy.legs.contains(&Leg::Main) {
        reader.complain(name, format!("must hold `{}`: the call's own recording is always copied", Leg::Main));
    }
    policy
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
        assert_eq!((settings.legs, settings.vendor_keeps), (LegPolicy::main_only(), None));
        environment.set("RECORDING_VENDOR_KEEPS", "40d");
        let settings = RecordingSettings::read(&mut Reader::new(&environment));
        assert_eq!(settings.urgent_from(), Some(Duration::from_hours(30 * 24)));
        environment.set("RECORDING_POLL_SCHEDULE", "soon");
        let mut reader = Reader::new(&environment);
        RecordingSettings::read(&mut reader);
        assert!(reader.finish().is_err());
    }

    fn legs(text: &str) -> Result<LegPolicy, String> {
        let mut environment = Environment::default();
        environment.set("RECORDING_LEGS", text);
        let mut reader = Reader::new(&environment);
        let settings = RecordingSettings::read(&mut reader);
        reader.finish().map(|()| settings.legs).map_err(|problems| problems.to_string())
    }

    #[test]
    fn legs_are_named_or_all_and_the_call_itself_cannot_be_left_out() {
        assert_eq!(legs(" Main , consult"), Ok(LegPolicy { legs: vec![Leg::Main, Leg::Consult], segments: false }));
        assert_eq!(legs("main,segments"), Ok(LegPolicy { legs: vec![Leg::Main], segments: true }));
        assert_eq!(legs("consult,all"), Ok(LegPolicy::all()));
        assert!(legs("consult").unwrap_err().contains("`RECORDING_LEGS` must hold `main`"));
        let unknown = legs("main,conslt").unwrap_err();
        assert!(unknown.contains("`conslt` is none of `main`, `consult`") && unknown.contains("`all`"), "{unknown}");
    }
}
