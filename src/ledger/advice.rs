//! How many workers would do: Little's law over what arrives and what waits, against a stated freshness.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{Count, Depth, Rate, Scale, Setbacks};
use crate::{
    config::{SloSettings, WorkSettings},
    domain::{JobKind, Reason},
};

/// Slots busier than this make work wait for each other.
const UTILISATION: f64 = 0.8;
/// Work without a stated freshness is to be caught up within this time.
const USUAL_GOAL: Duration = Duration::from_hours(1);
/// More than this is no advice but a sign that something else is wrong.
const MOST_SLOTS: f64 = 100_000.0;

/// What is asked of one kind, and what there is.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// How fast its work comes and goes.
    pub rate: &'a Rate,
    /// What is due or running.
    pub waiting: Count,
    /// `SLO_<WORKER>`: how old its oldest work may become.
    pub goal: Option<Duration>,
    /// Slots of one worker process: `CONCURRENCY_<KIND>`, or what `callscribe queue scale` made of it.
    pub slots_per_worker: u16,
    /// How its runs ended lately, those that were done excepted.
    pub setbacks: &'a [Setbacks],
}

/// What would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Advice {
    /// Jobs at once; `None` while nobody knows how long one takes.
    pub slots: Option<u32>,
    /// Worker processes with as many slots as each has now.
    pub workers: Option<u32>,
    /// Seconds until nothing waits at the present rates; `None`: never, or nothing waits.
    pub empty_in_seconds: Option<f64>,
    /// More waits every second.
    pub growing: bool,
    /// Why more workers would not help, if so.
    pub bound_by: Option<Bound>,
}

/// What bounds the rate, other than slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The vendor's budget, or its patience.
    VendorBudget,
    /// The vendor fails.
    Vendor,
    /// The transcriber asks to wait, or fails.
    Provider,
    /// A login, a key, a scope.
    Credentials,
    /// S3 fails.
    Storage,
}

impl Bound {
    /// The sentence for people.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::VendorBudget => {
                "bound by the vendor's request budget, more workers will not help: raise `WEBEX_BUDGET_PER_MINUTE` if the vendor allows it"
            }
            Self::Vendor => "bound by the vendor, which fails, more workers will not help: it goes on when the vendor does",
            Self::Provider => "bound by the transcriber, more workers will not help: raise its limits, or give it more machines",
            Self::Credentials => "bound by a login or key that is refused, more workers will not help: `callscribe doctor` names it",
            Self::Storage => "bound by S3, which fails, more workers will not help: it goes on when S3 does",
        }
    }

    fn of(reason: &str) -> Option<Self> {
        match reason.parse::<Reason>().ok()? {
            Reason::RateLimited | Reason::BudgetSpent => Some(Self::VendorBudget),
            Reason::VendorUnavailable => Some(Self::Vendor),
            Reason::ProviderUnavailable => Some(Self::Provider),
            Reason::LoginNeeded | Reason::Forbidden | Reason::WrongOrg | Reason::ProviderMisconfigured => Some(Self::Credentials),
            Reason::StorageUnavailable => Some(Self::Storage),
            _ => None,
        }
    }
}

/// What would do for one kind.
#[must_use]
pub fn advise(asked: &Asked<'_>) -> Advice {
    let Asked { rate, waiting, goal, slots_per_worker, setbacks } = asked;
    let backlog = f64::from(u32::try_from(waiting.jobs).unwrap_or(u32::MAX));
    let goal = goal.unwrap_or(USUAL_GOAL).as_secs_f64().max(1.0);
    let slots = match rate.slot_seconds_per_job {
        // slots to keep up with what arrives, and slots to catch up with what waits within the goal
        Some(seconds) => Some(seconds * (rate.arrived_per_second / UTILISATION + backlog / goal)),
        None if backlog == 0.0 && rate.arrived_per_second == 0.0 => Some(0.0),
        None => None,
    };
    let slots = slots.map(|slots| whole(if backlog > 0.0 { slots.max(1.0) } else { slots }));
    let surplus = rate.done_per_second - rate.arrived_per_second;
    Advice {
        slots,
        workers: slots.map(|slots| slots.div_ceil(u32::from(*slots_per_worker).max(1))),
        empty_in_seconds: (backlog > 0.0 && surplus > 0.0).then(|| backlog / surplus),
        growing: surplus < 0.0 && backlog > 0.0,
        bound_by: bound(rate, setbacks),
    }
}

/// What would do for every kind that this version knows, by kind.
#[must_use]
pub fn advise_all(
    depths: &[Depth],
    rates: &BTreeMap<String, Rate>,
    setbacks: &[Setbacks],
    goals: &SloSettings,
    work: &WorkSettings,
    scaled: &[Scale],
) -> BTreeMap<JobKind, Advice> {
    let still = Rate::default();
    let of_kind = |kind: JobKind| {
        let mut waiting = Count::default();
        for depth in depths.iter().filter(|depth| depth.kind == kind.as_str()) {
            waiting.add(depth.due);
            waiting.add(depth.running);
        }
        let setbacks: Vec<Setbacks> = setbacks.iter().filter(|row| row.kind == kind.as_str()).cloned().collect();
        let rate = rates.get(kind.as_str()).unwrap_or(&still);
        let asked = Asked { rate, waiting, goal: goals.of(kind), slots_per_worker: slots(work, scaled, kind), setbacks: &setbacks };
        (kind, advise(&asked))
    };
    JobKind::ALL.iter().copied().map(of_kind).collect()
}

/// Jobs of a kind that one process runs at once now.
fn slots(work: &WorkSettings, scaled: &[Scale], kind: JobKind) -> u16 {
    let scale = scaled.iter().find(|scale| scale.kind == kind.as_str());
    scale.and_then(|scale| u16::try_from(scale.jobs_at_once).ok()).unwrap_or_else(|| work.concurrency(kind))
}

/// Runs are bound by what makes more of them wait than are done.
fn bound(rate: &Rate, setbacks: &[Setbacks]) -> Option<Bound> {
    let mut most: Option<(Bound, i64)> = None;
    for (bound, runs) in setbacks.iter().filter_map(|row| Some((Bound::of(&row.reason)?, row.runs))) {
        most = most.filter(|(_, known)| *known >= runs).or(Some((bound, runs)));
    }
    let (bound, runs) = most?;
    let all: i64 = setbacks.iter().map(|row| row.runs).sum();
    let is_most_of_the_trouble = runs * 2 >= all;
    (is_most_of_the_trouble && rate.setbacks_per_second > rate.done_per_second).then_some(bound)
}

/// The next whole number.
fn whole(slots: f64) -> u32 {
    #[expect(clippy::as_conversions, reason = "a float between two bounds that fit")]
    let whole = slots.clamp(0.0, MOST_SLOTS).ceil() as u32;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(arrived: f64, done: f64, seconds: f64) -> Rate {
        Rate { arrived_per_second: arrived, done_per_second: done, slot_seconds_per_job: Some(seconds), ..Rate::default() }
    }

    fn advice(rate: &Rate, waiting: i64, goal: Option<Duration>, setbacks: &[Setbacks]) -> Advice {
        let waiting = Count { jobs: waiting, or_more: false };
        advise(&Asked { rate, waiting, goal, slots_per_worker: 4, setbacks })
    }

    fn setback(reason: &str, runs: i64) -> Setbacks {
        Setbacks { kind: "recording".to_owned(), outcome: "later".to_owned(), reason: reason.to_owned(), runs }
    }

    #[test]
    fn slots_follow_from_what_arrives_and_how_long_it_takes() {
        // two jobs a second of two seconds each keep four slots busy: five, at four fifths
        let steady = advice(&rate(2.0, 2.0, 2.0), 0, None, &[]);
        assert_eq!((steady.slots, steady.workers, steady.growing), (Some(5), Some(2), false));
    }

    #[test]
    fn a_backlog_adds_the_slots_that_clear_it_within_the_goal() {
        let goal = Some(Duration::from_mins(15));
        let behind = advice(&rate(2.0, 3.0, 2.0), 9_000, goal, &[]);
        assert_eq!(behind.slots, Some(5 + 20), "9000 jobs of 2 s within 900 s are 20 more");
        assert_eq!(behind.empty_in_seconds, Some(9_000.0));
        assert!(advice(&rate(3.0, 2.0, 2.0), 10, goal, &[]).growing);
    }

    #[test]
    fn a_scale_by_hand_is_what_a_process_counts_for() {
        let rates = BTreeMap::from([("recording".to_owned(), rate(40.0, 40.0, 1.0))]);
        let scale = Scale {
            kind: "recording".to_owned(),
            jobs_at_once: 25,
            since: chrono::DateTime::UNIX_EPOCH,
            actor: "ops".to_owned(),
            why: None,
        };
        let workers = |scaled: &[Scale]| {
            let advice = advise_all(&[], &rates, &[], &SloSettings::default(), &WorkSettings::default(), scaled);
            advice.get(&JobKind::Recording).and_then(|advice| advice.workers)
        };
        let configured = u32::from(WorkSettings::default().concurrency(JobKind::Recording));
        assert_eq!((workers(&[]), workers(&[scale])), (Some(50_u32.div_ceil(configured)), Some(2)));
    }

    #[test]
    fn nothing_to_do_needs_nobody_and_an_unknown_pace_is_no_advice() {
        let unknown = Rate::default();
        assert_eq!(advice(&unknown, 0, None, &[]).slots, Some(0));
        assert_eq!(advice(&unknown, 5, None, &[]).slots, None);
        assert_eq!(advice(&rate(0.0, 0.0, 0.01), 1, None, &[]).slots, Some(1), "one job needs one slot, however short");
    }

    #[test]
    fn workers_are_no_help_where_most_runs_wait_for_somebody_else() {
        let mut rate = rate(2.0, 0.5, 2.0);
        rate.setbacks_per_second = 5.0;
        let bound = |setbacks: &[Setbacks]| advice(&rate, 100, None, setbacks).bound_by;
        assert_eq!(bound(&[setback("budget_spent", 900), setback("provider_unavailable", 3)]), Some(Bound::VendorBudget));
        assert_eq!(bound(&[setback("provider_unavailable", 900)]), Some(Bound::Provider));
        assert_eq!(bound(&[setback("recording_not_ready", 900), setback("rate_limited", 10)]), None, "waiting for the call is no bound");
        rate.setbacks_per_second = 0.1;
        assert_eq!(advice(&rate, 100, None, &[setback("budget_spent", 900)]).bound_by, None, "it goes on all the same");
    }
}
