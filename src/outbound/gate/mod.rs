//! The gate before an outside service, one for all machines: how many may be in at once, and whether it is worth asking at all.
//!
//! What is known of the service is one small value in Redis, changed by compare-and-set after the rules in `state`; who is in is a sorted
//! set beside it, so that coming and going touches nobody else. Time is Redis's. A place is believed for half a minute unless its
//! holder says that it is still in: a process that was killed gives its places back by that, one that was only frozen is counted again.
//! While Redis is away each process keeps a gate of its own with a tenth of the places. Losing it (`FLUSHALL`) costs one round of
//! failures or probes.

mod shared;
mod state;

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use uuid::Uuid;

use self::shared::{Changed, Op, Shared};
pub use self::state::{Ending, Why};
use self::state::{GateState, Leaving, Turned};
use super::Asker;
use crate::{hints::Hints, telemetry::metrics};

/// Who is in says so this often: twice within the time it is believed, and once more.
const STAY_EVERY: Duration = Duration::from_secs(10);
/// Who waits for a place asks again this often, give or take a half, and ever more seldom up to four times that.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Who was refused comes back after at least this long.
const SHORTEST_WAIT: Duration = Duration::from_secs(2);
/// A circuit that is open is an alert after this: most that open close with their first probes.
const ALARMING: Duration = Duration::from_mins(1);

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::CircuitOpen => "it is taken for down, and one request at a time probes",
            Self::Blocked => "it asked everyone to wait",
            Self::Full => "as many requests are under way as it bears",
        })
    }
}

/// Nobody is let in now; come back after `wait`, which differs among those refused together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Shut {
    /// Why.
    pub why: Why,
    /// How long to wait.
    pub wait: Duration,
}

/// How a gate stands, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateSeen {
    /// The service.
    pub service: String,
    /// How many seconds the circuit has been open; `None`: it is closed.
    pub open_seconds: Option<u64>,
    /// How many may be in at once now; `None` where a budget of requests says it instead.
    pub limit: Option<u16>,
    /// How many are in.
    pub in_use: u16,
    /// For how many seconds the service wants everyone to wait.
    pub blocked_seconds: u64,
}

impl GateSeen {
    /// For how long the circuit has been open, once that needs a person.
    #[must_use]
    pub fn alarming(&self) -> Option<Duration> {
        self.open_seconds.map(Duration::from_secs).filter(|open| *open >= ALARMING)
    }
}

/// A handle on one gate. Cloning it clones the handle.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Shared>);

/// Someone on the way in, inside, or on the way out.
struct Visitor<'g> {
    gate: &'g Shared,
    name: String,
    asker: i64,
    /// A part of one that differs from one visitor to the next.
    part: f64,
    inside: Inside,
}

/// How somebody is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Not,
    /// With a place.
    Placed,
    /// As the one probe.
    Probing,
    /// Without either: only a circuit is kept, and it was closed; whether an answer would be news.
    Passing {
        well: bool,
    },
}

impl Gate {
    /// The gate before `service`, shared by everyone who gives the same name: at most `ceiling` at once.
    #[must_use]
    pub fn new(hints: Hints, service: &str, ceiling: u16) -> Self {
        Self(Arc::new(Shared::new(hints, service, Some(ceiling.max(1)))))
    }

    /// A gate that keeps a circuit and counts nobody: for a service that a budget of requests paces.
    #[must_use]
    pub fn circuit(hints: Hints, service: &str) -> Self {
        Self(Arc::new(Shared::new(hints, service, None)))
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.0.service
    }

    /// Does `work` at the service once there is a place, waiting for one at most `longest_wait`; `ending` says what its result tells of
    /// the service. With the result comes how long to wait if the circuit is open after it: a failure then counts against nobody.
    pub async fn run<T>(
        &self,
        longest_wait: Duration,
        work: impl Future<Output = T>,
        ending: impl FnOnce(&T) -> Ending,
    ) -> Result<(T, Option<Duration>), Shut> {
        let mut visitor = Visitor::new(&self.0, Asker::current());
        visitor.enter(longest_wait).await?;
        let result = tokio::select! {
            result = work => result,
            never = visitor.stay() => match never {},
        };
        let ending = ending(&result);
        Ok((result, visitor.leave(ending).await))
    }

    /// How it stands now; tells `/metrics` as well.
    pub async fn seen(&self) -> GateSeen {
        let shared = &*self.0;
        let Changed { state, now, in_use, .. } = shared.change(Op::Look, |_, _, _| ()).await;
        shared.tell_metrics(&state);
        GateSeen {
            service: shared.service.clone(),
            open_seconds: state.open_for(now).map(|open| open.as_secs()),
            limit: shared.ceiling.map(|ceiling| state.bears(ceiling)),
            in_use,
            blocked_seconds: state.blocked_for(now).as_secs(),
        }
    }
}

impl<'g> Visitor<'g> {
    fn new(gate: &'g Shared, asker: Asker) -> Self {
        let id = Uuid::new_v4();
        let [first, second, ..] = *id.as_bytes();
        let part = f64::from(u16::from_be_bytes([first, second])) / f64::from(u16::MAX);
        Self { gate, name: id.simple().to_string(), asker: asker.number(), part, inside: Inside::Not }
    }

    async fn enter(&mut self, longest_wait: Duration) -> Result<(), Shut> {
        let until = Instant::now() + longest_wait;
        let mut pause = ASK_EVERY.mul_f64(0.5 + self.part);
        loop {
            let (why, wait) = match self.ask_in().await {
                Ok(inside) => {
                    self.inside = inside;
                    return Ok(());
                }
                Err(refused) => refused,
            };
            if why != Why::Full || Instant::now() + pause > until {
                return Err(Shut { why, wait: self.spread(wait) });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(ASK_EVERY * 4);
        }
    }

    async fn ask_in(&self) -> Result<Inside, (Why, Duration)> {
        let (name, asker) = (self.name.as_str(), self.asker);
        let counts = self.gate.ceiling.is_some();
        let op = if counts { Op::Enter(name) } else { Op::Look };
        let entered = self.gate.change(op, |state, now, _| state.admit(name, asker, now)).await;
        let probes = entered.answer?;
        if probes {
            Ok(Inside::Probing)
        } else if entered.done {
            Ok(Inside::Placed)
        } else if counts {
            Err((Why::Full, Duration::ZERO))
        } else {
            Ok(Inside::Passing { well: entered.state.is_well() })
        }
    }

    /// Says for ever that it is still in.
    async fn stay(&self) -> Infallible {
        let name = self.name.as_str();
        loop {
            tokio::time::sleep(STAY_EVERY).await;
            match self.inside {
                Inside::Not | Inside::Passing { .. } => {}
                Inside::Placed => drop(self.gate.change(Op::Stay(name), |_, _, _| ()).await),
                Inside::Probing => drop(self.gate.change(Op::Look, |state, now, _| state.stay(name, now)).await),
            }
        }
    }

    /// Leaves, and says how long to wait if the circuit is open now.
    async fn leave(&mut self, ending: Ending) -> Option<Duration> {
        if ending == Ending::Answered && self.inside == (Inside::Passing { well: true }) {
            self.inside = Inside::Not;
            return None;
        }
        let (who, asker, ceiling) = (self.name.as_str(), self.asker, self.gate.ceiling.unwrap_or(u16::MAX));
        let left = self
            .gate
            .change(Op::Leave(who), |state, now, in_use| {
                // it is not counted any more, and was
                let in_use = in_use.saturating_add(1);
                state.leave(Leaving { who, asker, ending, ceiling, in_use }, now)
            })
            .await;
        self.inside = Inside::Not;
        self.gate.tell(left.answer, &left.state);
        left.state.shut_for(left.now).map(|wait| self.spread(wait))
    }

    /// The wait, and up to as much again: those refused together come back apart.
    fn spread(&self, wait: Duration) -> Duration {
        let wait = wait.max(SHORTEST_WAIT);
        wait + wait.mul_f64(self.part)
    }
}

/// Work that was dropped half way left nothing behind but its place.
impl Drop for Visitor<'_> {
    fn drop(&mut self) {
        match self.inside {
            Inside::Not | Inside::Passing { .. } => {}
            Inside::Placed | Inside::Probing => self.gate.is_gone(std::mem::take(&mut self.name)),
        }
    }
}

impl Shared {
    /// Whoever turned the circuit says so, once for all machines.
    fn tell(&self, turned: Option<Turned>, state: &GateState) {
        let service = self.service.as_str();
        self.tell_metrics(state);
        match turned {
            Some(Turned::Opened) => {
                metrics::circuit_opened(service);
                tracing::error!(
                    service,
                    "circuit opened: the service is down; its jobs wait, use up no attempts, and one at a time probes"
                );
            }
            Some(Turned::Closed) => tracing::info!(service, "circuit closed: the service answers again"),
            None => {}
        }
    }

    fn tell_metrics(&self, state: &GateState) {
        metrics::circuit_open(&self.service, state.is_open());
        if let Some(ceiling) = self.ceiling {
            metrics::service_limit(&self.service, state.bears(ceiling));
        }
    }
}
