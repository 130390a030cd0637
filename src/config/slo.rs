//! Freshness: how old the oldest work may become before someone should look, and what advice aims at.

use std::time::Duration;

use super::{Reader, Setting};
use crate::domain::JobKind;

/// The freshness that is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SloSettings {
    /// `SLO_SYNC`: age of the oldest sync that is due or running.
    pub sync: Duration,
    /// `SLO_RECORDING`: age of the oldest ended call whose recording could be copied and is not.
    pub recording: Duration,
    /// `SLO_TRANSCRIBE`: age of the oldest ended call that could be transcribed and is not.
    pub transcribe: Duration,
}

impl SloSettings {
    const SYNC: Setting = Setting::new("SLO_SYNC", "15m", "How old the oldest sync that is due or running may become, per source");
    const RECORDING: Setting = Setting::new(
        "SLO_RECORDING",
        "10m",
        "How long after its end a call's recording may be without a copy, per source; calls whose recording the vendor does not have yet do not count",
    );
    const TRANSCRIBE: Setting = Setting::new(
        "SLO_TRANSCRIBE",
        "1h",
        "How long after its end a call may be without its transcript once its recording is stored, per source; `callscribe status` advises the workers that meet it",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::SYNC, Self::RECORDING, Self::TRANSCRIBE];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let defaults = Self::default();
        let settings = Self {
            sync: reader.duration(&Self::SYNC).unwrap_or(defaults.sync),
            recording: reader.duration(&Self::RECORDING).unwrap_or(defaults.recording),
            transcribe: reader.duration(&Self::TRANSCRIBE).unwrap_or(defaults.transcribe),
        };
        if settings.recording > settings.transcribe {
            reader.complain(Self::RECORDING.name, "fights with `SLO_TRANSCRIBE`: a recording is copied before it is transcribed");
        }
        for (setting, goal) in [(Self::SYNC, settings.sync), (Self::RECORDING, settings.recording), (Self::TRANSCRIBE, settings.transcribe)]
        {
            if goal.is_zero() {
                reader.complain(setting.name, "is not usable: nothing is done in no time");
            }
        }
        settings
    }

    /// The freshness of a kind's work, where one is stated.
    #[must_use]
    pub const fn of(&self, kind: JobKind) -> Option<Duration> {
        match kind {
            JobKind::Sync => Some(self.sync),
            JobKind::Recording => Some(self.recording),
            JobKind::Transcription => Some(self.transcribe),
            JobKind::Upkeep | JobKind::Enrichment | JobKind::Chat => None,
        }
    }
}

impl Default for SloSettings {
    fn default() -> Self {
        Self { sync: Duration::from_mins(15), recording: Duration::from_mins(10), transcribe: Duration::from_hours(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, read};

    #[test]
    fn the_documented_defaults_are_the_defaults_and_goals_that_fight_are_told() {
        assert_eq!(read(&Environment::default(), SloSettings::read).unwrap(), SloSettings::default());
        let short: Environment = [("SLO_TRANSCRIBE".to_owned(), "5m".to_owned())].into_iter().collect();
        let problem = read(&short, SloSettings::read).unwrap_err().to_string();
        assert!(problem.contains("`SLO_RECORDING` fights with `SLO_TRANSCRIBE`"), "{problem}");
    }
}
