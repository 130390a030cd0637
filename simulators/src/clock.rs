//! The simulators' own time: it runs with the machine's, faster or not at all, and can be moved.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// What the simulated vendors believe the time to be. Clones share one time.
#[derive(Debug, Clone)]
pub struct SimulatedClock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    shown: DateTime<Utc>,
    since: Instant,
    factor: f64,
}

impl SimulatedClock {
    /// A clock that shows the machine's time and runs with it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place of the simulators that reads the machine's clock")]
    pub fn real() -> Self {
        Self::running(Utc::now(), 1.0)
    }

    /// A clock that shows `start` now and runs `factor` times as fast as the machine's.
    #[must_use]
    pub fn running(start: DateTime<Utc>, factor: f64) -> Self {
        Self(Arc::new(Mutex::new(State { shown: start, since: Instant::now(), factor: factor.max(0.0) })))
    }

    /// A clock that stands still at `start` until it is moved.
    #[must_use]
    pub fn standing(start: DateTime<Utc>) -> Self {
        Self::running(start, 0.0)
    }

    /// The simulated time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = state.since.elapsed().mul_f64(state.factor);
        state.shown + TimeDelta::from_std(elapsed).unwrap_or(TimeDelta::MAX)
    }

    /// The simulated time in epoch milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now().timestamp_millis()
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.shown += TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_clock_moves_only_when_told() {
        let start = DateTime::<Utc>::UNIX_EPOCH;
        let clock = SimulatedClock::standing(start);
        let copy = clock.clone();
        assert_eq!(clock.now(), start);
        copy.advance(Duration::from_mins(90));
        assert_eq!(clock.now_ms(), 5_400_000);
    }
}
