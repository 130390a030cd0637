//! The budget of one process while Redis is away: pure arithmetic on a clock that the caller reads.

use std::time::{Duration, Instant};

/// A token bucket that answers how long to wait instead of waiting.
#[derive(Debug)]
pub(super) struct LocalBudget {
    per_second: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
    blocked_until: Option<Instant>,
}

impl LocalBudget {
    pub(super) fn new(per_second: f64, burst: f64, now: Instant) -> Self {
        Self { per_second, burst, tokens: burst, at: now, blocked_until: None }
    }

    /// Takes a token and leaves `left` of them: `Ok` with the wait until it is there, `Err` with the wait until it is worth asking again.
    pub(super) fn take(&mut self, longest_wait: Duration, left: f64, now: Instant) -> Result<Duration, Duration> {
        self.tokens = self.available(now);
        self.at = now;
        let closed = self.closed_for(now);
        let owed = Duration::try_from_secs_f64((1.0 + left - self.tokens).max(0.0) / self.per_second).unwrap_or(Duration::MAX);
        if closed.is_zero() && owed <= longest_wait {
            self.tokens -= 1.0;
            return Ok(owed);
        }
        Err(closed.max(owed).max(Duration::try_from_secs_f64(1.0 / self.per_second).unwrap_or(Duration::MAX)))
    }

    /// Grants nothing for `wait`.
    pub(super) fn block_for(&mut self, wait: Duration, now: Instant) {
        self.blocked_until = self.blocked_until.max(now.checked_add(wait));
    }

    pub(super) fn available(&self, now: Instant) -> f64 {
        let refilled = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        (self.tokens + refilled).min(self.burst)
    }

    pub(super) fn closed_for(&self, now: Instant) -> Duration {
        self.blocked_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_granted_at_once_and_then_one_by_one() {
        let start = Instant::now();
        let mut budget = LocalBudget::new(2.0, 3.0, start);
        for _ in 0..3 {
            assert_eq!(budget.take(Duration::ZERO, 0.0, start), Ok(Duration::ZERO));
        }
        assert_eq!(budget.take(Duration::from_millis(400), 0.0, start), Err(Duration::from_millis(500)));
        assert_eq!(budget.take(Duration::from_secs(1), 0.0, start), Ok(Duration::from_millis(500)));
        assert_eq!(budget.take(Duration::ZERO, 0.0, start + Duration::from_secs(60)), Ok(Duration::ZERO));
    }

    #[test]
    fn a_block_grants_nothing_until_it_is_over() {
        let start = Instant::now();
        let mut budget = LocalBudget::new(2.0, 3.0, start);
        budget.block_for(Duration::from_secs(5), start);
        budget.block_for(Duration::from_secs(1), start);
        assert_eq!(budget.take(Duration::from_secs(10), 0.0, start), Err(Duration::from_secs(5)));
        assert_eq!(budget.take(Duration::ZERO, 0.0, start + Duration::from_secs(5)), Ok(Duration::ZERO));
    }

    #[test]
    fn what_must_be_left_is_left() {
        let start = Instant::now();
        let mut budget = LocalBudget::new(2.0, 4.0, start);
        for _ in 0..3 {
            assert_eq!(budget.take(Duration::ZERO, 1.0, start), Ok(Duration::ZERO));
        }
        assert_eq!(budget.take(Duration::ZERO, 1.0, start), Err(Duration::from_millis(500)));
        assert_eq!(budget.take(Duration::ZERO, 0.0, start), Ok(Duration::ZERO), "others find it");
    }
}
