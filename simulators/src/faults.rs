//! Faults as rules that can be switched while a simulator runs: which fault, and when it strikes.
//!
//! What faults exist is each simulator's own (`webex::Fault`, `transcriber::Fault`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::chance::Chance;

/// When a fault strikes, counted in the requests (or elements) that it could strike.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// Every time.
    Always,
    /// The first `n` times.
    First(u64),
    /// Only the `n`th time, the first being 1.
    Nth(u64),
    /// With this probability, by the simulator's seed.
    Chance(f64),
    /// Every time for these keys: session ids, or words heard.
    For(Vec<String>),
    /// The first `n` times for each of these keys.
    ForFirst(Vec<String>, u64),
}

impl When {
    /// Every time for these session ids.
    pub fn sessions<I: ToString>(ids: impl IntoIterator<Item = I>) -> Self {
        Self::For(ids.into_iter().map(|id| id.to_string()).collect())
    }

    /// The first `n` times for each of these session ids.
    pub fn sessions_first<I: ToString>(ids: impl IntoIterator<Item = I>, n: u64) -> Self {
        Self::ForFirst(ids.into_iter().map(|id| id.to_string()).collect(), n)
    }

    /// Whether it strikes this key every time.
    fn is_lasting_for(&self, key: &str) -> bool {
        match self {
            Self::Always => true,
            Self::For(keys) => keys.iter().any(|each| each == key),
            Self::First(_) | Self::Nth(_) | Self::Chance(_) | Self::ForFirst(..) => false,
        }
    }
}

#[derive(Debug)]
struct Rule<F> {
    fault: F,
    when: When,
    seen: u64,
    seen_by_key: HashMap<String, u64>,
}

impl<F> Rule<F> {
    fn strikes(&mut self, seed: u64, number: u64, keys: &[&str]) -> bool {
        self.seen += 1;
        match &self.when {
            When::Always => true,
            When::First(n) => self.seen <= *n,
            When::Nth(n) => self.seen == *n,
            When::Chance(probability) => Chance::of(seed, &[number, self.seen]).happens(*probability),
            When::For(chosen) => chosen.iter().any(|each| keys.contains(&each.as_str())),
            When::ForFirst(chosen, n) => chosen.iter().any(|each| {
                keys.contains(&each.as_str()) && {
                    let seen = self.seen_by_key.entry(each.clone()).or_default();
                    *seen += 1;
                    *seen <= *n
                }
            }),
        }
    }
}

#[derive(Debug)]
struct State<F> {
    seed: u64,
    rules: Mutex<Vec<Rule<F>>>,
    count: AtomicUsize,
}

/// The faults of one simulator. Clones share the same rules.
#[derive(Debug)]
pub struct Faults<F>(Arc<State<F>>);

impl<F> Clone for Faults<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: Clone + PartialEq> Faults<F> {
    pub(crate) fn new(seed: u64, rules: Vec<(F, When)>) -> Self {
        let faults = Self(Arc::new(State { seed, rules: Mutex::new(Vec::new()), count: AtomicUsize::new(0) }));
        for (fault, when) in rules {
            faults.on(fault, when);
        }
        faults
    }

    fn with<T>(&self, change: impl FnOnce(&mut Vec<Rule<F>>) -> T) -> T {
        let mut rules = self.0.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = change(&mut rules);
        self.0.count.store(rules.len(), Ordering::Release);
        answer
    }

    /// Switches a fault on. The same fault may be on by several rules.
    pub fn on(&self, fault: F, when: When) {
        self.with(|rules| rules.push(Rule { fault, when, seen: 0, seen_by_key: HashMap::new() }));
    }

    /// Switches every rule of a fault off.
    pub fn off(&self, fault: &F) {
        self.with(|rules| rules.retain(|rule| rule.fault != *fault));
    }

    /// Switches everything off.
    pub fn clear(&self) {
        self.with(Vec::clear);
    }

    /// Whether any rule is on.
    pub(crate) fn any(&self) -> bool {
        self.0.count.load(Ordering::Acquire) > 0
    }

    /// Asks every rule whose fault `pick` knows whether it strikes now; the first that does gives its value.
    pub(crate) fn strike<T>(&self, keys: &[&str], pick: impl Fn(&F) -> Option<T>) -> Option<T> {
        if !self.any() {
            return None;
        }
        self.with(|rules| {
            let mut struck = None;
            for (number, rule) in (0_u64..).zip(rules.iter_mut()) {
                if let Some(value) = pick(&rule.fault)
                    && rule.strikes(self.0.seed, number, keys)
                    && struck.is_none()
                {
                    struck = Some(value);
                }
            }
            struck
        })
    }

    /// Whether `fault` strikes now.
    pub(crate) fn strikes(&self, keys: &[&str], fault: &F) -> bool {
        self.strike(keys, |each| (each == fault).then_some(())).is_some()
    }

    /// Whether a rule of `fault` names one of these keys.
    pub(crate) fn names(&self, keys: &[&str], fault: &F) -> bool {
        let names = |when: &When| match when {
            When::For(chosen) | When::ForFirst(chosen, _) => chosen.iter().any(|each| keys.contains(&each.as_str())),
            When::Always | When::First(_) | When::Nth(_) | When::Chance(_) => false,
        };
        self.any() && self.with(|rules| rules.iter().any(|rule| rule.fault == *fault && names(&rule.when)))
    }

    /// Looks, without counting, for a fault that strikes this key every time.
    pub(crate) fn lasting_for<T>(&self, key: &str, pick: impl Fn(&F) -> Option<T>) -> Option<T> {
        if !self.any() {
            return None;
        }
        self.with(|rules| rules.iter().filter(|rule| rule.when.is_lasting_for(key)).find_map(|rule| pick(&rule.fault)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(when: When) -> Vec<bool> {
        let faults = Faults::new(1, vec![("late", when)]);
        (0..4).map(|_| faults.strikes(&["a"], &"late")).collect()
    }

    #[test]
    fn a_rule_strikes_when_it_says() {
        assert_eq!(pattern(When::Always), [true; 4]);
        assert_eq!(pattern(When::First(2)), [true, true, false, false]);
        assert_eq!(pattern(When::Nth(3)), [false, false, true, false]);
        assert_eq!(pattern(When::sessions(["b"])), [false; 4]);
        assert_eq!(pattern(When::sessions_first(["b", "a"], 1)), [true, false, false, false]);
        assert_eq!(pattern(When::Chance(0.0)), [false; 4]);
    }

    #[test]
    fn what_is_switched_off_strikes_no_more() {
        let faults = Faults::new(1, vec![("late", When::Always), ("wrong", When::Always)]);
        faults.off(&"late");
        assert!(!faults.strikes(&[], &"late") && faults.strikes(&[], &"wrong"));
        faults.clear();
        assert!(!faults.any());
    }
}
