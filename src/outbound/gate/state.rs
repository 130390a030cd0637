//! What all machines know of an outside service: pure arithmetic on a clock that the caller reads, in milliseconds.
//!
//! The circuit opens after so many failures in a row and lets one probe through at a time; the limit of requests at once is halved when
//! the service says "slow down" and grows by one for each full round of answers.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

/// Failures in a row, of all machines, that open the circuit: fewer would be one unlucky moment's doing.
const FAILURES_TO_OPEN: u32 = 5;
/// So many different askers must be among them: a recording or two that break the service by themselves do not close it to all.
const ASKERS_TO_OPEN: usize = 3;
/// The first probe goes this long after the circuit opened; each that fails doubles it…
const FIRST_SPAN: Duration = Duration::from_secs(10);
/// …up to this, so that a service that is back is noticed.
const LONGEST_SPAN: Duration = Duration::from_mins(2);
/// Those who are refused stay away for this part of the outage so far: thousands that come back with every probe would be a load of
/// their own.
const PART_OF_OUTAGE: i64 = 4;
/// The longest that a refusal sends anybody away.
const LONGEST_REFUSAL: Duration = Duration::from_mins(5);
/// Nobody is held back for longer by what a service said: a wrong header must not stop us for a day.
pub(super) const LONGEST_BLOCK: Duration = Duration::from_hours(1);
/// Who holds a place or probes says so again within this time, or has died.
pub(super) const BELIEVED: Duration = Duration::from_secs(30);
/// Refusals within this time are one: they answer requests that were under way together.
const ONE_REFUSAL: Duration = Duration::from_secs(2);

/// The state of one gate, as it is kept in Redis. What has its default is left out: a healthy service has no state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct GateState {
    /// Failures in a row.
    #[serde(skip_serializing_if = "is_default")]
    failures: u32,
    /// Who met them, as far as it matters.
    #[serde(skip_serializing_if = "is_default")]
    askers: BTreeSet<i64>,
    /// Those of them in which nobody was there to ask: the askers had no part in them.
    #[serde(skip_serializing_if = "is_default")]
    unreachable: u32,
    #[serde(skip_serializing_if = "is_default")]
    open: Option<Open>,
    /// Requests at once that the service bears, as far as it said; `None`: it never complained.
    #[serde(skip_serializing_if = "is_default")]
    limit: Option<f64>,
    #[serde(skip_serializing_if = "is_default")]
    lowered_at: i64,
    #[serde(skip_serializing_if = "is_default")]
    blocked_until: i64,
}

/// A circuit that is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Open {
    since: i64,
    until: i64,
    span: i64,
    /// Who probes, and until when it is believed.
    probe: Option<(String, i64)>,
    /// Whose probe failed last.
    failed_by: Option<i64>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Why nobody is let in now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The service is down.
    CircuitOpen,
    /// The service asked everyone to wait.
    Blocked,
    /// As many are in as the service bears.
    Full,
}

/// How a request to the service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It answered, whatever it said.
    Answered,
    /// It answered, and said that nothing more is to be had for so long.
    Exhausted(Duration),
    /// It said "slow down", for so long.
    SlowDown(Duration),
    /// Nobody was there to ask: no connection. That is no asker's doing.
    Unreachable,
    /// It failed, or did not answer in time; perhaps because of what it was asked.
    Failed,
    /// Nothing was learnt of it.
    Unknown,
}

/// What an ending changed for everyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    Opened,
    Closed,
}

/// Who leaves, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaving<'a> {
    pub(super) who: &'a str,
    pub(super) asker: i64,
    pub(super) ending: Ending,
    pub(super) ceiling: u16,
    /// How many were in, the one who leaves included.
    pub(super) in_use: u16,
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn span(milliseconds: i64) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

/// What is left of a time that lies at most `most` ahead. One that lies farther was set by another clock: Redis moved to another machine.
fn left(until: i64, most: Duration, now: i64) -> i64 {
    Some(until.saturating_sub(now)).filter(|left| *left > 0 && *left <= milliseconds(most)).unwrap_or(0)
}

impl Open {
    /// For how long `asker` may not probe, and nobody may when it is `None`. Whose probe failed lets others go first.
    fn shut_for(&self, asker: Option<i64>, now: i64) -> i64 {
        let probed = self.probe.as_ref().map_or(0, |(_, believed)| left(*believed, BELIEVED, now));
        let after = if asker.is_some() && self.failed_by == asker { self.span } else { 0 };
        left(self.until.saturating_add(after), LONGEST_SPAN * 2, now).max(probed)
    }
}

impl GateState {
    /// An answer would change nothing.
    pub(super) const fn is_well(&self) -> bool {
        self.failures == 0 && self.open.is_none() && self.limit.is_none()
    }

    /// Whether everyone may come in as far as the circuit and the service's own words go. `Ok(true)`: `who` probes.
    pub(super) fn admit(&mut self, who: &str, asker: i64, now: i64) -> Result<bool, (Why, Duration)> {
        if let Some(open) = &mut self.open {
            let shut = open.shut_for(Some(asker), now);
            if shut > 0 {
                let part = ((now - open.since) / PART_OF_OUTAGE).min(milliseconds(LONGEST_REFUSAL));
                return Err((Why::CircuitOpen, span(shut.max(part))));
            }
            open.probe = Some((who.to_owned(), now + milliseconds(BELIEVED)));
            return Ok(true);
        }
        match self.blocked_for(now) {
            Duration::ZERO => Ok(false),
            wait => Err((Why::Blocked, wait)),
        }
    }

    /// The prober is still at it.
    pub(super) fn stay(&mut self, who: &str, now: i64) {
        if let Some(probe) = self.probe_of(who) {
            probe.1 = now + milliseconds(BELIEVED);
        }
    }

    /// Whoever it was went away without a word.
    pub(super) fn forget(&mut self, who: &str) {
        if let Some(open) = &mut self.open {
            open.probe.take_if(|(prober, _)| prober == who);
        }
    }

    fn probe_of(&mut self, who: &str) -> Option<&mut (String, i64)> {
        self.open.as_mut()?.probe.as_mut().filter(|(prober, _)| prober == who)
    }

    /// Takes note of how it went.
    pub(super) fn leave(&mut self, leaving: Leaving<'_>, now: i64) -> Option<Turned> {
        let probed = self.probe_of(leaving.who).is_some();
        self.forget(leaving.who);
        match leaving.ending {
            Ending::Unknown => {
                if let Some(open) = self.open.as_mut().filter(|_| probed) {
                    (open.until, open.failed_by) = (now + open.span, Some(leaving.asker));
                }
                None
            }
            Ending::Failed | Ending::Unreachable => self.failed(&leaving, probed, now),
            Ending::Answered => self.answered(leaving.ceiling),
            Ending::Exhausted(wait) => {
                self.block(wait, now);
                self.answered(leaving.ceiling)
            }
            Ending::SlowDown(wait) => {
                self.block(wait, now);
                if now - self.lowered_at >= milliseconds(ONE_REFUSAL) || self.limit.is_none() {
                    self.lowered_at = now;
                    let bore = self.bears(leaving.ceiling).min(leaving.in_use.max(1));
                    self.limit = Some((f64::from(bore) / 2.0).max(1.0));
                }
                self.closed()
            }
        }
    }

    fn block(&mut self, wait: Duration, now: i64) {
        self.blocked_until = self.blocked_until.max(now + milliseconds(wait.min(LONGEST_BLOCK)));
    }

    fn answered(&mut self, ceiling: u16) -> Option<Turned> {
        self.limit = self.limit.map(|limit| limit + 1.0 / limit.max(1.0)).filter(|grown| *grown < f64::from(ceiling));
        if self.limit.is_none() {
            self.lowered_at = 0;
        }
        self.closed()
    }

    fn closed(&mut self) -> Option<Turned> {
        (self.failures, self.unreachable) = (0, 0);
        self.askers.clear();
        self.open.take().map(|_| Turned::Closed)
    }

    fn failed(&mut self, leaving: &Leaving<'_>, probed: bool, now: i64) -> Option<Turned> {
        if let Some(open) = &mut self.open {
            // whoever was under way when the circuit opened tells nothing new
            if probed {
                open.span = (open.span * 2).min(milliseconds(LONGEST_SPAN));
                (open.until, open.failed_by) = (now + open.span, Some(leaving.asker));
            }
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        if leaving.ending == Ending::Unreachable {
            self.unreachable = self.unreachable.saturating_add(1);
        } else if self.askers.len() < ASKERS_TO_OPEN {
            self.askers.insert(leaving.asker);
        }
        let askers = self.askers.len().saturating_add(usize::try_from(self.unreachable).unwrap_or(usize::MAX));
        if self.failures < FAILURES_TO_OPEN || askers < ASKERS_TO_OPEN {
            return None;
        }
        let span = milliseconds(FIRST_SPAN);
        self.open = Some(Open { since: now, until: now + span, span, probe: None, failed_by: None });
        Some(Turned::Opened)
    }

    /// Whether nothing but the number of those who are in keeps anybody out.
    pub(super) fn lets_in(&self, now: i64) -> bool {
        !self.is_open() && self.blocked_for(now).is_zero()
    }

    /// Whether the service is taken for down.
    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// How many may be in.
    pub(super) fn bears(&self, ceiling: u16) -> u16 {
        let whole = |limit: f64| (1..=ceiling).rev().find(|most| f64::from(*most) <= limit).unwrap_or(1);
        self.limit.map_or(ceiling, whole)
    }

    /// How long the circuit has been open, if it is.
    pub(super) fn open_for(&self, now: i64) -> Option<Duration> {
        self.open.as_ref().map(|open| span(now - open.since))
    }

    /// How long until another probe, if the circuit is open.
    pub(super) fn shut_for(&self, now: i64) -> Option<Duration> {
        self.open.as_ref().map(|open| span(open.shut_for(None, now)))
    }

    /// For how long the service wants everyone to wait.
    pub(super) fn blocked_for(&self, now: i64) -> Duration {
        span(left(self.blocked_until, LONGEST_BLOCK, now))
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
