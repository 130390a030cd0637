//! Alerts without Prometheus: what is too much, and who is told.

use std::{fmt, time::Duration};

use secrecy::SecretString;
use url::Url;

use super::{NetworkSettings, Reader, Setting};

/// What needs a person, and where it is told.
#[derive(Clone)]
pub struct AlertSettings {
    /// `ALERT_SLACK_WEBHOOK_URL`. Whoever knows it may write, so it never prints.
    pub slack: Option<Url>,
    /// `ALERT_WEBHOOK_URL`.
    pub webhook: Option<Url>,
    /// `ALERT_WEBHOOK_SECRET`.
    pub webhook_secret: Option<SecretString>,
    /// `ALERT_DEAD_JOBS`: more dead jobs of a kind than this need a person.
    pub dead_jobs: i64,
    /// `ALERT_SYNC_AGE`: a source whose last successful sync is older needs a person.
    pub sync_age: Duration,
    /// `ALERT_REPEAT`: how often an alert that goes on is told again.
    pub repeat: Duration,
    /// The way out.
    pub network: NetworkSettings,
}

impl fmt::Debug for AlertSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertSettings")
            .field("slack", &self.slack.is_some())
            .field("webhook", &self.webhook.is_some())
            .finish_non_exhaustive()
    }
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            slack: None,
            webhook: None,
            webhook_secret: None,
            dead_jobs: 25,
            sync_age: Duration::from_hours(1),
            repeat: Duration::from_hours(4),
            network: NetworkSettings::default(),
        }
    }
}

impl AlertSettings {
    const SLACK: Setting = Setting::secret("ALERT_SLACK_WEBHOOK_URL", "Incoming webhook of Slack that is told of alerts");
    const WEBHOOK: Setting =
        Setting::secret("ALERT_WEBHOOK_URL", "Address that is told of alerts as JSON; see [OPERATIONS.md](OPERATIONS.md#alerts)");
    const WEBHOOK_SECRET: Setting =
        Setting::secret("ALERT_WEBHOOK_SECRET", "Signs what `ALERT_WEBHOOK_URL` gets: HMAC-SHA256 in `X-Callscribe-Signature`");
    const DEAD_JOBS: Setting = Setting::new("ALERT_DEAD_JOBS", "25", "More dead jobs of one kind than this are an alert");
    const SYNC_AGE: Setting = Setting::new("ALERT_SYNC_AGE", "1h", "A source whose last successful sync is older than this is an alert");
    const REPEAT: Setting = Setting::new("ALERT_REPEAT", "4h", "How often an alert that goes on is told again");
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] =
        &[Self::SLACK, Self::WEBHOOK, Self::WEBHOOK_SECRET, Self::DEAD_JOBS, Self::SYNC_AGE, Self::REPEAT];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        let webhook = reader.parsed(&Self::WEBHOOK, "an address");
        let webhook_secret = reader.secret(&Self::WEBHOOK_SECRET);
        if webhook.is_none() && webhook_secret.is_some() {
            reader.complain(Self::WEBHOOK_SECRET.name, "signs nothing: `ALERT_WEBHOOK_URL` is not given");
        }
        let dead_jobs: Option<u32> = reader.parsed(&Self::DEAD_JOBS, "a number of jobs");
        let repeat = reader.duration(&Self::REPEAT).unwrap_or(default.repeat);
        if repeat < SHORTEST_REPEAT {
            reader.complain(Self::REPEAT.name, "is not usable: less than a minute would be a flood");
        }
        Self {
            slack: reader.parsed(&Self::SLACK, "an address"),
            webhook,
            webhook_secret,
            dead_jobs: dead_jobs.map_or(default.dead_jobs, i64::from),
            sync_age: reader.duration(&Self::SYNC_AGE).unwrap_or(default.sync_age),
            repeat,
            network: NetworkSettings::read(reader),
        }
    }
}

/// The time between two looks.
const SHORTEST_REPEAT: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<AlertSettings, crate::config::Problems> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        crate::config::read(&environment, AlertSettings::read)
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        let (read, default) = (read(&[]).unwrap(), AlertSettings::default());
        assert_eq!((read.dead_jobs, read.sync_age, read.repeat), (default.dead_jobs, default.sync_age, default.repeat));
    }

    #[test]
    fn addresses_never_print_and_slips_are_told() {
        let settings = read(&[("ALERT_SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/B0/s3cret")]).unwrap();
        assert!(!format!("{settings:?}").contains("s3cret"));
        let text =
            read(&[("ALERT_WEBHOOK_SECRET", "x"), ("ALERT_REPEAT", "1s"), ("ALERT_SLACK_WEBHOOK_URL", "s3cret")]).unwrap_err().to_string();
        assert!(
            text.contains("ALERT_WEBHOOK_SECRET") && text.contains("ALERT_REPEAT") && text.contains("ALERT_SLACK_WEBHOOK_URL"),
            "{text}"
        );
        assert!(!text.contains("s3cret"), "{text}");
    }
}
