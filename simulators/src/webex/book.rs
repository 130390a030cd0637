//! The calls of a simulated Webex: their facts, and how each looks at a given moment.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::fault::Fault;
use super::ids::{number_of, other_id, session_id};
use super::legs::Leg;
use super::plan::{CallSpec, Calls};
use crate::faults::Faults;
use crate::speech::{Recording, Script};

/// Agents of the tenant.
const AGENTS: u64 = 12;
/// Queues of the tenant.
const QUEUES: u64 = 3;
/// Legs beside the call say numbers that calls below this do not reach; each kind of leg has a fifth of the rest.
const LEGS: u64 = 500_000;
/// From the beginning of a call to its queue and to its agent, at most.
const QUEUED_AFTER_MS: i64 = 500;
const ASSIGNED_AFTER_MS: i64 = 3_000;

#[derive(Debug)]
pub(super) struct Book {
    seed: u64,
    start_ms: i64,
    calls: Calls,
    longest_ms: i64,
}

/// A call's facts.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) number: u32,
    pub(super) id: Uuid,
    pub(super) spec: CallSpec,
    pub(super) created_ms: i64,
    pub(super) ended_ms: i64,
}

/// How a call looks at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    pub(super) status: &'static str,
    pub(super) has_owner: bool,
    pub(super) has_queue: bool,
    pub(super) updated_ms: i64,
    pub(super) capture_requested: Option<bool>,
}

pub(super) fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

impl Book {
    pub(super) fn new(seed: u64, start_ms: i64, mut calls: Calls) -> Self {
        if let Calls::Listed(listed) = &mut calls {
            listed.sort_by_key(|call| call.begins);
        }
        let whole =
            |call: &CallSpec| ms(call.lasts) + ms(call.ready_after) + call.reopened_after.map_or(0, |after| ms(after) + ms(call.lasts));
        let longest_ms = match &calls {
            Calls::Listed(listed) => listed.iter().map(whole).max().unwrap_or(0),
            Calls::Many { like, .. } => whole(like),
        };
        Self { seed, start_ms, calls, longest_ms }
    }

    /// From the beginning of a call until its recording is offered, as planned, at most.
    pub(super) fn longest_ms(&self) -> i64 {
        self.longest_ms
    }

    pub(super) fn count(&self) -> u32 {
        match &self.calls {
            Calls::Listed(listed) => u32::try_from(listed.len()).unwrap_or(u32::MAX),
            Calls::Many { count, .. } => *count,
        }
    }

    /// When a call begins, as the plan says it.
    fn planned_ms(&self, number: u32) -> i64 {
        match &self.calls {
            Calls::Listed(listed) => {
                let begins = usize::try_from(number).ok().and_then(|place| listed.get(place)).map(|call| call.begins);
                self.start_ms + begins.map_or(0, |begins| begins.num_milliseconds())
            }
            Calls::Many { count, spacing, .. } => self.start_ms - i64::from(count.saturating_sub(number)) * ms(*spacing),
        }
    }

    /// When a call begins, with bursts.
    pub(super) fn created_ms(&self, number: u32, faults: &Faults<Fault>) -> i64 {
        let burst = faults.lasting_for("", |fault| match fault {
            Fault::SameMillisecondBurst { first, count } if (*first..first + count).contains(&u64::from(number)) => {
                u32::try_from(*first).ok()
            }
            _ => None,
        });
        self.planned_ms(burst.unwrap_or(number))
    }

    pub(super) fn call(&self, number: u32, faults: &Faults<Fault>) -> Option<Call> {
        let spec = match &self.calls {
            Calls::Listed(listed) => listed.get(usize::try_from(number).ok()?)?.clone(),
            Calls::Many { count, like, .. } => (number < *count).then(|| (**like).clone())?,
        };
        let created_ms = self.created_ms(number, faults);
        Some(Call { number, id: session_id(self.seed, number), created_ms, ended_ms: created_ms + ms(spec.lasts), spec })
    }

    pub(super) fn find(&self, id: Uuid, faults: &Faults<Fault>) -> Option<Call> {
        self.call(number_of(self.seed, id)?, faults)
    }

    /// The numbers of the calls that begin from `from` on and before `to`, in milliseconds.
    pub(super) fn between(&self, from: i64, to: i64, faults: &Faults<Fault>) -> Range<u32> {
        let first_at = |bound: i64| {
            let (mut low, mut high) = (0, self.count());
            while low < high {
                let middle = low + (high - low) / 2;
                if self.created_ms(middle, faults) < bound { low = middle + 1 } else { high = middle }
            }
            low
        };
        first_at(from)..first_at(to)
    }

    /// The agent of a call: id and name.
    pub(super) fn owner(&self, call: &Call) -> (Uuid, String) {
        let agent = u64::from(call.number) % AGENTS;
        (other_id(self.seed, 2, agent), format!("Agent {:02}", agent + 1))
    }

    /// The queue of a call: id and name.
    pub(super) fn queue(&self, call: &Call) -> (Uuid, String) {
        let queue = u64::from(call.number) % QUEUES;
        (other_id(self.seed, 3, queue), format!("Q_Support_{}", queue + 1))
    }

    /// The id of a recording beside the call's own.
    pub(super) fn leg_id(&self, call: &Call, leg: Leg) -> Uuid {
        other_id(self.seed, 4 + leg.number(), call.number.into())
    }

    /// The id of the transcript of the call that has ended, or of the one that was written meanwhile.
    pub(super) fn transcript_id(&self, call: &Call, is_final: bool) -> Uuid {
        other_id(self.seed, if is_final { 20 } else { 21 }, call.number.into())
    }

    /// The audio behind a recording id of a call.
    pub(super) fn recording(&self, call: &Call, recording: Uuid) -> Option<Recording> {
        let (number, audio) = if recording == call.id {
            (call.number.into(), call.spec.audio)
        } else {
            let leg = Leg::ALL.into_iter().find(|leg| self.leg_id(call, *leg) == recording)?;
            (LEGS + u64::from(call.number) + leg.number() * LEGS / 5, leg.audio(call.spec.audio))
        };
        Some(Recording::new(Arc::new(Script::compose(self.seed, number, audio)), call.spec.shape))
    }
}

impl Call {
    /// The customer's number and the number called: from the range that is kept for fiction.
    pub(super) fn numbers(&self) -> (String, String) {
        (format!("+1202555{:04}", 100 + self.number % 100), format!("+1303555{:04}", 100 + self.number % 7))
    }

    /// How the call looks at `now_ms`, or that it has not begun.
    pub(super) fn view(&self, now_ms: i64) -> Option<View> {
        let spec = &self.spec;
        let quarter = ms(spec.lasts) / 4;
        let queued_ms = self.created_ms + QUEUED_AFTER_MS.min(quarter);
        let assigned_ms = self.created_ms + ASSIGNED_AFTER_MS.min(2 * quarter);
        let open = |status, has_owner, updated_ms| View {
            status,
            has_owner,
            has_queue: spec.queued && now_ms >= queued_ms,
            updated_ms,
            capture_requested: None,
        };
        if now_ms < self.created_ms {
            return None;
        }
        if now_ms >= self.ended_ms {
            let touched_ms = spec.touched_after.map(|after| self.ended_ms + ms(after)).filter(|touched| now_ms >= *touched);
            return Some(View {
                status: if spec.abandoned { "abandoned" } else { "completed" },
                has_owner: spec.answered,
                has_queue: spec.queued,
                updated_ms: touched_ms.unwrap_or(self.ended_ms),
                capture_requested: spec.capture_requested,
            });
        }
        Some(if spec.answered && now_ms >= assigned_ms {
            open("assigned", true, assigned_ms)
        } else if spec.queued && now_ms >= queued_ms {
            open("queued", false, queued_ms)
        } else {
            open("created", false, self.created_ms)
        })
    }

    /// When it goes on after its end, if it does.
    pub(super) fn reopened_ms(&self) -> Option<i64> {
        self.spec.reopened_after.map(|after| self.ended_ms + ms(after))
    }

    /// When it ended, seen from `now_ms`; `None` while it goes on, or goes on again.
    pub(super) fn end_ms(&self, now_ms: i64) -> Option<i64> {
        let began_again = self.reopened_ms().filter(|reopened| now_ms >= *reopened);
        let end = began_again.map_or(self.ended_ms, |reopened| reopened + ms(self.spec.lasts));
        (now_ms >= end).then_some(end)
    }

    /// What the agent said it was about, once that is written.
    pub(super) fn wrap_up(&self, now_ms: i64) -> Option<&'static str> {
        let written = now_ms >= self.wrapped_ms();
        self.spec.wrap_up.filter(|_| self.spec.answered && written)
    }

    /// When the agent says what it was about.
    pub(super) fn wrapped_ms(&self) -> i64 {
        self.ended_ms + ms(self.spec.wrapped_after)
    }

    /// When its transcript is there, if it ever is.
    pub(super) fn transcribed_ms(&self) -> Option<i64> {
        self.spec.transcript_after.map(|after| self.ended_ms + ms(after))
    }

    /// Whether the platform offers the recording at `now_ms`, as planned.
    pub(super) fn offers_recording(&self, now_ms: i64) -> bool {
        self.spec.recorded && now_ms >= self.ended_ms + ms(self.spec.ready_after)
    }
}
