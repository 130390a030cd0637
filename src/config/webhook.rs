//! Webhooks of Webex: the secret they are signed with, how old one may be, what they may set in motion.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::{Reader, Setting, webex::WebexSettings};
use crate::domain::OrgId;

/// How webhooks are received.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// `WEBEX_CC_WEBHOOK_SECRET`, then `WEBEX_CC_WEBHOOK_SECRET_PREVIOUS`; empty when the receiver is off.
    pub secrets: Vec<SecretString>,
    /// `WEBEX_CC_ORG_ID`: an event of another organisation is refused.
    pub org_id: Option<OrgId>,
    /// `WEBEX_CC_WEBHOOK_TOLERANCE`: how far an event's timestamp may lie from now, either way.
    pub tolerance: Duration,
    /// `WEBEX_CC_WEBHOOK_SYNC_EVERY`: the least time between two live runs that events ask for.
    pub sync_every: Duration,
    /// `WEBEX_CC_WEBHOOK_CHECK_EVERY`: time between two looks at the subscriptions.
    pub check_every: Duration,
    /// `WEBEX_CC_WEBHOOK_KEEP`: how long events are kept.
    pub keep: Duration,
}

/// What Webex takes as a secret.
const SECRET_CHARACTERS: std::ops::RangeInclusive<usize> = 32..=256;
/// Clocks of vendors were seen five minutes off.
const SHORTEST_TOLERANCE: Duration = Duration::from_mins(5);
/// A live run costs the vendor at least one request.
const SHORTEST_SYNC: Duration = Duration::from_secs(1);
/// So does a look at the subscriptions.
const SHORTEST_CHECK: Duration = Duration::from_secs(1);

impl WebhookSettings {
    const SECRET: Setting = Setting::secret(
        "WEBEX_CC_WEBHOOK_SECRET",
        "Secret that Webex signs events with, 32 to 256 characters (`openssl rand -hex 32`); `callscribe webex subscribe` gives it to Webex. \
         Left out, `/api/webhooks/webex` answers 503",
    );
    const SECRET_PREVIOUS: Setting = Setting::secret(
        "WEBEX_CC_WEBHOOK_SECRET_PREVIOUS",
        "The secret before it, still taken: set it while changing `WEBEX_CC_WEBHOOK_SECRET`",
    );
    const TOLERANCE: Setting = Setting::new(
        "WEBEX_CC_WEBHOOK_TOLERANCE",
        "10m",
        "How far the timestamp of an event may lie from now, before or after; others are refused as played again. At least 5m: clocks differ",
    );
    const SYNC_EVERY: Setting =
        Setting::new("WEBEX_CC_WEBHOOK_SYNC_EVERY", "15s", "Events that need a sync share one at most this often, however many come");
    const CHECK_EVERY: Setting = Setting::new(
        "WEBEX_CC_WEBHOOK_CHECK_EVERY",
        "10m",
        "Time between two looks whether Webex switched our subscriptions off; `callscribe worker upkeep` switches them on again",
    );
    const KEEP: Setting = Setting::new(
        "WEBEX_CC_WEBHOOK_KEEP",
        "30d",
        "How long events are kept in `webhook_events`, and an event that comes again is known by its id",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] =
        &[Self::SECRET, Self::SECRET_PREVIOUS, Self::TOLERANCE, Self::SYNC_EVERY, Self::CHECK_EVERY, Self::KEEP];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let mut settings = Self::default();
        let secret = read_secret(reader, &Self::SECRET);
        let previous = read_secret(reader, &Self::SECRET_PREVIOUS);
        if secret.is_none() && previous.is_some() {
            reader.complain(Self::SECRET_PREVIOUS.name, "is of no use without `WEBEX_CC_WEBHOOK_SECRET`");
        }
        settings.secrets = secret.into_iter().chain(previous).collect();
        if !settings.secrets.is_empty() {
            settings.org_id = WebexSettings::read_org_id(reader);
        }
        settings.tolerance = reader.duration(&Self::TOLERANCE).unwrap_or(settings.tolerance);
        settings.sync_every = reader.duration(&Self::SYNC_EVERY).unwrap_or(settings.sync_every);
        settings.check_every = reader.duration(&Self::CHECK_EVERY).unwrap_or(settings.check_every);
        settings.keep = reader.duration(&Self::KEEP).unwrap_or(settings.keep);
        settings.check(reader);
        settings
    }

    fn check(&self, reader: &mut Reader<'_>) {
        if self.tolerance < SHORTEST_TOLERANCE {
            reader.complain(Self::TOLERANCE.name, "is too short: the vendor's clock may be five minutes off");
        }
        if self.sync_every < SHORTEST_SYNC {
            reader.complain(Self::SYNC_EVERY.name, "is too short: at least 1s, since each run asks the vendor");
        }
        if self.check_every < SHORTEST_CHECK {
            reader.complain(Self::CHECK_EVERY.name, "is too short: at least 1s, since each look asks the vendor");
        }
        if self.keep <= self.tolerance.saturating_mul(2) {
            reader.complain(
                Self::KEEP.name,
                "fights with `WEBEX_CC_WEBHOOK_TOLERANCE`: an event must be remembered for more than twice as long as it may be sent again",
            );
        }
    }
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            org_id: None,
            tolerance: Duration::from_mins(10),
            sync_every: Duration::from_secs(15),
            check_every: Duration::from_mins(10),
            keep: Duration::from_hours(30 * 24),
        }
    }
}

fn read_secret(reader: &mut Reader<'_>, setting: &Setting) -> Option<SecretString> {
    let secret = reader.secret(setting)?;
    if !SECRET_CHARACTERS.contains(&secret.expose_secret().chars().count()) {
        reader.complain(setting.name, "must have 32 to 256 characters, as Webex asks (`openssl rand -hex 32`)");
        return None;
    }
    Some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, read};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn told(pairs: &[(&str, &str)]) -> Result<WebhookSettings, String> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read(&environment, WebhookSettings::read).map_err(|problems| problems.to_string())
    }

    #[test]
    fn nothing_set_is_no_receiver_and_the_defaults_are_those_documented() {
        let (read, default) = (told(&[]).unwrap(), WebhookSettings::default());
        assert!(read.secrets.is_empty() && read.org_id.is_none());
        assert_eq!((read.tolerance, read.sync_every), (default.tolerance, default.sync_every));
        assert_eq!((read.check_every, read.keep), (default.check_every, default.keep));
    }

    #[test]
    fn a_receiver_knows_its_organisation_and_two_secrets() {
        assert!(told(&[("WEBEX_CC_WEBHOOK_SECRET", SECRET)]).unwrap_err().contains("`WEBEX_CC_ORG_ID` is missing"));
        let pairs = [("WEBEX_CC_WEBHOOK_SECRET", SECRET), ("WEBEX_CC_WEBHOOK_SECRET_PREVIOUS", SECRET), ("WEBEX_CC_ORG_ID", "org-1")];
        assert_eq!(told(&pairs).unwrap().secrets.len(), 2);
    }

    #[test]
    fn what_cannot_work_is_told_by_name_and_no_secret_is_shown() {
        let text = told(&[
            ("WEBEX_CC_WEBHOOK_SECRET", "hunter2"),
            ("WEBEX_CC_WEBHOOK_TOLERANCE", "1m"),
            ("WEBEX_CC_WEBHOOK_KEEP", "1m"),
            ("WEBEX_CC_WEBHOOK_SYNC_EVERY", "0s"),
            ("WEBEX_CC_WEBHOOK_CHECK_EVERY", "0s"),
        ])
        .unwrap_err();
        for name in [
            "SECRET` must have 32",
            "TOLERANCE` is too short",
            "KEEP` fights with",
            "SYNC_EVERY` is too short",
            "CHECK_EVERY` is too short",
        ] {
            assert!(text.contains(&format!("`WEBEX_CC_WEBHOOK_{name}")), "{name}: {text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
        assert!(told(&[("WEBEX_CC_WEBHOOK_SECRET_PREVIOUS", SECRET)]).is_err());
    }
}
