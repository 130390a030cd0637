//! Comparing what a vendor lists with what is held: when, how far back, what is done about what is missing.

use std::str::FromStr;

use chrono::NaiveTime;

use super::{Reader, Setting};
use crate::domain::Repair;

/// The nightly comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconcileSettings {
    /// `RECONCILE_AT`: time of day in UTC; `None` when it is off.
    pub at: Option<NaiveTime>,
    /// `RECONCILE_DAYS`: days before today that are compared again each night.
    pub days: u16,
    /// `RECONCILE_REPAIR`: what is enqueued by itself.
    pub repair: Repair,
}

/// Webex tells calls of the last twelve months.
const MOST_DAYS: u16 = 364;

/// `03:30` or `off`.
struct At(Option<NaiveTime>);

impl FromStr for At {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" { Ok(Self(None)) } else { NaiveTime::parse_from_str(text, "%H:%M").map(|at| Self(Some(at))) }
    }
}

impl ReconcileSettings {
    const AT: Setting = Setting::new(
        "RECONCILE_AT",
        "03:30",
        "Time of day (UTC) at which the vendor's lists are compared with what is held, or `off`; a night that was missed is made up for",
    );
    const DAYS: Setting = Setting::new(
        "RECONCILE_DAYS",
        "3",
        "Days before today that are compared each night; days of which something was missing or under way are compared again whatever their age",
    );
    const REPAIR: Setting = Setting::new(
        "RECONCILE_REPAIR",
        "calls",
        "What the nightly comparison enqueues by itself: `calls` that are missing, `everything` (recordings and transcripts too, which may cost money), or `nothing`",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::AT, Self::DAYS, Self::REPAIR];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        let days: Option<u16> = reader.parsed(&Self::DAYS, "a number of days");
        if days.is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
            reader.complain(Self::DAYS.name, "is not usable: from 1 to 364 days can be compared");
        }
        Self {
            at: reader.parsed(&Self::AT, "a time of day such as `03:30`, or `off`").map_or(default.at, |At(at)| at),
            days: days.unwrap_or(default.days),
            repair: reader.parsed(&Self::REPAIR, "`calls`, `everything` or `nothing`").unwrap_or(default.repair),
        }
    }
}

impl Default for ReconcileSettings {
    fn default() -> Self {
        Self { at: NaiveTime::from_hms_opt(3, 30, 0), days: 3, repair: Repair::Calls }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<ReconcileSettings, crate::config::Problems> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        crate::config::read(&environment, ReconcileSettings::read)
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        assert_eq!(read(&[]).unwrap(), ReconcileSettings::default());
    }

    #[test]
    fn it_can_be_switched_off_and_a_slip_is_told() {
        assert_eq!(read(&[("RECONCILE_AT", "off")]).unwrap().at, None);
        let text = read(&[("RECONCILE_AT", "25:00"), ("RECONCILE_DAYS", "0"), ("RECONCILE_REPAIR", "all")]).unwrap_err().to_string();
        assert!(text.contains("`RECONCILE_AT` is not usable: `25:00`"), "{text}");
        assert!(text.contains("`RECONCILE_DAYS` is not usable") && text.contains("`RECONCILE_REPAIR` is not usable: `all`"), "{text}");
    }
}
