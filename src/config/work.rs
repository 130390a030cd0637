//! Work: leases, attempts, concurrency, back-off, draining.

use std::{collections::BTreeMap, time::Duration};

use super::{Reader, Setting};
use crate::domain::JobKind;

/// How jobs are held, tried again and handed back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkSettings {
    /// `JOB_LEASE`: a process that has not renewed its lease for this long is taken for dead.
    pub lease: Duration,
    /// `DRAIN_TIMEOUT`: how long a process that was told to stop lets its jobs run on before it hands them back.
    pub drain_timeout: Duration,
    /// `BACKOFF_BASE`: upper bound of the wait after the first failed attempt.
    pub backoff_base: Duration,
    /// `BACKOFF_MAX`: upper bound of every wait between attempts.
    pub backoff_max: Duration,
    max_attempts: BTreeMap<JobKind, u16>,
    concurrency: BTreeMap<JobKind, u16>,
}

/// Shorter leases would be lost to an ordinary pause of a busy machine.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
/// More at once in one process than this is a slip of the finger: connections and memory are bounded per job.
const MOST_CONCURRENT: u16 = 1024;

impl WorkSettings {
    const LEASE: Setting = Setting::new(
        "JOB_LEASE",
        "20s",
        "How long a worker may stay silent before its jobs are given to others; renewed three times in this span",
    );
    const DRAIN_TIMEOUT: Setting = Setting::new(
        "DRAIN_TIMEOUT",
        "25s",
        "After SIGTERM, how long running jobs may finish before they are handed back; keep it below the supervisor's own limit",
    );
    const BACKOFF_BASE: Setting =
        Setting::new("BACKOFF_BASE", "15s", "Longest wait after the first failed attempt; it doubles with every attempt, with full jitter");
    const BACKOFF_MAX: Setting = Setting::new("BACKOFF_MAX", "1h", "Longest wait between two attempts");
    const MAX_ATTEMPTS_SYNC: Setting = Setting::new("MAX_ATTEMPTS_SYNC", "20", "Attempts of a sync before it is dead");
    const MAX_ATTEMPTS_RECORDING: Setting = Setting::new("MAX_ATTEMPTS_RECORDING", "8", "Attempts to copy a recording before it is dead");
    const MAX_ATTEMPTS_TRANSCRIPTION: Setting =
        Setting::new("MAX_ATTEMPTS_TRANSCRIPTION", "5", "Attempts to transcribe a recording before it is dead; each may cost money");
    const MAX_ATTEMPTS_UPKEEP: Setting = Setting::new("MAX_ATTEMPTS_UPKEEP", "10", "Attempts of an upkeep task before it is dead");
    const MAX_ATTEMPTS_ENRICHMENT: Setting = Setting::new("MAX_ATTEMPTS_ENRICHMENT", "20", "Attempts of an enrichment before it is dead");
    const MAX_ATTEMPTS_CHAT: Setting = Setting::new("MAX_ATTEMPTS_CHAT", "8", "Attempts to read a conversation before it is dead");
    const CONCURRENCY_SYNC: Setting = Setting::new("CONCURRENCY_SYNC", "2", "Syncs at once in one process");
    const CONCURRENCY_RECORDING: Setting = Setting::new("CONCURRENCY_RECORDING", "8", "Recordings copied at once in one process");
    const CONCURRENCY_TRANSCRIPTION: Setting =
        Setting::new("CONCURRENCY_TRANSCRIPTION", "4", "Recordings transcribed at once in one process");
    const CONCURRENCY_UPKEEP: Setting = Setting::new("CONCURRENCY_UPKEEP", "1", "Upkeep tasks at once in one process");
    const CONCURRENCY_ENRICHMENT: Setting = Setting::new("CONCURRENCY_ENRICHMENT", "1", "Enrichments at once in one process");
    const CONCURRENCY_CHAT: Setting = Setting::new("CONCURRENCY_CHAT", "4", "Conversations read at once in one process");
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[
        Self::LEASE,
        Self::DRAIN_TIMEOUT,
        Self::BACKOFF_BASE,
        Self::BACKOFF_MAX,
        Self::MAX_ATTEMPTS_SYNC,
        Self::MAX_ATTEMPTS_RECORDING,
        Self::MAX_ATTEMPTS_TRANSCRIPTION,
        Self::MAX_ATTEMPTS_UPKEEP,
        Self::MAX_ATTEMPTS_ENRICHMENT,
        Self::MAX_ATTEMPTS_CHAT,
        Self::CONCURRENCY_SYNC,
        Self::CONCURRENCY_RECORDING,
        Self::CONCURRENCY_TRANSCRIPTION,
        Self::CONCURRENCY_UPKEEP,
        Self::CONCURRENCY_ENRICHMENT,
        Self::CONCURRENCY_CHAT,
    ];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let mut settings = Self::default();
        settings.lease = reader.duration(&Self::LEASE).unwrap_or(settings.lease);
        settings.drain_timeout = reader.duration(&Self::DRAIN_TIMEOUT).unwrap_or(settings.drain_timeout);
        settings.backoff_base = reader.duration(&Self::BACKOFF_BASE).unwrap_or(settings.backoff_base);
        settings.backoff_max = reader.duration(&Self::BACKOFF_MAX).unwrap_or(settings.backoff_max);
        for kind in JobKind::ALL {
            let attempts = Self::max_attempts_setting(*kind);
            if reader.is_set(&attempts) {
                settings.max_attempts.extend(positive(reader, &attempts, "a number of attempts, at least 1").map(|most| (*kind, most)));
            }
            let concurrency = positive(reader, &Self::concurrency_setting(*kind), "a number of jobs, at least 1");
            settings.concurrency.insert(*kind, concurrency.unwrap_or(kind.default_concurrency()));
        }
        settings.check(reader);
        settings
    }

    fn check(&self, reader: &mut Reader<'_>) {
        if self.lease < SHORTEST_LEASE {
            reader.complain(Self::LEASE.name, "is too short: a lease below 1s is lost to any pause of the machine");
        }
        if self.backoff_base > self.backoff_max {
            reader.complain(Self::BACKOFF_BASE.name, "fights with `BACKOFF_MAX`: the first wait is longer than the longest");
        }
        for (kind, concurrency) in &self.concurrency {
            if *concurrency > MOST_CONCURRENT {
                let name = Self::concurrency_setting(*kind).name;
                reader.complain(name, format!("is too high: one process runs at most {MOST_CONCURRENT} jobs of a kind at once"));
            }
        }
    }

    const fn max_attempts_setting(kind: JobKind) -> Setting {
        match kind {
            JobKind::Sync => Self::MAX_ATTEMPTS_SYNC,
            JobKind::Recording => Self::MAX_ATTEMPTS_RECORDING,
            JobKind::Transcription => Self::MAX_ATTEMPTS_TRANSCRIPTION,
            JobKind::Upkeep => Self::MAX_ATTEMPTS_UPKEEP,
            JobKind::Enrichment => Self::MAX_ATTEMPTS_ENRICHMENT,
            JobKind::Chat => Self::MAX_ATTEMPTS_CHAT,
        }
    }

    const fn concurrency_setting(kind: JobKind) -> Setting {
        match kind {
            JobKind::Sync => Self::CONCURRENCY_SYNC,
            JobKind::Recording => Self::CONCURRENCY_RECORDING,
            JobKind::Transcription => Self::CONCURRENCY_TRANSCRIPTION,
            JobKind::Upkeep => Self::CONCURRENCY_UPKEEP,
            JobKind::Enrichment => Self::CONCURRENCY_ENRICHMENT,
            JobKind::Chat => Self::CONCURRENCY_CHAT,
        }
    }

    /// `MAX_ATTEMPTS_<KIND>` if it was given: it then replaces what the jobs' own rows say.
    #[must_use]
    pub fn max_attempts(&self, kind: JobKind) -> Option<u16> {
        self.max_attempts.get(&kind).copied()
    }

    /// `CONCURRENCY_<KIND>`.
    #[must_use]
    pub fn concurrency(&self, kind: JobKind) -> u16 {
        self.concurrency.get(&kind).copied().unwrap_or(kind.default_concurrency())
    }

    /// The same settings with another concurrency of `kind`.
    #[must_use]
    pub fn with_concurrency(mut self, kind: JobKind, jobs: u16) -> Self {
        self.concurrency.insert(kind, jobs.max(1));
        self
    }
}

impl Default for WorkSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(20),
            drain_timeout: Duration::from_secs(25),
            backoff_base: Duration::from_secs(15),
            backoff_max: Duration::from_hours(1),
            max_attempts: BTreeMap::new(),
            concurrency: BTreeMap::new(),
        }
    }
}

fn positive(reader: &mut Reader<'_>, setting: &Setting, expected: &str) -> Option<u16> {
    let value: u16 = reader.parsed(setting, expected)?;
    if value == 0 {
        reader.complain(setting.name, format!("is not usable: `0` is not {expected}"));
        return None;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<WorkSettings, crate::config::Problems> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        crate::config::read(&environment, WorkSettings::read)
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        let read = read(&[]).unwrap();
        let default = WorkSettings::default();
        assert_eq!((read.lease, read.drain_timeout), (default.lease, default.drain_timeout));
        assert_eq!((read.backoff_base, read.backoff_max), (default.backoff_base, default.backoff_max));
        for kind in JobKind::ALL {
            assert_eq!(read.max_attempts(*kind), None);
            assert_eq!(WorkSettings::max_attempts_setting(*kind).default, Some(kind.default_max_attempts().to_string().as_str()));
            assert_eq!(WorkSettings::concurrency_setting(*kind).default, Some(kind.default_concurrency().to_string().as_str()));
            assert_eq!(read.concurrency(*kind), kind.default_concurrency());
            assert_eq!(WorkSettings::max_attempts_setting(*kind).name, format!("MAX_ATTEMPTS_{}", kind.as_str().to_uppercase()));
            assert_eq!(WorkSettings::concurrency_setting(*kind).name, format!("CONCURRENCY_{}", kind.as_str().to_uppercase()));
        }
    }

    #[test]
    fn attempts_given_replace_those_of_the_rows() {
        let read = read(&[("MAX_ATTEMPTS_SYNC", "3")]).unwrap();
        assert_eq!((read.max_attempts(JobKind::Sync), read.max_attempts(JobKind::Recording)), (Some(3), None));
    }

    #[test]
    fn settings_that_fight_are_told_at_start() {
        let text = read(&[("BACKOFF_BASE", "2h"), ("JOB_LEASE", "10ms"), ("CONCURRENCY_SYNC", "0")]).unwrap_err().to_string();
        assert!(text.contains("`BACKOFF_BASE` fights with `BACKOFF_MAX`"), "{text}");
        assert!(text.contains("`JOB_LEASE` is too short"), "{text}");
        assert!(text.contains("`CONCURRENCY_SYNC` is not usable: `0`"), "{text}");
    }
}
