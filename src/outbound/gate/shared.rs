//! Where a gate is kept: in Redis for all machines, or in this process while Redis is away.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::state::{BELIEVED, GateState, LONGEST_BLOCK};
use crate::{
    hints::{Hints, HintsError},
    telemetry::chain,
};

const SCRIPT: &str = include_str!("gate.lua");
/// What nobody touched for so long says nothing about today.
const KEPT: Duration = Duration::from_hours(2);
/// Redis answers within a millisecond or is away. A change that others come before is tried again within it.
const REDIS_PATIENCE: Duration = Duration::from_secs(1);
/// After Redis was away it is asked again this often.
const REDIS_RETRY: Duration = Duration::from_secs(2);
/// The share of the places that one process takes while it cannot see the others: safe for up to ten of them.
const LOCAL_SHARE: u16 = 10;

/// One gate as this process sees it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) service: String,
    pub(super) ceiling: Option<u16>,
    hints: Hints,
    state_key: String,
    places_key: String,
    script: redis::Script,
    began: Instant,
    local: Mutex<Local>,
}

#[derive(Debug, Default)]
struct Local {
    state: GateState,
    places: BTreeSet<String>,
    /// Those whose work was dropped: whoever asks Redis next says so.
    gone: Vec<String>,
    /// Redis was found away; not asked again before this.
    away_until: Option<Instant>,
}

/// What is done to the places before the state is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Op<'a> {
    Look,
    /// Takes a place if there is one.
    Enter(&'a str),
    /// Keeps it, or has it again.
    Stay(&'a str),
    Leave(&'a str),
}

/// A change: what it answered, and how everything is after it.
pub(super) struct Changed<T> {
    pub(super) answer: T,
    pub(super) state: GateState,
    pub(super) now: i64,
    /// The place was taken.
    pub(super) done: bool,
    pub(super) in_use: u16,
}

/// What the script answers.
type Answer = (i64, String, u8, u16);

/// A line to the script.
struct Line<'a> {
    what: &'static str,
    who: &'a str,
    believed: &'a str,
    wanted: &'a str,
    gone: &'a [String],
}

impl Op<'_> {
    fn line<'a>(&'a self, gone: &'a [String]) -> Line<'a> {
        match self {
            Self::Look => Line { what: "look", who: "", believed: "", wanted: "", gone },
            Self::Enter(who) => Line { what: "enter", who, believed: "", wanted: "", gone },
            Self::Stay(who) => Line { what: "stay", who, believed: "", wanted: "", gone },
            Self::Leave(who) => Line { what: "leave", who, believed: "", wanted: "", gone },
        }
    }
}

impl Shared {
    pub(super) fn new(hints: Hints, service: &str, ceiling: Option<u16>) -> Self {
        let state_key = hints.key("gate", service);
        Self {
            service: service.to_owned(),
            ceiling,
            places_key: format!("{state_key}:places"),
            state_key,
            hints,
            script: redis::Script::new(SCRIPT),
            began: Instant::now(),
            local: Mutex::default(),
        }
    }

    /// Does `op` and then `change`, which is told the time and how many are in, to what all share: or to what this process keeps by itself
    /// while Redis is away. `change` may be asked several times; the last time counts.
    pub(super) async fn change<T>(&self, op: Op<'_>, change: impl Fn(&mut GateState, i64, u16) -> T) -> Changed<T> {
        if self.may_ask_redis() {
            let gone = self.with_local(|local| std::mem::take(&mut local.gone));
            let asked = tokio::time::timeout(REDIS_PATIENCE, self.change_shared(op, &change, &gone)).await;
            let why = match asked {
                Ok(Ok(changed)) => {
                    self.redis_is_back();
                    if let Op::Leave(who) = op {
                        self.with_local(|local| local.places.remove(who));
                    }
                    return changed;
                }
                Ok(Err(error)) => chain(&error).to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            // perhaps some of them were heard: said again, it does no harm
            self.with_local(|local| local.gone.extend(gone));
            if let Op::Enter(who) = op {
                // perhaps it was heard as well, and whoever is not let in here does not know of its place
                self.with_local(|local| local.gone.push(who.to_owned()));
            }
            self.redis_is_away(&why);
        }
        let share = self.ceiling.map_or(u16::MAX, |ceiling| (ceiling / LOCAL_SHARE).max(1));
        let now = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.with_local(|local| {
            let bears = if local.state.lets_in(now) { local.state.bears(share) } else { 0 };
            let done = local.places_after(op, bears);
            let in_use = u16::try_from(local.places.len()).unwrap_or(u16::MAX);
            let answer = change(&mut local.state, now, in_use);
            Changed { answer, state: local.state.clone(), now, done, in_use }
        })
    }

    async fn change_shared<T>(
        &self,
        op: Op<'_>,
        change: &impl Fn(&mut GateState, i64, u16) -> T,
        gone: &[String],
    ) -> Result<Changed<T>, HintsError> {
        let (mut now, mut held, done, mut in_use) = self.ask(op.line(gone)).await?;
        loop {
            let empty = held.is_empty().then(GateState::default);
            // what another version wrote and this one cannot read is as good as lost, and is written over
            let before: Option<GateState> = empty.or_else(|| serde_json::from_str(&held).ok());
            let mut state = before.clone().unwrap_or_default();
            gone.iter().for_each(|who| state.forget(who));
            let answer = change(&mut state, now, in_use);
            let changed = |state, now| Changed { answer, state, now, done: done == 1, in_use };
            if before.as_ref() == Some(&state) {
                return Ok(changed(state, now));
            }
            let wanted = serde_json::to_string(&state).map_err(|error| redis::RedisError::from(std::io::Error::other(error)))?;
            let (then, found, set, are_in) = self.ask(Line { what: "set", who: "", believed: &held, wanted: &wanted, gone: &[] }).await?;
            if set == 1 {
                return Ok(changed(state, now));
            }
            (now, held, in_use) = (then, found, are_in);
        }
    }

    async fn ask(&self, line: Line<'_>) -> Result<Answer, HintsError> {
        let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let mut invocation = self.script.key(&self.state_key);
        invocation
            .key(&self.places_key)
            .arg(line.what)
            .arg(line.who)
            .arg(milliseconds(BELIEVED))
            .arg(self.ceiling.unwrap_or(u16::MAX))
            .arg(milliseconds(KEPT))
            .arg(milliseconds(LONGEST_BLOCK))
            .arg(line.believed)
            .arg(line.wanted);
        for who in line.gone {
            invocation.arg(who);
        }
        Ok(invocation.invoke_async(&mut self.hints.connection()).await?)
    }

    /// Someone's work was dropped.
    pub(super) fn is_gone(&self, who: String) {
        self.with_local(|local| {
            local.places.remove(&who);
            local.state.forget(&who);
            local.gone.push(who);
        });
    }

    fn with_local<T>(&self, change: impl FnOnce(&mut Local) -> T) -> T {
        change(&mut self.local.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// While Redis is away one at a time looks whether it is back.
    fn may_ask_redis(&self) -> bool {
        self.with_local(|local| match local.away_until {
            None => true,
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                local.away_until = Some(Instant::now() + REDIS_RETRY);
                true
            }
        })
    }

    fn redis_is_away(&self, why: &str) {
        let was_there = self.with_local(|local| local.away_until.replace(Instant::now() + REDIS_RETRY).is_none());
        if was_there {
            tracing::warn!(service = self.service, why, "Redis is away: this process keeps a gate of its own, with a tenth of the places");
        }
    }

    fn redis_is_back(&self) {
        let was_away = self.with_local(|local| {
            // the next time it goes away is another one
            let was_away = local.away_until.take().is_some();
            if was_away {
                local.state = GateState::default();
            }
            was_away
        });
        if was_away {
            tracing::info!(service = self.service, "Redis is back: the gate is shared again");
        }
    }
}

impl Local {
    /// Does `op` to the places of this process, of which there are `bears`; whether one was taken.
    fn places_after(&mut self, op: Op<'_>, bears: u16) -> bool {
        match op {
            Op::Look => false,
            Op::Enter(who) => self.places.len() < usize::from(bears) && self.places.insert(who.to_owned()),
            Op::Stay(who) => self.places.contains(who),
            Op::Leave(who) => self.places.remove(who),
        }
    }
}
