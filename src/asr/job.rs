//! The name under which work in the background is remembered: the provider's own id, when it began, how it was asked and how often.
//!
//! It is a text, because whoever stores it knows nothing of providers: `<round>.<u|d>.<seconds since 1970>.<id>`.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Manner;

/// The longest that work may take beyond three times its audio's length.
const GRACE: Duration = Duration::from_mins(15);
/// An engine that needs longer than this many times the length of its audio, and `GRACE`, has lost it.
const SLOWEST: u32 = 3;
/// A piece is asked for this often; each time may cost money.
pub(super) const MOST_ROUNDS: u8 = 2;
/// First look, and the shortest time between two.
pub(super) const FIRST_LOOK: Duration = Duration::from_secs(10);
/// The longest time between two looks.
const LAST_LOOK: Duration = Duration::from_mins(1);

/// Work that a provider does in the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    /// The provider's id.
    pub(super) id: String,
    pub(super) begun: DateTime<Utc>,
    pub(super) manner: Manner,
    /// 1 for the first.
    pub(super) round: u8,
}

impl Job {
    /// Reads a name; nothing when it is none of ours.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(4, '.');
        let round = parts.next()?.parse().ok()?;
        let manner = match parts.next()? {
            "u" => Manner::Usual,
            "d" => Manner::Different,
            _ => return None,
        };
        let begun = DateTime::from_timestamp(parts.next()?.parse().ok()?, 0)?;
        let id = parts.next().filter(|id| !id.is_empty())?.to_owned();
        Some(Self { id, begun, manner, round })
    }

    /// How long it has been under way.
    pub(super) fn age(&self, now: DateTime<Utc>) -> Duration {
        (now - self.begun).to_std().unwrap_or_default()
    }

    /// Whether it has been under way for longer than any work takes.
    pub(super) fn is_lost(&self, now: DateTime<Utc>, audio: Duration) -> bool {
        self.age(now) > audio.saturating_mul(SLOWEST).saturating_add(GRACE)
    }

    /// Until the next look: the longer it takes, the longer it will.
    pub(super) fn next_look(&self, now: DateTime<Utc>) -> Duration {
        (self.age(now) / 3).clamp(FIRST_LOOK, LAST_LOOK)
    }
}

impl std::fmt::Display for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let manner = match self.manner {
            Manner::Usual => 'u',
            Manner::Different => 'd',
        };
        write!(f, "{}.{manner}.{}.{}", self.round, self.begun.timestamp(), self.id)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn job() -> Job {
        Job { id: "a.b-1".to_owned(), begun: DateTime::UNIX_EPOCH + TimeDelta::days(1), manner: Manner::Different, round: 2 }
    }

    #[test]
    fn a_name_tells_all_that_is_remembered() {
        assert_eq!(job().to_string(), "2.d.86400.a.b-1");
        assert_eq!(Job::parse("2.d.86400.a.b-1"), Some(job()));
        for other in ["", "a", "2.d.86400.", "2.x.86400.a", "999.u.1.a", "1.u.soon.a"] {
            assert_eq!(Job::parse(other), None, "{other}");
        }
    }

    #[test]
    fn looks_grow_rarer_and_after_three_lengths_and_a_quarter_of_an_hour_it_is_lost() {
        let after = |seconds| job().begun + TimeDelta::seconds(seconds);
        let looks: Vec<u64> = [0, 45, 1_000].into_iter().map(|seconds| job().next_look(after(seconds)).as_secs()).collect();
        assert_eq!(looks, [10, 15, 60]);
        let minute = Duration::from_mins(1);
        assert!(!job().is_lost(after(1_080), minute) && job().is_lost(after(1_081), minute));
        assert_eq!(job().age(after(-5)), Duration::ZERO, "a clock that was put back");
    }
}
